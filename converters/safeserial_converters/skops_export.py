# SPDX-License-Identifier: BSD-3-Clause
"""Models as skops files: written, read back through the allowlist, and compared, then handed out.

Floor 7, beside the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safeserial import codecs
from safeserial.artifact.loading import build
from safeserial.artifact.saving import dump_converted
from safeserial.errors import (
    ConversionError,
    MissingExtraError,
    SafeSerialError,
    UnsupportedModelError,
    UntrustedTypesError,
)
from safeserial.files import StrPath, atomic_write
from safeserial.foreign import FOREIGN, admit
from safeserial.keyring import Keyring
from safeserial.payload import Payload
from safeserial.policy import Policy


@dataclass(frozen=True)
class SkopsResult:
    """A model in skops' format.

    Parameters
    ----------
    data : bytes
        The skops file.
    untrusted : tuple of str
        What a receiver has to trust by name, since no allowlist of safeserial has it: the model's
        own classes.  Mostly empty.
    path : Path, optional
        Where it was written: the file, or the signed artifact that it is in.
    card : Path, optional
        Where the model card was written.
    """

    data: bytes = field(repr=False)
    untrusted: tuple[str, ...] = ()
    path: Path | None = None
    card: Path | None = None


def to_skops(
    model: Any,
    path: StrPath | None = None,
    *,
    keyring: Keyring | None = None,
    card: bool = False,
    name: str | None = None,
    version: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> SkopsResult:
    """Write a fitted model as a skops file, which holds no pickle.

    Before it is handed out the file is loaded as a stranger would load it, and what comes of it is
    compared with the model, attribute by attribute.

    Parameters
    ----------
    model : estimator
        Fitted.
    path : str or path-like, optional
        Where to write; an old file there is replaced in one step.
    keyring : Keyring, optional
        Sign the file: it becomes a ``.safeserial`` artifact of the format ``skops``.
    card : bool, default=False
        Write a model card beside it, ``path`` with the suffix ``.md``.
    name, version, metadata
        As in :func:`safeserial.dump`; only where it is signed.

    Returns
    -------
    SkopsResult
        With the bytes, and the names that a receiver would have to trust.

    Raises
    ------
    UnsupportedModelError
        If skops cannot write the model, or what it writes is not the same model; nothing is written
        then.
    ConversionError
        If an option needs another one.
    MissingExtraError
        If skops is not installed.

    Examples
    --------
    >>> import safeserial as ss
    >>> from sklearn.linear_model import Ridge
    >>> result = ss.to_skops(Ridge().fit([[0.0], [1.0]], [0.0, 2.0]), "model.skops")
    >>> ss.load_unsigned("model.skops").predict([[3.0]]).round(2)
    array([4.])
    """
    if path is None and (card or keyring is not None):
        raise ConversionError("a signed file and a model card need a path", hint="give a path")
    if keyring is None and (name, version, metadata) != (None, None, None):
        raise ConversionError("name, version and metadata are signed", hint="give a keyring")
    data = _written(model)
    untrusted = _proved(model, data)
    result = SkopsResult(data, untrusted)
    if path is None:
        return result
    if keyring is not None:
        dump_converted(
            data,
            path,
            format="skops",
            model=model,
            keyring=keyring,
            name=name,
            version=version,
            metadata=metadata,
        )
    else:
        with atomic_write(path) as stream:
            stream.write(data)
    where = Path(path)
    return replace(result, path=where, card=_card(model, where) if card else None)


def _written(model: Any) -> bytes:
    try:
        encoded = codecs.get("skops").encode(model, None)
    except MissingExtraError:
        raise
    except RecursionError:
        raise UnsupportedModelError(
            f"skops cannot write a {type(model).__name__}: something in it holds itself (as"
            " distributions of scipy.stats do), or it is nested too deeply",
            hint="save it as pickle or joblib, signed",
        ) from None
    except Exception as error:  # skops asks the model's own code for its state
        raise UnsupportedModelError(
            f"skops cannot write a {type(model).__name__}: {error}"[:400],
            hint="save it as pickle or joblib, signed",
        ) from error
    (pieces,) = encoded.members.values()
    return b"".join(pieces)


def _proved(model: Any, data: bytes) -> tuple[str, ...]:
    """Load the file and compare; return what had to be trusted for that."""
    from safeserial_converters.sameness import difference

    # Signed: boosters of the model that stands here need not be looked at.
    payload = Payload("skops", {}, {FOREIGN["skops"]: memoryview(data)}, signed=True)
    policy, untrusted = Policy.default(), tuple[str, ...]()
    try:
        try:
            admit(payload, policy)
        except UntrustedTypesError as error:
            untrusted = error.types
        again = build(payload, policy.trusting(untrusted))
    except SafeSerialError as error:
        raise UnsupportedModelError(
            f"as skops a {type(model).__name__} could not be loaded: {error}"[:400],
            hint="save it as pickle or joblib, signed",
        ) from error
    where = difference(model, again)
    if where:
        raise UnsupportedModelError(
            f"skops would not give back the same {type(model).__name__}: {where}"[:400],
            hint="save it as pickle or joblib, signed",
        )
    return untrusted


def _card(model: Any, path: Path) -> Path:
    from skops.card import Card

    place = path.with_suffix(".md")
    text = Card(model).render()
    with atomic_write(place) as stream:
        stream.write(text.encode("utf-8"))
    return place
