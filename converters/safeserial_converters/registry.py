# SPDX-License-Identifier: BSD-3-Clause
"""Which function converts which class; families are imported when a class of theirs is met.

Floor 7, beside the command line.  Imports neither ONNX nor scikit-learn.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from safeserial.errors import UnsupportedModelError

#: ``(model, inputs, graph) -> {method: tensor, list of tensors, table, or a function of these}``
Converter: TypeAlias = Callable[[Any, Any, Any], Mapping[str, Any]]
#: ``(transformer, tensor, graph) -> tensor``
Inverter: TypeAlias = Callable[[Any, Any, Any], Any]

#: Module prefix of a class: files of `families` that may know it, in the order they are imported.
FAMILIES: Final = {
    "sklearn.linear_model": ("linear",),
    "sklearn.isotonic": ("linear",),
    "sklearn.preprocessing": ("preprocessing", "encoders", "polynomials"),
    "sklearn.pipeline": ("composition",),
    "sklearn.compose": ("composition", "meta"),
    "sklearn.impute": ("imputers",),
    "sklearn.feature_selection": ("selection",),
    "sklearn.tree": ("trees",),
    "sklearn.ensemble": ("trees", "boosting", "ensembles", "committees"),
    "sklearn.svm": ("svm",),
    "sklearn.kernel_ridge": ("kernels",),
    "sklearn.kernel_approximation": ("kernels",),
    "sklearn.gaussian_process": ("gaussian_process",),
    "sklearn.neighbors": ("neighbors", "neighbor_regions"),
    "sklearn.naive_bayes": ("naive_bayes",),
    "sklearn.discriminant_analysis": ("discriminant",),
    "sklearn.neural_network": ("neural",),
    "sklearn.mixture": ("mixture",),
    "sklearn.cluster": ("cluster",),
    "sklearn.decomposition": ("decomposition", "factorization", "sparse_coding", "topics"),
    "sklearn.cross_decomposition": ("decomposition",),
    "sklearn.random_projection": ("decomposition",),
    "sklearn.manifold": ("manifold",),
    "sklearn.covariance": ("covariance",),
    "sklearn.feature_extraction": ("text", "hashing", "extraction"),
    "sklearn.dummy": ("dummy",),
    "sklearn.frozen": ("meta",),
    "sklearn.calibration": ("calibration",),
    "sklearn.multiclass": ("multiclass",),
    "sklearn.multioutput": ("multioutput",),
    "sklearn.model_selection": ("meta",),
    "sklearn.semi_supervised": ("semi_supervised", "meta"),
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost",),
    "catboost": ("catboost",),
}

_converters: dict[str, Converter] = {}
_inverters: dict[str, Inverter] = {}


def converts(*names: str | type) -> Callable[[Converter], Converter]:
    """Register the converter of one or more exact classes; subclasses need their own.

    Parameters
    ----------
    *names : str or type
        Dotted names, by the public path (``"sklearn.linear_model.Ridge"``) or the private one.

    Examples
    --------
    >>> from safeserial_converters.registry import converts
    >>> @converts("mine.Doubler")
    ... def convert_doubler(model, inputs, graph):
    ...     return {"transform": inputs.numeric() * 2.0}
    """

    def register(function: Converter) -> Converter:
        for name in names:
            _converters[_dotted(name)] = function
        return function

    return register


def inverts(*names: str | type) -> Callable[[Inverter], Inverter]:
    """Register what undoes the transform of a class: ``(transformer, tensor, graph) -> tensor``."""

    def register(function: Inverter) -> Inverter:
        for name in names:
            _inverters[_dotted(name)] = function
        return function

    return register


def find(kind: type) -> Converter | None:
    """Return the converter of a class, importing the families that may have it."""
    found: Converter | None = _find(_converters, kind)
    return found


def find_inverse(kind: type) -> Inverter | None:
    """Return what undoes the transform of a class."""
    found: Inverter | None = _find(_inverters, kind)
    return found


def _find(table: Mapping[str, Any], kind: type) -> Any:
    found = _lookup(table, kind)
    if found is None:
        for family in _families(kind):
            importlib.import_module(f"safeserial_converters.families.{family}")
            found = _lookup(table, kind)
            if found is not None:
                break
    return found


def _lookup(table: Mapping[str, Any], kind: type) -> Any:
    return next((table[name] for name in names_of(kind) if name in table), None)


def _families(kind: type) -> Iterator[str]:
    for prefix, families in FAMILIES.items():
        if kind.__module__ == prefix or kind.__module__.startswith(prefix + "."):
            for family in families:
                if importlib.util.find_spec(f"safeserial_converters.families.{family}"):
                    yield family


def names_of(kind: type) -> Iterator[str]:
    """Yield the dotted names of a class: where it is defined, and each package that shows it."""
    yield f"{kind.__module__}.{kind.__qualname__}"
    parts = kind.__module__.split(".")
    for size in range(len(parts) - 1, 0, -1):
        package = ".".join(parts[:size])
        if getattr(sys.modules.get(package), kind.__qualname__, None) is kind:
            yield f"{package}.{kind.__qualname__}"


def _dotted(name: str | type) -> str:
    return name if isinstance(name, str) else f"{name.__module__}.{name.__qualname__}"


class Converted:
    """A converted part: its methods' tensors, made when first asked for.

    Parameters
    ----------
    model : object
        The part.
    graph : Graph
        Where its nodes are.
    outputs : mapping
        What its converter returned.
    """

    def __init__(self, model: Any, graph: Any, outputs: Mapping[str, Any]) -> None:
        self.model = model
        self._graph = graph
        self._path = graph.path
        self._outputs = dict(outputs)

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods that the converter offers."""
        return tuple(self._outputs)

    def has(self, method: str) -> bool:
        """Whether the converter offers a method and the model has it."""
        return method in self._outputs and (
            method == "predict_std" or callable(getattr(self.model, method, None))
        )

    def __getitem__(self, method: str) -> Any:
        """Return what a method gives: a tensor, a list of tensors, or (transform) a table.

        Raises
        ------
        UnsupportedModelError
            If the converter has no such method.
        """
        with self._graph.at(self._path):
            if method not in self._outputs:
                raise self._graph.refuse(self.model, f"its {method} has no converter")
            found = self._outputs[method]
            if callable(found):
                found = self._outputs[method] = found()
            return found


