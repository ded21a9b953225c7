// SPDX-License-Identifier: BSD-3-Clause
// The manifest of an artifact with an ONNX payload (section 6 of the format's specification).
use crate::container::TOP;
use crate::digests::Algorithm;
use crate::errors::{need, need_else, Code, Error, AGAIN};
use crate::moment::has_been;
use crate::texts::{fields, from_hex, perhaps, text_of, Fields};
use crate::value::Value;
use crate::verify::Said;

const NEEDED: [&str; 8] =
    ["created", "environment", "format", "globals", "members", "model", "options", "schema"];

/// The one member of an ONNX artifact.
pub(crate) struct Payload<'a> {
    pub(crate) path: &'a str,
    pub(crate) size: u64,
    pub(crate) crc: u32,
    pub(crate) algorithm: Algorithm,
    pub(crate) digest: &'a str,
}

pub(crate) fn manifest_of(body: &Value) -> Result<(&Fields, Payload<'_>), Error> {
    let schema = body.as_record().and_then(|found| text_of(found, "schema"));
    let known = schema == Some("safeserial/manifest/v1");
    need_else(known, Code::Unsupported, "the manifest is of another version", AGAIN)?;
    let found = fields(Some(body), "the manifest", &NEEDED, &["metadata", "name", "version"])?;
    let onnx = text_of(found, "format") == Some("onnx");
    let hint = "ask for it as ONNX: safeserial convert --to onnx";
    need_else(onnx, Code::Unsupported, "the artifact holds another format than ONNX", hint)?;
    let globals = found.get("globals").is_some_and(is_texts);
    let options = found.get("options").is_some_and(|one| one.as_record().is_some());
    need(globals && options, "a field of the manifest has another type")?;
    check_environment(found.get("environment"))?;
    check_model(found.get("model"))?;
    let dated = text_of(found, "created").is_some_and(has_been);
    need(dated, "the date is wrong or in the future")?;
    match found.get("members").and_then(Value::as_list) {
        Some([one]) => Ok((found, payload_of(one)?)),
        _ => Err(Error::format("an ONNX artifact has one member")),
    }
}

fn is_texts(value: &Value) -> bool {
    value.as_list().is_some_and(|all| all.iter().all(|one| one.as_str().is_some()))
}

fn check_environment(value: Option<&Value>) -> Result<(), Error> {
    let needed = ["python", "implementation", "platform", "packages"];
    let found = fields(value, "the environment", &needed, &[])?;
    let told = needed.iter().take(3).all(|name| text_of(found, name).is_some());
    let packages = found.get("packages").and_then(Value::as_record);
    let versions = packages.is_some_and(|all| all.values().all(|one| one.as_str().is_some()));
    need(told && versions, "the environment has another form")
}

fn check_model(value: Option<&Value>) -> Result<(), Error> {
    let optional = ["n_features", "feature_names", "classes"];
    let found = fields(value, "the model", &["class_name"], &optional)?;
    let perhaps = |name: &str, fits: fn(&Value) -> bool| {
        found.get(name).map_or(true, |one| *one == Value::Null || fits(one))
    };
    let is_class = |one: &Value| matches!(one, Value::Text(_) | Value::Integer(_) | Value::Bool(_));
    let right = text_of(found, "class_name").is_some()
        && perhaps("n_features", |one| matches!(one, Value::Integer(_)))
        && perhaps("feature_names", is_texts)
        && match found.get("classes") {
            None | Some(Value::Null) => true,
            Some(classes) => classes.as_list().is_some_and(|all| all.iter().all(is_class)),
        };
    need(right, "what the manifest says of the model has another form")
}

fn payload_of(one: &Value) -> Result<Payload<'_>, Error> {
    let found = fields(Some(one), "the member", &["path", "size", "digest", "crc32"], &[])?;
    let path = text_of(found, "path").filter(|path| is_path(path));
    let size = match found.get("size") {
        Some(Value::Integer(size)) => u64::try_from(*size).ok(),
        _ => None,
    };
    let digest = text_of(found, "digest").and_then(|text| text.split_once(':'));
    let digest = digest.and_then(|(name, digits)| {
        from_hex::<32>(digits)?;
        Some((Algorithm::named(name)?, digits))
    });
    let crc = text_of(found, "crc32").and_then(from_hex::<4>).map(u32::from_be_bytes);
    let (Some(path), Some(size), Some((algorithm, digest)), Some(crc)) = (path, size, digest, crc)
    else {
        return Err(Error::format("the member has a wrong path, size, digest or CRC-32"));
    };
    need_else(
        size < TOP,
        Code::Unsupported,
        "models of 4 GiB are not read here",
        "ask for a smaller model",
    )?;
    Ok(Payload { path, size, crc, algorithm, digest })
}

fn is_path(path: &str) -> bool {
    let letter = |one: u8| one.is_ascii_alphanumeric() || one == b'_';
    let segment = |text: &str| {
        (1..=100).contains(&text.len())
            && text.bytes().all(|one| letter(one) || one == b'.' || one == b'-')
            && text.bytes().next().is_some_and(letter)
            && !text.ends_with('.')
    };
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    path.starts_with("payload/")
        && (1..=4).contains(&segments.len())
        && segments.into_iter().all(segment)
        && !path.contains("..")
}

pub(crate) fn said(manifest: &Fields, signers: Vec<String>) -> Result<Said, Error> {
    let model = manifest.get("model").and_then(Value::as_record);
    let classes = match model.and_then(|found| found.get("classes")) {
        None | Some(Value::Null) => None,
        Some(Value::List(classes)) => Some(classes.clone()),
        Some(_) => return Err(Error::format("the classes are no list")),
    };
    let metadata = match manifest.get("metadata") {
        None => Fields::new(),
        Some(Value::Record(metadata)) => metadata.clone(),
        Some(_) => return Err(Error::format("the metadata is no object")),
    };
    Ok(Said {
        signers,
        name: perhaps(manifest, "name", "the manifest")?,
        version: perhaps(manifest, "version", "the manifest")?,
        created: perhaps(manifest, "created", "the manifest")?,
        metadata,
        classes,
    })
}
