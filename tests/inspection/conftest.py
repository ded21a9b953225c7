# SPDX-License-Identifier: BSD-3-Clause
"""Inspect bytes as a file whose name says nothing."""

import pytest

import safeserial as ss


@pytest.fixture
def look(tmp_path):
    """Inspect bytes."""

    def inspect(data, **options):
        path = tmp_path / "thing"
        path.write_bytes(data)
        return ss.inspect(path, **options)

    return inspect
