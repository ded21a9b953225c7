// SPDX-License-Identifier: BSD-3-Clause
// Base64 and hex in the one form that the specification allows, and the fields of an object.
use crate::errors::{need, Error};
use crate::value::Value;
use openssl::base64::{decode_block, encode_block};
use std::collections::BTreeMap;
use std::fmt::Write;

pub(crate) type Fields = BTreeMap<String, Value>;

/// Return bytes as lowercase hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, one| {
        let _ = write!(text, "{one:02x}"); // writing to a string cannot fail
        text
    })
}

/// Return the bytes of so many lowercase hex digits.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let lower = digits.iter().all(|one| matches!(one, b'0'..=b'9' | b'a'..=b'f'));
    if !lower || digits.len() != 2 * N {
        return None;
    }
    let mut found = [0; N];
    for (at, one) in found.iter_mut().enumerate() {
        *one = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(found)
}

/// Read base64: the standard alphabet, padded, no spare bits, no white space, at least a byte.
pub(crate) fn from_base64(text: &str, what: &str) -> Result<Vec<u8>, Error> {
    let body = text.trim_end_matches('=');
    let alphabet = |one: u8| one.is_ascii_alphanumeric() || one == b'+' || one == b'/';
    let form = text.len() % 4 == 0 && text.len() - body.len() <= 2 && body.bytes().all(alphabet);
    let found = if form { decode_block(text).unwrap_or_default() } else { Vec::new() };
    // Spare bits that are set would be lost: then the text is another one.
    need(
        !found.is_empty() && encode_block(&found) == text,
        &format!("{what} is not base64 as it should be"),
    )?;
    Ok(found)
}

/// Return an object that has the needed fields, perhaps the optional ones, and no others.
pub(crate) fn fields<'a>(
    value: Option<&'a Value>,
    what: &str,
    needed: &[&str],
    optional: &[&str],
) -> Result<&'a Fields, Error> {
    let Some(found) = value.and_then(Value::as_record) else {
        return Err(Error::format(format!("{what} is no object")));
    };
    for name in needed {
        need(found.contains_key(*name), &format!("{what} has no {name}"))?;
    }
    for name in found.keys() {
        let known = needed.contains(&name.as_str()) || optional.contains(&name.as_str());
        need(known, &format!("{what} has an unknown field"))?;
    }
    Ok(found)
}

/// Return a field that is a text, or nothing.
pub(crate) fn text_of<'a>(found: &'a Fields, name: &str) -> Option<&'a str> {
    found.get(name).and_then(Value::as_str)
}

/// Return a text, or `""` where there is none; null counts as none.
pub(crate) fn perhaps(found: &Fields, name: &str, what: &str) -> Result<String, Error> {
    match found.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::Text(text)) => Ok(text.clone()),
        Some(_) => Err(Error::format(format!("{name} of {what} is no text"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{from_base64, from_hex, hex};

    #[test]
    fn one_spelling_of_base64() {
        assert_eq!(from_base64("AAE=", "it").expect("fits"), [0, 1]);
        assert_eq!(from_base64("+/+/", "it").expect("fits").len(), 3);
        for one in [
            "", "AAE", "AAF=", "AA E=", "AAE=\n", "AAE==", "A===", "====", "-_-_", "AAE=AAE=",
            "é===",
        ] {
            assert!(from_base64(one, "it").is_err(), "{one:?}");
        }
    }

    #[test]
    fn hex_in_lower_case() {
        assert_eq!(hex(&[0, 255, 16]), "00ff10");
        assert_eq!(from_hex::<2>("00ff"), Some([0, 255]));
        for one in ["00F0", "00f", "00fg", "+0f0", "00ff00"] {
            assert_eq!(from_hex::<2>(one), None, "{one}");
        }
    }
}
