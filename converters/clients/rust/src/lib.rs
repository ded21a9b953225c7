// SPDX-License-Identifier: BSD-3-Clause
//! Verify a signed ONNX model of safeserial, then run it.
//!
//! Nothing of a model is interpreted before a signature by one of your keys was found right, and
//! ONNX Runtime gets the very bytes that were checked.
//!
//! ```no_run
//! use safeserial_onnx::{Key, Model, Value};
//!
//! # fn main() -> Result<(), safeserial_onnx::Error> {
//! let model = Model::open("model.onnx", &[Key::from_file("sender.pem")?])?;
//! let row = Value::from([("age", 31.into()), ("town", Value::from("Köln")), ("fare", Value::Null)]);
//! let answers = model.predict(&[row])?;
//! println!("{:?} {:?}", answers[0].label, answers[0].probabilities);
//! # Ok(())
//! # }
//! ```

mod answers;
mod artifact;
mod bundle;
mod container;
mod csv;
mod digests;
#[allow(unsafe_code)]
mod engine;
mod errors;
mod files;
mod json;
mod keys;
mod manifest;
mod model;
mod moment;
mod onnx;
mod rows;
mod signatures;
mod statement;
mod tensors;
mod texts;
mod value;
mod verify;

pub use answers::Answer;
pub use errors::{Code, Error};
pub use json::parse;
pub use keys::Key;
pub use model::Model;
pub use tensors::{Dimension, ElementType, Input};
pub use value::Value;
pub use verify::{verify, Said, Verified};
