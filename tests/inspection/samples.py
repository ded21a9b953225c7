# SPDX-License-Identifier: BSD-3-Clause
"""One small file of each kind that inspection knows, made byte by byte or by its own library."""

import io
import json
import pickle
import struct
import tarfile
import zipfile

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HOSTILE = b"cos\nsystem\n(S'rm -rf /'\ntR."
TORCH_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def pipeline():
    X = np.random.default_rng(0).normal(size=(40, 3))
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X[:, 0] > 0)


def pickled(protocol=4):
    return pickle.dumps(pipeline(), protocol)


def joblibbed(compress=0, thing=None):
    out = io.BytesIO()
    joblib.dump(pipeline() if thing is None else thing, out, compress=compress)
    return out.getvalue()


def zipped(members, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def tarred(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def npy(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


# ---------------------------------------------------------------- skops


def node(dotted, loader, content=None, **more):
    module, _, name = dotted.rpartition(".")
    made = {"__class__": name, "__module__": module, "__loader__": loader, **more}
    return made if content is None else {**made, "content": content}


def plain(value):
    return node("builtins.str", "JsonNode", json.dumps(value), is_json=True)


def skops_tree(**attributes):
    content = node("builtins.dict", "DictNode", {"_sklearn_version": plain("1.5.2"), **attributes})
    root = node("sklearn.preprocessing._data.StandardScaler", "ObjectNode", content)
    return {**root, "protocol": 2, "_skops_version": "0.13.0"}


def skops(members=(), **attributes):
    schema = json.dumps(skops_tree(**attributes)).encode()
    return zipped([*members, ("schema.json", schema)])


def skops_array(name="1.npy"):
    return node("numpy.ndarray", "NdArrayNode", type="numpy", file=name)


# ---------------------------------------------------------------- ONNX


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name="w", dims=(2,), kind=1, raw=bytes(8), external=None):
    out = b"".join(field(1, one) for one in dims) + field(2, kind) + field(8, name)
    if external is None:
        return out + field(9, raw)
    return out + field(13, field(1, "location") + field(2, external)) + field(14, 1)


def value_info(name, size=3):
    dims = field(1, field(2, "N")) + field(1, field(1, size))
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def onnx(
    *, domain="ai.onnx.ml", op="LinearClassifier", tensors=None, attributes=b"", inputs=("x",)
):
    nodes = field(1, b"".join(field(1, one) for one in inputs) + field(2, "y") + field(4, op)
                  + field(7, domain) + attributes)  # fmt: skip
    held = b"".join(field(5, one) for one in ([tensor()] if tensors is None else tensors))
    graph = nodes + field(2, "g") + held + field(11, value_info("x")) + field(12, value_info("y"))
    opset = field(8, field(1, domain) + field(2, 3)) + field(8, field(2, 17))
    head = field(1, 8) + field(2, "skl2onnx") + field(3, "1.18")
    return head + field(7, graph) + opset + field(14, field(1, "author") + field(2, "me"))


# ---------------------------------------------------------------- others


def safetensors(header=None, data=bytes(24), pad=0):
    facts = header
    if facts is None:
        facts = {
            "__metadata__": {"format": "pt"},
            "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
            "b": {"dtype": "I64", "shape": [1], "data_offsets": [16, 24]},
        }
    text = json.dumps(facts).encode() + b" " * pad
    return struct.pack("<Q", len(text)) + text + data


def torch_pickle(middle=b""):
    """A state dict of one tensor, as torch.save writes it."""
    storage = (
        b"(X\x07\x00\x00\x00storageq\x02ctorch\nFloatStorage\nq\x03"
        b"X\x01\x00\x00\x000q\x04X\x03\x00\x00\x00cpuq\x05K\x02tq\x06Q"
    )
    rebuilt = (
        b"ctorch._utils\n_rebuild_tensor_v2\nq\x01(" + storage + b"K\x00K\x02\x85q\x07K\x01\x85"
    )
    rebuilt += b"q\x08\x89ccollections\nOrderedDict\nq\x09)Rq\x0atq\x0bRq\x0c"
    return b"\x80\x02}q\x00X\x01\x00\x00\x00w" + b"q\x0d" + rebuilt + b"s" + middle + b"."


def pytorch(data=None, more=()):
    members = [("archive/data.pkl", torch_pickle() if data is None else data)]
    return zipped([*members, ("archive/data/0", bytes(8)), ("archive/version", b"3\n"), *more])


def torch_legacy(last=None):
    facts = pickle.dumps({"protocol_version": 1001, "little_endian": True}, 2)
    return TORCH_MAGIC + pickle.dumps(1001, 2) + facts + (last or torch_pickle()) + bytes(16)


def keras(layers=()):
    config = {"module": "keras", "class_name": "Sequential", "config": {"layers": list(layers)}}
    facts = {"keras_version": "3.4.1", "date_saved": "2025-01-01"}
    members = {"config.json": config, "metadata.json": facts}
    files = [(name, json.dumps(one)) for name, one in members.items()]
    return zipped([*files, ("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(100))])


def gguf(template=None):
    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()

    settings = [("general.architecture", "llama")]
    settings += [("tokenizer.chat_template", template)] if template else []
    table = b"".join(text(key) + struct.pack("<I", 8) + text(value) for key, value in settings)
    info = text("w") + struct.pack("<IQIQ", 1, 4, 0, 0)
    front = b"GGUF" + struct.pack("<IQQ", 3, 1, len(settings)) + table + info
    return front + bytes(-len(front) % 32 + 16)


def all_kinds():
    """One honest file of each kind."""
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["x", "yz"])}
    return {
        "pickle": pickled(),
        "pickle 0": pickle.dumps({"a": [1, 2.5, "x"]}, 0),
        "joblib": joblibbed(),
        "joblib (zlib)": joblibbed(3),
        "joblib (gzip)": joblibbed(("gzip", 3)),
        "joblib (bz2)": joblibbed(("bz2", 3)),
        "joblib (xz)": joblibbed(("xz", 3)),
        "joblib (lzma)": joblibbed(("lzma", 3)),
        "joblib (lz4)": joblibbed(("lz4", 3)),
        "skops": skops([("1.npy", npy(np.zeros(3)))], mean_=skops_array()),
        "onnx": onnx(),
        "npy": npy(arrays["a"]),
        "npz": npz(**arrays),
        "safetensors": safetensors(),
        "pytorch": pytorch(),
        "pytorch (before 1.6)": torch_legacy(),
        "keras": keras(),
        "gguf": gguf(),
        "tar": tarred([("m/model.pkl", pickled())]),
        "zip": zipped([("m/model.pkl", pickled()), ("README", b"hello")]),
        "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(200),
    }
