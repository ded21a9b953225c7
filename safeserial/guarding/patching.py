# SPDX-License-Identifier: BSD-3-Clause
"""Put the guard's functions in the place of the originals, everywhere, and take them out exactly.

Floor 7.  Found by identity: a module that did ``from pickle import loads`` holds the same object.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any, Final

from safeserial.codecs import doors
from safeserial.guarding import routes, unpicklers
from safeserial.guarding.rules import LOCK

_ABSENT: Final = object()


class Patches:
    """The changes of one process, made when its first guard opens and undone after its last."""

    def __init__(self) -> None:
        self._stand_ins: dict[int, tuple[Any, Any]] = {}
        self._classes: list[tuple[type, str, Any, Any]] = []

    def apply(self, *, importers: bool) -> None:
        """Change the doors, if they are not yet, and perhaps whoever has imported one.

        Parameters
        ----------
        importers : bool
            Whether the attributes of all modules are looked at, or only the doors' own modules.
        """
        with LOCK:
            if not self._stand_ins:
                self._prepare()
            _replace(self._stand_ins, None if importers else doors.HOMES)

    def undo(self) -> None:
        """Give every module and class back what it had; also those imported meanwhile."""
        with LOCK:
            back = {id(new): (new, old) for old, new in self._stand_ins.values()}
            self._stand_ins = {}
            _replace(back, None)
            for owner, name, old, new in reversed(self._classes):
                if vars(owner).get(name) is not new:
                    continue  # somebody has put another one there
                if old is _ABSENT:
                    delattr(owner, name)
                else:
                    setattr(owner, name, old)
            self._classes.clear()

    def _prepare(self) -> None:
        libraries = doors.libraries()
        functions: dict[Any, Any] = {
            doors.LOAD: routes.load,
            doors.LOADS: routes.loads,
            doors.UNPICKLER: unpicklers.Unpickler,
            **routes.library_functions(libraries),
        }
        self._stand_ins = {id(old): (old, new) for old, new in functions.items()}
        for cls in doors.subclasses(besides=unpicklers.Unpickler):
            self._change(cls, "__init__", unpicklers.remembering(cls.__init__))  # type: ignore[misc]
            self._change(cls, "load", unpicklers.verifying(cls))
        load = unpicklers.python_load(libraries.numpy_unpickler)
        self._change(doors.PYTHON_UNPICKLER, "load", load)

    def _change(self, owner: type, name: str, new: Any) -> None:
        self._classes.append((owner, name, vars(owner).get(name, _ABSENT), new))
        setattr(owner, name, new)


def _replace(pairs: Mapping[int, tuple[Any, Any]], homes: frozenset[str] | None) -> None:
    """Replace each attribute of a module that is one of the keys' objects."""
    for attributes in _namespaces(homes):
        # A process has half a million attributes; copies, because other threads may import.
        if pairs.keys().isdisjoint(map(id, list(attributes.values()))):
            continue
        for name, value in list(attributes.items()):
            pair = pairs.get(id(value))
            if pair is not None and pair[0] is value:
                attributes[name] = pair[1]


def _namespaces(homes: frozenset[str] | None) -> Iterator[dict[str, Any]]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "safeserial" or (homes is not None and name not in homes):
            continue
        # Not isinstance, which believes what an object says of itself.
        if issubclass(type(module), types.ModuleType):
            # Not by getattr: that would load a module which waits for its first use.
            yield object.__getattribute__(module, "__dict__")
