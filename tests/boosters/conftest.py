# SPDX-License-Identifier: BSD-3-Clause
"""Boosters of the three libraries, fitted once, and files with a state that was changed."""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import safeserial as ss

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5))
BINARY = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)
CLASSES = RNG.integers(0, 3, 120)
TARGET = X[:, 0] * 2 + X[:, 2]
CATEGORIES = RNG.integers(0, 20, 120)
BY_CATEGORY = (CATEGORIES % 3 == 0).astype(int)


def altered(model: Any, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Return a pickle of a model in whose boosters `change` has changed the state."""

    class Altering(pickle.Pickler):
        def reducer_override(self, obj: Any) -> Any:
            kind = type(obj)
            if kind.__name__ != "Booster" and kind.__module__ != "catboost.core":
                return NotImplemented
            state = obj.__getstate__()
            change(state)
            return copyreg.__newobj__, (kind,), state

    stream = io.BytesIO()
    Altering(stream, 5).dump(model)
    return stream.getvalue()


@pytest.fixture
def refused(tmp_path):
    """Say whether a changed model is refused as one whose state is wrong."""

    def check(model: Any, change: Callable[[dict[str, Any]], None], match: str = ".") -> None:
        path = tmp_path / "altered.pkl"
        path.write_bytes(altered(model, change))
        with pytest.raises(ss.errors.InvalidStateError, match=match):
            ss.load_unsigned(path)

    return check
