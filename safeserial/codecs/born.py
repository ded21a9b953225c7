# SPDX-License-Identifier: BSD-3-Clause
"""Objects of pandas are checked when they are made: others in the stream may use them at once.

Floor 5.  Constructors of pandas, and properties of SciPy's interpolators, make arrays of what they
are given while the stream is still being read, long before the walk of the validators.  A
categorical whose codes leave its categories ends the process there.  So what compiled code would
read is checked as soon as it has its state, and one that gets none is empty.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from safeserial.errors import InvalidStateError
from safeserial.policy import Name
from safeserial.validators.registry import VALIDATORS

_LIBRARY: Final = "pandas"
# Of texts that constructors take apart, some in quadratic time.
_LONGEST: Final = 200
# Where the state of a frame's manager has its axes and blocks, in every version of pandas since.
_FRAME_STATE, _FRAME_FORM = 3, "0.14.1"
_MOST_PLACES: Final = 2**27
_OPTIONS: Final = frozenset({"freq", "tz", "closed", "dtype"})


def checked(found: Any) -> Any:
    """Return what makes the same objects, but checks each; what is not of pandas, as it is."""
    module = getattr(found, "__module__", None)
    if type(module) is not str or module.partition(".")[0] != _LIBRARY:
        return found
    make = _MAKERS.get(getattr(found, "__name__", ""))
    if make is not None:
        return make(found)
    return _stand_in(found) if isinstance(found, type) and _is_filled(found) else found


def _check(made: Any) -> None:
    names: list[Name] = [(base.__module__, base.__qualname__) for base in type(made).__mro__]
    for check in dict.fromkeys(VALIDATORS[name] for name in names if name in VALIDATORS):
        check(made)


def _is_filled(kind: type) -> bool:
    """Say whether instances are made first and filled afterwards, and compiled code reads them."""
    from pandas.api.extensions import ExtensionArray
    from pandas.core.internals.managers import BlockManager, SingleBlockManager

    return issubclass(kind, ExtensionArray | BlockManager | SingleBlockManager)


@functools.cache
def _stand_in(kind: Any) -> type:
    """Return a class whose instances become those of `kind`, and are checked, with their state."""
    manages = kind.__name__.endswith("BlockManager")

    def take(self: Any, state: Any) -> None:
        self.__class__ = kind
        if manages:
            _is_frame(state[_FRAME_STATE][_FRAME_FORM])
        else:
            _look_at(state)
        if hasattr(kind, "__setstate__"):
            kind.__setstate__(self, state)
        elif isinstance(state, dict):
            vars(self).update(state)
        else:
            raise InvalidStateError(f"the state of a {kind.__qualname__} is a dict")
        own = getattr(self, "__dict__", {})
        if "_cache" in own:
            own["_cache"] = {}  # answers to questions that pandas can ask once more
        _check(self)

    def begin(self: Any, *arguments: Any, **named: Any) -> None:
        self.__class__ = kind
        if manages:
            _are_indexes(arguments[1])
        kind.__init__(self, *arguments, **named)
        _check(self)

    def make(cls: Any, *arguments: Any) -> Any:
        made = kind.__new__(cls, *arguments)
        _fill(made, kind)
        return made

    own = {"__setstate__": take, "__init__": begin, "__slots__": (), "__module__": __name__}
    if _is_backed(kind):
        own["__new__"] = make
    return type("Unbuilt", (kind,), own)


def _look_at(state: Any) -> None:
    """Refuse categories that are neither an index nor an array: a list would be made of them."""
    import numpy as np
    import pandas as pd

    for part in state if isinstance(state, tuple) else (state,):
        if isinstance(part, dict):
            for key in ("_categories", "categories"):
                if not isinstance(part.get(key), pd.Index | np.ndarray | None):
                    raise InvalidStateError("categories are an index")


def _is_frame(parts: Any) -> None:
    _are_indexes(parts["axes"])
    blocks = parts["blocks"]
    # Of other classes some never come to an end.
    if type(blocks) not in (list, tuple):
        raise InvalidStateError("the blocks of a frame are a list")
    items = len(parts["axes"][0])
    for block in blocks:
        _is_block(block["values"], block["mgr_locs"])
        # The manager writes at these places as soon as it has its state.
        if not _are_inside(block["mgr_locs"], items):
            raise InvalidStateError("a block of a frame stands outside of its columns")


def _are_indexes(axes: Any) -> None:
    import pandas as pd

    if type(axes) not in (list, tuple) or not all(isinstance(one, pd.Index) for one in axes):
        raise InvalidStateError("the axes of a frame are indexes")


def _is_block(values: Any, places: Any) -> None:
    import numpy as np
    import pandas as pd
    from pandas.api.extensions import ExtensionArray

    if not isinstance(values, np.ndarray | ExtensionArray | pd.Index):
        raise InvalidStateError("a block of a frame holds an array")
    numbers = isinstance(places, np.ndarray) and places.ndim == 1 and places.dtype.kind in "iu"
    # Of True an array without dimensions is made, whose length compiled code then reads.
    if not numbers and type(places) not in (slice, int):
        raise InvalidStateError("a block of a frame stands at a slice of columns")


def _are_inside(places: Any, items: int) -> bool:
    import numpy as np

    if isinstance(places, slice):
        bounds = (places.start, places.stop, places.step)
        if not all(one is None or type(one) is int for one in bounds):
            return False
        start, stop, step = (0 if bounds[0] is None else bounds[0], bounds[1], bounds[2] or 1)
        # Where a slice counts backwards its end may be open, as pandas writes it.
        low = -1 if step < 0 else 0
        return 0 <= start <= items and (stop is None or low <= stop <= items)
    found = np.atleast_1d(np.asarray(places))
    whole = found.ndim == 1 and found.dtype.kind in "iu"
    return whole and (not found.size or bool(found.min() >= 0 and found.max() < items))


def _is_backed(kind: type) -> bool:
    from pandas._libs.arrays import NDArrayBacked

    return issubclass(kind, NDArrayBacked)


def _fill(made: Any, kind: type) -> None:
    """Give an array that has no state yet an empty one: compiled code would copy nothing at all."""
    import numpy as np
    import pandas as pd
    from pandas._libs.arrays import NDArrayBacked

    empty: dict[str, tuple[Any, Any]] = {
        "Categorical": (np.empty(0, np.int8), pd.CategoricalDtype([], ordered=False)),
        "DatetimeArray": (np.empty(0, "M8[ns]"), np.dtype("M8[ns]")),
        "TimedeltaArray": (np.empty(0, "m8[ns]"), np.dtype("m8[ns]")),
        "PeriodArray": (np.empty(0, np.int64), pd.PeriodDtype("D")),
        "StringArray": (np.empty(0, object), pd.StringDtype("python")),
    }
    values, dtype = empty.get(kind.__name__, (np.empty(0), np.dtype("f8")))
    NDArrayBacked.__init__(made, values, dtype)


def _index_maker(make: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def made(cls: Any, arguments: Any) -> Any:
        for key in _OPTIONS.intersection(arguments):
            _is_short(arguments[key])
        index = make(cls, arguments)
        _check(index)
        return index

    return made


def _array_maker(make: Callable[..., Any]) -> Callable[..., Any]:
    def made(cls: Any, checksum: Any, state: Any) -> Any:
        array = make(cls, checksum, state)
        _fill(array, cls.__mro__[1])
        return array

    return made


def _places_maker(make: Callable[..., Any]) -> Callable[..., Any]:
    def made(length: int, *arrays: Any) -> Any:
        import numpy as np

        if not all(type(one) is np.ndarray for one in arrays):
            raise InvalidStateError("the places of a sparse array are arrays")
        places = make(length, *arrays)
        _check(places)
        # Whoever makes an ordinary array of one takes memory for all that are not there.
        if places.length > _MOST_PLACES:
            raise InvalidStateError(f"a sparse array of {places.length} places")
        return places

    return made


def _block_maker(make: Callable[..., Any]) -> Callable[..., Any]:
    def made(values: Any, places: Any, dimensions: int) -> Any:
        _is_block(values, places)
        return make(values, places, dimensions)

    return made


def _of_short_texts(make: Callable[..., Any]) -> Callable[..., Any]:
    def made(*arguments: Any) -> Any:
        for one in arguments:
            _is_short(one)
        return make(*arguments)

    return made


def _is_short(value: object) -> None:
    if isinstance(value, str | bytes) and len(value) > _LONGEST:
        raise InvalidStateError(f"a text of {len(value)} characters is no date and no frequency")


# By their names: functions that make an index, an array to be filled, the places of a sparse array.
_MAKERS: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(
        ("_new_Index", "_new_DatetimeIndex", "_new_IntervalIndex", "_new_TimedeltaIndex"),
        _index_maker,
    ),
    "__pyx_unpickle_NDArrayBacked": _array_maker,
    "_unpickle_block": _block_maker,
    **dict.fromkeys(("BlockIndex", "IntIndex"), _places_maker),
    **dict.fromkeys(("Period", "PeriodDtype", "Interval", "_unpickle_timestamp"), _of_short_texts),
}
