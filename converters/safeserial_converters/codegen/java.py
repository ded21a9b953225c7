# SPDX-License-Identifier: BSD-3-Clause
"""A project in Java: the client, a typed row, a program, a test; for Maven, or for make and javac.

Floor 7, beside the command line.  What is the same for every model stands beside the client, in
``converters/clients/java/project``; what follows from the columns is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from safeserial.errors import UnsupportedModelError
from safeserial_converters.codegen.names import identifiers, literal, plain, shown
from safeserial_converters.codegen.project import Input, Output, Project

_FIRST: Final = "// SPDX-License-Identifier: BSD-3-Clause\n"
_CLIENT: Final = "src/main/java/dev/safeserial/onnx"
_OURS: Final = "src/main/java/model"
_TYPES: Final = {
    "float32": "Float", "float64": "Double", "int32": "Integer", "int64": "Long",
    "bool": "Boolean", "string": "String",
}  # fmt: skip
# As what the client gives the values of answers.
_ANSWERS: Final = {"float32": "float64", "int32": "int64"}
_IN_A_METHOD: Final = 200  # columns: a method of Java has at most 64 KiB of code
_MOST_OUTPUTS: Final = 200  # a record of Java has at most 255 components
_MOST_BYTES: Final = 65_535  # of a string in a class file


def files(project: Project) -> dict[str, bytes]:
    """Return the project's files: relative path to content."""
    _check(project)
    client = project.sources("java")
    found = {
        name: content
        for name, content in client.items()
        if name.startswith(("native/", f"{_CLIENT}/")) and name != f"{_CLIENT}/Main.java"
    }
    for name, content in client.items():
        folder, _, bare = name.rpartition("/")
        if folder == "project":
            java = bare.endswith(".java")
            under = "src/test/java/model" if bare == "ProjectTest.java" else _OURS
            found[f"{under}/{bare}" if java else bare] = content
    found["pom.xml"] = _pom(project, found["pom.xml"])
    texts = {
        f"{_OURS}/Facts.java": _facts(project),
        f"{_OURS}/Row.java": _row(project),
        f"{_OURS}/Prediction.java": _prediction(project),
        "README.md": _readme(project),
        ".gitignore": "target/\n",
    }
    return {
        **found,
        **{name: text.encode("utf-8") for name, text in texts.items()},
        **project.common(),
    }


