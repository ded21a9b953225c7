// SPDX-License-Identifier: BSD-3-Clause
//! Bytes changed at random: nothing but this crate's own error comes of them, and no changed model is taken.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
use safeserial_onnx::{parse, verify, Key};
use std::path::PathBuf;

fn read(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("SAFESERIAL_VECTORS")
        .map_or_else(|| PathBuf::from("../vectors"), PathBuf::from);
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn key(name: &str) -> Key {
    Key::read(&String::from_utf8(read(name)).unwrap()).unwrap()
}

/// Numbers that look random and are the same in each run (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % end.max(1)
    }

    /// Change a few bytes: flip, set, take out, put in, cut, or say a part twice.
    fn changed(&mut self, data: &[u8], within: usize) -> Vec<u8> {
        const MARKS: &[u8] = b"{}[]\",:\\0919eE+-. \n\r\0\xff\x80=u";
        let mut data = data.to_vec();
        for _ in 0..=self.below(3) {
            let end = data.len().min(within);
            let at = self.below(end);
            let to = (at + self.below(20)).min(end);
            match self.below(7) {
                0 if !data.is_empty() => data[at] ^= 1 << self.below(8),
                1 if !data.is_empty() => data[at] = MARKS[self.below(MARKS.len())],
                2 => drop(data.drain(at..to)),
                3 => data.insert(at, MARKS[self.below(MARKS.len())]),
                4 => data.truncate(at),
                5 => {
                    let part = data[at..to].to_vec();
                    data.splice(at..at, part);
                }
                _ => data.extend_from_slice(&[0; 3][..self.below(4)]),
            }
        }
        data
    }
}

#[test]
fn signature_files() {
    let model = read("text/model.onnx");
    let mut random = Random(7);
    for kind in ["ed25519", "p256", "hmac"] {
        let suffix = if kind == "hmac" { "txt" } else { "pem" };
        let keys = [key(&format!("keys/{kind}.{suffix}"))];
        let whole = read(&format!("signed/text.{kind}.sig"));
        assert!(verify(model.clone(), Some(&whole), &keys).is_ok());
        let mut refused = 0;
        for _ in 0..1000 {
            let signature = random.changed(&whole, whole.len());
            match verify(model.clone(), Some(&signature), &keys) {
                Err(error) => {
                    refused += 1;
                    assert!(!error.message.is_empty() && !error.hint.is_empty());
                }
                // White space around, another spelling of the same JSON, or the name of a key left out.
                Ok(verified) => assert_eq!(verified.said().signers, [keys[0].id()]),
            }
        }
        assert!(refused > 800, "{refused}");
    }
}

#[test]
fn artifacts() {
    let mut random = Random(11);
    for kind in ["ed25519", "p256", "hmac"] {
        let suffix = if kind == "hmac" { "txt" } else { "pem" };
        let keys = [key(&format!("keys/{kind}.{suffix}"))];
        let whole = read(&format!("signed/text.{kind}.safeserial"));
        assert!(verify(whole.clone(), None, &keys).is_ok());
        for within in [700, 18_500, whole.len()] {
            for _ in 0..250 {
                let data = random.changed(&whole, within);
                // No byte of an artifact can be changed.
                assert_eq!(verify(data.clone(), None, &keys).is_ok(), data == whole);
            }
        }
    }
}

#[test]
fn models_beside_their_signature() {
    let keys = [key("keys/p256.pem")];
    let (whole, signature) = (read("forest/model.onnx"), read("signed/forest.p256.sig"));
    let mut random = Random(13);
    for _ in 0..300 {
        let data = random.changed(&whole, whole.len());
        assert_eq!(verify(data.clone(), Some(&signature), &keys).is_ok(), data == whole);
    }
}

#[test]
fn keys_and_rows() {
    let mut random = Random(17);
    for name in ["keys/p256.pem", "keys/ed25519.pem", "keys/hmac.txt", "keys/other-p256.pem"] {
        let whole = read(name);
        for _ in 0..1000 {
            let data = random.changed(&whole, whole.len());
            let _ = Key::read(&String::from_utf8_lossy(&data)); // a key or an error
        }
    }
    let rows = br#"[{"age": 31, "fare": -1.5e3, "town": "K\u00f6ln", "class": null, "many": [1, true, {"a": []}]}]"#;
    assert!(parse(rows).is_ok());
    for _ in 0..5000 {
        let _ = parse(&random.changed(rows, rows.len()));
    }
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        assert!(parse(open.repeat(1_000_000).as_bytes()).is_err());
    }
}
