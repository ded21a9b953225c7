# SPDX-License-Identifier: BSD-3-Clause
"""A project in Go: the client, a typed record, a program with the model built in, a test.

Floor 7, beside the command line.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from safeserial.errors import UnsupportedModelError
from safeserial_converters.codegen.names import identifiers, literal, plain, shown
from safeserial_converters.codegen.project import Cell, Input, Output, Project

_ANSWERED: Final = {"float32": "float64", "int32": "int64"}  # the client widens
_FIRST: Final = "// SPDX-License-Identifier: BSD-3-Clause\n"
_SAME: Final = "_project/"  # of the client's folder: what is the same in every project


def files(project: Project) -> dict[str, bytes]:
    """Return the project's files: relative path to content.

    Raises
    ------
    UnsupportedModelError
        If the model is hashed with BLAKE3, which Go's standard library has not.
    """
    if project.digest != "sha256":
        raise UnsupportedModelError(
            f"Go's standard library does not have {project.digest}, which the model is hashed with",
            hint="sign the model with SHA-256",
        )
    client = project.sources("go")
    module = f"model-{project.slug}"
    same = {
        name.removeprefix(_SAME): content.replace(b'"PROJECT', f'"{module}'.encode())
        for name, content in client.items()
        if name.startswith(_SAME) and name.endswith(".go")
    }
    tests = same.pop("project_test.go").decode("utf-8") + _records(project)
    texts = {
        "go.mod": f"module {module}\n\ngo 1.19\n",
        "record.go": _record(project, module),
        "project_test.go": tests,
        "README.md": _readme(project, module),
    }
    return {
        **{f"client/{name}": client[name] for name in client if _is_package(name)},
        **same,
        **{name: text.encode("utf-8") for name, text in texts.items()},
        **project.common(),
    }


def _is_package(name: str) -> bool:
    return "/" not in name and name.endswith((".go", ".h")) and not name.endswith("_test.go")


def _fields(project: Project) -> list[tuple[str, Input]]:
    return list(zip(project.identifiers("pascal"), project.inputs, strict=True))


def _answers(project: Project) -> list[tuple[str, Output]]:
    names = identifiers([one.alias for one in project.outputs], "pascal")
    return list(zip(names, project.outputs, strict=True))


def _type_of(one: Input) -> str:
    if one.is_wide:
        return f"[]{one.type}"
    return f"*{one.type}" if one.optional else one.type


def _answer_type(one: Output) -> str:
    cell = _ANSWERED.get(one.type, one.type)
    return f"[]{cell}" if one.rank > 1 else cell


def _record(project: Project, module: str) -> str:
    # Blank lines between fields: gofmt would align neighbours.
    fields = "\n\n".join(
        f"\t// Column {plain(one.name)}{_missing(one)}\n\t{name} {_type_of(one)}"
        for name, one in _fields(project)
    )
    answers = "\n\n".join(
        f"\t// Output {plain(one.name)}\n\t{name} {_answer_type(one)}"
        for name, one in _answers(project)
    )
    columns = "\n".join(
        f"\t{{{literal(one.name, 'go')}, {literal(one.type, 'go')}, {one.width or 0}, "
        f"{_truth(one.optional)}}},"
        for one in project.inputs
    )
    cells = "\n".join(
        f"\trow[{literal(one.name, 'go')}] = {_given(name, one)}" for name, one in _fields(project)
    )
    found = "\n".join(f"\tanswer.{name} = {_found(one)}" for name, one in _answers(project))
    return f"""{_FIRST}
// Package model runs the model {plain(project.name)}.
//
// The model is built into the program, and verified each time it is opened.
package model

import (
	"embed"

	safeserial "{module}/client"
)

//go:embed {_built_in(project)}
var files embed.FS

const modelFile = {literal(project.model_file, "go")}

// A Record is one row: a field a column.
type Record struct {{
{fields}
}}

// An Answer is what the model says of one row.
type Answer struct {{
{answers}
}}
{_classes(project)}
var columns = []column{{
{columns}
}}

func rowOf(record Record) map[string]any {{
	row := map[string]any{{}}
{cells}
	return row
}}

