# SPDX-License-Identifier: BSD-3-Clause
"""What the answers come to: files by kind, outcomes by peer, and the table in Markdown."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from safeserial_benchmarks.peers.driver import Asked
from safeserial_benchmarks.peers.roster import Peer
from safeserial_benchmarks.peers.subjects import Subject

KINDS: Final = {
    "code": "runs code",
    "crash": "crash, hang, memory",
    "content": "wrong content",
    "malformed": "malformed",
}
HARMED: Final = ("acted", "crashed", "hung", "memory")
LETTERS: Final = {
    "stopped": "S",
    "passed": "P",
    "gave up": "G",
    "acted": "A",
    "crashed": "C",
    "hung": "H",
    "memory": "M",
}


def kind(subject: Subject, native: str) -> str:
    """Return what sort of file one is.

    Parameters
    ----------
    subject : Subject
        The file.
    native : str
        What came of opening it with `pickle.load` or `joblib.load`; empty if unknown.

    Returns
    -------
    str
        ``honest`` or a key of :data:`KINDS`.
    """
    if subject.group == "honest":
        return "honest"
    if native == "acted" or subject.group in ("gadgets", "variants"):
        return "code"
    if native in HARMED:
        return "crash"
    return "content" if subject.group == "native_files" else "malformed"


def summarize(
    subjects: Sequence[Subject], peers: Sequence[Peer], asked: Mapping[str, Asked]
) -> dict[str, Any]:
    """Return the part of the results that does not depend on the machine.

    Parameters
    ----------
    subjects : sequence of Subject
        All files.
    peers : sequence of Peer
        Rows, in order.
    asked : mapping of str to Asked
        Answers by the key of the peer.

    Returns
    -------
    dict
        ``kinds`` (files of each kind), ``peers`` (rows) and ``files`` (a letter for each answer).
    """
    native = asked["native"].answers if "native" in asked else {}
    kinds = {one.id: kind(one, native.get(one.id, {}).get("outcome", "")) for one in subjects}
    rows = []
    for peer in peers:
        mine = asked.get(peer.key, Asked(error="not asked for"))
        counts: dict[str, Counter[str]] = {name: Counter() for name in [*KINDS, "honest"]}
        for name, answer in mine.answers.items():
            counts[kinds[name]][answer["outcome"]] += 1
        spent = [a["cpu"] for n, a in mine.answers.items() if kinds[n] == "honest" and "cpu" in a]
        rows.append(
            {
                "key": peer.key,
                "title": peer.title,
                "role": peer.role,
                "packages": list(peer.packages),
                "purpose": peer.purpose,
                "rule": peer.rule,
                "asked": len(mine.answers),
                "error": mine.error,
                "counts": {name: dict(sorted(found.items())) for name, found in counts.items()},
                "cpu_ms": round(1000 * statistics.median(spent), 3) if spent else None,
                "harm": {
                    name: f"{answer['outcome']}: {answer['said']}"[:120]
                    for name, answer in mine.answers.items()
                    if answer["outcome"] in HARMED and peer.key not in ("native", "exact")
                },
            }
        )
    letters = [
        [
            one.id,
            kinds[one.id],
            "".join(
                LETTERS.get(
                    asked.get(p.key, Asked()).answers.get(one.id, {}).get("outcome", ""), "-"
                )
                for p in peers
            ),
        ]
        for one in subjects
    ]
    return {
        "kinds": dict(Counter(kinds.values())),
        "peers": rows,
        "letters": {letter: outcome for outcome, letter in LETTERS.items()},
        "files": letters,
    }


def table(document: Mapping[str, Any]) -> str:
    """Return the rows of a results file as Markdown tables.

    Parameters
    ----------
    document : mapping
        What the command has written.

    Returns
    -------
    str
        One table of figures; one of versions and rules.
    """
    kinds = document["kinds"]
    titles = [f"{title} ({kinds.get(name, 0)})" for name, title in KINDS.items()]
    header = ["", *titles, "harmed", f"honest let pass ({kinds.get('honest', 0)})", "ms a file"]
    lines = [header, ["---", *["--:"] * (len(header) - 1)]]
    for row in document["peers"]:
        counts = row["counts"]
        harmed = sum(found.get(name, 0) for found in counts.values() for name in HARMED)
        part = f" ({row['asked']} files)" if row["asked"] and row["error"] else ""
        lines.append(
            [
                row["title"] + part,
                *(_with_lost(counts[name], "stopped", row["role"]) for name in KINDS),
                (str(harmed) if row["asked"] else "–") if row["role"] == "loader" else "n/a",
                _with_lost(counts["honest"], "passed", row["role"]),
                _milliseconds(row["cpu_ms"]),
            ]
        )
    rules = [["", "version", "what it is for", "how its answer is read"], ["---"] * 4]
    for row in document["peers"]:
        version = ", ".join(one.replace("==", " ") for one in row["packages"][:1]) or "–"
        note = f"; **{row['error']}**" if row["error"] else ""
        rules.append([row["title"], version, row["purpose"], row["rule"] + note])
    return "\n\n".join(
        "\n".join(f"| {' | '.join(line)} |" for line in part) for part in (lines, rules)
    )


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"  # noqa: PLR2004


def _with_lost(found: Mapping[str, int], outcome: str, role: str) -> str:
    text = _share(found, outcome)
    # A scanner that dies over a file, or does not come back, has given it up as well.
    lost = sum(found.get(name, 0) for name in ("gave up", *(HARMED if role == "scanner" else ())))
    return f"{text} (+ {_share({**found, '': -lost, 'lost': lost}, 'lost')})" if lost else text


def _share(found: Mapping[str, int], outcome: str) -> str:
    total = sum(found.values())
    if not total:
        return "–"
    share = 100 * found.get(outcome, 0) / total
    return f"{share:.1f} %" if 0 < share < 100 else f"{share:.0f} %"  # noqa: PLR2004
