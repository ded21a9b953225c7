# SPDX-License-Identifier: BSD-3-Clause
"""Nothing that is asked every day walks through a table: each step of its plan uses an index."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

import safeserial as ss
from tests.world import CALM, MODEL, RING

ASKED = {
    "publish": lambda store: store.publish("a", MODEL, derived_from=["b:1"], alias="production"),
    "resolve": lambda store: store.entry("a@production"),
    "load": lambda store: store.load("a"),
    "alias": lambda store: store.alias("a", "staging", 1),
    "rollback": lambda store: store.rollback("a", "production"),
    "history": lambda store: (store.history("a", "production"), store.history("a")),
    "models": lambda store: store.list(limit=1, after="a"),
    "versions": lambda store: store.list("a", limit=2),
    "search": lambda store: store.search("note", note="x", format="pickle", limit=2),
    "search on": lambda store: store.search("note", limit=1, after="a:2"),
    "newest": lambda store: store.search(limit=2),
    "lineage": lambda store: store.lineage("a"),
    "yank": lambda store: (store.yank("b:1"), store.restore("b:1")),
    "delete": lambda store: store.delete("b:2"),
    "log": lambda store: store.audit(limit=2, after=1),
}


@pytest.mark.parametrize("question", ASKED)
def test_every_step_uses_an_index(tmp_path, question):
    options = {"keyring": RING, "policy": CALM, "state": tmp_path / "seen.db"}
    with ss.Store(f"sqlite:///{tmp_path / 'models.db'}", **options) as store:
        for name in "ab":
            for _ in range(3):
                store.publish(name, MODEL, note="x", alias="production")
        asked = []
        engine = store._backend.engine
        sa.event.listen(
            engine,
            "before_cursor_execute",
            lambda c, cursor, text, values, context, many: asked.append((text, values, many)),
        )
        ASKED[question](store)
        plans = []
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            for text, values, many in asked:
                if text.split()[0] in {"SELECT", "UPDATE", "DELETE"}:
                    chosen = values[0] if many else values
                    plans += [
                        (row[3], text)
                        for row in driver.execute(f"EXPLAIN QUERY PLAN {text}", chosen)
                    ]
    assert plans
    walks = [
        (step, text)
        for step, text in plans
        if step.startswith("SCAN ")
        and " USING " not in step  # in the order of an index, for as long as it is read
        and not step.startswith(("SCAN CONSTANT", "SCAN anon", "SCAN (subquery"))
        and "ss_meta" not in text
    ]
    assert walks == []
