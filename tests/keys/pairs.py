# SPDX-License-Identifier: BSD-3-Clause
"""The keys of these tests: one of each kind, fixed, and published on purpose."""

from __future__ import annotations

import safeserial as ss
from safeserial.keys import PrivateKey

SEED = bytes(range(32))
CURVES = ("P-256", "P-384", "P-521")
SIZES = {"P-256": 32, "P-384": 48, "P-521": 66}


def pairs() -> dict[str, PrivateKey]:
    """Return a private key a kind."""
    curves = {
        f"p{curve[2:]}": ss.EcdsaKey(bytes(range(SIZES[curve])), curve=curve) for curve in CURVES
    }
    return {"ed25519": ss.Ed25519Key(SEED), **curves, "ml-dsa-65": ss.MlDsaKey(SEED)}


def others() -> dict[str, PrivateKey]:
    """Return a second key a kind."""
    curves = {
        f"p{curve[2:]}": ss.EcdsaKey(bytes(range(1, SIZES[curve])) + b"\1", curve=curve)
        for curve in CURVES[:2]
    }
    last = ss.EcdsaKey(bytes(range(65)) + b"\1", curve="P-521")
    seed = SEED[::-1]
    return {"ed25519": ss.Ed25519Key(seed), **curves, "p521": last, "ml-dsa-65": ss.MlDsaKey(seed)}


PAIRS = pairs()
OTHERS = others()
LABELS = tuple(PAIRS)
