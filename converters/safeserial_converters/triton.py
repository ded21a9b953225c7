# SPDX-License-Identifier: BSD-3-Clause
"""Model repositories of NVIDIA's Triton, which KServe takes too: an ONNX graph and its description.

Floor 7, beside the command line.  The layout and the fields are those of
https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_repository.md
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, Final

from safeserial.errors import ConversionError
from safeserial.files import StrPath, atomic_write
from safeserial_converters.convert import to_onnx
from safeserial_converters.result import ConversionResult

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_TYPES: Final = {
    "tensor(bool)": "BOOL",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "STRING",
    **{f"tensor(int{bits})": f"INT{bits}" for bits in (8, 16)},
    **{f"tensor(uint{bits})": f"UINT{bits}" for bits in (8, 16, 32, 64)},
    "tensor(float16)": "FP16",
}


def to_triton(
    model: Any, sample: Any, folder: StrPath, *, name: str | None = None, **order: Any
) -> ConversionResult:
    """Write a fitted model into a model repository, proved equal to the original.

    Parameters
    ----------
    model : estimator
        Fitted.
    sample : array, list of str or dict, or DataFrame
        As in :func:`to_onnx`.
    folder : str or path-like
        The repository; made if it is not there.  A model of the same name gets one more version.
    name : str, optional
        The model's name there.  Default: its class, in small letters.
    **order
        Further arguments of :func:`to_onnx`, except `path` and `keyring`.

    Returns
    -------
    ConversionResult
        Its `path` is the graph, ``<folder>/<name>/<version>/model.onnx``.

    Raises
    ------
    ConversionError
        If the name is none for a folder, or the model there has other inputs or outputs.
    UnsupportedModelError, ParityError
        As :func:`to_onnx`; nothing is written.
    """
    chosen = type(model).__name__.lower() if name is None else name
    if not _NAME.fullmatch(chosen):
        raise ConversionError(f"{chosen[:80]!r} is no name of a model", hint="letters and digits")
    result = to_onnx(model, sample, **order)
    home = Path(folder) / chosen
    described = _description(chosen, result)
    configuration = home / "config.pbtxt"
    if configuration.exists() and configuration.read_text("utf-8") != described:
        raise ConversionError(
            f"{configuration} describes a model with other inputs or outputs",
            hint="give it another name: versions of one model are asked in one way",
        )
    home.mkdir(parents=True, exist_ok=True)
    versions = [int(one.name) for one in home.iterdir() if one.name.isdigit()]
    place = home / str(max(versions, default=0) + 1)
    place.mkdir()
    path = place / "model.onnx"
    with atomic_write(path) as stream:
        stream.write(result.data)
    with atomic_write(configuration) as stream:
        stream.write(described.encode("utf-8"))
    return dataclasses.replace(result, path=path)


def _description(name: str, result: ConversionResult) -> str:
    session = result.session()
    lines = [f'name: "{name}"', 'platform: "onnxruntime_onnx"', "max_batch_size: 0"]
    for word, nodes in (("input", session.get_inputs()), ("output", session.get_outputs())):
        entries = [
            "  {\n"
            f"    name: {_quoted(node.name)}\n"
            f"    data_type: TYPE_{_TYPES[node.type]}\n"
            f"    dims: [ {', '.join(_size(one) for one in node.shape)} ]\n"
            "  }"
            for node in nodes
        ]
        lines.append(f"{word} [\n" + ",\n".join(entries) + "\n]")
    return "\n".join(lines) + "\n"


def _size(dimension: object) -> str:
    return str(dimension) if isinstance(dimension, int) else "-1"


def _quoted(text: str) -> str:
    """Return a string as protobuf's text format has it: bytes that are not plain in octal."""
    plain = (
        chr(one) if 32 <= one < 127 and one not in b'\\"' else f"\\{one:03o}"
        for one in text.encode("utf-8")
    )
    return '"' + "".join(plain) + '"'
