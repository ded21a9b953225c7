# SPDX-License-Identifier: BSD-3-Clause
"""The audit log: each line carries the digest of the one before, and the end of it is signed.

Floor 7.  A line that is edited or removed breaks the chain; a log that is written anew needs the
key; a log cut back to an older signed end is met by what clients have seen, by any checkpoint kept
elsewhere, and by the statements whose lines it lacks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from safeserial import strictjson
from safeserial.errors import (
    BadSignatureError,
    CorruptArtifactError,
    PolicyError,
    RollbackError,
    SafeSerialError,
)
from safeserial.manifest import moment
from safeserial.store import names, schema, statements
from safeserial.store.backend import Backend, Transaction, settled
from safeserial.store.entries import AuditLine, AuditReport, Problem
from safeserial.store.statements import CheckpointStatement
from safeserial.store.upserting import upsert

SUBJECT: Final = "audit log"
EVERY: Final = 256  # lines from one lasting checkpoint to the next
START: Final = "0" * 64
_NEWEST: Final = 0
_MAX_LINE: Final = 256 * 2**10
_PAGE: Final = 1000
_MAX_PROBLEMS: Final = 100


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: int
    created: str
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


def chained(before: str, line: bytes) -> str:
    """Return the digest of a line, given that of the one before."""
    return hashlib.sha256(b"%b\n%b" % (before.encode("ascii"), line)).hexdigest()


def append(
    tx: Transaction,
    action: str,
    subject: str,
    model_id: int | None,
    detail: Mapping[str, Any],
) -> int:
    """Write a line and sign the new end of the log, in the caller's transaction.

    Returns
    -------
    int
        The line's number.

    Raises
    ------
    RollbackError, VerificationError
        If the log's present end is older than one seen before, or not rightly signed: it is never
        built upon.
    KeyringError
        If there is no key to sign with.
    """
    number, digest = _end(tx, lock=True)
    line = strictjson.encode(
        {
            "number": number + 1,
            "created": statements.text(statements.now()),
            "actor": tx.backend.actor,
            "action": action,
            "subject": subject,
            "detail": dict(detail),
        }
    )
    digest = chained(digest, line)
    row = {"number": number + 1, "model_id": model_id, "line": line, "digest": digest}
    tx.execute(sa.insert(schema.audit), row)
    _checkpoint(tx, number + 1, digest)
    return number + 1


def _end(tx: Transaction, *, lock: bool = False) -> tuple[int, str]:
    """Return number and digest of the last line, as signed; 0 of an empty log."""
    table = schema.checkpoints
    if lock:  # of an empty log too: whoever comes first makes the row that is locked
        blank = {"number": _NEWEST, "statement": b"", "signatures": b""}
        upsert(tx.connection, table, [blank])
    query = sa.select(table.c.statement, table.c.signatures).where(table.c.number == _NEWEST)
    row = tx.execute(query.with_for_update() if lock else query).first()
    if row is None or not row.statement:
        tx.witness.miss(SUBJECT)
        if tx.execute(sa.select(schema.audit.c.number).limit(1)).first() is not None:
            raise BadSignatureError("the audit log has lines, but its end is not signed")
        return 0, START
    found, _ = statements.verify(
        row.statement,
        row.signatures,
        tx.backend.ring,
        CheckpointStatement,
        store=tx.backend.store_id,
    )
    tx.witness.see(SUBJECT, found.number, row.statement)
    return found.number, found.digest


def _checkpoint(tx: Transaction, number: int, digest: str) -> None:
    statement = CheckpointStatement(
        store=tx.backend.store_id,
        created=statements.text(statements.now()),
        actor=tx.backend.actor,
        number=number,
        digest=digest,
    )
    body, signatures = statements.sign(statement, tx.backend.ring)
    rows = [{"number": _NEWEST, "statement": body, "signatures": signatures}]
    if number % EVERY == 0:
        rows.append({"number": number, "statement": body, "signatures": signatures})
    upsert(tx.connection, schema.checkpoints, rows, replace=("statement", "signatures"))
    tx.witness.made(SUBJECT, number, body)


def _read(line: bytes, digest: str) -> AuditLine:
    value = strictjson.decode(line, what="a line of the audit log", limit=_MAX_LINE)
    try:
        found = msgspec.convert(value, _Line, strict=True)
        created = moment(found.created)
    except (msgspec.ValidationError, ValueError):
        raise CorruptArtifactError("a line of the audit log has another form") from None
    return AuditLine(
        found.number, created, found.actor, found.action, found.subject, found.detail, digest
    )


def lines(backend: Backend, limit: int, after: int) -> tuple[AuditLine, ...]:
    """Return lines, oldest first; see :meth:`Store.audit`."""
    table = schema.audit
    with backend.reading() as tx:
        rows = tx.execute(
            sa.select(table.c.line, table.c.digest)
            .where(table.c.number > after, sa.func.length(table.c.line) <= _MAX_LINE)
            .order_by(table.c.number)
            .limit(limit)
        ).all()
    return tuple(_read(row.line, row.digest) for row in rows)


@settled
def of_model(backend: Backend, name: str) -> tuple[AuditLine, ...]:
    """Return a model's lines, newest first; see :meth:`Store.history`."""
    from safeserial.store.channels import find_model

    names.check_name(name)
    table = schema.audit
    with backend.reading() as tx:
        model = find_model(tx, name)
        rows = tx.execute(
            sa.select(table.c.line, table.c.digest)
            .where(table.c.model_id == model.id, sa.func.length(table.c.line) <= _MAX_LINE)
            .order_by(table.c.number.desc())
            .limit(_PAGE * 10)
        ).all()
    return tuple(_read(row.line, row.digest) for row in rows)


