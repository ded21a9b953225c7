# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of importing share: an empty store, and MLflow's two kinds of registry.

The layouts are those that MLflow 3.17 writes; a model of an older one lies in its run's folder.
"""

import hashlib
import os
import sqlite3
from pathlib import Path

import pytest

import safeserial as ss

RUN = "80b2735f768e4921afaae951b610e8f1"
EXPERIMENT = "809111992703723689"
PLANTED = b"cos\nsystem\n(S'touch marker'\ntR."


def pickled(number):
    """Return ``{"weights": [number]}`` in protocol 0."""
    return b"(dp0\nVweights\np1\n(lp2\nI%d\nas." % number


def model_id(number):
    return "m-" + hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """Give each test an empty folder and nothing of the person who runs it."""
    for name in [name for name in os.environ if name.startswith("SAFESERIAL_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def store(clean):
    """An empty store on SQLite."""
    pytest.importorskip("sqlalchemy")
    ring = ss.Keyring([ss.HmacKey.generate()])
    from safeserial.store import Store

    with Store("sqlite:///models.db", keyring=ring, state="seen.db") as opened:
        yield opened


def write_model(root, number, data, *, file="model.pkl", flavour="sklearn"):
    """Write a logged model as MLflow does; return where it says that it is."""
    folder = root / EXPERIMENT / "models" / model_id(number) / "artifacts"
    folder.mkdir(parents=True)
    (folder / file).write_bytes(data)
    key = "data" if flavour == "onnx" else "pickled_model"
    (folder / "MLmodel").write_text(
        f"artifact_path: {folder.as_uri()}\nflavors:\n  python_function:\n"
        f"    loader_module: mlflow.{flavour}\n    model_path: {file}\n  {flavour}:\n"
        f"    code: null\n    {key}: {file}\n    sklearn_version: 1.9.1\n"
        "mlflow_version: 3.17.2\nutc_time_created: '2026-11-22 07:38:13.223128'\n"
    )
    return folder


@pytest.fixture
def mlruns(clean):
    """A tracking folder: ``churn``, honest, planted, and honest as an older MLflow lays it out."""
    root = clean / "mlruns"
    run = root / EXPERIMENT / RUN
    for folder, key, value in (("params", "C", "1.0"), ("metrics", "acc", "17 0.91 0\n18 0.95 1")):
        (run / folder).mkdir(parents=True)
        (run / folder / key).write_text(value + "\n")
    places = [write_model(root, 1, pickled(1)), write_model(root, 2, PLANTED)]
    old = run / "artifacts" / "model"
    old.mkdir(parents=True)
    (old / "model.pkl").write_bytes(pickled(3))
    (old / "MLmodel").write_text("flavors:\n  sklearn:\n    pickled_model: model.pkl\n")
    registered = root / "models" / "churn"
    sources = [one.as_uri() for one in places] + [f"runs:/{RUN}/model"]
    for number, source in enumerate(sources, 1):
        folder = registered / f"version-{number}"
        folder.mkdir(parents=True)
        stage = "Staging" if number == 1 else "None"
        (folder / "meta.yaml").write_text(
            f"creation_timestamp: 1795333028805\ncurrent_stage: {stage}\ndescription: no {number}\n"
            f"name: churn\nrun_id: {RUN}\nsource: {source}\nversion: {number}\n"
        )
    (registered / "version-1" / "tags").mkdir()
    (registered / "version-1" / "tags" / "team").write_text("risk")
    (registered / "aliases").mkdir()
    (registered / "aliases" / "production").write_text("3")
    (registered / "aliases" / "next").write_text("2")
    (registered / "meta.yaml").write_text("name: churn\ncreation_timestamp: 1795333028794\n")
    return root


@pytest.fixture
def database(clean):
    """A registry in ``mlflow.db``, of the same three models."""
    root = clean / "mlruns"
    places = [
        write_model(root, 1, pickled(1)),
        write_model(root, 2, PLANTED),
        write_model(root, 3, pickled(3)),
    ]
    with sqlite3.connect(clean / "mlflow.db") as connection:
        connection.executescript(SCHEMA)
        for number, place in enumerate(places, 1):
            connection.execute(
                "INSERT INTO model_versions VALUES ('churn',?,1795333028805,NULL,'first',NULL,"
                "'Production',?,?,'READY',NULL,NULL,?)",
                (number, f"models:/{model_id(number)}", RUN, str(place)),
            )
        connection.execute("INSERT INTO registered_model_aliases VALUES ('best', 1, 'churn')")
        connection.execute("INSERT INTO model_version_tags VALUES ('team', 'risk', 'churn', 1)")
        connection.execute("INSERT INTO params VALUES ('C', '1.0', ?)", (RUN,))
        connection.execute("INSERT INTO latest_metrics VALUES ('acc', 0.95, 18, 1, 0, ?)", (RUN,))
    connection.close()
    return Path("mlflow.db")


SCHEMA = """
CREATE TABLE model_versions (name VARCHAR(256) NOT NULL, version INTEGER NOT NULL,
  creation_time BIGINT, last_updated_time BIGINT, description VARCHAR(5000), user_id VARCHAR(256),
  current_stage VARCHAR(20), source VARCHAR(500), run_id VARCHAR(32), status VARCHAR(20),
  status_message VARCHAR(500), run_link VARCHAR(500), storage_location VARCHAR(500),
  PRIMARY KEY (name, version));
CREATE TABLE registered_model_aliases (alias VARCHAR(256) NOT NULL, version INTEGER NOT NULL,
  name VARCHAR(256) NOT NULL);
CREATE TABLE model_version_tags (key VARCHAR(250), value TEXT, name VARCHAR(256), version INTEGER);
CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
CREATE TABLE latest_metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, step BIGINT,
  is_nan BOOLEAN, run_uuid VARCHAR(32));
"""
