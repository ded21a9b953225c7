# SPDX-License-Identifier: BSD-3-Clause
"""A project in Java for one model: it answers as ONNX Runtime, and refuses what changed."""

import csv
import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import safeserial as ss
from safeserial.errors import UnsupportedModelError
from safeserial_converters.codegen import generate
from safeserial_converters.codegen import java as written
from safeserial_converters.codegen.reading import read_project
from tests.clients import java
from tests.clients.conftest import VECTORS
from tests.clients.projects import agree, csv_of, hostile_table, records_of, signed, wanted
from tests.clients.test_codegen_javascript import COUNTS, FLAGS, HOSTILE, WORDS

# For `make test-clients`: compilers take their time; the clients themselves are in `make test`.
pytestmark = pytest.mark.slow

SHADOWS = ("to", "from", "row", "cells", "found", "this", "String", "Map", "List", "Cells")


_BUILD = ("JAVAC=javac -J-XX:TieredStopAtLevel=1", "CFLAGS=-O1 -Wall -Wextra")


def generated(model, folder, key):
    java.need_tools()
    project = generate(
        model, folder / "project", lang="java", keyring=ss.Keyring([key]),
        trusted=["com.microsoft.Tokenizer"],  # which models of texts have
    )  # fmt: skip
    done = java.run("make", "-C", project, "JAVACFLAGS=-Xlint:all -Werror", *_BUILD)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def own_test(project, engine, **settings):
    flags = "JAVACFLAGS=-Xlint:all,-path -Werror"
    done = java.run("make", "-C", project, "test", flags, *_BUILD, engine=engine, more=settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed, 0 failed" in done.stdout


def predict(project, engine, *arguments, text=None):
    settings = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1"}  # sooner begun
    return java.run(
        "sh", project / "predict.sh", *arguments,
        engine=engine, input=text, more=settings, cwd=project.parent,
    )  # fmt: skip


def test_a_model_of_numbers_and_texts(engine, tmp_path):
    key = ss.EcdsaKey.generate()
    model = signed(VECTORS / "mixed" / "model.onnx", tmp_path, key)
    project = generated(model, tmp_path, key)
    own_test(project, engine)
    rows = records_of("mixed")
    labels, proba = wanted(model, rows)
    (project / "mine.json").write_text(json.dumps(rows), "utf-8")
    agree(predict(project, engine, project / "mine.json"), labels, proba)
    agree(predict(project, engine, text=csv_of(rows)), labels, proba)
    row = (project / "src/main/java/model/Row.java").read_text("utf-8")
    assert "    public Double age;\n" in row
    assert "    public String class_;\n" in row
    prediction = (project / "src/main/java/model/Prediction.java").read_text("utf-8")
    assert "        String label,\n        List<Double> probabilities,\n" in prediction

    # Changed files answer nothing: the model, its signature; nor does another key.
    for file in ("model.onnx", "model.onnx.sig"):
        kept = (project / file).read_bytes()
        data = bytearray(kept)
        data[len(data) // 2] ^= 1
        (project / file).write_bytes(data)
        done = predict(project, engine, project / "rows.json")
        assert (done.returncode, done.stdout) == (1, ""), file
        assert "hint:" in done.stderr
        (project / file).write_bytes(kept)
    (project / "key.pem").write_bytes(ss.EcdsaKey.generate().public.to_pem())
    done = predict(project, engine, project / "rows.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "none of your keys" in done.stderr


def wide_model():
    """Fit on many columns: hostile names, names that the code uses itself, texts, counts, flags."""
    table = hostile_table(HOSTILE, WORDS, COUNTS, FLAGS)
    random = np.random.default_rng(1)
    names = [*SHADOWS, *(f"column {number}" for number in range(200))]
    more = pd.DataFrame(random.normal(size=(len(table), len(names))), columns=names)
    table = pd.concat([table, more], axis=1)
    steps = make_column_transformer(
        (SimpleImputer(), [*HOSTILE, *names]),
        (OneHotEncoder(handle_unknown="ignore"), list(WORDS)),
        ("passthrough", [*COUNTS, *FLAGS]),
    )
    answers = (table[HOSTILE[2]] + table["to"] + table[COUNTS[0]] > 2).astype(int)
    return make_pipeline(steps, LogisticRegression()).fit(table, answers), table


def test_columns_of_any_name_and_rows_that_do_not_fit(engine, tmp_path):
    fitted, table = wide_model()
    place = tmp_path / "hostile.onnx"
    ss.to_onnx(fitted, table, place)
    rows = table[:40].astype(object).where(table[:40].notna(), None).to_dict("records")
    key = ss.Ed25519Key.generate()
    model = signed(place, tmp_path, key)
    project = generated(model, tmp_path, key)
    own_test(project, engine)
    labels, proba = wanted(model, rows)
    agree(predict(project, engine, text=csv_of(rows)), labels, proba)
    row = (project / "src/main/java/model/Row.java").read_text("utf-8")
    assert row.isascii()
    assert "process.exit()//" not in row.replace('"x\\042; process.exit()//"', "")
    numbers = row.count("    public Double ") + row.count("    public Float ")
    assert numbers == len(HOSTILE) + len(SHADOWS) + 200

    first = rows[0]
    lacking = {name: value for name, value in first.items() if name != "class"}
    cases = (
        (json.dumps([{**first, "how many": None}]), "cannot be missing"),
        (json.dumps([{**first, "how many": 1.5}]), "is to be an integer"),
        (json.dumps([{**first, "prix (€)": "much"}]), "is to be a number"),
        (json.dumps([lacking]), "has no column class"),
        ("[{]", "not JSON"),
        ("[" * 100_000, "nested too deep"),
        (csv_of([lacking]), "has no column class"),
        (csv_of([{**first, "how many": None}]), "is to be an integer"),
        (csv_of([{**first, "is it?": "maybe"}]), "is to be true or false"),
        (csv_of([{**first, "prix (€)": "0x10"}]), "is to be a number"),
        (csv_of([first]).replace('"is it?"', '"class"', 1), "twice"),
        (csv_of([first]) + "1,2\r\n", f"2 cells, not {len(first)}"),
        (csv_of([first]) + '"', "ends within quotes"),
        ("", "has no rows"),
    )
    for (text, said), done in zip(cases, refusals(project, engine, cases), strict=True):
        assert said in done, text[:300]
    for code, arguments in ((1, ()), (2, ("--wrong",)), (2, ("missing.json",))):
        done = predict(project, engine, *arguments, text="[]")
        assert (done.returncode, done.stdout) == (code, "")
        assert "hint:" in done.stderr


def refusals(project, engine, cases):
    """Give texts to the project's own reader and model, all in one Java: what it says of each."""
    (project / "Asked.java").write_text(_ASKED, "ascii")
    files = [project / f"text{number}" for number in range(len(cases))]
    for place, (text, _) in zip(files, cases, strict=True):
        place.write_bytes(text.encode("utf-8"))
    classes, native = project / "target" / "classes", project / "target" / "native"
    done = java.run(
        "java", *java.QUICK, "-cp", classes, f"-Djava.library.path={native}",
        project / "Asked.java", *files, cwd=project, engine=engine,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


_ASKED = """
import dev.safeserial.onnx.SafeSerialException;
import java.nio.file.*;
import model.SignedModel;

public class Asked {
    public static void main(String[] files) throws Exception {
        try (SignedModel model = SignedModel.open(Path.of("."))) {
            for (String file : files) {
                try {
                    model.predictRows(SignedModel.readRows(Files.readAllBytes(Path.of(file))));
                    System.out.println("answered");
                } catch (SafeSerialException refused) {
                    System.out.println(refused.getMessage() + " (" + refused.hint() + ")");
                }
            }
        }
    }
}
"""


def test_arrays_texts_and_a_shared_secret(engine, tmp_path):
    key = ss.EcdsaKey.generate(curve="P-384")
    model = signed(VECTORS / "forest" / "model.onnx", tmp_path, key)
    project = generated(model, tmp_path, key)
    own_test(project, engine)
    rows = records_of("forest")
    labels, proba = wanted(model, rows)
    agree(predict(project, engine, text=json.dumps(rows)), labels, proba)
    with (project / "mine.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(range(6, 0, -1))
        writer.writerows(row["X"] for row in rows)
    agree(predict(project, engine, project / "mine.csv"), labels, proba)

    secret = ss.HmacKey.generate()
    place = tmp_path / "other"
    place.mkdir()
    data = (VECTORS / "text" / "model.onnx").read_bytes()
    artifact = place / "m.safeserial"
    ss.dump(data, artifact, keyring=ss.Keyring([secret]), format="onnx")
    project = generated(artifact, place, secret)
    line = secret.to_text()
    for one in project.rglob("*"):
        assert not one.is_file() or line.split(":")[1].encode() not in one.read_bytes()
    assert not (project / "key.pem").exists()
    rows = records_of("text")
    labels, proba = wanted(VECTORS / "text" / "model.onnx", rows)
    without = predict(project, engine, text=json.dumps(rows))
    assert without.returncode == 1
    assert "no key was given" in without.stderr
    (place / "secret.key").write_text(line + "\n", "ascii")
    own_test(project, engine, SAFESERIAL_KEY_FILE=str(place / "secret.key"))
    agree(predict(project, engine, "--key", place / "secret.key", text=csv_of(rows)), labels, proba)


def test_what_java_cannot_hold_is_refused(tmp_path):
    key = ss.EcdsaKey.generate()
    model = signed(VECTORS / "forest" / "model.onnx", tmp_path, key)
    policy = ss.Policy.default()
    project = read_project(model, keyring=ss.Keyring([key]), policy=policy, signature=None)
    (column,) = project.inputs
    (*_, output) = project.outputs
    for changed in (
        {"digest": "blake3"},
        {"inputs": (dataclasses.replace(column, name="x" * 40_000),)},
        {"outputs": tuple(dataclasses.replace(output, name=f"o{n}") for n in range(201))},
    ):
        with pytest.raises(UnsupportedModelError) as caught:
            written.files(dataclasses.replace(project, **changed))
        assert caught.value.hint
