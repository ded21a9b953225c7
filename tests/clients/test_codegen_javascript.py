# SPDX-License-Identifier: BSD-3-Clause
"""A project in JavaScript for one model: it answers as ONNX Runtime, and refuses what changed."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

import safeserial as ss
from safeserial.errors import (
    ConversionError,
    DigestMismatchError,
    KeyringError,
    UnknownKeyError,
    UnsignedError,
    UnsupportedModelError,
    WriteFailedError,
)
from safeserial_converters.codegen import generate, languages
from safeserial_converters.codegen.reading import read_project
from tests.clients.conftest import CLIENTS, VECTORS
from tests.clients.projects import agree, csv_of, hostile_model, records_of, signed, wanted

HOSTILE = (
    "prix (€)", "1st", 'x"; process.exit()//', "line\nbreak \r*/ \u2028 <!--", "a b", "a-b",
    "__proto__", "${process.exit()}", "'`\\", "東京 \U0001f600", "?>", "\t",
)  # fmt: skip
WORDS = ("class", "constructor")
COUNTS = ("how many", "length")
FLAGS = ("is it?",)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A model of numbers, texts, counts and flags, not signed, and rows for it."""
    place = tmp_path_factory.mktemp("hostile") / "model.onnx"
    return hostile_model(place, HOSTILE, WORDS, COUNTS, FLAGS)


def generated(model, folder, key, packages):
    """Write the project and give it the packages that npm would install."""
    project = generate(
        model, folder / "project", lang="js", keyring=ss.Keyring([key]),
        trusted=["com.microsoft.Tokenizer"],  # which models of texts have
    )  # fmt: skip
    (project / "node_modules").symlink_to(packages, target_is_directory=True)
    return project


def node(project, *arguments, text=None, **settings):
    return subprocess.run(
        ["node", *map(str, arguments)], cwd=project, input=text, capture_output=True, text=True,
        timeout=120, check=False, env={**os.environ, **settings},
    )  # fmt: skip


def own_test(project, **settings):
    done = node(project, "--test", "--test-reporter=tap", "test/", **settings)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "# skipped 0" in done.stdout, done.stdout[-600:]


def test_a_model_of_numbers_and_texts(packages, tmp_path):
    key = ss.EcdsaKey.generate()
    model = signed(VECTORS / "mixed" / "model.onnx", tmp_path, key)
    project = generated(model, tmp_path, key, packages)
    own_test(project)
    rows = records_of("mixed")
    labels, proba = wanted(model, rows)
    (project / "mine.json").write_text(json.dumps(rows), "utf-8")
    agree(node(project, "main.js", "mine.json"), labels, proba)
    agree(node(project, "main.js", text=csv_of(rows)), labels, proba)
    types = (project / "index.d.ts").read_text("utf-8")
    assert '"label": "high" | "low" | "middle";' in types
    assert "  age?: number | null;" in types
    assert "  class_?: string | null;" in types


def test_columns_of_any_name(packages, hostile, tmp_path):
    place, rows = hostile
    key = ss.Ed25519Key.generate()
    model = signed(place, tmp_path, key)
    project = generated(model, tmp_path, key, packages)
    own_test(project)
    labels, proba = wanted(model, rows)
    agree(node(project, "main.js", text=json.dumps(rows)), labels, proba)
    agree(node(project, "main.js", text=csv_of(rows)), labels, proba)
    fields = node(project, "-e", "import('./record.js').then((m) => "
                  "console.log(JSON.stringify(m.COLUMNS)))")  # fmt: skip
    columns = json.loads(fields.stdout)
    assert [one["column"] for one in columns] == list(rows[0])
    names = [one["field"] for one in columns]
    assert len(set(names)) == len(names)
    assert {"prix", "column1st", "aB", "aB_2", "class_", "howMany", "isIt"} <= set(names)
    for name in ("record.js", "index.d.ts", "README.md"):
        text = (project / name).read_text("utf-8")
        assert not {"\u2028", "\t", "`\\"} & set(text)
        assert len(text.splitlines()) == text.count("\n")


ASK = """
import { open, SafeSerialError } from './index.js';
import { rowsOf } from './rows.js';
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const model = await open();
for (const text of JSON.parse(Buffer.concat(chunks))) {
  try {
    console.log(JSON.stringify(await model.predictRows(rowsOf(text))));
  } catch (error) {
    console.log(error instanceof SafeSerialError && error.hint && error.message);
  }
}
"""


