# SPDX-License-Identifier: BSD-3-Clause
"""Arrays made of the bytes beside them in one call, where NumPy makes three.

Floor 5.  A forest has 1,200 of them, and NumPy's own function takes a tenth of its loading.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from safeserial.policy import Name

FROMBUFFER: Final[frozenset[Name]] = frozenset(
    {("numpy._core.numeric", "_frombuffer"), ("numpy.core.numeric", "_frombuffer")}
)


@functools.cache
def frombuffer() -> Callable[..., Any]:
    """Return what takes the place of NumPy's function of this name.

    The verifier has admitted the call: no objects, as many bytes as the shape needs, "C" or "F".
    """
    import numpy as np

    ndarray = np.ndarray

    def make(buffer: Any, dtype: Any, shape: Any, order: Any) -> Any:
        if not dtype.itemsize:
            raise ValueError("itemsize cannot be zero in type")
        return ndarray(shape, dtype, buffer, 0, None, order)

    return make
