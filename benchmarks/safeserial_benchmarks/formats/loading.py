# SPDX-License-Identifier: BSD-3-Clause
"""How a model is loaded from each format; libraries are imported where they are used."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from safeserial_benchmarks.formats.catalogue import Format
from safeserial_benchmarks.formats.place import Place


def loader(form: Format, place: Place) -> Callable[[], Any]:
    """Return what loads the model of a format; it imports and opens nothing before it is called."""
    load, path = _LOADERS[form.family], place.output(form.key) / "model"
    return lambda: load(form, place, path)


def _load_pickle(form: Format, place: Place, path: Path) -> Any:
    import pickle

    del form, place
    with path.open("rb") as stream:
        return pickle.load(stream)


def _load_cloudpickle(form: Format, place: Place, path: Path) -> Any:
    import cloudpickle

    del form, place
    with path.open("rb") as stream:
        return cloudpickle.load(stream)


def _load_joblib(form: Format, place: Place, path: Path) -> Any:
    import joblib

    del form, place
    return joblib.load(path)


def _load_joblib_zstd(form: Format, place: Place, path: Path) -> Any:
    import joblib
    import zstandard

    del form, place
    with path.open("rb") as stream, zstandard.ZstdDecompressor().stream_reader(stream) as plain:
        return joblib.load(io.BytesIO(plain.read()))  # joblib goes back to the start of its stream


def _load_skops(form: Format, place: Place, path: Path) -> Any:
    import skops.io

    return skops.io.load(path, trusted=_trusted(form, place))


def _load_onnx(form: Format, place: Place, path: Path) -> Any:
    import onnxruntime

    del form, place
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _load_safeserial(form: Format, place: Place, path: Path) -> Any:
    import safeserial as ss

    ring = place.ring(form.how["signer"])
    onnx = form.how["payload"] == "onnx"
    trusted = _trusted(form, place) if onnx else place.facts()["trusted"]
    return ss.load(path, keyring=ring, trusted=trusted)


def _trusted(form: Format, place: Place) -> list[str]:
    names: list[str] = json.loads(place.trusted(form.key).read_text("utf-8"))
    return names


def _load_npz(form: Format, place: Place, path: Path) -> Any:
    import numpy as np

    del form, place
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def _load_safetensors(form: Format, place: Place, path: Path) -> Any:
    from safetensors.numpy import load_file

    del form, place
    return load_file(path)


def _load_modelstamp(form: Format, place: Place, path: Path) -> Any:
    import modelstamp

    del form
    stamped = path.with_suffix(".joblib")
    return modelstamp.load(stamped, return_manifest=False, signing_key=place.stamp_key())


def _load_mlflow(form: Format, place: Place, path: Path) -> Any:
    import mlflow.sklearn

    del form, place
    return mlflow.sklearn.load_model(str(path))


_LOADERS: Final[Mapping[str, Callable[[Format, Place, Path], Any]]] = {
    "pickle": _load_pickle,
    "cloudpickle": _load_cloudpickle,
    "joblib": _load_joblib,
    "joblib-zstd": _load_joblib_zstd,
    "skops": _load_skops,
    "onnx": _load_onnx,
    "safeserial": _load_safeserial,
    "npz": _load_npz,
    "safetensors": _load_safetensors,
    "modelstamp": _load_modelstamp,
    "mlflow": _load_mlflow,
}
