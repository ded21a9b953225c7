// SPDX-License-Identifier: BSD-3-Clause
// Records to tensors: columns by name, texts, missing values.
use crate::errors::{Code, Error};
use crate::tensors::{Dimension, ElementType, Elements, Input, Tensor};
use crate::value::Value;
use std::borrow::Cow;
use std::ffi::CString;

/// The largest integer up to which a number has all of them.
const EXACT: f64 = 9_007_199_254_740_991.0;

/// Return the tensors of some records.
pub(crate) fn feed_of(inputs: &[Input], rows: &[Value]) -> Result<Vec<Tensor>, Error> {
    if rows.is_empty() {
        return Err(refused("there are no rows", "give a list of records"));
    }
    inputs.iter().map(|one| tensor_of(one, rows, inputs.len())).collect()
}

fn refused(message: impl Into<String>, hint: &str) -> Error {
    Error::new(Code::Rows, message, hint)
}

fn tensor_of(input: &Input, rows: &[Value], inputs: usize) -> Result<Tensor, Error> {
    let (flat, mut width) = match input.shape.as_slice() {
        [_] => (true, Some(1)),
        [_, Dimension::Fixed(width)] => (false, usize::try_from(*width).ok()),
        [_, Dimension::Open(_)] => (false, None), // the rows must agree
        _ => {
            let message = format!("input {} has {} dimensions", input.name, input.shape.len());
            return Err(Error::new(
                Code::Unsupported,
                message,
                "convert the model with one row a record",
            ));
        }
    };
    let mut into = Filling::new(input.element_type);
    for (at, row) in rows.iter().enumerate() {
        let cell = cell_of(row, &input.name, at, inputs)?;
        let cells = match cell {
            Value::List(cells) if !flat => cells.as_slice(),
            one => std::slice::from_ref(one),
        };
        let wanted = *width.get_or_insert(cells.len());
        if cells.len() != wanted || wanted == 0 {
            let message =
                format!("row {at}: {} has {} values, not {wanted}", input.name, cells.len());
            return Err(refused(message, "give one number a feature"));
        }
        for one in cells {
            into.push(one).map_err(|(what, hint)| {
                refused(format!("row {at}: column {} {what}", input.name), hint)
            })?;
        }
    }
    let long = |size: usize| {
        i64::try_from(size).map_err(|_| refused("there are too many rows", "give fewer"))
    };
    let mut shape = vec![long(rows.len())?];
    if !flat {
        shape.push(long(width.unwrap_or(1))?);
    }
    Ok(Tensor { elements: into.0, shape })
}

fn cell_of<'a>(row: &'a Value, name: &str, at: usize, inputs: usize) -> Result<&'a Value, Error> {
    match row {
        Value::Record(fields) => fields.get(name).ok_or_else(|| {
            refused(
                format!("row {at} has no column {name}"),
                "give null for a value that is missing",
            )
        }),
        bare if inputs == 1 => Ok(bare),
        _ => Err(refused(format!("row {at} is no record"), "give an object with a value a column")),
    }
}

/// The elements so far.
struct Filling(Elements);

/// What is wrong with a cell, and what to do.
type Complaint = (Cow<'static, str>, &'static str);

impl Filling {
    fn new(kind: ElementType) -> Self {
        Self(match kind {
            ElementType::Float32 => Elements::Float32(Vec::new()),
            ElementType::Float64 => Elements::Float64(Vec::new()),
            ElementType::Int32 => Elements::Int32(Vec::new()),
            ElementType::Int64 => Elements::Int64(Vec::new()),
            ElementType::String => Elements::String(Vec::new()),
            ElementType::Bool => Elements::Bool(Vec::new()),
        })
    }

    fn push(&mut self, cell: &Value) -> Result<(), Complaint> {
        match &mut self.0 {
            #[allow(clippy::cast_possible_truncation)] // the model takes no more than that
            Elements::Float32(all) => all.push(number(cell)? as f32),
            Elements::Float64(all) => all.push(number(cell)?),
            Elements::Int32(all) => {
                all.push(i32::try_from(integer(cell)?).map_err(|_| not("an integer of 32 bits"))?);
            }
            Elements::Int64(all) => all.push(integer(cell)?),
            Elements::String(all) => all.push(text(cell)?),
            Elements::Bool(all) => match cell {
                Value::Bool(value) => all.push(u8::from(*value)),
                Value::Null => return Err(needed()),
                _ => return Err(not("true or false")),
            },
        }
        Ok(())
    }
}

fn not(what: &'static str) -> Complaint {
    (Cow::Owned(format!("is to be {what}")), "look at the columns: --show")
}

fn needed() -> Complaint {
    (Cow::Borrowed("cannot be missing"), "this model was trained without missing values")
}

fn number(cell: &Value) -> Result<f64, Complaint> {
    match cell {
        Value::Null => Ok(f64::NAN),
        other => other.as_f64().ok_or((Cow::Borrowed("is to be a number"), "or null")),
    }
}

#[allow(clippy::cast_possible_truncation)] // whole, and not beyond what is exact
fn integer(cell: &Value) -> Result<i64, Complaint> {
    match cell {
        Value::Integer(whole) => Ok(*whole),
        Value::Number(number) if number.fract() == 0.0 && number.abs() <= EXACT => {
            Ok(*number as i64)
        }
        Value::Null => Err(needed()),
        _ => Err(not("an integer")),
    }
}

fn text(cell: &Value) -> Result<CString, Complaint> {
    match cell {
        Value::Null => Ok(CString::default()),
        Value::Text(text) => CString::new(text.as_str())
            .map_err(|_| (Cow::Borrowed("has a zero character"), "take it out")),
        _ => Err((Cow::Borrowed("is to be a text"), "or null")),
    }
}
