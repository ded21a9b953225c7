# SPDX-License-Identifier: BSD-3-Clause
"""Trials: fit an estimator on many kinds of data, convert it, compare it on rows it never saw.

Floor 7, beside the command line.  The tests, ``python -m safeserial_converters.check`` and the
coverage table all use it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from safeserial.errors import ConversionError, ParityError, UnsupportedModelError
from safeserial_converters import contract as contracts
from safeserial_converters import proof
from safeserial_converters.convert import to_onnx
from safeserial_converters.parity import Tolerance, compare

TRAIN: Final = 300
HELD_OUT: Final = 1000


@dataclass(frozen=True)
class Data:
    """One kind of data: training rows, targets, and rows held out."""

    name: str
    train: Any
    target: Any
    held_out: Any


@dataclass(frozen=True)
class Outcome:
    """What became of one method on one kind of data in one dtype.

    Parameters
    ----------
    estimator, variant, method, dtype : str
        Which; method is ``"*"`` where no graph came to be at all.
    verdict : str
        ``"right"``, ``"refused"`` (by name), ``"wrong"`` (a graph was handed out and differs on
        held-out rows), ``"caught"`` (the proof stopped it) or ``"failed"`` (any other error).
    detail : str
        Differences, or the message.
    """

    estimator: str
    variant: str
    method: str
    dtype: str
    verdict: str
    detail: str = ""

    def __str__(self) -> str:
        where = f"{self.estimator} [{self.variant}] {self.method} {self.dtype}"
        return f"{self.verdict:8s} {where}  {self.detail}"


def datasets(kind: str) -> Iterator[Data]:
    """Yield the kinds of data for an estimator type.

    Parameters
    ----------
    kind : str
        ``"classifier"``, ``"regressor"``, ``"clusterer"``, ``"outlier_detector"`` or other.
    """
    x, signal, held = _matrix(0)
    two = (signal > np.median(signal)).astype(int)
    three = np.digitize(signal, np.quantile(signal, [0.33, 0.66]))
    if kind == "classifier":
        yield Data("binary", x, two, held)
        yield Data("multiclass", x, three, held)
        yield Data("strings", x, np.array(["no", "yes", "maybé"])[three], held)
        yield Data("binary strings", x, np.array(["no", "yes"])[two], held)
        yield Data("multilabel", x, np.stack([two, x[:, 0] > 0, x[:, 1] > 1], 1).astype(int), held)
        yield Data("multioutput", x, np.stack([three, two], 1), held)
        yield Data("ties", np.round(x), three, np.round(held))
        yield Data("counts", np.floor(np.abs(x) * 3), three, np.floor(np.abs(held) * 3))
        yield Data("missing", _holes(x, 1), three, _holes(held, 2))
        yield Data("frame", _frame(x), three, _frame(held))
    elif kind == "regressor":
        yield Data("plain", x, signal, held)
        yield Data("multioutput", x, np.stack([signal, x[:, 0] * 2 + signal**2], 1), held)
        yield Data("positive", np.abs(x), np.exp(signal / 4), np.abs(held))
        yield Data("ties", np.round(x), signal, np.round(held))
        yield Data("missing", _holes(x, 1), signal, _holes(held, 2))
        yield Data("frame", _frame(x), signal, _frame(held))
        yield Data("one column", x[:, :1], signal, held[:, :1])
    else:
        yield Data("plain", x, three, held)
        yield Data("positive", np.abs(x), three, np.abs(held))
        yield Data("counts", np.floor(np.abs(x) * 3), three, np.floor(np.abs(held) * 3))
        yield Data("missing", _holes(x, 1), three, _holes(held, 2))
        yield Data("frame", _frame(x), three, _frame(held))
    yield from _categories(kind, signal, three)


def _matrix(seed: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    random = np.random.default_rng(seed)
    centres = random.normal(0, 1.5, (4, 6))
    every = centres[random.integers(0, 4, TRAIN + HELD_OUT)] + random.normal(
        0, 1, (TRAIN + HELD_OUT, 6)
    )
    every[:, 4] = every[:, 4] * 7 + 30
    train = every[:TRAIN]
    signal = train[:, 0] - 2 * train[:, 1] + np.sin(train[:, 2] * 2) + random.normal(0, 0.3, TRAIN)
    return train, signal, every[TRAIN:]


def _holes(x: npt.NDArray[Any], seed: int) -> npt.NDArray[Any]:
    return np.where(np.random.default_rng(seed).random(x.shape) < 0.1, np.nan, x)


def _frame(x: npt.NDArray[Any]) -> Any:
    import pandas as pd

    frame = pd.DataFrame(x, columns=[f"col {i}" for i in range(x.shape[1])])
    return frame.assign(whole=np.round(x[:, 4]).astype(np.int64))


def _categories(kind: str, signal: Any, three: Any) -> Iterator[Data]:
    import pandas as pd

    random = np.random.default_rng(5)
    words = np.array(["red", "green", "Blau", "été", "x y", "0"], object)

    def make(rows: int) -> Any:
        return pd.DataFrame(
            {
                "colour": random.choice(words, rows),
                "size": random.choice(words[:3], rows),
            }
        )

    target = signal if kind == "regressor" else three
    yield Data("categories", make(TRAIN), target, make(HELD_OUT))
    codes = random.integers(0, 5, (TRAIN + HELD_OUT, 3)).astype(np.float64)
    yield Data("codes", codes[:TRAIN], target, codes[TRAIN:])


def try_estimator(
    factory: Callable[[], Any],
    variants: Sequence[Data] | None = None,
    dtypes: Sequence[str] = ("float32", "float64"),
    **options: Any,
) -> list[Outcome]:
    """Fit, convert and compare an estimator on all kinds of data that it takes.

    Parameters
    ----------
    factory : callable
        Returns an unfitted estimator.
    variants : sequence of Data, optional
        Default: those for its type.
    dtypes : sequence of str
        To convert to.
    **options
        For :func:`to_onnx`.

    Returns
    -------
    list of Outcome
        One a method, kind of data and dtype; kinds on which `fit` fails are left out.
    """
    found = []
    for data in datasets(_kind(factory())) if variants is None else variants:
        model = fitted(factory(), data)
        if model is not None:
            for dtype in dtypes:
                found += try_model(model, data, dtype, **options)
    return found


def fitted(model: Any, data: Data) -> Any:
    """Return the model fitted to the data, or None if it does not take such data."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return model.fit(data.train, data.target)
        except Exception:  # noqa: BLE001 - estimators refuse data with any error
            return None


