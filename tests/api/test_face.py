# SPDX-License-Identifier: BSD-3-Clause
"""The face: which names are public, how they are called, and what importing them costs.

`face.txt` beside this file is the promise to users.  After a change that is meant, write it anew:
``python -m tests.api.test_face > tests/api/face.txt``.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import safeserial as ss

FACE = Path(__file__).with_name("face.txt")
HEAVY = ("numpy", "scipy", "sklearn", "joblib", "pandas", "sqlalchemy", "click", "rich", "msgspec")


def parameters(function: object) -> str:
    """Return the parameters of a callable: names, kinds, and whether they may be left out."""
    bare = [
        one.replace(annotation=one.empty, default=one.empty if one.default is one.empty else ...)
        for one in inspect.signature(function).parameters.values()
    ]
    return str(inspect.Signature(bare)).replace("Ellipsis", "...")


def face() -> str:
    """Return the public names with their signatures, a line each."""
    lines = []
    for name in sorted(ss.__all__):
        found = getattr(ss, name)
        if inspect.ismodule(found):
            lines.append(f"{name}: module")
            continue
        lines.append(f"{name}{parameters(found)}")
        if not inspect.isclass(found):
            continue
        for verb, method in sorted(inspect.getmembers(found, callable)):
            if not verb.startswith("_"):
                lines.append(f"{name}.{verb}{parameters(method)}")
    return "\n".join(lines) + "\n"


def test_names_and_signatures_are_those_promised():
    assert face() == FACE.read_text("utf-8")


def test_every_public_name_is_documented():
    missing = [name for name in ss.__all__ if not inspect.getdoc(getattr(ss, name))]
    assert missing == []
    reference = (Path(__file__).parents[2] / "docs/reference/python.md").read_text("utf-8")
    unmentioned = [name for name in ss.__all__ if f":: {name}\n" not in reference]
    assert unmentioned == ["errors"]  # which has a page of its own


def test_importing_the_package_imports_nothing_heavy():
    script = (
        "import sys, safeserial; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(run.stdout.split())


def test_dir_lists_the_lazy_names():
    assert set(ss.__all__) <= set(dir(ss))


if __name__ == "__main__":
    print(face(), end="")
