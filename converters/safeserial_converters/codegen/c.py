# SPDX-License-Identifier: BSD-3-Clause
"""A project in C: the client, a row as a struct, a program, a test.

Floor 7, beside the command line.  What is the same in every project stands as C in the client's
folder `project/`; only what depends on the model is written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from safeserial.errors import UnsupportedModelError
from safeserial_converters.codegen.names import literal, plain, shown
from safeserial_converters.codegen.project import Input, Project

_FIRST: Final = "/* SPDX-License-Identifier: BSD-3-Clause */\n"
_SAME: Final = "project/"  # of the client's folder
_CLIENT: Final = ("Makefile", "README.md", "safeserial_onnx.pc.in")  # and its include/ and src/
_TYPES: Final = {
    "float32": ("float ", "MODEL_FLOAT32"),
    "float64": ("double ", "MODEL_FLOAT64"),
    "int32": ("int32_t ", "MODEL_INT32"),
    "int64": ("int64_t ", "MODEL_INT64"),
    "bool": ("bool ", "MODEL_BOOL"),
    "string": ("const char *", "MODEL_STRING"),
}


@dataclass(frozen=True)
class _Field:
    """The member of the struct that stands for a column."""

    name: str
    column: Input

    @property
    def count(self) -> str:
        """What the member is called that says how many values there are."""
        return f"{self.name}_count"


def files(project: Project) -> dict[str, bytes]:
    """Return the project's files: relative path to content.

    Raises
    ------
    UnsupportedModelError
        If the model is hashed with BLAKE3, which OpenSSL has not.
    """
    if project.digest != "sha256":
        raise UnsupportedModelError(
            f"OpenSSL does not have {project.digest}, which the model is hashed with",
            hint="sign the model with SHA-256",
        )
    client = project.sources("c")
    fields = _fields(project)
    texts = {
        "model.h": _header(project, fields),
        "columns.c": _columns(project, fields),
        "README.md": _readme(project, fields),
        ".gitignore": "answer\nbuild/\n",
    }
    return {
        **{f"client/{name}": client[name] for name in client if _is_used(name)},
        **{
            name.removeprefix(_SAME): content
            for name, content in client.items()
            if name.startswith(_SAME)
        },
        **{name: text.encode("utf-8") for name, text in texts.items()},
        **project.common(),
    }


def _is_used(name: str) -> bool:
    return name in _CLIENT or (name.startswith(("include/", "src/")) and name != "src/main.c")


def _fields(project: Project) -> list[_Field]:
    names = project.identifiers("snake")
    counts = [f"{name}_count" for name in names]
    names = project.identifiers("snake", counts)  # no column takes the name of another's count
    return [_Field(*one) for one in zip(names, project.inputs, strict=True)]


def _header(project: Project, fields: list[_Field]) -> str:
    members = "\n".join(line for one in fields for line in _members(one))
    numbers = [one.name for one in fields if _is_float(one.column)]
    empty = ", ".join(f".{name} = NAN" for name in numbers) or "0"
    outputs = "\n".join(
        f" *   {plain(one.alias)}: {one.type}, {'a list' if one.rank > 1 else 'one value'} a row"
        for one in project.outputs
    )
    title = f"/* The model `{plain(project.name)}`: verified when it is opened, then asked. */"
    return f"""{_FIRST}{title}
#ifndef MODEL_H
#define MODEL_H

#include <math.h>
#include "project.h"

/* One row: a field a column. */
typedef struct {{
{members}
}} model_row;

/* A row in which every number and text is missing that may be: model_row row = MODEL_ROW_EMPTY; */
#define MODEL_ROW_EMPTY {{{empty}}}

#ifdef __cplusplus
extern "C" {{
#endif

/* Verify the model that lies in a folder (NULL: the present one) and load it.  `key_file` names the
 * signer's key; NULL takes the project's own. */
safeserial_model *model_open(const char *folder, const char *key_file, safeserial_error *error);

/* Answer typed rows.  safeserial_answers_get gives these by name:
{outputs}
 */
safeserial_answers *model_predict(const safeserial_model *model, const model_row *rows,
                                  size_t count, safeserial_error *error);

/* Answer rows as people write them: a JSON list of records, or CSV whose first line names the
 * columns.  Returns JSON, which the caller frees with free(). */
char *model_predict_text(const safeserial_model *model, const char *text, size_t size,
                         safeserial_error *error);

#ifdef __cplusplus
}}
#endif

