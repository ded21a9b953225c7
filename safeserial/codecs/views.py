# SPDX-License-Identifier: BSD-3-Clause
"""Arrays made of the bytes beside them in fewer steps than NumPy takes.

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
    ``ndarray(buffer=...)`` would be one step less, but does not hold the buffer: a bytearray that
    stands elsewhere in the model, too, could be resized under the array.
    """
    import numpy as np

    flat_of = np.frombuffer

    def make(buffer: Any, dtype: Any, shape: Any, order: Any) -> Any:
        flat = flat_of(buffer, dtype)
        return flat if flat.shape == shape else flat.reshape(shape, order=order)

    return make
