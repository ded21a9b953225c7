# SPDX-License-Identifier: BSD-3-Clause
"""Rows: a list of like objects beside the opcode stream, described once and filled from columns.

Floor 3.  The trees of a forest have the same class and the same attributes, and differ in numbers
and arrays.  A *form* says once what all of them are; what differs is in objects of the index, one
entry a row (docs/spec/format-v1.md, section 7.1).  Here a form is read and written; what it may
name is the opcode verifier's matter.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from safeserial import strictjson
from safeserial.errors import CorruptArtifactError
from safeserial.strictjson import Json

MAX_FORM_BYTES: Final = 2**16
MAX_LEVELS: Final = 4
MAX_ATTRIBUTES: Final = 256
MAX_INNER: Final = 2**10
MAX_ROWS: Final = 2**18
MAX_ROW_BYTES: Final = 8 * MAX_ROWS  # of a column of numbers

# What an object of the index holds for each row: a plain value, an element of an array as a NumPy
# scalar, the number of an array, or an array that is a slice of a larger one: one entry of it, or a
# run of as many as a column says.
Source: TypeAlias = Literal["values", "scalars", "arrays", "slices", "runs"]


class Constant(NamedTuple):
    """A value that is the same in all rows."""

    value: bool | int | str | None


class Drawn(NamedTuple):
    """A value that each row draws from an object of the index.

    Parameters
    ----------
    source : str
        How.
    number : int
        Of the object.
    lengths : int, default=-1
        Of runs: the number of the column of their lengths.
    """

    source: Source
    number: int
    lengths: int = -1


class Form(NamedTuple):
    """What the objects of some rows have in common.

    Parameters
    ----------
    module, qualname : str
        Their class, as a stream would name it.
    arguments : tuple or None
        What the class is called with; None where it is not called, but made by ``__new__``.
    state : tuple of (str, Value)
        Attributes in their order.
    """

    module: str
    qualname: str
    arguments: tuple[Constant | Drawn, ...] | None
    state: tuple[tuple[str, Value], ...]


Value: TypeAlias = Constant | Drawn | Form


def encode_form(form: Form, inner: int) -> bytes:
    """Return the text of a form.

    Parameters
    ----------
    form : Form
        What the rows have in common.
    inner : int
        0 for a list of objects; for a list of lists the length of each.

    Returns
    -------
    bytes
        Canonical JSON.
    """
    return strictjson.encode({"form": _written(form), "inner": inner})


def _written(value: Value) -> Json:
    if isinstance(value, Constant):
        return {"value": value.value}
    if isinstance(value, Drawn):
        if value.source == "runs":
            return {"runs": [value.number, value.lengths]}
        return {value.source: value.number}
    made = None if value.arguments is None else [_written(one) for one in value.arguments]
    return {
        "arguments": made,
        "class": [value.module, value.qualname],
        "state": [[key, _written(one)] for key, one in value.state],
    }


def decode_form(text: bytes, number: int) -> tuple[Form, int]:
    """Read a form.

    Parameters
    ----------
    text : bytes
        Canonical JSON.
    number : int
        Of the rows in the index: they draw only from objects before them.

    Returns
    -------
    form : Form
        What the rows have in common.
    inner : int
        0 for a list of objects; for a list of lists the length of each.

    Raises
    ------
    CorruptArtifactError, LimitExceededError
        If it is not as this module would write it.
    """
    value = strictjson.decode(text, what="the form of rows", limit=MAX_FORM_BYTES)
    if not isinstance(value, dict) or set(value) != {"form", "inner"}:
        raise CorruptArtifactError("the form of rows has other entries")
    inner = value["inner"]
    if type(inner) is not int or not 0 <= inner <= MAX_INNER:
        raise CorruptArtifactError("the form of rows has lists of another length")
    return _form(value["form"], number, 1), inner


def _form(value: Json, number: int, level: int) -> Form:
    if not isinstance(value, dict) or set(value) != {"arguments", "class", "state"}:
        raise CorruptArtifactError("a form has other entries")
    named, given, state = value["class"], value["arguments"], value["state"]
    if level > MAX_LEVELS:
        raise CorruptArtifactError(f"forms are nested more than {MAX_LEVELS} deep")
    if not isinstance(named, list) or len(named) != 2:  # noqa: PLR2004 - module and name
        raise CorruptArtifactError("a form names no class")
    module, qualname = named
    if not isinstance(module, str) or not isinstance(qualname, str):
        raise CorruptArtifactError("a form names no class")
    if not isinstance(state, list) or not 0 < len(state) <= MAX_ATTRIBUTES:
        raise CorruptArtifactError("a form has no attributes, or too many")
    attributes = tuple(_attribute(one, number, level) for one in state)
    if len({key for key, _ in attributes}) != len(attributes):
        raise CorruptArtifactError("a form has an attribute twice")
    return Form(module, qualname, _arguments(given, number), attributes)


def _arguments(given: Json, number: int) -> tuple[Constant | Drawn, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not 0 < len(given) <= MAX_ATTRIBUTES:
        raise CorruptArtifactError("a form has arguments of another form")
    return tuple(_plain(one, number) for one in given)


def _attribute(entry: Json, number: int, level: int) -> tuple[str, Value]:
    if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str):  # noqa: PLR2004
        raise CorruptArtifactError("an attribute of a form is a name and a value")
    value = entry[1]
    if isinstance(value, dict) and "class" in value:
        return entry[0], _form(value, number, level + 1)
    return entry[0], _plain(value, number)


def _plain(value: Json, number: int) -> Constant | Drawn:
    if not isinstance(value, dict) or len(value) != 1:
        raise CorruptArtifactError("a value of a form has another form")
    [(kind, held)] = value.items()
    if kind == "value" and (held is None or isinstance(held, bool | int | str)):
        return Constant(held)
    numbers = held if kind == "runs" and isinstance(held, list) else [held]
    plain = [one for one in numbers if type(one) is int and 0 <= one < number]
    wanted = 2 if kind == "runs" else 1
    if kind not in get_args(Source) or not len(plain) == len(numbers) == wanted:
        raise CorruptArtifactError("a value of a form has another form")
    return Drawn(kind, *plain)  # type: ignore[arg-type]
