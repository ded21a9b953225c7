// SPDX-License-Identifier: BSD-3-Clause
//! The command: verify a model, answer the rows on standard input (a JSON list of records).
use safeserial_onnx::{parse, Code, Dimension, Error, Key, Model, Value};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str =
    "safeserial-onnx MODEL --key KEYFILE [--key KEYFILE] [--signature FILE] [--show] < rows.json";
const MOST: u64 = 1 << 28;

/// What was asked for.
#[derive(Default)]
struct Asked {
    model: Option<PathBuf>,
    keys: Vec<PathBuf>,
    signature: Option<PathBuf>,
    show: bool,
}

fn main() -> ExitCode {
    let asked = match asked(std::env::args_os().skip(1)) {
        Ok(asked) => asked,
        Err(wrong) => return told(2, &wrong, USAGE),
    };
    match answered(&asked) {
        Ok(text) => match writeln!(io::stdout(), "{text}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                told(1, &format!("cannot write: {error}"), "look at where the output goes")
            }
        },
        Err(error) => told(1, &error.message, &error.hint),
    }
}

fn told(code: u8, message: &str, hint: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {message}\nhint: {hint}"); // nobody listens: the code still tells
    ExitCode::from(code)
}

fn asked(arguments: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    let mut arguments = arguments.peekable();
    let mut found = Asked::default();
    let mut only_names = false;
    while let Some(one) = arguments.next() {
        let text = one.to_string_lossy().into_owned();
        let (option, value) = match text.split_once('=') {
            Some((option, value)) if text.starts_with("--") => (option, Some(PathBuf::from(value))),
            _ => (text.as_str(), None),
        };
        let mut valued = || {
            let next = |next: &OsString| !next.to_string_lossy().starts_with("--");
            let found = value.clone().or_else(|| arguments.next_if(next).map(PathBuf::from));
            found.ok_or(format!("{option} needs a file"))
        };
        match option {
            _ if only_names || !text.starts_with('-') => {
                if found.model.replace(one.into()).is_some() {
                    return Err("name one model".to_owned());
                }
            }
            "--" => only_names = true,
            "--key" => found.keys.push(valued()?),
            "--signature" => found.signature = Some(valued()?),
            "--show" if value.is_none() => found.show = true,
            _ => return Err(format!("there is no option {option}")),
        }
    }
    if found.model.is_none() {
        return Err("name one model".to_owned());
    }
    Ok(found)
}

fn answered(asked: &Asked) -> Result<String, Error> {
    let keys = asked.keys.iter().map(Key::from_file).collect::<Result<Vec<_>, _>>()?;
    let place = asked.model.clone().unwrap_or_default();
    let model = match &asked.signature {
        Some(signature) => Model::open_with(place, signature, &keys)?,
        None => Model::open(place, &keys)?,
    };
    if asked.show {
        return written(&shown(&model));
    }
    let rows = parse(&standard_input()?)?;
    let Value::List(rows) = rows else {
        return Err(rows_error("there are no rows"));
    };
    written(&model.predict(&rows)?)
}

fn rows_error(message: impl Into<String>) -> Error {
    Error { code: Code::Rows, message: message.into(), hint: "give a list of records".to_owned() }
}

fn standard_input() -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    let read = io::stdin().lock().take(MOST + 1).read_to_end(&mut data);
    read.map_err(|error| rows_error(format!("cannot read standard input: {error}")))?;
    if data.len() as u64 > MOST {
        return Err(rows_error("there are too many rows"));
    }
    Ok(data)
}

fn written<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| rows_error(format!("cannot write the answers: {error}")))
}

fn shown(model: &Model) -> Value {
    let said = model.said();
    let inputs = model.inputs().iter().map(|one| {
        let size = |size: &Dimension| match size {
            Dimension::Fixed(size) => Value::Integer(*size),
            Dimension::Open(name) => Value::from(name.as_str()),
        };
        let shape = one.shape.iter().map(size).collect();
        let kind = Value::from(one.element_type.name());
        Value::from([
            ("name", one.name.as_str().into()),
            ("type", kind),
            ("shape", Value::List(shape)),
        ])
    });
    let mut found = BTreeMap::from([
        ("signers".to_owned(), said.signers.clone().into()),
        ("name".to_owned(), said.name.as_str().into()),
        ("version".to_owned(), said.version.as_str().into()),
        ("created".to_owned(), said.created.as_str().into()),
        ("metadata".to_owned(), Value::Record(said.metadata.clone())),
        ("inputs".to_owned(), Value::List(inputs.collect())),
        ("outputs".to_owned(), model.outputs().to_vec().into()),
    ]);
    if let Some(classes) = &said.classes {
        found.insert("classes".to_owned(), Value::List(classes.clone()));
    }
    Value::Record(found)
}
