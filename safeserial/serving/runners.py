# SPDX-License-Identifier: BSD-3-Clause
"""Runners: a loaded model with named inputs and outputs, whatever it is inside.

Floor 7.  An ONNX model has the inputs and outputs of its graph.  A scikit-learn model takes one
matrix ``X`` or, if it was fitted on named columns, a tensor a column; its outputs are named after
its methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from safeserial import engine
from safeserial.errors import UnsupportedModelError
from safeserial.manifest import ModelFacts
from safeserial.serving.tensors import DTYPES, Array, BadRequestError, datatype_of

_METHODS: Final = ("predict", "predict_proba", "decision_function", "transform")
_TABLE: Final = 2
_FATAL: Final = 4
_ONNX: Final = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


class TensorSpec(NamedTuple):
    """Name, datatype and shape of an input or output; -1 is any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as the protocol's metadata has it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


class Runner(Protocol):
    """What the server needs of a model."""

    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def check(self, inputs: Mapping[str, Array], wanted: Sequence[str]) -> int | None:
        """Return the number of rows, None where requests cannot be joined; refuse what is wrong."""

    def run(self, inputs: Mapping[str, Array], wanted: Sequence[str]) -> dict[str, Array]:
        """Return the wanted outputs."""


def runner_of(model: Any, facts: ModelFacts | None = None) -> Runner:
    """Return the runner of a loaded model.

    Parameters
    ----------
    model : object
        An ``onnxruntime.InferenceSession`` or a fitted scikit-learn estimator.
    facts : ModelFacts, optional
        From its manifest.

    Raises
    ------
    UnsupportedModelError
        If it is neither, or nothing can be asked of it.
    """
    if hasattr(model, "get_inputs") and hasattr(model, "run"):
        return OnnxRunner(model)
    return PythonRunner(model, facts)


class OnnxRunner:
    """An inference session."""

    platform = "onnx_onnxv1"

    def __init__(self, session: Any) -> None:
        self._session = session
        self.inputs = tuple(map(_spec, session.get_inputs()))
        self.outputs = tuple(map(_spec, session.get_outputs()))
        self._names = {one.name for one in self.outputs}
        self._expected = {one.name for one in self.inputs}
        self._quiet = _quiet()
        shapes = [one.shape for one in (*self.inputs, *self.outputs)]
        self._joinable = all(shape and shape[0] == -1 for shape in shapes)

    def check(self, inputs: Mapping[str, Array], wanted: Sequence[str]) -> int | None:
        """Hold tensors to the graph's inputs."""
        _check_names(self._expected, inputs, self._names, wanted)
        for spec in self.inputs:
            array = inputs[spec.name]
            if datatype_of(array) != spec.datatype:
                raise BadRequestError(
                    f"input {spec.name!r} is {spec.datatype}, not {datatype_of(array)}"
                )
            fits = len(array.shape) == len(spec.shape) and all(
                want in (-1, have) for want, have in zip(spec.shape, array.shape, strict=True)
            )
            if not fits:
                raise BadRequestError(
                    f"input {spec.name!r} has the shape {list(spec.shape)}, not {list(array.shape)}"
                )
        return _rows(inputs) if self._joinable else None

    def run(self, inputs: Mapping[str, Array], wanted: Sequence[str]) -> dict[str, Array]:
        """Run the graph."""
        names = list(wanted) or [one.name for one in self.outputs]
        found = self._session.run(names, dict(inputs), self._quiet)
        return dict(zip(names, map(np.asarray, found), strict=True))


