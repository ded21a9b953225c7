# SPDX-License-Identifier: BSD-3-Clause
"""A guard for code you do not own: what it unpickles is verified first.

Floor 7.  `patching` puts the functions of `routes` and `unpicklers` in the place of pickle's,
joblib's, NumPy's and pandas's; `routing` is the way a load then takes; `rules` says which guard
counts; `callers` who is left alone; `record` writes the log.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Final, Self, get_args

from safeserial.errors import PolicyError
from safeserial.guarding import rules
from safeserial.guarding.patching import Patches
from safeserial.guarding.record import Audit as Audit
from safeserial.guarding.record import AuditRecord as AuditRecord
from safeserial.guarding.record import delivery
from safeserial.guarding.rules import OnViolation as OnViolation
from safeserial.guarding.rules import Rules
from safeserial.policy import Policy

_PATCHES: Final = Patches()


class Guard:
    """A guard, open or not; made by :func:`guard` and :func:`install_guard`.

    Parameters
    ----------
    given : Rules
        What it asks of a load.
    patch_importers : bool
        Whether modules that have imported an original by name are changed, too.
    """

    def __init__(self, given: Rules, *, patch_importers: bool) -> None:
        self._rules, self._importers = given, patch_importers
        self._is_open = False

    def install(self) -> Self:
        """Open the guard for the whole process.

        Raises
        ------
        PolicyError
            If it is open already.
        """
        with rules.LOCK:
            if self._is_open:
                raise PolicyError("this guard is open already", hint="make another: ss.guard(...)")
            try:
                _PATCHES.apply(importers=self._importers)
                rules.add(self._rules)
            except BaseException:
                self._close()
                raise
            self._is_open = True
        return self

    def uninstall(self) -> None:
        """Close the guard; with the last one everything is as it was.  Again, it does nothing."""
        with rules.LOCK:
            if self._is_open:
                self._is_open = False
                self._close()

    def _close(self) -> None:
        if rules.remove(self._rules) == 0:
            _PATCHES.undo()

    def __enter__(self) -> Self:
        self.install()
        rules.enter(self._rules)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        rules.leave(self._rules)
        self.uninstall()


def guard(
    policy: Policy | None = None,
    *,
    trusted: Iterable[str] = (),
    audit: Audit = None,
    on_violation: OnViolation = "refuse",
    patch_importers: bool = True,
) -> Guard:
    """Verify what code you do not own unpickles, while a ``with`` block runs.

    ``pickle.load``, ``pickle.loads`` and ``pickle.Unpickler``, ``joblib.load``, ``numpy.load`` with
    ``allow_pickle=True`` and ``pandas.read_pickle`` take the road of :func:`load_unsigned`, in the
    whole process while any guard is open.  Code inside of the block is held against this
    guard's policy, other threads against that of the guard opened last.

    Parameters
    ----------
    policy : Policy, optional
        What is accepted.  Default: :meth:`Policy.default`.
    trusted : iterable of str, default=()
        Dotted names to accept beside the policy's.
    audit : callable, logging.Logger, str or path-like, optional
        Gets a record of each load: a callable is called with an `AuditRecord`, to a file a line of
        JSON is appended (mode 0600).  ``sys.audit("safeserial.guard", ...)`` is raised anyway.
    on_violation : {"refuse", "report"}, default="refuse"
        ``report`` records and warns, and **loads all the same** with the original function: to see
        what would be refused, before a program is put under a guard.  It protects from nothing.
    patch_importers : bool, default=True
        Whether modules that did ``from pickle import loads`` earlier are found and changed, too.

    Returns
    -------
    Guard
        A context manager; its ``install`` and ``uninstall`` do the same without a block.

    Raises
    ------
    PolicyError
        If an argument is none of these.
    WriteFailedError
        If the audit log cannot be written.

    Warns
    -----
    SafeSerialWarning
        For each load that would be refused, where the guard only reports.

    Examples
    --------
    >>> import os, pickle, safeserial as ss
    >>> with ss.guard():
    ...     pickle.loads(pickle.dumps({"depth": 3}))
    {'depth': 3}
    >>> with ss.guard():
    ...     pickle.loads(pickle.dumps(os.system))
    Traceback (most recent call last):
    safeserial.errors.UntrustedTypesError: the policy does not list: posix.system
    """
    if on_violation not in get_args(OnViolation):
        raise PolicyError(f"on_violation is refuse or report, not {on_violation!r}"[:200])
    if policy is not None and not isinstance(policy, Policy):
        raise PolicyError(f"not a Policy: {type(policy).__name__}", hint="Policy.default()")
    chosen = (Policy.default() if policy is None else policy).trusting(trusted)
    given = Rules(chosen, on_violation, delivery(audit), _reopened)
    return Guard(given, patch_importers=patch_importers)


def install_guard(
    policy: Policy | None = None,
    *,
    trusted: Iterable[str] = (),
    audit: Audit = None,
    on_violation: OnViolation = "refuse",
    patch_importers: bool = True,
) -> Guard:
    """Open a guard for the rest of the process, or until its ``uninstall()`` is called.

    Parameters
    ----------
    policy, trusted, audit, on_violation, patch_importers
        As in :func:`guard`.

    Returns
    -------
    Guard
        Open.

    Raises
    ------
    PolicyError, WriteFailedError
        As :func:`guard`.
    """
    return guard(
        policy,
        trusted=trusted,
        audit=audit,
        on_violation=on_violation,
        patch_importers=patch_importers,
    ).install()


@contextlib.contextmanager
def _reopened(given: Rules) -> Iterator[None]:
    """Hold a block against rules whose guard may be closed by now."""
    again = Rules(given.policy, given.on_violation, given.deliver, given.reopened)
    with Guard(again, patch_importers=False):
        yield
