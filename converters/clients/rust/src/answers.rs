// SPDX-License-Identifier: BSD-3-Clause
// Tensors to answers, one a row: label, probabilities, and the other outputs by name.
use crate::errors::{Code, Error};
use crate::tensors::{Elements, Tensor};
use crate::value::Value;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;

/// What the model says of one row.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// What it predicts.
    pub label: Option<Value>,
    /// One number a class, if it tells.
    pub probabilities: Option<Vec<f64>>,
    /// What else it tells, by the name of the output.
    pub others: BTreeMap<String, Value>,
}

/// As JSON: one object, with `label` and `probabilities` first.
impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        if let Some(label) = &self.label {
            map.serialize_entry("label", label)?;
        }
        if let Some(probabilities) = &self.probabilities {
            map.serialize_entry("probabilities", probabilities)?;
        }
        for (name, value) in &self.others {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Return one answer a row.
pub(crate) fn answers_of(
    names: &[String],
    outputs: &[Tensor],
    count: usize,
) -> Result<Vec<Answer>, Error> {
    let mut answers = vec![Answer::default(); count];
    for (name, tensor) in names.iter().zip(outputs) {
        let rows = tensor.shape.first().and_then(|rows| usize::try_from(*rows).ok());
        if rows != Some(count) {
            let message = format!("output {name} does not have one entry a row");
            return Err(Error::new(
                Code::Unsupported,
                message,
                "convert the model with one row a record",
            ));
        }
        let values = values_of(&tensor.elements);
        let width = values.len() / count.max(1);
        let flat = tensor.shape.len() < 2;
        let mut values = values.into_iter();
        for answer in &mut answers {
            let mut cells = values.by_ref().take(width);
            let value =
                if flat { cells.next().unwrap_or_default() } else { Value::List(cells.collect()) };
            answer.take(name, value);
        }
    }
    Ok(answers)
}

impl Answer {
    fn take(&mut self, name: &str, value: Value) {
        match name {
            "predict" => self.label = Some(value),
            "predict_proba" => {
                let numbers = value
                    .as_list()
                    .map(|all| all.iter().map(Value::as_f64).collect::<Option<Vec<_>>>());
                match numbers.flatten() {
                    Some(numbers) => self.probabilities = Some(numbers),
                    None => drop(self.others.insert("probabilities".to_owned(), value)),
                }
            }
            other => drop(self.others.insert(other.to_owned(), value)),
        }
    }
}

fn values_of(elements: &Elements) -> Vec<Value> {
    match elements {
        Elements::Float32(all) => all.iter().copied().map(Value::from).collect(),
        Elements::Float64(all) => all.iter().copied().map(Value::from).collect(),
        Elements::Int32(all) => all.iter().copied().map(Value::from).collect(),
        Elements::Int64(all) => all.iter().copied().map(Value::from).collect(),
        Elements::String(all) => {
            all.iter().map(|one| Value::Text(one.to_string_lossy().into_owned())).collect()
        }
        Elements::Bool(all) => all.iter().map(|one| Value::Bool(*one != 0)).collect(),
    }
}
