# SPDX-License-Identifier: BSD-3-Clause
"""Large streams in memory are read as any file is; arrays beside bytes are those of NumPy."""

import io
import pickle
import random

import numpy as np
import pytest
from numpy._core.numeric import _frombuffer
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier

import safeserial as ss
from safeserial.codecs.reader import Reader, reader
from safeserial.codecs.views import frombuffer

X = np.random.default_rng(0).random((6000, 20))
Y = np.arange(len(X)) % 3
MODELS = {
    "arrays": KNeighborsClassifier(algorithm="brute").fit(X, Y),
    "array in Fortran's order": KNeighborsClassifier(algorithm="brute").fit(X.copy("F"), Y),
    "trees": RandomForestClassifier(60, random_state=0).fit(X[:300], Y[:300]),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", MODELS)
def test_large_files_nobody_signed_load(name, protocol, tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(MODELS[name], protocol))
    assert path.stat().st_size > 2**18
    loaded = ss.load_unsigned(path)
    assert (loaded.predict_proba(X[:50]) == MODELS[name].predict_proba(X[:50])).all()
    if name == "arrays":
        assert loaded._fit_X.flags.writeable


def framed(size, seed):
    """Return a stream with frames, what is too large for one, and lines outside of them."""
    source = random.Random(seed)
    parts = [source.randbytes(source.choice((3, 300, 70_000, 140_000))) for _ in range(size)]
    body = pickle.dumps([list(range(50)), *parts, "ä" * 90_000, list(range(3000)), "x" * 70_000], 4)
    lines = b"".join(b"I%d\n0" % source.getrandbits(source.choice((8, 12_000))) for _ in range(9))
    return body[:-1] + lines + b"."


@pytest.mark.parametrize("seed", range(6))
def test_a_reader_is_a_file(seed):
    stream = framed(12, seed)
    file = reader(memoryview(bytearray(stream)))
    assert isinstance(file, Reader)
    assert pickle.Unpickler(file).load() == pickle.loads(stream)
    assert file.read(1) == b""
    for cut in random.Random(seed).sample(range(2**18 + 1, len(stream)), 20):
        ended = outcome(Reader(memoryview(stream[:cut])))
        assert ended == outcome(io.BytesIO(stream[:cut]))


def outcome(file):
    try:
        pickle.Unpickler(file).load()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return type(error)
    return None


def test_a_stream_without_frames_is_read_from_a_copy():
    for data in (pickle.dumps(b"x" * 2**19, 3), pickle.dumps(b"x" * 100, 5)):
        assert isinstance(reader(memoryview(data)), io.BytesIO)


def test_arrays_are_those_of_numpy():
    for dtype in ("f8", "<i2", ">u4", "S3", "U2", "?", "M8[ns]", [("a", "i1"), ("b", "f4")]):
        kind = np.dtype(dtype)
        for shape in ((), (0,), (6,), (2, 3), (0, 4), (1, 2, 3)):
            for order in "CF":
                data = bytearray(range(256))[: int(np.prod(shape, dtype=int)) * kind.itemsize]
                for buffer in (data, bytes(data), memoryview(data)):
                    made, wanted = (
                        one(buffer, kind, shape, order) for one in (frombuffer(), _frombuffer)
                    )
                    assert made.tobytes() == wanted.tobytes()
                    assert (made.dtype, made.shape, made.strides) == (
                        wanted.dtype, wanted.shape, wanted.strides,
                    )  # fmt: skip
                    assert made.flags.writeable == wanted.flags.writeable
    with pytest.raises(ValueError, match="zero"):
        frombuffer()(b"", np.dtype("V0"), (3,), "C")
    with pytest.raises(ValueError, match="size"):
        frombuffer()(b"1234", np.dtype("f8"), (1,), "C")


@pytest.mark.parametrize("shape", [b"K\x04\x85", b"K\x02K\x02\x86"])
def test_no_bytes_are_resized_under_an_array(shape, tmp_path):
    """The stream has a bytearray twice: as an array's data, and as it is."""
    data = b"\x96" + (32).to_bytes(8, "little") + bytes(32) + b"\x94"
    unset = b"J\xff\xff\xff\xff" * 2
    dtype = b"cnumpy\ndtype\n\x8c\x02f8\x89\x88\x87R(K\x03\x8c\x01<NNN" + unset + b"K\0tb"
    array = b"cnumpy._core.numeric\n_frombuffer\n(" + data + dtype + shape + b"\x8c\x01CtR"
    path = tmp_path / "both.pkl"
    path.write_bytes(b"\x80\x05" + array + b"h\0\x86.")
    array, raw = ss.load_unsigned(path)
    assert array.nbytes == len(raw) == 32
    with pytest.raises(BufferError):
        raw.extend(bytes(2**20))
    array[...] = 1.0
    assert raw[6:8] == b"\xf0\x3f"