def _check(project: Project) -> None:
    """Refuse what a class file or the JDK cannot hold."""
    if project.digest != "sha256":
        raise UnsupportedModelError(
            f"the model is hashed with {project.digest}, which the JDK does not have",
            hint="sign it again with SHA-256",
        )
    names = [one.name for one in project.inputs] + [one.name for one in project.outputs]
    if any(len(one.encode("utf-16")) > _MOST_BYTES // 2 for one in names):
        raise UnsupportedModelError(
            "the name of a column is too long for Java", hint="give the column a shorter name"
        )
    if len(project.outputs) > _MOST_OUTPUTS:
        raise UnsupportedModelError(
            f"the model has {len(project.outputs)} outputs; a record of Java holds {_MOST_OUTPUTS}",
            hint="convert it with fewer outputs",
        )


def _fields(project: Project) -> list[tuple[str, Input]]:
    return list(zip(project.identifiers("camel"), project.inputs, strict=True))


def _text(value: str | None) -> str:
    return "null" if value is None else literal(value, "java")


def _truth(value: bool) -> str:  # noqa: FBT001 - a value to be written
    return "true" if value else "false"


def _parts(
    lines: Sequence[str], signature: str, name: str, argument: str
) -> tuple[list[str], list[str]]:
    """Split the lines of a method that would be too long: return the calls, and the methods."""
    calls, methods = [], []
    for start in range(0, len(lines), _IN_A_METHOD):
        number = start // _IN_A_METHOD
        calls.append(f"        {name}{number}({argument});")
        body = "\n".join(lines[start : start + _IN_A_METHOD])
        methods.append(
            f"\n    private {signature.format(name=f'{name}{number}')} {{\n{body}\n    }}\n"
        )
    return calls, methods


def _facts(project: Project) -> str:
    columns = [
        f"        to.add(new Column({_text(one.name)}, {_text(one.type)}, "
        f"{_truth(one.optional)}, {_truth(one.is_wide)}));"
        for one in project.inputs
    ]
    calls, methods = _parts(columns, "static void {name}(List<Column> to)", "add", "found")
    body = "\n".join(calls)
    signature = None if project.signature is None else f"{project.model_file}.sig"
    key = None if project.key is None else "key.pem"
    return f"""{_FIRST}// What this project's model is called, and which columns it takes.
package model;

import java.util.ArrayList;
import java.util.List;

final class Facts {{
    static final String MODEL = {_text(project.model_file)};
    static final String SIGNATURE = {_text(signature)};
    static final String KEY = {_text(key)};

    private Facts() {{}}

    static List<Column> columns() {{
        List<Column> found = new ArrayList<>();
{body}
        return found;
    }}
{"".join(methods)}}}
"""


def _row(project: Project) -> str:
    fields = _fields(project)
    declared = "\n\n".join(
        f"    /** Column {plain(one.name)}{_note(one)}. */\n    public {_field_type(one)} {name};"
        for name, one in fields
    )
    puts, putters = _parts(
        [f"        to.put({_text(one.name)}, this.{name});" for name, one in fields],
        "void {name}(Map<String, Object> to)", "put", "found",
    )  # fmt: skip
    cells = [(name, _read(one, f"from.get({_text(one.name)})")) for name, one in fields]
    gets, getters = _parts(
        [f"        this.{name} = {cell};" for name, cell in cells],
        "void {name}(Map<?, ?> from)", "get", "cells",
    )  # fmt: skip
    calls = "\n".join(puts)
    got = "\n".join(line.replace("get", "row.get", 1) for line in gets)
    wide = "import java.util.List;\n" if any(one.is_wide for one in project.inputs) else ""
    return f"""{_FIRST}// One row: a field a column.
package model;

import java.util.LinkedHashMap;
{wide}import java.util.Map;

/** One row: a field a column; null is a missing value. */
public final class Row {{
{declared}

    /** Return a row of cells: column name to value. */
    public static Row of(Map<?, ?> cells) {{
        Row row = new Row();
{got}
        return row;
    }}

    /** Return the row as the model takes it: column name to value. */
    public Map<String, Object> toMap() {{
        Map<String, Object> found = new LinkedHashMap<>();
{calls}
        return found;
    }}
{"".join(getters)}{"".join(putters)}}}
"""


def _note(one: Input) -> str:
    return "" if one.optional else "; it cannot be missing"


def _field_type(one: Input) -> str:
    cell = _TYPES[one.type]
    return f"List<{cell}>" if one.is_wide else cell


def _read(one: Input | Output, value: str, *, kind: str | None = None) -> str:
    wide = one.is_wide if isinstance(one, Input) else one.rank > 1
    reader = kind or one.type
    return f"Cells.list({value}, Cells::{reader})" if wide else f"Cells.{reader}({value})"


def _prediction(project: Project) -> str:
    fields = identifiers([one.alias for one in project.outputs], "camel")
    outputs = list(zip(fields, project.outputs, strict=True))
    kinds = {name: _ANSWERS.get(one.type, one.type) for name, one in outputs}
    declared = ",\n".join(
        f"        {f'List<{_TYPES[kinds[name]]}>' if one.rank > 1 else _TYPES[kinds[name]]} {name}"
        for name, one in outputs
    )
    given = ",\n".join(
        "                "
        + _read(one, f"answer.values().get({_text(one.alias)})", kind=kinds[name])
        for name, one in outputs
    )
    wide = "import java.util.List;\n" if any(one.rank > 1 for one in project.outputs) else ""
    return f"""{_FIRST}// What the model answers to a row.
package model;

import dev.safeserial.onnx.Answer;
{wide}
/** What the model answers to a row{_classes(project)}. */
public record Prediction(
{declared}) {{

    static Prediction of(Answer answer) {{
        return new Prediction(
{given});
    }}
}}
"""


def _classes(project: Project) -> str:
    named = ", ".join(plain(str(one)) for one in project.classes[:50])
    return f"; probabilities are of {named}, in this order" if named else ""


def _pom(project: Project, template: bytes) -> bytes:
    own = f"<artifactId>model-{project.slug}</artifactId>"
    return template.replace(b"<artifactId>model</artifactId>", own.encode("ascii"), 1)


def _readme(project: Project) -> str:
    fields = "\n".join(
        f"| `{name}` | `{shown(one.name)}` | {_field_type(one).replace('<', ' of ').rstrip('>')}"
        f"{f' × {one.width}' if one.is_wide and one.width else ''} "
        f"| {'yes' if one.optional else 'no'} |"
        for name, one in _fields(project)
    )
    shared = project.key is None
    note = (
        "The model is signed with a shared secret, which is not here: `--key` names the file that\n"
        "holds it, one line, readable by you alone; `SAFESERIAL_KEY_FILE=secret.key make test`\n"
        "tests with it."
        if shared
        else "The signer's public key is `key.pem`. Make sure that it is: compare it with what\n"
        "the signer told you, for whoever can change this folder can change key and model together."
    )
    opened = 'Path.of("."), Path.of("secret.key")' if shared else 'Path.of(".")'
    return f"""# {shown(project.slug)}

Runs one signed model in Java 17 or later. It is verified each time it is opened, before ONNX
Runtime sees a byte of it. There is nothing to download but ONNX Runtime's shared library,
`libonnxruntime.so.1` (on macOS `libonnxruntime.dylib`).

```bash
export LD_LIBRARY_PATH=/where/libonnxruntime.so.1/is
make
make test
sh predict.sh {"--key secret.key " if shared else ""}rows.json
```

`predict.sh` reads rows, a JSON list of records or CSV with a header, from a file or standard
input, and prints a JSON list with one answer a row. The exit code is 1 if the model is refused or
a row does not fit, 2 if the command is wrong.

{note}

From your own code (`mvn install` puts it where your build finds it, as
`model:model-{project.slug}:0.1.0`; `make -C native` builds the library for
`-Djava.library.path`):

```java
try (SignedModel model = SignedModel.open({opened})) {{ // the folder with the model
    Row row = new Row(); // give its fields values
    List<Prediction> answers = model.predict(List.of(row));
}}
```

A row has these fields; rows in JSON and CSV have the columns' own names.

| field | column | type | may be missing |
|---|---|---|---|
{fields}

`src/main/java/dev/safeserial/onnx` and `native` are the client that verifies and runs any signed
model; the rest is for this one.
"""
