# SPDX-License-Identifier: BSD-3-Clause
"""Where the time of a load goes: ``python -m safeserial_benchmarks.phases``.

Each round loads a file with pickle, then a signed artifact phase by phase, then the same in one
call.  Times are of this thread's processor, since other processes on a shared machine stretch wall
time by more than a phase takes; ratios are taken within a round.
"""

from __future__ import annotations

import functools
import gc
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import click
from rich.console import Console
from rich.table import Table

import safeserial as ss
from safeserial import codecs
from safeserial.artifact.loading import boosters_of, read_artifact
from safeserial.files import open_regular
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.validators import validate
from safeserial.verifier import admit
from safeserial_benchmarks.models import QUICK_SCALE, SPECS, make

PHASES: Final = ("pickle.load", "read", "verifier", "decode", "validators", "safeserial.load")
_AT_LEAST: Final = 7
_DEFAULT: Final = ",".join(spec.name for spec in SPECS if spec.kept)
Times = dict[str, list[float]]


def measure(model: Any, folder: Path, seconds: float) -> Times:
    """Measure all phases in interleaved rounds.

    Parameters
    ----------
    model : object
        The model.
    folder : path
        Where its files are put.
    seconds : float
        Stop after the round in which this is reached.

    Returns
    -------
    dict
        A list of seconds for each of :data:`PHASES`.  ``read`` is reading the file with signature
        and digests verified.
    """
    ring, policy = ss.Keyring([ss.HmacKey.generate()]), Policy.default()
    plain, signed = folder / "model.pkl", folder / "model.safeserial"
    plain.write_bytes(pickle.dumps(model, 5))
    ss.dump(model, signed, keyring=ring)
    found: Times = {name: [] for name in PHASES}

    def timed(name: str, run: Callable[[], Any]) -> Any:
        start = time.thread_time()
        result = run()
        found[name].append(time.thread_time() - start)
        return result

    begun = time.perf_counter()
    while len(found["read"]) < _AT_LEAST or time.perf_counter() - begun < seconds:
        gc.collect()
        timed("pickle.load", lambda: _unpickled(plain))
        payload = timed("read", lambda: _read(signed, ring, policy))
        admitted = timed("verifier", functools.partial(admit, payload, policy))
        codec = codecs.get(payload.format, signed=True)
        boosters = boosters_of(payload, policy)
        built = timed("decode", functools.partial(codec.decode, admitted, boosters))
        timed("validators", functools.partial(validate, built))
        del payload, admitted, built
        timed("safeserial.load", lambda: ss.load(signed, keyring=ring))
    return found


def _unpickled(path: Path) -> Any:
    with path.open("rb") as stream:
        return pickle.load(stream)


def _read(path: Path, ring: ss.Keyring, policy: Policy) -> Payload:
    with open_regular(path) as source:
        return cast("Payload", read_artifact(source, ring, policy).payload)


def ratio(mine: list[float], others: list[float]) -> float:
    """Return the median of the ratios of each round."""
    return statistics.median(a / b for a, b in zip(mine, others, strict=True))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Small models: does it run at all?")
@click.option("--models", default=_DEFAULT, show_default=True, help="Separated by commas.")
@click.option("--seconds", default=6.0, show_default=True, help="For each model.")
def main(*, quick: bool, models: str, seconds: float) -> None:
    """Measure the phases of a load, as parts of pickle.load's time."""
    known = {spec.name: spec for spec in SPECS}
    table = Table("model", "pickle.load (ms)", *(f"{name}, ×" for name in PHASES[1:]), "rounds")
    for name in models.split(","):
        if name not in known:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(known)}")
        model = make(known[name], scale=QUICK_SCALE if quick else 1.0)
        with tempfile.TemporaryDirectory(prefix="safeserial-benchmarks-") as place:
            times = measure(model, Path(place), seconds)
        plain = times["pickle.load"]
        table.add_row(
            name, f"{statistics.median(plain) * 1e3:.3f}",
            *(f"{ratio(times[one], plain):.2f}" for one in PHASES[1:]), str(len(plain)),
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main(prog_name="python -m safeserial_benchmarks.phases")
