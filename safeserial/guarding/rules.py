# SPDX-License-Identifier: BSD-3-Clause
"""Which guard is in force: that of the code at hand, else the one that was opened last.

Floor 7.  The doors are changed for the whole process while any guard is open.  Which policy a load
is held against follows the context (:mod:`contextvars`): inside of ``with guard(...)`` it is that
guard's, everywhere else in the process, so in other threads, that of the guard opened last.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, Literal

from safeserial.guarding.record import Deliver
from safeserial.policy import Policy

OnViolation = Literal["refuse", "report"]


@dataclass(frozen=True, eq=False)
class Rules:
    """What a guard asks of a load.

    Parameters
    ----------
    policy : Policy
        Names and limits.
    on_violation : {"refuse", "report"}
        What happens to a load that the policy does not permit.
    deliver : callable
        Takes the audit record.
    reopened : callable
        Opens these rules once more, for what is read after the guard was closed.
    """

    policy: Policy
    on_violation: OnViolation
    deliver: Deliver
    reopened: Callable[[Rules], AbstractContextManager[None]]


@dataclass
class Door:
    """The library function that a caller used, around the ``pickle.load`` inside of it.

    Parameters
    ----------
    function : str
        Its name.
    path : str
        The file it was given.
    warnings : list of str
        To be given when it has returned: some libraries silence what is said meanwhile.
    """

    function: str
    path: str
    warnings: list[tuple[str, str, int]] = field(default_factory=list)


LOCK: Final = threading.RLock()
_open: list[Rules] = []
_here: ContextVar[tuple[Rules, ...]] = ContextVar("safeserial_guards", default=())
door: Final[ContextVar[Door | None]] = ContextVar("safeserial_door", default=None)
# Set while the original runs after a report: what it does inside of itself has been reported.
_reported: ContextVar[bool] = ContextVar("safeserial_reported", default=False)


def in_force() -> Rules | None:
    """Return the rules for the code at hand, None while no guard is open."""
    if not _open or _reported.get():
        return None
    for rules in reversed(_here.get()):
        if rules in _open:
            return rules
    try:
        return _open[-1]
    except IndexError:  # closed a moment ago, by another thread
        return None


def add(rules: Rules) -> int:
    """Put rules in force for the process; return how many are."""
    with LOCK:
        _open.append(rules)
        return len(_open)


def remove(rules: Rules) -> int:
    """Take rules out of force; return how many remain."""
    with LOCK:
        if rules in _open:
            _open.remove(rules)
        return len(_open)


def enter(rules: Rules) -> None:
    """Prefer rules in this context."""
    _here.set((*_here.get(), rules))


def leave(rules: Rules) -> None:
    """Prefer them no longer."""
    _here.set(tuple(one for one in _here.get() if one is not rules))


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Let a load go its old way that a guard has only reported."""
    token = _reported.set(True)
    try:
        yield
    finally:
        _reported.reset(token)


@contextlib.contextmanager
def through(function: str, path: str) -> Iterator[Door]:
    """Remember which library function leads to the loads inside; the outermost counts."""
    known = door.get()
    if known is not None:
        yield known
        return
    token = door.set(mine := Door(function, path))
    try:
        yield mine
    finally:
        door.reset(token)


if hasattr(os, "register_at_fork"):
    # A child must not inherit a lock that some other thread was holding.
    os.register_at_fork(
        before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release
    )
