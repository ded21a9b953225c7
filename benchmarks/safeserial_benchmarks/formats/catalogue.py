# SPDX-License-Identifier: BSD-3-Clause
"""The formats that are compared, and what each of them promises; imports nothing of theirs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Code = Literal["yes", "allowlist", "no"]
Holds = Literal["anything", "estimators", "arrays"]

RUNS: Final = "loading calls whatever the file names"
LISTED: Final = "only names on an exact allowlist are built"
NOTHING: Final = "the format has no way to name code"


@dataclass(frozen=True, kw_only=True)
class Format:
    """One way to keep a model in a file.

    Parameters
    ----------
    key : str
        For ``--formats`` and in results.
    label : str
        As people read it.
    family : str
        Which adapter saves and loads it.
    how : mapping
        What the adapter needs to know beside that.
    needs : tuple of str
        Modules that have to be there.
    code : {"yes", "allowlist", "no"}
        Whether loading can run code that the file chooses.
    why : str
        The same as a reason.
    signed : str
        Algorithm of the signature that loading insists on; empty if there is none.
    holds : {"anything", "estimators", "arrays"}
        What it can hold.
    reads : str
        Who can read it.
    """

    key: str
    label: str
    family: str
    how: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    code: Code = "yes"
    why: str = RUNS
    signed: str = ""
    holds: Holds = "anything"
    reads: str = "Python"

    @property
    def missing(self) -> tuple[str, ...]:
        """Modules that are not installed here."""
        return tuple(name for name in self.needs if not _there(name))

    def facts(self) -> dict[str, Any]:
        """Return what the results say of the format itself."""
        return {
            "label": self.label,
            "family": self.family,
            "runs_code": self.code,
            "why": self.why,
            "signed": self.signed or None,
            "holds": self.holds,
            "reads": self.reads,
        }


def _there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _joblib(compressor: str, level: int, *needs: str) -> Format:
    return Format(
        key=f"joblib-{compressor}",
        label=f"joblib ({compressor})",
        family="joblib",
        how={"compress": [compressor, level]},
        needs=("joblib", *needs),
    )


def _signed(payload: str, algorithm: str, *, compression: str | None = None) -> Format:
    squeezed, short = f"+{compression}" if compression else "", algorithm.partition("-")[0]
    exchange = payload in ("onnx", "skops")
    return Format(
        key=f"safeserial-{payload}{squeezed.replace('+', '-')}-{short.lower()}",
        label=f"safeserial ({payload}{squeezed}, {short})",
        family="safeserial",
        how={"payload": payload, "signer": algorithm, "compression": compression},
        needs=(
            *(("skops",) if payload == "skops" else ()),
            *(("onnx", "onnxruntime") if payload == "onnx" else ()),
            *(("zstandard",) if compression == "zstd" else ()),
        ),
        code="no" if payload == "onnx" else "allowlist",
        why=NOTHING if payload == "onnx" else f"verified before it is read; {LISTED}",
        signed=algorithm,
        holds="estimators" if exchange else "anything",
        reads="any language" if payload == "onnx" else "Python",
    )


def _onnx(profile: str) -> Format:
    return Format(
        key=f"onnx-{profile}",
        label=f"ONNX ({profile})",
        family="onnx",
        how={"profile": profile},
        needs=("onnx", "onnxruntime"),
        code="no",
        why=NOTHING,
        holds="estimators",
        reads="any language",
    )


HMAC: Final = "HMAC-SHA256"
ED25519: Final = "Ed25519"

FORMATS: Final[tuple[Format, ...]] = (
    Format(key="pickle-4", label="pickle (protocol 4)", family="pickle", how={"protocol": 4}),
    Format(key="pickle-5", label="pickle (protocol 5)", family="pickle", how={"protocol": 5}),
    Format(key="cloudpickle", label="cloudpickle", family="cloudpickle", needs=("cloudpickle",)),
    Format(key="joblib", label="joblib", family="joblib", needs=("joblib",)),
    _joblib("zlib", 3),
    _joblib("gzip", 3),
    _joblib("bz2", 9),
    _joblib("lzma", 6),
    _joblib("lz4", 3, "lz4"),
    Format(
        key="joblib-zstd",
        label="joblib (in a zstd stream)",
        family="joblib-zstd",
        needs=("joblib", "zstandard"),
    ),
    Format(
        key="skops",
        label="skops",
        family="skops",
        needs=("skops",),
        code="allowlist",
        why="only trusted types are built",
        holds="estimators",
    ),
    _onnx("exact"),
    _onnx("fast"),
    *(_signed(p, a) for p in ("pickle", "joblib", "skops", "onnx") for a in (HMAC, ED25519)),
    _signed("pickle", HMAC, compression="zstd"),
    Format(
        key="npz",
        label="NumPy .npz",
        family="npz",
        needs=("numpy",),
        code="no",
        why="read without pickles",
        holds="arrays",
        reads="many languages",
    ),
    Format(
        key="safetensors",
        label="safetensors",
        family="safetensors",
        needs=("safetensors",),
        code="no",
        why=NOTHING,
        holds="arrays",
        reads="many languages",
    ),
    Format(
        key="modelstamp",
        label="modelstamp (HMAC)",
        family="modelstamp",
        needs=("modelstamp",),
        why="who has the key can run code: the payload is an ordinary joblib file",
        signed=HMAC,
    ),
    Format(
        key="mlflow-sklearn",
        label="MLflow (sklearn flavour)",
        family="mlflow",
        needs=("mlflow",),
        holds="estimators",
    ),
)

BY_KEY: Final = {one.key: one for one in FORMATS}
REFERENCES: Final = ("pickle-5", "joblib")


def choose(names: Iterable[str]) -> tuple[Format, ...]:
    """Return formats by key or family, in the order of the catalogue.

    Raises
    ------
    KeyError
        With the name that is none.
    """
    wanted = set()
    for name in names:
        found = {name} & {*BY_KEY} or {one.key for one in FORMATS if one.family == name}
        if not found:
            raise KeyError(name)
        wanted |= found
    return tuple(one for one in FORMATS if one.key in wanted)
