# SPDX-License-Identifier: BSD-3-Clause
"""The straight line of a conversion: contract, graph, proof, file.

Floor 7, beside the command line.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safeserial import engine
from safeserial.errors import (
    ConversionError,
    MissingExtraError,
    ParityError,
    SafeSerialError,
    UnsupportedModelError,
)
from safeserial.files import StrPath, atomic_write
from safeserial.transfer import write_all
from safeserial_converters import contract as contracts
from safeserial_converters.contract import Contract, Target
from safeserial_converters.parity import ParityReport, Tolerance
from safeserial_converters.result import ConversionResult

if TYPE_CHECKING:
    from safeserial.keyring import Keyring
    from safeserial_converters.draft import Draft

PROFILES = ("exact", "fast")


def to_onnx(
    model: Any,
    sample: Any,
    path: StrPath | None = None,
    *,
    dtype: Any = None,
    methods: Sequence[str] | None = None,
    profile: str = "exact",
    keyring: Keyring | None = None,
    name: str | None = None,
    version: str | None = None,
    opset: int = 20,
    ml_opset: int = 3,
    tolerance: Tolerance | None = None,
    fallback: bool = True,
    time_limit: float = 600.0,
) -> ConversionResult:
    """Write a fitted model as an ONNX graph, proved equal to it before it is handed out.

    Parameters
    ----------
    model : estimator
        Fitted.
    sample : array, list of str or dict, or DataFrame
        Rows of the kind that the model takes, best some hundred of its training rows: they say
        what the inputs are (an array: one input ``X``; a DataFrame: one input a column), and the
        proof is made with them.
    path : str or path-like, optional
        Where to write the file; an old one there is replaced in one step.
    dtype : dtype, optional
        float32 or float64 for the numeric inputs and real outputs; default: the sample's.
    methods : sequence of str, optional
        What to reproduce; default: all of ``predict``, ``predict_proba``, ``decision_function``,
        ``transform``, ``score_samples`` and ``kneighbors`` that the model has.
    profile : str
        ``"exact"`` computes in double; ``"fast"`` in float32, and is proved to 1e-3 only.
    keyring : Keyring, optional
        Sign the file: it becomes a ``.safeserial`` artifact, with a payload of format ``onnx``.
    name, version : str, optional
        Of the artifact, as in :func:`safeserial.dump`.
    opset, ml_opset : int
        Versions of the operator sets; with the defaults, the graph runs in ONNX Runtime 1.20 and
        later.
    tolerance : Tolerance, optional
        That the proof holds the graph to.  Default: no wrong label, and a quarter of what is
        promised for all rows, which is 1e-9 (float64) or 1e-6 (float32) relative.
    fallback : bool
        Let skl2onnx convert parts that have no converter here; the proof is the same.
    time_limit : float
        Seconds that building the graph may take.

    Returns
    -------
    ConversionResult
        With the bytes, the contract and the parity report.

    Raises
    ------
    UnsupportedModelError
        If a step has no exact converter; the message names it.
    ParityError
        If the graph does not predict what the model predicts; nothing is written.
    ConversionError
        If the sample or an option does not fit.
    MissingExtraError
        If onnx or onnxruntime is not installed.
    """
    _require_onnx()
    if profile not in PROFILES:
        raise ConversionError(f"profile is {profile!r}", hint="choose exact or fast")
    contract = contracts.describe(sample, dtype)
    target = Target(profile, opset, ml_opset)
    started = time.monotonic()
    draft = _built(model, contract, target, methods, fallback=fallback, time_limit=time_limit)
    seconds = time.monotonic() - started
    report = _prove(draft, model, contract, sample, profile=profile, tolerance=tolerance)
    if not report.ok:
        raise ParityError(
            f"the graph does not predict what the model predicts:\n{report}",
            max_difference=report.max_difference,
        )
    facts = contracts.metadata_of(_facts(model, contract, draft, report))
    data = draft.data(facts)
    result = ConversionResult(
        data, contract, draft.outputs_names, report, draft.engine, seconds, metadata=facts
    )
    if path is None:
        return result
    if keyring is None:
        with atomic_write(path) as stream:
            write_all(stream, data)
    else:
        from safeserial.artifact.saving import dump_converted

        dump_converted(
            data, path, format="onnx", model=model, keyring=keyring, name=name, version=version
        )
    return replace(result, path=Path(path))


def _built(model: Any, contract: Contract, target: Target, *rest: Any, **options: Any) -> Draft:
    from safeserial_converters.draft import build

    try:
        return build(model, contract, target, *rest, **options)
    except SafeSerialError:
        raise
    except Exception as error:
        _require_fitted(model)
        text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ConversionError(
            f"the converter of {type(model).__name__} failed: {text}",
            hint="this is a fault of the converter; please report it with the model class",
        ) from error


def _require_fitted(model: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise ConversionError(
            f"{type(model).__name__} is not fitted", hint="call its fit method first"
        ) from error
    except TypeError:  # no estimator of scikit-learn's making
        return


def _prove(
    draft: Draft,
    model: Any,
    contract: Contract,
    sample: Any,
    *,
    profile: str,
    tolerance: Tolerance | None,
) -> ParityReport:
    from safeserial_converters.proof import SampleError, prove

    try:
        return prove(
            model,
            draft.data({}),
            contract,
            draft.methods,
            sample,
            thresholds=draft.graph.thresholds,
            profile=profile,
            tolerance=tolerance,
            rows_depend=draft.graph.rows_depend,
        )
    except SampleError:
        raise
    except ConversionError as error:
        if not draft.graph.borrowed:
            raise
        borrowed = ", ".join(draft.graph.borrowed)
        raise UnsupportedModelError(
            f"{borrowed} has no converter, and what skl2onnx makes of it does not run: {error}"
        ) from error


def _facts(model: Any, contract: Contract, draft: Draft, report: ParityReport) -> dict[str, str]:
    classes = getattr(model, "classes_", None)
    names = getattr(model, "feature_names_in_", None)
    versions = {"python": platform.python_version()}
    for package in ("safeserial-toolkit", "scikit-learn", "numpy", "onnx", "onnxruntime"):
        try:
            versions[package] = installed.version(package)
        except installed.PackageNotFoundError:  # pragma: no cover - a source tree without metadata
            continue
    return {
        "model": f"{type(model).__module__}.{type(model).__qualname__}",
        "task": str(getattr(model, "_estimator_type", "") or _task(model)),
        "classes": "" if classes is None else json.dumps(_plain(classes)),
        "feature_names": json.dumps(_plain(names) if names is not None else list(contract.names)),
        "n_features": str(getattr(model, "n_features_in_", "") or len(contract.inputs)),
        "contract": json.dumps(contract.to_dict(), sort_keys=True),
        "outputs": json.dumps(list(draft.outputs)),
        "engine": draft.engine,
        "profile": report.profile,
        "versions": json.dumps(versions, sort_keys=True),
        "parity": report.to_json(),
    }


def _plain(values: Any) -> Any:
    if isinstance(values, list | tuple):
        return [_plain(one) for one in values]
    return values.tolist() if hasattr(values, "tolist") else values


def _task(model: Any) -> str:
    try:
        from sklearn.utils import get_tags

        return str(get_tags(model).estimator_type or "transformer")
    except Exception:  # noqa: BLE001 - a third-party model without tags
        return ""


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401

        engine.runtime()
    except ImportError as error:
        raise MissingExtraError("onnx", "converting to ONNX") from error
