# SPDX-License-Identifier: BSD-3-Clause
"""The proof: run the graph in ONNX Runtime against the model, on rows chosen to catch it out.

Floor 7, beside the command line.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from safeserial import engine
from safeserial.errors import ConversionError
from safeserial_converters import contract as contracts
from safeserial_converters import probing
from safeserial_converters.contract import Contract
from safeserial_converters.parity import MethodParity, ParityReport, Tolerance, compare

#: Rows of each kind that are run one at a time, and what that way is called.
SINGLES: Final = 20
SINGLY: Final = "batch 1"


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
    onnxruntime = engine.runtime()
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
    rows_depend: bool = False,
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
    sample : array, list of str or dict, or DataFrame
        Rows of the kind that the model takes.
    thresholds : mapping, optional
        Column to values at which the model changes a decision; not used for the fast profile.
    profile : str
        ``"exact"`` or ``"fast"``.
    tolerance : Tolerance, optional
        Default: a quarter of the promise for the contract's dtype and the profile.
    seed : int
        Of the random rows.
    rows_depend : bool
        The model's answer for a row depends on the others of the call: where the graph gets one
        row at a time, so does the model.

    Returns
    -------
    ParityReport
        It says whether the promise is kept; nothing is raised when it is not.

    Raises
    ------
    ConversionError
        If the graph does not load or fails on rows that the model takes.
    """
    onnxruntime = engine.runtime()
    one, two = session(data, 1), session(data, 2)
    names = [name for group in methods.values() for name in group]
    found: dict[str, list[MethodParity]] = {name: [] for name in names}
    counts = []
    # In single precision rows at a threshold may fall to its other side: that is what fast means.
    chosen = (thresholds or {}) if profile == "exact" else {}
    variants = probing.variants(contract, sample, chosen, np.random.default_rng(seed))
    for kind, rows in variants:
        want = reference(model, methods, contract, rows)
        if kind == "sample" and len(want) != len(names):
            lost = ", ".join(name for name in names if name not in want)
            raise SampleError(f"the model itself fails on the sample in {contract.dtype}: {lost}")
        counts.append((kind, len(rows) if want else 0))
        alone = _alone(model, methods, contract, rows, want) if rows_depend else want
        for way, got in _runs(one, two, list(want), contract, rows):
            for name, value in zip(want, got, strict=True):
                expected = (alone if way == SINGLY else want)[name][: len(value)]
                found[name].append(compare(name, value, expected, f"{kind}, {way}"))
    return ParityReport(
        model=f"{type(model).__module__}.{type(model).__qualname__}",
        dtype=contract.dtype,
        profile=profile,
        tolerance=tolerance or Tolerance.of_proof(contract.dtype, profile),
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
    count = min(len(rows), SINGLES)
    singles = [
        run(one, names, {key: value[i : i + 1] for key, value in feed.items()})
        for i in range(count)
    ]
    yield SINGLY, [np.concatenate(column) for column in zip(*singles, strict=True)]


def _alone(
    model: Any,
    methods: Mapping[str, tuple[str, ...]],
    contract: Contract,
    rows: Any,
    want: Mapping[str, npt.NDArray[Any]],
) -> dict[str, npt.NDArray[Any]]:
    """Return what the model gives for the first rows when it gets them one at a time."""
    count = min(len(rows), SINGLES)
    take = rows.iloc if hasattr(rows, "iloc") else rows
    singles = [reference(model, methods, contract, take[i : i + 1]) for i in range(count)]
    # For a row that the model refuses alone, what it gave in the batch.
    return {
        name: np.concatenate(
            [one.get(name, want[name][i : i + 1]) for i, one in enumerate(singles)]
        )
        for name in (want if count else ())
    }


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
            if result is None and contract.dtype == "float32" and _is_double(values):
                # Some models take the dtype of their fit alone: k means do.
                single = values.astype(np.float32)
                result = _attempt(lambda: contracts.call(model, method, single))  # noqa: B023
            if result is None or len(result) != len(outputs):
                continue
            want.update(zip(outputs, result, strict=True))
    return want


def _is_double(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype == np.float64


def _attempt(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception:  # noqa: BLE001 - whatever a model says of rows that it does not take
        return None
