# SPDX-License-Identifier: BSD-3-Clause
"""What the store promises: publishing, finding, aliases, formats, withdrawing, sets."""

from __future__ import annotations

import datetime
import io

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import safeserial as ss
from safeserial import errors
from safeserial.store import schema
from tests.world import CALM, KEY, MODEL, OTHER, RING, artifact

NOW = datetime.timedelta(0)


def fitted(**parameters) -> LogisticRegression:
    X = np.arange(12.0).reshape(6, 2)
    return LogisticRegression(**parameters).fit(X, [0, 1, 0, 1, 0, 1])


def test_a_model_comes_back_as_it_was_published(store):
    entry = store.publish("team/churn", MODEL, dataset="customers", rows=12)
    assert (entry.spec, entry.state, entry.formats) == ("team/churn:1", "live", ("pickle",))
    assert entry.metadata == {"dataset": "customers", "rows": 12}
    assert store.load("team/churn") == MODEL
    assert store.load("team/churn:1") == MODEL
    assert store.verify("team/churn").artifact_id == entry.artifact_id


def test_an_artifact_is_stored_byte_for_byte(store, tmp_path):
    data = artifact(name="churn", metadata={"a": "b"})
    path = tmp_path / "model.safeserial"
    path.write_bytes(data)
    assert store.publish("churn", path, note="from a file").metadata == {
        "a": "b",
        "note": "from a file",
    }
    store.publish("churn", data)
    for version in (1, 2):
        verified = store.get(f"churn:{version}", tmp_path / "out.safeserial")
        assert verified.manifest.name == "churn"
        assert (tmp_path / "out.safeserial").read_bytes() == data
        with store.open(f"churn:{version}") as stream:
            assert stream.read() == data


def test_large_arrays_in_every_codec(store):
    big = {"w": np.arange(700_000, dtype="f8"), "t": np.ones((3, 5), "f4")}
    for codec in ("pickle", "joblib"):
        store.publish("big", big, format=codec)
        np.testing.assert_array_equal(store.load("big")["w"], big["w"])
    store.publish("big", big, compression="zlib")
    np.testing.assert_array_equal(store.load("big:3")["t"], big["t"])


def test_identical_payloads_are_stored_once(store, sql):
    big = {"w": np.arange(500_000, dtype="f8")}
    store.publish("a", big, try_="1")
    before = sql("SELECT count(*), sum(size) FROM ss_chunks")
    store.publish("b", big, try_="2")
    store.publish("a", big)
    assert sql("SELECT count(*), sum(size) FROM ss_chunks") == before
    assert sql("SELECT count(*) FROM ss_chunk_data")[0][0] == before[0][0]


def test_several_formats_of_one_version(store, tmp_path):
    model = fitted()
    store.publish("lr", model)
    ss.to_skops(model, tmp_path / "m.safeserial", keyring=RING)
    entry = store.publish("lr", tmp_path / "m.safeserial", version=1)
    assert entry.formats == ("pickle", "skops")
    assert entry.files[1].exported_from == entry.artifact_id
    assert store.load("lr", format="skops").coef_.tolist() == model.coef_.tolist()
    with pytest.raises(errors.VersionConflictError):
        store.publish("lr", tmp_path / "m.safeserial", version=1)
    with pytest.raises(errors.EntryNotFoundError):
        store.load("lr", format="onnx")
    with pytest.raises(errors.EntryNotFoundError):
        store.publish("lr", tmp_path / "m.safeserial", version=2)
    assert ("exported-as", "lr:1/skops") in {(e.kind, e.target) for e in store.lineage("lr:1")}


def test_onnx_beside_pickle(store, tmp_path):
    model = fitted()
    X = np.arange(12.0).reshape(6, 2)
    store.publish("lr", model)
    ss.to_onnx(model, X, tmp_path / "m.safeserial", keyring=RING)
    store.publish("lr", tmp_path / "m.safeserial", version=1)
    session = store.load("lr", format="onnx")
    got = session.run(None, {session.get_inputs()[0].name: X})[0]
    assert got.tolist() == model.predict(X).tolist()


def test_aliases_move_by_compare_and_set_and_keep_their_history(store):
    for _ in range(3):
        store.publish("m", MODEL)
    assert store.alias("m", "production", 1, expect=None).counter == 1
    with pytest.raises(errors.VersionConflictError):
        store.alias("m", "production", 2, expect=None)
    with pytest.raises(errors.VersionConflictError):
        store.alias("m", "production", 2, expect=3)
    store.alias("m", "production", 2, expect=1)
    store.alias("m", "production", 3)
    assert store.entry("m@production").version == 3
    assert store.rollback("m", "production").version == 2
    assert [one.version for one in store.history("m", "production")] == [2, 3, 2, 1]
    assert store.entry("m:2").aliases == ("production",)
    store.alias("m", "production", None)
    with pytest.raises(errors.EntryNotFoundError):
        store.load("m@production")
    assert [one.version for one in store.history("m", "production")] == [0, 2, 3, 2, 1]
    assert [(one.alias, one.version) for one in store.aliases("m")] == [("latest", 3)]


