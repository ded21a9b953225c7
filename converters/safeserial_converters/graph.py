# SPDX-License-Identifier: BSD-3-Clause
"""The builder: adds typed nodes, shares constants and equal nodes, and writes the model.

Floor 7, beside the command line.  Who adds a node says its shape and dtype; nothing is guessed.
The operations that converters use are in :mod:`safeserial_converters.ops`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from safeserial.errors import ConversionError, UnsupportedModelError
from safeserial_converters.contract import Target
from safeserial_converters.pruning import all_nodes, needed, reads
from safeserial_converters.tensors import FLOATS, Operand, Shape, Tensor

#: What a protobuf message can hold; larger models would need files beside the file.
LARGEST_MODEL = 2**31 - 2**20


@dataclass
class Scope:
    """The nodes of one (sub)graph, and those seen before, by what they compute."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    seen: dict[Any, tuple[Tensor, ...]] = field(default_factory=dict)


class Graph:
    """An ONNX graph under construction.

    Parameters
    ----------
    target : Target
        Operator sets, and whether the inside is double (``"exact"``) or float32 (``"fast"``).
    convert : callable
        How a model becomes nodes; see :meth:`convert`.
    deadline : float, optional
        On the clock of :func:`time.monotonic`; adding a node later raises.
    fallback : bool
        Whether skl2onnx may convert classes that have no converter here; those it did are in
        ``borrowed``.
    """

    def __init__(
        self,
        target: Target,
        convert: Callable[[Graph, Any, Any], Any],
        deadline: float | None = None,
        *,
        fallback: bool = False,
    ) -> None:
        self.target = target
        self.fallback = fallback
        self.borrowed: list[str] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.inputs: list[Tensor] = []
        self.thresholds: dict[int, list[npt.NDArray[np.float64]]] = {}
        self.rows_depend = False
        self.path: tuple[str, ...] = ()
        self._convert = convert
        self._deadline = deadline
        self._constants: dict[Any, Tensor] = {}
        self._scopes = [Scope()]
        self._count = 0

    # ------------------------------------------------------------------ what converters know

    @property
    def real(self) -> str:
        """The dtype to compute in: float64, or float32 in the fast profile."""
        return "float64" if self.target.profile == "exact" else "float32"

    @property
    def seconds_left(self) -> float:
        """Time until the deadline."""
        return 3600.0 if self._deadline is None else self._deadline - time.monotonic()

    def convert(self, model: Any, inputs: Any, *, step: str = "") -> Any:
        """Convert a part of the model that is being converted.

        Parameters
        ----------
        model : object
            The fitted part.
        inputs : Inputs or Tensor
            What it gets.
        step : str
            How its owner calls it, for messages: ``"scaler"``.

        Returns
        -------
        Converted
            Mapping-like: ``part["predict"]``, ``part.has("predict_proba")``.
        """
        with self.at((*self.path, step) if step else self.path):
            return self._convert(self, model, inputs)

    @contextmanager
    def at(self, path: tuple[str, ...]) -> Iterator[None]:
        """Say where in the model we are, for messages."""
        before, self.path = self.path, path
        try:
            yield
        finally:
            self.path = before

    def refuse(self, model: Any, reason: str, *, hint: str | None = None) -> UnsupportedModelError:
        """Return the error that says that `model`, here, cannot be written, and why."""
        where = f" (step {' → '.join(self.path)})" if self.path else ""
        name = model if isinstance(model, str) else type(model).__name__
        return UnsupportedModelError(
            f"{name}{where} cannot be written as ONNX: {reason}", hint=hint
        )

    def note_thresholds(self, origin: int | None, values: npt.ArrayLike) -> None:
        """Tell the proof where decisions change, for a column of the graph's own inputs.

        Parameters
        ----------
        origin : int or None
            The column's number among the model's features (``Inputs.origins``); None is ignored.
        values : array-like
            The thresholds, as the model compares them.
        """
        if origin is not None:
            self.thresholds.setdefault(origin, []).append(np.asarray(values, np.float64).ravel())

    def note_batch(self) -> None:
        """Tell the proof that, in the model itself, rows of one call depend on each other.

        It then asks the model too for one row at a time where it runs the graph so.
        """
        self.rows_depend = True

    # ------------------------------------------------------------------ adding

    def emit(
        self,
        op: str,
        inputs: Sequence[Tensor | None],
        dtype: str,
        shape: Shape,
        *,
        domain: str = "",
        **attributes: Any,
    ) -> Tensor:
        """Add a node of one output, or return that of an equal node added before."""
        return self.emit_many(op, inputs, [(dtype, shape)], domain=domain, **attributes)[0]

    def emit_many(
        self,
        op: str,
        inputs: Sequence[Tensor | None],
        results: Sequence[tuple[str, Shape]],
        *,
        domain: str = "",
        **attributes: Any,
    ) -> tuple[Tensor, ...]:
        """Add a node of several outputs; `results` gives the dtype and shape of each."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise ConversionError("the conversion took too long", hint="pass a larger time_limit")
        names = ["" if one is None else one.name for one in inputs]
        node = helper.make_node(op, names, [], domain=domain, **attributes)
        key = node.SerializeToString(deterministic=True) if node.ByteSize() < 4096 else None
        for scope in reversed(self._scopes):
            if key is not None and key in scope.seen:
                return scope.seen[key]
        outputs = tuple(Tensor(self, self._name(op), dtype, shape) for dtype, shape in results)
        node.output.extend(one.name for one in outputs)
        node.name = f"node_{outputs[0].name}"  # ONNX Runtime's fusions need names that differ
        self._scopes[-1].nodes.append(node)
        if key is not None:
            self._scopes[-1].seen[key] = outputs
        return outputs

    def add_node(self, node: onnx.NodeProto) -> None:
        """Add a node as it is, made elsewhere under names that are free here."""
        self._scopes[-1].nodes.append(node)

    def constant(self, value: npt.ArrayLike, dtype: str | None = None, name: str = "c") -> Tensor:
        """Return a constant; equal ones are stored once.

        Parameters
        ----------
        value : array-like
            Numbers, booleans or strings.
        dtype : str, optional
            Default: integers int64, real numbers the dtype of the profile, strings ``"string"``.
        name : str
            Shown in the file, for readers: ``"coef"``.
        """
        array = np.asarray(value)
        kind = dtype or self._natural(array)
        if kind == "string":
            texts = [str(one).encode() for one in array.ravel()]
            key: Any = (kind, array.shape, tuple(texts))
        else:
            array = np.ascontiguousarray(array, dtype=kind).reshape(array.shape)
            key = (kind, array.shape, hashlib.sha256(array.tobytes()).digest())
        if key not in self._constants:
            label = self._name(name)
            if kind == "string":
                proto = helper.make_tensor(
                    label, onnx.TensorProto.STRING, array.shape, _many(texts)
                )
            else:
                proto = numpy_helper.from_array(array, label)
            self.initializers[label] = proto
            self._constants[key] = Tensor(self, label, kind, tuple(array.shape))
        return self._constants[key]

    def lift(self, value: Operand, dtype: str | None = None) -> Tensor:
        """Return a tensor as it is, and anything else as a constant of `dtype`."""
        return value if isinstance(value, Tensor) else self.constant(value, dtype)

    def add_input(self, name: str, dtype: str, shape: Shape) -> Tensor:
        """Declare an input of the graph."""
        tensor = Tensor(self, name, dtype, shape)
        self.inputs.append(tensor)
        return tensor

    def elem_type(self, dtype: str) -> int:
        """Return ONNX's number of a dtype."""
        if dtype == "string":
            return int(onnx.TensorProto.STRING)
        return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def subgraph(
        self,
        arguments: Sequence[tuple[str, Shape]],
        body: Callable[..., Sequence[Tensor]],
    ) -> tuple[onnx.GraphProto, list[Tensor]]:
        """Build the body of a Loop or a Scan; it may use every tensor of the graph around it.

        Parameters
        ----------
        arguments : sequence of (dtype, shape)
            What the body is called with.
        body : callable
            Gets a tensor an argument, returns the results.
        """
        self._scopes.append(Scope())
        given = [Tensor(self, self._name("arg"), dtype, shape) for dtype, shape in arguments]
        found = list(body(*given))
        # A result that is an argument, an outer value or given twice needs a node of its own here.
        outputs = []
        for one in found:
            own = Tensor(self, self._name("res"), one.dtype, one.shape)
            self._scopes[-1].nodes.append(
                helper.make_node("Identity", [one.name], [own.name], name=f"node_{own.name}")
            )
            outputs.append(own)
        scope = self._scopes.pop()
        proto = helper.make_graph(
            scope.nodes,
            self._name("body"),
            [self.info(t) for t in given],
            [self.info(t) for t in outputs],
        )
        return proto, outputs

    def info(self, tensor: Tensor) -> onnx.ValueInfoProto:
        """Return the declaration of a tensor as an input or output."""
        dims = [("N" if i == 0 else None) if n is None else n for i, n in enumerate(tensor.shape)]
        return helper.make_tensor_value_info(tensor.name, self.elem_type(tensor.dtype), dims)

    # ------------------------------------------------------------------ writing

    def build(self, outputs: Mapping[str, Tensor], metadata: Mapping[str, str]) -> onnx.ModelProto:
        """Write the model: the nodes that the outputs need, and no others."""
        last = [
            helper.make_node("Identity", [t.name], [name], name=f"output_{name}")
            for name, t in outputs.items()
        ]
        nodes = needed([*self._scopes[0].nodes, *last], set(outputs))
        used = set().union(*(reads(node) for node in nodes)) if nodes else set()
        kept = [proto for name, proto in self.initializers.items() if name in used]
        if sum(proto.ByteSize() for proto in kept) > LARGEST_MODEL:
            raise ConversionError("the graph would be larger than 2 GB, which one file cannot hold")
        declared = [self.info(Tensor(self, name, t.dtype, t.shape)) for name, t in outputs.items()]
        graph = helper.make_graph(
            nodes, "safeserial", [self.info(one) for one in self.inputs], declared, kept
        )
        domains = {node.domain for node in all_nodes(nodes)} | {""}
        opsets = [helper.make_opsetid(one, self.target.version(one)) for one in sorted(domains)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=self.target.ir_version,
            producer_name="safeserial",
        )
        helper.set_model_props(model, dict(metadata))
        return model

    def _name(self, hint: str) -> str:
        self._count += 1
        return f"{hint}_{self._count}"

    def _natural(self, array: npt.NDArray[Any]) -> str:
        if array.dtype.kind in "US" or (array.dtype.kind == "O" and isinstance(array.flat[0], str)):
            return "string"
        if array.dtype.kind == "b":
            return "bool"
        if array.dtype.kind in "iu":
            return "int64"
        return self.real if str(array.dtype) in FLOATS else str(array.dtype)


def _many(texts: list[bytes]) -> Any:
    return texts  # the stubs of make_tensor leave strings out
