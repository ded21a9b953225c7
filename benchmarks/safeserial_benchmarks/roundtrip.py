# SPDX-License-Identifier: BSD-3-Clause
"""Time of dump and load: signed artifacts beside pickle and joblib, one model, one process.

All contenders write protocol 5 without compression.  Loads read files that are in the page cache.
Dumps differ in what they promise when they return, so each row says it, and pickle and joblib run
with and without an ``fsync``.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import joblib

import safeserial as ss
from safeserial_benchmarks.measure import Contender, Effort, Row, compare, said
from safeserial_benchmarks.models import Spec, answer

CACHED: Final = "none: in the page cache"
SYNCED: Final = "fsync; the old file is lost if it fails"
ATOMIC: Final = "fsync of file and folder; old file or new, never a part"
FORMATS: Final = ("pickle", "joblib")
LOAD_REFERENCES: Final = ("pickle.load", "joblib.load")
DUMP_REFERENCES: Final = ("pickle.dump", "pickle.dump + fsync", "joblib.dump + fsync")


def run(spec: Spec, model: Any, folder: Path, effort: Effort) -> list[Row]:
    """Measure both directions of a model.

    Parameters
    ----------
    spec : Spec
        Which model it is.
    model : object
        The model itself.
    folder : path
        An empty folder on the disk to be measured.
    effort : Effort
        For each direction.

    Returns
    -------
    list of Row
        Groups ``dump`` and ``load``.
    """
    ring = ss.Keyring([ss.HmacKey.generate()])
    rows = compare("dump", spec.name, _dumps(model, folder, ring), DUMP_REFERENCES, effort)
    expected = answer(model, spec.sample())
    loads, failed = [], []
    for name, path, write, read in _loaders(model, folder, ring):
        try:
            write()
            if answer(read(), spec.sample()) != expected:
                raise ValueError("the loaded model gives other answers")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 - a contender that fails is a row, not the end
            failed.append(Row(group="load", subject=spec.name, contender=name, error=said(error)))
        else:
            loads.append(Contender(name, read, facts={"file_bytes": path.stat().st_size}))
    rows += compare("load", spec.name, loads, LOAD_REFERENCES, effort) + failed
    for path in folder.iterdir():
        path.unlink()
    return rows


def _dumps(model: Any, folder: Path, ring: ss.Keyring) -> list[Contender]:
    target = folder / "model"

    def contender(name: str, write: Callable[[], object], durability: str) -> Contender:
        # A file without fsync is gone before its pages burden the next one's fsync.
        return Contender(name, write, target.unlink, {"durability": durability})

    return [
        contender("pickle.dump", lambda: _pickle(model, target), CACHED),
        contender("pickle.dump + fsync", lambda: _pickle(model, target, sync=True), SYNCED),
        contender("joblib.dump", lambda: _joblib(model, target), CACHED),
        contender("joblib.dump + fsync", lambda: _joblib(model, target, sync=True), SYNCED),
        *(
            contender(
                f"safeserial.dump ({form})",
                lambda form=form: ss.dump(model, target, keyring=ring, format=form),  # type: ignore[misc]
                ATOMIC,
            )
            for form in FORMATS
        ),
    ]


def _loaders(
    model: Any, folder: Path, ring: ss.Keyring
) -> list[tuple[str, Path, Callable[[], object], Callable[[], Any]]]:
    """Return name, file, how to write it and how to load it."""
    plain, joblibs = folder / "model.pkl", folder / "model.joblib"
    loaders: list[tuple[str, Path, Callable[[], object], Callable[[], Any]]] = [
        ("pickle.load", plain, lambda: _pickle(model, plain), lambda: _unpickle(plain)),
        ("joblib.load", joblibs, lambda: _joblib(model, joblibs), lambda: joblib.load(joblibs)),
    ]
    for form in FORMATS:
        path = folder / f"model.{form}.safeserial"
        loaders.append(
            (
                f"safeserial.load ({form})",
                path,
                lambda form=form, path=path: ss.dump(model, path, keyring=ring, format=form),  # type: ignore[misc]
                lambda path=path: ss.load(path, keyring=ring),  # type: ignore[misc]
            )
        )
    # The files of others again, mapped, and as files that nobody signed: nothing is written.
    signed = folder / "model.pickle.safeserial"
    loaders += [
        ("joblib.load (mapped)", joblibs, _nothing, lambda: joblib.load(joblibs, mmap_mode="r")),
        ("safeserial.load (mapped)", signed, _nothing,
         lambda: ss.load(signed, keyring=ring, mmap_mode="r")),
        ("safeserial.load_unsigned (pickle)", plain, _nothing, lambda: ss.load_unsigned(plain)),
        ("safeserial.load_unsigned (joblib)", joblibs, _nothing,
         lambda: ss.load_unsigned(joblibs)),
    ]  # fmt: skip
    return loaders


def _nothing() -> None:
    """Write nothing."""


def _pickle(model: Any, path: Path, *, sync: bool = False) -> None:
    with path.open("wb") as stream:
        pickle.dump(model, stream, 5)
        if sync:
            stream.flush()
            os.fsync(stream.fileno())


def _joblib(model: Any, path: Path, *, sync: bool = False) -> None:
    with path.open("wb") as stream:
        joblib.dump(model, stream)
        if sync:
            stream.flush()
            os.fsync(stream.fileno())


def _unpickle(path: Path) -> Any:
    with path.open("rb") as stream:
        return pickle.load(stream)