def test_rows_that_do_not_fit_are_refused(packages, hostile, tmp_path):
    place, rows = hostile
    key = ss.EcdsaKey.generate()
    project = generated(signed(place, tmp_path, key), tmp_path, key, packages)
    first = rows[0]
    lacking = {name: value for name, value in first.items() if name != "class"}
    cases = (
        (json.dumps([{**first, "how many": None}]), "cannot be missing"),
        (json.dumps([{**first, "how many": 1.5}]), "is to be an integer"),
        (json.dumps([{**first, "prix (€)": "much"}]), "is to be a number"),
        (json.dumps([lacking]), "has no column class"),
        ("[{]", "not JSON"),
        (csv_of([lacking]), "has no column class"),
        (csv_of([{**first, "how many": None}]), "is to be an integer"),
        (csv_of([{**first, "is it?": "maybe"}]), "is to be true or false"),
        (csv_of([{**first, "prix (€)": "0x10"}]), "is to be a number"),
        (csv_of([first]).replace('"is it?"', '"class"', 1), "twice"),
        (csv_of([first]) + "1,2\r\n", f"2 cells, not {len(first)}"),
        ("", "has no rows"),
        (csv_of([first]).replace("\r\n", "\r\n\r\n") + "\n", '[{"label":'),
    )
    text = json.dumps([text for text, _ in cases])
    told = node(project, "--input-type=module", "-e", ASK, text=text).stdout.splitlines()
    for (_, said), found in zip(cases, told, strict=True):
        assert said in found
    for arguments, code in ((("--wrong",), 2), (("one", "two"), 2), (("gone.json",), 2), ((), 1)):
        done = node(project, "main.js", *arguments, text="[]")
        assert (done.returncode, done.stdout) == (code, "")
        assert "\nhint: " in done.stderr


