// SPDX-License-Identifier: BSD-3-Clause
// The bytes of a ZIP file around the members of an artifact (section 3 of the format's specification).
use crate::errors::{Code, Error};

pub(crate) const FIRST: usize = 64;
pub(crate) const ROOM: usize = 16_320;
const ALIGN: u64 = 64;
pub(crate) const TOP: u64 = 0xffff_ffff;

/// A member, as headers and directory describe it.
pub(crate) struct Member<'a> {
    pub(crate) path: &'a str,
    pub(crate) size: u32,
    pub(crate) crc: u32,
    pub(crate) at: u32,
}

impl<'a> Member<'a> {
    /// Describe a member; sizes and places of 4 GiB and more are not read here.
    pub(crate) fn new(path: &'a str, size: u64, crc: u32, at: u64) -> Result<Self, Error> {
        match (small(size), small(at)) {
            (Some(size), Some(at)) => Ok(Self { path, size, crc, at }),
            _ => Err(too_large()),
        }
    }

    /// The local header, which ends where the data begins: at a multiple of 64.
    pub(crate) fn header(&self) -> Vec<u8> {
        let name = length(self.path);
        let gap = (ALIGN - (u64::from(self.at) + 36 + u64::from(name)) % ALIGN) % ALIGN;
        let gap = u16::try_from(gap).unwrap_or_default(); // below 64
        let mut to = b"PK\x03\x04".to_vec();
        shorts(&mut to, &[20, 0, 0, 0, 33]);
        longs(&mut to, &[self.crc, self.size, self.size]);
        shorts(&mut to, &[name, 6 + gap]);
        to.extend_from_slice(self.path.as_bytes());
        shorts(&mut to, &[0xd935, 2 + gap, 64]);
        to.extend(std::iter::repeat(0).take(usize::from(gap)));
        to
    }

    fn record(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(b"PK\x01\x02");
        shorts(to, &[20, 20, 0, 0, 0, 33]);
        longs(to, &[self.crc, self.size, self.size]);
        shorts(to, &[length(self.path), 0, 0, 0, 0]);
        longs(to, &[0, self.at]);
        to.extend_from_slice(self.path.as_bytes());
    }
}

/// Central directory and end record.
pub(crate) fn tail(members: &[Member], at: u64) -> Result<Vec<u8>, Error> {
    let mut to = Vec::new();
    for one in members {
        one.record(&mut to);
    }
    let size = small(to.len() as u64).ok_or_else(too_large)?;
    let at = small(at)
        .filter(|at| small(u64::from(*at) + u64::from(size)).is_some())
        .ok_or_else(too_large)?;
    let count = u16::try_from(members.len()).map_err(|_| too_large())?;
    to.extend_from_slice(b"PK\x05\x06");
    shorts(&mut to, &[0, 0, count, count]);
    longs(&mut to, &[size, at]);
    shorts(&mut to, &[0]);
    Ok(to)
}

fn too_large() -> Error {
    Error::new(Code::Unsupported, "models of 4 GiB are not read here", "ask for a smaller model")
}

fn small(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|one| u64::from(*one) < TOP)
}

fn length(path: &str) -> u16 {
    u16::try_from(path.len()).unwrap_or(u16::MAX) // paths have at most 411 characters
}

fn shorts(to: &mut Vec<u8>, numbers: &[u16]) {
    to.extend(numbers.iter().flat_map(|one| one.to_le_bytes()));
}

fn longs(to: &mut Vec<u8>, numbers: &[u32]) {
    to.extend(numbers.iter().flat_map(|one| one.to_le_bytes()));
}

const SUMS: [u32; 256] = sums();

#[allow(clippy::cast_possible_truncation, clippy::indexing_slicing)] // below 256, while compiling
const fn sums() -> [u32; 256] {
    let mut found = [0; 256];
    let mut at = 0;
    while at < 256 {
        let (mut sum, mut bit) = (at as u32, 0);
        while bit < 8 {
            sum = (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        found[at] = sum;
        at += 1;
    }
    found
}

/// The check sum of ZIP, which protects nothing; it stands in headers that are compared.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, one| {
        let at = usize::from(*one ^ sum.to_le_bytes()[0]);
        (sum >> 8) ^ SUMS.get(at).copied().unwrap_or_default()
    })
}
