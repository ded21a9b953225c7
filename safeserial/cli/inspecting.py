# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial inspect``: what is in model files, without executing or importing any of it.

Floor 8.  Everything shown was written by whoever made the file; until a signature is verified it is
a claim, and is said to be one.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from safeserial.cli import options, outcome, render, report_writers
from safeserial.cli.meter import Meter
from safeserial.cli.outcome import Misuse
from safeserial.errors import KeyNotFoundError, PolicyError, UnreadableFileError

if TYPE_CHECKING:
    from safeserial.cli.report_writers import Writer
    from safeserial.inspection.report import Report
    from safeserial.keyring import Keyring
    from safeserial.policy import Policy

_CODES: Final = {
    "safe": outcome.DONE,
    "needs trust": outcome.REFUSED,
    "dangerous": outcome.REFUSED,
    "not a model": outcome.UNKNOWN,
    "cannot tell": outcome.UNKNOWN,
}
_FAILING: Final = {
    "dangerous": {"dangerous"},
    "needs-trust": {"dangerous", "needs trust"},
    "cannot-tell": {"dangerous", "needs trust", "cannot tell"},
    "never": set[str](),
}
_DISTRIBUTION: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,100}[A-Za-z0-9])?\Z")
_NUMBER: Final = re.compile(r"[0-9][A-Za-z0-9.!+_-]{0,60}\Z")


@click.command(short_help="Show what model files hold, executing nothing of them.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@options.keyring
@options.policy
@options.trust
@options.as_json
@click.option("--html", metavar="FILE", help="Write a page for the browser; - for stdout.")
@click.option("--sarif", metavar="FILE", help="Write SARIF for code scanning; - for stdout.")
@click.option(
    "--fail-on",
    "failing",
    type=click.Choice(list(_FAILING)),
    help="The mildest verdict that ends with an exit code other than 0.",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 256),
    help="Processes for many files; 0 for none.  Default: one for each processor.",
)
@click.option("--all-files", is_flag=True, help="Of a folder, also tell which are no models.")
@click.option("--all", "whole", is_flag=True, help="Leave nothing out: all names, all members.")
@click.option(
    "--requirements",
    is_flag=True,
    help="Print only the versions it was saved under, as pip takes them.",
)
def inspect(
    *,
    paths: tuple[str, ...],
    place: str | None,
    policy_file: str | None,
    trusted: tuple[str, ...],
    as_json: bool,
    html: str | None,
    sarif: str | None,
    failing: str | None,
    workers: int | None,
    all_files: bool,
    whole: bool,
    requirements: bool,
) -> int:
    """Show what model files hold; nothing in them is executed or imported.

    PATH is a file, a folder (of which the models are told) or - for standard input.  What a file
    is shows from its content, not from its name.

    Exit code 0 if all are safe: they load under the policy, and their signatures, where a keyring
    is at hand, are good.  1 if any is dangerous or needs trust.  2 if any could not be told, or is
    no model.  --fail-on dangerous, needs-trust or cannot-tell takes the milder verdicts for 0,
    --fail-on never all of them; a PATH that cannot be read is 2 even so.
    """
    on_stdout = [html == "-", sarif == "-", as_json, requirements]
    if sum(on_stdout) > 1:
        raise Misuse(
            "--json, --requirements, --html - and --sarif - all print to standard output",
            hint="ask for one of them, or give FILE a name",
        )
    ring = _ring(place)
    policy = options.read_policy(policy_file, trusted)
    single = len(paths) == 1 and not os.path.isdir(paths[0].replace("\0", "?"))  # noqa: PTH112
    if requirements:
        if not single:
            raise Misuse("--requirements is about one file", hint="give the path of one artifact")
        report = _one(paths[0], ring, policy)
        _requirements(report)
        return _code(report, paths, failing)
    meter = None if single else Meter(lambda: _number(paths))
    reports = (
        iter([_one(paths[0], ring, policy)])
        if meter is None
        else _many(paths, ring, policy, workers, all_files=all_files, meter=meter)
    )
    with contextlib.ExitStack() as room:
        writers: list[Writer] = []
        if as_json:
            writers.append(report_writers.Json(single=single))
        elif not any(on_stdout):
            writers.append(report_writers.Terminal(single=single, whole=whole))
        if html is not None:
            writers.append(room.enter_context(report_writers.page(html, paths)))
        if sarif is not None:
            writers.append(room.enter_context(report_writers.sarif(sarif)))
        code, complete = _write(reports, writers, meter, lambda one: _code(one, paths, failing))
    return _ended(code, failing) if complete else outcome.interrupted()


