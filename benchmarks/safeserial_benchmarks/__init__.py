# SPDX-License-Identifier: BSD-3-Clause
"""Benchmarks: formats compared on any model, and what signing costs beside pickle and joblib.

``safeserial bench`` and :func:`compare_formats` compare formats;
``python -m safeserial_benchmarks`` watches over the cost of loading and saving.
benchmarks/README.md says how to read the results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safeserial_benchmarks.formats.comparing import FormatComparison as FormatComparison
    from safeserial_benchmarks.formats.comparing import compare_formats as compare_formats
    from safeserial_benchmarks.formats.display import (
        FormatComparisonDisplay as FormatComparisonDisplay,
    )

_HOMES = {
    "FormatComparison": "safeserial_benchmarks.formats.comparing",
    "FormatComparisonDisplay": "safeserial_benchmarks.formats.display",
    "compare_formats": "safeserial_benchmarks.formats.comparing",
}

__all__ = ["FormatComparison", "FormatComparisonDisplay", "compare_formats"]


def __getattr__(name: str) -> Any:
    import importlib

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
