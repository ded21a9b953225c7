# SPDX-License-Identifier: BSD-3-Clause
"""Admission and survey: the two questions that are asked of the opcode verifier.

Floor 4.  `admit` answers whether a payload may be decoded; `survey` lists what it names and does,
for inspection.  Both run the same machine once over the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from safeserial.errors import (
    CorruptArtifactError,
    ForbiddenOperationError,
    SafeSerialError,
    UnsupportedVersionError,
    UntrustedTypesError,
)
from safeserial.payload import BUFFERS, INDEX, STREAM, Parts, Payload, unpack_index
from safeserial.policy import Limits, Name, Policy
from safeserial.verifier.admitted import Admitted
from safeserial.verifier.calls import CALL_STEPS
from safeserial.verifier.context import Context
from safeserial.verifier.decompress import decompress, detect
from safeserial.verifier.machine import Machine
from safeserial.verifier.parts import part_values
from safeserial.verifier.steps import DATA_STEPS
from safeserial.verifier.values import Untraced
from safeserial.verifier.wrappers import transcode

# Whether like objects are verified by traces (docs/adr/0008-traces.md).
TRACED: Final = True
_STEPS: Final = {**DATA_STEPS, **CALL_STEPS}
# Below this a copy costs less than slower indexing does; in a joblib stream arrays are copied, too,
# for nothing: they are cut from the payload's own memory all the same.
_COPIED_BELOW, _FEW_BYTES = 2**24, 2**20
_NAMED: Final = 12


@dataclass(frozen=True)
class SurveyedGlobal:
    """One name of a payload.

    Parameters
    ----------
    written : (str, str)
        Module and qualified name as the stream has them.
    resolved : (str, str)
        What they stand for today.
    roles : tuple of str
        How it is used: ``build``, ``call``, ``new``, ``reference``; sorted.
    offset : int
        Where it is first named, in the decompressed stream.
    allowed : bool
        Whether the policy lists it at all.
    """

    written: Name
    resolved: Name
    roles: tuple[str, ...]
    offset: int
    allowed: bool

    @property
    def dotted(self) -> str:
        """The resolved name in one word."""
        return ".".join(self.resolved)


@dataclass(frozen=True)
class Survey:
    """What a payload names and does, as far as it could be followed.

    Parameters
    ----------
    globals : tuple of SurveyedGlobal
        In the order they are first named.
    calls : tuple of str
        Dotted names that are called or instantiated, sorted.
    untrusted : tuple of str
        Dotted names that the policy does not list, sorted.
    problem : SafeSerialError or None
        What stopped the survey: the payload would be refused even if all names were trusted.
    opcodes : int
        About how many opcodes there are.
    arrays : int
        Arrays that stand inside a joblib stream.
    size : int
        Bytes of the stream, decompressed.
    """

    globals: tuple[SurveyedGlobal, ...]
    calls: tuple[str, ...]
    untrusted: tuple[str, ...]
    problem: SafeSerialError | None
    opcodes: int = 0
    arrays: int = 0
    size: int = 0


@dataclass
class _Source:
    """A payload's stream and what belongs to it."""

    stream: memoryview
    parts: Parts = field(default_factory=Parts)


def admit(payload: Payload, policy: Policy) -> Admitted:
    """Verify that a payload does nothing that the policy does not permit.

    Parameters
    ----------
    payload : Payload
        Of format ``pickle`` or ``joblib``.
    policy : Policy
        Names and limits.

    Returns
    -------
    Admitted
        What a codec may decode; shares the payload's memory.

    Raises
    ------
    UntrustedTypesError
        If it names what the policy does not list; all such names are in the error.
    ForbiddenOperationError
        If it uses a name in another way than it is listed for.
    CorruptArtifactError
        If no unpickler could read it.
    LimitExceededError
        If it would cost more than the policy allows.
    UnsupportedVersionError
        If it is of a format, or of a version of joblib, that is not read here.
    """
    source = _open(payload, policy.limits)
    return _admit(payload, policy, source, traced=TRACED)


def _admit(payload: Payload, policy: Policy, source: _Source, *, traced: bool) -> Admitted:
    context = _context(payload, policy, source, traced=traced)
    try:
        return _admitted(payload, source, context)
    except Untraced:
        pass
    except SafeSerialError:
        # What traces have passed may have moved the place, or hidden an error before it.
        if not context.hits:
            raise
    return _admitted(payload, source, _context(payload, policy, source, traced=False))


