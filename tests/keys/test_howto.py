# SPDX-License-Identifier: BSD-3-Clause
"""The page about key services is typed into a shell, with a real token beside it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.keys.conftest import LABEL

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "use-a-kms.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
KEY_ID = re.compile(r"\bp256-[0-9a-f]{4,32}")


def test_the_page_works_as_it_is_printed(token, tmp_path):
    assert LABEL == "model team"  # the page's
    (tmp_path / "legacy.pkl").write_bytes(b"(dp0\nVweights\np1\n(lp2\nI1\naI2\nas.")
    environment = {**os.environ, **token.environment}
    real, commands = "", 0
    for block in BLOCK.findall(PAGE.read_text("utf-8")):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = step.partition("\n")
            program, *words = shlex.split(KEY_ID.sub(real[:9], command))
            assert program == "safeserial"
            done = subprocess.run(
                [sys.executable, "-m", program, *words],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=120,
                text=True,
            )
            assert done.returncode == 0, done.stdout
            real = real or KEY_ID.search(done.stdout)[0]
            if printed:
                assert sorted(done.stdout.splitlines()) == sorted(
                    KEY_ID.sub(real, printed).splitlines()
                )
            commands += 1
    assert commands == 5
