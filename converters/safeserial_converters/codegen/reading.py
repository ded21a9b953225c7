# SPDX-License-Identifier: BSD-3-Clause
"""From a signed model to a `Project`: verified, admitted, asked what it takes and gives.

Floor 7, beside the command line.  The bytes that go into a project are those that were verified.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from safeserial.artifact import claims, loading, matching, sniffing
from safeserial.artifact.verifying import signature_path
from safeserial.errors import KeyringError, UnsupportedModelError
from safeserial.files import BytesSource, FileSource, StrPath, display, open_regular
from safeserial.keyring import Keyring
from safeserial.keys import PublicKey
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.signer_rules import SignedBy
from safeserial_converters.codegen.project import Cell, Input, Output, Project, Record, Type

_TYPES: Final[Mapping[str, Type]] = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
}
_KINDS: Final = ("p256", "ed25519", "p384", "p521")  # the first is what all languages have
_MOST_COLUMNS: Final = 4096
_MOST: Final = 2**31 - 1  # of a model; what clients take
_DEFAULT_WIDTH: Final = 3  # of made-up rows, where the graph leaves it open


class _Opened(NamedTuple):
    name: str
    version: str
    file: str
    data: bytes
    signature: bytes | None
    payload: Payload
    signers: tuple[SignedBy, ...]
    digests: Mapping[str, str]  # key id to the algorithm that its signature names


def read_project(
    model: StrPath, *, keyring: Keyring, policy: Policy, signature: StrPath | None
) -> Project:
    """Verify and admit a model, and return what a project is made of.

    Parameters
    ----------
    model : str or path-like
        A signed artifact with an ONNX payload, or an ``.onnx`` file with its signature beside it.
    keyring : Keyring
        The keys whose word counts.
    policy : Policy
        What is accepted.
    signature : str or path-like, optional
        The signature file, if it is not the model's path with ``.sig`` added.

    Raises
    ------
    FormatError, VerificationError, PolicyError
        As :func:`safeserial.load`.
    UnsupportedModelError
        If it is no ONNX model, or one that records cannot be given to.
    KeyringError
        If no signer's key is of a kind that the clients read.
    MissingExtraError
        If onnxruntime is not installed.
    """
    with open_regular(model) as source:
        if signature is None and sniffing.is_artifact(source):
            opened = _artifact(source, model, keyring, policy)
        else:
            place = signature_path(model) if signature is None else signature
            opened = _beside(source, model, place, keyring, policy)
    if opened.payload.format != "onnx":
        raise _no_onnx(model)
    key_id, kind, pem = _key_of(opened.signers, keyring)
    session = loading.build(opened.payload, policy)
    inputs, outputs = _inputs(session), _outputs(session)
    rows, answers = _examples(session, inputs, outputs)
    facts = session.get_modelmeta().custom_metadata_map
    return Project(
        name=opened.name or Path(model).name.split(".")[0],
        version=opened.version,
        model_file=opened.file,
        model=opened.data,
        signature=opened.signature,
        key=pem,
        key_kind=kind,
        digest=opened.digests[key_id],
        inputs=inputs,
        outputs=outputs,
        classes=tuple(one for one in _fact(facts, "classes", list) if _is_cell(one)),
        task=str(facts.get("safeserial.task", ""))[:40],
        versions={str(k): str(v) for k, v in _fact(facts, "versions", dict).items()},
        rows=rows,
        answers=answers,
    )


def _artifact(source: FileSource, path: StrPath, ring: Keyring, policy: Policy) -> _Opened:
    if source.size > min(_MOST, policy.limits.file_size):
        raise UnsupportedModelError(f"{display(path)} is too large for the clients")
    data = bytearray(source.size)
    source.read_into(memoryview(data))
    verified = loading.read_artifact(BytesSource(data), ring, policy)
    said, payload = verified.manifest, cast("Payload", verified.payload)
    algorithm = said.members[0].digest.partition(":")[0]
    return _Opened(
        said.name or "", said.version or "", "model.safeserial", bytes(data), None, payload,
        verified.signers, {one.key_id: algorithm for one in verified.signers},
    )  # fmt: skip


def _beside(
    source: FileSource, path: StrPath, place: StrPath, ring: Keyring, policy: Policy
) -> _Opened:
    signature, _ = claims.read_bytes(place)
    claim = claims.read(place, ring)
    claim.require_agreement()
    memory = matching.received(source, claim, path, policy, None)
    payload = sniffing.foreign_payload(memory)
    if payload is None:
        raise _no_onnx(path)
    signers = claim.weigh(policy, payload.format)
    return _Opened(
        claim.name, claim.version, "model.onnx", bytes(memory), signature,
        Payload(payload.format, payload.options, payload.members, signed=True), signers,
        {one.entry.key_id: one.statement.algorithm for one in claim.checked},
    )  # fmt: skip


def _no_onnx(path: StrPath) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{display(path)} holds no ONNX model",
        hint="convert it first: safeserial convert MODEL --to onnx -o model.onnx",
    )


def _key_of(signers: Sequence[SignedBy], ring: Keyring) -> tuple[str, str, bytes | None]:
    """Return key id, kind and PEM of the signer whose key most languages read."""
    found: dict[str, tuple[str, str, bytes | None]] = {}
    for one in signers:
        entry = ring.find(one.key_id)
        half = entry.published() if entry is not None else None
        if one.is_shared:
            found.setdefault("hmac", (one.key_id, "hmac", None))
        elif half is not None and isinstance(half.key, PublicKey):
            found.setdefault(half.key.label, (one.key_id, half.key.label, half.key.to_pem()))
    for kind in (*_KINDS, "hmac"):
        if kind in found:
            return found[kind]
    raise KeyringError(
        f"the clients do not read keys of the kind {', '.join(found)}",
        hint="sign it with a key on P-256 too: safeserial keys new --algorithm p256",
    )


def _inputs(session: Any) -> tuple[Input, ...]:
    found = []
    for node in session.get_inputs():
        kind, rank = _type_of(node, "input"), len(node.shape)
        fits = rank in (1, 2) and not isinstance(node.shape[0], int) and node.shape[-1] != 0
        if not fits or "\0" in node.name:
            raise UnsupportedModelError(
                f"records cannot be given to the input {ascii(node.name)[:80]} of shape "
                f"{node.shape}",
                hint="a row is a value or a list of values an input, and their number is open",
            )
        open_ = rank == 2 and not isinstance(node.shape[1], int)
        width = None if open_ else node.shape[1] if rank == 2 else 1
        found.append(Input(node.name, kind, rank, width))
    if not 0 < len(found) <= _MOST_COLUMNS:
        raise UnsupportedModelError(
            f"the model has {len(found)} inputs; a typed record has 1 to {_MOST_COLUMNS}",
            hint="train it on an array: then it has one input, X",
        )
    return tuple(found)


def _outputs(session: Any) -> tuple[Output, ...]:
    return tuple(
        Output(node.name, _type_of(node, "output"), len(node.shape))
        for node in session.get_outputs()
    )


def _type_of(node: Any, what: str) -> Type:
    if node.type not in _TYPES:
        raise UnsupportedModelError(
            f"the {what} {ascii(node.name)[:80]} is {node.type}, which the clients do not have",
            hint="write the model with safeserial.to_onnx, perhaps with dtype='float32'",
        )
    return _TYPES[node.type]


def _fact(facts: Mapping[str, str], name: str, kind: type[Any]) -> Any:
    """Return what the file's metadata says, nothing where it says nothing or nonsense."""
    try:
        found = json.loads(facts.get(f"safeserial.{name}", ""))
    except (ValueError, RecursionError):
        return kind()
    return found if isinstance(found, kind) else kind()


