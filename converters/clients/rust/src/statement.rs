// SPDX-License-Identifier: BSD-3-Clause
// What a signature beside a file is over: an in-toto statement with the digest of the file.
use crate::digests::Algorithm;
use crate::errors::{need, need_else, Code, Error, AGAIN, STOP};
use crate::json::{strict, BUNDLE_DEPTH};
use crate::moment::has_been;
use crate::texts::{fields, from_hex, text_of, Fields};
use crate::value::Value;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://model_signing/signature/v1.0";
const FACTS: &str = "safeserial/v1";
const SIZE: &str = "safeserial/size";
const LONGEST_FACT: usize = 256;
const LONGEST_TEXT: usize = 4096;
const LONGEST_NAME: usize = 1024;
const MOST_IGNORED: usize = 256;

/// What a signer says of a file.
pub(crate) struct Statement {
    algorithm: Algorithm,
    digest: String,
    size: Option<u64>,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) created: String,
    pub(crate) metadata: Fields,
}

impl Statement {
    /// Refuse a model that is not the one the signer meant.
    pub(crate) fn check(&self, data: &[u8]) -> Result<(), Error> {
        let same = self.algorithm.digest(data)? == self.digest;
        need_else(same, Code::Digest, "the model was changed after it was signed", STOP)?;
        let as_long = self.size.map_or(true, |size| size == data.len() as u64);
        need_else(as_long, Code::Digest, "the model has another size", STOP)
    }
}

/// Read a statement whose signature is right.
pub(crate) fn read(payload: &[u8], ours: bool) -> Result<Statement, Error> {
    let said = strict(payload, "the statement", BUNDLE_DEPTH)?;
    let top = fields(
        Some(&said),
        "the statement",
        &["_type", "subject", "predicateType", "predicate"],
        &[],
    )?;
    let known = text_of(top, "_type") == Some(STATEMENT)
        && text_of(top, "predicateType") == Some(PREDICATE);
    need_else(known, Code::Unsupported, "the statement is of another type", AGAIN)?;
    let Some([Value::Record(subject)]) = top.get("subject").and_then(Value::as_list) else {
        return Err(Error::format("there is no subject"));
    };
    let named = subject.get("name").map_or(true, |one| is_text(one, LONGEST_TEXT));
    need(named, "the subject's name is no text")?;
    let predicate =
        fields(top.get("predicate"), "the predicate", &["resources", "serialization"], &[])?;
    let (algorithm, name) = algorithm_of(predicate.get("serialization"), ours)?;
    let folder = || {
        Error::new(
            Code::Unsupported,
            "the signature is one of a folder",
            "sign the .onnx file itself",
        )
    };
    let file = match predicate.get("resources").and_then(Value::as_list) {
        Some([Value::Record(file)]) => file,
        Some([_]) => return Err(Error::format("a signed file is no object")),
        Some(_) => return Err(folder()),
        None => return Err(Error::format("the signed files are no list")),
    };
    let digest = text_of(file, "digest").and_then(|text| Some((text, from_hex::<32>(text)?)));
    let Some((digest, raw)) = digest.filter(|_| text_of(file, "algorithm") == Some(name)) else {
        return Err(Error::format("the digest of the model has another form"));
    };
    let root =
        subject.get("digest").and_then(Value::as_record).and_then(|one| text_of(one, "sha256"));
    let whole = Algorithm::Sha256.digest(&raw)?;
    need_else(
        root == Some(whole.as_str()),
        Code::Digest,
        "the digest of the whole is wrong",
        STOP,
    )?;
    let itself = match text_of(file, "name") {
        Some(".") => true,
        Some(own) => Some(own) == text_of(subject, "name") && is_place(own),
        None => false,
    };
    if !itself {
        return Err(folder());
    }
    let facts = facts_of(subject)?;
    let digest = digest.to_owned();
    Ok(Statement { algorithm, digest, size: size_of(file)?, ..facts })
}

/// Return how the file is hashed: the usual way, or with BLAKE3 in our own bundles.
fn algorithm_of(value: Option<&Value>, ours: bool) -> Result<(Algorithm, &'static str), Error> {
    let needed = ["method", "hash_type", "allow_symlinks"];
    let refused = || {
        let message = "the model is hashed in a way that is not read here";
        Error::new(Code::Unsupported, message, "ask the sender to sign by whole files with SHA-256")
    };
    if value.and_then(Value::as_record).is_some_and(|found| found.contains_key("shard_size")) {
        return Err(refused());
    }
    let found = fields(value, "serialization", &needed, &["ignore_paths"])?;
    let usual = text_of(found, "method") == Some("files")
        && found.get("allow_symlinks") == Some(&Value::Bool(false));
    let ignored = match found.get("ignore_paths") {
        None => true,
        Some(Value::List(all)) => {
            all.len() <= MOST_IGNORED && all.iter().all(|one| one.as_str().is_some_and(is_place))
        }
        Some(_) => false,
    };
    need(ignored, "ignore_paths is no list of names")?;
    match text_of(found, "hash_type") {
        Some("sha256") if usual => Ok((Algorithm::Sha256, "sha256")),
        Some("blake3") if usual && ours => Ok((Algorithm::Blake3, "blake3")),
        _ => Err(refused()),
    }
}

