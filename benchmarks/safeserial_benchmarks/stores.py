# SPDX-License-Identifier: BSD-3-Clause
"""The model store: does it slow down as it grows, how fast and how large are payloads in memory.

``python -m safeserial_benchmarks.stores`` measures SQLite in a temporary folder; ``--url`` names a
PostgreSQL database that may be filled.  Tables in Markdown go to stdout.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

import safeserial as ss

MODELS: Final = 1000
ROUNDS: Final = 15
PAGE: Final = 20
_CLEAR: Final = Path("/proc/self/clear_refs")
_STATUS: Final = Path("/proc/self/status")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m safeserial_benchmarks.stores")
    parser.add_argument("--url", help="an empty PostgreSQL database; default: SQLite")
    parser.add_argument("--sizes", default="1000,10000,100000", help="versions, comma-separated")
    parser.add_argument("--blob", type=int, default=256, help="MiB of a payload; 0 for none")
    parser.add_argument("--memory", type=int, default=2048, help="MiB of a model; 0 for none")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        verb, where = options.child
        _child(verb, where, options.url or "", options.memory)
        return
    with tempfile.TemporaryDirectory(prefix="safeserial-stores-") as name:
        folder = Path(name)
        ss.Keyring([ss.HmacKey.generate()]).save(folder / "ring.keys")
        url = options.url or f"sqlite:///{folder / 'models.db'}"
        with _open(url, folder) as store:
            sizes = [int(one) for one in options.sizes.split(",") if one]
            if sizes:
                print(table(("versions", *_questions(store, [])), list(curve(store, sizes))))
            if options.blob:
                print(
                    table(
                        ("payload", "write MB/s", "read MB/s"), blobs(store, options.blob, folder)
                    )
                )
        if options.memory:
            print(
                table(("verb", "model MiB", "beside it MiB"), memory(url, options.memory, folder))
            )


def _open(url: str, folder: Path) -> ss.Store:
    ring = ss.Keyring.load(folder / "ring.keys")
    return ss.Store(url, keyring=ring, state=folder / "seen.db")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [" | ".join(head), " | ".join("---" for _ in head), *map(" | ".join, rows)]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


# Growth -----------------------------------------------------------------------------------


def curve(store: ss.Store, sizes: list[int]) -> Iterator[tuple[str, ...]]:
    """Fill the store step by step and ask the same questions after each.

    In brackets stands the time of this process's own processor, which a busy machine does not
    stretch; with PostgreSQL the server's comes to it.
    """
    for size in sizes:
        done = fill(store, size)
        asked = _questions(store, done)
        walls: dict[str, list[float]] = {name: [] for name in asked}
        works: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(ROUNDS):  # one of each in turn, so that a busy moment hits them all
            for name, question in asked.items():
                start, work = time.perf_counter(), time.process_time()
                question()
                works[name].append(time.process_time() - work)
                walls[name].append(time.perf_counter() - start)
        pairs = [(statistics.median(walls[name]), statistics.median(works[name])) for name in asked]
        yield f"{size:,}", *(f"{wall * 1e3:.1f} ({work * 1e3:.1f})" for wall, work in pairs)


def _questions(store: ss.Store, names: list[str]) -> dict[str, Callable[[], object]]:
    """Return what is asked, each time about another model; times are in milliseconds."""
    turn = iter(range(10**9))

    def some() -> str:
        return names[next(turn) * 7919 % len(names)]

    return {
        "publish ms": lambda: store.publish(some(), {"w": [next(turn)]}),
        "resolve an alias ms": lambda: store.entry(f"{some()}@production"),
        "load ms": lambda: store.load(f"{some()}@production"),
        "move an alias ms": lambda: store.alias(some(), "staging", 1),
        "list models ms": lambda: store.list(limit=PAGE, after=some()),
        "list versions ms": lambda: store.list(some(), limit=PAGE),
        "search, one hit ms": lambda: store.search(run=f"{some()}-2"),
        "search, all hit ms": lambda: store.search("dataset", limit=PAGE),
    }


def fill(store: ss.Store, size: int) -> list[str]:
    """Bring the store to `size` versions, spread evenly, without a transaction for each."""
    from safeserial.store import schema
    from safeserial.store.auditing import append

    backend = store._backend  # noqa: SLF001 - publishing one by one would take an hour
    names = [f"model-{number:04d}" for number in range(min(MODELS, max(size // 100, 1)))]
    there = set(store.names())
    for name in names:
        if name not in there:
            store.publish(name, {"w": [1, 2]}, alias="production", run=f"{name}-0")
    each = size // len(names)
    for name in names:
        with backend.writing() as tx:
            count = _grow(tx, name, each)
            if count:
                append(tx, "refresh", name, None, {"aliases": count})
    if backend.engine.dialect.name == "postgresql":
        import sqlalchemy as sa

        with backend.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for one in schema.metadata.tables:
                connection.execute(sa.text(f"ANALYZE {one}"))
    return names


def _grow(tx: Any, name: str, each: int) -> int:
    """Give a model as many versions as it shall have: the rows that publishing would write."""
    import sqlalchemy as sa

    from safeserial.store import channels, indexing, reading, schema, statements
    from safeserial.store.statements import changed
    from safeserial.store.upserting import upsert

    model = channels.find_model(tx, name, lock=True)
    first = reading.primary(tx, model, 1)
    newest = model.known.newest
    chunk = sa.select(schema.file_chunks.c.position, schema.file_chunks.c.digest).where(
        schema.file_chunks.c.file_id == first.id
    )
    pieces = tx.execute(chunk).all()
    rows, wanted = [], {}
    for version in range(newest + 1, each + 1):
        run = {"run": f"{name}-{version}", "dataset": "customers"}
        said = changed(first.statement, version=version, metadata=run)
        body, signatures = statements.sign(said, tx.backend.ring)
        file = {
            "model_id": model.id,
            "version": version,
            "format": said.format,
            "artifact_id": said.artifact,
            "manifest": first.body,
            "signatures": first.signatures,
            "statement": body,
            "statement_signatures": signatures,
        }
        rows.append(file)
        wanted[version] = indexing.terms(name, first.described, said)
    if rows:
        places = [{"model_id": model.id, "version": one["version"]} for one in rows]
        tx.execute(sa.insert(schema.versions), [one | {"state": "live"} for one in places])
        made = sa.insert(schema.files).returning(schema.files.c.id, sort_by_parameter_order=True)
        keys = tx.execute(made, rows).scalars().all()
        tx.execute(
            sa.insert(schema.file_chunks),
            [
                {"file_id": key, "position": one.position, "digest": one.digest}
                for key in keys
                for one in pieces
            ],
        )
        every = sorted(set().union(*wanted.values()))
        upsert(
            tx.connection, schema.terms, [{"kind": kind, "value": value} for kind, value in every]
        )
        known = indexing.find(tx.connection, every)
        postings = [
            {"term_id": known[term], "model_id": model.id, "version": version}
            for version, terms in wanted.items()
            for term in terms
        ]
        tx.execute(sa.insert(schema.postings), postings)
    if each > newest:
        where = (name, "latest")
        head = channels.compose(tx.backend, model.known, where, each, first.artifact_id)
        channels.write(tx, model.id, changed(head, newest=each))
        tx.execute(
            sa.update(schema.models)
            .where(schema.models.c.id == model.id)
            .values(next_version=each + 1)
        )
    return max(each - newest, 0)


# Payloads ---------------------------------------------------------------------------------


def blobs(store: ss.Store, mib: int, folder: Path) -> list[tuple[str, ...]]:
    """Write and read one payload as a plain file, as an artifact, and in the store."""
    ring = store.keyring
    size = mib * 2**20
    rows: dict[str, tuple[list[float], list[float]]] = {}
    for number in range(3):
        data = np.random.default_rng(number).integers(0, 256, size, dtype="u1")
        model, where = {"data": data}, folder / "model.safeserial"
        pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "plain file, fsync; read, SHA-256": (
                functools.partial(_write, folder / "plain", data),
                lambda: hashlib.sha256((folder / "plain").read_bytes()).digest(),
            ),
            "safeserial.dump; load": (
                functools.partial(ss.dump, model, where, keyring=ring),
                functools.partial(ss.load, where, keyring=ring),
            ),
            f"store in {store.url.partition(':')[0]}: publish; load": (
                functools.partial(store.publish, "blob", model),
                lambda: store.load("blob"),
            ),
        }
        for name, (write, read) in pairs.items():
            writes, reads = rows.setdefault(name, ([], []))
            writes.append(_timed(write))
            reads.append(_timed(read))
    return [
        (name, *(f"{size / 1e6 / statistics.median(times):,.0f}" for times in pair))
        for name, pair in rows.items()
    ]


def _write(path: Path, data: Any) -> None:
    with path.open("wb", buffering=0) as stream:
        view = data.data
        while view:
            view = view[stream.write(view) :]
        os.fsync(stream.fileno())


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# Memory -----------------------------------------------------------------------------------


def memory(url: str, mib: int, folder: Path) -> list[tuple[str, ...]]:
    """Publish and load a large model, each in a fresh process, and see how memory grew."""
    rows: list[tuple[str, ...]] = []
    for verb in ("publish", "load"):
        command = [sys.executable, "-m", __spec__.name]
        command += ["--url", url, "--memory", str(mib), "--child", verb, str(folder)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            rows.append((verb, f"{mib:,}", (ran.stderr.strip().splitlines() or ["failed"])[-1]))
            continue
        found = json.loads(ran.stdout)
        rows.append((verb, f"{mib:,}", f"{found / 2**20:.1f}"))
    return rows


def _child(verb: str, folder: str, url: str, mib: int) -> None:
    """Do one verb and print by how many bytes memory grew beyond the model itself."""
    with _open(url, Path(folder)) as store:
        store.publish("warm", {"data": np.zeros(100_000)})
        store.load("warm")
        size = mib * 2**20
        data = np.arange(size // 8) if verb == "publish" else None
        _CLEAR.write_text("5")  # forget the peak, see proc_pid_clear_refs(5)
        before = _resident("VmRSS")
        if verb == "publish":
            store.publish("large", {"data": data})
            size = 0  # the model was there before
        else:
            data = store.load("large")["data"]
        print(_resident("VmHWM") - before - size)


def _resident(word: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(word):
            return int(line.split()[1]) * 1024
    raise SystemExit("this system does not tell a process's memory")


if __name__ == "__main__":
    main()
