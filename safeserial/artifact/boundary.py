# SPDX-License-Identifier: BSD-3-Clause
"""What leaves the library: errors that keep nothing of the file they are about.

Floor 6.  An exception holds the frames it went through, and they hold the payload's memory: who
keeps the error keeps gigabytes.  Worse, where such a cycle is collected, CPython 3.11 (all of it)
and 3.12 before 3.12.7 crash on its memoryviews (https://github.com/python/cpython/pull/123898).
So the frames are emptied; file names and line numbers of the traceback stay.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from safeserial.errors import SafeSerialError

_P = ParamSpec("_P")
_T = TypeVar("_T")


def emptied(error: BaseException) -> BaseException:
    """Empty the finished frames of an error and of those that it came from, and return it."""
    import traceback

    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        traceback.clear_frames(one.__traceback__)
        waiting += (one.__cause__, one.__context__)
    return error


def keeps_nothing(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Make a function's errors keep nothing of what it worked on."""

    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            emptied(error)
            raise

    return guarded


def name_version(error: SafeSerialError, version: str) -> None:
    """Say in an error about a model under which scikit-learn it was saved, where that is known.

    The likeliest reason for a state that does not fit, and the one thing that can be done about it.
    """
    if version:
        error.args = (f"saved under scikit-learn {version}: {error}", *error.args[1:])
        error.hint = f"pip install scikit-learn=={version}, load it there and save it again"
