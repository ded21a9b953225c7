# SPDX-License-Identifier: BSD-3-Clause
"""The one door to unpickling: the C unpickler, shut to every name the verifier did not admit.

Floor 5.  The verifier has proved what the stream does; `find_class` here is the second wall.  It
resolves names itself, because pickle's own resolving would rename them once more after the check.
"""

from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from safeserial.codecs import arrow, born, distributions, spatial, successors, views
from safeserial.codecs.boosters import Boosters
from safeserial.codecs.reader import reader
from safeserial.errors import (
    EnvironmentMismatchError,
    ForbiddenOperationError,
    InvalidStateError,
    LimitExceededError,
    SafeSerialError,
)
from safeserial.policy import Name
from safeserial.verifier import Admitted


class RestrictedUnpickler(pickle.Unpickler):
    """CPython's unpickler over admitted opcodes.

    Parameters
    ----------
    stream : bytes-like
        The admitted opcodes.
    names : mapping of (module, qualname) to (module, qualname)
        The admitted globals as the stream spells them, and where they are found today.
    persistent : callable
        Returns the object of a persistent id.
    buffers : iterable of memoryview
        Out-of-band buffers.
    stand_ins : mapping of (module, qualname) to object
        Globals that are replaced by something inert.
    boosters : Boosters, optional
        Holds back what native parsers read.  Default: such classes are refused.
    """

    def __init__(
        self,
        stream: memoryview | bytes,
        names: Mapping[Name, Name],
        *,
        persistent: Callable[[int], Any],
        buffers: Iterable[memoryview] = (),
        stand_ins: Mapping[Name, Any] | None = None,
        boosters: Boosters | None = None,
    ) -> None:
        # Found by the C code when it is set up, and called without a detour through Python.
        self.persistent_load = persistent  # type: ignore[method-assign]
        super().__init__(reader(stream), buffers=buffers)
        self.stream = stream
        self._find = finder(names, stand_ins=stand_ins, boosters=boosters)

    def find_class(self, module: str, qualname: str) -> Any:
        """Return the object of an admitted name, as :func:`finder` finds it."""
        return self._find(module, qualname)


def finder(
    names: Mapping[Name, Name],
    *,
    stand_ins: Mapping[Name, Any] | None = None,
    boosters: Boosters | None = None,
) -> Callable[[str, str], Any]:
    """Return the function that finds the objects of admitted names, and no others.

    Parameters
    ----------
    names, stand_ins, boosters
        As in :class:`RestrictedUnpickler`.

    Returns
    -------
    callable
        Given module and qualified name as the stream spells them.  Raises ForbiddenOperationError
        for a name that was not admitted: verifier and codec disagree, which must not happen.
    """
    replaced = {**distributions.STAND_INS, **arrow.STAND_INS, **(stand_ins or {})}
    held = Boosters(forbidden=True) if boosters is None else boosters

    def find(module: str, qualname: str) -> Any:
        resolved = names.get((module, qualname))
        if resolved is None:
            raise ForbiddenOperationError(
                f"the stream reached {module}.{qualname}, which was not admitted",
                global_name=f"{module}.{qualname}",
                hint="report this: the opcode verifier did not foresee it",
            )
        if resolved in replaced:
            return replaced[resolved]
        if resolved in views.FROMBUFFER:
            return views.frombuffer()
        today = successors.successor(resolved)
        if today is not None:
            return today
        return held.stand_in(inert(find_object(resolved)))

    return find


def inert(found: Any) -> Any:
    """Return what may be given a state in the place of a class whose own __setstate__ must not run.

    By the class's own name: whoever trusts it under another must not get its ``__setstate__``.
    """
    if distributions.is_distribution(found):
        return distributions.stand_in(found)
    if spatial.is_tree(found):
        return spatial.stand_in()
    if arrow.is_strings(found):
        return arrow.stand_in(found)
    return successors.spline(found) if successors.is_spline(found) else born.checked(found)


def find_object(name: Name) -> Any:
    """Import an admitted name.

    Parameters
    ----------
    name : (module, qualname)
        Resolved, on the allowlist.

    Returns
    -------
    object
        What the installed library has under it.

    Raises
    ------
    EnvironmentMismatchError
        If the library is missing, or this version of it has no such name.
    """
    module, qualname = name
    try:
        __import__(module)
        found = sys.modules[module]
        for part in qualname.split("."):
            found = getattr(found, part)
    except ImportError as error:
        missing = module.partition(".")[0]
        raise EnvironmentMismatchError(
            f"the payload needs {module}.{qualname}, which cannot be imported: {error}",
            differences=[(missing, "?", "")],
            hint=f"install the version of {missing} that the model was saved under",
        ) from None
    except AttributeError:
        package = module.partition(".")[0]
        raise EnvironmentMismatchError(
            f"the {package} installed here has no {module}.{qualname}",
            differences=[(package, "?", getattr(sys.modules.get(package), "__version__", ""))],
        ) from None
    return found


def refuse_outdated(admitted: Admitted) -> None:
    """Refuse states that the installed library would read in another form than they have.

    Raises
    ------
    EnvironmentMismatchError
        If the payload has one.
    """
    for module, qualname in sorted(admitted.outdated):
        package = module.partition(".")[0]
        raise EnvironmentMismatchError(
            f"{module}.{qualname} has a state that an earlier version wrote",
            differences=[(package, "?", getattr(sys.modules.get(package), "__version__", ""))],
        )


def load(unpickler: RestrictedUnpickler) -> Any:
    """Run an unpickler and give every failure one of the project's names.

    Raises
    ------
    InvalidStateError
        If a class refuses the state that the stream has for it.
    LimitExceededError
        If memory runs out.
    """
    return named(unpickler.load)


def named(build: Callable[[], Any]) -> Any:
    """Call what builds a model and give every failure one of the project's names, as `load` does.

    Raises
    ------
    InvalidStateError
        If a class refuses the state that the file has for it.
    LimitExceededError
        If memory runs out.
    """
    try:
        return build()
    except (SafeSerialError, Warning):  # a warning is raised only where the caller asked for that
        raise
    except MemoryError:
        raise LimitExceededError("there is not enough memory to build this model") from None
    except Exception as error:
        said = f"{type(error).__name__}: {_said(error)}"
        raise InvalidStateError(
            f"the installed libraries do not accept the state of this model ({said[:300]})",
            hint="the model may come from other library versions; see `safeserial inspect`",
        ) from error


def _said(error: Exception) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a KeyError prints the key, whose class is not ours
        return "(its message cannot be shown)"


# As pickle writes the key, and the opcode and length of the value: a short string or a long one.
_VERSION: Final = re.compile(
    rb"_sklearn_version(?:\x94|q.|r....)?(?:\x8c(.)|X(.)\0\0\0)([0-9.]+[0-9a-z.+]*)", re.DOTALL
)


def sklearn_version(stream: memoryview | bytes) -> str:
    """Return the scikit-learn version that a stream names, ``""`` where it names none."""
    found = _VERSION.search(stream)
    if found is None:
        return ""
    return found[3][: (found[1] or found[2])[0]].decode("ascii")