func answerOf(found safeserial.Answer) (Answer, error) {{
	var wrong error
	var answer Answer
{found}
	return answer, wrong
}}
"""


def _missing(one: Input) -> str:
    if not one.optional:
        return ""
    if one.is_wide:
        return "; NaN is a missing value" if one.type != "string" else ""
    return "; nil where it is missing"


def _given(name: str, one: Input) -> str:
    by_pointer = one.optional and not one.is_wide
    return f"cell(record.{name})" if by_pointer else f"record.{name}"


def _found(one: Output) -> str:
    is_list = one.rank > 1
    if one.name == "predict_proba" and is_list and one.type.startswith("float"):
        return "found.Probabilities"
    where = "found.Label" if one.name == "predict" else f"found.Others[{literal(one.alias, 'go')}]"
    cell = _ANSWERED.get(one.type, one.type)
    return f"{'list' if is_list else 'one'}[{cell}]({where}, &wrong)"


def _truth(value: object) -> str:
    return "true" if value else "false"


def _classes(project: Project) -> str:
    """Return the list of labels, if they are all of one type that Go has."""
    for kind, name in ((str, "string"), (bool, "bool"), (int, "int64")):
        if project.classes and all(type(one) is kind for one in project.classes):
            listed = ", ".join(_value(one) for one in project.classes)
            return (
                "\n// Classes are the labels, in the order of Answer.Probabilities.\n"
                f"var Classes = []{name}{{{listed}}}\n"
            )
    return ""


def _value(value: Cell) -> str:
    if isinstance(value, str):
        return literal(value, "go")
    return _truth(value) if isinstance(value, bool) else repr(value)


def _built_in(project: Project) -> str:
    names = [project.model_file]
    names += [f"{project.model_file}.sig"] if project.signature is not None else []
    names += ["key.pem"] if project.key is not None else []
    return " ".join(names)


def _records(project: Project) -> str:
    lines = "\n".join("\t{" + ", ".join(_set(_fields(project), row)) + "}," for row in project.rows)
    listed = f"{{\n{lines}\n}}" if lines else "{}"
    return f"\n// The rows of rows.json as records.\nvar records = []Record{listed}\n"


def _set(fields: Iterable[tuple[str, Input]], row: object) -> list[str]:
    assert isinstance(row, dict)  # noqa: S101 - what `Project` says
    found = []
    for name, one in fields:
        cell = row[one.name]
        if one.is_wide:
            values = ", ".join(_filled(one, each) for each in cell)
            found.append(f"{name}: []{one.type}{{{values}}}")
        elif not one.optional:
            found.append(f"{name}: {_value(cell)}")
        elif cell is not None:
            found.append(f"{name}: Some[{one.type}]({_value(cell)})")
    return found


def _filled(one: Input, cell: Cell) -> str:
    if cell is None:
        return '""' if one.type == "string" else f"{one.type}(math.NaN())"
    return _value(cell)


def _readme(project: Project, module: str) -> str:
    fields = "\n".join(
        f"| `{name}` | `{shown(one.name)}` | `{_type_of(one)}` "
        f"| {'yes' if one.optional else 'no'} |"
        for name, one in _fields(project)
    )
    command = (
        "./predict rows.json" if project.key is not None else "./predict --key secret.key rows.json"
    )
    note = (
        "The signer's public key is `key.pem`, which is built in too. Make sure that it is:\n"
        "compare it with what the signer told you, for whoever can change this folder can change\n"
        "key and model together."
        if project.key is not None
        else "The model is signed with a shared secret, which is not here: `--key` names the file\n"
        "that holds it, one line, readable by you alone. The test reads its name from\n"
        "SAFESERIAL_KEY_FILE."
    )
    return f"""# {shown(project.slug)}

Runs one signed model in Go 1.19 or later. The model is built into the program, and verified each
time it is opened, before ONNX Runtime sees a byte of it. ONNX Runtime's shared library
(`libonnxruntime.so.1`) is looked for where the system looks for libraries.

```bash
export LD_LIBRARY_PATH=/where/onnxruntime/is
go test ./...
go build ./cmd/predict
{command}
```

`predict` reads rows, a JSON list of records or CSV with a header, from a file or standard input,
and prints a JSON list with one answer a row. The exit code is 1 if the model is refused or a row
does not fit, 2 if the command is wrong. `--model FILE` runs a later model of the same columns,
with its signature beside it, under the same key.

{note}

From your own code, `model.Open(model.Options{{}})` of the package `{module}` returns
a model whose `Predict` takes records with these fields; rows in JSON and CSV have the columns' own
names. `model.Some` gives a value to a field that may be missing.

| field | column | type | may be missing |
|---|---|---|---|
{fields}

`client/` is the client that verifies and runs any signed model; the rest is for this one.
"""
