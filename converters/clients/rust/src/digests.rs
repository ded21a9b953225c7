// SPDX-License-Identifier: BSD-3-Clause
// Digests, as hex, and the bytes that a signature is over.
use crate::errors::{Code, Error};
use crate::texts::hex;
use openssl::hash::{hash, MessageDigest};

/// What a model may be hashed with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    Blake3,
}

impl Algorithm {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "sha256" => Some(Self::Sha256),
            "blake3" => Some(Self::Blake3),
            _ => None,
        }
    }

    /// Hash bytes.
    pub(crate) fn digest(self, bytes: &[u8]) -> Result<String, Error> {
        match self {
            Self::Sha256 => sha256(bytes).map(|found| hex(&found)),
            Self::Blake3 => blake3_of(bytes),
        }
    }
}

/// Hash bytes with SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    hash(MessageDigest::sha256(), bytes)
        .map(|found| found.to_vec())
        .map_err(|error| library(&error))
}

#[cfg(feature = "blake3")]
#[allow(clippy::unnecessary_wraps)] // as without the feature
fn blake3_of(bytes: &[u8]) -> Result<String, Error> {
    Ok(hex(blake3::hash(bytes).as_bytes()))
}

#[cfg(not(feature = "blake3"))]
fn blake3_of(_: &[u8]) -> Result<String, Error> {
    let hint = "build with the feature blake3, or ask the sender to sign with P-256";
    Err(Error::new(Code::Unsupported, "the model is hashed with BLAKE3", hint))
}

/// DSSE's pre-authentication encoding: what a signature is over.
pub(crate) fn signed_bytes(kind: &str, body: &[u8]) -> Vec<u8> {
    let mut found = format!("DSSEv1 {} {kind} {} ", kind.len(), body.len()).into_bytes();
    found.extend_from_slice(body);
    found
}

/// OpenSSL failed at what it can always do.
pub(crate) fn library(error: &openssl::error::ErrorStack) -> Error {
    Error::new(
        Code::Runtime,
        format!("OpenSSL failed: {error}"),
        "look at the installation of OpenSSL",
    )
}
