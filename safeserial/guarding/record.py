# SPDX-License-Identifier: BSD-3-Clause
"""The guard's audit log: one record for each load that it routed, to wherever the user wants it.

Floor 7.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import stat
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from safeserial.errors import PolicyError, SafeSerialError, WriteFailedError
from safeserial.files import display

Verdict = Literal["allowed", "refused", "would refuse"]
_NAMES, _TEXT = 200, 1000


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """What the guard did with one load.

    Parameters
    ----------
    time : str
        When it was decided, UTC, ISO 8601.
    where : str
        ``file:line`` of the code that asked, outside of the libraries that unpickle for it.
    function : str
        The function or class it used.
    path : str
        The file, as far as it has a name.
    size : int
        Bytes that were judged.
    digest : str
        Their SHA-256, as ``sha256:hex``.
    verdict : {"allowed", "refused", "would refuse"}
        The last where the guard only reports.
    error : str
        Class of the error, ``""`` where it was allowed.
    message : str
        What the error says.
    globals : tuple of str
        Dotted names in the stream, sorted, at most 200.
    process, thread : int
        Ids.
    """

    time: str
    where: str
    function: str
    path: str
    size: int
    digest: str
    verdict: Verdict
    error: str = ""
    message: str = ""
    globals: tuple[str, ...] = ()
    process: int = dataclasses.field(default_factory=os.getpid)
    thread: int = dataclasses.field(default_factory=threading.get_ident)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain data for JSON, texts cut to a thousand characters."""
        plain = {
            name: value[:_TEXT] if isinstance(value, str) else value
            for name, value in vars(self).items()
        }
        return plain | {"globals": [name[:_TEXT] for name in self.globals[:_NAMES]]}


Audit = Callable[[AuditRecord], object] | logging.Logger | str | os.PathLike[str] | None
Deliver = Callable[[AuditRecord], None]
_PRIVATE: Final = 0o600
_delivering = threading.local()


def delivery(audit: Audit) -> Deliver:
    """Return the function that brings a record to `audit` and to ``sys.audit``.

    Parameters
    ----------
    audit : callable, logging.Logger, str, path-like or None
        See :func:`safeserial.guard`.

    Raises
    ------
    PolicyError
        If it is something else.
    WriteFailedError
        If it is a path that cannot be written: said now, not at the first refusal.
    """
    sink = _sink(audit)

    def deliver(record: AuditRecord) -> None:
        sys.audit("safeserial.guard", record.function, record.where, record.verdict, record.digest)
        if getattr(_delivering, "now", False):
            return  # a sink that unpickles something is guarded, too, and must not call itself
        _delivering.now = True
        try:
            sink(record)
        finally:
            _delivering.now = False

    return deliver


def _sink(audit: Audit) -> Callable[[AuditRecord], object]:
    if audit is None:
        return _nowhere
    if isinstance(audit, logging.Logger):
        return lambda record: _log(audit, record)
    if isinstance(audit, str | os.PathLike):
        path = os.path.abspath(audit)  # noqa: PTH100 - resolve() would follow a symlink
        _append(path, b"")
        return lambda record: _append(path, _line(record))
    if callable(audit):
        return audit
    raise PolicyError(
        f"audit is a callable, a logger or a path, not {type(audit).__name__}",
        hint='audit="loads.jsonl", or audit=logging.getLogger("loads")',
    )


def _nowhere(record: AuditRecord) -> None:
    """Leave it at ``sys.audit``."""


def _log(logger: logging.Logger, record: AuditRecord) -> None:
    level = logging.INFO if record.verdict == "allowed" else logging.WARNING
    said = f": {record.error}: {record.message}" if record.error else ""
    logger.log(
        level,
        "%s %s of %s at %s%s",
        *(record.verdict, record.function, record.path or f"{record.size} bytes"),
        *(record.where, said),
        extra={"safeserial": record.to_dict()},
    )


def _line(record: AuditRecord) -> bytes:
    return json.dumps(record.to_dict(), ensure_ascii=True).encode("ascii") + b"\n"


def _append(path: str, line: bytes) -> None:
    """Append in one write, which O_APPEND makes one piece among several processes."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY"):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags, _PRIVATE)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise WriteFailedError(f"not a regular file: {display(path)}")
            if line and os.write(descriptor, line) != len(line):
                raise WriteFailedError(f"the disk is full: {display(path)}")
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        if isinstance(error, SafeSerialError):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise WriteFailedError(f"cannot write the audit log {display(path)}: {reason}") from None
