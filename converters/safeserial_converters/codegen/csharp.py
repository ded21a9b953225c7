# SPDX-License-Identifier: BSD-3-Clause
"""A project in C#: the client, a typed record, a typed answer, a program, a test.

Floor 7, beside the command line.  What is the same for every model lies in the client's folder
``project``; here is written what depends on the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from safeserial.errors import UnsupportedModelError
from safeserial_converters.codegen import names
from safeserial_converters.codegen.names import literal, plain, shown
from safeserial_converters.codegen.project import Input, Output, Project

_FIRST: Final = "// SPDX-License-Identifier: BSD-3-Clause\n"
_CLIENT: Final = "src/SafeSerial.Onnx/"
_PLACES: Final = {
    "Column.cs": "model",
    "Csv.cs": "model",
    "OneModel.csproj": "model",
    "RowReader.cs": "model",
    "SignedModel.cs": "model",
    "Program.cs": "app",
    "predict.csproj": "app",
    "ProjectTest.cs": "test",
    "check.csproj": "test",
    "Makefile": "",
}
# Of a cell: its type in a record, and what reads it (Column.cs).
_CELLS: Final = {
    "float32": ("float?", "Float"),
    "float64": ("double?", "Double"),
    "int32": ("int", "Int"),
    "int64": ("long", "Long"),
    "bool": ("bool", "Bool"),
    "string": ("string", "Text"),
}
_ANSWERS: Final = {"float32": "double", "int32": "long", "float64": "double", "int64": "long"}
_OF_ROW: Final = ("Row", "From", "ToRow", "Cells", "Dictionary", "IReadOnlyList", "IDictionary")
_OF_ANSWER: Final = ("Prediction", "Answer")


def files(project: Project) -> dict[str, bytes]:
    """Return the project's files: relative path to content.

    Raises
    ------
    UnsupportedModelError
        If the model is hashed with BLAKE3.
    """
    if project.digest != "sha256":
        raise UnsupportedModelError(
            f"the model is hashed with {project.digest}, which .NET does not have",
            hint="call it model.onnx and sign it again: then SHA-256 is taken",
        )
    client = project.sources("csharp")
    texts = {
        "model/Facts.cs": _facts(project),
        "model/Row.cs": _row(project),
        "model/Prediction.cs": _prediction(project),
        "README.md": _readme(project),
        ".gitignore": "build/\nbin/\nobj/\n",
    }
    return {
        **{
            f"client/{name.removeprefix(_CLIENT)}": content
            for name, content in client.items()
            if name.startswith(_CLIENT)
        },
        **{
            f"{folder}/{name}".lstrip("/"): client[f"project/{name}"]
            for name, folder in _PLACES.items()
        },
        **{name: text.encode("utf-8") for name, text in texts.items()},
        **project.common(),
    }


def _facts(project: Project) -> str:
    signature = "null" if project.signature is None else f'"{project.model_file}.sig"'
    columns = "\n".join(
        f"            new Column({literal(one.name, 'csharp')}, "
        f'"{one.type}", {_bool(one.optional)}, {_bool(one.is_wide)}),'
        for one in project.inputs
    )
    return f"""{_FIRST}// What is particular to the model `{plain(project.name)}`.
using System.Collections.Generic;

namespace OneModel
{{
    /// <summary>What is particular to this model.</summary>
    public static class Facts
    {{
        /// <summary>The file of the model.</summary>
        public static readonly string ModelFile = "{project.model_file}";
        /// <summary>The file of the signature; null where the model has it inside.</summary>
        public static readonly string SignatureFile = {signature};
        /// <summary>The file of the signer's key; null where that is a shared secret.</summary>
        public static readonly string KeyFile = {"null" if project.key is None else '"key.pem"'};

        /// <summary>The columns, in the model's order.</summary>
        public static readonly IReadOnlyList<Column> Columns = new[]
        {{
{columns}
        }};
    }}
}}
"""


def _bool(value: bool) -> str:  # noqa: FBT001 - the value itself
    return "true" if value else "false"


def _type_of(one: Input) -> str:
    cell = _CELLS[one.type][0]
    return f"IReadOnlyList<{cell}>" if one.is_wide else cell


def _is_needed(one: Input) -> bool:
    """Whether a record cannot be made without it: it is no field that may be left empty."""
    return one.is_wide or not one.optional


def _fields(project: Project) -> list[tuple[str, str, Input]]:
    """Return property, parameter and input, each column once."""
    properties = project.identifiers("pascal", _OF_ROW)
    parameters = project.identifiers("camel", ("row", "value"))
    return list(zip(properties, parameters, project.inputs, strict=True))


def _row(project: Project) -> str:
    fields = _fields(project)
    needed = [each for each in fields if _is_needed(each[2])]
    free = [each for each in fields if not _is_needed(each[2])]
    properties = "\n\n".join(
        f"        /// <summary>Column {plain(one.name)}"
        f"{', or null where it is missing' if not _is_needed(one) else ''}.</summary>\n"
        f"        public {_type_of(one)} {name} {{ get; {'set; ' if not _is_needed(one) else ''}}}"
        for name, _, one in fields
    )
    taken = ",\n            ".join(f"{_type_of(one)} {small}" for _, small, one in needed)
    kept = "".join(f"            {name} = {small};\n" for name, small, _ in needed)
    read = ",\n".join(f"                {_read(one)}" for _, _, one in needed)
    rest = "".join(f"                {name} = {_read(one)},\n" for name, _, one in free)
    cells = "\n".join(
        f"            {{ {literal(one.name, 'csharp')}, {name} }}," for name, _, one in fields
    )
    start = f"new Row({_newline(read)})"
    made = f"{start}\n            {{\n{rest}            }}" if rest else start
    return f"""{_FIRST}// One row of the model: a field a column.
