# SPDX-License-Identifier: BSD-3-Clause
"""The way of every routed load: read, admit, build, check, record; or refuse, record, raise.

Floor 7.  The same steps as :func:`safeserial.load_unsigned` takes.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from safeserial import codecs
from safeserial.artifact import loading
from safeserial.artifact.boundary import keeps_nothing
from safeserial.errors import PolicyError, SafeSerialError, SafeSerialWarning
from safeserial.files import BytesSource, StrPath, open_regular
from safeserial.guarding import callers, rules
from safeserial.guarding.callers import Caller
from safeserial.guarding.reading import Stream
from safeserial.guarding.record import AuditRecord, Verdict
from safeserial.guarding.rules import Rules
from safeserial.payload import STREAM, Payload
from safeserial.policy import Name, Policy
from safeserial.validators import validate
from safeserial.verifier import admit, survey

Names = Mapping[Name, Name]
# A stream is decoded as ASCII; where a text is not, the load fails instead of guessing.
_ENCODINGS: Final = frozenset({"ascii", "latin1", "latin-1", "utf-8", "utf8", "iso-8859-1"})


@dataclass
class Request:
    """One load on its way.

    Parameters
    ----------
    function : str
        What was called.
    take : callable
        Reads the bytes; returns the payload.
    original : callable
        What would have happened without the guard.
    path : str
        The file, if it has a name.
    restrict : callable, optional
        Given the admitted names, as they are written and as they are found; raises where an
        Unpickler's own ``find_class`` does.
    """

    function: str
    take: Callable[[Request, Policy], Payload]
    original: Callable[[], Any]
    path: str = ""
    restrict: Callable[[Names], None] | None = None
    data: memoryview | bytearray = field(default_factory=bytearray)
    payload: Payload | None = None


def chosen() -> Rules | None:
    """Return the rules that the load at hand is held against, None where it is left alone."""
    found = rules.in_force()
    return None if found is None or callers.outside().own_traffic else found


@keeps_nothing
def route(given: Rules, request: Request) -> Any:
    """Load what `request` asks for, as far as the rules permit it.

    Raises
    ------
    FormatError, PolicyError
        As :func:`safeserial.load_unsigned`.
    EOFError
        If there is nothing to load, as the function that was asked does.
    """
    where = callers.outside()
    try:
        payload = request.payload = request.take(request, given.policy)
        request.data = next(iter(payload.members.values()))
        model, names = _build(payload, given.policy, request)
    except Exception as error:
        report = given.on_violation == "report" and isinstance(error, SafeSerialError)
        verdict: Verdict = "would refuse" if report else "refused"
        try:
            given.deliver(_record(where, request, verdict, _names(request, given.policy), error))
        except Exception as lost:  # noqa: BLE001 - a user's function; the refusal comes first
            error.add_note(f"the audit record was not delivered: {type(lost).__name__}: {lost}")
            raise error from error.__cause__
        if not report:
            raise
        _warn(where, request, error)
    else:
        given.deliver(_record(where, request, "allowed", names, None))
        return model
    with rules.reported():
        return request.original()


def _build(payload: Payload, policy: Policy, request: Request) -> tuple[Any, tuple[str, ...]]:
    admitted = admit(payload, policy)
    if request.restrict is not None:
        request.restrict(admitted.names)
    model = codecs.get(payload.format).decode(admitted, loading.boosters_of(payload, policy))
    validate(model)
    return model, _dotted(admitted.names.values())


def _names(request: Request, policy: Policy) -> tuple[str, ...]:
    """Return what a refused payload names, as far as it can be followed."""
    if request.payload is None:
        return ()
    return _dotted(one.resolved for one in survey(request.payload, policy).globals)


def _dotted(names: Any) -> tuple[str, ...]:
    return tuple(sorted({".".join(name) for name in names}))


def _record(
    where: Caller,
    request: Request,
    verdict: Verdict,
    names: tuple[str, ...],
    error: Exception | None,
) -> AuditRecord:
    outer = rules.door.get()
    return AuditRecord(
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        where=str(where),
        function=outer.function if outer is not None else request.function,
        path=(outer.path if outer is not None else "") or request.path,
        size=len(request.data),
        digest=f"sha256:{hashlib.sha256(request.data).hexdigest()}",
        verdict=verdict,
        error="" if error is None else type(error).__name__,
        message="" if error is None else _said(error),
        globals=names,
    )


def _said(error: Exception) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - it may print what the file holds
        return "(its message cannot be shown)"


def _warn(where: Caller, request: Request, error: Exception) -> None:
    outer = rules.door.get()
    function = outer.function if outer is not None else request.function
    said = f"{function} would be refused: {type(error).__name__}: {_said(error)}"
    if outer is not None:
        outer.warnings.append((said, where.filename, where.line))
    else:
        warn(said, where.filename, where.line)


def warn(message: str, filename: str, line: int) -> None:
    """Give the warning of a guard that only reports, at the line that asked for the load."""
    warnings.warn_explicit(message, SafeSerialWarning, filename, line)


# -- what is taken


def check_arguments(encoding: str, buffers: Any) -> None:
    """Refuse arguments of the pickle functions that the verifier does not know.

    Raises
    ------
    PolicyError
        If there are out-of-band buffers, or old texts are asked for as bytes.
    """
    if buffers is not None and buffers != ():
        raise PolicyError(
            "out-of-band buffers are not loaded under a guard",
            hint="write the pickle without buffer_callback, or the model with safeserial.dump",
        )
    if encoding.lower() not in _ENCODINGS:
        raise PolicyError(
            f"encoding={encoding[:40]!r} is not loaded under a guard",
            hint="load the file once where you trust it and save it with Python 3",
        )


def pickle_payload(memory: memoryview) -> Payload:
    """Return one pickle as a payload."""
    return Payload("pickle", {}, {STREAM: memory}, signed=False)


def one_pickle(request: Request, stream: Stream) -> Payload:
    """Read the next pickle of an open file."""
    request.data = stream.data
    return pickle_payload(stream.one_pickle())


def whole_stream(request: Request, stream: Stream, policy: Policy) -> Payload:
    """Read an open joblib file to its end."""
    request.data = stream.data
    return loading.read_legacy(BytesSource(stream.everything()), policy)


def whole_file(path: StrPath, policy: Policy) -> Payload:
    """Read a joblib file by its path."""
    with open_regular(path) as source:
        return loading.read_legacy(source, policy)
