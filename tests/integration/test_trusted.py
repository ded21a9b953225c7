# SPDX-License-Identifier: BSD-3-Clause
"""What `trusted=` opens: the name that was meant, and no other spelling of a special one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import safeserial as ss

MODULE = """
class Outer:
    class Inner:
        def __init__(self):
            self.value = 7
"""


def text(word: str) -> bytes:
    """Return the opcodes that push a short string."""
    return b"\x8c" + bytes([len(word)]) + word.encode()


def stream(module: str, qualname: str) -> bytes:
    """Return a pickle that makes an instance of a class and nothing more."""
    return b"\x80\x04" + text(module) + text(qualname) + b"\x93)\x81."


def test_nested_class_can_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trusted_steps.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "nested.pkl"
    path.write_bytes(stream("trusted_steps", "Outer.Inner"))
    assert ss.get_untrusted_types(path) == ["trusted_steps.Outer.Inner"]
    assert "trusted_steps" not in sys.modules
    loaded = ss.load_unsigned(path, trusted=["trusted_steps.Outer.Inner"])
    assert type(loaded).__qualname__ == "Outer.Inner"


@pytest.mark.parametrize(
    ("module", "qualname"),
    [
        ("numpy._core", "multiarray._reconstruct"),
        ("numpy", "_core.multiarray._reconstruct"),
        ("scipy.stats", "_continuous_distns.uniform_gen"),
        ("sklearn.tree", "_tree.Tree"),
        ("pandas.core", "dtypes.dtypes.NumpyEADtype"),
    ],
)
def test_special_name_with_another_split_is_never_trusted(
    module: str, qualname: str, tmp_path: Path
) -> None:
    path = tmp_path / "split.pkl"
    path.write_bytes(stream(module, qualname))
    name = f"{module}.{qualname}"
    bare = ss.Policy(chosen=type(ss.Policy.default().allowlist)({}, {}))
    for policy in (ss.Policy.default(), bare):
        if policy is bare and module == "scipy.stats":
            continue  # unlisted there; whoever trusts it gets a distribution made anew
        with pytest.raises(ss.errors.UntrustedTypesError):
            ss.load_unsigned(path, policy=policy, trusted=[name])