#endif
"""


def _is_float(column: Input) -> bool:
    return column.type.startswith("float") and not column.is_wide


def _members(field: _Field) -> list[str]:
    column = field.column
    kind, _ = _TYPES[column.type]
    missing = ""
    if column.optional:
        missing = f"; {'NULL' if column.type == 'string' else 'NAN'} is a missing value"
    said = f"/* column {plain(column.name)}{missing} */"
    if not column.is_wide:
        return [f"  {kind}{field.name}; {said}"]
    if column.width is not None:
        return [f"  {kind}{field.name}[{column.width}]; {said}"]
    pointer = f"{kind}const *" if column.type == "string" else f"const {kind}*"
    return [f"  {pointer}{field.name}; {said}", f"  size_t {field.count};"]


def _columns(project: Project, fields: list[_Field]) -> str:
    rows = "\n".join(f"    {_row(one)}," for one in fields)
    key = "NULL" if project.key is None else '"key.pem"'
    return f"""{_FIRST}/* The columns of the model, and the fields of a row that stand for them. */
#include <stddef.h>
#include "model.h"

const model_column MODEL_COLUMNS[] = {{
{rows}
}};
const size_t MODEL_COLUMN_COUNT = {len(fields)};
const bool MODEL_IS_ARRAY = {"true" if project.is_array else "false"};
const char MODEL_FILE[] = {literal(project.model_file, "c")};
const char *const MODEL_KEY = {key};
"""


def _row(field: _Field) -> str:
    column = field.column
    counted = f"offsetof(model_row, {field.count})" if column.width is None else "0"
    return (
        f"{{{literal(column.name, 'c')}, {literal(field.name, 'c')}, {_TYPES[column.type][1]}, "
        f"{column.width or 0}, offsetof(model_row, {field.name}), {counted}}}"
    )


def _readme(project: Project, fields: list[_Field]) -> str:
    table = "\n".join(
        f"| `{name}` | `{shown(one.name)}` | {one.type}"
        f"{f' × {one.width}' if one.is_wide and one.width else ''} "
        f"| {'yes' if one.optional else 'no'} |"
        for name, one in ((one.name, one.column) for one in fields)
    )
    key = "" if project.key is not None else " --key secret.key"
    note = (
        "The signer's public key is `key.pem`. Make sure that it is: compare it with what the\n"
        "signer told you, for whoever can change this folder can change key and model together."
        if project.key is not None
        else "The model is signed with a shared secret, which is not here: `--key` names the file\n"
        "that holds it, one line, readable by you alone. To `make test` it is named by\n"
        "`SAFESERIAL_KEY_FILE`."
    )
    return f"""# {shown(project.slug)}

Runs one signed model, in C11. It is verified each time it is opened, before ONNX Runtime sees a
byte of it. You need OpenSSL 3, Jansson and the folder of ONNX Runtime's `libonnxruntime.so.1`.

```sh
sudo apt-get install gcc make pkg-config libssl-dev libjansson-dev
make ORT=/opt/onnxruntime/lib
make ORT=/opt/onnxruntime/lib test
./answer{key} rows.json
```

`answer` reads rows, a JSON list of records or CSV with a header, from a file or standard input, and
prints a JSON list with one answer a row. The exit code is 1 if the model is refused or a row does
not fit, 2 if the command is wrong. It looks for the model in its own folder, or in the one that
`--folder` names.

{note}

From your own code (`model.h` says the rest; link what the `Makefile` does):

```c
safeserial_error error;
safeserial_model *model = model_open("this/folder", NULL, &error);
model_row row = MODEL_ROW_EMPTY;
safeserial_answers *answers = model ? model_predict(model, &row, 1, &error) : NULL;
```

A row has these fields; in JSON and CSV the columns have their own names.

| field | column | type | may be missing |
|---|---|---|---|
{table}

A missing number is `NAN`, a missing text `NULL`. `client/` is the client that verifies and runs any
signed model; the rest is for this one.
"""
