# SPDX-License-Identifier: BSD-3-Clause
"""What an exported graph takes and gives: the sample's inputs, outputs named after methods.

Floor 7, beside the command line.  Imports no ONNX.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from safeserial.errors import ConversionError
from safeserial_converters import records
from safeserial_converters.tensors import FLOATS, INTEGERS, Shape

#: The methods that a graph reproduces unless fewer (or others) are asked for.
METHODS: Final = (
    "predict", "predict_proba", "decision_function", "transform", "score_samples", "kneighbors",
)  # fmt: skip
#: Those that it reproduces when asked for by name.
ON_REQUEST: Final = ("predict_log_proba", "apply", "predict_std")
#: Names of the outputs of a method that returns two things.
PAIRS: Final = {"kneighbors": ("kneighbors_distances", "kneighbors_indices")}

_HINT = "pass an array of numbers or strings, a list of texts or dictionaries, or a DataFrame"


@dataclass(frozen=True)
class Target:
    """What the graph is written for.

    Parameters
    ----------
    profile : str
        ``"exact"``: double inside; ``"fast"``: float32 inside.
    opset : int
        Version of the standard operators.
    ml_opset : int
        Version of ``ai.onnx.ml``: 3 has thresholds in double; 5 another operator for trees, with
        sets of categories, which needs ONNX Runtime 1.21.
    """

    profile: str = "exact"
    opset: int = 20
    ml_opset: int = 3

    def version(self, domain: str) -> int:
        """Return the version of an operator domain."""
        return {"": self.opset, "ai.onnx.ml": self.ml_opset}.get(domain, 1)

    @property
    def ir_version(self) -> int:
        """The oldest version of the file format that has these operators."""
        if self.opset >= 21 or self.ml_opset >= 5:
            return 10
        return 9 if self.opset >= 19 else 8


@dataclass(frozen=True)
class InputSpec:
    """One input of the graph: name, dtype (or ``"string"``), shape; None is the batch."""

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True)
class Contract:
    """The inputs of a graph, and how rows of the model's own kind become tensors.

    Parameters
    ----------
    layout : str
        ``"matrix"`` (one input ``X``), ``"vector"`` (one input ``X`` of one dimension: texts,
        labels), ``"frame"`` (an input a column) or ``"records"`` (dictionaries: an input a key).
    inputs : tuple of InputSpec
        In the order of the columns.
    dtype : str
        Of the real-valued outputs: float32 or float64.
    """

    layout: str
    inputs: tuple[InputSpec, ...]
    dtype: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(one.name for one in self.inputs)

    def feed(self, rows: Any) -> dict[str, npt.NDArray[Any]]:
        """Return rows as what an inference session takes."""
        if self.layout == "records":
            return {one.name: records.column(rows, one.name, one.dtype) for one in self.inputs}
        if self.layout == "frame":
            return {
                spec.name: _tensor(
                    rows.iloc[:, i].to_numpy(object if spec.dtype == "string" else None), spec
                )
                for i, spec in enumerate(self.inputs)
            }
        (spec,) = self.inputs
        return {spec.name: _tensor(_dense(rows), spec)}

    def seen_by_model(self, rows: Any) -> Any:
        """Return the same values as the model sees them: rounded as the inputs are, in double."""
        if self.layout == "records":
            return records.rounded(rows, {one.name: one.dtype for one in self.inputs})
        if self.layout != "frame":
            (spec,) = self.inputs
            dense = _dense(rows)
            return dense if spec.dtype == "string" else _rounded(dense, spec.dtype)
        frame = rows.copy()
        for i, spec in enumerate(self.inputs):
            kind = getattr(frame.dtypes.iloc[i], "kind", "O")
            if (
                kind in "iuf"
                and spec.dtype in FLOATS
                and isinstance(frame.dtypes.iloc[i], np.dtype)
            ):
                frame.isetitem(i, _rounded(frame.iloc[:, i].to_numpy(), spec.dtype))
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Return a description for the file's metadata."""
        inputs = [{"name": s.name, "dtype": s.dtype, "shape": list(s.shape)} for s in self.inputs]
        return {"layout": self.layout, "inputs": inputs, "dtype": self.dtype}


def describe(sample: Any, dtype: str | None = None) -> Contract:
    """Read off a sample what the graph's inputs shall be.

    Parameters
    ----------
    sample : array, list of str or dict, or DataFrame
        Rows of the kind that the model takes.
    dtype : str, optional
        ``"float32"`` or ``"float64"`` for all numeric inputs; default: the sample's own.

    Raises
    ------
    ConversionError
        If it is none of these, or has columns that a tensor cannot hold.
    """
    if dtype is not None:
        dtype = str(np.dtype(dtype))
        if dtype not in {"float32", "float64"}:
            raise ConversionError(f"dtype is {dtype}", hint="choose float32 or float64")
    if hasattr(sample, "iloc") and hasattr(sample, "columns"):
        return _describe_frame(sample, dtype)
    if records.are_records(sample):
        number = dtype or "float64"
        named = {"string": "string", "number": number}
        keys = records.kinds(sample).items()
        specs = (InputSpec(key, named[kind], (None, 1)) for key, kind in keys)
        return Contract("records", tuple(specs), number)
    array = _dense(sample)
    if array.ndim == 0:
        raise ConversionError("the sample is not a table of rows", hint=_HINT)
    own = _dtype_of(array, "the sample")
    chosen = dtype if dtype and own in (*FLOATS, *INTEGERS) else own
    layout = "vector" if array.ndim == 1 else "matrix"
    spec = InputSpec("X", chosen, (None, *array.shape[1:]))
    return Contract(layout, (spec,), dtype or _edge([chosen]))


