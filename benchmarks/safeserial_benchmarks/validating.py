# SPDX-License-Identifier: BSD-3-Clause
"""Cost of content validation beside loading: ``python -m safeserial_benchmarks.validating``.

Each round unpickles a model, validates what has just been built, as loading does, and loads the
same model as a signed artifact.  Times are of this thread's processor, since other processes on a
shared machine stretch wall time by more than validation takes; ratios are taken within a round, and
of the best times of all rounds.
"""

from __future__ import annotations

import functools
import gc
import pickle
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

import safeserial as ss
from safeserial.validators import validate
from safeserial_benchmarks.models import QUICK_SCALE, SPECS, make

_AT_LEAST: Final = 7
_DEFAULT: Final = ",".join(spec.name for spec in SPECS if spec.kept)


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    start = time.thread_time()
    result = run()
    return result, time.thread_time() - start


def measure(model: Any, seconds: float) -> tuple[list[float], list[float], list[float]]:
    """Measure validation, unpickling and loading in interleaved rounds.

    Parameters
    ----------
    model : object
        The model.
    seconds : float
        Stop after the round in which this is reached.

    Returns
    -------
    tuple of three lists
        Seconds of ``validate``, of ``pickle.loads`` and of ``safeserial.loads``.
    """
    ring = ss.Keyring([ss.HmacKey.generate()])
    data, artifact = pickle.dumps(model, 5), ss.dumps(model, keyring=ring)
    validating: list[float] = []
    unpickling: list[float] = []
    loading: list[float] = []
    begun = time.perf_counter()
    while len(loading) < _AT_LEAST or time.perf_counter() - begun < seconds:
        gc.collect()
        built, elapsed = _timed(lambda: pickle.loads(data))
        unpickling.append(elapsed)
        validating.append(_timed(functools.partial(validate, built))[1])
        del built
        loading.append(_timed(lambda: ss.loads(artifact, keyring=ring))[1])
    return validating, unpickling, loading


def ratios(mine: list[float], others: list[float]) -> str:
    """Return the median of the ratios of each round, and the ratio of the best times."""
    median = statistics.median(a / b for a, b in zip(mine, others, strict=True))
    return f"{median:.3f} / {min(mine) / min(others):.3f}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Small models: does it run at all?")
@click.option("--models", default=_DEFAULT, show_default=True, help="Separated by commas.")
@click.option("--seconds", default=6.0, show_default=True, help="For each model.")
def main(*, quick: bool, models: str, seconds: float) -> None:
    """Measure validation beside pickle.loads and safeserial.loads."""
    known = {spec.name: spec for spec in SPECS}
    table = Table("model", "validate (ms)", "over pickle.loads", "over safeserial.loads", "rounds")
    for name in models.split(","):
        if name not in known:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(known)}")
        model = make(known[name], scale=QUICK_SCALE if quick else 1.0)
        validating, unpickling, loading = measure(model, seconds)
        best = f"{statistics.median(validating) * 1e3:.3f} / {min(validating) * 1e3:.3f}"
        table.add_row(
            name, best, ratios(validating, unpickling), ratios(validating, loading),
            str(len(loading)),
        )  # fmt: skip
    console = Console()
    console.print(table)
    console.print("median / best of all rounds")


if __name__ == "__main__":
    main(prog_name="python -m safeserial_benchmarks.validating")
