# SPDX-License-Identifier: BSD-3-Clause
"""Models from MLflow and from folders: checked, signed on the way in, refused one by one."""

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import safeserial as ss
from safeserial.errors import NotAnArtifactError, SafeSerialError
from safeserial.importing import import_folder, import_mlflow
from safeserial.importing.mlflow_model import Places, read_yaml
from tests.importing.conftest import EXPERIMENT, PLANTED, RUN, model_id, pickled, write_model


def outcome(found):
    return [(one.source, one.status, one.entry) for one in found]


def test_a_tracking_folder_with_versions_aliases_and_stages(store, mlruns, clean):
    found = list(import_mlflow(store, mlruns))
    assert outcome(found) == [
        ("mlflow:churn:1", "published", "churn:1"),
        ("mlflow:churn:2", "refused", ""),
        ("mlflow:churn:3", "published", "churn:2"),
        ("mlflow:churn@next", "refused", ""),
        ("mlflow:churn@production", "published", "churn@production"),
        ("mlflow:churn@staging", "published", "churn@staging"),
    ]
    assert found[1].error == "UntrustedTypesError"
    assert not (clean / "marker").exists()
    assert store.load("churn@production") == {"weights": [3]}
    assert store.load("churn@staging") == {"weights": [1]}
    kept = store.entry("churn:1").metadata
    assert kept["mlflow_params"] == {"C": "1.0"}
    assert kept["mlflow_metrics"] == {"acc": "0.95"}  # the last one logged
    assert kept["mlflow_tags"] == {"team": "risk"}
    assert (kept["mlflow_run"], kept["mlflow_description"]) == (RUN, "no 1")
    assert store.verify("churn:1").signers[0].key_id == store.keyring.active.key_id


def test_a_second_run_brings_only_what_is_new(store, mlruns, clean):
    list(import_mlflow(store, mlruns))
    store.alias("churn", "production", 1)  # somebody decided otherwise since
    place = mlruns / EXPERIMENT / "models" / model_id(1) / "artifacts" / "model.pkl"
    place.write_bytes(pickled(7))  # MLflow keeps no digest: the file is another one now
    found = {one.source: one for one in import_mlflow(store, mlruns)}
    assert found["mlflow:churn:1"].status == "published"
    assert found["mlflow:churn:3"].status == "skipped"
    assert found["mlflow:churn@production"].status == "skipped"
    assert store.load("churn@production") == {"weights": [1]}


def test_a_database(store, database):
    found = list(import_mlflow(store, database))
    assert outcome(found) == [
        ("mlflow:churn:1", "published", "churn:1"),
        ("mlflow:churn:2", "refused", ""),
        ("mlflow:churn:3", "published", "churn:2"),
        ("mlflow:churn@best", "published", "churn@best"),
        ("mlflow:churn@production", "published", "churn@production"),
    ]
    assert store.entry("churn@best").metadata["mlflow_metrics"] == {"acc": "0.95"}
    assert store.load("churn@production") == {"weights": [3]}


def test_the_folder_of_a_database_is_enough_and_may_have_moved(store, database, clean):
    (clean / "elsewhere").mkdir()
    (clean / "mlruns").rename(clean / "elsewhere" / "mlruns")
    (clean / "mlflow.db").rename(clean / "elsewhere" / "mlflow.db")
    found = list(import_mlflow(store, clean / "elsewhere"))
    assert [one.status for one in found].count("published") == 4


def test_nothing_outside_of_the_folder_is_opened(store, mlruns, clean):
    outside = clean / "outside"
    outside.mkdir()
    (outside / "model.pkl").write_bytes(pickled(9))
    (outside / "MLmodel").write_text("flavors:\n  sklearn:\n    pickled_model: model.pkl\n")
    meta = mlruns / "models" / "churn" / "version-1" / "meta.yaml"
    meta.write_text(f"name: churn\nversion: 1\nsource: {outside}\n")
    found = list(import_mlflow(store, mlruns))
    assert (found[0].status, found[0].error) == ("refused", "PolicyError")
    found = list(import_mlflow(store, mlruns, artifacts=outside))  # unless it is named
    assert found[0].status == "published"


@pytest.mark.parametrize("file", ["../../../../../outside.pkl", "/etc/model.pkl"])
def test_a_model_file_that_escapes_its_folder(store, mlruns, clean, file):
    (clean / "outside.pkl").write_bytes(pickled(9))
    folder = mlruns / EXPERIMENT / "models" / model_id(1) / "artifacts"
    (folder / "MLmodel").write_text(f"flavors:\n  sklearn:\n    pickled_model: {file}\n")
    assert next(iter(import_mlflow(store, mlruns))).status == "refused"


def test_a_link_out_of_the_folder(store, mlruns, clean):
    (clean / "outside.pkl").write_bytes(pickled(9))
    place = mlruns / EXPERIMENT / "models" / model_id(1) / "artifacts" / "model.pkl"
    place.unlink()
    place.symlink_to(clean / "outside.pkl")
    assert next(iter(import_mlflow(store, mlruns))).status == "refused"