def verify(backend: Backend, checkpoint: str | None) -> AuditReport:
    """Look through the log; see :meth:`Store.audit_verify`."""
    report = _verify(backend, checkpoint)
    # The log may have grown between a read and the look into the memory: see `settled`.
    return report if report.ok else _verify(backend, checkpoint)


def _verify(backend: Backend, checkpoint: str | None) -> AuditReport:
    kept = _kept(backend, checkpoint) if checkpoint else {}
    problems: list[Problem] = []
    with backend.reading() as tx:
        end: tuple[int, str] | None = None
        try:
            end = _end(tx)
        except SafeSerialError as error:
            problems.append(_problem("the end", error))
        fitting = kept | _lasting(tx, problems)
        if end is not None and end[0]:
            fitting[end[0]] = end[1]
        seen = backend.seen.get(backend.store_id, SUBJECT)
        number, digest = 0, START
        published: dict[str, str] = {}  # digest of a statement to what it is about
        for row in _all(tx):
            number += 1
            digest = chained(digest, row.line)
            problems += _line_problems(row, number, digest, fitting, published)
            if len(problems) >= _MAX_PROBLEMS:
                break
        else:
            last = max([*fitting, seen[0] if seen else 0, 0])
            if number < last:
                problems.append(_said(f"line {number + 1}", f"lines up to {last} are missing"))
            elif end is not None and number > end[0]:
                problems.append(_said(f"line {end[0] + 1}", "the log goes on after its signed end"))
            problems += _unlogged(tx, published)
        text = _newest(tx)
    return AuditReport(number, len(fitting), tuple(problems), text)


def _line_problems(
    row: Any, number: int, digest: str, fitting: Mapping[int, str], published: dict[str, str]
) -> Iterator[Problem]:
    where = f"line {number}"
    if row.number != number:
        yield _said(where, f"line {row.number} stands in its place")
        return
    try:
        line = _read(row.line, row.digest)
    except SafeSerialError as error:
        yield _problem(where, error)
        return
    if line.number != number or row.digest != digest:
        yield _said(where, "it was edited, or a line before it was")
    if fitting.get(number, digest) != digest:
        yield _said(where, "it is not the line that was signed here")
    if "statement" in line.detail:
        published[str(line.detail["statement"])] = line.subject
    if line.action == "delete":
        for gone in [key for key, subject in published.items() if subject == line.subject]:
            published[gone] = ""


