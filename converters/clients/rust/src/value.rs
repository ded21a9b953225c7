// SPDX-License-Identifier: BSD-3-Clause
// A value of JSON: what rows, answers and signed documents are made of.
use serde::ser::{Serialize, Serializer};
use std::collections::BTreeMap;

/// A cell, a row or an answer. A record with a value a column is a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Missing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Several values.
    List(Vec<Value>),
    /// Values by name.
    Record(BTreeMap<String, Value>),
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one, whole or not.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(whole) => Some(*whole as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The values, if it is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The values by name, if it is a record.
    #[must_use]
    pub fn as_record(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            Self::Record(fields) => Some(fields),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($kind:ty => $make:expr),* $(,)?) => {$(
        impl From<$kind> for Value {
            fn from(given: $kind) -> Self {
                $make(given)
            }
        }
    )*};
}

from! {
    bool => Value::Bool,
    i32 => |given| Value::Integer(i64::from(given)),
    i64 => Value::Integer,
    f32 => |given| Value::Number(f64::from(given)),
    f64 => Value::Number,
    String => Value::Text,
    &str => |given: &str| Value::Text(given.to_owned()),
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(given: Option<T>) -> Self {
        given.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(given: Vec<T>) -> Self {
        Self::List(given.into_iter().map(Into::into).collect())
    }
}

impl<K: Into<String>, const N: usize> From<[(K, Value); N]> for Value {
    fn from(given: [(K, Value); N]) -> Self {
        Self::Record(given.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

/// As JSON; what is not finite becomes `null`.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Integer(value) => to.serialize_i64(*value),
            Self::Number(value) if value.is_finite() => to.serialize_f64(*value),
            Self::Null | Self::Number(_) => to.serialize_unit(),
            Self::Text(value) => to.serialize_str(value),
            Self::List(items) => to.collect_seq(items),
            Self::Record(fields) => to.collect_map(fields),
        }
    }
}
