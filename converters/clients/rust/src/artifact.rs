// SPDX-License-Identifier: BSD-3-Clause
// A signed artifact, `model.safeserial` (docs/spec/format-v1.md). No ZIP structure is interpreted:
// what the manifest says the file must be is built and compared with what it is.
use crate::container::{crc32, tail, Member, FIRST, ROOM};
use crate::digests::signed_bytes;
use crate::errors::{need, need_else, Code, Error, AGAIN, STOP};
use crate::json::canonical;
use crate::keys::{Key, Purpose};
use crate::manifest::{manifest_of, said};
use crate::texts::{fields, from_base64, text_of};
use crate::value::Value;
use crate::verify::Said;
use std::collections::BTreeSet;
use std::ops::Range;

const TYPE: &str = "application/vnd.safeserial.manifest.v1+json";
const LARGEST_MANIFEST: i64 = 16 << 20;

/// Say whether bytes begin as an artifact does.
pub(crate) fn looks_like_artifact(data: &[u8]) -> bool {
    data.starts_with(b"PK\x03\x04")
}

/// Verify an artifact with an ONNX payload; return where the model's bytes are and what its signers say.
pub(crate) fn verify_artifact(data: &[u8], keys: &[Key]) -> Result<(Range<usize>, Said), Error> {
    let front = part(data, FIRST, ROOM)?;
    let first = Member::new("signatures.json", ROOM as u64, crc32(front), 0)?;
    need(data.starts_with(&first.header()), "the file does not begin as an artifact")?;
    let (size, signatures) = front_of(front)?;
    let begin = FIRST + ROOM;
    let heading = FIRST; // at this place the second header has as many bytes as the first
    let body = part(data, begin + heading, size)?;
    let second = Member::new("manifest.json", size as u64, crc32(body), begin as u64)?;
    need(part(data, begin, heading)? == second.header(), "the manifest's header is wrong")?;
    let signers = signers_of(&signatures, keys, &signed_bytes(TYPE, body))?;
    let manifest = canonical(body, "the manifest")?;
    let (manifest, payload) = manifest_of(&manifest)?;

    let at = begin + heading + size;
    let third = Member::new(payload.path, payload.size, payload.crc, at as u64)?;
    let header = third.header();
    need(part(data, at, header.len())? == header, "a member's header is wrong")?;
    let from = at + header.len();
    let length =
        usize::try_from(payload.size).map_err(|_| Error::format("the file is too short"))?;
    let model = part(data, from, length)?;
    let to = from + length;
    let end = tail(&[first, second, third], to as u64)?;
    need(data.get(to..) == Some(end.as_slice()), "the end of the file is not as it should be")?;
    let same = payload.algorithm.digest(model)? == payload.digest;
    need_else(same, Code::Digest, "the model was changed after it was signed", STOP)?;
    Ok((from..to, said(manifest, signers)?))
}

fn part(data: &[u8], from: usize, size: usize) -> Result<&[u8], Error> {
    from.checked_add(size)
        .and_then(|to| data.get(from..to))
        .ok_or_else(|| Error::format("the file is too short"))
}

/// A signature and the name of its key.
type Signature = (String, Vec<u8>);

fn front_of(bytes: &[u8]) -> Result<(usize, Vec<Signature>), Error> {
    let filled = bytes.iter().rev().take_while(|one| **one == b' ').count();
    let text = bytes.get(..bytes.len() - filled).unwrap_or_default();
    let front = canonical(text, "signatures.json")?;
    let front = fields(
        Some(&front),
        "signatures.json",
        &["payloadSize", "payloadType", "signatures"],
        &[],
    )?;
    let known = text_of(front, "payloadType") == Some(TYPE);
    need_else(known, Code::Unsupported, "the artifact is of another version", AGAIN)?;
    let size = match front.get("payloadSize") {
        Some(Value::Integer(size)) if (1..=LARGEST_MANIFEST).contains(size) => {
            usize::try_from(*size).unwrap_or(0)
        }
        _ => return Err(Error::format("the manifest has another size")),
    };
    let Some(listed) = front.get("signatures").and_then(Value::as_list) else {
        return Err(Error::format("the signatures are no list"));
    };
    need_else(
        !listed.is_empty(),
        Code::Unsigned,
        "the artifact is not signed",
        "ask the sender to sign it",
    )?;
    need(listed.len() <= 32, "there are too many signatures")?;
    let signatures = listed.iter().map(signature_of).collect::<Result<Vec<_>, _>>()?;
    let names: BTreeSet<&str> = signatures.iter().map(|(name, _)| name.as_str()).collect();
    need(names.len() == signatures.len(), "a key signed twice")?;
    Ok((size, signatures))
}

fn signature_of(one: &Value) -> Result<Signature, Error> {
    let found = fields(Some(one), "a signature", &["keyid", "sig"], &[])?;
    let name = text_of(found, "keyid").unwrap_or_default();
    let plain = |one: u8| one.is_ascii_lowercase() || one.is_ascii_digit();
    let named = (1..=128).contains(&name.len())
        && name.bytes().all(|one| plain(one) || b"._:-".contains(&one))
        && name.bytes().next().is_some_and(plain);
    need(named, "the name of a key has another form")?;
    let value = from_base64(text_of(found, "sig").unwrap_or_default(), "a signature")?;
    Ok((name.to_owned(), value))
}

fn signers_of(
    signatures: &[Signature],
    keys: &[Key],
    message: &[u8],
) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for (name, value) in signatures {
        let Some(key) = keys.iter().find(|one| one.id() == name) else { continue };
        let fits = key.fits(message, value, Purpose::Artifact);
        need_else(fits, Code::BadSignature, &format!("the signature of {name} is wrong"), STOP)?;
        found.push(name.clone());
    }
    if found.is_empty() {
        let names: Vec<&str> = signatures.iter().map(|(name, _)| name.as_str()).collect();
        let message = format!("signed by {}, and none of your keys is that", names.join(", "));
        return Err(Error::new(
            Code::UnknownKey,
            message,
            "get the sender's public key from the sender",
        ));
    }
    Ok(found)
}
