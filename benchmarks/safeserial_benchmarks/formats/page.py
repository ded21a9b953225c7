# SPDX-License-Identifier: BSD-3-Clause
"""Write docs/explain/formats-compared.md: ``python -m …formats.page RESULTS -o PAGE``.

RESULTS are files of ``safeserial bench -o``; one may be of ``--growth``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from safeserial.files import atomic_write
from safeserial.transfer import write_all
from safeserial_benchmarks.formats import advice, figures, results
from safeserial_benchmarks.formats.results import Comparison

_HEAD: Final = """# Formats compared

What it takes to keep a model in each format, as measured by `safeserial bench`. This page is
written by `python -m safeserial_benchmarks.formats.page` from the results in
`benchmarks/results/`, which hold every value; do not edit it. How to measure a model of your own
says [another page](../howto/choose-a-format.md).

- Each figure is a median over rounds. In a round every format is saved and loaded once in
  processes of their own, in an order drawn anew; a rehearsal before the rounds writes the files
  and warms the page cache.
- **save** is over when the bytes are on the disk, **load** is warm (everything imported),
  **memory** is what loading takes at its peak, **cold start** goes from a fresh process to the
  first prediction with all imports.
- BLAS and OpenMP have one thread; ONNX Runtime has its default. Bold is the best of
  a column, and what cannot be told from it.
- ± beside a time is half the range between its quartiles.
- **answers**: whether the loaded model predicts what the original predicts; ± is relative to the
  largest number.
"""


def pages(documents: list[Comparison]) -> Iterator[str]:
    """Yield the parts of the page."""
    yield _HEAD
    for document in documents:
        yield _machine(document)
        if document.growth:
            yield _growth(document)
            continue
        for name, facts in document.models.items():
            yield f"## {name}: {facts['title']}\n"
            many = facts.get("many_rows", 0)
            yield f"{figures.text(facts['pickled_bytes'], 'bytes')} as a pickle" + (
                f"; “many rows” are {many:,}.\n" if many > 1 else ".\n"
            )
            yield figures.markdown(document, name)
            yield _advice(document, name)


def _machine(document: Comparison) -> str:
    facts = document.machine
    libraries = ", ".join(f"{name} {found}" for name, found in facts["libraries"].items())
    rounds = document.settings["rounds"]
    stopped = "" if document.complete else " The run was stopped before its end."
    busy = facts["load_average_before"] or 0
    if busy > facts["cores"]:
        stopped += " **The machine was busy: trust the ratios, not the times.**"
    return (
        f"Run of {document.created[:10]}: {facts['cpu']}, {facts['cores']} cores (load average "
        f"{facts['load_average_before']} at the start), {facts['kernel']}, {facts['file_system']}; "
        f"{facts['python']}, {libraries}; {rounds} rounds.{stopped}\n"
    )


def _advice(document: Comparison, model: str) -> str:
    found = advice.advise(document, model)
    return "".join(
        f"- {one.purpose}: **{one.label}**. {'; '.join(one.reasons)}.\n" for one in found
    )


def _growth(document: Comparison) -> str:
    slope = "slope of the larger half of the sizes on logarithmic scales: 1 is proportional"
    lines = [
        f"## How time grows\n\nThe exponent is the {slope}.\n\n",
        "| axis | format | measure | sizes | at the largest | exponent | R² |\n",
        "| --- | --- | --- | --- | --: | --: | --: |\n",
    ]
    for one in document.growth:
        known = one["exponent"] is not None
        fit = (f"{one['exponent']:.2f}", f"{one['r2']:.3f}") if known else ("–", "–")
        sizes = f"{one['x'][0]:,.0f} – {one['x'][-1]:,.0f}"
        largest = figures.text(one["y"][-1], results.MEASURES[one["measure"]][1])
        cells = (one["axis"], one["label"], figures.COLUMNS[one["measure"]], sizes, largest, *fit)
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path))
def main(files: tuple[Path, ...], output: Path) -> None:
    """Write the page of the documentation from results."""
    documents = [results.read(path) for path in files]
    text = "\n".join(part.rstrip("\n") + "\n" for part in pages(documents))
    with atomic_write(output) as stream:
        write_all(stream, text.encode("utf-8"))


if __name__ == "__main__":
    main(prog_name="python -m safeserial_benchmarks.formats.page")
