// SPDX-License-Identifier: BSD-3-Clause
// JSON in which no object has a key twice, of bounded depth; and the one canonical spelling.
use crate::errors::{need, Code, Error};
use crate::value::Value;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt::{self, Write};

const MOST_MARKS: usize = 1 << 19;
const LARGEST: i64 = (1 << 53) - 1;
const ROWS_DEPTH: usize = 8;
pub(crate) const MANIFEST_DEPTH: usize = 32;
pub(crate) const BUNDLE_DEPTH: usize = 15; // sixteen levels, of which the first is inside of none

/// Read rows from JSON: a list of records, or of the bare values of a model of one input.
///
/// # Errors
/// [`Code::Rows`] if it is not JSON, an object has a key twice, or it is nested deeper than rows are.
pub fn parse(text: &[u8]) -> Result<Value, Error> {
    read(text, ROWS_DEPTH).map_err(|error| {
        Error::new(Code::Rows, format!("the rows are not JSON: {error}"), "give a list of records")
    })
}

/// Read JSON; `depth` is how many lists and objects a value may be inside of.
pub(crate) fn strict(text: &[u8], what: &str, depth: usize) -> Result<Value, Error> {
    let marks = text.iter().filter(|one| matches!(one, b',' | b'[' | b'{')).count();
    need(marks <= MOST_MARKS, &format!("{what} has too many values"))?;
    read(text, depth)
        .map_err(|error| Error::format(format!("{what} is not JSON as it should be: {error}")))
}

/// Read JSON that has exactly one spelling (section 4 of the format's specification).
pub(crate) fn canonical(text: &[u8], what: &str) -> Result<Value, Error> {
    let value = strict(text, what, MANIFEST_DEPTH)?;
    let mut again = String::with_capacity(text.len());
    let spelled = spell(&value, &mut again).is_some();
    need(spelled && again.as_bytes() == text, &format!("{what} is not in canonical form"))?;
    Ok(value)
}

fn read(text: &[u8], most: usize) -> serde_json::Result<Value> {
    let mut from = serde_json::Deserializer::from_slice(text);
    let value = Strict { depth: 0, most }.deserialize(&mut from)?;
    from.end()?;
    Ok(value)
}

/// Write the canonical form, or nothing if there is none.
fn spell(value: &Value, to: &mut String) -> Option<()> {
    match value {
        Value::Null => to.push_str("null"),
        Value::Bool(value) => to.push_str(if *value { "true" } else { "false" }),
        Value::Integer(value) if (-LARGEST..=LARGEST).contains(value) => {
            write!(to, "{value}").ok()?;
        }
        Value::Integer(_) | Value::Number(_) => return None,
        Value::Text(text) => quote(text, to)?,
        Value::List(items) => {
            to.push('[');
            for (at, one) in items.iter().enumerate() {
                if at > 0 {
                    to.push(',');
                }
                spell(one, to)?;
            }
            to.push(']');
        }
        Value::Record(fields) => {
            to.push('{');
            for (at, (name, one)) in fields.iter().enumerate() {
                if !name.is_ascii() {
                    return None;
                }
                if at > 0 {
                    to.push(',');
                }
                quote(name, to)?;
                to.push(':');
                spell(one, to)?;
            }
            to.push('}');
        }
    }
    Some(())
}

fn quote(text: &str, to: &mut String) -> Option<()> {
    to.push('"');
    for one in text.chars() {
        match one {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\u{8}' => to.push_str("\\b"),
            '\t' => to.push_str("\\t"),
            '\n' => to.push_str("\\n"),
            '\u{c}' => to.push_str("\\f"),
            '\r' => to.push_str("\\r"),
            ' '..='~' => to.push(one),
            _ => {
                for unit in one.encode_utf16(&mut [0; 2]) {
                    write!(to, "\\u{unit:04x}").ok()?;
                }
            }
        }
    }
    to.push('"');
    Some(())
}

/// Reads any value, and knows how deep it is.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
    most: usize,
}

impl Strict {
    fn inside(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        if self.depth > self.most {
            return Err(de::Error::custom("it is nested too deep"));
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    #[allow(clippy::cast_precision_loss)]
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Number(value as f64), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut found = Vec::new();
        while let Some(one) = items.next_element_seed(self.inside())? {
            found.push(one);
        }
        Ok(Value::List(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut found = BTreeMap::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(self.inside())?;
            if found.insert(name, value).is_some() {
                return Err(de::Error::custom("an object has a key twice"));
            }
        }
        Ok(Value::Record(found))
    }
}

#[cfg(test)]
mod tests {
    use super::{canonical, parse, strict, BUNDLE_DEPTH, MANIFEST_DEPTH};

    #[test]
    fn a_canonical_text_and_no_other() {
        let whole = br#"{"a":[1,-2,null,true,"\u00e9\ud83d\ude00\n\"\\~ /"],"b":{}}"#;
        assert!(canonical(whole, "it").is_ok());
        let others: [&[u8]; 12] = [
            b" 1",
            b"1 ",
            b"1.0",
            b"-0",
            b"1e3",
            b"01",
            b"9007199254740992",
            br#""\/""#,
            br#""\u0041""#,
            br#"{"b":1,"a":2}"#,
            br#""\u00E9""#,
            "\"é\"".as_bytes(),
        ];
        for one in others {
            assert!(canonical(one, "it").is_err(), "{}", String::from_utf8_lossy(one));
        }
        assert!(canonical(br#"{"\u00e9":1}"#, "it").is_err());
    }

    #[test]
    fn no_key_twice_and_no_half_character() {
        for one in
            [r#"{"a":1,"\u0061":2}"#, r#"[{"a":{"b":1,"b":1}}]"#, r#""\ud800""#, "NaN", "[1,]", ""]
        {
            assert!(strict(one.as_bytes(), "it", 9).is_err(), "{one}");
            assert!(parse(one.as_bytes()).is_err(), "{one}");
        }
    }

    #[test]
    fn depth_is_counted() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        for most in [BUNDLE_DEPTH, MANIFEST_DEPTH] {
            assert!(strict(nested(most).as_bytes(), "it", most).is_ok());
            assert!(strict(nested(most + 1).as_bytes(), "it", most).is_err());
        }
        assert!(strict(nested(100_000).as_bytes(), "it", 32).is_err());
        let many = format!("[{}1]", "1,".repeat(1 << 19));
        assert!(strict(many.as_bytes(), "it", 32).is_err());
    }
}
