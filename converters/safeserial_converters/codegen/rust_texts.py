# SPDX-License-Identifier: BSD-3-Clause
"""What is the same in every project in Rust; ``CRATE`` stands for the project's own crate.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Final

LIBRARY: Final = """
/// Where model, signature and key are: `MODEL_FOLDER`, or else where this project was built.
pub fn folder() -> PathBuf {
    let built = || PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("MODEL_FOLDER").map_or_else(built, PathBuf::from)
}

/// The model, once its signature was found right. Threads may share it.
#[derive(Debug)]
pub struct Predictor(Model);

impl Predictor {
    /// Verify the model and load it; without a file for it, the key is the project's own.
    ///
    /// # Errors
    /// An [`Error`] if the model is not to be trusted, or cannot be loaded.
    pub fn open(key_file: Option<&Path>) -> Result<Self, Error> {
        let folder = folder();
        let place = key_file.map(Path::to_owned).or_else(|| KEY.map(|name| folder.join(name)));
        let keys = place.map(Key::from_file).transpose()?;
        Model::open(folder.join(MODEL), keys.as_slice()).map(Self)
    }

    /// Answer typed records.
    ///
    /// # Errors
    /// [`Code::Rows`] if they do not fit the model.
    pub fn predict(&self, records: Vec<Record>) -> Result<Vec<Answer>, Error> {
        let rows: Vec<Value> = records.into_iter().map(Value::from).collect();
        self.0.predict(&rows)
    }

    /// Answer rows as people write them: a JSON list of records, or CSV whose first line names
    /// the columns.
    ///
    /// # Errors
    /// [`Code::Rows`] if they are neither, or do not fit the model.
    pub fn predict_text(&self, text: &[u8]) -> Result<Vec<Answer>, Error> {
        self.0.predict(&self.0.read_rows(text)?)
    }

    /// The names of the keys that signed.
    pub fn signers(&self) -> &[String] {
        &self.0.said().signers
    }
}
"""

MAIN: Final = """//! The program: answers the rows of a file, or of standard input.
use CRATE::{Code, Error, Predictor};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "[--key FILE] [ROWS]";
const MOST: u64 = 1 << 29;

