// SPDX-License-Identifier: BSD-3-Clause
// A signature file beside a model (docs/spec/detached-v1.md): one bundle a line, one line a signer.
use crate::digests::signed_bytes;
use crate::errors::{need, need_else, Code, Error, AGAIN, STOP};
use crate::json::{strict, BUNDLE_DEPTH};
use crate::keys::{Key, Purpose};
use crate::statement::{self, Statement};
use crate::texts::{fields, from_base64, text_of, Fields};
use crate::value::Value;
use crate::verify::Said;
use std::collections::BTreeSet;

const SIGSTORE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const OURS: &str = "application/vnd.safeserial.bundle.v1+json";
const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";
const LONGEST: usize = 64 << 20;
const MOST_LINES: usize = 4096;
const MOST_BUNDLES: usize = 32;
const LONGEST_STATEMENT: usize = 16 << 20;
const LONGEST_VALUE: usize = 8192;

/// A statement with a signature; `hint` and `keyid` only tell where to look for the key.
struct Bundle {
    ours: bool,
    payload: Vec<u8>,
    value: Vec<u8>,
    keyid: String,
    hint: String,
    by_key: bool,
}

/// Verify a model against the content of its signature file; return what its signers say.
pub(crate) fn verify_beside(data: &[u8], signature: &[u8], keys: &[Key]) -> Result<Said, Error> {
    let bundles = split(signature)?;
    let distinct: BTreeSet<_> = bundles.iter().map(|one| (&one.payload, &one.value)).collect();
    need(distinct.len() == bundles.len(), "the signature file has the same signature twice")?;
    let mut found: Vec<(String, Statement)> = Vec::new();
    for bundle in &bundles {
        let message = signed_bytes(STATEMENT_TYPE, &bundle.payload);
        let Some(key) = key_of(bundle, keys, &message)? else { continue };
        need(found.iter().all(|(id, _)| id != key.id()), "two signatures are of one key")?;
        let fits = key.fits(&message, &bundle.value, Purpose::Beside);
        need_else(
            fits,
            Code::BadSignature,
            &format!("the signature of {} is wrong", key.id()),
            STOP,
        )?;
        found.push((key.id().to_owned(), statement::read(&bundle.payload, bundle.ours)?));
    }
    let Some((_, first)) = found.first() else { return Err(nobody(&bundles)) };
    for (_, one) in &found {
        one.check(data)?;
        let same = one.name == first.name && one.version == first.version;
        need_else(same, Code::BadSignature, "the signers call the model by different names", STOP)?;
    }
    Ok(Said {
        signers: found.iter().map(|(id, _)| id.clone()).collect(),
        name: first.name.clone(),
        version: first.version.clone(),
        created: first.created.clone(),
        metadata: first.metadata.clone(),
        classes: None,
    })
}

fn nobody(bundles: &[Bundle]) -> Error {
    let name = |one: &Bundle| match (one.keyid.as_str(), one.hint.as_str()) {
        ("", "") => "a key without a name".to_owned(),
        ("", hint) => hint.to_owned(),
        (keyid, _) => keyid.to_owned(),
    };
    let names: Vec<String> = bundles.iter().map(name).collect();
    let message = format!("signed by {}, and none of your keys is that", names.join(", "));
    Error::new(Code::UnknownKey, message, "get the sender's public key from the sender")
}

fn split(data: &[u8]) -> Result<Vec<Bundle>, Error> {
    need(data.len() <= LONGEST, "the signature file is too long")?;
    let text =
        std::str::from_utf8(data).map_err(|_| Error::format("the signature file is no text"))?;
    let text = text.trim_matches([' ', '\t', '\n', '\r']).replace("\r\n", "\n");
    need_else(
        !text.is_empty(),
        Code::Unsigned,
        "the signature file is empty",
        "ask the sender to sign the model",
    )?;
    let ends = text.bytes().filter(|one| matches!(one, b'\n' | b'\r')).count();
    need(ends < MOST_LINES, "the signature file has too many lines")?;
    let lines: Vec<&str> =
        text.split(['\n', '\r']).map(|line| line.trim_end_matches([' ', '\t'])).collect();
    if !lines.iter().all(|line| line.starts_with('{') && line.ends_with('}')) {
        return Ok(vec![bundle_of(&text)?]); // one that somebody laid out for people
    }
    need(lines.len() <= MOST_BUNDLES, "there are too many signatures")?;
    lines.into_iter().map(bundle_of).collect()
}

