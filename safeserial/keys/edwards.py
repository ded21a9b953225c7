# SPDX-License-Identifier: BSD-3-Clause
"""Which 32 bytes are an Ed25519 public key that only its owner signs with.

Floor 2.  OpenSSL takes any 32 bytes.  Under a point of small order one signature fits every
message, and a second spelling of a point would give one key two ids; so both are refused when the
key is read.  Public numbers only: nothing here needs constant time.
"""

from __future__ import annotations

from typing import Final

from safeserial.errors import WeakKeyError

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
# y of the points whose order divides 8 (RFC 7748's curve has cofactor 8): the neutral point, the
# one of order 2, the two of order 4, and the four of order 8, which share two values.
_Y_OF_ORDER_8: Final = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
_SMALL: Final = frozenset({0, 1, _P - 1, _Y_OF_ORDER_8, _P - _Y_OF_ORDER_8})


def require_sound(encoded: bytes) -> None:
    """Refuse what is no point, a point in another spelling, or a point of small order.

    Parameters
    ----------
    encoded : bytes
        32 bytes as in RFC 8032, 5.1.2.

    Raises
    ------
    WeakKeyError
        If it is one of the three.
    """
    number = int.from_bytes(encoded, "little")
    y = number & (2**255 - 1)
    if y >= _P:
        raise WeakKeyError("the Ed25519 public key is not in its canonical form")
    if y in _SMALL:
        raise WeakKeyError("the Ed25519 public key is a point of small order: anybody can sign")
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if pow(square, (_P - 1) // 2, _P) != 1:
        raise WeakKeyError("the Ed25519 public key is no point of the curve")
