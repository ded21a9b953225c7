# SPDX-License-Identifier: BSD-3-Clause
"""A run: a rehearsal and then interleaved rounds of every format, for one model after the other.

In a round each format is saved once and loaded once, in processes of their own and in an order that
is drawn anew; so what else the machine does hits all of them alike, and ratios are taken within a
round.  The rehearsal writes the files, warms the page cache and learns what is imported.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from safeserial.errors import UnsupportedModelError
from safeserial_benchmarks.formats import forking, preparing, processes
from safeserial_benchmarks.formats.catalogue import Format
from safeserial_benchmarks.formats.preparing import Effort, Subject
from safeserial_benchmarks.formats.results import Comparison, Row
from safeserial_benchmarks.report import machine

_SEED: Final = 2026
_MEASURED: Final = (
    *("cloudpickle", "lz4", "zstandard", "skops", "onnx", "onnxruntime", "safetensors"),
    *("modelstamp", "mlflow-skinny", "mlflow", "pandas", "lightgbm", "xgboost"),
)
_SPARE: Final = 60.0  # seconds for what a worker does beside what is limited


@dataclasses.dataclass(frozen=True)
class Watcher:
    """Who is told how far a run is.

    Parameters
    ----------
    note : callable
        Told what is done next, in words.
    step : callable
        Called after each process.
    saved : callable
        Called with the results when there is more to keep.
    """

    note: Callable[[str], None] = lambda _: None
    step: Callable[[], None] = lambda: None
    saved: Callable[[Comparison], None] = lambda _: None


def begin(forms: Sequence[Format], effort: Effort, folder: Path | None) -> Comparison:
    """Return results without rows, with the facts of this machine."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        facts = machine(Path(place))
    facts |= {"threads": "one for BLAS and OpenMP", **_by_pyperf()}
    facts["libraries"] |= _versions()
    return Comparison(
        machine=facts,
        settings=dataclasses.asdict(effort),
        formats={form.key: form.facts() for form in forms},
    )


def _by_pyperf() -> dict[str, Any]:
    """Return what pyperf knows of the machine that matters for timing; never its name."""
    import pyperf

    found = pyperf.Run([1.0], collect_metadata=True).get_metadata()
    return {
        name: found[name] for name in ("cpu_freq", "cpu_config", "aslr", "timer") if name in found
    }


def _versions() -> dict[str, str]:
    """Return the versions of what the formats and the models come from, where it is installed."""
    found = {}
    for name in _MEASURED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def steps(forms: Sequence[Format], effort: Effort) -> int:
    """Return how many processes a model takes."""
    there = sum(not form.missing for form in forms)
    return 1 + (effort.rounds + 1) * (there + 1)


def run(
    subjects: Iterable[Subject],
    forms: Sequence[Format],
    effort: Effort,
    results: Comparison,
    *,
    folder: Path | None = None,
    watcher: Watcher | None = None,
    strict: bool = False,
) -> Comparison:
    """Measure all subjects; what `results` holds already is kept, what it lacks is added.

    Parameters
    ----------
    subjects : iterable of Subject
        The models.
    forms : sequence of Format
        The formats.
    effort : Effort
        How long.
    results : Comparison
        From :func:`begin`, or of a run that was stopped.
    folder : Path, optional
        Where to put the files; its disk is what is measured.
    watcher : Watcher, optional
        Told how far it is.
    strict : bool
        Raise what keeps a model from being measured at all, instead of saying it in its rows.

    Returns
    -------
    Comparison
        The same `results`; an interrupt ends the run, not the results.

    Raises
    ------
    UnsupportedModelError
        If strict, and the model cannot be handed to another process.
    """
    told = watcher or Watcher()
    try:
        for subject in subjects:
            with tempfile.TemporaryDirectory(prefix="safeserial-bench-", dir=folder) as room:
                one = _Model(subject, forms, effort, results, folder=Path(room), told=told)
                try:
                    one.measure()
                except Exception as error:
                    if strict:
                        raise
                    one.give_up(error)
            told.saved(results)
        results.complete = True
    except KeyboardInterrupt:
        results.complete = False
    told.saved(results)
    return results


