# SPDX-License-Identifier: BSD-3-Clause
"""What is done to one file: inspect, verify, convert, sign.  Each a value that a worker gets.

Floor 7.  An action holds no key and no model; what it needs is opened where it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol

from safeserial.errors import NotAnArtifactError, SafeSerialError, UnreadableFileError
from safeserial.files import open_regular
from safeserial.policy import Policy

if TYPE_CHECKING:
    from safeserial.artifact.trust import Verified
    from safeserial.bulk.items import Item
    from safeserial.inspection.report import Report
    from safeserial.keyring import Keyring

Facts = dict[str, Any]
_FINDINGS: Final = 20
_VERDICTS: Final = {"safe": "ok", "needs trust": "refused", "dangerous": "refused"}
# What may stand in a folder of models beside the models is passed over; these are not.
_MODELS: Final = frozenset(".safeserial .pkl .pickle .p .sav .joblib .job .skops .onnx".split())
_SOURCES: Final = _MODELS - {".onnx"}


class Action(Protocol):
    """Something done to one file."""

    @property
    def name(self) -> str:
        """The row's `action`."""

    @property
    def most(self) -> int:
        """Files handed to a worker at one time."""

    @property
    def policy(self) -> Policy:
        """What is accepted."""

    def wants(self, path: str) -> bool:
        """Say whether a file of a folder is concerned, by its name."""

    def __call__(self, item: Item, ring: Keyring | None) -> Facts | None:
        """Return columns of the row, None for a file that is no model; or raise."""


@dataclass(frozen=True)
class Inspect:
    """Say what a file holds (see :func:`safeserial.inspect`).

    Parameters
    ----------
    policy : Policy
        Decides the verdict.
    every : bool, default=False
        Also tell of files in folders that are no models.
    """

    policy: Policy = field(default_factory=Policy)
    every: bool = False
    name: ClassVar[str] = "inspect"
    most: ClassVar[int] = 64

    def wants(self, path: str) -> bool:
        """Say yes: what a file is shows from its content."""
        del path
        return True

    def __call__(self, item: Item, ring: Keyring | None) -> Facts | None:
        """Inspect a file."""
        from safeserial.inspection.inspecting import inspect

        report = inspect(item.place, keyring=ring, policy=self.policy)
        if report.verdict == "not a model" and not (self.every or item.named):
            return None
        return reported(report)


@dataclass(frozen=True)
class Verify:
    """Verify a file's signature (see :func:`safeserial.verify`).

    Parameters
    ----------
    policy : Policy
        Which formats are accepted.
    """

    policy: Policy = field(default_factory=Policy)
    name: ClassVar[str] = "verify"
    most: ClassVar[int] = 128

    def wants(self, path: str) -> bool:
        """Say yes to all but detached signatures: a model without one is told, too."""
        return not path.endswith(".sig")

    def __call__(self, item: Item, ring: Keyring | None) -> Facts | None:
        """Verify a file."""
        import safeserial as ss

        try:
            verified = ss.verify(item.place, keyring=ring, policy=self.policy)
        except NotAnArtifactError as error:
            unreadable = isinstance(error, UnreadableFileError)
            modelish = Path(item.place).suffix.lower() in _MODELS
            if item.named or modelish or unreadable:
                raise
            return None
        return described(verified)


@dataclass(frozen=True)
class Convert:
    """Write a model as ONNX or skops, proved equal to the original.

    Parameters
    ----------
    policy : Policy
        What is loaded.
    target : {"onnx", "skops"}, default="onnx"
        The format.
    sample : str, optional
        Path of a file with rows that the models take; random ones where there is none.
    options : tuple of (str, object), default=()
        More arguments of the converter: ``dtype``, ``methods``, ``profile``.
    """

    policy: Policy = field(default_factory=Policy)
    target: Literal["onnx", "skops"] = "onnx"
    sample: str | None = None
    options: tuple[tuple[str, Any], ...] = ()
    name: ClassVar[str] = "convert"
    most: ClassVar[int] = 4

    def wants(self, path: str) -> bool:
        """Say whether a file is called as models are that can be converted."""
        ending = Path(path).suffix.lower()
        return ending in _SOURCES and ending != f".{self.target}"

    def __call__(self, item: Item, ring: Keyring | None) -> Facts | None:
        """Convert a model."""
        model = _opened(item.place, ring, self.policy)
        Path(item.output).parent.mkdir(parents=True, exist_ok=True)
        return converted(model, item.output, self)