def _ended(code: int | None, failing: str | None) -> int:
    if code is not None:
        return code
    # A folder without a model is nothing that has been found safe.
    render.talk("warning: there is no model file here")
    return outcome.UNKNOWN if failing is None else outcome.DONE


def _write(
    reports: Iterator[Report],
    writers: Sequence[Writer],
    meter: Meter | None,
    code_of: Callable[[Report], int],
) -> tuple[int | None, bool]:
    """Hand the reports to the writers; ^C ends it, and what is done is kept."""
    from safeserial.inspection.crew import interrupts_held

    codes: set[int] = set()
    complete = True
    try:
        for report in reports:
            codes.add(code_of(report))
            if meter is not None:
                meter.hide()
            with interrupts_held():  # no report is left half written
                for writer in writers:
                    writer.add(report)
    except KeyboardInterrupt:
        complete = False
    if meter is not None:
        meter.hide()
    for writer in writers:
        writer.finish(complete=complete)
    return (outcome.REFUSED if outcome.REFUSED in codes else max(codes, default=None)), complete


def _number(paths: Sequence[str]) -> int:
    from safeserial.inspection import folders

    return folders.count_files(path for path in paths if path != "-")


def _one(path: str, ring: Keyring | None, policy: Policy) -> Report:
    from safeserial.inspection.inspecting import inspect as look

    if path == "-":
        return look(sys.stdin.buffer, keyring=ring, policy=policy)
    return look(path, keyring=ring, policy=policy)


def _many(
    paths: Sequence[str],
    ring: Keyring | None,
    policy: Policy,
    workers: int | None,
    *,
    all_files: bool,
    meter: Meter,
) -> Iterator[Report]:
    from safeserial.inspection import folders

    for piped, group in itertools.groupby(paths, lambda path: path == "-"):
        if piped:
            yield _one("-", ring, policy)
            continue
        reports = folders.inspect_many(
            group, keyring=ring, policy=policy, workers=workers, progress=meter, every=all_files
        )
        with contextlib.closing(reports):  # type: ignore[type-var]
            yield from reports


def _ring(place: str | None) -> Keyring | None:
    try:
        return options.open_ring(place)
    except KeyNotFoundError:
        if place or os.environ.get("SAFESERIAL_KEYRING"):
            raise
        return None


def _code(report: Report, paths: Sequence[str], failing: str | None) -> int:
    """Return the exit code that a report asks for."""
    if isinstance(report.problem, UnreadableFileError) and report.path in paths:
        return outcome.UNKNOWN
    if failing is None:
        folder_file = report.verdict == "not a model" and report.path not in paths
        return outcome.DONE if folder_file else _CODES[report.verdict]
    return _CODES[report.verdict] if report.verdict in _FAILING[failing] else outcome.DONE


def _requirements(report: Report) -> None:
    """Print pins; the names come from the file, so nothing but a name and a number may pass."""
    from safeserial import environment

    if report.manifest is None:
        raise Misuse(
            "the file does not say which versions it was saved under",
            hint="only a signed artifact does; `safeserial inspect FILE` shows what is known",
        )
    if report.signature == "refused" and report.problem is not None:
        raise report.problem
    for name, number in report.manifest.environment.packages.items():
        if not _DISTRIBUTION.match(name) or not _NUMBER.match(number):
            raise PolicyError(
                f"the manifest has something that is no package version: {name[:80]!r}",
                hint="treat the file as hostile; do not install what it asks for",
            )
    if report.signature != "verified":
        render.talk("warning: the signature was not checked; anybody may have written these lines")
    for line in environment.requirements(report.manifest.environment):
        click.echo(line)
