// SPDX-License-Identifier: BSD-3-Clause
//! A program of your own: verify a model, answer a row.
use safeserial_onnx::{Error, Key, Model, Value};

fn answer() -> Result<(), Error> {
    let model = Model::open("model.onnx", &[Key::from_file("sender.pem")?])?;
    println!("{:?} {:?}", model.said().signers, model.inputs());
    let row = Value::from([
        ("age", 31.into()),
        ("fare", Value::Null),
        ("town", "Köln".into()),
        ("class", "first".into()),
    ]);
    for answer in model.predict(&[row])? {
        println!("{:?} {:?}", answer.label, answer.probabilities);
    }
    Ok(())
}

fn main() {
    if let Err(error) = answer() {
        eprintln!("{:?}: {}\nhint: {}", error.code, error.message, error.hint);
        std::process::exit(1);
    }
}