def _is_cell(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


_FULL: Final[Mapping[Type, Sequence[Cell]]] = {
    "float32": (0.5, 2.25, None),
    "float64": (0.5, 2.25, None),
    "int32": (1, 0, 2),
    "int64": (1, 0, 2),
    "bool": (True, False, True),
    "string": ("one", 'Köln, "2"', None),
}


def _examples(
    session: Any, inputs: Sequence[Input], outputs: Sequence[Output]
) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Return made-up rows and what the model answers, where it answers with plain values."""
    rows: list[Record] = []
    answers: list[Record] = []
    if len(inputs) > 1 and any(one.is_wide for one in inputs):
        return (), ()  # no CSV can hold such rows
    for turn in range(3):
        row: dict[str, Cell | list[Cell]] = {}
        for place, one in enumerate(inputs):
            values = _FULL[one.type]
            cells = [
                values[2] if turn == 2 else values[(turn + place + at) % 2]
                for at in range(one.width or _DEFAULT_WIDTH)
            ]
            row[one.name] = cells if one.is_wide else cells[0]
        if (answer := _answer(session, inputs, outputs, row)) is not None:
            rows.append(row)
            answers.append(answer)
    return tuple(rows), tuple(answers)


def _answer(
    session: Any, inputs: Sequence[Input], outputs: Sequence[Output], row: Record
) -> Record | None:
    import numpy as np

    feed = {}
    for one in inputs:
        cell = row[one.name]
        cells = cell if isinstance(cell, list) else [cell]
        if one.type == "string":
            values = np.array(["" if cell is None else cell for cell in cells], object)
        else:
            values = np.array([math.nan if cell is None else cell for cell in cells], one.type)
        feed[one.name] = values if one.rank == 1 else values.reshape(1, -1)
    names = [one.name for one in outputs]
    try:
        found = session.run(names, feed)
    except Exception:  # noqa: BLE001 - made-up values need not please a model
        return None
    answer: dict[str, Cell | list[Cell]] = {}
    for output, tensor in zip(outputs, found, strict=True):
        array = np.asarray(tensor)
        if array.ndim == 0 or len(array) != 1:
            return None
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return None
        cells = array.reshape(-1).tolist()
        answer[output.alias] = cells if array.ndim > 1 else cells[0]
    return answer