def _admitted(payload: Payload, source: _Source, context: Context) -> Admitted:
    try:
        machine = _machine(source, context)
        _finish(machine)
    except ForbiddenOperationError:
        if context.untrusted:
            raise _untrusted(context) from None
        raise
    if context.untrusted:
        raise _untrusted(context)
    return Admitted(
        format=payload.format,
        stream=transcode(source.stream, machine.cuts, machine.frames, machine.edges),
        names=dict(context.names),
        parts=source.parts,
        arrays=tuple(context.arrays),
        outdated=frozenset(context.outdated),
    )


def survey(payload: Payload, policy: Policy) -> Survey:
    """List what a payload names and does, without judging it.

    Parameters
    ----------
    payload : Payload
        Of format ``pickle`` or ``joblib``.
    policy : Policy
        Names and limits.

    Returns
    -------
    Survey
        Complete unless its `problem` says why not.
    """
    try:
        source = _open(payload, policy.limits)
    except SafeSerialError as error:
        return Survey((), (), (), error)
    return _survey(payload, policy, source, traced=TRACED)


def _survey(payload: Payload, policy: Policy, source: _Source, *, traced: bool) -> Survey:
    context = _context(payload, policy, source, traced=traced)
    problem: SafeSerialError | None = None
    try:
        _finish(_machine(source, context))
    except Untraced:
        return _survey(payload, policy, source, traced=False)
    except SafeSerialError as error:
        if context.hits:
            return _survey(payload, policy, source, traced=False)
        problem = error
    return _report(context, problem, len(source.stream))


def _report(context: Context, problem: SafeSerialError | None, size: int) -> Survey:
    seen = []
    for one in context.sightings.values():
        roles = one.roles | ({"build"} if one.resolved in context.builds else set())
        seen.append(
            SurveyedGlobal(one.written, one.resolved, tuple(sorted(roles)), one.offset, one.listed)
        )
    calls = sorted({one.dotted for one in seen if {"call", "new"} & set(one.roles)})
    return Survey(
        globals=tuple(seen),
        calls=tuple(calls),
        untrusted=context.untrusted,
        problem=problem,
        opcodes=context.opcodes,
        arrays=len(context.arrays),
        size=size,
    )


def _context(payload: Payload, policy: Policy, source: _Source, *, traced: bool) -> Context:
    size = len(source.stream) + sum(map(len, source.parts.buffers))
    return Context(policy, joblib=payload.format == "joblib", size=size, traced=traced)


def _machine(source: _Source, context: Context) -> Machine:
    return Machine(
        _indexed(source.stream, _FEW_BYTES if context.joblib else _COPIED_BELOW),
        context,
        _STEPS,
        memory=source.stream,
        buffers=source.parts.buffers,
        objects=part_values(source.parts, context, _STEPS),
    )


def _indexed(stream: memoryview, below: int) -> bytes | memoryview:
    """Return a stream in the form that is quickest to look into."""
    whole = stream.obj
    if type(whole) is bytes and len(whole) == len(stream):
        return whole
    return bytes(stream) if len(stream) < below else stream


def _finish(machine: Machine) -> None:
    end, _ = machine.run()
    if end != len(machine.data):
        raise CorruptArtifactError(f"{len(machine.data) - end} bytes follow the pickle stream")


def _untrusted(context: Context) -> UntrustedTypesError:
    names = context.untrusted
    listed = ", ".join(name[:120] for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return UntrustedTypesError(f"the policy does not list: {listed}{more}", types=names)


def _open(payload: Payload, limits: Limits) -> _Source:
    if payload.format == "joblib":
        stream = _only(payload.members)
        compressor = detect(stream)
    elif payload.format == "pickle":
        chosen = payload.options.get("compression")
        if chosen is None and STREAM in payload.members:
            return _parts(payload.members)
        stream = _only(payload.members)
        if not isinstance(chosen, str):
            raise CorruptArtifactError(f"the payload has no member {STREAM}")
        compressor = chosen
    else:
        raise UnsupportedVersionError(
            f"the opcode verifier reads pickle and joblib payloads, not {payload.format[:40]!r}"
        )
    return _Source(stream if compressor is None else decompress(stream, compressor, limits))


def _only(members: Mapping[str, memoryview]) -> memoryview:
    if len(members) != 1:
        raise CorruptArtifactError("the payload has another number of members than its format")
    return next(iter(members.values()))


def _parts(members: Mapping[str, memoryview]) -> _Source:
    if set(members) == {STREAM}:
        return _Source(members[STREAM])
    if set(members) != {STREAM, INDEX, BUFFERS}:
        raise CorruptArtifactError("the payload has other members than its format")
    return _Source(members[STREAM], unpack_index(members[INDEX], members[BUFFERS]))
