# SPDX-License-Identifier: BSD-3-Clause
"""What takes the place of names that libraries have given up, where a rename does not do.

Floor 5.  A file of an older version names a function or writes a state that is no more; what is
there today does the same.  Each entry is made when a file asks for it, of libraries that the file's
names have been admitted for.
"""

from __future__ import annotations

import copyreg
import datetime
import functools
from collections.abc import Callable
from typing import Any, Final

from safeserial.errors import InvalidStateError
from safeserial.policy import Name

_LOSSES: Final = "sklearn._loss._loss"
_MAKERS: Final = "__pyx_unpickle_Cy"
_STILL_THERE: Final = "CyHalfMultinomialLoss"
# Where pandas before 3 said that its dtypes of numbers with gaps are.
_MASKED: Final = frozenset(
    f"pandas.core.arrays.{one}" for one in ("boolean", "floating", "integer")
)


def successor(name: Name) -> Any:
    """Return what stands for an admitted name that no library has any more, None for others.

    Parameters
    ----------
    name : (module, qualname)
        Resolved, on the allowlist.
    """
    if name[0] == _LOSSES and name[1].startswith(_MAKERS) and not name[1].endswith(_STILL_THERE):
        return _make_loss
    if name[0] in _MASKED and name[1].endswith("Dtype"):
        return _masked_dtype(name[1])
    make = _SUCCESSORS.get(name)
    return None if make is None else make()


def _make_loss(kind: Any, checksum: object, state: object) -> Any:
    """Make a compiled loss of its numbers, as ``__pyx_unpickle_...`` did up to scikit-learn 1.5."""
    del checksum
    numbers = () if state is None else state
    if not isinstance(kind, type) or kind.__module__ != _LOSSES or type(numbers) is not tuple:
        raise InvalidStateError("a loss is made of its class and numbers")
    if not all(type(one) in {int, float} for one in numbers):
        raise InvalidStateError(f"{kind.__qualname__} is made of numbers")
    return kind(*numbers)


@functools.cache
def _masked_dtype(qualname: str) -> Any:
    """Return a class whose instances become a dtype of pandas, whatever state they are given.

    Such a dtype has no parameters: up to pandas 2 its state was a cache of what is asked of it.
    One that was asked nothing has no state; it stays of this class, and is saved as pandas' own.
    """
    import pandas as pd

    kind: Any = getattr(pd, qualname)

    def take_no_state(self: Any, state: object) -> None:
        del state
        self.__class__ = kind

    def reduce(self: object, protocol: object) -> tuple[Any, ...]:
        del self, protocol
        return copyreg._reconstructor, (kind, object, None)  # type: ignore[attr-defined]  # noqa: SLF001 - as pickle names it

    own = {"__setstate__": take_no_state, "__reduce_ex__": reduce, "__module__": __name__}
    return type(qualname, (kind,), own)


def _passthrough_scorer() -> Any:
    # Called with the estimator: that it is also made of one matters to metadata routing only.
    from sklearn.metrics import _scorer

    return _scorer._PassthroughScorer(None)  # noqa: SLF001 - the successor is private as well


def _utc() -> Callable[[], datetime.timezone]:
    return lambda: datetime.UTC


_SUCCESSORS: Final[dict[Name, Callable[[], Any]]] = {
    ("sklearn.metrics._scorer", "_passthrough_scorer"): _passthrough_scorer,
    ("pytz", "_UTC"): _utc,
}


def is_spline(found: object) -> bool:
    """Say whether an object is SciPy's class of splines."""
    named = ("scipy.interpolate._bsplines", "BSpline")
    return isinstance(found, type) and (found.__module__, found.__qualname__) == named


@functools.cache
def spline(kind: Any) -> type:
    """Return a class whose instances become a BSpline, of a state before SciPy 1.15 as well.

    Since then a spline keeps a function that makes its arrays, without which it cannot be asked
    anything.
    """

    def take_state(self: Any, state: object) -> None:
        if not isinstance(state, dict):
            raise InvalidStateError("a spline's state is a dict")
        vars(self).update(state)
        self.__class__ = kind
        own = vars(self)
        if "t" in own and "_t" not in own:
            today = kind.construct_fast([0.0], [0.0], 0)
            own["_t"], own["_c"] = own.pop("t"), own.pop("c", None)
            if hasattr(today, "_asarray"):
                own["_asarray"] = today._asarray  # noqa: SLF001 - what a new one has

    return type(kind.__name__, (kind,), {"__setstate__": take_state, "__module__": __name__})
