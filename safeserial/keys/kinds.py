# SPDX-License-Identifier: BSD-3-Clause
"""The kinds of key pairs: their names, their sizes, and how their public halves begin in DER.

Floor 2.  For each kind a public key (SubjectPublicKeyInfo, RFC 5280) is a fixed beginning and a
fixed number of bytes, so that one key has one text and nothing of ASN.1 is left to interpretation.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from safeserial.errors import KeyringError


class Kind(NamedTuple):
    """What is fixed for all keys of a kind.

    Parameters
    ----------
    label : str
        Short name: begins key ids, and is what the command line calls the kind.
    algorithm : str
        Full name of the signature algorithm.
    curve : str
        NIST's name of the curve, ``""`` where there is no choice of one.
    secret_size : int
        Bytes of the secret: a seed, or a number in big-endian form.
    public_size : int
        Bytes of the public half.
    spki_start : bytes
        What stands before them in DER.
    """

    label: str
    algorithm: str
    curve: str
    secret_size: int
    public_size: int
    spki_start: bytes


ED25519: Final = Kind("ed25519", "ed25519", "", 32, 32, bytes.fromhex("302a300506032b6570032100"))
P256: Final = Kind(
    "p256",
    "ecdsa-p256-sha256",
    "P-256",
    32,
    65,
    bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200"),
)
P384: Final = Kind(
    "p384",
    "ecdsa-p384-sha384",
    "P-384",
    48,
    97,
    bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200"),
)
P521: Final = Kind(
    "p521",
    "ecdsa-p521-sha512",
    "P-521",
    66,
    133,
    bytes.fromhex("30819b301006072a8648ce3d020106052b8104002303818600"),
)
ML_DSA_65: Final = Kind(
    "ml-dsa-65",
    "ml-dsa-65",
    "",
    32,
    1952,
    bytes.fromhex("308207b2300b0609608648016503040312038207a100"),
)

KINDS: Final = (ED25519, P256, P384, P521, ML_DSA_65)
BY_LABEL: Final = {kind.label: kind for kind in KINDS}
BY_CURVE: Final = {kind.curve: kind for kind in KINDS if kind.curve}


def of_curve(curve: str) -> Kind:
    """Return the kind of a curve.

    Raises
    ------
    KeyringError
        If it is not P-256, P-384 or P-521.
    """
    kind = BY_CURVE.get(curve)
    if kind is None:
        raise KeyringError(
            f"no key on curve {str(curve)[:40]!r}", hint=f"there are {', '.join(BY_CURVE)}"
        )
    return kind
