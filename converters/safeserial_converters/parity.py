# SPDX-License-Identifier: BSD-3-Clause
"""What the proof found: for each method the wrong labels and the largest differences.

Floor 7, beside the command line.  Imports no ONNX.
"""

from __future__ import annotations

import html
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Tolerance:
    """How far a graph may be from its model.

    Parameters
    ----------
    relative : float
        Of real values: ``|a - b| / max(|b|, scale)``, where scale is the largest value of the
        output, and 1 at most.
    labels : float
        Share of labels that may differ.
    """

    relative: float
    labels: float = 0.0

    @classmethod
    def of(cls, dtype: str, profile: str) -> Tolerance:
        """Return the promise for a dtype: 0 labels, 1e-9 in float64, 1e-6 in float32."""
        if profile == "fast":
            return cls(1e-3, 1e-2)
        return cls(1e-9 if dtype == "float64" else 1e-6)

    @classmethod
    def of_proof(cls, dtype: str, profile: str) -> Tolerance:
        """Return what a proof demands: a quarter of the promise, for rows that it does not run."""
        promised = cls.of(dtype, profile)
        return cls(promised.relative / 4, promised.labels) if profile == "exact" else promised


@dataclass(frozen=True)
class MethodParity:
    """One output, compared on all rows.

    Parameters
    ----------
    method : str
        Name of the output.
    rows : int
        Rows compared, over all runs.
    label_mismatches : int
        Of labels and other whole numbers: those that differ.  Of reals: where one is NaN and the
        other is not.
    max_abs, max_rel : float
        Largest differences of real values.
    where : str
        The kind of rows with the largest difference.
    """

    method: str
    rows: int = 0
    label_mismatches: int = 0
    max_abs: float = 0.0
    max_rel: float = 0.0
    where: str = ""

    def within(self, tolerance: Tolerance) -> bool:
        """Whether it keeps the promise."""
        allowed = tolerance.labels * self.rows
        return self.label_mismatches <= allowed and self.max_rel <= tolerance.relative

    def and_also(self, other: MethodParity) -> MethodParity:
        """Return the two together."""
        worse = (other.label_mismatches, other.max_rel) > (self.label_mismatches, self.max_rel)
        return MethodParity(
            self.method,
            self.rows + other.rows,
            self.label_mismatches + other.label_mismatches,
            max(self.max_abs, other.max_abs),
            max(self.max_rel, other.max_rel),
            other.where if worse else self.where,
        )


@dataclass(frozen=True)
class ParityReport:
    """The proof that a graph computes what its model computes.

    Parameters
    ----------
    model : str
        Class of the model.
    dtype, profile : str
        Of the graph.
    tolerance : Tolerance
        What was promised.
    methods : tuple of MethodParity
        One an output.
    rows : tuple of (str, int)
        Which kinds of rows were run, and how many; 0 where the model itself refuses such rows.
    runs : tuple of str
        In which ways: batches and threads.
    runtime : str
        The ONNX Runtime that ran it.
    """

    model: str
    dtype: str
    profile: str
    tolerance: Tolerance
    methods: tuple[MethodParity, ...]
    rows: tuple[tuple[str, int], ...]
    runs: tuple[str, ...]
    runtime: str

    @property
    def ok(self) -> bool:
        """Whether all methods keep the promise."""
        return all(one.within(self.tolerance) for one in self.methods)

    @property
    def max_difference(self) -> float:
        """The largest relative difference of all methods."""
        return max((one.max_rel for one in self.methods), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {**asdict(self), "ok": self.ok}

    def to_json(self) -> str:
        """Return the report as sorted JSON."""
        return json.dumps(self.to_dict(), sort_keys=True)

    def __str__(self) -> str:
        lines = [
            f"{one.method}: {one.label_mismatches} labels differ, "
            f"max |difference| {one.max_abs:.3g}, relative {one.max_rel:.3g}, {one.rows} rows"
            for one in self.methods
        ]
        return "\n".join([f"{self.model} ({self.dtype}, {self.profile})", *lines])

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th>{name}</th>"
            for name in ("output", "rows", "labels wrong", "max abs", "max rel", "")
        )
        body = "".join(
            f"<tr><td>{html.escape(one.method)}</td><td>{one.rows}</td><td>{one.label_mismatches}</td>"
            f"<td>{one.max_abs:.3g}</td><td>{one.max_rel:.3g}</td>"
            f"<td>{'✓' if one.within(self.tolerance) else '✗ ' + html.escape(one.where)}</td></tr>"
            for one in self.methods
        )
        title = html.escape(
            f"{self.model}, {self.dtype}, {self.profile}: onnxruntime {self.runtime}"
        )
        return f"<table><caption>{title}</caption><tr>{head}</tr>{body}</table>"


def compare(
    method: str, got: npt.NDArray[Any], want: npt.NDArray[Any], where: str = ""
) -> MethodParity:
    """Compare what the graph gave with what the model gave."""
    rows = len(want)
    if got.shape != want.shape:
        return MethodParity(method, rows, rows or 1, float("inf"), float("inf"), f"{where}: shape")
    if want.dtype.kind != "f" or got.dtype.kind != "f":
        wrong = _labels(got) != _labels(want)
        return MethodParity(method, rows, int(np.count_nonzero(wrong)), where=where)
    a, b = got.astype(np.float64), want.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    lost = ~same & ~(np.isfinite(a) & np.isfinite(b))
    finite = ~same & ~lost
    difference = np.abs(np.where(finite, a, 0) - np.where(finite, b, 0))
    bounded = np.abs(b[np.isfinite(b)])
    scale = min(1.0, float(bounded.max(initial=0.0))) or 1.0
    relative = difference / np.maximum(np.where(finite, np.abs(b), 0), scale)
    return MethodParity(
        method,
        rows,
        int(np.count_nonzero(lost)),
        float(difference.max(initial=0.0)),
        float(relative.max(initial=0.0)),
        where,
    )


def _labels(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    texts = ["" if one is None or one != one else str(one) for one in values.ravel()]
    return np.array(texts, dtype=object).reshape(values.shape)
