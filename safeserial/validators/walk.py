# SPDX-License-Identifier: BSD-3-Clause
"""The walk: from a reconstructed object to everything it holds, each object once.

Floor 5.  Iterative, since a stream can nest deeper than the C stack is; by type, since models hold
millions of plain values and few kinds of things.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import types
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from safeserial.errors import InvalidStateError, LimitExceededError, SafeSerialError
from safeserial.policy import Name
from safeserial.validators.asking import name_of
from safeserial.validators.containers import CONTAINERS, contents
from safeserial.validators.estimator import check_names, reserved_names
from safeserial.validators.registry import BATCHES, READ_BY_CHECK, VALIDATORS, BatchCheck, Check

# Hold nothing that could be wrong.  Functions and classes are the library's own, never built here.
_ATOMS: Final[frozenset[type]] = frozenset(
    {
        str, int, float, bool, bytes, bytearray, complex, type(None), type(...),
        type(NotImplemented), range, slice, type, np.ufunc, types.FunctionType,
        types.BuiltinFunctionType, types.ModuleType, type(np.mean), datetime.date,
        datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone,
    }
)  # fmt: skip
# Keys of a larger dict are taken for what they look like; no library calls methods of a key.
_MANY_KEYS: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do with instances of one class."""

    checks: tuple[Check, ...] = ()
    batch: BatchCheck | None = None
    read: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()
    slots: tuple[Any, ...] = ()
    has_dict: bool = False
    holds: bool = False
    atom: bool = False


@functools.lru_cache(maxsize=1024)
def _plan(kind: type) -> _Plan:
    if kind in _ATOMS or issubclass(kind, type | np.dtype):
        return _Plan(atom=True)
    if issubclass(kind, np.generic) and kind not in {np.object_, np.void}:
        return _Plan(atom=True)
    names: list[Name] = [(base.__module__, base.__qualname__) for base in kind.__mro__]
    has_dict = kind.__dictoffset__ != 0
    return _Plan(
        checks=tuple(dict.fromkeys(VALIDATORS[name] for name in names if name in VALIDATORS)),
        batch=next((BATCHES[name] for name in names if name in BATCHES), None),
        read=frozenset().union(*(READ_BY_CHECK.get(name, ()) for name in names)),
        reserved=reserved_names(kind) if has_dict else frozenset(),
        slots=tuple(
            value
            for base in kind.__mro__
            for value in vars(base).values()
            if isinstance(value, types.MemberDescriptorType) and _is_slot(base, value)
        ),
        has_dict=has_dict,
        holds=issubclass(kind, CONTAINERS),
    )


def _is_slot(base: type, member: types.MemberDescriptorType) -> bool:
    """Say whether a member comes from ``__slots__``; others are fields of compiled classes."""
    declared = vars(base).get("__slots__", ())
    return member.__name__ in ((declared,) if isinstance(declared, str) else tuple(declared))


class Walk:
    """One validation of one model."""

    def __init__(self) -> None:
        self._atoms: set[type] = set(_ATOMS)
        self._plans: dict[type, _Plan] = {}
        self._waiting: list[Any] = []
        # The objects themselves, not their ids alone: an id is free again when its object is gone.
        self._seen: dict[int, Any] = {}
        self._batches: dict[BatchCheck, list[Any]] = {}

    def run(self, model: Any) -> None:
        """Check an object and all that it holds (see :func:`safeserial.validators.validate`)."""
        self._current = model
        try:
            self._put([model])
            self._empty()
            for check, objects in self._batches.items():
                self._current = objects[0]
                check(objects)
        except SafeSerialError:
            raise
        except MemoryError:
            raise LimitExceededError("there is not enough memory to check this model") from None
        except Exception as error:
            said = f"{type(error).__name__}: {error}"[:300]
            raise InvalidStateError(
                f"{name_of(self._current)}: its state is not what its class keeps ({said})"
            ) from error

    def _put(self, items: Collection[Any]) -> None:
        """Let objects wait for their turn, unless they are plain values."""
        kinds = set(map(type, items))
        kinds -= self._atoms
        if not kinds:
            return
        for kind in kinds:
            if kind not in self._plans:
                plan = self._plans[kind] = _plan(kind)
                if plan.atom:
                    self._atoms.add(kind)
        atoms = self._atoms
        self._waiting += [one for one in items if type(one) not in atoms]

    def _empty(self) -> None:
        waiting, seen, plans, put = self._waiting, self._seen, self._plans, self._put
        while waiting:
            obj = waiting.pop()
            kind = type(obj)
            if kind is np.ndarray and not obj.dtype.hasobject:
                continue
            if id(obj) in seen:
                continue
            seen[id(obj)] = self._current = obj
            if kind is dict:
                put(obj.values())
                if len(obj) <= _MANY_KEYS:
                    put(obj.keys())
            elif kind is list or kind is tuple:
                put(obj)
            else:
                self._visit(obj, plans[kind])

    def _visit(self, obj: Any, plan: _Plan) -> None:
        if plan.has_dict:
            state = vars(obj)
            if not plan.reserved.isdisjoint(state):
                check_names(obj, plan.reserved)
            if plan.read:
                state = {key: value for key, value in state.items() if key not in plan.read}
            self._put(state.values())
        if plan.batch is not None:
            self._batches.setdefault(plan.batch, []).append(obj)
        for check in plan.checks:
            further = check(obj)
            if further is not None:
                self._put(list(further))
        if plan.slots or plan.holds:
            self._visit_contents(obj, plan)

    def _visit_contents(self, obj: Any, plan: _Plan) -> None:
        for slot in plan.slots:
            with contextlib.suppress(AttributeError):  # never set
                self._put([slot.__get__(obj)])
        if plan.holds:
            for items in contents(obj):
                self._put(items)
