# SPDX-License-Identifier: BSD-3-Clause
"""A project in Rust: the client, a typed record, a program, a test.

Floor 7, beside the command line.
"""

from __future__ import annotations

import tomllib
from typing import Final

from safeserial_converters.codegen.names import literal, plain, shown
from safeserial_converters.codegen.project import Cell, Input, Project
from safeserial_converters.codegen.rust_texts import LIBRARY, MAIN, TEST, TYPED

_CELLS: Final = {
    "float32": "f32", "float64": "f64", "int32": "i32", "int64": "i64",
    "bool": "bool", "string": "String",
}  # fmt: skip
_FIRST: Final = "// SPDX-License-Identifier: BSD-3-Clause\n"


def files(project: Project) -> dict[str, bytes]:
    """Return the project's files: relative path to content."""
    client = project.sources("rust")
    used = sorted(name for name in client if not name.startswith("examples/"))
    crate = f"model-{project.slug}".replace("-", "_")
    texts = {
        "Cargo.toml": _manifest(project, client["Cargo.toml"]),
        "src/lib.rs": _library(project),
        "src/record.rs": _record(project),
        "src/main.rs": _FIRST + MAIN.replace("CRATE", crate),
        "tests/project.rs": _test(project, crate),
        "README.md": _readme(project, crate),
        "rustfmt.toml": client["rustfmt.toml"].decode("ascii"),
        ".gitignore": "target/\n",
    }
    return {
        **{f"client/{name}": client[name] for name in used},
        **{name: text.encode("utf-8") for name, text in texts.items()},
        **project.common(),
    }


def _manifest(project: Project, client: bytes) -> str:
    own = tomllib.loads(client.decode("utf-8"))
    return f"""# SPDX-License-Identifier: BSD-3-Clause
# Runs one signed model, which it verifies each time it starts.
[package]
name = "model-{project.slug}"
version = "0.1.0"
edition = "{own["package"]["edition"]}"
rust-version = "{own["package"]["rust-version"]}"
publish = false

[dependencies]
safeserial-onnx = {{ path = "client" }}
serde_json = "{own["dependencies"]["serde_json"]}"
"""


def _fields(project: Project) -> list[tuple[str, Input]]:
    return list(zip(project.identifiers("snake"), project.inputs, strict=True))


def _type_of(one: Input) -> str:
    """Return a field's type; in a list a missing number is NaN, which a number may be anyway."""
    cell = _CELLS[one.type]
    if one.is_wide:
        return "Vec<Option<String>>" if one.type == "string" else f"Vec<{cell}>"
    return f"Option<{cell}>" if one.optional else cell


def _record(project: Project) -> str:
    fields = "\n".join(
        f"    /// Column `{plain(one.name)}`{', a list of values' if one.is_wide else ''}.\n"
        f"    pub {name}: {_type_of(one)},"
        for name, one in _fields(project)
    )
    cells = "\n".join(
        f"            ({literal(one.name, 'rust')}, given.{name}.into()),"
        for name, one in _fields(project)
    )
    return f"""{_FIRST}// One row: a field a column of the model.
use safeserial_onnx::Value;

/// One row. `None` is a missing value; in a list of numbers, NaN is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {{
{fields}
}}

impl From<Record> for Value {{
    fn from(given: Record) -> Self {{
        let cells: Vec<(&str, Value)> = vec![
{cells}
        ];
        Value::Record(cells.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }}
}}
"""


def _library(project: Project) -> str:
    key = "None" if project.key is None else 'Some("key.pem")'
    return f"""{_FIRST}//! The model `{plain(project.name)}`, verified when it is opened.
mod record;

pub use record::Record;
pub use safeserial_onnx::{{Answer, Code, Error, Value}};

use safeserial_onnx::{{Key, Model}};
use std::path::{{Path, PathBuf}};

/// The model's file; `.sig` is added for the signature beside it.
pub const MODEL: &str = "{project.model_file}";
/// The signer's public key, unless the model is signed with a shared secret.
pub const KEY: Option<&str> = {key};
{LIBRARY}"""


def _test(project: Project, crate: str) -> str:
    typed = TYPED.replace("SAMPLE", _sample(project, 4)) if project.rows else ""
    imports = "Predictor, Record" if typed else "Predictor"
    text = TEST.replace("IMPORTS", imports).replace("CRATE", crate)
    return _FIRST + text + typed.replace("CRATE", crate)


def _sample(project: Project, indent: int) -> str:
    """Return the first of the made-up rows as a typed record."""
    space = " " * indent
    lines = (
        f"{space}    {name}: {_sample_of(one, project.rows[0][one.name])},\n"
        for name, one in _fields(project)
    )
    return "Record {\n" + "".join(lines) + space + "}"


def _sample_of(one: Input, cell: Cell | list[Cell]) -> str:
    if isinstance(cell, list):
        return f"vec![{', '.join(_cell(one, value) for value in cell)}]"
    return _cell(one, cell)


def _cell(one: Input, value: Cell) -> str:
    number = one.type.startswith("float")
    if value is None:
        return f"{_CELLS[one.type]}::NAN" if one.is_wide and number else "None"
    if isinstance(value, str):
        return f"Some({literal(value, 'rust')}.to_owned())"
    if isinstance(value, bool):
        return "true" if value else "false"
    if number:
        return repr(float(value)) if one.is_wide else f"Some({float(value)!r})"
    return str(value)


def _readme(project: Project, crate: str) -> str:
    fields = "\n".join(
        f"| `{name}` | `{_type_of(one)}` | `{shown(one.name)}` |" for name, one in _fields(project)
    )
    key = "rows.json" if project.key is not None else "--key secret.key rows.json"
    opening = "None" if project.key is not None else 'Some("secret.key".as_ref())'
    note = (
        "The signer's public key is `key.pem`. Make sure that it is: compare it with what the\n"
        "signer told you, for whoever can change this folder can change key and model together."
        if project.key is not None
        else "The model is signed with a shared secret, which is not here: `--key` names the file\n"
        "that holds it, one line, readable by you alone."
    )
    return f"""# {shown(project.slug)}

Runs one signed model in Rust 1.77 or later. It is verified each time it is opened, before ONNX
Runtime sees a byte of it. ONNX Runtime is `libonnxruntime`, here in `/opt/onnxruntime/lib`, out of
its release archives or its Python wheel; OpenSSL's headers are needed too (`client/README.md`).

```sh
export ORT_LIB_LOCATION=/opt/onnxruntime/lib LD_LIBRARY_PATH=/opt/onnxruntime/lib
cargo test
cargo run --release -- {key}
```

The program reads rows, a JSON list of records or CSV with a header, from a file or standard input,
and prints a JSON list with one answer a row. The exit code is 1 if the model is refused or a row
does not fit, 2 if the command is wrong. It looks for the model where it was built; `MODEL_FOLDER`
names another place.

{note}

From your own code:

```rust
use {crate}::{{Predictor, Record}};

let model = Predictor::open({opening})?;
let record = Record {{ ..Record::default() }};
let answers = model.predict(vec![record])?;
println!("{{:?}} {{:?}}", answers[0].label, answers[0].probabilities);
```

A record has these fields; rows in JSON and CSV have the columns' own names.

| field | type | column |
|---|---|---|
{fields}

`client/` is the client that verifies and runs any signed model; the rest is for this one.
"""
