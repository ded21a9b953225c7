# SPDX-License-Identifier: BSD-3-Clause
"""Publish one model from elsewhere; what cannot be published is told, and ends nothing.

Floor 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from safeserial.errors import (
    PolicyError,
    RollbackError,
    SafeSerialError,
    StoreError,
    VerificationError,
)
from safeserial.importing.vouching import vouched
from safeserial.policy import Policy

if TYPE_CHECKING:
    from safeserial.store import Store

Status = Literal["published", "skipped", "refused", "unknown"]
_MOST: Final = 200
_LONGEST: Final = 1000


@dataclass(frozen=True)
class Brought:
    """What became of one model, or of one alias.

    Parameters
    ----------
    source : str
        What it was called there.
    status : {"published", "skipped", "refused", "unknown"}
        ``skipped``: it is in the store already.
    entry : str
        ``name:version`` or ``name@alias`` in the store.
    error, message, hint : str
        Why it was not published.
    """

    source: str
    status: Status
    entry: str = ""
    error: str = ""
    message: str = ""
    hint: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return it as plain data, without what it does not say."""
        return {key: value for key, value in asdict(self).items() if value}


def bring(
    store: Store,
    name: str,
    path: str,
    *,
    origin: str,
    policy: Policy,
    metadata: Mapping[str, Any],
) -> Brought:
    """Check a model file and publish it, unless it was before.

    Parameters
    ----------
    store : Store
        Its key signs.
    name : str
        To publish it under.
    path : str
        The file.
    origin : str
        What it was called there; kept as ``imported_from``, by which it is known again.
    policy : Policy
        What is vouched for.
    metadata : mapping
        More to keep.

    Returns
    -------
    Brought
        Also where it is refused.

    Raises
    ------
    KeyringError, StoreError
        If nothing at all can be published.
    """
    try:
        found = vouched(path, store.keyring, policy)
        known: dict[str, Any] = {"imported_from": origin}
        if found.sha256:
            known["sha256"] = found.sha256
        for entry in store.search(name=name, limit=1, **known):
            return Brought(origin, "skipped", entry.spec)
        entry = store.publish(name, found.model, format=found.format, **known, **metadata)
    except (RollbackError, StoreError):
        raise
    except (SafeSerialError, OSError, MemoryError) as error:
        return refused(origin, error)
    return Brought(origin, "published", entry.spec)


def refused(origin: str, error: BaseException) -> Brought:
    """Return what became of a model that an error stood against."""
    is_refusal = isinstance(error, VerificationError | PolicyError)
    message = "there is not enough memory" if isinstance(error, MemoryError) else str(error)
    return Brought(
        origin,
        "refused" if is_refusal else "unknown",
        error=type(error).__name__,
        message=message,
        hint=str(getattr(error, "hint", "") or ""),
    )


def plain(pairs: Mapping[str, Any]) -> dict[str, str]:
    """Return other people's words as metadata: ASCII keys, texts, not too many, not too long."""
    found = {}
    for key, value in sorted(pairs.items())[:_MOST]:
        name = str(key).encode("ascii", "backslashreplace").decode("ascii")[:_LONGEST]
        found[name] = str(value).encode("utf-8", "backslashreplace").decode("utf-8")[:_LONGEST]
    return found


def store_name(text: str) -> str:
    """Return a name that a store takes, as like `text` as can be."""
    parts = []
    for part in text.replace("\\", "/").split("/"):
        kept = "".join(
            one if (one.isascii() and one.isalnum()) or one in "._-" else "-" for one in part
        )
        if kept.strip("._-"):
            parts.append(kept.lstrip("._-"))
    return "/".join(parts)[:_MOST].rstrip("/") or "model"
