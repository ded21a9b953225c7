# SPDX-License-Identifier: BSD-3-Clause
"""The one place that imports ONNX Runtime, told before to keep no record.

Floor 2.  Builds of ONNX Runtime from 1.31 keep a device id and a database of events in the user's
cache folder unless ``ORT_DISABLE_TELEMETRY`` is set before they are loaded.
"""

from __future__ import annotations

import os
from typing import Any, Final

_SWITCH: Final = "ORT_DISABLE_TELEMETRY"


def runtime() -> Any:
    """Return the module ``onnxruntime``.

    The switch is set in this process's environment, so that its children inherit it, unless the
    user has set it to something else.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    os.environ.setdefault(_SWITCH, "1")
    import onnxruntime

    return onnxruntime