fn bundle_of(line: &str) -> Result<Bundle, Error> {
    let top = strict(line.as_bytes(), "the signature file", BUNDLE_DEPTH)?;
    let top = fields(
        Some(&top),
        "the bundle",
        &["mediaType", "verificationMaterial", "dsseEnvelope"],
        &[],
    )?;
    let media_type = text_of(top, "mediaType").unwrap_or_default();
    let known = [SIGSTORE, OURS].contains(&media_type);
    need_else(known, Code::Unsupported, "unknown kind of signature", AGAIN)?;
    let envelope = ["payload", "payloadType", "signatures"];
    let envelope = fields(top.get("dsseEnvelope"), "the envelope", &envelope, &[])?;
    let known = text_of(envelope, "payloadType") == Some(STATEMENT_TYPE);
    need_else(known, Code::Unsupported, "unknown type of signed content", AGAIN)?;
    let one = match envelope.get("signatures").and_then(Value::as_list) {
        Some([one]) => fields(Some(one), "the signature", &["sig"], &["keyid"])?,
        Some([]) => {
            let hint = "ask the sender to sign the model";
            return Err(Error::new(Code::Unsigned, "the bundle carries no signature", hint));
        }
        Some(_) => return Err(Error::format("the bundle carries more than one signature")),
        None => return Err(Error::format("the signatures are no list")),
    };
    let value = from_base64(text_of(one, "sig").unwrap_or_default(), "the signature")?;
    need(value.len() <= LONGEST_VALUE, "the signature is too long")?;
    let payload = from_base64(text_of(envelope, "payload").unwrap_or_default(), "the statement")?;
    need(payload.len() <= LONGEST_STATEMENT, "the statement is too long")?;
    let ours = media_type == OURS;
    let hint = hint_of(top.get("verificationMaterial"), ours)?;
    let by_key = hint.is_some();
    Ok(Bundle {
        ours,
        payload,
        value,
        keyid: name_of(one, "keyid")?,
        hint: hint.unwrap_or_default(),
        by_key,
    })
}

/// Return what the bundle says of its key, or nothing if a certificate stands in its place.
fn hint_of(material: Option<&Value>, ours: bool) -> Result<Option<String>, Error> {
    let known = ["publicKey", "tlogEntries", "x509CertificateChain"];
    let material = fields(material, "verificationMaterial", &[], &known)?;
    let keyless = match material.get("tlogEntries") {
        None | Some(Value::Null) => false,
        Some(Value::List(entries)) => !entries.is_empty(),
        Some(_) => true,
    };
    need_else(!keyless, Code::Unsupported, "keyless signatures are not read here", AGAIN)?;
    match (material.get("publicKey"), material.get("x509CertificateChain")) {
        (Some(key), None) => {
            let known = ["hint", "rawBytes", "keyDetails", "validFor"];
            Ok(Some(name_of(fields(Some(key), "publicKey", &[], &known)?, "hint")?))
        }
        (None, Some(_)) if !ours => Ok(None),
        _ => Err(Error::format("the bundle names no key")),
    }
}

fn name_of(found: &Fields, field: &str) -> Result<String, Error> {
    match found.get(field) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::Text(name))
            if name.len() <= 256 && name.bytes().all(|one| one.is_ascii_graphic()) =>
        {
            Ok(name.clone())
        }
        Some(_) => Err(Error::format("the name of a key has another form")),
    }
}

/// Find the key: what a bundle says only tells where to look.
fn key_of<'a>(bundle: &Bundle, keys: &'a [Key], message: &[u8]) -> Result<Option<&'a Key>, Error> {
    if !bundle.by_key {
        return Ok(None); // certificates: verified where roots can be given
    }
    let mixed = "the bundle is labelled as of another algorithm than its key";
    let two = "the bundle names two keys";
    let by_id = |id: &str| keys.iter().find(|one| !id.is_empty() && one.id() == id);
    let (hint, keyid) = (bundle.hint.as_str(), bundle.keyid.as_str());
    if bundle.ours {
        need(hint.is_empty() || keyid.is_empty() || hint == keyid, two)?;
        let key = by_id(if hint.is_empty() { keyid } else { hint });
        need_else(key.map_or(true, |one| !one.is_curve()), Code::BadSignature, mixed, STOP)?;
        return Ok(key);
    }
    let named = by_id(keyid).or_else(|| by_id(hint));
    need_else(named.map_or(true, Key::is_curve), Code::BadSignature, mixed, STOP)?;
    if !hint.is_empty() {
        let hinted = keys.iter().find(|one| one.is_curve() && one.hint() == hint);
        need(named.is_none() || named.map(Key::id) == hinted.map(Key::id), two)?;
        // A name of our form is one of ours; other tools may call the key by any other.
        let other = hinted.is_some_and(|one| keyid != one.id() && is_curve_name(keyid));
        need(!other, two)?;
        return Ok(hinted);
    }
    if named.is_some() || !keyid.is_empty() {
        return Ok(named);
    }
    Ok(keys.iter().find(|one| one.is_curve() && one.fits(message, &bundle.value, Purpose::Beside)))
}

/// Say whether a name begins as `p256-` does.
fn is_curve_name(name: &str) -> bool {
    let digits =
        name.strip_prefix('p').and_then(|rest| rest.split_once('-')).map(|(digits, _)| digits);
    digits
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit()))
}
