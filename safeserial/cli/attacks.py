# SPDX-License-Identifier: BSD-3-Clause
"""Six attacks on a signed model, for the demonstration; each has to end in its own refusal.

Floor 8.  The planted command writes a marker file, so that "nothing ran" is seen, not believed.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from safeserial.errors import (
    BadSignatureError,
    CorruptArtifactError,
    DigestMismatchError,
    PolicyError,
    SafeSerialError,
    UnknownKeyError,
)
from safeserial.keyring import Keyring
from safeserial.keys import HmacKey

if TYPE_CHECKING:
    from safeserial.cli.demo import Story

_PLAIN_LOAD: Final = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"


@dataclass(frozen=True)
class Attack:
    """One attack and the refusal it has to meet.

    Parameters
    ----------
    title : str
        What the attacker did.
    load : callable
        What the receiver does then.
    refusal : type
        The error it has to end in.
    """

    title: str
    load: Callable[[], object]
    refusal: type[SafeSerialError]


class _Planted:
    """An object whose pickle asks the loader to run a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def run(story: Story, folder: Path, ring: Keyring) -> None:
    """Try all attacks, and tell what became of each."""
    story.chapter("6. Six attacks on it")
    marker = folder / "the-attacker-was-here"
    legacy = _planted_pickle(folder, marker)
    attacks = (*_alterations(folder, ring), *_plants(folder, ring, legacy, marker))
    for number, attack in enumerate(attacks, start=1):
        _try(story, number, attack)
    story.claim("no planted command ran", holds=not marker.exists())
    subprocess.run(  # noqa: S603 - our own interpreter and a harmless plant
        [sys.executable, "-c", _PLAIN_LOAD, str(legacy)], capture_output=True, check=False
    )
    story.claim(
        f"the plant was live: pickle.load({legacy.name!r}), in a process of its own, ran it",
        holds=marker.exists(),
    )
    marker.unlink(missing_ok=True)


def _try(story: Story, number: int, attack: Attack) -> None:
    try:
        attack.load()
    except SafeSerialError as error:
        expected = isinstance(error, attack.refusal)
        story.claim(f"{number}. {attack.title}", holds=expected)
        story.line(f"       {type(error).__name__}: {error}")
        story.line(f"       hint: {error.hint}")
    else:
        story.claim(f"{number}. {attack.title}: it was loaded", holds=False)


def _alterations(folder: Path, ring: Keyring) -> tuple[Attack, ...]:
    """Return the attacks on the file: its bytes, its words, its signature, its end."""
    from safeserial.artifact import loading

    good = (folder / "churn.safeserial").read_bytes()
    manifest = loading.verify(folder / "churn.safeserial", keyring=ring).manifest

    def load(name: str, data: bytes) -> Callable[[], Any]:
        (folder / name).write_bytes(data)
        return lambda: loading.load(folder / name, keyring=ring)

    flipped = bytearray(good)
    flipped[_payload_middle(folder / "churn.safeserial")] ^= 1
    forged = _signed_by_a_stranger(folder, ring)
    return (
        Attack(
            "one bit of the payload is flipped",
            load("flipped.safeserial", bytes(flipped)),
            DigestMismatchError,
        ),
        Attack(
            f"version {manifest.version} is made 9.9 in the manifest, checksums set right",
            load("reworded.safeserial", _reworded(good, manifest.encode())),
            BadSignatureError,
        ),
        Attack(
            "a copy is signed with the attacker's own key",
            load("forged.safeserial", forged),
            UnknownKeyError,
        ),
        Attack(
            "the last 1,000 bytes are cut off",
            load("truncated.safeserial", good[:-1000]),
            CorruptArtifactError,
        ),
    )


def _payload_middle(artifact: Path) -> int:
    """Return an offset in the middle of the model's arrays, as any ZIP tool would find it."""
    with zipfile.ZipFile(artifact) as archive:
        arrays = archive.getinfo("payload/buffers.bin")
    return arrays.header_offset + arrays.file_size // 2


def _reworded(data: bytes, manifest: bytes) -> bytes:
    """Change a word of the manifest, and its CRC wherever the archive has it."""
    altered = manifest.replace(b'"version":"1.0"', b'"version":"9.9"')
    old, new = (zlib.crc32(one).to_bytes(4, "little") for one in (manifest, altered))
    return data.replace(manifest, altered).replace(old, new)


def _signed_by_a_stranger(folder: Path, ring: Keyring) -> bytes:
    from safeserial.artifact import loading, saving

    model = loading.load(folder / "churn.safeserial", keyring=ring)
    return saving.dumps(model, keyring=Keyring([HmacKey.generate()]), name="churn", version="1.0")


def _planted_pickle(folder: Path, marker: Path) -> Path:
    """Write the oldest attack on pickle: three opcodes that call ``os.system``."""
    command = _command(marker).replace("\\", "\\u005c").encode("raw-unicode-escape")
    legacy = folder / "planted.pkl"
    legacy.write_bytes(b"cos\nsystem\n(V" + command + b"\ntR.")
    return legacy


def _command(marker: Path) -> str:
    place = shlex.quote(str(marker)) if os.name == "posix" else f'"{marker}"'
    return f"echo planted > {place}"


def _plants(folder: Path, ring: Keyring, legacy: Path, marker: Path) -> tuple[Attack, ...]:
    """Return the attacks by content: a command instead of a model, unsigned and signed."""
    from safeserial.artifact import loading, saving

    signed = folder / "planted.safeserial"

    def stolen_key() -> Any:
        saving.dump(_Planted(_command(marker)), signed, keyring=ring, name="churn", version="1.1")
        return loading.load(signed, keyring=ring)

    return (
        Attack(
            "a legacy pickle that runs a command when it is opened",
            lambda: loading.load_unsigned(legacy),
            PolicyError,
        ),
        Attack(
            "the same, signed with the team's own stolen key",
            stolen_key,
            PolicyError,
        ),
    )
