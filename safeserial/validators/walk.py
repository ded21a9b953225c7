# SPDX-License-Identifier: BSD-3-Clause
"""The walk: from a reconstructed object to everything it holds, each object once.

Floor 5.  Iterative, since a stream can nest deeper than the C stack is; by type, since models hold
millions of plain values and few kinds of things.
"""

from __future__ import annotations

import datetime
import functools
import types
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np

from safeserial.errors import InvalidStateError, LimitExceededError, SafeSerialError
from safeserial.policy import Name
from safeserial.validators.asking import name_of
from safeserial.validators.containers import CONTAINERS, contents
from safeserial.validators.estimator import check_names, parameter_checks, reserved_names
from safeserial.validators.nesting import MAX_NESTED, check_nesting
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
# Containers from this length on are gone through by themselves.
_LARGE: Final = 1_000
# Up to so many objects are visited as they come.
_FEW: Final = 16


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do with instances of one class."""

    checks: tuple[Check, ...] = ()
    batches: tuple[BatchCheck, ...] = ()
    read: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()
    parameters: tuple[tuple[str, Callable[[Any, Any], None]], ...] = ()
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
        batches=tuple(dict.fromkeys(BATCHES[name] for name in names if name in BATCHES)),
        read=frozenset().union(*(READ_BY_CHECK.get(name, ()) for name in names)),
        reserved=reserved_names(kind) if has_dict else frozenset(),
        parameters=parameter_checks(kind) if has_dict else (),
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
    """One validation of one model.

    It goes in waves: all objects that were found in one step, then all that those hold, and within
    a large wave class by class.  What is asked of each object is asked of all objects of a class by
    a few calls into C, since a forest is hundreds of estimators with twenty attributes each.
    """

    def __init__(self) -> None:
        self._atoms: set[type] = set(_ATOMS)
        self._plans: dict[type, _Plan] = {}
        self._found: list[Any] = []
        # The objects themselves, not their ids alone: an id is free again when its object is gone.
        self._seen: dict[int, Any] = {}
        self._batches: dict[BatchCheck, list[Any]] = {}
        # Whether anything was met twice: then containers may nest deeper than there are waves.
        self._met_again = False

    def run(self, model: Any) -> None:
        """Check an object and all that it holds (see :func:`safeserial.validators.validate`)."""
        self._current = model
        try:
            self._find((model,))
            waves = 0
            while self._found:
                waves += 1
                wave, self._found = self._found, []
                if len(wave) <= _FEW:
                    self._visit_each(wave)
                else:
                    self._visit_kinds(wave)
            if self._met_again or waves > MAX_NESTED:
                check_nesting(self._seen.values())
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

    def _find(self, items: Collection[Any]) -> None:
        """Let what a container holds wait for the next wave, unless it is plain values."""
        atoms = self._atoms
        if len(items) > _FEW and not self._hold(set(map(type, items))):
            return
        held = [one for one in items if type(one) not in atoms]
        if held:
            self._hold(map(type, held))
            self._found += held

    def _find_in(self, containers: Sequence[Collection[Any]]) -> None:
        """Do the same for many containers: large ones one by one, the others together."""
        if max(map(len, containers), default=0) > _LARGE:
            for one in containers:
                if len(one) > _LARGE:
                    self._find(one)
            containers = [one for one in containers if len(one) <= _LARGE]
        if self._hold(set(map(type, chain.from_iterable(containers)))):
            atoms = self._atoms
            self._found += [
                one for one in chain.from_iterable(containers) if type(one) not in atoms
            ]

    def _hold(self, kinds: Iterable[type]) -> bool:
        """Say whether instances of any of these classes hold something, and learn which do not."""
        plans, found = self._plans, False
        for kind in kinds:
            plan = plans.get(kind)
            if plan is None:
                plan = plans[kind] = _plan(kind)
                if plan.atom:
                    self._atoms.add(kind)
            found = found or not plan.atom
        return found

    def _visit_each(self, wave: list[Any]) -> None:
        """Visit a few objects, one after another: sorting them would take longer."""
        seen = self._seen
        for obj in wave:
            kind = type(obj)
            if kind is np.ndarray and not obj.dtype.hasobject:
                continue
            if id(obj) in seen:
                self._met_again = self._met_again or self._plans[kind].holds
                continue
            seen[id(obj)] = self._current = obj
            if kind is dict:
                self._find(obj.values())
                if len(obj) <= _MANY_KEYS:
                    self._find(obj.keys())
            elif kind is list or kind is tuple:
                self._find(obj)
            else:
                self._visit((obj,), self._plans[kind])

    def _visit_kinds(self, wave: list[Any]) -> None:
        """Visit many objects, all of one class together."""
        by_kind: dict[type, list[Any]] = {}
        for one in wave:
            kind = type(one)
            if kind in by_kind:
                by_kind[kind].append(one)
            else:
                by_kind[kind] = [one]
        for kind, objects in by_kind.items():
            fresh = self._fresh(kind, objects)
            if not fresh:
                continue
            self._current = fresh[0]
            if kind is dict:
                self._find_in([one.values() for one in fresh])
                self._find_in([one.keys() for one in fresh if len(one) <= _MANY_KEYS])
            elif kind is list or kind is tuple:
                self._find_in(fresh)
            else:
                self._visit(fresh, self._plans[kind])

    def _fresh(self, kind: type, objects: list[Any]) -> list[Any]:
        """Return those that have not been seen, each once."""
        if kind is np.ndarray:
            objects = [one for one in objects if one.dtype.hasobject]
        seen = self._seen
        fresh = dict(zip(map(id, objects), objects, strict=True))
        if not seen.keys().isdisjoint(fresh.keys()):
            self._met_again = self._met_again or self._plans[kind].holds
            fresh = {key: one for key, one in fresh.items() if key not in seen}
        seen.update(fresh)
        return list(fresh.values())

    def _visit(self, objects: Sequence[Any], plan: _Plan) -> None:
        if plan.has_dict:
            self._visit_attributes(objects, plan)
        for batch in plan.batches:
            self._batches.setdefault(batch, []).extend(objects)
        for check in plan.checks:
            for obj in objects:
                self._current = obj
                further = check(obj)
                if further is not None:
                    self._find(list(further))
        if plan.slots or plan.holds:
            for obj in objects:
                self._current = obj
                self._visit_contents(obj, plan)

    def _visit_attributes(self, objects: Sequence[Any], plan: _Plan) -> None:
        states: list[dict[Any, Any]] = [vars(one) for one in objects]
        if not plan.reserved.isdisjoint(chain.from_iterable(states)):
            for obj in objects:
                check_names(obj, plan.reserved)
        for name, check in plan.parameters:
            for obj, state in zip(objects, states, strict=True):
                check(obj, state.get(name))
        if plan.read:
            states = [
                {key: value for key, value in state.items() if key not in plan.read}
                for state in states
            ]
        atoms = self._atoms
        # Nearly every instance holds an array, so there is no first look whether any does.
        held = [one for state in states for one in state.values() if type(one) not in atoms]
        kinds = set(map(type, held)).difference(self._plans)
        if kinds:
            self._hold(kinds)
        self._found += held

    def _visit_contents(self, obj: Any, plan: _Plan) -> None:
        for slot in plan.slots:
            try:
                held = slot.__get__(obj)
            except AttributeError:  # never set
                continue
            self._find((held,))
        for items in contents(obj) if plan.holds else ():
            self._find(items)