/// What ends the program: wrong usage, or a refusal.
enum Ended {
    Misused(String),
    Refused(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

fn main() -> ExitCode {
    let (code, message, hint) = match answered() {
        Ok(text) => match writeln!(io::stdout(), "{text}") {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (1, format!("cannot write: {error}"), "look where it goes".to_owned()),
        },
        Err(Ended::Misused(message)) => (2, message, USAGE.to_owned()),
        Err(Ended::Refused(error)) => (1, error.message, error.hint),
    };
    let _ = writeln!(io::stderr(), "error: {message}\\nhint: {hint}");
    ExitCode::from(code)
}

fn answered() -> Result<String, Ended> {
    let (key, rows) = asked(std::env::args_os().skip(1)).map_err(Ended::Misused)?;
    let text = text_of(rows)?;
    let answers = Predictor::open(key.as_deref())?.predict_text(&text)?;
    serde_json::to_string(&answers).map_err(|error| refused(&format!("cannot write: {error}")))
}

fn asked(
    mut arguments: impl Iterator<Item = OsString>,
) -> Result<(Option<PathBuf>, Option<PathBuf>), String> {
    let (mut key, mut rows) = (None, None);
    while let Some(one) = arguments.next() {
        let place = match one.to_str() {
            Some("--key") => &mut key,
            Some(option) if option.starts_with("--") => {
                return Err(format!("there is no option {option}"));
            }
            _ => &mut rows,
        };
        let option = one == "--key";
        let value = if option { arguments.next().ok_or("--key needs a file")? } else { one };
        if place.replace(PathBuf::from(value)).is_some() {
            return Err(format!("name one file of {}", if option { "a key" } else { "rows" }));
        }
    }
    Ok((key, rows))
}

fn text_of(rows: Option<PathBuf>) -> Result<Vec<u8>, Ended> {
    let mut text = Vec::new();
    let read = match &rows {
        Some(place) => {
            File::open(place).and_then(|file| file.take(MOST + 1).read_to_end(&mut text))
        }
        None => io::stdin().lock().take(MOST + 1).read_to_end(&mut text),
    };
    if let Err(error) = read {
        let place = rows.map_or("standard input".to_owned(), |place| place.display().to_string());
        return Err(Ended::Misused(format!("cannot read {place}: {error}")));
    }
    if text.len() as u64 > MOST {
        return Err(refused("there are too many rows"));
    }
    Ok(text)
}

fn refused(message: &str) -> Ended {
    let hint = "give them in parts".to_owned();
    Ended::Refused(Error { code: Code::Rows, message: message.to_owned(), hint })
}
"""

TEST: Final = """//! The model answers as when this project was made; a changed one is refused.
//! A model signed with a shared secret needs `SAFESERIAL_KEY_FILE=secret.key cargo test`.
use CRATE::{folder, IMPORTS, KEY, MODEL};
use safeserial_onnx::{parse, Answer, Key, Model, Value};
use std::path::{Path, PathBuf};

fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The key to test with, if there is one.
fn key_file() -> Option<PathBuf> {
    let given = std::env::var_os("SAFESERIAL_KEY_FILE").map(PathBuf::from);
    let found = given.or_else(|| KEY.map(|name| folder().join(name)));
    if found.is_none() {
        println!("nothing is tested: SAFESERIAL_KEY_FILE names no key");
    }
    found
}

fn same(found: &Value, wanted: &Value) {
    match (found, wanted) {
        (Value::List(found), Value::List(wanted)) => {
            assert_eq!(found.len(), wanted.len());
            found.iter().zip(wanted).for_each(|(found, wanted)| same(found, wanted));
        }
        (Value::Record(found), Value::Record(wanted)) => {
            assert!(found.keys().eq(wanted.keys()), "{found:?} is not {wanted:?}");
            found.iter().zip(wanted).for_each(|((_, found), (_, wanted))| same(found, wanted));
        }
        _ => match (found.as_f64(), wanted.as_f64()) {
            (Some(found), Some(wanted)) => {
                let off = (found - wanted).abs() / wanted.abs().max(1.0);
                assert!(off <= 1e-6, "{found} is not {wanted}");
            }
            _ => assert_eq!(found, wanted),
        },
    }
}

fn agree(found: &[Answer], count: usize) {
    let text = serde_json::to_vec(found).expect("answers can be written");
    let wanted = parse(&read("answers.json")).expect("JSON");
    let wanted = wanted.as_list().expect("a list").iter().take(count).cloned().collect();
    same(&parse(&text).expect("JSON"), &Value::List(wanted));
}

fn opened(key: &Path) -> Predictor {
    Predictor::open(Some(key)).expect("the model is signed")
}

#[test]
fn rows_are_answered_as_when_the_project_was_made() {
    let Some(key) = key_file() else { return };
    for name in ["rows.json", "rows.csv"] {
        if parse(&read("answers.json")) != Ok(Value::List(Vec::new())) {
            agree(&opened(&key).predict_text(&read(name)).expect("the rows fit"), usize::MAX);
        }
    }
}

#[test]
fn a_changed_model_is_refused() {
    let Some(key) = key_file() else { return };
    let mut model = read(MODEL);
    let middle = model.len() / 2;
    model[middle] ^= 1;
    let signature = std::fs::read(folder().join(format!("{MODEL}.sig"))).ok();
    let keys = [Key::from_file(key).expect("a key")];
    let error = Model::from_bytes(model, signature.as_deref(), &keys).expect_err("it is changed");
    assert!(!error.hint.is_empty());
}
"""

TYPED: Final = """
#[test]
fn a_typed_record_is_answered() {
    let Some(key) = key_file() else { return };
    let record = SAMPLE;
    agree(&opened(&key).predict(vec![record]).expect("the record fits"), 1);
}
"""
