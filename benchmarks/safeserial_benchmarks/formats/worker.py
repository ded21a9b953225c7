# SPDX-License-Identifier: BSD-3-Clause
"""A fresh process that measures one thing: ``python -m …formats.worker ORDER``.

ORDER is a JSON file.  The answer is written to the file that it names, since libraries print.

Loading goes through the life of a service: interpreter, imports, load, first prediction; then the
warm figures.  What is to be imported was noted by the rehearsal of the same format, so that imports
and loading can be told apart although loading imports, too.
"""

from __future__ import annotations

import time

_BEGUN = time.time()  # before anything else is imported: the interpreter's start ends here

import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import pickle  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from safeserial_benchmarks.formats import asking, forking, stopwatch  # noqa: E402
from safeserial_benchmarks.formats.catalogue import BY_KEY  # noqa: E402
from safeserial_benchmarks.formats.loading import loader  # noqa: E402
from safeserial_benchmarks.formats.place import Place  # noqa: E402

MANY_CALLS = 200
SOME_CALLS = 5
FEW = 20
MORE = 10


def preload(names: list[str]) -> float:
    """Import modules in the order in which they were once imported; return the seconds taken."""
    start = time.perf_counter()
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001, S112 - optional ones fail here as they did there
            continue
    return time.perf_counter() - start


def measure_load(order: dict[str, Any]) -> dict[str, Any]:
    """Return the cold and the warm figures of one format."""
    start_seconds = max(0.0, _BEGUN - order["spawned"])
    form, place = BY_KEY[order["format"]], Place(Path(order["folder"]))
    load, facts = loader(form, place), place.facts()
    known = set(sys.modules)
    import_seconds = preload(order["modules"])
    begun = time.perf_counter()
    model, growth = stopwatch.Peak().of(load)
    load_seconds = time.perf_counter() - begun
    found: dict[str, Any] = {"peak_load": [growth]}
    cold = {"cold_start": start_seconds, "cold_import": import_seconds, "cold_load": load_seconds}
    methods = tuple(facts["methods"])
    if methods:
        rows = _rows(form.key, place, model)
        begun = time.perf_counter()
        asking.ask(model, rows["one"], methods[0])
        cold["cold_predict"] = time.perf_counter() - begun
    cold["cold_total"] = sum(cold.values())
    found |= {name: [seconds] for name, seconds in cold.items()}
    found["peak_process"] = [stopwatch.high_water()]
    if order["rehearsal"]:
        modules = [name for name in sys.modules if name not in known]
        expected = pickle.loads((place.folder / "expected.pkl").read_bytes())
        sample = rows["sample"] if methods else None
        parity = asking.differences(expected, asking.answers(model, sample, methods))
        return {"modules": modules, "parity": parity}
    if methods:
        found |= _predictions(model, rows, methods[0], order["seconds"])
    del model
    found["load"] = stopwatch.repeat(load, order["seconds"])
    return {"values": found}


def _predictions(
    model: Any, rows: dict[str, Any], method: str, seconds: float
) -> dict[str, list[float]]:
    """Return the warm times of a small and of a large prediction."""
    one = stopwatch.repeat(
        lambda: asking.ask(model, rows["one"], method), seconds / 4, at_most=MANY_CALLS
    )
    many = stopwatch.repeat(
        lambda: asking.ask(model, rows["many"], method), seconds / 2, at_most=SOME_CALLS
    )
    return {"predict_one": one, "predict_many": many}


def _rows(key: str, place: Place, model: Any) -> dict[str, Any]:
    if asking.is_session(model):
        feeds: dict[str, Any] = pickle.loads((place.folder / f"{key}.feeds.pkl").read_bytes())
        return feeds
    sample = place.sample()
    many = asking.take(sample, place.facts()["many_rows"])
    return {"sample": sample, "one": asking.take(sample, 1), "many": many}


def prepare(order: dict[str, Any]) -> dict[str, Any]:
    """Ask the reference model everything that the others are compared with."""
    import numpy as np

    place = Place(Path(order["folder"]))
    model = pickle.loads((place.folder / "reference.pkl").read_bytes())
    sample = place.sample()
    asked = sample is not None and not isinstance(model, dict)
    methods = asking.methods_of(model) if asked else ()
    expected = asking.answers(model, sample, methods)
    (place.folder / "expected.pkl").write_bytes(pickle.dumps(expected, 5))
    many = 0
    if methods:
        answer = asking.ask(model, asking.take(sample, 1), methods[0])
        width = max(1, int(np.prod(np.shape(answer)[1:])))
        most = min(order["many"], order["many_bytes"] // (8 * width))
        many = _affordable(model, sample, methods[0], most, order["many_seconds"])
    return {"methods": list(methods), "many_rows": max(1, many)}


def _affordable(model: Any, sample: Any, method: str, most: int, seconds: float) -> int:
    """Return how many rows a model answers in a time, at the most `most`; tried with ever more."""
    count = min(FEW, most)
    while True:
        rows = asking.take(sample, count)
        begun = time.perf_counter()
        asking.ask(model, rows, method)
        taken = time.perf_counter() - begun
        if count >= most or taken * MORE > seconds:
            return min(most, int(count * max(1.0, seconds / taken))) if count < most else most
        count = min(most, count * MORE)


def measure_saves(order: dict[str, Any]) -> dict[str, Any]:
    """Save the reference model in all formats in turn, each in a fork of this process."""
    from safeserial_benchmarks.formats.saving import measure_save

    place = Place(Path(order["folder"]))
    preload(order["modules"])
    model = pickle.loads((place.folder / "reference.pkl").read_bytes())
    found = {}
    for key in order["formats"]:
        form = BY_KEY[key]

        def task(form: Any = form) -> dict[str, Any]:
            return measure_save(form, model, place, order["seconds"], rehearsal=order["rehearsal"])

        found[key] = forking.run(task, place.folder / f"{key}.saved.json", order["limit"])
    return {"formats": found}


ROLES = {"save": measure_saves, "load": measure_load, "prepare": prepare}


def main(path: str) -> None:
    """Carry out an order and write its answer."""
    order = json.loads(Path(path).read_text("utf-8"))
    sys.path += [one for one in order["path"] if one not in sys.path]
    warnings.simplefilter("ignore")
    try:
        answer = ROLES[order["role"]](order)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is this format's row
        answer = forking.told(error)
    forking.answer(Path(order["out"]), answer)
    sys.stdout.flush()
    os._exit(0)  # freeing a gigabyte in order is not what is measured


if __name__ == "__main__":
    main(sys.argv[1])
