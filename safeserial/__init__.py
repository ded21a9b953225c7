# SPDX-License-Identifier: BSD-3-Clause
"""safeserial: save a fitted model, sign it, and load it elsewhere without running anybody's code.

The pipeline: :func:`dump` encodes a model, signs a manifest of its bytes and writes one file;
:func:`load` verifies the signature before a byte of the model is interpreted, proves by the opcode
verifier that loading does only what loading a model does, and builds it.

Files of format v1 open for ever: every later version of safeserial reads what this one writes.

Importing this package is cheap: nothing but the standard library is imported until a name is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from safeserial.artifact.approving import approve as approve
    from safeserial.artifact.detaching import sign as sign
    from safeserial.artifact.loading import load as load
    from safeserial.artifact.loading import load_unsigned as load_unsigned
    from safeserial.artifact.loading import loads as loads
    from safeserial.artifact.saving import dump as dump
    from safeserial.artifact.saving import dumps as dumps
    from safeserial.artifact.trust import SignedBy as SignedBy
    from safeserial.artifact.trust import Verified as Verified
    from safeserial.artifact.verifying import SignedFile as SignedFile
    from safeserial.artifact.verifying import VerifiedFiles as VerifiedFiles
    from safeserial.artifact.verifying import verify as verify
    from safeserial.detached.certificates import Roots as Roots
    from safeserial.guarding import guard as guard
    from safeserial.guarding import install_guard as install_guard
    from safeserial.inspection.inspecting import get_untrusted_types as get_untrusted_types
    from safeserial.inspection.inspecting import inspect as inspect
    from safeserial.inspection.report import Finding as Finding
    from safeserial.inspection.report import Report as Report
    from safeserial.keyring import KeyEntry as KeyEntry
    from safeserial.keyring import Keyring as Keyring
    from safeserial.keys import EcdsaKey as EcdsaKey
    from safeserial.keys import Ed25519Key as Ed25519Key
    from safeserial.keys import HmacKey as HmacKey
    from safeserial.keys import MlDsaKey as MlDsaKey
    from safeserial.keys import PublicKey as PublicKey
    from safeserial.manifest import Manifest as Manifest
    from safeserial.policy import Policy as Policy
    from safeserial.signer_rules import SignerRule as SignerRule

    compare_formats: Callable[..., Any]
    from safeserial.store import Store as Store

    to_onnx: Callable[..., Any]
    to_skops: Callable[..., Any]
    to_triton: Callable[..., Any]

__version__ = "0.1.0"

_HOMES = {
    "EcdsaKey": "safeserial.keys",
    "Ed25519Key": "safeserial.keys",
    "Finding": "safeserial.inspection.report",
    "HmacKey": "safeserial.keys",
    "KeyEntry": "safeserial.keyring",
    "Keyring": "safeserial.keyring",
    "Manifest": "safeserial.manifest",
    "MlDsaKey": "safeserial.keys",
    "Policy": "safeserial.policy",
    "PublicKey": "safeserial.keys",
    "Report": "safeserial.inspection.report",
    "SignedBy": "safeserial.artifact.trust",
    "SignerRule": "safeserial.signer_rules",
    "SignedFile": "safeserial.artifact.verifying",
    "Roots": "safeserial.detached.certificates",
    "Verified": "safeserial.artifact.trust",
    "VerifiedFiles": "safeserial.artifact.verifying",
    "approve": "safeserial.artifact.approving",
    "Store": "safeserial.store",
    "dump": "safeserial.artifact.saving",
    "dumps": "safeserial.artifact.saving",
    "errors": "safeserial.errors",
    "get_untrusted_types": "safeserial.inspection.inspecting",
    "guard": "safeserial.guarding",
    "inspect": "safeserial.inspection.inspecting",
    "install_guard": "safeserial.guarding",
    "load": "safeserial.artifact.loading",
    "load_unsigned": "safeserial.artifact.loading",
    "loads": "safeserial.artifact.loading",
    "sign": "safeserial.artifact.detaching",
    "verify": "safeserial.artifact.verifying",
}

# What stands beside the core: found by entry point, never imported by name.
_CONVERTERS = {
    "compare_formats": "bench",
    "to_onnx": "onnx",
    "to_skops": "skops",
    "to_triton": "onnx",
}

__all__ = [
    "EcdsaKey",
    "Ed25519Key",
    "Finding",
    "HmacKey",
    "KeyEntry",
    "Keyring",
    "Manifest",
    "MlDsaKey",
    "Policy",
    "PublicKey",
    "Report",
    "Roots",
    "SignedBy",
    "SignerRule",
    "Verified",
    "approve",
    "compare_formats",
    "Store",
    "dump",
    "dumps",
    "errors",
    "get_untrusted_types",
    "guard",
    "inspect",
    "install_guard",
    "load",
    "load_unsigned",
    "loads",
    "sign",
    "to_onnx",
    "to_skops",
    "to_triton",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _CONVERTERS:
        return _converter(name)
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'safeserial' has no attribute {name!r}")
    module = importlib.import_module(home)
    found = module if home == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = found
    return found


def _converter(name: str) -> Any:
    from importlib.metadata import entry_points

    from safeserial.errors import MissingExtraError

    groups = ("safeserial.converters", "safeserial.benchmarks")
    found = [one for group in groups for one in entry_points(group=group, name=name)]
    if not found:
        raise MissingExtraError(_CONVERTERS[name], f"safeserial.{name}")
    globals()[name] = found[0].load()
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
