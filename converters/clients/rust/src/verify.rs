// SPDX-License-Identifier: BSD-3-Clause
// Verify a model, whichever way it is signed. Loads no engine.
use crate::artifact::{looks_like_artifact, verify_artifact};
use crate::bundle::verify_beside;
use crate::errors::{need_else, Code, Error};
use crate::keys::Key;
use crate::onnx::examine;
use crate::value::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// What the signers say of a model.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Said {
    /// The names of the keys that signed, among those you gave.
    pub signers: Vec<String>,
    /// The model's name, or `""`.
    pub name: String,
    /// Its version, or `""`.
    pub version: String,
    /// When it was signed, or `""`.
    pub created: String,
    /// The signers' own words.
    pub metadata: BTreeMap<String, Value>,
    /// The classes, where the file tells them.
    pub classes: Option<Vec<Value>>,
}

/// A model whose signature was found right.
pub struct Verified {
    data: Vec<u8>,
    model: Range<usize>,
    said: Said,
}

impl Verified {
    /// The bytes that were verified, as ONNX.
    #[must_use]
    pub fn onnx(&self) -> &[u8] {
        self.data.get(self.model.clone()).unwrap_or_default()
    }

    /// What the signers say.
    #[must_use]
    pub fn said(&self) -> &Said {
        &self.said
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Verified").field("said", &self.said).finish_non_exhaustive()
    }
}

/// Verify a model's bytes: a `.safeserial` file, or a `.onnx` file with the content of its `.sig`.
///
/// # Errors
/// An [`Error`] unless one of the keys signed this very model, and it stands in one file.
pub fn verify(data: Vec<u8>, signature: Option<&[u8]>, keys: &[Key]) -> Result<Verified, Error> {
    need_else(!keys.is_empty(), Code::Key, "no key was given", "give the sender's public key")?;
    let (model, said) = if looks_like_artifact(&data) {
        verify_artifact(&data, keys)?
    } else {
        let Some(signature) = signature else {
            let hint = "the sender signs it with: safeserial sign model.onnx";
            return Err(Error::new(Code::Unsigned, "the model comes without a signature", hint));
        };
        (0..data.len(), verify_beside(&data, signature, keys)?)
    };
    let mut found = Verified { data, model, said };
    let classes = examine(found.onnx())?;
    found.said.classes = found.said.classes.or(classes);
    Ok(found)
}
