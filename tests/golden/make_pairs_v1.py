# SPDX-License-Identifier: BSD-3-Clause
"""Make the test vectors of format v1 for pairs of keys: keys, signatures, and files they signed.

Run once; ECDSA and ML-DSA sign anew each time, so what stands there is never written again.

    python -m tests.golden.make_pairs_v1 tests/golden/pairs_v1
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import safeserial as ss
from safeserial import environment, manifest
from safeserial.envelope import PAYLOAD_TYPE, pre_authentication_encoding
from safeserial.keys import der
from safeserial.manifest import Environment
from safeserial.signing import _ORDERS, signer
from tests.golden.make_v1 import PLAIN
from tests.keys.pairs import OTHERS, PAIRS
from tests.world import KEY, Parts, signature

ORDER = 2**252 + 27742317777372353535851937790883648493
MESSAGE = pre_authentication_encoding(PAYLOAD_TYPE, b"{}")
WEAK = {
    "neutral point": (1).to_bytes(32, "little"),
    "neutral point, y not reduced": (2**255 - 18).to_bytes(32, "little"),
    "point of order 2": (2**255 - 20).to_bytes(32, "little"),
    "point of order 4": bytes(32),
    "point of order 8": bytes.fromhex(
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
    ),
    "no point of the curve": (2).to_bytes(32, "little"),
}


def ecdsa_forms(label: str, right: bytes) -> Iterator[tuple[str, bytes, str]]:
    """Yield other signatures made of a right one."""
    r, s = der.pair(right)
    order = _ORDERS[PAIRS[label].curve]

    def pair(first: int, second: int) -> bytes:
        return der.element(der.SEQUENCE, der.integer(first), der.integer(second))

    yield "s replaced by n - s", pair(r, order - s), "ok"
    for about, form in (
        ("r is 0", pair(0, s)),
        ("s is 0", pair(r, 0)),
        ("r is n", pair(order, s)),
        ("s is n", pair(r, order)),
        ("r + n", pair(r + order, s)),
        ("s + n", pair(r, s + order)),
        ("r and s are 1", pair(1, 1)),
        ("r and s swapped", pair(s, r)),
        ("r negated", der.element(48, der.element(2, negative(r)), der.integer(s))),
        ("a zero before r", der.element(48, b"\2", padded(r), der.integer(s))),
        ("a byte after it", right + b"\0"),
        ("a third number", der.element(48, der.integer(r), der.integer(s), der.integer(1))),
        ("indefinite length", b"\x30\x80" + der.integer(r) + der.integer(s) + b"\0\0"),
        ("raw, not DER", r.to_bytes(66, "big")[-order.bit_length() // 8 :] + s.to_bytes(66, "big")),
    ):  # fmt: skip
        yield about, form, "BadSignatureError"


def negative(number: int) -> bytes:
    """Return the content of an integer below zero."""
    return (-number).to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def padded(number: int) -> bytes:
    """Return length and content of an integer with a zero byte too many."""
    content = b"\0" + der.integer(number)[2:]
    return bytes((len(content),)) + content


def forms(label: str) -> Iterator[tuple[str, bytes, str]]:
    """Yield signatures of the message, right and wrong."""
    bad = "BadSignatureError"
    right = signer(PAIRS[label], "artifact-signature").sign(MESSAGE)
    yield "right", right, "ok"
    yield "by another key of the kind", signer(OTHERS[label], "p").sign(MESSAGE), bad
    yield "of another message", signer(PAIRS[label], "p").sign(MESSAGE + b" "), bad
    yield "one byte short", right[:-1], bad
    if label == "ed25519":
        s = int.from_bytes(right[32:], "little")
        yield "S + L", right[:32] + (s + ORDER).to_bytes(32, "little"), bad
        yield "S is 0, R the neutral point", b"\1" + bytes(63), bad
    elif label.startswith("p"):
        yield from ecdsa_forms(label, right)
    else:
        yield "with a context", PAIRS[label].handle.sign(MESSAGE, b"context"), bad


def files() -> Iterator[tuple[str, bytes, str, str]]:
    """Yield artifacts."""
    made = {
        label: ss.dumps(PLAIN, keyring=ss.Keyring([key]), digest="sha256")
        for label, key in PAIRS.items()
    }
    for label, data in made.items():
        yield f"signed-{label}", data, "ok", f"signed by {label}"
    parts = Parts.of(made["p256"])
    yield (
        "all-kinds",
        parts.signed(*PAIRS.values(), KEY),
        "ok",
        "all kinds, and an unknown HMAC key",
    )
    half = PAIRS["p256"].public
    confused = ss.HmacKey(half.spki)
    tag = {**signature(confused, parts.body), "keyid": half.key_id}
    yield (
        "public-as-secret",
        parts.zipped(parts.body, [tag]),
        "BadSignatureError",
        "an HMAC tag under the public key, in the name of the public key",
    )
    moved = {**signature(PAIRS["p256"], parts.body), "keyid": PAIRS["ed25519"].key_id}
    yield (
        "relabelled",
        parts.zipped(parts.body, [moved]),
        "BadSignatureError",
        "an ECDSA signature in the name of the Ed25519 key",
    )
    stranger = parts.signed(OTHERS["p256"])
    yield "stranger", stranger, "UnknownKeyError", "signed by a key that the keyring does not have"


def main(folder: Path) -> None:
    """Write everything, into an empty folder."""
    text = HEAD
    for label, key in PAIRS.items():
        text += f'\n[[key]]\nlabel = "{label}"\nalgorithm = "{key.algorithm}"\n'
        text += f'key_id = "{key.key_id}"\nprivate = "{key.to_text()}"\n'
        text += f'public = "{key.public.to_text()}"\nspki = "{key.public.spki.hex()}"\n'
    for about, raw in WEAK.items():
        coded = base64.urlsafe_b64encode(raw).decode()
        text += f'\n[[refused_key]]\npublic = "safeserial-ed25519-public-v1:{coded}"\n'
        text += f'about = "{about}"\n'
    for label in PAIRS:
        for about, value, outcome in forms(label):
            text += (
                f'\n[[signature]]\nlabel = "{label}"\nsig = "{base64.b64encode(value).decode()}"\n'
            )
            text += f'outcome = "{outcome}"\nabout = "{about}"\n'
    here = Environment(
        python="3.11.7", implementation="CPython", platform="linux-x86_64", packages={}
    )
    with (
        mock.patch.object(manifest, "now", return_value="2026-01-01T00:00:00Z"),
        mock.patch.object(environment, "capture", return_value=here),
    ):
        for name, data, outcome, about in files():
            (folder / f"{name}.safeserial").write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            text += f'\n[[file]]\nname = "{name}.safeserial"\nsha256 = "{digest}"\n'
            text += f'outcome = "{outcome}"\nabout = {json.dumps(about)}\n'
    with (folder / "expect.toml").open("x", encoding="utf-8") as stream:
        stream.write(text)


HEAD = f"""\
# Test vectors of format v1 for pairs of keys (docs/spec/format-v1.md, 5.3).  Never changed.
#
# key: the pairs, private halves included.  They are published on purpose and protect nothing.
# refused_key: public halves that a reader must not take.
# signature: over `message`, in the name of the key of that label; "ok" or the error.
# file: what a reader with a keyring of the public halves, all accepted, ends with.

message = "{MESSAGE.decode()}"
"""

if __name__ == "__main__":
    main(Path(sys.argv[1]))
