// SPDX-License-Identifier: BSD-3-Clause
//! Every vector: what must be refused is, the rest answers as scikit-learn does.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
use safeserial_onnx::{parse, verify, Code, Error, Key, Model, Value, Verified};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn place(name: &str) -> PathBuf {
    let folder = std::env::var_os("SAFESERIAL_VECTORS")
        .map_or_else(|| PathBuf::from("../vectors"), PathBuf::from);
    folder.join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(place(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn json(name: &str) -> BTreeMap<String, Value> {
    parse(&read(name)).unwrap().as_record().unwrap().clone()
}

fn outcome(case: &BTreeMap<String, Value>) -> (Key, Result<Verified, Error>) {
    let key = Key::from_file(place(case["key"].as_str().unwrap())).unwrap();
    let signature = case["signature"].as_str().map(read);
    let found = verify(
        read(case["model"].as_str().unwrap()),
        signature.as_deref(),
        std::slice::from_ref(&key),
    );
    (key, found)
}

#[test]
fn every_case_is_decided_as_it_says() {
    let Value::List(cases) = parse(&read("cases.json")).unwrap() else {
        panic!("cases.json is no list")
    };
    let mut wrong = Vec::new();
    let mut accepted = 0;
    for case in &cases {
        let case = case.as_record().unwrap();
        let name = case["name"].as_str().unwrap();
        let lacking = case.contains_key("needs") && !cfg!(feature = "blake3");
        let accept = case["accept"] == Value::Bool(true) && !lacking;
        let (key, found) = outcome(case);
        match found {
            Ok(verified) if accept => {
                accepted += 1;
                let said = verified.said();
                assert_eq!(said.signers, [key.id()], "{name}");
                assert_eq!(said.version, "1.0", "{name}");
                if !case.contains_key("needs") {
                    let metadata = BTreeMap::from([("team".to_owned(), "vectors".into())]);
                    assert_eq!(said.metadata, metadata, "{name}");
                }
            }
            Err(error) if !accept => {
                assert!(!error.message.is_empty() && !error.hint.is_empty(), "{name}");
                assert!(
                    !lacking
                        || (error.code == Code::Unsupported && error.message.contains("BLAKE3"))
                );
                println!("{name}: {:?}: {error}", error.code);
            }
            Ok(_) => wrong.push(format!("{name}: accepted")),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(accepted >= 12 && cases.len() - accepted >= 70);
    println!("{} cases agree, {accepted} of them accepted", cases.len());
}

fn rows_of(columns: &BTreeMap<String, Value>) -> Vec<Value> {
    let count = columns.values().next().unwrap().as_list().unwrap().len();
    let row = |at: usize| {
        columns.iter().map(move |(name, all)| (name.clone(), all.as_list().unwrap()[at].clone()))
    };
    (0..count).map(|at| Value::Record(row(at).collect())).collect()
}

fn answers_as_expected(name: &str) {
    let keys = [Key::from_file(place("keys/p256.pem")).unwrap()];
    let signature = place(&format!("signed/{name}.p256.sig"));
    let model = Model::open_with(place(&format!("{name}/model.onnx")), signature, &keys).unwrap();
    let expected = json(&format!("{name}/expected.json"));
    assert_eq!(model.said().classes.as_deref(), expected["classes"].as_list());
    let answers = model.predict(&rows_of(&json(&format!("{name}/rows.json")))).unwrap();
    assert_eq!(answers.len(), 500);
    let (labels, wanted) =
        (expected["labels"].as_list().unwrap(), expected["probabilities"].as_list().unwrap());
    let wrong = answers
        .iter()
        .zip(labels)
        .filter(|(answer, label)| answer.label.as_ref() != Some(label))
        .count();
    let mut off = 0.0_f64;
    for (answer, wanted) in answers.iter().zip(wanted) {
        let (found, wanted) = (answer.probabilities.as_ref().unwrap(), wanted.as_list().unwrap());
        assert_eq!(found.len(), expected["classes"].as_list().unwrap().len());
        assert_eq!(found.len(), wanted.len());
        for (one, wanted) in found.iter().zip(wanted) {
            assert!(one.is_finite());
            off = off.max((one - wanted.as_f64().unwrap()).abs());
        }
    }
    println!("{name}: {wrong} labels differ of {}, probabilities by {off:e}", answers.len());
    assert_eq!(wrong, 0);
    assert!(off <= 1e-6, "{off}");
}

#[test]
fn five_hundred_rows_of_mixed() {
    answers_as_expected("mixed");
}

#[test]
fn five_hundred_rows_of_forest() {
    answers_as_expected("forest");
}

#[test]
fn five_hundred_rows_of_text() {
    answers_as_expected("text");
}

#[test]
fn rows_that_do_not_fit_are_told() {
    let keys = [Key::from_file(place("keys/ed25519.pem")).unwrap()];
    let open = |name: &str| {
        let signature = place(&format!("signed/{name}.ed25519.sig"));
        Model::open_with(place(&format!("{name}/model.onnx")), signature, &keys).unwrap()
    };
    let (mixed, forest, text) = (open("mixed"), open("forest"), open("text"));
    let row = |age: Value, town: Value| {
        Value::from([
            ("age", age),
            ("fare", Value::Null),
            ("town", town),
            ("class", "first".into()),
        ])
    };
    let told = |model: &Model, rows: &[Value], part: &str| {
        let error = model.predict(rows).unwrap_err();
        assert_eq!(error.code, Code::Rows, "{error}");
        assert!(error.message.contains(part) && !error.hint.is_empty(), "{error}");
    };
    told(&mixed, &[], "no rows");
    told(&mixed, &[Value::from([("age", 1.into())])], "no column");
    told(&mixed, &[row("old".into(), Value::Null)], "age is to be a number");
    told(&mixed, &[row(1.into(), 2.into())], "town is to be a text");
    told(&mixed, &[row(1.into(), "a\0b".into())], "zero character");
    told(&mixed, &[row(Value::List(vec![1.into(), 2.into()]), Value::Null)], "2 values, not 1");
    told(&mixed, &[1.5.into()], "no record");
    told(&forest, &[vec![1.0; 5].into()], "5 values, not 6");
    told(&forest, &[Value::List(Vec::new())], "0 values, not 6");
    told(&text, &[1.into()], "to be a text");
    assert!(mixed.predict(&[row(Value::Null, Value::Null), row(31.into(), "Köln".into())]).is_ok());
    assert_eq!(text.predict(&["good".into(), "bad".into()]).unwrap().len(), 2);
    let bare = forest.predict(&[vec![1.0; 6].into()]).unwrap();
    assert_eq!(bare, forest.predict(&[Value::from([("X", vec![1.0; 6].into())])]).unwrap());
}

#[test]
fn threads_share_a_model() {
    let keys = [Key::from_file(place("keys/ed25519.pem")).unwrap()];
    let signature = place("signed/forest.ed25519.sig");
    let model = Model::open_with(place("forest/model.onnx"), signature, &keys).unwrap();
    let rows = rows_of(&json("forest/rows.json"));
    let whole = model.predict(&rows).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(model.predict(&rows).unwrap(), whole));
        }
    });
}