def test_an_alias_given_while_publishing(store):
    store.publish("m", MODEL, alias="staging")
    store.publish("m", MODEL, alias="staging")
    assert store.entry("m@staging").version == 2


def test_rollback_passes_over_what_was_withdrawn(store):
    for _ in range(3):
        store.publish("m", MODEL, alias="production")
    store.yank("m:2", "wrong data")
    assert store.rollback("m", "production").version == 1
    with pytest.raises(errors.EntryNotFoundError):
        store.rollback("m", "nothing")


def test_yanked_versions_are_had_by_number_only(store):
    store.publish("m", {"v": 1})
    store.publish("m", {"v": 2})
    assert store.yank("m:2", "leaks the target").state == "yanked"
    assert store.load("m") == {"v": 1}
    with pytest.warns(errors.YankedVersionWarning, match="leaks the target"):
        assert store.load("m:2") == {"v": 2}
    with pytest.raises(errors.EntryNotFoundError):
        store.alias("m", "production", 2)
    assert store.restore("m:2").state == "live"
    assert store.load("m") == {"v": 2}


def test_a_version_in_use_is_not_withdrawn(store):
    store.publish("m", MODEL, alias="production")
    for verb in (store.yank, store.delete):
        with pytest.raises(errors.VersionConflictError):
            verb("m:1")
    assert store.load("m@production") == MODEL


def test_deleted_bytes_are_gone_and_the_number_stays_used(store, sql):
    store.publish("m", {"w": np.arange(300_000)})
    store.publish("m", {"v": 2})
    assert store.delete("m:1").state == "deleted"
    with pytest.raises(errors.EntryNotFoundError):
        store.load("m:1")
    assert store.gc().chunks == 0  # within the grace period
    assert store.gc(grace=NOW, dry_run=True).chunks >= 3
    swept = store.gc(grace=NOW)
    assert swept.size > 2_000_000
    assert store.gc(grace=NOW) == type(swept)(0, 0, 0, 0, dry_run=False)
    assert store.publish("m", {"v": 3}).version == 3
    assert [(one.version, one.state) for one in store.list("m")][2] == (1, "deleted")
    assert store.verify_all().ok


def test_gc_leaves_what_a_second_version_uses(store):
    model = {"w": np.arange(300_000)}
    store.publish("m", model)
    store.publish("n", model)
    store.delete("m:1")
    store.gc(grace=NOW)
    np.testing.assert_array_equal(store.load("n")["w"], model["w"])


def test_all_withdrawn(store):
    store.publish("m", MODEL)
    store.delete("m:1")
    with pytest.raises(errors.EntryNotFoundError, match="withdrawn"):
        store.load("m")
    assert store.publish("m", MODEL).version == 2


def test_list_in_pages(store):
    for name in "abcde":
        store.publish(name, MODEL)
    for _ in range(4):
        store.publish("c", MODEL)
    first = store.list(limit=3)
    assert [one.spec for one in first] == ["a:1", "b:1", "c:5"]
    assert [one.spec for one in store.list(after=first[-1].name)] == ["d:1", "e:1"]
    assert [one.version for one in store.list("c", limit=2)] == [5, 4]
    assert [one.version for one in store.list("c", after=4)] == [3, 2, 1]
    assert list(store.names()) == list("abcde")


def test_search(store):
    store.publish("churn", fitted(), dataset="customers 2026-10", auc="0.93")
    store.publish("churn", fitted(C=2.0), dataset="customers 2026-11", rows=7)
    store.publish("fraud", MODEL, dataset="cards", tags=["a", "b"])

    def specs(*args, **wanted):
        return [one.spec for one in store.search(*args, **wanted)]

    assert specs() == ["fraud:1", "churn:2", "churn:1"]
    assert specs("customers") == ["churn:2", "churn:1"]
    assert specs("CUSTOMERS logisticregression 10") == ["churn:1"]
    assert specs(estimator="LogisticRegression") == ["churn:2", "churn:1"]
    assert specs(estimator="builtins.dict") == ["fraud:1"]
    assert specs(auc="0.93") == ["churn:1"]
    assert specs(rows=7) == ["churn:2"]
    assert specs(tags=["a", "b"]) == ["fraud:1"]
    assert specs(format="pickle", name="fraud") == ["fraud:1"]
    import sklearn

    major = ".".join(sklearn.__version__.split(".")[:2])
    assert specs("churn", packages={"scikit-learn": major}) == ["churn:2", "churn:1"]
    assert specs(packages={"scikit-learn": "0.1"}) == []
    assert specs("nothing of that") == []
    assert specs("customers", limit=1) == ["churn:2"]
    assert specs("customers", limit=1, after="churn:2") == ["churn:1"]
    store.delete("churn:2")
    assert specs("customers") == ["churn:1"]