def convert(graph: Any, model: Any, inputs: Any) -> Converted:
    """Convert a model or a part of one: the function behind :meth:`Graph.convert`.

    Raises
    ------
    UnsupportedModelError
        If its class has no converter, or this one has something that the converter cannot write.
    """
    from safeserial_converters.inputs import Inputs

    converter = find(type(model))
    if converter is None and graph.fallback:
        from safeserial_converters.fallback import borrow

        converter = borrow
    if converter is None:
        raise no_converter(graph, model)
    return Converted(model, graph, converter(model, Inputs.of(inputs), graph))


def no_converter(graph: Any, model: Any) -> UnsupportedModelError:
    """Return the error for a class without converter."""
    kind = type(model)
    error: UnsupportedModelError = graph.refuse(
        model,
        f"there is no converter for {kind.__module__}.{kind.__qualname__}",
        hint="register one with safeserial_converters.converts; converters/README.md says how",
    )
    return error


def invert(graph: Any, transformer: Any, values: Any) -> Any:
    """Undo a fitted transformer's ``transform``, for a tensor ``[N, n]``.

    Raises
    ------
    UnsupportedModelError
        If its inverse has no converter.
    """
    inverter = find_inverse(type(transformer))
    if inverter is None:
        raise graph.refuse(transformer, "its inverse_transform has no converter")
    return inverter(transformer, values, graph)