fn size_of(file: &Fields) -> Result<Option<u64>, Error> {
    let notes = file.get("annotations").and_then(Value::as_record);
    match notes.and_then(|notes| notes.get(SIZE)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Integer(size)) if *size >= 0 => Ok(u64::try_from(*size).ok()),
        Some(_) => Err(Error::format("the size of the model is no number of bytes")),
    }
}

fn facts_of(subject: &Fields) -> Result<Statement, Error> {
    let notes = subject.get("annotations").and_then(Value::as_record);
    let none = Value::Record(Fields::new());
    let what = "what the signer says";
    let said = notes.and_then(|notes| notes.get(FACTS)).filter(|one| **one != Value::Null);
    let said =
        fields(said.or(Some(&none)), what, &[], &["created", "name", "version", "metadata"])?;
    let metadata = match said.get("metadata") {
        None => Fields::new(),
        Some(Value::Record(metadata)) => metadata.clone(),
        Some(_) => return Err(Error::format("the metadata is no object")),
    };
    need(
        metadata.values().all(|one| is_text(one, LONGEST_TEXT)),
        "the metadata is not text to text",
    )?;
    need(metadata.keys().all(|one| one.chars().count() <= LONGEST_TEXT), "a key is too long")?;
    let (name, version) = (fact(said, "name")?, fact(said, "version")?);
    let created = fact(said, "created")?;
    let dated = !said.contains_key("created") || has_been(&created);
    need(dated, "the date is wrong or in the future")?;
    let (algorithm, digest) = (Algorithm::Sha256, String::new()); // the caller's to fill in
    Ok(Statement { algorithm, digest, size: None, name, version, created, metadata })
}

fn fact(said: &Fields, name: &str) -> Result<String, Error> {
    match said.get(name) {
        None => Ok(String::new()),
        Some(Value::Text(text)) if text.chars().count() <= LONGEST_FACT => Ok(text.clone()),
        Some(_) => Err(Error::format(format!("the {name} of the model is no short text"))),
    }
}

fn is_text(one: &Value, longest: usize) -> bool {
    one.as_str().is_some_and(|text| text.chars().count() <= longest)
}

/// Say whether a name is one of a place below a folder.
fn is_place(name: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
    let drive = name.as_bytes().get(1) == Some(&b':')
        && name.starts_with(|one: char| one.is_ascii_alphabetic());
    name.chars().count() <= LONGEST_NAME
        && name.split('/').count() <= 32
        && name.split('/').all(part)
        && !name.contains(|one: char| one == '\\' || one.is_control())
        && !drive
}

#[cfg(test)]
mod tests {
    use super::{read, Fields};
    use crate::{parse, Value};

    const WHOLE: &str = r#"{"_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "m.onnx", "digest": {"sha256": "ROOT"}, "annotations": {"safeserial/v1": FACTS}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"resources": [{"name": "NAME", "algorithm": "sha256", "digest": "DIGEST"}],
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": false,
                "ignore_paths": PATHS}}}"#;

    fn read_with(name: &str, facts: &str, paths: &str) -> bool {
        let digest = "00".repeat(32);
        let root = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
        let text = WHOLE.replace("ROOT", root).replace("DIGEST", &digest).replace("NAME", name);
        read(text.replace("FACTS", facts).replace("PATHS", paths).as_bytes(), false).is_ok()
    }

    #[test]
    fn one_file_and_short_texts() {
        assert_eq!(parse(b"{}"), Ok(Value::Record(Fields::new())));
        assert!(read_with(".", "{}", "[]") && read_with("m.onnx", "null", r#"[".git", "a/b"]"#));
        assert!(read_with(
            ".",
            r#"{"created": "2026-11-22T08:00:00Z", "metadata": {"a": "b"}}"#,
            "[]"
        ));
        for facts in [
            "1",
            r#"{"name": null}"#,
            r#"{"version": 1}"#,
            r#"{"metadata": null}"#,
            r#"{"metadata": {"a": 1}}"#,
            r#"{"created": ""}"#,
            r#"{"created": "2026-02-30T08:00:00Z"}"#,
            r#"{"created": "2999-01-01T00:00:00Z"}"#,
            r#"{"more": ""}"#,
            &format!(r#"{{"name": "{}"}}"#, "x".repeat(257)),
        ] {
            assert!(!read_with(".", facts, "[]"), "{facts}");
        }
        for paths in
            ["null", "[1]", r#"[""]"#, r#"["../a"]"#, r#"["/a"]"#, r#"["c:a"]"#, r#"["a\\b"]"#]
        {
            assert!(!read_with(".", "{}", paths), "{paths}");
        }
        for name in ["", "other.onnx", "./m.onnx"] {
            assert!(!read_with(name, "{}", "[]"), "{name}");
        }
    }
}