@pytest.mark.parametrize("kind", ["forest", "text"])
def test_arrays_and_texts(kind, packages, tmp_path):
    key = ss.EcdsaKey.generate(curve="P-384")
    model = signed(VECTORS / kind / "model.onnx", tmp_path, key)
    project = generated(model, tmp_path, key, packages)
    own_test(project)
    rows = records_of(kind)
    labels, proba = wanted(model, rows)
    agree(node(project, "main.js", text=json.dumps(rows)), labels, proba)
    cells = [row["X"] if kind == "forest" else [row["X"]] for row in rows]
    with (project / "mine.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(range(len(cells[0]), 0, -1) if kind == "forest" else ["X"])
        writer.writerows(cells)
    agree(node(project, "main.js", "mine.csv"), labels, proba)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_models_that_are_no_classifiers(dtype, packages, tmp_path):
    """A tree that gives a number, and a scaler that gives a list; of one and of three features."""
    x = np.arange(60).reshape(20, 3).astype(dtype)
    key = ss.Ed25519Key.generate()
    for count, model in ((3, DecisionTreeRegressor()), (1, StandardScaler())):
        place = tmp_path / f"{count}.onnx"
        ss.to_onnx(model.fit(x[:, :count], x[:, 0] / 7), x[:, :count], place)
        ss.sign(place, keyring=ss.Keyring([key]))
        project = generated(place, tmp_path / str(count), key, packages)
        own_test(project)
        rows = [{"X": row if count > 1 else row[0]} for row in x[:, :count].tolist()]
        done = node(project, "main.js", text=json.dumps(rows))
        answers = json.loads(done.stdout)
        if count > 1:
            found = [one["label"] for one in answers]
            assert np.array(found) == pytest.approx(x[:, 0] / 7, rel=1e-6)
        else:
            found = [one["transform"] for one in answers]
            assert np.array(found) == pytest.approx(model.transform(x[:, :1]), rel=1e-6)


def test_of_several_keys_the_project_has_the_one_most_languages_read(tmp_path):
    young, curve = ss.Ed25519Key.generate(), ss.EcdsaKey.generate()
    model = signed(VECTORS / "mixed" / "model.onnx", tmp_path, young)
    ring = ss.Keyring([curve, young])
    ss.approve(model, keyring=ring)
    found = read_project(model, keyring=ring, policy=ss.Policy.default(), signature=None)
    assert (found.key_kind, found.key) == ("p256", curve.public.to_pem())
    assert (found.digest, found.name, found.task) == ("sha256", 'a "model"\n*/', "classifier")
    assert found.classes == ("high", "low", "middle")
    assert [one.alias for one in found.outputs][:2] == ["label", "probabilities"]
    known = ss.Keyring([young])
    found = read_project(model, keyring=known, policy=ss.Policy.default(), signature=None)
    assert (found.key_kind, found.key) == ("ed25519", young.public.to_pem())
    elsewhere = tmp_path / "elsewhere.sig"
    (tmp_path / "model.onnx.sig").rename(elsewhere)
    found = read_project(model, keyring=known, policy=ss.Policy.default(), signature=elsewhere)
    assert found.signature == elsewhere.read_bytes()


def test_an_artifact_and_a_shared_secret_that_is_not_written(packages, tmp_path):
    key = ss.HmacKey.generate()
    data = (VECTORS / "mixed" / "model.onnx").read_bytes()
    model = tmp_path / "m.safeserial"
    ss.dump(data, model, keyring=ss.Keyring([key]), format="onnx")
    project = generated(model, tmp_path, key, packages)
    secret = key.to_text()
    for one in project.rglob("*"):
        if one.is_file() and "node_modules" not in one.parts:
            assert secret.split(":")[1].encode() not in one.read_bytes()
    assert not (project / "key.pem").exists()
    without = node(project, "main.js", "rows.json")
    assert without.returncode == 1
    assert "no key was given" in without.stderr
    (tmp_path / "secret.key").write_text(secret + "\n", "ascii")
    own_test(project, SAFESERIAL_KEY_FILE=str(tmp_path / "secret.key"))
    done = node(project, "main.js", "--key", tmp_path / "secret.key", "rows.csv")
    assert json.loads(done.stdout)[0]["label"] in {"low", "middle", "high"}


@pytest.mark.parametrize("file", ["model.onnx", "model.onnx.sig", "key.pem"])
def test_a_changed_project_answers_nothing(file, packages, tmp_path):
    key = ss.EcdsaKey.generate()
    model = signed(VECTORS / "forest" / "model.onnx", tmp_path, key)
    project = generated(model, tmp_path, key, packages)
    if file == "key.pem":
        (project / file).write_bytes(ss.EcdsaKey.generate().public.to_pem())
    else:
        data = bytearray((project / file).read_bytes())
        data[len(data) // 2] ^= 1
        (project / file).write_bytes(data)
    done = node(project, "main.js", "rows.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "hint:" in done.stderr


def test_only_what_is_signed_becomes_a_project(tmp_path):
    key = ss.EcdsaKey.generate()
    ring = ss.Keyring([key])
    model = signed(VECTORS / "forest" / "model.onnx", tmp_path, key)
    out = tmp_path / "out"

    def refused(error, place=model, keyring=ring, lang="js"):
        with pytest.raises(error) as caught:
            generate(place, out, lang=lang, keyring=keyring)
        assert caught.value.hint
        assert not out.exists()
        assert not list(tmp_path.glob(".out*"))

    refused(UnknownKeyError, keyring=ss.Keyring([ss.EcdsaKey.generate()]))
    refused(ConversionError, lang="cobol")
    bare = tmp_path / "bare.onnx"
    shutil.copy(model, bare)
    refused(UnsignedError, bare)
    shutil.copy(f"{model}.sig", tmp_path / "bare.onnx.sig")
    bare.write_bytes(bare.read_bytes()[:-1])
    refused(DigestMismatchError, bare)
    ss.dump(LogisticRegression(), tmp_path / "p.safeserial", keyring=ring)
    refused(UnsupportedModelError, tmp_path / "p.safeserial")
    (tmp_path / "words.txt").write_text("no model")
    ss.sign(tmp_path / "words.txt", keyring=ring)
    refused(UnsupportedModelError, tmp_path / "words.txt")
    lattice = ss.Keyring([ss.MlDsaKey.generate()])
    other = tmp_path / "lattice.onnx"
    shutil.copy(model, other)
    ss.sign(other, keyring=lattice)
    refused(KeyringError, other, keyring=lattice)

    for folder in (tmp_path / "words.txt" / "out", tmp_path / ("x" * 300), "with a \0"):
        with pytest.raises(WriteFailedError):
            generate(model, folder, lang="js", keyring=ring)
    assert not [one for one in tmp_path.iterdir() if one.is_dir()]
    out.mkdir()
    assert generate(model, out, lang="js", keyring=ring) == out  # an empty folder will do
    before = {one: one.read_bytes() for one in out.rglob("*") if one.is_file()}
    with pytest.raises(ConversionError):
        generate(model, out, lang="js", keyring=ring)
    assert {one: one.read_bytes() for one in out.rglob("*") if one.is_file()} == before


def test_the_command(tmp_path):
    key = ss.EcdsaKey.generate()
    model = signed(VECTORS / "forest" / "model.onnx", tmp_path, key)
    ss.Keyring([key]).save(tmp_path / "team.keys")

    def run(*arguments):
        command = ["safeserial", "codegen", model, "--keyring", tmp_path / "team.keys", *arguments]
        return subprocess.run(
            [sys.executable, "-m", *map(str, command)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    done = run("--lang", "js", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "README.md" in done.stderr
    assert (tmp_path / "out" / "model.onnx").read_bytes() == model.read_bytes()
    assert run("--lang", "cobol", "-o", tmp_path / "other").returncode == 2
    model.write_bytes(model.read_bytes()[:-1])
    assert run("--lang", "js", "-o", tmp_path / "other").returncode == 1
    assert not (tmp_path / "other").exists()
    assert "js" in languages()


READ_CSV = """
import { csvCells } from './csv.js';
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
console.log(JSON.stringify(JSON.parse(Buffer.concat(chunks)).map(csvCells)));
"""


def test_csv_is_read_as_it_was_written(tmp_path):
    """Tables of commas, quotes, line breaks and nothing, however a writer quotes them."""
    if not shutil.which("node"):
        pytest.skip("there is no Node.js here")
    shutil.copy(CLIENTS / "browser" / "csv.js", tmp_path)
    random = np.random.default_rng(1)
    parts = ["", "a", ",", '"', "\n", "\r\n", " ", "é", "\U0001f600", "1.5", "\ufeff", "''"]
    tables, texts = [], []
    for turn in range(400):
        width = int(random.integers(1, 5))
        table = [
            ["".join(random.choice(parts, random.integers(0, 4))) for _ in range(width)]
            for _ in range(random.integers(0, 5))
        ]
        stream = io.StringIO()
        ends = ("\n", "\r\n", "\r")[turn % 3]
        all_ = turn % 2 or width == 1 or ends == "\r"  # or Python leaves line feeds bare
        quoting = csv.QUOTE_ALL if all_ else csv.QUOTE_MINIMAL
        csv.writer(stream, lineterminator=ends, quoting=quoting).writerows(table)
        text = stream.getvalue()
        tables.append(table)
        texts.append("\ufeff" + (text.removesuffix(ends) if turn % 5 == 0 else text))
    done = node(tmp_path, "--input-type=module", "-e", READ_CSV, text=json.dumps(texts))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == tables


def test_a_list_beside_columns_is_taken_from_json(packages, tmp_path):
    """No model of ours is so, but others' are: one input is three numbers, one is open."""
    kinds = {"a": 1, "three": 3, "open": "M"}
    made = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["N", width])
        for name, width in kinds.items()
    ]
    sums = [
        helper.make_node("ReduceSum", [name, "axis"], [f"of {name}"], keepdims=1) for name in kinds
    ]
    out = helper.make_tensor_value_info("predict", TensorProto.DOUBLE, ["N", 1])
    total = helper.make_node("Sum", [f"of {name}" for name in kinds], ["predict"])
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    graph = helper.make_graph([*sums, total], "g", made, [out], [axis])
    opset = [helper.make_opsetid("", 18)]
    place = tmp_path / "sums.onnx"
    place.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    )
    key = ss.EcdsaKey.generate()
    ss.sign(place, keyring=ss.Keyring([key]))
    project = generated(place, tmp_path, key, packages)
    rows = [{"a": 1, "three": [1, 2, 3], "open": [4.5]}, {"a": 0, "three": [0, 0, 1], "open": [1]}]
    done = node(project, "main.js", text=json.dumps(rows))
    assert json.loads(done.stdout) == [{"label": [11.5]}, {"label": [2]}]
    for text in (json.dumps([{**rows[0], "three": [1, 2]}]), "a,three,open\n1,2,3\n"):
        assert "values, not 3" in node(project, "main.js", text=text).stderr
    assert "  three: (number | null)[];" in (project / "index.d.ts").read_text("utf-8")
    done = node(project, "--test", "--test-reporter=tap", "test/")
    assert done.returncode == 0, done.stdout
    assert "# pass 1" in done.stdout
