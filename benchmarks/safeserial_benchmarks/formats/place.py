# SPDX-License-Identifier: BSD-3-Clause
"""The folder in which a model is measured: reference, rows, keys, and a folder a format."""

from __future__ import annotations

import json
import pickle
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safeserial_benchmarks.formats.catalogue import ED25519, HMAC

RINGS: Final = {HMAC: "hmac.keys", ED25519: "ed25519.keys"}
_STAMP_KEY: Final = "stamp.key"


@dataclass(frozen=True)
class Place:
    """Where a model's measurement happens.

    Parameters
    ----------
    folder : Path
        Private to this user.
    """

    folder: Path

    def ring(self, algorithm: str) -> Any:
        """Return the keyring that signs with an algorithm."""
        import safeserial as ss

        return ss.Keyring.load(self.folder / RINGS[algorithm])

    def stamp_key(self) -> bytes:
        """Return the key for formats of others that sign."""
        return (self.folder / _STAMP_KEY).read_bytes()

    def sample(self) -> Any:
        """Return the rows that the model is asked."""
        return pickle.loads((self.folder / "sample.pkl").read_bytes())

    def facts(self) -> dict[str, Any]:
        """Return what is known of the model: see :mod:`.preparing`."""
        found: dict[str, Any] = json.loads((self.folder / "facts.json").read_text("utf-8"))
        return found

    def output(self, key: str) -> Path:
        """Return the folder that a format writes into."""
        return self.folder / key

    def trusted(self, key: str) -> Path:
        """Return the file of names that loading a format has to trust."""
        return self.folder / f"{key}.trusted.json"


def make_keys(folder: Path) -> None:
    """Write a ring with a fresh key for each algorithm that there is."""
    import safeserial as ss

    for algorithm, name in RINGS.items():
        kind = "HmacKey" if algorithm == HMAC else "Ed25519Key"
        if hasattr(ss, kind):
            ss.Keyring([getattr(ss, kind).generate()]).save(folder / name)
    (folder / _STAMP_KEY).write_bytes(secrets.token_bytes(32))
