# SPDX-License-Identifier: BSD-3-Clause
"""A project in JavaScript for Node: the client, a typed record, a program, a test.

Floor 7, beside the command line.  What is the same for every model lies in the client's folder
``project``; here is written what depends on the model.
"""

from __future__ import annotations

import json
from typing import Final

from safeserial_converters.codegen.names import literal, plain, shown
from safeserial_converters.codegen.project import Cell, Input, Output, Project

_CLIENT: Final = ("package.json", "index.d.ts", "README.md")  # and its src/
_CELLS: Final = {"bool": "boolean", "string": "string", "int64": "number | bigint"}
_FIRST: Final = "// SPDX-License-Identifier: BSD-3-Clause\n"


def files(project: Project) -> dict[str, bytes]:
    """Return the project's files: relative path to content."""
    client = project.sources("node")
    used = {name for name in client if name in _CLIENT or name.startswith("src/")}
    texts = {
        "package.json": _package(project, client["package.json"]),
        "record.js": _record(project),
        "index.js": _index(project),
        "index.d.ts": _types(project),
        "README.md": _readme(project),
        ".gitignore": "node_modules/\n",
    }
    return {
        **{f"client/{name}": client[name] for name in sorted(used)},
        "main.js": client["project/main.js"],
        "rows.js": client["project/rows.js"],
        "csv.js": project.sources("browser")["csv.js"],
        "test/project.test.js": client["project/project.test.js"],
        **{name: text.encode("utf-8") for name, text in texts.items()},
        **project.common(),
    }


def _package(project: Project, client: bytes) -> str:
    own = json.loads(client)
    return (
        json.dumps(
            {
                "name": _name(project),
                "version": "0.1.0",
                "description": "Runs one signed model, which it verifies each time it starts.",
                "private": True,
                "type": "module",
                "engines": own["engines"],
                "exports": {".": {"types": "./index.d.ts", "default": "./index.js"}},
                "scripts": {"start": "node main.js", "test": "node --test test/"},
                "dependencies": {
                    **own["dependencies"],
                    "onnxruntime-node": own["optionalDependencies"]["onnxruntime-node"],
                },
            },
            indent=2,
        )
        + "\n"
    )


def _name(project: Project) -> str:
    return project.slug if project.slug.startswith("model") else f"model-{project.slug}"


def _fields(project: Project) -> list[tuple[str, Input]]:
    return list(zip(project.identifiers("camel"), project.inputs, strict=True))


def _record(project: Project) -> str:
    lines = "\n".join(
        f"  {{ field: '{name}', column: {literal(one.name, 'js')}, type: '{one.type}', "
        f"optional: {json.dumps(one.optional)}, width: {json.dumps(one.width)} }},"
        for name, one in _fields(project)
    )
    return (
        f"{_FIRST}// The columns of the model, and the fields of a record that stand for them.\n"
        "import { SafeSerialError } from './client/src/errors.js';\n\n"
        f"export const COLUMNS = [\n{lines}\n];\n{_TO_ROW}"
    )


_TO_ROW: Final = """
/** Return a record as a row of the model: column name to value. */
export function toRow(record) {
  const cells = COLUMNS.map(({ field, column, optional }) => {
    const value = Object.hasOwn(record ?? {}, field) ? record[field] : undefined;
    if (value !== undefined || optional) return [column, value ?? null];
    throw new SafeSerialError('rows', `the record has no ${field}`, 'it cannot be missing');
  });
  return Object.fromEntries(cells); // which a column called __proto__ does not disturb
}
"""


def _index(project: Project) -> str:
    return f"""{_FIRST}// The model `{plain(project.name)}`: verified when it is opened, then asked.
import {{ fileURLToPath }} from 'node:url';
import {{ openModel }} from './client/src/index.js';
import {{ toRow }} from './record.js';

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));
const FILES = {{
  model: '{project.model_file}',
  signature: {"undefined" if project.signature is None else f"'{project.model_file}.sig'"},
  key: {"undefined" if project.key is None else "'key.pem'"},
}};

/**
 * Verify the model and load it.
 * @param {{{{ keyFile?: string }}}} [options] where to read the signer's key
 */
export async function open({{ keyFile }} = {{}}) {{
  const keyFiles = keyFile ?? (FILES.key && beside(FILES.key));
  const signature = FILES.signature && beside(FILES.signature);
  const model = await openModel({{
    model: beside(FILES.model), signature, keyFiles: keyFiles ?? [],
  }});
  return {{
    signers: model.signers,
    /** Answer typed records. */
    predict: (records) => model.predict(records.map(toRow)),
    /** Answer rows as JSON and CSV have them: column name to value. */
    predictRows: (rows) => model.predict(rows),
    close: () => model.close(),
  }};
}}

export {{ SafeSerialError }} from './client/src/index.js';
"""