def try_model(model: Any, data: Data, dtype: str, **options: Any) -> list[Outcome]:
    """Convert a fitted model and compare it on held-out rows; see :func:`try_estimator`."""
    name = type(model).__name__
    methods = list(options.pop("methods", None) or contracts.available(model))
    together = _convert(model, data, dtype, methods, options)
    if isinstance(together, Outcome) and len(methods) > 1:
        each = [(m, _convert(model, data, dtype, [m], options)) for m in methods]
    else:
        each = [(m, together) for m in methods]
    outcomes = []
    for method, result in each:
        if isinstance(result, Outcome) and result.verdict == "unfit":
            continue  # the model refuses these values in this dtype
        if isinstance(result, Outcome):
            outcomes.append(Outcome(name, data.name, method, dtype, result.verdict, result.detail))
        else:
            outcomes.append(_held_out(model, data, dtype, method, result))
    return outcomes


def _convert(
    model: Any, data: Data, dtype: str, methods: Sequence[str], options: dict[str, Any]
) -> Any:
    def fail(verdict: str, error: BaseException) -> Outcome:
        text = " ".join(str(error).split())
        return Outcome("", "", "", dtype, verdict, f"{type(error).__name__}: {text}"[:400])

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return to_onnx(model, data.train[:200], dtype=dtype, methods=methods, **options)
    except UnsupportedModelError as error:
        return fail("refused", error)
    except ParityError as error:
        return fail("caught", error)
    except proof.SampleError as error:
        return fail("unfit", error)
    except ConversionError as error:
        return fail("failed", error)
    except Exception as error:  # noqa: BLE001 - a fault of a converter is a finding here
        return fail("failed", error)


def _held_out(model: Any, data: Data, dtype: str, method: str, result: Any) -> Outcome:
    def say(verdict: str, detail: str) -> Outcome:
        return Outcome(type(model).__name__, data.name, method, dtype, verdict, detail)

    outputs = [n for n in result.outputs if n == method or n.startswith(f"{method}_")]
    if method == "predict":
        outputs = [
            n for n in outputs if not n.startswith(("predict_proba", "predict_log", "predict_std"))
        ]
    want = proof.reference(model, {method: tuple(outputs)}, result.contract, data.held_out)
    if not want:
        return say("right", "the model refuses the held-out rows")
    try:
        got = proof.run(result.session(), outputs, result.feed(data.held_out))
    except ConversionError as error:
        return say("wrong", str(error))
    parts = [compare(n, g, want[n]) for n, g in zip(outputs, got, strict=True)]
    tolerance = options_tolerance(result, dtype)
    worst = max(parts, key=lambda part: (part.label_mismatches, part.max_rel))
    detail = f"{worst.label_mismatches} labels, rel {worst.max_rel:.2g}"
    return say("right" if all(part.within(tolerance) for part in parts) else "wrong", detail)


def options_tolerance(result: Any, dtype: str) -> Tolerance:
    """Return the tolerance that a result was proved to."""
    return Tolerance.of(dtype, result.report.profile)


def _kind(estimator: Any) -> str:
    try:
        from sklearn.utils import get_tags

        return str(get_tags(estimator).estimator_type or "transformer")
    except Exception:  # noqa: BLE001 - no estimator of scikit-learn's making
        return str(getattr(estimator, "_estimator_type", "transformer"))
