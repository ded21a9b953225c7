# SPDX-License-Identifier: BSD-3-Clause
"""Rows that are dictionaries, as of DictVectorizer: an input a key, something for absent ones.

Floor 7, beside the command line.  Imports no ONNX.

A tensor has a value in every place: NaN stands for an absent number, ``""`` for an absent string.
Dictionaries that hold these values themselves cannot be told from others, and are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from numbers import Number
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from safeserial.errors import ConversionError

#: A string that no sample has.
UNSEEN: Final = "a category never seen"
_HINT: Final = (
    "let each key have numbers alone or strings alone; leave a key out where it has no value"
)


def are_records(sample: Any) -> bool:
    """Whether a sample is a list of dictionaries."""
    return (
        isinstance(sample, list | tuple)
        and bool(sample)
        and all(isinstance(one, Mapping) for one in sample)
    )


def kinds(records: Sequence[Mapping[Any, Any]]) -> dict[str, str]:
    """Return for each key, in order of appearance, ``"string"`` or ``"number"``.

    Raises
    ------
    ConversionError
        If a key is no string, or has values of both kinds, or others.
    """
    found: dict[str, str] = {}
    for record in records:
        for key, value in record.items():
            kind = _kind(key, value)
            if found.setdefault(key, kind) != kind:
                raise ConversionError(f"the key {key!r} has numbers and strings", hint=_HINT)
    if not found:
        raise ConversionError("the dictionaries of the sample are empty", hint=_HINT)
    return found


def _kind(key: Any, value: Any) -> str:
    if not isinstance(key, str) or not key:
        raise ConversionError(f"a dictionary has the key {key!r}", hint="name keys by strings")
    if isinstance(value, str):
        if not value:
            raise ConversionError(f"{key!r} has an empty string, which means absent", hint=_HINT)
        return "string"
    if isinstance(value, Number) and not isinstance(value, complex | np.complexfloating):
        if value != value:
            raise ConversionError(f"{key!r} has a NaN, which means absent", hint=_HINT)
        return "number"
    raise ConversionError(f"{key!r} has a {type(value).__name__}", hint=_HINT)


def column(records: Sequence[Mapping[str, Any]], key: str, dtype: str) -> npt.NDArray[Any]:
    """Return the values of a key as a tensor ``[N, 1]``.

    Raises
    ------
    ConversionError
        If one is not of the key's kind.
    """
    wanted = "string" if dtype == "string" else "number"
    absent: Any = "" if dtype == "string" else np.nan
    values = []
    for record in records:
        if key in record and _kind(key, record[key]) != wanted:
            raise ConversionError(f"{key!r} is no {wanted} in a row", hint=_HINT)
        values.append(record.get(key, absent))
    with np.errstate(over="ignore"):
        return np.array(values, object if dtype == "string" else dtype).reshape(-1, 1)


def rounded(
    records: Sequence[Mapping[str, Any]], dtypes: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the dictionaries with their numbers rounded to the inputs' dtypes."""

    def value(key: str, one: Any) -> Any:
        dtype = dtypes.get(key, "string")
        return one if dtype == "string" else float(np.asarray(one).astype(dtype))

    with np.errstate(over="ignore"):
        return [{key: value(key, one) for key, one in record.items()} for record in records]


def variants(
    records: Sequence[Mapping[str, Any]], count: int, random: np.random.Generator
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield kinds of dictionaries by name, made from a sample's."""
    known = kinds(records)
    values = {key: [one[key] for one in records if key in one] for key in known}
    share = {key: len(values[key]) / len(records) for key in known}

    def make(change: Any, left_out: float = 0.0) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for _ in range(count):
            kept = [k for k in known if random.random() < share[k] * (1.0 - left_out)]
            made.append({k: change(k, values[k][random.integers(len(values[k]))]) for k in kept})
        return made

    def moved(key: str, one: Any) -> Any:
        if known[key] == "string":
            return one
        spread = float(np.std(np.asarray(values[key], np.float64))) or 1.0
        return float(one) + float(random.normal(0, spread))

    def unseen(key: str, one: Any) -> Any:
        return UNSEEN if known[key] == "string" and random.random() < 0.3 else one

    yield "mixed", make(lambda _key, one: one)
    yield "random", make(moved)
    yield "missing", make(lambda _key, one: one, 0.3)
    if "string" in known.values():
        yield "unseen", make(unseen)
