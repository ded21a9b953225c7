# SPDX-License-Identifier: BSD-3-Clause
"""A whole run: what is left to do, who does it, and the rows as they come.

Floor 7.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from safeserial import __version__
from safeserial.bulk import engine
from safeserial.bulk.actions import Action
from safeserial.bulk.engine import Where
from safeserial.bulk.items import Item
from safeserial.bulk.rings import RingReference, fingerprint
from safeserial.bulk.rows import Row
from safeserial.bulk.work import Task
from safeserial.digests import sha256_hex
from safeserial.errors import SafeSerialError
from safeserial.policy import Policy

Progress = Callable[[int, str], None]


def run(
    action: Action,
    items: Sequence[Item],
    *,
    keyring: RingReference | None = None,
    where: Where | None = None,
    done: Mapping[str, Row] | None = None,
    digests: bool = False,
    progress: Progress | None = None,
) -> Iterator[Row]:
    """Do something to many files.

    Parameters
    ----------
    action : Action
        :class:`Inspect`, :class:`Verify`, :class:`Convert` or :class:`Sign`.
    items : sequence of Item
        As :func:`gather` lists them.
    keyring : RingReference, optional
        Where the keys are; the same place for this process and for all workers.
    where : Where, optional
        Default: one process for each processor of this machine.
    done : mapping of str to Row, optional
        Rows of an earlier run by path.  A file whose size and time of change are the same is not
        worked on again, if the same was asked.
    digests : bool, default=False
        Tell the digest of each file; and hold it, not size and time, against the earlier row.
    progress : callable, optional
        Called with the number of items done, and the path of the last one.

    Yields
    ------
    Row
        In the order in which files are done.  Files that are done already, or are no models, get
        none.

    Raises
    ------
    KeyringError, UnreadableFileError
        If the keyring cannot be opened here, or where a worker is.
    SafeSerialError
        If the engine fails as a whole; rows that came are good.

    Examples
    --------
    >>> import safeserial as ss
    >>> from safeserial import bulk
    >>> ss.Keyring([ss.HmacKey.generate()]).save("team.keys")
    >>> ring = ss.Keyring.load("team.keys")
    >>> for count in range(3):
    ...     manifest = ss.dump({"weights": [count]}, f"{count}.safeserial", keyring=ring)
    >>> rows = bulk.run(
    ...     bulk.Verify(),
    ...     bulk.gather(["."]),
    ...     keyring=bulk.RingReference.at("team.keys"),
    ...     where=bulk.Where(jobs=1),
    ... )
    >>> sorted((row.path, row.status) for row in rows)
    [('./0.safeserial', 'ok'), ('./1.safeserial', 'ok'), ('./2.safeserial', 'ok')]
    """
    ring = keyring.open() if keyring is not None else None  # said here, before workers are started
    job = fingerprint_of(action, "" if ring is None else fingerprint(ring))
    task = Task(action, keyring, job, secrets.token_hex(8), digests=digests)
    chosen = Where() if where is None else where
    left, count = _left(items, action, {} if done is None else done, task)
    with contextlib.closing(engine.each(task, left, chosen)) as answers:
        for handful, answer in answers:
            if answer.stop is not None:
                message, hint = answer.stop
                raise SafeSerialError(message, hint=hint)
            for item, row in zip(handful, answer.rows, strict=True):
                count += 1
                if progress is not None:
                    progress(count, item.path)
                if row is not None:
                    yield row


def fingerprint_of(action: Action, keys: str) -> str:
    """Return a short name of what is asked: action, options, policy, keys and release."""
    lines = [action.name, __version__, keys, *_told(action)]
    return sha256_hex("\n".join(lines).encode("utf-8", "surrogatepass"))[:16]


def _told(action: Any) -> Iterator[str]:
    for one in dataclasses.fields(action):
        value = getattr(action, one.name)
        if isinstance(value, Policy):
            yield _policy(value)
        elif dataclasses.is_dataclass(value):
            yield from _told(value)
        elif one.repr:
            yield f"{one.name}={value!r}"


def _policy(policy: Policy) -> str:
    if policy.chosen is None:
        return repr(policy)
    names = sorted(
        (name, sorted(grant.roles), grant.rule) for name, grant in policy.chosen.grants.items()
    )
    renames, dotted = sorted(policy.chosen.renames.items()), sorted(policy.chosen.dotted)
    return f"{dataclasses.replace(policy, chosen=None)} {names} {renames} {dotted}"


def _left(
    items: Sequence[Item], action: Action, done: Mapping[str, Row], task: Task
) -> tuple[list[Item], int]:
    """Return what is to do, and how many items are not."""
    left: list[Item] = []
    passed = 0
    for item in items:
        before = done.get(item.path)
        if not item.named and not action.wants(item.path):
            passed += 1
        elif (
            before is None
            or item.problem is not None
            or not _stands(before, task.job, made=bool(item.output))
        ):
            left.append(item)
        elif task.digests and before.digest is not None:
            left.append(dataclasses.replace(item, known=before.digest))
        elif (before.size, before.mtime_ns) == (item.size, item.mtime_ns):
            passed += 1
        else:
            left.append(item)
    return left, passed


def _stands(row: Row, job: str, *, made: bool) -> bool:
    """Say whether a row is of the same job, and what was made is still there."""
    return row.job == job and (not made or row.output is None or os.path.lexists(row.output))
