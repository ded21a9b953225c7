# SPDX-License-Identifier: BSD-3-Clause
"""Rows to catch a graph out with: shuffled, random, at thresholds, missing, unseen.

Floor 7, beside the command line.  Imports no ONNX.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters import records
from safeserial_converters.contract import Contract, InputSpec
from safeserial_converters.records import UNSEEN

#: Rows of each kind, at most.
ROWS = 200

Thresholds = Mapping[int, Sequence[npt.NDArray[np.float64]]]


def variants(
    contract: Contract, sample: Any, thresholds: Thresholds, random: np.random.Generator
) -> Iterator[tuple[str, Any]]:
    """Yield kinds of rows by name; a model may refuse any of them but the first.

    Parameters
    ----------
    contract : Contract
        The graph's inputs.
    sample : array, list of str or dict, or DataFrame
        The user's rows.
    thresholds : mapping of int to arrays
        Column to values at which the model changes a decision.
    random : numpy.random.Generator
        Source of chance.
    """
    rows = _take(sample, random.permutation(_length(sample))[:ROWS])
    if isinstance(rows, list) and contract.layout == "matrix":
        rows = np.asarray(rows, object if contract.inputs[0].dtype == "string" else None)
    yield "sample", rows
    if contract.layout == "records":
        yield from records.variants(rows, ROWS, random)
        return
    if contract.layout == "vector":
        documents = any(" " in str(one) for one in rows)  # and not labels
        if contract.inputs[0].dtype == "string" and documents:
            yield "odd texts", _texts([str(one) for one in rows], random)
        return
    if contract.layout == "matrix" and len(contract.inputs[0].shape) > 2:
        return
    table = _Table(contract, rows)
    yield "mixed", table.with_columns(lambda _i, _spec, values: random.choice(values, ROWS))
    yield "random", table.with_columns(lambda _i, spec, values: _jitter(values, spec, random))
    if thresholds:
        yield "at thresholds", _at_thresholds(table, thresholds, random)
    yield "missing", table.with_columns(lambda _i, spec, values: _missing(values, spec, random))
    if any(spec.dtype == "string" for spec in contract.inputs):
        yield "unseen", table.with_columns(lambda _i, spec, values: _unseen(values, spec, random))


def _length(sample: Any) -> int:
    return int(sample.shape[0]) if hasattr(sample, "shape") else len(sample)


def _take(sample: Any, index: npt.NDArray[Any]) -> Any:
    if hasattr(sample, "iloc"):
        return sample.iloc[index]
    if hasattr(sample, "toarray"):
        sample = sample.toarray()
    return [sample[i] for i in index] if isinstance(sample, list) else np.asarray(sample)[index]


class _Table:
    """Columns out of a matrix or a frame, and rows of the same kind back."""

    def __init__(self, contract: Contract, rows: Any) -> None:
        self.contract = contract
        self.rows = rows
        width = rows.shape[1]
        frame = contract.layout == "frame"
        self.specs = contract.inputs if frame else contract.inputs * width

    def values(self, i: int) -> npt.NDArray[Any]:
        if self.contract.layout != "frame":
            return np.asarray(self.rows[:, i])
        column = self.rows.iloc[:, i]
        kind = getattr(column.dtype, "kind", "O")
        return np.asarray(column.to_numpy() if kind in "biuf" else column.to_numpy(object))

    def with_columns(self, make: Any) -> Any:
        made = [make(i, spec, self.values(i)) for i, spec in enumerate(self.specs)]
        if self.contract.layout != "frame":
            stacked = np.stack(made, axis=1)
            (spec,) = self.contract.inputs
            return stacked if spec.dtype == "string" else stacked.astype(spec.dtype)
        frame = self.rows.iloc[np.arange(len(made[0])) % len(self.rows)].reset_index(drop=True)
        for i, values in enumerate(made):
            dtype = frame.dtypes.iloc[i]
            series = type(frame.iloc[:, i])(values)
            try:
                frame.isetitem(i, series.astype(dtype))
            except (TypeError, ValueError):  # NaN among whole numbers
                frame.isetitem(i, series)
        return frame


def _is_real(values: npt.NDArray[Any], spec: InputSpec) -> bool:
    return spec.dtype.startswith("float") and values.dtype.kind in "fiu"


def _jitter(
    values: npt.NDArray[Any], spec: InputSpec, random: np.random.Generator
) -> npt.NDArray[Any]:
    chosen = random.choice(values, ROWS)
    if not _is_real(values, spec) or not np.isfinite(values).any():
        return np.asarray(chosen)
    finite = values[np.isfinite(values)].astype(np.float64)
    if np.array_equal(finite, np.floor(finite)) and len(np.unique(finite)) <= 40:
        return np.asarray(chosen)  # codes of categories: a fraction of one means nothing
    spread = float(finite.std()) or 1.0
    noise = random.normal(0, 1, ROWS) * spread * random.choice([0.01, 0.3, 2.0], ROWS)
    low, high = float(finite.min()), float(finite.max())
    moved = chosen.astype(np.float64) + noise
    if low >= 0:  # counts, amounts: models of these refuse what is below
        moved = np.abs(moved)
    return np.asarray(np.where(random.random(ROWS) < 0.5, np.clip(moved, low, high), moved))


def _missing(
    values: npt.NDArray[Any], spec: InputSpec, random: np.random.Generator
) -> npt.NDArray[Any]:
    chosen = random.choice(values, ROWS)
    hidden = random.random(ROWS) < 0.2
    if spec.dtype == "string":
        if any(one == "" for one in values):  # which means missing already
            return np.asarray(chosen)
        return np.where(hidden, np.array(np.nan, object), chosen.astype(object))
    if _is_real(values, spec):
        return np.where(hidden, np.nan, chosen.astype(np.float64))
    return chosen


def _unseen(
    values: npt.NDArray[Any], spec: InputSpec, random: np.random.Generator
) -> npt.NDArray[Any]:
    chosen = random.choice(values, ROWS)
    if spec.dtype != "string":
        return chosen
    return np.where(random.random(ROWS) < 0.2, UNSEEN, chosen.astype(object))


def _at_thresholds(table: _Table, thresholds: Thresholds, random: np.random.Generator) -> Any:
    def make(i: int, spec: InputSpec, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        chosen = random.choice(values, ROWS)
        known = [one for one in thresholds.get(i, ()) if len(one)]
        if not known or not _is_real(values, spec):
            return chosen
        picked = random.choice(np.concatenate(known), ROWS)
        picked = np.where(np.isfinite(picked), picked, 0.0)
        dtype = np.float32 if spec.dtype == "float32" else np.float64
        base = np.where(random.random(ROWS) < 0.5, picked.astype(np.float32), picked)
        base = base.astype(dtype)
        # Two steps: behind a scaler the way back is rounded as well.
        step = random.choice([-2, -1, 0, 1, 2], ROWS).astype(dtype)
        moved = base + step * np.spacing(base)
        return np.where(random.random(ROWS) < 0.7, moved, chosen)

    return table.with_columns(make)


def _texts(texts: Sequence[str], random: np.random.Generator) -> list[str]:
    words = [word for text in texts for word in text.split()] or ["word"]
    odd = ["", " ", "ÉCOLE naïve", "漢字 テスト", "ωμέγα ΩΜΈΓΑ", "a_b 12 x", "İ ß ŉ", "UPPER lower"]
    mixed = [" ".join(random.choice(words, random.integers(1, 12))) for _ in range(60)]
    return [*odd, *mixed, *[one.upper() for one in mixed[:20]]]
