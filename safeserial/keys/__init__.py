# SPDX-License-Identifier: BSD-3-Clause
"""Keys: a secret, or a pair with a public half; the algorithm is the key's, never a file's word.

Floor 2.  What pairs need is imported when the first one is met, ``cryptography`` when a key is
first made or used: verifying a file that a shared secret signed waits for neither.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from safeserial.keys.hmac_key import MAX_KEY_FILE_BYTES as MAX_KEY_FILE_BYTES
from safeserial.keys.hmac_key import MAX_SECRET_BYTES as MAX_SECRET_BYTES
from safeserial.keys.hmac_key import MIN_SECRET_BYTES as MIN_SECRET_BYTES
from safeserial.keys.hmac_key import HmacKey as HmacKey
from safeserial.keys.protocol import MIN_DISTINCT_BYTES as MIN_DISTINCT_BYTES
from safeserial.keys.protocol import PURPOSE_ARTIFACT as PURPOSE_ARTIFACT
from safeserial.keys.protocol import PURPOSE_KEY_ID as PURPOSE_KEY_ID
from safeserial.keys.protocol import Key as Key
from safeserial.keys.protocol import Passphrase as Passphrase
from safeserial.keys.reading import key_from_bytes as key_from_bytes
from safeserial.keys.reading import key_from_file as key_from_file
from safeserial.keys.reading import key_from_pem as key_from_pem
from safeserial.keys.reading import key_from_text as key_from_text

if TYPE_CHECKING:
    from safeserial.keys.kinds import BY_LABEL as BY_LABEL
    from safeserial.keys.kinds import KINDS as KINDS
    from safeserial.keys.kinds import Kind as Kind
    from safeserial.keys.kms import KmsKey as KmsKey
    from safeserial.keys.making import LABELS as LABELS
    from safeserial.keys.making import generate_key as generate_key
    from safeserial.keys.private_keys import EcdsaKey as EcdsaKey
    from safeserial.keys.private_keys import Ed25519Key as Ed25519Key
    from safeserial.keys.private_keys import MlDsaKey as MlDsaKey
    from safeserial.keys.private_keys import PrivateKey as PrivateKey
    from safeserial.keys.public_key import PublicKey as PublicKey

_HOMES = {
    "BY_LABEL": "safeserial.keys.kinds",
    "KINDS": "safeserial.keys.kinds",
    "Kind": "safeserial.keys.kinds",
    "KmsKey": "safeserial.keys.kms",
    "LABELS": "safeserial.keys.making",
    "generate_key": "safeserial.keys.making",
    "EcdsaKey": "safeserial.keys.private_keys",
    "Ed25519Key": "safeserial.keys.private_keys",
    "MlDsaKey": "safeserial.keys.private_keys",
    "PrivateKey": "safeserial.keys.private_keys",
    "PublicKey": "safeserial.keys.public_key",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'safeserial.keys' has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(home), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
