# SPDX-License-Identifier: BSD-3-Clause
"""Which files a bulk run is about, and where what is made of each of them goes.

Floor 7.  A folder is walked as inspection walks it: links out of it are told, not followed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from safeserial.errors import SafeSerialError
from safeserial.files import StrPath, display
from safeserial.inspection.walking import walk

SIDECAR: Final = ".sig"


@dataclass(frozen=True)
class Item:
    """One piece of work.

    Parameters
    ----------
    path : str
        The file as the caller named it, or ``name:version`` of a store's entry.
    place : str
        The same for a worker, whatever folder it runs in: an absolute path.
    size, mtime_ns : int
        What the file system says of it (the time, also of the ``.sig`` beside it); the two tell
        whether it changed since the last run.
    named : bool
        Whether the caller named it, so that it gets a row whatever it is.
    below : str
        Its path below the folder that was named.
    output : str
        Where what is made of it goes, absolute; ``""`` where nothing is made.
    problem : SafeSerialError, optional
        Why it is not to be opened.
    known : str
        Its digest when it was last worked on, ``""`` where that does not count.
    """

    path: str
    place: str
    size: int = 0
    mtime_ns: int = 0
    named: bool = False
    below: str = ""
    output: str = ""
    problem: SafeSerialError | None = None
    known: str = ""


def gather(paths: Iterable[StrPath]) -> list[Item]:
    """List the files at and below some paths.

    Parameters
    ----------
    paths : iterable of str or path-like
        Files, which always get a row, and folders, of which the models do.

    Returns
    -------
    list of Item
        In the order of `paths`, each folder sorted; a file that is met twice is listed once.
    """
    items: dict[str, Item] = {}
    for one in paths:
        path = os.fspath(one)
        for item in _below(path) if _is_folder(path) else [_named(path)]:
            items.setdefault(item.place, item)
    return list(items.values())


def placed(items: Sequence[Item], ending: str, folder: str | None) -> list[Item]:
    """Give each item the path of what is made of it.

    Parameters
    ----------
    items : sequence of Item
        As gathered.
    ending : str
        Of the files made, with its dot.
    folder : str, optional
        Where they go, in the same folders as their originals; beside them if there is none.

    Returns
    -------
    list of Item
        Two originals that differ in their ending only keep it: ``a.pkl.onnx``, ``a.joblib.onnx``.

    Raises
    ------
    SafeSerialError
        If two of them would be one: files of two folders, of the same name.
    """
    short = [_output(one, folder, _without_ending(one.below)) for one in items]
    full = [_output(one, folder, one.below) for one in items]
    often = Counter(short) + Counter(set(full))  # `a.pkl` may be one file's all, another's begin
    chosen = [
        whole if often[brief] > 1 + (brief == whole) else brief
        for brief, whole in zip(short, full, strict=True)
    ]
    again = [path for path, count in Counter(chosen).items() if count > 1]
    if again:
        raise SafeSerialError(
            f"two files would be written to {display(again[0] + ending)}",
            hint="work on one folder at a time, each with a place of its own",
        )
    return [replace(one, output=path + ending) for one, path in zip(items, chosen, strict=True)]


def _output(item: Item, folder: str | None, below: str) -> str:
    if folder is None:
        return str(Path(item.place).parent / Path(below).name)
    return str(Path(_absolute(folder)) / below)


def _without_ending(path: str) -> str:
    return os.path.splitext(path)[0]  # noqa: PTH122 - a NUL in the name is no crash


def _is_folder(path: str) -> bool:
    try:
        return os.path.isdir(path)  # noqa: PTH112 - the same
    except ValueError:
        return False


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - resolves no link


def _named(path: str) -> Item:
    size, mtime_ns = _facts(path)
    below = os.path.basename(path)  # noqa: PTH119 - a NUL in the name is no crash
    return Item(path, _absolute(path), size, mtime_ns, named=True, below=below)


def _below(top: str) -> Iterable[Item]:
    for found in walk(top):
        size, mtime_ns = _facts(found.path) if found.problem is None else (0, 0)
        below = os.path.relpath(found.path, top)
        place = _absolute(found.path)
        yield Item(found.path, place, size, mtime_ns, below=below, problem=found.problem)


def _facts(path: str) -> tuple[int, int]:
    """Return the size of a file, and when it or the signature beside it was changed."""
    try:
        facts = os.stat(path)  # noqa: PTH116 - the same
    except (OSError, ValueError):
        return 0, 0
    try:
        signed = os.stat(f"{path}{SIDECAR}").st_mtime_ns  # noqa: PTH116 - the same
    except OSError:
        signed = 0
    return facts.st_size, max(facts.st_mtime_ns, signed)
