// SPDX-License-Identifier: BSD-3-Clause
// The one error of this crate: what is wrong, what kind of wrong, and what to do about it.
use std::fmt;

/// What kind of wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// A file has another form than the specification says.
    Format,
    /// There is no signature.
    Unsigned,
    /// Nobody whom you trust has signed.
    UnknownKey,
    /// A signature does not fit.
    BadSignature,
    /// The model is another one than was signed.
    Digest,
    /// Something that is not read here.
    Unsupported,
    /// A key that cannot be used.
    Key,
    /// Rows that do not fit the model.
    Rows,
    /// ONNX Runtime failed.
    Runtime,
}

/// A model, signature, key or row that is not to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of wrong.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }

    /// A file of another form.
    pub(crate) fn format(message: impl Into<String>) -> Self {
        Self::new(Code::Format, message, AGAIN)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

pub(crate) const AGAIN: &str = "ask the sender for the file again";
pub(crate) const STOP: &str = "do not use this model";

/// Refuse a file unless a condition of its specification holds.
pub(crate) fn need(condition: bool, message: &str) -> Result<(), Error> {
    if condition {
        return Ok(());
    }
    Err(Error::format(message))
}

/// Refuse, with a kind and a hint of its own.
pub(crate) fn need_else(
    condition: bool,
    code: Code,
    message: &str,
    hint: &str,
) -> Result<(), Error> {
    if condition {
        return Ok(());
    }
    Err(Error::new(code, message, hint))
}
