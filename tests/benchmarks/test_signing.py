# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark of detached signatures runs, with the real other tools where they are installed."""

import shutil

from safeserial_benchmarks import signing
from safeserial_benchmarks.measure import Effort


def test_every_tool_signs_and_verifies(tmp_path):
    parts = list(signing.run(tmp_path, 2**17, Effort(0, 1, 1), ("file",)))
    rows = [row for part in parts for row in part]
    assert [row.error for row in rows] == [None] * len(rows)
    tasks = {(row.group, row.subject.partition(",")[0]) for row in rows}
    assert tasks == {("sign", "file"), ("verify", "file")}
    names = {row.contender for row in rows}
    assert {"safeserial (p256)", "safeserial (ed25519)", "safeserial (hmac)"} <= names
    assert (signing.MINISIGN in names) == (shutil.which("minisign") is not None)
    assert signing.table(rows).row_count == len(rows)
