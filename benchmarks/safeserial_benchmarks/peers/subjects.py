# SPDX-License-Identifier: BSD-3-Clause
"""The files of the comparison: this project's attack corpus, and models that are as they should be.

Both come from builders under ``tests/``; so this works in a source checkout only.
"""

from __future__ import annotations

import copy
import functools
import importlib
import io
import json
import os
import pickle
import signal
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[3]
HONEST: Final = 250
GROUPS: Final = (
    *("gadgets", "variants", "names", "opcodes", "states", "arrays", "resources", "wrappers"),
    "native_files",
)
_COMPRESSED: Final = (
    *(b"x\x01", b"x\x5e", b"x\x9c", b"x\xda", b"\x1f\x8b", b"BZ", b"\xfd7zXZ", b"\x5d\0"),
    *(b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd", b"ZF"),
)
_FORMS: Final[tuple[tuple[str, Any], ...]] = (
    *(("pickle", protocol) for protocol in (2, 3, 4, 5)),
    *(("joblib", how) for how in (0, "zlib", "gzip", "bz2", "lzma", "xz", "lz4")),
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One file.

    Parameters
    ----------
    id : str
        Technique, or estimator and form.
    group : str
        The builder it is from: one of :data:`GROUPS`, or ``honest``.
    forms : dict of str to str
        Path by form: ``pickle`` (also joblib), ``torch``, and ``skops`` where there is one.
    """

    id: str
    group: str
    forms: dict[str, str]


def make(folder: Path) -> list[Subject]:
    """Write all files into a folder, or find them there from an earlier run.

    Parameters
    ----------
    folder : path
        Made if missing.

    Returns
    -------
    list of Subject
        Hostile ones first.
    """
    listing = folder / "subjects.json"
    if not listing.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if str(ROOT) not in sys.path:
            sys.path.insert(0, str(ROOT))
        made = [*_hostile(folder), *_honest(folder)]
        listing.write_text(json.dumps([asdict(one) for one in made], indent=1), "utf-8")
    return [Subject(**one) for one in json.loads(listing.read_text("utf-8"))]


def _hostile(folder: Path) -> Iterator[Subject]:
    corpus: Any = importlib.import_module("tests.attacks.corpus")
    altered: Any = importlib.import_module("tests.validators.altered")
    importlib.import_module("skops.io")  # once, and not in each fork
    number = 0
    for group in GROUPS:
        for case in getattr(corpus, group)():
            number += 1
            forms = _write(folder / f"hostile-{number:04}", case.data)
            wrong = altered.ATTACKS.get(case.id.removeprefix("state of "))
            if group == "native_files" and (data := _in_fork(functools.partial(_skops, wrong))):
                path = folder / f"hostile-{number:04}.skops"
                path.write_bytes(data)
                forms["skops"] = str(path)
            yield Subject(id=case.id, group=group, forms=forms)


def _honest(folder: Path) -> Iterator[Subject]:
    zoo: Any = importlib.import_module("tests.zoo")
    names = zoo.names()
    for number in range(max(HONEST, len(names))):
        name = names[number % len(names)]
        # Another form for those that come a second time.
        kind, how = _FORMS[(number + number // len(names)) % len(_FORMS)]
        model = zoo.fitted(name)[0]
        forms = _write(folder / f"honest-{number:04}", _dumped(model, kind, how))
        path = folder / f"honest-{number:04}.skops"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                path.write_bytes(_skops(functools.partial(copy.copy, model)))
                forms["skops"] = str(path)
            except Exception:  # noqa: BLE001 - it cannot be saved: that is an answer, too
                forms["skops"] = ""
        yield Subject(id=f"{name}, {kind} {how}", group="honest", forms=forms)


def _dumped(model: Any, kind: str, how: Any) -> bytes:
    if kind == "pickle":
        return pickle.dumps(model, protocol=how)
    joblib: Any = importlib.import_module("joblib")
    stream = io.BytesIO()
    joblib.dump(model, stream, compress=(how, 3) if how else 0)
    return stream.getvalue()


def _skops(make: Callable[[], Any]) -> bytes:
    skops: Any = importlib.import_module("skops.io")
    data: bytes = skops.dumps(make())
    return data


def _write(stem: Path, data: bytes) -> dict[str, str]:
    arrays = b"joblib.numpy_pickle" in data or b"NDArrayWrapper" in data
    path = stem.with_suffix(".joblib" if arrays or data.startswith(_COMPRESSED) else ".pkl")
    path.write_bytes(data)
    archive = stem.with_suffix(".pt")
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in {"data.pkl": data, "byteorder": b"little", "version": b"3\n"}.items():
            file.writestr(f"archive/{name}", content)
    return {"pickle": str(path), "torch": str(archive)}


def _in_fork(action: Callable[[], bytes]) -> bytes:
    """Return what an action gives, nothing if it fails or ends the process."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            signal.alarm(30)
            os.close(reading)
            warnings.simplefilter("ignore")
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(action())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    return b"" if os.waitpid(process, 0)[1] else data
