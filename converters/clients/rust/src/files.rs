// SPDX-License-Identifier: BSD-3-Clause
// Files are read once, and not without bound.
use crate::errors::{Code, Error};
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The largest model or signature that is read: 2 GiB less a byte.
pub(crate) const MOST: u64 = (1 << 31) - 1;

/// Return the content of a file of at most so many bytes.
pub(crate) fn content(place: &Path, most: u64) -> Result<Vec<u8>, Error> {
    read(place, most).map_err(|error| {
        let message = format!("cannot read {}: {error}", place.display());
        Error::new(Code::Format, message, "look at the path")
    })
}

/// The same, or nothing if there is no such file.
pub(crate) fn perhaps(place: &Path, most: u64) -> Result<Option<Vec<u8>>, Error> {
    match File::open(place) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        _ => content(place, most).map(Some),
    }
}

/// Where the signature of a model is, if nobody says otherwise.
pub(crate) fn beside(model: &Path) -> PathBuf {
    let mut name: OsString = model.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

fn read(place: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let file = File::open(place)?;
    let told = file.metadata()?;
    if told.is_dir() {
        return Err(std::io::Error::other("it is a folder"));
    }
    let mut data = Vec::with_capacity(usize::try_from(told.len().min(most)).unwrap_or(0));
    file.take(most + 1).read_to_end(&mut data)?;
    if data.len() as u64 > most {
        return Err(std::io::Error::other("it is too large"));
    }
    Ok(data)
}