def _describe_frame(frame: Any, dtype: str | None) -> Contract:
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names) or "" in names:
        raise ConversionError("columns share a name or have none", hint="rename the columns")
    specs = []
    for i, name in enumerate(names):
        own = _dtype_of(_column_values(frame.iloc[:, i]), f"the column {name!r}")
        chosen = dtype if dtype and own in (*FLOATS, *INTEGERS) else own
        specs.append(InputSpec(name, chosen, (None, 1)))
    return Contract("frame", tuple(specs), dtype or _edge([one.dtype for one in specs]))


def _column_values(column: Any) -> npt.NDArray[Any]:
    kind = getattr(column.dtype, "kind", "O")
    if hasattr(column, "cat"):
        values = column.cat.categories.to_numpy()
        # A missing category is NaN: whole numbers with one need a dtype that has it.
        return np.asarray(values, np.float64 if values.dtype.kind in "iu" else None)
    if kind in "iuf" and not isinstance(column.dtype, np.dtype):
        return np.empty(0, np.float64)  # pandas' nullable numbers: a missing one is NaN
    if kind == "b" and not isinstance(column.dtype, np.dtype):
        return np.empty(0, np.float64)
    return np.asarray(column.to_numpy())


def _dtype_of(values: npt.NDArray[Any], what: str) -> str:
    if values.dtype.kind in "biuf" and values.dtype.itemsize <= 8:
        return str(values.dtype)
    if values.dtype.kind in "UT":
        return "string"
    if values.dtype.kind == "O" and all(_is_text(one) for one in values.ravel()):
        return "string"
    raise ConversionError(f"{what} holds neither numbers nor strings ({values.dtype})", hint=_HINT)


def _is_text(value: object) -> bool:
    return isinstance(value, str) or _is_missing(value)


def _is_missing(value: object) -> bool:
    return value is None or value != value or type(value).__name__ == "NAType"


def _edge(dtypes: Sequence[str]) -> str:
    numbers = [one for one in dtypes if one not in {"string", "bool"}]
    return "float32" if numbers and set(numbers) <= {"float32", "float16"} else "float64"


def _dense(rows: Any) -> npt.NDArray[Any]:
    if hasattr(rows, "toarray"):
        rows = rows.toarray()
    if hasattr(rows, "iloc"):
        rows = rows.to_numpy()
    if isinstance(rows, list | tuple) and rows and all(isinstance(one, str) for one in rows):
        return np.array(rows, object)  # NumPy's own strings lose zeros at the end
    try:
        return np.asarray(rows)
    except ValueError:
        raise ConversionError(
            "the rows differ in length", hint='pad them: "" or an unused number stands for nothing'
        ) from None


def _rounded(values: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    if dtype in FLOATS:
        with np.errstate(over="ignore"):
            return values.astype(dtype).astype(np.float64)
    return values.astype(dtype)


def _tensor(values: npt.NDArray[Any], spec: InputSpec) -> npt.NDArray[Any]:
    shape = (len(values), *(1 if n is None else n for n in spec.shape[1:]))
    if spec.dtype != "string":
        if values.dtype == object:
            values = np.array([np.nan if _is_missing(one) else one for one in values.ravel()])
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(values.reshape(shape).astype(spec.dtype))
    texts = ["" if _is_missing(one) else str(one) for one in values.ravel()]
    return np.array(texts, dtype=object).reshape(shape)


def outputs_of(method: str, count: int) -> tuple[str, ...]:
    """Return the names of the outputs of a method that gives `count` tensors.

    One: the method's own.  ``kneighbors``: distances and indices.  A list, as of ``predict_proba``
    of a multi-output classifier: the method's with ``_0``, ``_1`` ...
    """
    if method in PAIRS:
        return PAIRS[method]
    return (method,) if count == 1 else tuple(f"{method}_{i}" for i in range(count))


def call(model: Any, method: str, rows: Any) -> tuple[npt.NDArray[Any], ...]:
    """Run a method of the original model; the results are dense arrays, one an output."""
    if method == "predict_std":
        found: Any = model.predict(rows, return_std=True)[1]
    else:
        found = getattr(model, method)(rows)
    if isinstance(found, list) and found and hasattr(found[0], "shape") and found[0].ndim > 1:
        return tuple(_dense(one) for one in found)
    return tuple(_dense(one) for one in found) if isinstance(found, tuple) else (_dense(found),)


def available(model: Any) -> tuple[str, ...]:
    """Return those of :data:`METHODS` that a fitted model has."""
    return tuple(name for name in METHODS if callable(getattr(model, name, None)))


def metadata_of(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the properties that travel in the file: `facts`, prefixed, without the empty ones."""
    return {f"safeserial.{name}": text for name, text in facts.items() if text}
