# SPDX-License-Identifier: BSD-3-Clause
"""Pipelines of strangers load under the default policy: every protocol, every compressor."""

from __future__ import annotations

import io
import pickle
import warnings

import joblib
import numpy as np
import pytest

import safeserial as ss
from tests.pipelines import PIPELINES
from tests.world import RING

COMPRESSORS = (None, "zlib", "gzip", "bz2", "lzma", "xz", "lz4")


def test_there_are_enough():
    assert len(PIPELINES) >= 60


@pytest.mark.parametrize("name", PIPELINES)
def test_it_loads_and_predicts_the_same(name, tmp_path):
    model, data, target = PIPELINES[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few have not converged
        model.fit(data) if target is None else model.fit(data, target)
    expected = model.predict(data)
    path = tmp_path / "model"
    for protocol in (2, 3, 4, 5):
        path.write_bytes(pickle.dumps(model, protocol))
        assert np.array_equal(ss.load_unsigned(path).predict(data), expected), protocol
    for compressor in COMPRESSORS:
        buffer = io.BytesIO()
        joblib.dump(model, buffer, compress=(compressor, 3) if compressor else 0)
        path.write_bytes(buffer.getvalue())
        assert np.array_equal(ss.load_unsigned(path).predict(data), expected), compressor
    for format in ("pickle", "joblib"):
        signed = ss.dumps(model, keyring=RING, format=format)
        assert np.array_equal(ss.loads(signed, keyring=RING).predict(data), expected), format
