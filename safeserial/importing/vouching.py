# SPDX-License-Identifier: BSD-3-Clause
"""Make of a model file what a store publishes: an artifact as it is, anything else once checked.

Floor 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from safeserial.artifact import loading, saving, sniffing
from safeserial.digests import new_hasher
from safeserial.files import StrPath, open_regular
from safeserial.keyring import Keyring
from safeserial.policy import Policy


@dataclass(frozen=True)
class Vouched:
    """What :meth:`safeserial.store.Store.publish` takes.

    Parameters
    ----------
    model : object
        A model, or an artifact: its path or its bytes.
    format : str, optional
        To save the model in; None for an artifact.
    sha256 : str
        Of the file's bytes, the very ones that were checked; ``""`` for an artifact.
    """

    model: Any
    format: str | None
    sha256: str


def vouched(path: StrPath, ring: Keyring, policy: Policy) -> Vouched:
    """Read a model file once, and admit it.

    Parameters
    ----------
    path : str or path-like
        A signed artifact, or a pickle, joblib, skops or ONNX file.
    ring : Keyring
        Its active key signs an ONNX file, which is no object to be saved.
    policy : Policy
        What is vouched for.

    Raises
    ------
    FormatError, PolicyError
        If the file is no model, damaged, or not permitted.
    KeyringError
        If there is no key to sign with.
    """
    with open_regular(path) as source:
        if sniffing.is_artifact(source):
            return Vouched(path, None, "")
        payload = loading.read_unsigned(source, policy)
    (memory,) = payload.members.values()
    hasher = new_hasher("sha256")
    hasher.update(memory)
    digest = hasher.hexdigest()
    model = loading.build(payload, policy)
    if payload.format == "onnx":  # what was built is a session; the file itself is the model
        return Vouched(
            saving.dumps(bytes(memory), keyring=ring, format="onnx"), None, hasher.hexdigest()
        )
    return Vouched(model, "skops" if payload.format == "skops" else "pickle", digest)