class _Model:
    """The measurement of one model."""

    def __init__(
        self,
        subject: Subject,
        forms: Sequence[Format],
        effort: Effort,
        results: Comparison,
        *,
        folder: Path,
        told: Watcher,
    ) -> None:
        self.subject, self.forms, self.effort = subject, forms, effort
        self.results, self.folder, self.told = results, folder, told
        self.modules: dict[str, list[str]] = {}
        self.saving: list[str] = []
        self.random = random.Random(f"{_SEED} {subject.name}")  # noqa: S311 - an order, no secret

    def measure(self) -> None:
        """Fill this model's rows."""
        todo = [form for form in self.forms if self._lacking(form)]
        if not todo:
            for _ in range(steps(self.forms, self.effort)):
                self.told.step()
            return
        self.told.note(f"{self.subject.name}: making the model")
        facts = preparing.lay_out(self.subject, self.folder)
        asked = processes.ask(
            "prepare", self.folder, self.effort.limit * 2, **preparing.order_of(self.effort)
        )
        if "error" in asked:
            raise UnsupportedModelError(
                f"the model cannot be asked in a process of its own: {asked['error']}",
                hint="its classes must be importable there, and the sample must fit the model",
            )
        self._note_facts(facts | asked)
        self.told.step()
        running = self._rehearse(todo)
        self.told.saved(self.results)
        done = min((self._row(form).rounds for form in running), default=0)
        for number in range(done, self.effort.rounds):
            self._round(number, running)
            self.told.saved(self.results)

    def give_up(self, error: Exception) -> None:
        """Say in each row that lacks figures why the model could not be measured at all."""
        told = forking.told(error)
        facts = {"title": self.subject.title, "class": "", "pickled_bytes": None}
        self.results.models.setdefault(self.subject.name, facts)
        for row in map(self._row, filter(self._lacking, self.forms)):
            row.status, row.error = "failed", told["error"]

    def _lacking(self, form: Format) -> bool:
        row = self._row(form)
        if form.missing:
            row.status, row.error = "not installed", f"needs {', '.join(form.missing)}"
            return False
        if row.ok:
            return row.rounds < self.effort.rounds
        return row.status in ("not measured", "not installed")

    def _row(self, form: Format) -> Row:
        row = self.results.row(self.subject.name, form.key)
        if row is None:
            row = Row(model=self.subject.name, format=form.key)
            self.results.rows.append(row)
        return row

    def _note_facts(self, facts: dict[str, Any]) -> None:
        import json

        self.results.models[self.subject.name] = facts
        (self.folder / "facts.json").write_text(json.dumps(facts), "utf-8")

    def _rehearse(self, todo: Sequence[Format]) -> list[Format]:
        """Write all files and load each once; return the formats that can do both."""
        saved = self._save(todo, rehearsal=True)
        running = []
        for form in todo:
            row, answer = self._row(form), saved[form.key]
            if "error" not in answer:
                row.bytes = answer["bytes"]
                self.saving += answer["modules"]
                answer = self._load(form, rehearsal=True)
            self.told.step()
            if "error" in answer:
                row.status, row.error = answer.get("status", "failed"), answer["error"]
                continue
            self.modules[form.key] = answer["modules"]
            row.status, row.error, row.parity = "ok", "", answer["parity"]
            running.append(form)
        return running

    def _round(self, number: int, running: Sequence[Format]) -> None:
        order = self.random.sample(list(running), len(running))
        saved = self._save(order, rehearsal=False, round_=number)
        for form in order:
            self.told.note(
                f"{self.subject.name}: round {number + 1} of {self.effort.rounds}, {form.label}"
            )
            row, answer = self._row(form), saved[form.key]
            if "error" not in answer:
                loaded = self._load(form, rehearsal=False)
                answer = loaded if "error" in loaded else _merged(answer, loaded)
            self.told.step()
            if "error" in answer:
                row.status, row.error = answer.get("status", "failed"), answer["error"]
                continue
            for name, values in answer["values"].items():
                rounds = row.values.setdefault(name, [])
                del rounds[number:]
                rounds.append(values)

    def _save(
        self, forms: Sequence[Format], *, rehearsal: bool, round_: int = -1
    ) -> dict[str, dict[str, Any]]:
        what = "rehearsal" if rehearsal else f"round {round_ + 1} of {self.effort.rounds}"
        self.told.note(f"{self.subject.name}: {what}, saving")
        answer = processes.ask(
            "save",
            self.folder,
            _SPARE + len(forms) * self.effort.limit,
            formats=[form.key for form in forms],
            modules=list(dict.fromkeys(self.saving)),
            seconds=self.effort.seconds,
            limit=self.effort.limit,
            rehearsal=rehearsal,
        )
        self.told.step()
        if "error" in answer:
            return {form.key: answer for form in forms}
        found: dict[str, dict[str, Any]] = answer["formats"]
        return found

    def _load(self, form: Format, *, rehearsal: bool) -> dict[str, Any]:
        return processes.ask(
            "load",
            self.folder,
            self.effort.limit,
            format=form.key,
            modules=self.modules.get(form.key, []),
            seconds=self.effort.seconds,
            rehearsal=rehearsal,
        )


def _merged(saved: dict[str, Any], loaded: dict[str, Any]) -> dict[str, Any]:
    return {"values": {**saved["values"], **loaded["values"]}}
