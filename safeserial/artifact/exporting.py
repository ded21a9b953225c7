# SPDX-License-Identifier: BSD-3-Clause
"""Back to an ordinary file: a signed artifact, verified and admitted, as .pkl or .joblib.

Floor 6.  The way out for a program that knows only pickle or joblib.  What is written carries no
signature any more: whoever opens it trusts the place it lies in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from safeserial import codecs, environment
from safeserial.artifact import loading
from safeserial.artifact.boundary import keeps_nothing
from safeserial.artifact.trust import Verified
from safeserial.errors import NotAnArtifactError
from safeserial.files import StrPath, atomic_write, open_regular
from safeserial.keyring import Keyring
from safeserial.policy import Policy
from safeserial.transfer import write_all


@dataclass(frozen=True)
class Unpacked:
    """An ordinary model file.

    Parameters
    ----------
    verified : Verified
        Where it comes from.
    extension : str
        What such a file is called: ``.pkl``, ``.joblib``, ``.joblib.gz`` ...
    data : bytes
        Its content.
    """

    verified: Verified
    extension: str
    data: bytes = field(repr=False)


@keeps_nothing
def unpack_bytes(
    path: StrPath,
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    trusted: Iterable[str] = (),
) -> Unpacked:
    """Verify and admit an artifact, build its model, and return it as an ordinary file's bytes.

    Parameters
    ----------
    path : str or path-like
        The artifact.
    keyring, policy, trusted
        As in :func:`safeserial.load`.

    Returns
    -------
    Unpacked
        A pickle, or for a joblib payload exactly what ``joblib.dump`` wrote.

    Raises
    ------
    FormatError, VerificationError, PolicyError
        As :func:`safeserial.load`.
    """
    chosen = (Policy.default() if policy is None else policy).trusting(trusted)
    ring = Keyring.from_env() if keyring is None else keyring
    with open_regular(path) as source:
        verified = loading.read_artifact(source, ring, chosen)
    payload = verified.payload
    if payload is None:
        raise NotAnArtifactError("the payload was not kept")
    environment.check(verified.manifest.environment, chosen.environment, stacklevel=3)
    model = loading.build(payload, chosen)
    extension, data = codecs.get(payload.format).export(model, payload.members)
    return Unpacked(verified, extension, data)


@keeps_nothing
def unpack(
    path: StrPath,
    out: StrPath,
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    trusted: Iterable[str] = (),
) -> Unpacked:
    """Write an artifact's model as an ordinary file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        The artifact.
    out : str or path-like
        Where the file shall stand; an old one there is replaced in one step.
    keyring, policy, trusted
        As in :func:`safeserial.load`.

    Returns
    -------
    Unpacked
        What was written.

    Raises
    ------
    FormatError, VerificationError, PolicyError
        As :func:`safeserial.load`; nothing is written then.
    WriteFailedError
        If the file cannot be written.
    """
    unpacked = unpack_bytes(path, keyring=keyring, policy=policy, trusted=trusted)
    with atomic_write(out) as stream:
        write_all(stream, unpacked.data)
    return unpacked
