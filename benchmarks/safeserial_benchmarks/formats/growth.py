# SPDX-License-Identifier: BSD-3-Clause
"""How time grows with the size of a model: payload, number of trees, vocabulary.

A model of each size is measured like any other; then the slope of the larger half of the sizes is
fitted on logarithmic scales by least squares.  An exponent of 1 is proportional growth.
"""

from __future__ import annotations

import math
import shutil
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from safeserial_benchmarks.formats.preparing import Subject
from safeserial_benchmarks.formats.results import Comparison
from safeserial_benchmarks.models import SEED

FORMATS: Final = ("pickle-5", "joblib", "safeserial-pickle-hmac", "safeserial-joblib-hmac")
MEASURES: Final = ("load", "save", "bytes", "peak_load")
_COLUMNS: Final = 64
_WORDS_A_TEXT: Final = 100
# Copies of the largest model: a worker's own, what it loads, and what that was read from, beside
# the page cache; on the disk each format's file, the model's own, and one being written.
_IN_MEMORY: Final = 5
_ON_DISK: Final = len(FORMATS) + 2
_FITTED: Final = 3  # points, at least

Points = dict[str, tuple[int, ...]]
QUICK: Final[Points] = {
    "payload (bytes)": tuple(2**20 * n for n in (1, 4, 16)),
    "trees": (10, 30, 100),
    "vocabulary (words)": (1000, 3000, 10_000),
}
USUAL: Final[Points] = {
    "payload (bytes)": tuple(2**20 * n for n in (1, 4, 16, 64, 256)),
    "trees": (10, 30, 100, 300, 1000, 3000),
    "vocabulary (words)": (10**3, 10**4, 10**5, 10**6),
}
WHOLE: Final[Points] = {**USUAL, "payload (bytes)": tuple(2**20 * 4**n for n in range(7))}


def fitting(points: Points, folder: Path | None) -> Points:
    """Leave out the payloads that this machine has neither memory nor disk for."""
    import psutil

    place = Path(folder or "/tmp")  # noqa: S108 - asked for its free space only
    room = shutil.disk_usage(place if place.exists() else Path.cwd()).free
    most = min(psutil.virtual_memory().available // _IN_MEMORY, room // _ON_DISK)
    payloads = tuple(one for one in points["payload (bytes)"] if one <= most)
    return {**points, "payload (bytes)": payloads}


def subjects(points: Points) -> list[Subject]:
    """Return a model for each size."""
    found = []
    for axis, sizes in points.items():
        make = _MAKERS[axis]
        found += [
            Subject(f"{axis.partition(' ')[0]}={size}", f"{axis}: {size:,}", _maker(make, size))
            for size in sizes
        ]
    return found


def _maker(make: Callable[[int], tuple[Any, Any]], size: int) -> Callable[[], tuple[Any, Any]]:
    return lambda: make(size)


def fits(results: Comparison, points: Points) -> list[dict[str, Any]]:
    """Return one curve for each axis, format and measure, with its exponent.

    Parameters
    ----------
    results : Comparison
        Rows of :func:`subjects`.
    points : dict
        The sizes that were asked for; those without figures are left out of the curve.
    """
    found = []
    for axis, sizes in points.items():
        for form, facts in results.formats.items():
            rows = [(x, results.row(f"{axis.partition(' ')[0]}={x}", form)) for x in sizes]
            for measure in MEASURES:
                pairs = [(x, row.median(measure)) for x, row in rows if row is not None and row.ok]
                known = [(float(x), y) for x, y in pairs if y]
                if known:
                    curve = {"axis": axis, "format": form, "label": facts["label"]}
                    found.append({**curve, "measure": measure, **_fit(known)})
    return found


def _fit(known: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return the points of a curve with the slope of its larger half."""
    x, y = [one for one, _ in known], [float(f"{one:.4g}") for _, one in known]
    larger = known[min(len(known) // 2, max(0, len(known) - _FITTED)) :]
    if len(larger) < _FITTED:
        return {"x": x, "y": y, "exponent": None, "r2": None}
    across, up = ([math.log(pair[i]) for pair in larger] for i in (0, 1))
    slope, _ = statistics.linear_regression(across, up)
    flat = max(up) - min(up) == 0
    r2 = 1.0 if flat else statistics.correlation(across, up) ** 2
    return {"x": x, "y": y, "exponent": round(slope, 3), "r2": round(r2, 4)}


def _payload(size: int) -> tuple[Any, Any]:
    from sklearn.neighbors import KNeighborsClassifier

    rows = max(8, size // (8 * _COLUMNS))
    data = np.random.default_rng(SEED).random((rows, _COLUMNS))
    labels = np.arange(rows, dtype=np.int8) % 2
    return KNeighborsClassifier(algorithm="brute").fit(data, labels), data[:4]


def _trees(size: int) -> tuple[Any, Any]:
    from sklearn.ensemble import RandomForestClassifier

    data = np.random.default_rng(SEED).standard_normal((1000, 20))
    model = RandomForestClassifier(size, random_state=SEED).fit(data, data[:, 0] > 0)
    return model, data[:50]


def _vocabulary(size: int) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = [f"word{number:x}" for number in range(size)]
    texts = [
        " ".join(words[start : start + _WORDS_A_TEXT]) for start in range(0, size, _WORDS_A_TEXT)
    ]
    return TfidfVectorizer().fit(texts), texts[:4]


_MAKERS: Final[dict[str, Callable[[int], tuple[Any, Any]]]] = {
    "payload (bytes)": _payload,
    "trees": _trees,
    "vocabulary (words)": _vocabulary,
}
