# SPDX-License-Identifier: BSD-3-Clause
"""One verified model, as what a project in another language is made of.

Floor 7, beside the command line.

**How to add a language.**  Write ``codegen/<module>.py`` with one public function::

    def files(project: Project) -> dict[str, bytes]

and enter its name in :data:`LANGUAGES`; a language whose module is missing is not offered.  `files`
returns relative path (``/`` between parts, ASCII letters, digits and ``._-``) to content of a
project that builds and runs as it is: the client's sources (``project.sources("go")``: what is in
``converters/clients/go`` without tests, vectors and builds), what is the same in all languages
(``project.common()``), a typed record, a main, a build file, a README.  It writes nothing itself:
:func:`safeserial_converters.codegen.generate` does, whole or not at all.  `javascript.py` is the
example.

What every project does, so that ``README`` and tests can be alike:

- ``main [--key FILE] [ROWS]`` reads rows from a file, or standard input where none is named, and
  prints a JSON list with one answer a row, as the client's own command does; exit 0, 1 (refused, or
  rows that do not fit), 2 (wrong usage); ``error: ...`` and ``hint: ...`` on stderr.
- Model, signature and key are the files of ``common()``, beside the program or in a place that can
  be named; nothing is answered before the signature was found right, each time it starts.
- Without ``--key`` the key is ``key.pem``.  Where ``project.key`` is None the model is signed with
  a shared secret, which is *never* written: ``--key FILE`` must name the file that holds it.
- Rows are a JSON list of records or, if the text does not begin with ``[`` after white space, CSV
  (RFC 4180, UTF-8, perhaps with a BOM) whose first line names the columns, in any order; others are
  passed over.  A needed column that is missing or there twice, and a line with more or fewer cells
  than the header, is an error.  Lines without a character are passed over (``""`` has two).  An
  empty cell is a missing value where one may be missing (``Input.optional``), and an error
  elsewhere.  Bools are ``true`` and ``false`` in any case.  Where ``project.is_array`` (one wide
  input), a CSV's columns are the features in their order whatever they are called, and a JSON row
  is ``{"X": [...]}``.  A wide input beside others (no model of :func:`to_onnx` has one) is a list
  in JSON and an error in CSV; `rows` is empty then.
- ``rows.json`` and ``rows.csv`` hold the same rows, ``answers.json`` what ONNX Runtime answered
  when the project was made: the project's own test compares, numbers to 1e-6.  The lists may be
  empty; then only the refusal of a changed model is tested.

Names of columns are anybody's words.  Never paste one into code: `literal` writes a string of the
language, `identifiers` makes names, `plain` what may stand in a comment, `shown` in Markdown
between backticks (all in `names.py`).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from safeserial_converters.clients import client_files
from safeserial_converters.codegen import names

#: What ``--lang`` takes, and the module of this package that writes it.
LANGUAGES: Final = {
    "js": "javascript",
    "c": "c",
    "go": "go",
    "rust": "rust",
    "java": "java",
    "csharp": "csharp",
}

Type = Literal["float32", "float64", "int32", "int64", "bool", "string"]
Cell = float | int | bool | str | None
Record = Mapping[str, Cell | list[Cell]]


@dataclass(frozen=True)
class Input:
    """One input of the graph: a column, or the whole array.

    Parameters
    ----------
    name : str
        As the graph and the rows have it: any text but the empty one, no NUL.
    type : str
        ``float32``, ``float64``, ``int32``, ``int64``, ``bool`` or ``string``.
    rank : int
        1: a tensor of one dimension, 2: a table.
    width : int or None
        Values a row: 1 for a column; None if the graph leaves it open.
    """

    name: str
    type: Type
    rank: int
    width: int | None

    @property
    def optional(self) -> bool:
        """Whether a value may be missing: floats (NaN) and texts (``""``) may, others not."""
        return self.type in {"float32", "float64", "string"}

    @property
    def is_wide(self) -> bool:
        """Whether a row has a list of values for it, not one."""
        return self.width != 1


@dataclass(frozen=True)
class Output:
    """One output of the graph.

    Parameters
    ----------
    name : str
        As the graph has it.
    type : str
        As of inputs.
    rank : int
        1: one value a row; more: a list a row.
    """

    name: str
    type: Type
    rank: int

    @property
    def alias(self) -> str:
        """What clients call it in an answer: ``label``, ``probabilities``, or its own name."""
        return {"predict": "label", "predict_proba": "probabilities"}.get(self.name, self.name)


@dataclass(frozen=True)
class Project:
    """What there is to know of a model that was verified and admitted.

    Parameters
    ----------
    name : str
        What its signers call it, or the file's name without its ending: anybody's words.
    version : str
        Its version, ``""`` if there is none.
    model_file : str
        ``"model.onnx"``, or ``"model.safeserial"`` for a signed artifact.
    model : bytes
        The file's content, as it was verified.
    signature : bytes or None
        Content of ``model.onnx.sig``; None for an artifact.
    key : bytes or None
        PEM of the signer's public key; None where the model is signed with a shared secret.
    key_kind : str
        ``"p256"``, ``"ed25519"``, ``"p384"``, ``"p521"`` or ``"hmac"``.
    digest : str
        What the model is hashed with: ``"sha256"`` or ``"blake3"``.  Raise
        :class:`~safeserial.errors.UnsupportedModelError` where the language has not this one, or
        not this kind of key.
    inputs : tuple of Input
        In the graph's order.
    outputs : tuple of Output
        In the graph's order.
    classes : tuple
        Labels in the order of ``probabilities``, where the model says them.
    task : str
        ``"classifier"``, ``"regressor"`` ..., ``""`` if the model does not say.
    versions : mapping of str to str
        Of the libraries that made it, where the model says them.
    rows : tuple of records
        Made-up rows that the model has answers for; perhaps none.
    answers : tuple of records
        What it answers.
    """

    name: str
    version: str
    model_file: str
    model: bytes = field(repr=False)
    signature: bytes | None = field(repr=False)
    key: bytes | None = field(repr=False)
    key_kind: str
    digest: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    classes: tuple[Cell, ...] = ()
    task: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[Record, ...] = ()
    answers: tuple[Record, ...] = ()

    @property
    def slug(self) -> str:
        """The name as package managers like it: small letters, digits, hyphens; never empty."""
        return "-".join(names.words_of(self.name))[:40].strip("-") or "model"

    @property
    def is_array(self) -> bool:
        """Whether the model takes a bare array: one input of many values a row."""
        return len(self.inputs) == 1 and self.inputs[0].is_wide

    def identifiers(self, style: names.Style, reserved: Iterable[str] = ()) -> tuple[str, ...]:
        """Return a name for a field an input, in order (see :func:`names.identifiers`)."""
        return names.identifiers([one.name for one in self.inputs], style, reserved)

    def sources(self, client: str) -> dict[str, bytes]:
        """Return the files of a client (``"node"``, ``"go"`` ...): relative path to content."""
        return client_files(client)

    def common(self) -> dict[str, bytes]:
        """Return the files that are the same in every language."""
        found = {self.model_file: self.model}
        if self.signature is not None:
            found[f"{self.model_file}.sig"] = self.signature
        if self.key is not None:
            found["key.pem"] = self.key
        found["rows.json"] = _json(self.rows)
        found["rows.csv"] = self._csv()
        found["answers.json"] = _json(self.answers)
        return found

    def _csv(self) -> bytes:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
        if self.is_array:
            (one,) = self.inputs
            lists = [list(_listed(row[one.name])) for row in self.rows]
            width = one.width or (len(lists[0]) if lists else 1)
            writer.writerow([f"x{place}" for place in range(width)])
            writer.writerows([_written(cell) for cell in line] for line in lists)
        else:
            writer.writerow([one.name for one in self.inputs])
            writer.writerows(
                [_written(_listed(row[one.name])[0]) for one in self.inputs] for row in self.rows
            )
        return stream.getvalue().encode("utf-8")


def _listed(cell: Cell | list[Cell]) -> list[Cell]:
    return cell if isinstance(cell, list) else [cell]


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _json(rows: Iterable[Record]) -> bytes:
    lines = [json.dumps(row, allow_nan=False) for row in rows]
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode("ascii") if lines else b"[]\n"
