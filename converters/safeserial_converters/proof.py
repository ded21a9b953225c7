# SPDX-License-Identifier: BSD-3-Clause
"""The proof: run the graph in ONNX Runtime against the model, on rows chosen to catch it out.

Floor 7, beside the command line.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial.errors import ConversionError
from safeserial_converters import contract as contracts
from safeserial_converters import probing
from safeserial_converters.contract import Contract
from safeserial_converters.parity import MethodParity, ParityReport, Tolerance, compare


class SampleError(ConversionError):
    """The model itself does not take the sample (in this dtype): nothing to compare with."""

    hint = "pass rows that the model takes, and with methods=[...] what it can do"


def session(data: bytes, threads: int = 1) -> Any:
    """Return an inference session over a model's bytes, on the CPU.

    Raises
    ------
    ConversionError
        If ONNX Runtime does not take the model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConversionError(
            f"ONNX Runtime does not take the graph: {_first_line(error)}",
            hint="this is a fault of the converter; please report it with the model class",
        ) from error


def run(
    ready: Any, names: Sequence[str], feed: Mapping[str, npt.NDArray[Any]]
) -> list[npt.NDArray[Any]]:
    """Run a session.

    Raises
    ------
    ConversionError
        If it fails on these rows.
    """
    try:
        return [np.asarray(one) for one in ready.run(list(names), dict(feed))]
    except Exception as error:
        raise ConversionError(
            f"ONNX Runtime fails on rows that the model takes: {_first_line(error)}",
            hint="this is a fault of the converter; please report it with the model class",
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def prove(
    model: Any,
    data: bytes,
    contract: Contract,
    methods: Mapping[str, tuple[str, ...]],
    sample: Any,
    *,
    thresholds: Mapping[int, Sequence[npt.NDArray[np.float64]]] | None = None,
    profile: str = "exact",
    tolerance: Tolerance | None = None,
    seed: int = 0,
) -> ParityReport:
    """Compare a graph with its model on the sample and on rows made from it.

    Parameters
    ----------
    model : object
        The original.
    data : bytes
        The ONNX model.
    contract : Contract
        Its inputs.
    methods : mapping of str to tuple of str
        Method to its outputs.
    sample : array, list of str or DataFrame
        Rows of the kind that the model takes.
    thresholds : mapping, optional
        Column to values at which the model changes a decision.
    profile : str
        ``"exact"`` or ``"fast"``.
    tolerance : Tolerance, optional
        Default: the promise for the contract's dtype and the profile.
    seed : int
        Of the random rows.

    Returns
    -------
    ParityReport
        It says whether the promise is kept; nothing is raised when it is not.

    Raises
    ------
    ConversionError
        If the graph does not load or fails on rows that the model takes.
    """
    import onnxruntime

    one, two = session(data, 1), session(data, 2)
    names = [name for group in methods.values() for name in group]
    found: dict[str, list[MethodParity]] = {name: [] for name in names}
    counts = []
    variants = probing.variants(contract, sample, thresholds or {}, np.random.default_rng(seed))
    for kind, rows in variants:
        want = reference(model, methods, contract, rows)
        if kind == "sample" and len(want) != len(names):
            lost = ", ".join(name for name in names if name not in want)
            raise SampleError(f"the model itself fails on the sample in {contract.dtype}: {lost}")
        counts.append((kind, len(rows) if want else 0))
        for way, got in _runs(one, two, list(want), contract, rows):
            for name, value in zip(want, got, strict=True):
                expected = want[name][: len(value)]
                found[name].append(compare(name, value, expected, f"{kind}, {way}"))
    return ParityReport(
        model=f"{type(model).__module__}.{type(model).__qualname__}",
        dtype=contract.dtype,
        profile=profile,
        tolerance=tolerance or Tolerance.of(contract.dtype, profile),
        methods=tuple(reduce(MethodParity.and_also, found[name]) for name in names),
        rows=tuple(counts),
        runs=("batch of all, 1 thread", "batch of all, 2 threads", "batches of 1, 1 thread"),
        runtime=str(onnxruntime.__version__),
    )


def _runs(
    one: Any, two: Any, names: Sequence[str], contract: Contract, rows: Any
) -> Iterator[tuple[str, list[npt.NDArray[Any]]]]:
    if not names:
        return
    feed = contract.feed(rows)
    yield "1 thread", run(one, names, feed)
    yield "2 threads", run(two, names, feed)
    count = min(len(rows), 20)
    singles = [
        run(one, names, {key: value[i : i + 1] for key, value in feed.items()})
        for i in range(count)
    ]
    yield "batch 1", [np.concatenate(column) for column in zip(*singles, strict=True)]


def reference(
    model: Any, methods: Mapping[str, tuple[str, ...]], contract: Contract, rows: Any
) -> dict[str, npt.NDArray[Any]]:
    """Return what the model gives for each output; absent where it refuses such rows."""
    values = contract.seen_by_model(rows)
    want: dict[str, npt.NDArray[Any]] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for method, outputs in methods.items():
            result = _attempt(lambda: contracts.call(model, method, values))  # noqa: B023
            if result is None or len(result) != len(outputs):
                continue
            want.update(zip(outputs, result, strict=True))
    return want


def _attempt(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception:  # noqa: BLE001 - whatever a model says of rows that it does not take
        return None
