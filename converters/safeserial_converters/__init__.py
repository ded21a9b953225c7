# SPDX-License-Identifier: BSD-3-Clause
"""Converters: a model into a foreign format, one way, proved equal before it is handed out.

``to_onnx(model, sample, path)`` is the door; ``converts`` and ``inverts`` register converters of
your own.  Importing this package imports neither ONNX nor scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safeserial_converters.convert import to_onnx as to_onnx
    from safeserial_converters.parity import ParityReport as ParityReport
    from safeserial_converters.parity import Tolerance as Tolerance
    from safeserial_converters.registry import converts as converts
    from safeserial_converters.registry import inverts as inverts
    from safeserial_converters.result import ConversionResult as ConversionResult
    from safeserial_converters.skops_export import SkopsResult as SkopsResult
    from safeserial_converters.skops_export import to_skops as to_skops

_HOMES = {
    "ConversionResult": "safeserial_converters.result",
    "ParityReport": "safeserial_converters.parity",
    "SkopsResult": "safeserial_converters.skops_export",
    "Tolerance": "safeserial_converters.parity",
    "converts": "safeserial_converters.registry",
    "inverts": "safeserial_converters.registry",
    "to_onnx": "safeserial_converters.convert",
    "to_skops": "safeserial_converters.skops_export",
}

__all__ = [
    "ConversionResult",
    "ParityReport",
    "SkopsResult",
    "Tolerance",
    "converts",
    "inverts",
    "to_onnx",
    "to_skops",
]


def __getattr__(name: str) -> Any:
    import importlib

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
