# SPDX-License-Identifier: BSD-3-Clause
"""Which files of a folder are to be inspected, in the order of their paths.

Floor 7.  Nothing outside of the folder is reached: links to folders are not followed, and a link to
a file elsewhere is told, not opened.  FIFOs, sockets and devices are passed over.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from safeserial.errors import SafeSerialError, UnreadableFileError
from safeserial.files import display

# A link that leads out of the folder is worth a word if it is called as models are.
_MODELS: Final = frozenset(
    ".bin .ckpt .dill .gguf .h5 .hdf5 .job .joblib .keras .model .npy .npz .onnx .p .pckl .pickle "
    ".pkl .pt .pth .safeserial .safetensors .sav .skops".split()
)


@dataclass(frozen=True)
class Found:
    """A file to inspect, or the reason why one cannot be.

    Parameters
    ----------
    path : str
        The file.
    size : int
        Its bytes, as far as known.
    named : bool
        Whether the caller named it, so that it is reported whatever it is.
    problem : SafeSerialError, optional
        Why it is not to be opened.
    """

    path: str
    size: int = 0
    named: bool = False
    problem: SafeSerialError | None = None


def walk(top: str) -> Iterator[Found]:
    """Yield the files below a folder, sorted by path, and the folders that cannot be read."""
    real = os.path.realpath(top)
    stack = [_Level(top, frozenset())]
    while stack:
        level = stack[-1]
        entry = level.next()
        if entry is None:
            stack.pop()
            if level.problem is not None:
                yield Found(level.path, problem=level.problem)
        elif _is_folder(entry):
            stack.append(_Level(entry.path, level.marks))
        else:
            found = _file(entry, real)
            if found is not None:
                yield found


class _Level:
    """One folder on the way down, with what is still to come in it."""

    def __init__(self, path: str, above: frozenset[tuple[int, int]]) -> None:
        self.path = path
        self.problem: SafeSerialError | None = None
        self.marks = above
        self._entries: list[os.DirEntry[str]] = []
        try:
            facts = os.stat(path)  # noqa: PTH116 - the descriptor's verbs, like all here
            mark = (facts.st_dev, facts.st_ino)
            if mark in above:  # a bind mount of a folder into itself
                return
            self.marks = above | {mark}
            with os.scandir(path) as entries:
                self._entries = sorted(entries, key=lambda one: os.fsencode(one.name), reverse=True)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self.problem = UnreadableFileError(f"cannot list {display(path)}: {reason}")

    def next(self) -> os.DirEntry[str] | None:
        return self._entries.pop() if self._entries else None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _file(entry: os.DirEntry[str], real: str) -> Found | None:
    try:
        if entry.is_symlink():
            return _link(entry.path, real)
        facts = entry.stat(follow_symlinks=False)
    except OSError as error:
        reason = error.strerror or str(error)
        problem = UnreadableFileError(f"cannot look at {display(entry.path)}: {reason}")
        return Found(entry.path, problem=problem)
    return Found(entry.path, facts.st_size) if stat.S_ISREG(facts.st_mode) else None


def _link(path: str, real: str) -> Found | None:
    """Tell of a link out of the folder; what a link inside of it leads to is met anyway."""
    target = os.path.realpath(path)
    outside = os.path.commonpath((target, real)) != real
    modelish = any(os.path.splitext(one)[1].lower() in _MODELS for one in (path, target))  # noqa: PTH122
    if not (outside and modelish and os.path.isfile(target)):  # noqa: PTH113
        return None
    problem = UnreadableFileError(
        f"a link out of the folder is not followed: {display(path)}",
        hint=f"inspect what it leads to: {display(target)}",
    )
    return Found(path, problem=problem)
