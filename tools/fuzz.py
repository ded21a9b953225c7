# SPDX-License-Identifier: BSD-3-Clause
"""Coverage-guided fuzzing with atheris: ``python -m tools.fuzz [--minutes N] [TARGET...]``.

Each target of tests/fuzz/targets.py runs in a process of its own, again and again until its time is
up; what it finds is kept in the work folder and makes the exit status 1.  ``--keep`` then adds what
reached new code to tests/fuzz/corpus, and to tests/fuzz/campaigns.csv how long was looked.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
CAMPAIGNS = ROOT / "tests" / "fuzz" / "campaigns.csv"
# How the time is shared: most goes to what the rest leans on.
SHARES = {
    "opcodes": 4,
    "traces": 4,
    "legacy": 3,
    "parts": 3,
    "compressed": 1,
    "artifact": 1,
    "texts": 1,
}
MOST_FILES = 120
MOST_BYTES = 60_000  # of one target's kept corpus: most files are small
LONGEST = 4096
TIMEOUT, MEMORY = 25, 3000


def one(target: str, arguments: list[str]) -> None:
    """Fuzz one target in this process until libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["safeserial"]):
        from tests.fuzz import mutator, targets

    def changed(data: bytes, most: int, seed: int) -> bytes:
        return mutator.mutate(target, data, most, seed, atheris.Mutate)

    def tried(data: bytes) -> None:
        targets.run(target, data)

    atheris.Setup([sys.argv[0], *arguments], tried, custom_mutator=changed)
    atheris.Fuzz()


def write_seeds(target: str, folder: Path) -> None:
    """Write the seeds of a target, each under the name of its content."""
    from tests.fuzz.seeds import seeds

    for data in seeds(target):
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def write_words(path: Path) -> None:
    """Write the dictionary in libFuzzer's form."""
    from tests.fuzz.mutator import words

    lines = ('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in words() if word)
    path.write_text("\n".join(dict.fromkeys(lines)) + "\n", "ascii")


def started(target: str, options: Iterable[str], log: Path) -> int:
    """Run this program for one target; return its exit status."""
    with log.open("ab") as file:
        command = [sys.executable, "-m", "tools.fuzz", "--one", target, *options]
        return subprocess.run(
            command, check=False, cwd=ROOT, env={**os.environ}, stdout=file, stderr=file
        ).returncode


def campaign(target: str, seconds: float, work: Path) -> int:
    """Fuzz a target for so long; return how many inputs broke a promise."""
    live, found = work / target, work / "found"
    for folder in (live, found):
        folder.mkdir(parents=True, exist_ok=True)
    write_seeds(target, live)
    kept = CORPUS / target
    end = time.monotonic() + seconds
    before = len(list(found.iterdir()))
    while (left := end - time.monotonic()) > 1:
        options = [
            *(f"-max_total_time={int(left)}", f"-timeout={TIMEOUT}", f"-rss_limit_mb={MEMORY}"),
            *(f"-dict={work / 'words'}", f"-artifact_prefix={found}/{target}-", "-verbosity=1"),
            *(f"-max_len={LONGEST}", "-print_final_stats=1", "-reload=0", str(live)),
            *([str(kept)] if kept.is_dir() else []),
        ]
        if started(target, options, work / f"{target}.log") == 0:
            break
    return len(list(found.iterdir())) - before


def keep(target: str, work: Path) -> None:
    """Keep some inputs of every size that reached something new: libFuzzer keeps no others."""
    kept = CORPUS / target
    kept.mkdir(parents=True, exist_ok=True)
    found = {one.read_bytes() for folder in (kept, work / target) for one in folder.iterdir()}
    for path in kept.iterdir():
        path.unlink()
    ordered = sorted(found, key=lambda one: (len(one), one))
    total = 0
    for data in ordered[:: 1 + len(ordered) // MOST_FILES]:
        total += len(data)
        if total > MOST_BYTES:
            break
        (kept / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def outcome(target: str, work: Path) -> dict[str, int]:
    """Return what a target's log and findings say."""
    log = work / f"{target}.log"
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    coverage, features = (re.findall(r"cov: (\d+) ft: (\d+)", text) or [(0, 0)])[-1]
    return {
        "executions": sum(map(int, re.findall(r"stat::number_of_executed_units:\s*(\d+)", text))),
        "coverage": int(coverage),
        "features": int(features),
        "found": len(list((work / "found").glob(f"{target}-*"))),
    }


def record(target: str, minutes: float, figures: dict[str, int]) -> None:
    """Add a campaign to the table of those that were kept."""
    row = {
        "day": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "target": target,
        "minutes": round(minutes, 1),
        **figures,
    }
    new = not CAMPAIGNS.exists()
    with CAMPAIGNS.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def main() -> int:
    """Fuzz the targets one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*SHARES, []])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--work", type=Path, default=ROOT / ".fuzz")
    parser.add_argument("--keep", action="store_true", help="add to tests/fuzz/corpus")
    options = parser.parse_args()
    chosen = options.targets or list(SHARES)
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    write_words(work / "words")
    whole = sum(SHARES[one] for one in chosen)
    found = 0
    for target in chosen:
        begun = time.monotonic()
        found += campaign(target, options.minutes * 60 * SHARES[target] / whole, work)
        figures = outcome(target, work)
        if options.keep:
            keep(target, work)
            record(target, (time.monotonic() - begun) / 60, figures)
        print(f"{target}: {figures}", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main())