def test_a_flavour_of_another_kind_is_told(store, mlruns):
    folder = mlruns / EXPERIMENT / "models" / model_id(1) / "artifacts"
    (folder / "MLmodel").write_text("flavors:\n  pytorch:\n    model_data: data\n")
    first = next(iter(import_mlflow(store, mlruns)))
    assert (first.status, first.error) == ("unknown", "UnsupportedModelError")
    assert "pytorch" in first.message


def test_an_onnx_flavour(store, clean, mlruns):
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    kind = onnx.TensorProto.FLOAT
    ends = [onnx.helper.make_tensor_value_info(name, kind, [None]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:])
    opsets = [onnx.helper.make_opsetid("", 17)]
    data = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    place = write_model(mlruns, 4, data, file="model.onnx", flavour="onnx")
    meta = mlruns / "models" / "churn" / "version-1" / "meta.yaml"
    meta.write_text(f"name: churn\nversion: 1\nsource: {place}\n")
    assert next(iter(import_mlflow(store, mlruns))).status == "published"
    assert store.entry("churn:1").formats == ("onnx",)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1, 2]\nb: *x\n",  # of which a bomb is made
        "!!python/object/apply:os.system ['touch marker']",
        "- just\n- a list\n",
        "[" * 50_000,
        "a: \x00",
        "{: : :",
    ],
)
def test_yaml_that_mlflow_does_not_write(clean, text):
    (clean / "meta.yaml").write_text(text)
    with pytest.raises(SafeSerialError):
        read_yaml(clean / "meta.yaml")
    assert not (clean / "marker").exists()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda one: one.encode()))
def test_any_bytes_are_yaml_or_an_error_of_ours(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    try:
        assert isinstance(read_yaml(path), dict)
    except SafeSerialError as error:
        assert error.hint


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.text(max_size=60)
    | st.sampled_from(["file://", "models:/", "runs:/", "/", "..", "s3://x/"]).flatmap(
        lambda start: st.text(max_size=40).map(lambda one: start + one)
    )
)
def test_any_place_is_inside_or_an_error_of_ours(tmp_path_factory, text):
    root = tmp_path_factory.getbasetemp() / "root"
    root.mkdir(exist_ok=True)
    try:
        folder = Places((root,)).folder((text,))
    except (SafeSerialError, OSError):
        return
    assert folder.resolve().is_relative_to(root.resolve())


def test_a_database_that_is_none_or_never_ends(store, clean):
    (clean / "mlflow.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(NotAnArtifactError):
        list(import_mlflow(store, clean / "mlflow.db"))
    (clean / "mlflow.db").unlink()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"
    with sqlite3.connect(clean / "mlflow.db") as connection:
        connection.execute(f"CREATE VIEW model_versions AS {endless} i AS name FROM n")
    connection.close()
    with pytest.raises(NotAnArtifactError):
        list(import_mlflow(store, clean / "mlflow.db"))


def test_what_is_no_registry(store, clean):
    (clean / "empty").mkdir()
    with pytest.raises(NotAnArtifactError) as caught:
        list(import_mlflow(store, clean / "empty"))
    assert "import-joblib" in caught.value.hint


def test_a_folder_of_files(store, clean):
    folder = clean / "old models"
    (folder / "credit risk").mkdir(parents=True)
    (folder / "churn.joblib").write_bytes(pickled(1))
    (folder / "credit risk" / "été v1.pkl.gz").write_bytes(__import__("gzip").compress(pickled(2)))
    (folder / "planted.pkl").write_bytes(PLANTED)
    (folder / "notes.txt").write_text("no model")
    ss.dump({"weights": [4]}, folder / "signed.safeserial", keyring=store.keyring)
    found = list(import_folder(store, folder, prefix="old/"))
    told = {one.source: (one.status, one.entry) for one in found}
    assert told["file:churn.joblib"] == ("published", "old/churn:1")
    assert told["file:planted.pkl"] == ("refused", "")
    assert told["file:signed.safeserial"] == ("published", "old/signed:1")
    assert len(told) == 4
    assert [store.load(name) for name in store.names()] != []
    assert store.load("old/signed") == {"weights": [4]}
    assert not (clean / "marker").exists()
    again = [one.status for one in import_folder(store, folder, prefix="old/")]
    assert "published" not in again


def test_the_command_line(store, mlruns, clean, monkeypatch):
    import json

    from click.testing import CliRunner

    from safeserial.cli.app import app

    store.keyring.save("team.keys")
    common = ["--store", "sqlite:///other.db", "--keyring", "team.keys"]
    run = CliRunner().invoke
    assert run(app, ["store", "init", *common]).exit_code == 0
    ended = run(app, ["store", "import-mlflow", "mlruns", *common, "--json"])
    assert ended.exit_code == 1  # one was refused
    assert len(json.loads(ended.stdout)["models"]) == 6
    ended = run(app, ["store", "import-mlflow", "mlruns", *common])
    assert "SKIPPED  mlflow:churn:1" in ended.stdout
    (clean / "files").mkdir()
    (clean / "files" / "a.pkl").write_bytes(pickled(5))
    ended = run(app, ["store", "import-joblib", "files", *common])
    assert (ended.exit_code, "PUBLISHED  file:a.pkl  -> a:1" in ended.stdout) == (0, True)
    assert run(app, ["store", "import-mlflow", "files", *common]).exit_code == 2
