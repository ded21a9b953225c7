# SPDX-License-Identifier: BSD-3-Clause
"""Every way by which the tests let somebody else's code unpickle bytes or an object."""

import _pickle
import bz2
import gzip
import io
import lzma
import pickle
import shelve
import zipfile
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import zstandard
from pandas.compat.pickle_compat import Unpickler as PandasUnpickler

# The lambdas look a function up when they are called: by then a guard may have replaced it.
# ruff: noqa: PLW0108


class Earlier(pickle.Unpickler):
    """Made from the C class before any guard was open."""


class EarlierOfPython(pickle._Unpickler):
    """The same of Python's."""


class OneWay(io.RawIOBase):
    """A file that cannot seek, as a socket."""

    def __init__(self, data):
        self._inner = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self._inner.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def path(name, data):
    Path(name).write_bytes(data)
    return name


def later(stream):
    class Later(pickle.Unpickler):
        pass

    return Later(stream).load()


def npz(data):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    with zipfile.ZipFile("members.npz", "w") as archive:
        archive.writestr("a.npy", header.getvalue() + data)
    return np.load("members.npz", allow_pickle=True)["a"]


def npy(data):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    return np.load(path("array.npy", header.getvalue() + data), allow_pickle=True)


def shelf(data):
    with shelve.open("shelf") as opened:
        opened.dict[b"a"] = data
        return opened["a"]


def zipped(data):
    with zipfile.ZipFile("frame.pkl.zip", "w") as archive:
        archive.writestr("frame.pkl", data)
    return pd.read_pickle("frame.pkl.zip")


def opened(data):
    with Path(path("model.pkl", data)).open("rb") as file:
        return pickle.load(file)


def joblib_opened(data):
    with Path(path("model.joblib", data)).open("rb") as file:
        return joblib.load(file)


# Take any pickle.
BYTES = {
    "pickle.loads": lambda data: pickle.loads(data),
    "pickle.loads of a bytearray": lambda data: pickle.loads(bytearray(data)),
    "pickle.load": lambda data: pickle.load(io.BytesIO(data)),
    "pickle.load of a file": opened,
    "pickle.load one way": lambda data: pickle.load(io.BufferedReader(OneWay(data))),
    "pickle.Unpickler": lambda data: pickle.Unpickler(io.BytesIO(data)).load(),
    "pickle._loads": lambda data: pickle._loads(data),
    "pickle._load": lambda data: pickle._load(io.BytesIO(data)),
    "pickle._Unpickler": lambda data: pickle._Unpickler(io.BytesIO(data)).load(),
    "_pickle.loads": lambda data: _pickle.loads(data),
    "_pickle.load": lambda data: _pickle.load(io.BytesIO(data)),
    "_pickle.Unpickler": lambda data: _pickle.Unpickler(io.BytesIO(data)).load(),
    "a subclass made before": lambda data: Earlier(io.BytesIO(data)).load(),
    "a subclass made meanwhile": lambda data: later(io.BytesIO(data)),
    "a subclass of Python's": lambda data: EarlierOfPython(io.BytesIO(data)).load(),
    "cloudpickle.loads": lambda data: cloudpickle.loads(data),
    "cloudpickle.load": lambda data: cloudpickle.load(io.BytesIO(data)),
    "joblib.load": lambda data: joblib.load(path("model.joblib", data)),
    "joblib.load of a path": lambda data: joblib.load(Path(path("model.joblib", data))),
    "joblib.load of a file": joblib_opened,
    "joblib.numpy_pickle.load": lambda data: joblib.numpy_pickle.load(path("m.joblib", data)),
    "joblib's own unpickler": lambda data: joblib.numpy_pickle.NumpyUnpickler(
        "", io.BytesIO(data), ensure_native_byte_order=True
    ).load(),
    "numpy.load": lambda data: np.load(path("model.pkl", data), allow_pickle=True),
    "pandas.read_pickle": lambda data: pd.read_pickle(path("frame.pkl", data)),
    "pandas.read_pickle, gzip": lambda data: pd.read_pickle(path("f.pkl.gz", gzip.compress(data))),
    "pandas.read_pickle, bz2": lambda data: pd.read_pickle(path("f.pkl.bz2", bz2.compress(data))),
    "pandas.read_pickle, xz": lambda data: pd.read_pickle(path("f.pkl.xz", lzma.compress(data))),
    "pandas.read_pickle, zstd": lambda data: pd.read_pickle(
        path("f.pkl.zst", zstandard.compress(data))
    ),
    "pandas.read_pickle, zip": zipped,
    "pandas' own unpickler": lambda data: PandasUnpickler(io.BytesIO(data)).load(),
    "shelve": shelf,
}
# Want an array in the pickle, or give one back whatever was in it.
ARRAYS = {"numpy.load of .npy": npy, "numpy.load of .npz": npz}
ALL = BYTES | ARRAYS
