# SPDX-License-Identifier: BSD-3-Clause
"""scipy.stats distributions, rebuilt from the installed library instead of from a stream.

Floor 5.  ``rv_generic.__setstate__`` runs ``exec`` on a template that is part of the state
(scipy/stats/_distn_infrastructure.py, ``_attach_argparser_methods``), so no state from outside is
ever used: a model names one of SciPy's own distributions, and gets a new one of it.  Frozen
distributions, which a RandomizedSearchCV keeps, hold plain numbers beside it.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from safeserial.errors import InvalidStateError
from safeserial.policy import Name
from safeserial.verifier.rules import STR_METHODS


class Discarded:
    """Takes the place of what a distribution's state mentions and nobody will use.

    The state of a discrete distribution holds ``numpy.vectorize(distribution._entropy)``; the whole
    state is dropped.  One that survives in a model is refused by the validators.
    """

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


def _method(owner: object, name: object) -> object:
    """Return a method of str by its name; of a distribution nothing is looked up."""
    return getattr(str, str(name)) if owner is str and name in STR_METHODS else None


STAND_INS: Final[dict[Name, Any]] = {
    ("builtins", "getattr"): _method,
    ("numpy", "vectorize"): Discarded,
}
_MODULES: Final = frozenset({"scipy.stats._continuous_distns", "scipy.stats._discrete_distns"})


def is_distribution(found: object) -> bool:
    """Say whether an object is the class of one of SciPy's distributions."""
    return (
        isinstance(found, type) and found.__module__ in _MODULES and found.__name__[-4:] == "_gen"
    )


@functools.cache
def stand_in(kind: type) -> type:
    """Return a class whose instances become fresh distributions of `kind` when given any state.

    Parameters
    ----------
    kind : type
        Class of a distribution, for instance ``scipy.stats._continuous_distns.uniform_gen``.

    Returns
    -------
    type
        For the unpickler to make an instance of, in the place of `kind`.

    Raises
    ------
    InvalidStateError
        If scipy.stats has no distribution of this class.
    """
    import scipy.stats

    own: list[Any] = [one for one in vars(scipy.stats).values() if type(one) is kind]
    if not own:
        raise InvalidStateError(f"scipy.stats has no distribution of class {kind.__qualname__}")
    parameters = own[0]._updated_ctor_param()  # noqa: SLF001 - as rv_frozen does

    def take_no_state(self: Any, state: object) -> None:
        del state
        vars(self).update(vars(kind(**parameters)))
        self.__class__ = kind

    return type(kind.__name__, (kind,), {"__setstate__": take_no_state, "__module__": __name__})
