# SPDX-License-Identifier: BSD-3-Clause
"""Gradient boosting models of native libraries: held back until their bytes have been looked at.

Floor 5.  ``__setstate__`` of these classes hands bytes of the state to a C++ parser while the
stream is still being read.  So the unpickler gets a class that only keeps the state.  When the
stream has ended, and nothing in it can change a state any more, all states are checked at once;
then each object becomes what it stands for, and is given its state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from safeserial.codecs.distributions import Discarded
from safeserial.errors import (
    ForbiddenOperationError,
    InvalidStateError,
    LimitExceededError,
    SafeSerialError,
)
from safeserial.policy import Name

# Takes classes and the states that they are about to be given; refuses by raising.
Check = Callable[[Sequence[tuple[type, Any]]], None]

HELD_BACK: Final[frozenset[Name]] = frozenset(
    {
        ("catboost.core", "_CatBoostBase"),
        ("lightgbm.basic", "Booster"),
        ("xgboost.core", "Booster"),
    }
)
# Where training went on from another model, LightGBM's booster keeps a predictor without its
# model, of no use; its __del__ frees whatever handle its state gives.
_PREDICTOR: Final = ("lightgbm.basic", "_InnerPredictor")
_KEPT_PREDICTOR: Final = "_Booster__init_predictor"
# Attributes of XGBoost's booster up to 1.7; properties since, which nothing in a state can replace.
_NOW_COMPUTED: Final = frozenset({"best_iteration", "best_score"})


class Pending:
    """An object held back; one that survives in a model is refused by the validators."""


class Boosters:
    """The objects of one payload that are held back.

    Parameters
    ----------
    check : callable, optional
        Looks at the states; None where a signature vouches for them.
    forbidden : bool, default=False
        Whether such objects are refused altogether.
    """

    def __init__(self, check: Check | None = None, *, forbidden: bool = False) -> None:
        self._check = check
        self._forbidden = forbidden
        self._kinds: dict[type, type] = {}
        self._waiting: list[tuple[Any, type, Any]] = []

    def stand_in(self, found: Any) -> Any:
        """Return what the unpickler is given for an object of a library: mostly the object.

        Raises
        ------
        ForbiddenOperationError
            If it is such a class and the policy forbids them.
        """
        if not isinstance(found, type):
            return found
        names = {(base.__module__, base.__qualname__) for base in found.__mro__}
        if _PREDICTOR in names:
            return Discarded
        if names.isdisjoint(HELD_BACK):
            return found
        if self._forbidden:
            name = f"{found.__module__}.{found.__qualname__}"
            raise ForbiddenOperationError(
                f"{name} is read by a native parser, which the policy forbids",
                global_name=name,
                hint='native_parsers = "check" in the policy, if models of this library are wanted',
            )
        if found not in self._kinds:
            self._kinds[found] = self._pending(found)
        return self._kinds[found]

    def _pending(self, kind: type) -> type:
        def keep_state(one: Any, state: Any) -> None:
            self._waiting.append((one, kind, state))

        return type(kind.__name__, (Pending,), {"__setstate__": keep_state})

    def settle(self) -> None:
        """Check the states that were kept, and give each to its object.

        Raises
        ------
        InvalidStateError
            If a state is not one that the library itself would have written, or is refused by it.
        """
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        states = [(one, kind, _own(kind, state)) for one, kind, state in waiting]
        self._look_at([(kind, state) for _, kind, state in states])
        for one, kind, state in states:
            vars(one).clear()
            one.__class__ = kind
            try:
                one.__setstate__(state)
            except (SafeSerialError, Warning):
                raise
            except MemoryError:
                raise LimitExceededError("there is not enough memory for a booster") from None
            except Exception as error:
                package = kind.__module__.partition(".")[0]
                raise InvalidStateError(
                    f"the {package} installed here does not accept the state of a"
                    f" {kind.__qualname__} ({type(error).__name__}: {error})"[:400],
                    hint=f"the model may come from another version of {package}",
                ) from error

    def _look_at(self, states: list[tuple[type, Any]]) -> None:
        if self._check is None:
            return
        try:
            self._check(states)
        except (SafeSerialError, Warning):
            raise
        except MemoryError:
            raise LimitExceededError("there is not enough memory to check a booster") from None
        except Exception as error:
            raise InvalidStateError(
                f"a booster's state is not what its class keeps ({type(error).__name__}: {error})"[
                    :300
                ]
            ) from error


def _own(kind: type, state: Any) -> dict[str, Any]:
    """Return a state of this object's own: the libraries change what they are given."""
    if type(state) is not dict or not all(type(key) is str for key in state):
        raise InvalidStateError(f"the state of a {kind.__qualname__} is no dict of attributes")
    own = dict(state)
    if type(own.get(_KEPT_PREDICTOR)) is Discarded:
        own[_KEPT_PREDICTOR] = None
    for key in _NOW_COMPUTED & own.keys():
        if isinstance(getattr(kind, key, None), property):
            del own[key]
    return own