def test_diff(store, tmp_path):
    store.publish("m", fitted(), dataset="a")
    store.publish("m", fitted(C=3.0, max_iter=70), dataset="b")
    found = {(one.part, one.key): (one.a, one.b) for one in store.diff("m:1", "m:2")}
    assert found["parameters", "C"] == ("1.0", "3.0")
    assert found["parameters", "max_iter"] == ("100", "70")
    assert found["metadata", "dataset"] == ("a", "b")
    assert {part for part, _ in found} <= {"parameters", "metadata", "size"}
    ss.dump(fitted(C=9.0), tmp_path / "m.safeserial", keyring=RING)
    store.publish("m", tmp_path / "m.safeserial")
    assert ("parameters", "C", "1.0", "9.0") in {
        (one.part, one.key, one.a, one.b) for one in store.diff("m:1", "m:3")
    }
    assert store.diff("m:1", "m:1") == ()


def test_lineage_up_and_down(store):
    store.publish("base", MODEL)
    store.publish("tuned", MODEL, derived_from=["base:1"])
    store.publish("tuned", MODEL, derived_from=["tuned:1"])
    edges = {(one.kind, one.source, one.target) for one in store.lineage("tuned:2")}
    assert edges == {
        ("previous", "tuned:2", "tuned:1"),
        ("derived-from", "tuned:2", "tuned:1"),
        ("derived-from", "tuned:1", "base:1"),
    }
    down = {(one.source, one.target) for one in store.lineage("base:1")}
    assert down == {("tuned:1", "base:1"), ("tuned:2", "tuned:1")}
    with pytest.raises(errors.EntryNotFoundError):
        store.publish("x", MODEL, derived_from=["base:2"])
    assert "x" not in list(store.names())


def test_history_is_the_models_part_of_the_log(store):
    store.publish("m", MODEL)
    store.publish("n", MODEL)
    store.alias("m", "production", 1)
    assert [(one.action, one.subject) for one in store.history("m")] == [
        ("alias", "m@production"),
        ("publish", "m:1"),
    ]
    assert [one.actor for one in store.audit()] == ["tester"] * 3
    assert store.audit_verify().ok


def test_export_and_import(store, opening, tmp_path):
    store.publish("m", fitted(), note="one")
    store.publish("m", fitted(C=2.0), derived_from=["m:1"])
    store.publish("m", MODEL, alias="production")
    ss.to_skops(fitted(), tmp_path / "m.safeserial", keyring=RING)
    store.publish("m", tmp_path / "m.safeserial", version=1)
    store.yank("m:2", "bad")
    path = tmp_path / "set.zip"
    assert store.export(path) == ("m:1", "m:2", "m:3")
    import zipfile

    with zipfile.ZipFile(path) as plain:
        assert plain.testzip() is None
        assert "m/1/model.skops.safeserial" in plain.namelist()
        inner = plain.read("m/3/model.pickle.safeserial")
    assert ss.loads(inner, keyring=RING, policy=CALM) == MODEL
    other = opening(f"sqlite:///{tmp_path / 'other.db'}")
    brought = other.import_(path)
    assert dict(brought.entries) == {f"m:{i}": f"m:{i}" for i in (1, 2, 3)}
    assert brought.aliases == ("m@production",)
    assert other.entry("m:1").formats == ("pickle", "skops")
    assert other.entry("m:1").metadata == {"note": "one"}
    assert other.entry("m:2").state == "yanked"
    assert other.entry("m:2").derived_from == ("m:1",)
    assert other.load("m@production") == MODEL
    assert len(other.import_(path).skipped) == 4
    assert other.verify_all().ok


def test_numbers_are_kept_over_a_gap_and_given_anew_where_taken(store, opening, tmp_path):
    for number in range(3):
        store.publish("m", {"v": number})
    store.delete("m:2")
    other = opening(f"sqlite:///{tmp_path / 'other.db'}")
    assert dict(store.copy(other).entries) == {"m:1": "m:1", "m:3": "m:3"}
    assert other.publish("m", MODEL).version == 4
    third = opening(f"sqlite:///{tmp_path / 'third.db'}")
    for _ in range(3):
        third.publish("m", MODEL)
    assert dict(store.copy(third, ["m:3"]).entries) == {"m:3": "m:4"}
    assert third.load("m:4") == {"v": 2}


