# SPDX-License-Identifier: BSD-3-Clause
"""Any model is exported right, refused by name, or stopped by the proof: never silently wrong."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.converters import random_models
from tests.converters.harness import Data, fitted, try_model

QUICK = settings(
    max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
LONG = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
DTYPES = st.sampled_from(["float32", "float64"])


def require_none_wrong(model: Any, data: Data, dtype: str) -> None:
    """Fail where a graph is handed out that differs, or a converter fails without a reason."""
    note(repr(model))
    if fitted(model, data) is None:
        return
    outcomes = try_model(model, data, dtype)
    bad = [one for one in outcomes if one.verdict in {"wrong", "failed"}]
    assert not bad, "\n".join(map(str, bad))


@QUICK
@given(random_models.models(), DTYPES)
def test_tables(case: tuple[Any, Data], dtype: str) -> None:
    require_none_wrong(*case, dtype)


@QUICK
@given(random_models.text_models(), DTYPES)
def test_texts(case: tuple[Any, Data], dtype: str) -> None:
    require_none_wrong(*case, dtype)


@pytest.mark.slow
@LONG
@given(random_models.models(), DTYPES)
def test_many_tables(case: tuple[Any, Data], dtype: str) -> None:
    require_none_wrong(*case, dtype)


@pytest.mark.slow
@LONG
@given(random_models.text_models(), DTYPES)
def test_many_texts(case: tuple[Any, Data], dtype: str) -> None:
    require_none_wrong(*case, dtype)
