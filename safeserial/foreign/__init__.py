# SPDX-License-Identifier: BSD-3-Clause
"""Payloads of foreign formats: what of skops and ONNX files is admitted before a library sees it.

Floor 4, beside the opcode verifier, and for the same end: ``admit(payload, policy)`` proves that
what skops or ONNX Runtime will make of the bytes is permitted, and returns the only thing that a
codec decodes.  Nothing that a file names is imported here.
"""

from __future__ import annotations

from typing import Final

from safeserial.errors import CorruptArtifactError, SafeSerialError, UntrustedTypesError
from safeserial.payload import Payload
from safeserial.policy import Name, Policy
from safeserial.verifier import Admitted, Survey, SurveyedGlobal

# Format to the one member that its payload has.
FOREIGN: Final = {"skops": "payload/model.skops", "onnx": "payload/model.onnx"}
_NAMED: Final = 12


def admit(payload: Payload, policy: Policy) -> Admitted:
    """Prove that a skops or ONNX payload builds nothing that the policy does not permit.

    Parameters
    ----------
    payload : Payload
        Of format ``skops`` or ``onnx``.
    policy : Policy
        Names and limits.

    Returns
    -------
    Admitted
        Its stream is the file to read; its names are those that are built, as the file spells them
        and as they are found today (for ONNX: domains of operators beyond ONNX's own).

    Raises
    ------
    UntrustedTypesError
        If it names what the policy does not list; all such names are in the error.
    ForbiddenOperationError
        If it uses a name in another way than it is listed for.
    CorruptArtifactError, UnsupportedVersionError
        If it is no such file, or of a version that is not read here.
    LimitExceededError
        If it would cost more than the policy allows.
    """
    stream, names, untrusted = _examine(payload, policy)
    if untrusted:
        listed = ", ".join(name[:120] for name in untrusted[:_NAMED])
        more = f" and {len(untrusted) - _NAMED} more" if len(untrusted) > _NAMED else ""
        raise UntrustedTypesError(f"the policy does not list: {listed}{more}", types=untrusted)
    return Admitted(payload.format, stream, names)


def survey(payload: Payload, policy: Policy) -> Survey:
    """List what a skops or ONNX payload names, without judging it; as the opcode verifier's."""
    try:
        _, names, untrusted = _examine(payload, policy)
    except SafeSerialError as error:
        return Survey((), (), (), error)
    seen = tuple(
        SurveyedGlobal(written, resolved, ("new",), 0, ".".join(resolved) not in untrusted)
        for written, resolved in names.items()
    )
    return Survey(seen, (), untrusted, None, size=sum(map(len, payload.members.values())))


def _examine(
    payload: Payload, policy: Policy
) -> tuple[memoryview | bytes, dict[Name, Name], tuple[str, ...]]:
    if set(payload.members) != {FOREIGN.get(payload.format)}:
        raise CorruptArtifactError("the payload has other members than its format")
    data = payload.members[FOREIGN[payload.format]]
    if payload.format == "onnx":
        from safeserial.foreign.onnx_model import examine as examine_onnx

        return examine_onnx(data, policy)
    from safeserial.foreign.skops_file import examine as examine_skops

    return examine_skops(data, policy)