using System.Collections.Generic;

namespace OneModel
{{
    /// <summary>One row. What cannot be missing is asked for when it is made.</summary>
    public sealed class Row
    {{
{properties}

        /// <summary>Make a row of what cannot be missing.</summary>
        public Row({_newline(f"            {taken}" if taken else "")})
        {{
{kept}        }}

        /// <summary>Return a record, as JSON has it, as a row.</summary>
        public static Row From(IDictionary<string, object> row)
        {{
            return {made};
        }}

        /// <summary>Return column name to value.</summary>
        public IReadOnlyDictionary<string, object> ToRow() => new Dictionary<string, object>
        {{
{cells}
        }};
    }}
}}
"""


def _newline(text: str) -> str:
    return f"\n{text}" if text else ""


def _read(one: Input) -> str:
    cell = f"Cells.Of(row, {literal(one.name, 'csharp')})"
    reader = f"Cells.{_CELLS[one.type][1]}"
    return f"Cells.All({cell}, {reader})" if one.is_wide else f"{reader}({cell})"


def _prediction(project: Project) -> str:
    aliases = [one.alias for one in project.outputs]
    found = names.identifiers(aliases, "pascal", _OF_ANSWER)
    properties = "\n\n".join(
        f"        /// <summary>Output {plain(one.alias)}{_said(one, project.classes)}.</summary>\n"
        f"        public {_answer_type(one)} {name} => "
        f"({_answer_type(one)})Answer.Values[{literal(one.alias, 'csharp')}];"
        for name, one in zip(found, project.outputs, strict=True)
    )
    return f"""{_FIRST}// What the model answers to one row.
using SafeSerial.Onnx;

namespace OneModel
{{
    /// <summary>What the model answers to one row.</summary>
    public sealed class Prediction
    {{
        /// <summary>The answer as it came.</summary>
        public Answer Answer {{ get; }}

{properties}

        internal Prediction(Answer answer)
        {{
            Answer = answer;
        }}
    }}
}}
"""


def _answer_type(one: Output) -> str:
    cell = _ANSWERS.get(one.type, one.type)
    return f"{cell}[]" if one.rank > 1 else cell


def _said(one: Output, classes: Sequence[object]) -> str:
    if one.name not in {"predict", "predict_proba"} or not 0 < len(classes) <= 20:
        return ""
    listed = ", ".join(plain(str(label)) for label in classes)
    return f": of {listed}" if one.name == "predict" else f", in this order: {listed}"


def _readme(project: Project) -> str:
    fields = "\n".join(
        f"| `{name}` | `{shown(one.name)}` | `{_type_of(one)}` | "
        f"{'no' if _is_needed(one) else 'yes'} |"
        for name, _, one in _fields(project)
    )
    option = "" if project.key is not None else "--key secret.key "
    note = (
        "The signer's public key is `key.pem`. Make sure that it is: compare it with what the\n"
        "signer told you, for whoever can change this folder can change key and model together."
        if project.key is not None
        else "The model is signed with a shared secret, which is not here: `--key` names the file\n"
        "that holds it, one line, readable by you alone. The test reads `SAFESERIAL_KEY_FILE`."
    )
    return f"""# {shown(project.slug)}

Runs one signed model in C#. It is verified each time it is opened, before ONNX Runtime sees a byte
of it.

With .NET 8 (ONNX Runtime comes as the package `Microsoft.ML.OnnxRuntime`):

```bash
dotnet run --project test
dotnet run --project app -- {option}rows.json
```

With mono 6.8, and `libonnxruntime.so` in a folder of `LD_LIBRARY_PATH`:

```bash
make test
mono build/predict.exe {option}rows.json
```

OpenSSL 3 (`libcrypto`), which most Linux systems have, does the cryptography. Projects like this
one are tested with mono on Linux; the `.csproj` files have not been built by a .NET SDK yet.

`predict` reads rows, a JSON list of records or CSV with a header, from a file or standard input,
and prints a JSON list with one answer a row. The exit code is 1 if the model is refused or a row
does not fit, 2 if the command is wrong.

{note}

From your own code (`dotnet add reference model/OneModel.csproj`, or `-r:build/OneModel.dll`):

```csharp
using (var model = OneModel.SignedModel.Open())
{{
    var answers = model.Predict(records); // of OneModel.Row
}}
```

A `Row` has these fields; those that cannot be left out are what its constructor takes. Rows in JSON
and CSV have the columns' own names.

| field | column | type | may be left out |
|---|---|---|---|
{fields}

`client/` is the client that verifies and runs any signed model; `model/` is for this one.
"""