def test_a_policy_and_a_ring_decide_what_comes_in(store, opening):
    with pytest.raises(errors.UnknownKeyError):
        store.publish("m", artifact(key=OTHER))
    strict = opening(policy=CALM.with_formats(["skops"]))
    with pytest.raises(errors.PolicyError):
        strict.publish("m", artifact())
    damaged = bytearray(artifact())
    damaged[-300] ^= 1
    with pytest.raises(errors.SafeSerialError):
        store.publish("m", bytes(damaged))
    assert list(store.names()) == []


def test_arguments_that_make_no_sense(store):
    store.publish("m", MODEL)
    for call in (
        lambda: store.publish("../m", MODEL),
        lambda: store.publish("m:1", MODEL),
        lambda: store.publish("m", MODEL, loss=0.5),
        lambda: store.publish("m", MODEL, alias="latest"),
        lambda: store.alias("m", "pro duction", 1),
        lambda: store.alias("m", "production", 0),
        lambda: store.load("m@"),
        lambda: store.load("m:x"),
        lambda: store.list(limit=0),
        lambda: store.yank("m"),
        lambda: store.gc(grace=-datetime.timedelta(1)),
        lambda: store.publish("m", MODEL, version=0),
    ):
        with pytest.raises(errors.PolicyError):
            call()
    for call in (
        lambda: store.load("n"),
        lambda: store.load("m:2"),
        lambda: store.load("m@production"),
        lambda: store.alias("m", "production", 2),
    ):
        with pytest.raises(errors.EntryNotFoundError):
            call()


def test_a_reader_needs_no_signing_key(store, opening):
    store.publish("m", MODEL, alias="production")
    accepted = ss.Keyring([OTHER, KEY]).retire(OTHER.key_id)
    reader = opening(keyring=accepted)
    assert reader.load("m@production") == MODEL
    with pytest.raises(errors.KeyringError):
        reader.publish("m", MODEL)
    assert reader.list("m")[0].version == 1


def test_schema_and_migrations_agree(store, url):
    import sqlalchemy as sa

    from safeserial.store import engine

    plain = engine.make(engine.parse(url))
    found = sa.inspect(plain)
    for table in schema.metadata.tables.values():
        columns = {one["name"]: one["nullable"] for one in found.get_columns(table.name)}
        assert columns == {one.name: one.nullable for one in table.columns}
        keys = found.get_pk_constraint(table.name)["constrained_columns"]
        assert keys == [one.name for one in table.primary_key.columns]
        assert {one["name"] for one in found.get_indexes(table.name) if not one["unique"]} == {
            one.name for one in table.indexes
        }
    plain.dispose()


def test_an_older_schema_is_migrated(url, opening, sql):
    ss.Store.migrate(url, to="0001")
    with pytest.raises(errors.MigrationNeededError):
        opening()
    assert ss.Store.migrate(url) == schema.REVISION
    store = opening()
    store.publish("m", MODEL, dataset="x")
    assert store.search(dataset="x")
    sql("DELETE FROM ss_postings")
    sql("DROP TABLE ss_postings")
    sql("DROP TABLE ss_terms")
    sql("UPDATE ss_revision SET version_num = '0001'")
    assert ss.Store.migrate(url) == schema.REVISION
    assert [one.spec for one in store.search(dataset="x")] == ["m:1"]
    sql("UPDATE ss_revision SET version_num = '9999'")
    with pytest.raises(errors.MigrationNeededError, match="9999") as caught:
        opening()
    assert "pip install" in caught.value.hint


def test_no_store_where_none_shall_be_made(url, opening):
    with pytest.raises(errors.EntryNotFoundError):
        opening(create=False)


def test_addresses_that_are_none(seen):
    for address in ("mysql://a:secret@b/c", "nonsense secret", "sqlite://", "sqlite:///:memory:"):
        with pytest.raises(errors.StoreError) as caught:
            ss.Store(address, keyring=RING, state=seen)
        assert "secret" not in str(caught.value)


def test_secrets_are_never_shown(seen):
    address = "postgresql://me:s3cret@127.0.0.1:1/models?password=s3cret"
    with pytest.raises(errors.StoreError) as caught:
        ss.Store(address, keyring=RING, state=seen)
    assert "s3cret" not in str(caught.value) + caught.value.hint
    chain = caught.value.__context__, caught.value.__cause__
    assert caught.value.__suppress_context__ or chain == (None, None)


def test_files_open_as_streams_do_not_outlive_their_reader(store):
    store.publish("m", MODEL)
    stream = store.open("m")
    assert isinstance(stream.read(4), bytes)
    assert stream.seek(0, io.SEEK_END) == store.entry("m").size
    stream.close()
