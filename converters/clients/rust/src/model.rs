// SPDX-License-Identifier: BSD-3-Clause
// A verified model in the engine, which gets the very bytes that were verified.
use crate::answers::{answers_of, Answer};
use crate::csv::rows_of;
use crate::engine::{self, Session};
use crate::errors::Error;
use crate::files;
use crate::keys::Key;
use crate::rows::feed_of;
use crate::tensors::Input;
use crate::value::Value;
use crate::verify::{verify, Said, Verified};
use std::fmt;
use std::path::Path;

/// A model that was verified before the engine saw it. Threads may share it.
pub struct Model {
    session: Session,
    said: Said,
    outputs: Vec<String>,
}

impl Model {
    /// Read a `.onnx` file with the `.sig` file beside it, or a `.safeserial` file; verify it; load it.
    ///
    /// # Errors
    /// An [`Error`] if the model cannot be read, is not to be trusted, or cannot be loaded.
    pub fn open(model: impl AsRef<Path>, keys: &[Key]) -> Result<Self, Error> {
        let model = model.as_ref();
        let signature = files::perhaps(&files::beside(model), files::MOST)?;
        Self::from_bytes(files::content(model, files::MOST)?, signature.as_deref(), keys)
    }

    /// The same, with a signature that is elsewhere.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_with(
        model: impl AsRef<Path>,
        signature: impl AsRef<Path>,
        keys: &[Key],
    ) -> Result<Self, Error> {
        let signature = files::content(signature.as_ref(), files::MOST)?;
        Self::from_bytes(files::content(model.as_ref(), files::MOST)?, Some(&signature), keys)
    }

    /// Verify and load a model that is in memory.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn from_bytes(
        data: Vec<u8>,
        signature: Option<&[u8]>,
        keys: &[Key],
    ) -> Result<Self, Error> {
        Self::load(&verify(data, signature, keys)?)
    }

    /// Load a model that was verified before.
    ///
    /// # Errors
    /// [`Code::Runtime`](crate::Code::Runtime) if the engine cannot.
    pub fn load(verified: &Verified) -> Result<Self, Error> {
        let session = Session::new(verified.onnx())?;
        Ok(Self { outputs: session.outputs(), said: verified.said().clone(), session })
    }

    /// Answer some rows: records with a value a column, [`Value::Null`] for a missing one. A model of one
    /// input also takes the bare values.
    ///
    /// # Errors
    /// [`Code::Rows`](crate::Code::Rows) if the rows do not fit the model.
    pub fn predict(&self, rows: &[Value]) -> Result<Vec<Answer>, Error> {
        let outputs = self.session.run(&feed_of(self.inputs(), rows)?)?;
        answers_of(&self.outputs, &outputs, rows.len())
    }

    /// Read rows for this model: a JSON list as for [`parse`](crate::parse), or CSV whose first line names the
    /// columns, in any order; an empty cell is a missing value. For a model of an array a line's cells are its
    /// features in their order.
    ///
    /// # Errors
    /// [`Code::Rows`](crate::Code::Rows) if the text is neither, or has not the columns of the model.
    pub fn read_rows(&self, text: &[u8]) -> Result<Vec<Value>, Error> {
        rows_of(text, self.inputs())
    }

    /// What the signers say.
    #[must_use]
    pub fn said(&self) -> &Said {
        &self.said
    }

    /// What the model takes.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        self.session.inputs()
    }

    /// The names of what it tells.
    #[must_use]
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// The version of ONNX Runtime.
    #[must_use]
    pub fn engine() -> Option<String> {
        engine::version()
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Model").field("said", &self.said).finish_non_exhaustive()
    }
}
