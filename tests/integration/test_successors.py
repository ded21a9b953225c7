# SPDX-License-Identifier: BSD-3-Clause
"""What stands for names that libraries gave up takes what they wrote, and nothing else."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import safeserial as ss

LOSS = b"c_loss\n__pyx_unpickle_CyPinballLoss\n(c_loss\nCyPinballLoss\nJ\x01\x02\x03\x00"


def opened(body: bytes, folder: Path) -> Any:
    path = folder / "model.pkl"
    path.write_bytes(b"\x80\x04" + body + b".")
    return ss.load_unsigned(path)


def test_a_loss_is_made_of_its_numbers(tmp_path: Path) -> None:
    loss = opened(LOSS + b"G\x3f\xd0\x00\x00\x00\x00\x00\x00\x85tR", tmp_path)
    assert (type(loss).__name__, loss.quantile) == ("CyPinballLoss", 0.25)


@pytest.mark.parametrize(
    "body",
    [
        LOSS + b"\x8c\x01x\x85tR",
        LOSS + b"]\x85tR",
        LOSS + b"]tR",
        LOSS + b"K\x01K\x02\x86tR",
        LOSS + b"tR",
        LOSS.replace(b"c_loss\nCyPinballLoss", b"cbuiltins\nlist") + b"NtR",
        LOSS.replace(b"c_loss\nCyPinballLoss", b"csklearn.dummy\nDummyRegressor") + b"NtR",
        b"cpytz\n_UTC\n(K\x01tR",
    ],
    ids=["text", "list", "no tuple", "two", "none", "a builtin", "another class", "pytz"],
)
def test_anything_else_is_refused(body: bytes, tmp_path: Path) -> None:
    with pytest.raises(ss.errors.PolicyError):
        opened(body, tmp_path)


def test_a_dtype_takes_no_state(tmp_path: Path) -> None:
    state = b"}(\x8c\x09_metadata\x8c\x01x\x85\x8c\x01x]\x8c\x04name\x8c\x03badub"
    dtype = opened(b"cpandas.core.arrays.integer\nInt64Dtype\n)\x81" + state, tmp_path)
    assert type(dtype) is pd.Int64Dtype
    assert vars(dtype) == {}
    assert hash(dtype) == hash(pd.Int64Dtype())


def test_utc_of_pytz_is_that_of_the_standard_library(tmp_path: Path) -> None:
    assert opened(b"cpytz\n_UTC\n)R", tmp_path) is datetime.UTC
