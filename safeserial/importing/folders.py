# SPDX-License-Identifier: BSD-3-Clause
"""A folder of joblib, pickle, skops and ONNX files, published under the names of the files.

Floor 7.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from safeserial.files import StrPath
from safeserial.importing.bringing import Brought, bring, refused, store_name
from safeserial.inspection.walking import walk
from safeserial.policy import Policy

if TYPE_CHECKING:
    from safeserial.store import Store

_MODELS: Final = frozenset(
    ".joblib .job .pkl .pickle .pckl .p .sav .skops .onnx .safeserial".split()
)
_PACKED: Final = frozenset(".gz .z .bz2 .xz .lzma .lz4".split())


def import_folder(
    store: Store,
    folder: StrPath,
    *,
    prefix: str = "",
    policy: Policy | None = None,
    progress: Callable[[int, str], None] | None = None,
) -> Iterator[Brought]:
    """Publish the model files below a folder, each through the restricted loader.

    Parameters
    ----------
    store : Store
        Its key signs.
    folder : str or path-like
        Where they lie.  Links out of it are not followed.
    prefix : str, default=""
        Put before each name, which is the file's path below the folder without its ending.
    policy : Policy, optional
        What is vouched for.  Default: :meth:`Policy.default`.
    progress : callable, optional
        Called with the number of files done, and the path of the last one.

    Yields
    ------
    Brought
        For each file that is called as models are.  One that was published before is skipped, so
        that a run that was stopped is simply repeated.

    Raises
    ------
    KeyringError, StoreError
        If nothing at all can be published.
    """
    chosen = Policy.default() if policy is None else policy
    top = os.fspath(folder)
    found = (one for one in walk(top) if one.problem is not None or is_model(one.path))
    for number, one in enumerate(found, 1):
        below = os.path.relpath(one.path, top)
        origin = f"file:{below}"
        if one.problem is not None:
            yield refused(origin, one.problem)
            continue
        name = store_name(prefix + _without_endings(below))
        yield bring(store, name, one.path, origin=_ascii(origin), policy=chosen, metadata={})
        if progress is not None:
            progress(number, one.path)


def is_model(path: str) -> bool:
    """Say whether a file is called as models are."""
    return _without_endings(path) != path


def _without_endings(path: str) -> str:
    stem, ending = os.path.splitext(path)  # noqa: PTH122 - paths that no file system made
    if ending.lower() in _PACKED:
        stem, ending = os.path.splitext(stem)  # noqa: PTH122
    return stem if ending.lower() in _MODELS else path


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("ascii")