class PythonRunner:
    """A scikit-learn estimator."""

    platform = "scikit-learn"

    def __init__(self, model: Any, facts: ModelFacts | None = None) -> None:
        self._model = model
        self._methods = tuple(one for one in _METHODS if callable(getattr(model, one, None)))
        if not self._methods:
            raise UnsupportedModelError(
                f"a {type(model).__name__} has no method that a server could offer",
                hint=f"one of {', '.join(_METHODS)} is needed",
            )
        names = getattr(model, "feature_names_in_", None)
        if names is None and facts is not None and facts.feature_names:
            names = facts.feature_names
        self._columns = None if names is None else tuple(map(str, names))
        width = getattr(model, "n_features_in_", None)
        matrix = TensorSpec("X", "FP64", (-1, -1 if width is None else int(width)))
        columns = self._columns
        named = columns is not None
        self.inputs = (
            tuple(TensorSpec(one, "FP64", (-1, 1)) for one in columns or ()) if named else (matrix,)
        )
        self.outputs = tuple(self._output(one) for one in self._methods)

    def _output(self, method: str) -> TensorSpec:
        classes = getattr(self._model, "classes_", None)
        if method == "predict" and isinstance(classes, np.ndarray):
            return TensorSpec(method, datatype_of(classes), (-1,))
        wide = method != "predict"
        return TensorSpec(method, "FP64", (-1, -1) if wide else (-1,))

    def check(self, inputs: Mapping[str, Array], wanted: Sequence[str]) -> int | None:
        """Hold tensors to the model's columns."""
        expected = {one.name for one in self.inputs}
        if self._columns is not None and set(inputs) == {"X"} and "X" not in expected:
            expected = {"X"}
        _check_names(expected, inputs, set(self._methods), wanted)
        for name, array in inputs.items():
            matrix = name == "X" and "X" in expected and self._columns is None
            if matrix and datatype_of(array) == "BOOL":
                raise BadRequestError(f"input {name!r} is numbers or texts, not BOOL")
            if self._columns is not None and expected != {"X"}:
                if array.shape not in ((len(array), 1), (len(array),)):
                    raise BadRequestError(f"input {name!r} has the shape [-1, 1]")
            elif len(array.shape) != _TABLE:
                raise BadRequestError(f"input {name!r} has two dimensions")
        width = len(self._columns or ()) or self.inputs[0].shape[-1]
        if expected == {"X"} and width not in (-1, inputs["X"].shape[1]):
            raise BadRequestError(f"input 'X' has {width} columns, not {inputs['X'].shape[1]}")
        return _rows(inputs)

    def run(self, inputs: Mapping[str, Array], wanted: Sequence[str]) -> dict[str, Array]:
        """Call the model's methods."""
        rows = self._table(inputs)
        methods = list(wanted) or list(self._methods)
        return {one: _plain(getattr(self._model, one)(rows)) for one in methods}

    def _table(self, inputs: Mapping[str, Array]) -> Any:
        if self._columns is None:
            return inputs["X"]
        import pandas as pd

        if set(inputs) == {"X"} and self._columns != ("X",):
            return pd.DataFrame(inputs["X"], columns=list(self._columns))
        data = {one: inputs[one].reshape(-1) for one in self._columns}
        return pd.DataFrame(data, columns=list(self._columns))


def _check_names(
    expected: set[str], inputs: Mapping[str, Array], offered: set[str], wanted: Sequence[str]
) -> None:
    if inputs.keys() == expected and offered.issuperset(wanted):
        return
    missing, unknown = sorted(expected - set(inputs)), sorted(set(inputs) - expected)
    if missing or unknown:
        words = [f"missing: {', '.join(missing[:8])}"] if missing else []
        words += [f"unknown: {', '.join(unknown[:8])}"[:400]] if unknown else []
        raise BadRequestError(f"other inputs than the model has ({'; '.join(words)})")
    if odd := sorted(set(wanted) - offered):
        raise BadRequestError(f"the model has no output {odd[0][:80]!r}")


def _quiet() -> Any:
    """Return options of a run with which nothing is printed: the text could quote the inputs."""
    options = engine.runtime().RunOptions()
    options.log_severity_level = _FATAL
    return options


def _rows(inputs: Mapping[str, Array]) -> int:
    counts = {len(one) for one in inputs.values()}
    if len(counts) != 1:
        raise BadRequestError("the inputs have different numbers of rows")
    return counts.pop()


def _spec(node: Any) -> TensorSpec:
    datatype = _ONNX.get(node.type)
    if datatype is None:
        raise UnsupportedModelError(
            f"{node.name} is {node.type}, which the protocol cannot carry",
            hint="export the model with safeserial.to_onnx, whose outputs are plain tensors",
        )
    shape = tuple(one if isinstance(one, int) else -1 for one in node.shape)
    return TensorSpec(node.name, datatype, shape)


def _plain(found: Any) -> Array:
    array = np.asarray(found.toarray() if hasattr(found, "toarray") else found)
    known = datatype_of(array) != "BYTES" or array.dtype.kind in "OUS"
    return array if known and datatype_of(array) in DTYPES else array.astype(np.float64)
