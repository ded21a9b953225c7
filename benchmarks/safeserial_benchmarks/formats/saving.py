# SPDX-License-Identifier: BSD-3-Clause
"""How a model is saved in each format; libraries are imported where they are used.

Every saver writes into a folder of its own, and makes what it wrote durable before it returns: a
signed artifact is always synchronized to the disk, so the others are, too.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from safeserial_benchmarks.formats import stopwatch
from safeserial_benchmarks.formats.asking import take
from safeserial_benchmarks.formats.catalogue import Format
from safeserial_benchmarks.formats.place import Place

_COSTLY: Final = 5.0  # seconds


class CannotHoldError(Exception):
    """The format is for another kind of object."""


def save(form: Format, model: Any, place: Place, into: Path) -> None:
    """Save a model into an empty folder, durably.

    Raises
    ------
    CannotHoldError
        If the format is for another kind of object.
    Exception
        Whatever the library raises.
    """
    if form.holds == "arrays" and not is_arrays(model):
        raise CannotHoldError("holds arrays only")
    if form.holds == "estimators" and not hasattr(model, "get_params"):
        raise CannotHoldError("holds estimators only")
    _SAVERS[form.family](form, model, place, into / "model")
    if form.family != "safeserial":
        _synchronize(into)


def measure_save(
    form: Format, model: Any, place: Place, seconds: float, *, rehearsal: bool
) -> dict[str, Any]:
    """Return what saving takes, or, in the rehearsal, write the file that will be loaded.

    Parameters
    ----------
    form : Format
        How.
    model : object
        The reference model.
    place : Place
        Where.
    seconds : float
        Budget of the timed calls.
    rehearsal : bool
        Whether this is the first, untimed save.

    Returns
    -------
    dict
        Size of the file and modules imported, or values.
    """
    if rehearsal:
        known = set(sys.modules)
        into = _empty(place.output(form.key))
        save(form, model, place, into)
        size = sum(one.stat().st_size for one in into.rglob("*") if one.is_file())
        return {"bytes": size, "modules": [name for name in sys.modules if name not in known]}
    into = _empty(place.folder / f"{form.key}.again")

    def once() -> None:
        save(form, model, place, into)

    begun = time.perf_counter()
    _, growth = stopwatch.Peak().of(once)
    first = time.perf_counter() - begun
    times = [first]
    if first < _COSTLY:  # the first save also warms up; what takes that long needs no warming
        _empty(into)
        times = stopwatch.repeat(once, seconds, after=lambda: _empty(into))
    shutil.rmtree(into)
    return {"values": {"save": times, "peak_save": [growth]}}


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def is_arrays(model: Any) -> bool:
    """Tell whether an object is a mapping of names to plain arrays."""
    return isinstance(model, dict) and all(
        isinstance(name, str)
        and getattr(one, "dtype", None) is not None
        and one.dtype.kind in "biuf"
        for name, one in model.items()
    )


def _synchronize(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDWR)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _save_pickle(form: Format, model: Any, place: Place, path: Path) -> None:
    del place
    with path.open("wb") as stream:
        pickle.dump(model, stream, form.how["protocol"])


def _save_cloudpickle(form: Format, model: Any, place: Place, path: Path) -> None:
    import cloudpickle

    del form, place
    with path.open("wb") as stream:
        cloudpickle.dump(model, stream)


def _save_joblib(form: Format, model: Any, place: Place, path: Path) -> None:
    import joblib

    del place
    compress = form.how.get("compress")
    joblib.dump(model, path, compress=tuple(compress) if compress else 0)


def _save_joblib_zstd(form: Format, model: Any, place: Place, path: Path) -> None:
    import joblib
    import zstandard

    del form, place
    with path.open("wb") as stream, zstandard.ZstdCompressor(3).stream_writer(stream) as squeezed:
        joblib.dump(model, squeezed)


def _save_skops(form: Format, model: Any, place: Place, path: Path) -> None:
    import skops.io

    skops.io.dump(model, path)
    _keep_trust(form, place, lambda: skops.io.get_untrusted_types(file=path))


def _save_onnx(form: Format, model: Any, place: Place, path: Path) -> None:
    import safeserial as ss

    result = ss.to_onnx(model, place.sample(), path, profile=form.how["profile"])
    _keep_feeds(result, place, form.key)


def _save_safeserial(form: Format, model: Any, place: Place, path: Path) -> None:
    import safeserial as ss

    ring = place.ring(form.how["signer"])
    if form.how["payload"] == "onnx":
        _keep_feeds(ss.to_onnx(model, place.sample(), path, keyring=ring), place, form.key)
        _keep_trust(form, place, lambda: ss.get_untrusted_types(path))  # domains of operators
        return
    ss.dump(
        model,
        path,
        keyring=ring,
        format=form.how["payload"],
        compression=form.how["compression"],
    )


def _keep_trust(form: Format, place: Place, names: Callable[[], Sequence[str]]) -> None:
    """Note, at the rehearsal, what has to be trusted to load the file: the model is the user's."""
    kept = place.trusted(form.key)
    if not kept.exists():
        kept.write_text(json.dumps(list(names())), "utf-8")


def _save_npz(form: Format, model: Any, place: Place, path: Path) -> None:
    import numpy as np

    del form, place
    with path.open("wb") as stream:
        np.savez(stream, **model)


def _save_safetensors(form: Format, model: Any, place: Place, path: Path) -> None:
    from safetensors.numpy import save_file

    del form, place
    save_file(dict(model), path)


def _save_modelstamp(form: Format, model: Any, place: Place, path: Path) -> None:
    import modelstamp

    del form
    modelstamp.save(
        model, path.with_suffix(".joblib"), include_git=False, signing_key=place.stamp_key()
    )


def _save_mlflow(form: Format, model: Any, place: Place, path: Path) -> None:
    import mlflow.sklearn

    del form, place
    mlflow.sklearn.save_model(
        model, path, serialization_format="cloudpickle", pip_requirements=["scikit-learn"]
    )


def _keep_feeds(result: Any, place: Place, key: str) -> None:
    """Keep the rows as the graph takes them: turning rows into tensors is not what is measured."""
    target = place.folder / f"{key}.feeds.pkl"
    if target.exists():
        return
    sample, many = place.sample(), place.facts()["many_rows"]
    feeds = {"sample": result.feed(sample), "one": result.feed(take(sample, 1))}
    feeds["many"] = result.feed(take(sample, many))
    target.write_bytes(pickle.dumps(feeds, 5))


_SAVERS: Final[Mapping[str, Callable[[Format, Any, Place, Path], None]]] = {
    "pickle": _save_pickle,
    "cloudpickle": _save_cloudpickle,
    "joblib": _save_joblib,
    "joblib-zstd": _save_joblib_zstd,
    "skops": _save_skops,
    "onnx": _save_onnx,
    "safeserial": _save_safeserial,
    "npz": _save_npz,
    "safetensors": _save_safetensors,
    "modelstamp": _save_modelstamp,
    "mlflow": _save_mlflow,
}
