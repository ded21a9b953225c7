# SPDX-License-Identifier: BSD-3-Clause
"""New keys by the name of their kind, as the command line has it.

Floor 2.
"""

from __future__ import annotations

from typing import Final

from safeserial.errors import KeyringError
from safeserial.keys.hmac_key import HmacKey
from safeserial.keys.kinds import BY_LABEL, ED25519, ML_DSA_65
from safeserial.keys.private_keys import EcdsaKey, Ed25519Key, MlDsaKey, PrivateKey

HMAC: Final = "hmac"
LABELS: Final = (HMAC, *BY_LABEL)


def generate_key(label: str) -> HmacKey | PrivateKey:
    """Make a new key.

    Parameters
    ----------
    label : {"hmac", "ed25519", "p256", "p384", "p521", "ml-dsa-65"}
        Its kind.

    Raises
    ------
    KeyringError
        If there is no such kind, or the installed ``cryptography`` lacks it.
    """
    if label == HMAC:
        return HmacKey.generate()
    kind = BY_LABEL.get(label)
    if kind is None:
        raise KeyringError(f"no kind of key {label[:40]!r}", hint=f"there are {', '.join(LABELS)}")
    if kind is ED25519:
        return Ed25519Key.generate()
    if kind is ML_DSA_65:
        return MlDsaKey.generate()
    return EcdsaKey.generate(kind.curve)