@dataclass(frozen=True)
class Sign:
    """Check a legacy model file, and write it as a signed artifact.

    Your signature says that you vouch for it: what the policy would not load is not signed.

    Parameters
    ----------
    policy : Policy
        What is signed.
    compression : str, (str, int) or None, default=None
        Of the payload (see :func:`safeserial.dump`).
    named : bool, default=True
        Whether the model's name in the manifest is the file's name without its ending.
    """

    policy: Policy = field(default_factory=Policy)
    compression: Any = None
    named: bool = True
    name: ClassVar[str] = "sign"
    most: ClassVar[int] = 32

    def wants(self, path: str) -> bool:
        """Say whether a file is called as unsigned models are."""
        ending = Path(path).suffix.lower()
        return ending in _MODELS and ending != ".safeserial"

    def __call__(self, item: Item, ring: Keyring | None) -> Facts | None:
        """Check and sign a model."""
        from safeserial.artifact import loading, saving
        from safeserial.digests import sha256_hex

        Path(item.output).parent.mkdir(parents=True, exist_ok=True)
        with open_regular(item.place) as source:
            payload = loading.read_unsigned(source, self.policy)
        form = payload.format if payload.format in {"skops", "onnx"} else "pickle"
        model = loading.build(payload, self.policy)  # the same bytes; refused here or never
        if form == "onnx":  # what was built is a session; the file itself is the model
            (model,) = (bytes(one) for one in payload.members.values())
        title = Path(item.below or item.place).stem if self.named else None
        manifest = saving.dump(
            model,
            item.output,
            keyring=ring,
            format=form,
            compression=None if form in {"skops", "onnx"} else self.compression,
            name=title,
        )
        return {
            "artifact_id": sha256_hex(manifest.encode()),
            "created": manifest.created,
            "format": manifest.format,
            "model": manifest.model.class_name,
            "name": manifest.name,
            "signers": [ring.active.key_id] if ring is not None else None,
            "output": item.output,
            "output_size": Path(item.output).stat().st_size,
        }


def converted(model: Any, output: str, action: Convert) -> Facts:
    """Write a model in another format; return the columns of the row."""
    import safeserial as ss

    made: Facts = {"model": _class_name(model), "output": output}
    if action.target == "skops":
        ss.to_skops(model, output)
    else:
        from safeserial.samples import rows_for

        rows = rows_for(model, action.sample)
        result = ss.to_onnx(model, rows, output, **dict(action.options))
        made["difference"] = max((one.max_rel for one in result.report.methods), default=0.0)
    return made | {"output_size": Path(output).stat().st_size}


def reported(report: Report) -> Facts:
    """Return the columns of an inspection."""
    problem = report.problem
    facts: Facts = {
        "status": _VERDICTS.get(report.verdict, "unknown"),
        "kind": report.kind,
        "verdict": report.verdict,
        "signature": report.signature,
        "signers": list(report.signers) or None,
        "artifact_id": report.artifact_id or None,
        "estimator": report.estimator or None,
        "untrusted": list(report.untrusted) or None,
        "findings": [f"{one.rule} {one.message}" for one in report.findings[:_FINDINGS]] or None,
    }
    if problem is not None:
        facts |= explained(problem)
    return facts


def described(verified: Verified) -> Facts:
    """Return the columns of a verified file."""
    manifest = getattr(verified, "manifest", None)
    facts: Facts = {"signers": [one.key_id for one in verified.signers]}
    if manifest is not None:  # of a detached signature there is none
        facts |= {
            "artifact_id": verified.artifact_id,
            "created": manifest.created,
            "format": manifest.format,
            "model": manifest.model.class_name,
            "name": manifest.name,
            "version": manifest.version,
        }
    return facts


def explained(error: BaseException) -> Facts:
    """Return the columns that tell of an error."""
    kind, text = type(error).__name__, str(error)
    if isinstance(error, SafeSerialError):
        return {"error": kind, "message": text or kind, "hint": error.hint or None}
    if isinstance(error, OSError):
        hint = "check the path, its permissions and the free space"
        return {"error": kind, "message": error.strerror or kind, "hint": hint}
    if isinstance(error, MemoryError):
        hint = "work on it by itself, on a machine with more memory"
        return {"error": kind, "message": "there is not enough memory", "hint": hint}
    hint = "this is a bug of safeserial; work on the file by itself to see it"
    return {"error": kind, "message": f"it failed: {kind}", "hint": hint}


def _opened(path: str, ring: Keyring | None, policy: Policy) -> Any:
    from safeserial.artifact import loading, sniffing

    with open_regular(path) as source:
        signed = sniffing.is_artifact(source)
    if signed:
        return loading.load(path, keyring=ring, policy=policy)
    return loading.load_unsigned(path, policy=policy)


def _class_name(model: Any) -> str:
    return f"{type(model).__module__}.{type(model).__qualname__}"
