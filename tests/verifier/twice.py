# SPDX-License-Identifier: BSD-3-Clause
"""Verifies a payload twice, with traces and opcode by opcode, and holds one against the other."""

from __future__ import annotations

import sys
from typing import Any

from safeserial.errors import SafeSerialError
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.verifier import tracing

POLICY = Policy.default()


def _survey() -> Any:
    """Return the module, whose name the function hides."""
    import safeserial.verifier  # noqa: F401 - so that it is there

    return sys.modules["safeserial.verifier.survey"]


def machine_of(format: str, members: dict[str, bytes], policy: Policy = POLICY) -> Any:
    """Return a machine that is about to verify a payload opcode by opcode."""
    views = {name: memoryview(bytearray(data)) for name, data in members.items()}
    given = Payload(format, {}, views, signed=False)
    source = _survey()._open(given, policy.limits)
    context = _survey()._context(given, policy, source, traced=False)
    return _survey()._machine(source, context)


def judge(format: str, members: dict[str, bytes], *, traced: bool, policy: Policy = POLICY) -> Any:
    """Return all that the verifier says of a payload."""
    views = {name: memoryview(bytearray(data)) for name, data in members.items()}
    given = Payload(format, {}, views, signed=False)
    try:
        source = _survey()._open(given, policy.limits)
    except SafeSerialError as error:
        return (type(error), str(error)), None
    # Streams of tests are short: traces are learnt from the second object on.
    pace = tracing.FROM, tracing.PACE
    tracing.FROM, tracing.PACE = 2, 1
    try:
        return _judge(given, policy, source, traced)
    finally:
        tracing.FROM, tracing.PACE = pace


def _judge(given: Payload, policy: Policy, source: Any, traced: bool) -> Any:
    found: Any
    try:
        admitted = _survey()._admit(given, policy, source, traced=traced)
        arrays = [(bytes(a.data), a.dtype, a.shape, a.order) for a in admitted.arrays]
        found = (bytes(admitted.stream), dict(admitted.names), arrays)
    except SafeSerialError as error:
        place = getattr(error, "offset", None)
        found = (type(error), str(error), error.hint, place)
    report = _survey()._survey(given, policy, source, traced=traced)
    told = [(g.written, g.resolved, g.roles, g.offset, g.allowed) for g in report.globals]
    seen = report.calls, report.untrusted, str(report.problem), report.arrays, report.opcodes
    return found, told, *seen


def same(format: str, members: dict[str, bytes], policy: Policy = POLICY) -> Any:
    """Hold the two ways of verifying against each other; return what both say."""
    found = judge(format, members, traced=True, policy=policy)
    assert found == judge(format, members, traced=False, policy=policy)
    return found
