# SPDX-License-Identifier: BSD-3-Clause
"""What a codec is: model to payload members, and back from what the verifier admitted.

Floor 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from safeserial.codecs.boosters import Boosters
from safeserial.codecs.compression import Compression
from safeserial.strictjson import Json
from safeserial.verifier import Admitted


@dataclass(frozen=True)
class Encoded:
    """A model as payload members.

    Parameters
    ----------
    options : mapping
        Goes into the manifest; what decoding needs to know.
    members : mapping of str to sequence of memoryview
        Path to the member's data in pieces, which may be views of the model's own arrays.
    """

    options: Mapping[str, Json]
    members: Mapping[str, tuple[memoryview, ...]] = field(repr=False)


class Codec(Protocol):
    """One payload format."""

    name: str

    def encode(self, model: Any, compression: Compression) -> Encoded:
        """Return the payload of `model`."""

    def decode(self, admitted: Admitted, boosters: Boosters | None = None) -> Any:
        """Build the model of an admitted payload; without `boosters`, one without native ones."""

    def export(self, model: Any, members: Mapping[str, memoryview]) -> tuple[str, bytes]:
        """Return the extension and the bytes of an ordinary file that holds the model."""