def _types(project: Project) -> str:
    fields = "\n".join(
        f"  /** Column {plain(one.name)} */\n"
        f"  {name}{'?' if one.optional and not one.is_wide else ''}: {_type_of(one)};"
        for name, one in _fields(project)
    )
    outputs = "\n".join(
        f"  {literal(one.alias, 'js')}: {_output_type(one, project)};" for one in project.outputs
    )
    return (
        f"{_FIRST}"
        "/** One row: a field a column. What may be missing is left out, or null. */\n"
        f"export interface Row {{\n{fields}\n}}\n\n"
        "/** What the model answers to a row. */\n"
        f"export interface Answer {{\n{outputs}\n}}\n{_DECLARED}"
    )


_DECLARED: Final = """
export type Cell = number | bigint | string | boolean | null;

export interface OpenedModel {
  readonly signers: string[];
  /** Answer typed records. */
  predict(records: Row[]): Promise<Answer[]>;
  /** Answer rows as JSON and CSV have them: column name to value. */
  predictRows(rows: Record<string, Cell | Cell[]>[]): Promise<Answer[]>;
  close(): Promise<void>;
}

/** Verify the model and load it; `keyFile` names the signer's key. */
export function open(options?: { keyFile?: string }): Promise<OpenedModel>;

export class SafeSerialError extends Error {
  readonly code: string;
  readonly hint: string;
}
"""


def _type_of(one: Input) -> str:
    cell = _CELLS.get(one.type, "number")
    missing = " | null" if one.optional else ""
    return f"({cell}{missing})[]" if one.is_wide else f"{cell}{missing}"


def _output_type(one: Output, project: Project) -> str:
    cell = _CELLS.get(one.type, "number")
    if one.name == "predict" and one.rank == 1 and project.classes:
        cell = " | ".join(dict.fromkeys(map(_literal_type, project.classes)))
    return f"({cell})[]" if one.rank > 1 else cell


def _literal_type(value: Cell) -> str:
    if isinstance(value, str):
        return literal(value, "js")
    return json.dumps(value) if isinstance(value, bool | int) else "number"


def _readme(project: Project) -> str:
    fields = "\n".join(
        f"| `{name}` | `{shown(one.name)}` | {_kind(one)} | {'yes' if one.optional else 'no'} |"
        for name, one in _fields(project)
    )
    secret = project.key is None
    return _README.format(
        name=_name(project),
        fields=fields,
        option="--key secret.key " if secret else "",
        setting="SAFESERIAL_KEY_FILE=secret.key " if secret else "",
        argument="{ keyFile: 'secret.key' }" if secret else "",
        key=_SHARED if secret else _PUBLIC,
    )


def _kind(one: Input) -> str:
    if not one.is_wide:
        return one.type
    return f"list of {one.width or 'any number of'} {one.type}"


_PUBLIC: Final = """The signer's public key is `key.pem`. Compare it with what the signer told you:
whoever can change this folder can change key and model together."""
_SHARED: Final = """The model is signed with a shared secret, which is not here: `--key` names the
file that holds it, one line, readable by you alone."""
_README: Final = """# {name}

Runs one signed model in Node 20.19 or later. It is verified each time it is opened, before ONNX
Runtime sees a byte of it.

```bash
ONNXRUNTIME_NODE_INSTALL=skip npm install --ignore-scripts
{setting}npm test
node main.js {option}rows.json
```

`main.js` reads rows, a JSON list of records or CSV with a header, from a file or standard input,
and prints a JSON list with one answer a row. The exit code is 1 if the model is refused or a row
does not fit, 2 if the command is wrong.

{key}

From your own code, after `npm install` of this folder:

```js
import {{ open }} from '{name}';

const model = await open({argument});
const answers = await model.predict(records);
```

A record has these fields (`index.d.ts` has them as types); rows in JSON and CSV have the columns'
own names.

| field | column | type | may be missing |
|---|---|---|---|
{fields}

`client/` verifies and runs any signed model; the rest is for this one.
"""