def _unlogged(tx: Transaction, published: dict[str, str]) -> Iterator[Problem]:
    """Hold the versions against the log: of each it must tell, and each it tells of must be there.

    So a log that was cut back with all its checkpoints is found, and a version that was removed.
    """
    table = schema.files
    last, there = 0, set()
    while True:
        rows = tx.execute(
            sa.select(table.c.id, table.c.statement)
            .where(table.c.id > last, sa.func.length(table.c.statement) <= statements.MAX_BYTES)
            .order_by(table.c.id)
            .limit(_PAGE)
        ).all()
        for row in rows:
            digest = hashlib.sha256(row.statement).hexdigest()
            there.add(digest)
            if not published.get(digest):
                yield _said(f"file {row.id}", "no line of the audit log tells of its publication")
        if not rows:
            break
        last = rows[-1].id
    for digest, subject in published.items():
        if subject and digest not in there:
            yield _said(subject, "it was published, and the store does not have it")


def _all(tx: Transaction) -> Iterator[Any]:
    table = schema.audit
    last = -(2**62)
    while True:
        rows = tx.execute(
            sa.select(table.c.number, table.c.line, table.c.digest)
            .where(table.c.number > last, sa.func.length(table.c.line) <= _MAX_LINE)
            .order_by(table.c.number)
            .limit(_PAGE)
        ).all()
        yield from rows
        if not rows:
            return
        last = rows[-1].number


def _lasting(tx: Transaction, problems: list[Problem]) -> dict[int, str]:
    """Return number and digest of every lasting checkpoint."""
    table = schema.checkpoints
    fitting = {}
    rows = tx.execute(
        sa.select(table.c.number, table.c.statement, table.c.signatures)
        .where(table.c.number > _NEWEST, sa.func.length(table.c.statement) <= _MAX_LINE)
        .order_by(table.c.number)
    ).all()
    for row in rows:
        where = f"checkpoint {row.number}"
        try:
            found, _ = statements.verify(
                row.statement,
                row.signatures,
                tx.backend.ring,
                CheckpointStatement,
                store=tx.backend.store_id,
            )
        except SafeSerialError as error:
            problems.append(_problem(where, error))
            continue
        if found.number == row.number:
            fitting[found.number] = found.digest
        else:
            problems.append(_said(where, "it is the checkpoint of another line"))
    return fitting


def _newest(tx: Transaction) -> str:
    table = schema.checkpoints
    row = tx.execute(
        sa.select(table.c.statement, table.c.signatures).where(table.c.number == _NEWEST)
    ).first()
    if row is None or not row.statement:
        return ""
    pair = {
        "statement": row.statement.decode("ascii"),
        "signatures": row.signatures.decode("ascii"),
    }
    return json.dumps(pair, sort_keys=True)


def _kept(backend: Backend, text: str) -> dict[int, str]:
    """Read a checkpoint that was kept elsewhere."""
    try:
        pair = json.loads(text)
        body, signatures = pair["statement"].encode("ascii"), pair["signatures"].encode("ascii")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise PolicyError(
            "this is no checkpoint of an audit log", hint="pass AuditReport.checkpoint as it was"
        ) from None
    found, _ = statements.verify(
        body, signatures, backend.ring, CheckpointStatement, store=backend.store_id
    )
    return {found.number: found.digest}


def _problem(where: str, error: SafeSerialError) -> Problem:
    return Problem(f"audit: {where}", str(error), error.hint, type(error).__name__)


def _said(where: str, message: str) -> Problem:
    return Problem(f"audit: {where}", message, RollbackError.hint, BadSignatureError.__name__)
