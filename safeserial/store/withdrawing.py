# SPDX-License-Identifier: BSD-3-Clause
"""Withdrawing versions: yanked ones can be had by their number, deleted ones not at all.

Floor 7.  Both stand in the signed statement about ``latest``, so neither can be undone by somebody
who can only write to the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from safeserial.errors import EntryNotFoundError, PolicyError, VersionConflictError
from safeserial.store import auditing, channels, indexing, names, ranges, schema
from safeserial.store.backend import Backend, Transaction
from safeserial.store.channels import Model
from safeserial.store.entries import LATEST, Entry
from safeserial.store.reading import describe, primary, target
from safeserial.store.statements import ChannelStatement, changed

_MAX_REASON: Final = 500
_MAX_REASONS: Final = 1000


def yank(backend: Backend, spec: str, reason: str) -> Entry:
    """Withdraw a version; see :meth:`Store.yank`."""
    name, version = names.numbered(spec)
    _check_reason(reason)
    with backend.writing() as tx:
        model, before = _begin(tx, name, version)
        if ranges.contains(before.yanked, version):
            return describe(tx, target(tx, model, version))
        _require_unused(tx, model, version)
        reasons = dict(list({**before.reasons, str(version): reason}.items())[-_MAX_REASONS:])
        fields = {"yanked": ranges.add(before.yanked, version, version), "reasons": reasons}
        return _write(tx, model, version, "yank", reason=reason, fields=fields)


def restore(backend: Backend, spec: str) -> Entry:
    """Undo :func:`yank`; see :meth:`Store.restore`."""
    name, version = names.numbered(spec)
    with backend.writing() as tx:
        model, before = _begin(tx, name, version)
        if not ranges.contains(before.yanked, version):
            raise EntryNotFoundError(f"{spec} is not yanked")
        reasons = {key: text for key, text in before.reasons.items() if key != str(version)}
        fields = {"yanked": ranges.remove(before.yanked, version), "reasons": reasons}
        return _write(tx, model, version, "restore", reason="", fields=fields)


def delete(backend: Backend, spec: str, reason: str) -> Entry:
    """Delete a version's bytes; see :meth:`Store.delete`."""
    name, version = names.numbered(spec)
    _check_reason(reason)
    with backend.writing() as tx:
        model, before = _begin(tx, name, version)
        _require_unused(tx, model, version)
        indexing.drop(tx.connection, model.id, version)
        files = schema.files
        tx.execute(sa.delete(files).where(files.c.model_id == model.id, files.c.version == version))
        reasons = {key: text for key, text in before.reasons.items() if key != str(version)}
        fields = {
            "yanked": ranges.remove(before.yanked, version),
            "deleted": ranges.add(before.deleted, version, version),
            "reasons": reasons,
        }
        return _write(tx, model, version, "delete", reason=reason, fields=fields)


def _check_reason(reason: str) -> None:
    if len(reason) > _MAX_REASON or not reason.isprintable():
        raise PolicyError(f"a reason is at most {_MAX_REASON} printable characters")


def _begin(tx: Transaction, name: str, version: int) -> tuple[Model, ChannelStatement]:
    model = channels.find_model(tx, name, lock=True)
    head = model.known
    if not 1 <= version <= head.newest or ranges.contains(head.deleted, version):
        raise EntryNotFoundError(f"the store has no {name}:{version}")
    return model, head


def _require_unused(tx: Transaction, model: Model, version: int) -> None:
    table = schema.channels
    rows = tx.execute(
        sa.select(table.c.alias).where(table.c.model_id == model.id, table.c.alias != LATEST)
    ).scalars()
    for alias in list(rows):
        found = channels.current(tx, model.id, model.name, alias)
        if found and found[0].version == version:
            where = channels.subject(model.name, alias)
            raise VersionConflictError(
                f"{where} points at {model.name}:{version}", hint="move the alias first"
            )


def _write(
    tx: Transaction,
    model: Model,
    version: int,
    action: str,
    *,
    reason: str,
    fields: Mapping[str, object],
) -> Entry:
    """Sign the head anew, with the version that is the newest now, and log it."""
    head = changed(model.known, **fields)
    newest = ranges.newest_outside(head.newest, head.yanked, head.deleted)
    artifact = primary(tx, model, newest).artifact_id if newest else ""
    head = channels.compose(tx.backend, head, (model.name, LATEST), newest, artifact)
    channels.write(tx, model.id, head)
    table = schema.versions
    state = {"yank": "yanked", "restore": "live", "delete": "deleted"}[action]
    tx.execute(
        sa.update(table)
        .where(table.c.model_id == model.id, table.c.version == version)
        .values(state=state)
    )
    spec = f"{model.name}:{version}"
    detail = {"reason": reason} if reason else {}
    auditing.append(tx, action, spec, model.id, detail)
    now = Model(model.id, model.name, model.next_version, head)
    return describe(tx, target(tx, now, version))
