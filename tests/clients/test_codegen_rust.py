# SPDX-License-Identifier: BSD-3-Clause
"""A project in Rust for one model: it builds, answers as ONNX Runtime, refuses what changed."""

import csv
import io
import json
import re
import subprocess

import pytest

import safeserial as ss
from safeserial_converters.codegen import generate
from tests.clients import rust
from tests.clients.conftest import VECTORS
from tests.clients.projects import agree, hostile_model, records_of, signed, wanted

# For `make test-clients`: compilers take their time; the clients themselves are in `make test`.
pytestmark = pytest.mark.slow

NUMBERS = (
    "prix (€)", "1st", '"; std::process::exit(0); //', "line\nbreak \r*/ \u2028 {x}", "a b", "a-b",
    "fn", "self", "Self", "\\", "東京 \U0001f600", "\t", "r#type", "location", "/* comment", "_",
)  # fmt: skip
WORDS = ("class", "impl")
COUNTS = ("how many", "len")
FLAGS = ("is it?",)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A model of columns that no language likes, and rows: numbers, texts, counts, flags."""
    place = tmp_path_factory.mktemp("hostile") / "model.onnx"
    return hostile_model(place, NUMBERS, WORDS, COUNTS, FLAGS)


def csv_of(rows):
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return "\ufeff" + stream.getvalue()


class Made:
    """A project that was made, built and has passed its own test."""

    def __init__(self, model, key, engine, folder, tests, **settings):
        rust.need_tools()
        self.place = generate(
            model, folder / "project", lang="rust", keyring=ss.Keyring([key]),
            trusted=["com.microsoft.Tokenizer"],  # of models of texts
        )  # fmt: skip
        self.settings = rust.environment(engine) | {"MODEL_FOLDER": str(self.place)}
        (name,) = re.findall(r'name = "(.*)"', (self.place / "Cargo.toml").read_text("utf-8"))
        with rust.workshop("project", rust.sources(self.place), engine) as cargo:
            done = cargo("test", **settings)
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
            assert f"test result: ok. {tests} passed" in done.stdout
            assert "nothing is tested" not in done.stdout
            assert f"warning: `{name}`" not in done.stderr
            laid_out = cargo("fmt", "--check")
            built = cargo("build")
            assert built.returncode == 0, built.stderr
            self.program = rust.program(name, folder)
        self.laid_out = laid_out.stdout

    def run(self, *arguments, text=None):
        return subprocess.run(
            [self.program, *map(str, arguments)], cwd=self.place, input=text, env=self.settings,
            capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
        )  # fmt: skip


def test_a_model_of_numbers_and_texts(engine, tmp_path):
    key = ss.EcdsaKey.generate()
    model = signed(VECTORS / "mixed" / "model.onnx", tmp_path, key)
    project = Made(model, key, engine, tmp_path, 3)
    rows = records_of("mixed")
    labels, proba = wanted(model, rows)
    (project.place / "mine.json").write_text(json.dumps(rows), "utf-8")
    agree(project.run("mine.json"), labels, proba)
    agree(project.run(text=csv_of(rows)), labels, proba)
    record = (project.place / "src" / "record.rs").read_text("utf-8")
    assert "    pub age: Option<f64>,\n" in record
    assert "    pub class_: Option<String>,\n" in record
    assert project.laid_out == ""

    misused = (("--wrong",), ("one", "two"), ("gone.json",), ("--key",))
    for arguments in misused:
        done = project.run(*arguments, text="[]")
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert "\nhint: " in done.stderr
    for name in ("model.onnx", "model.onnx.sig", "key.pem"):
        place = project.place / name
        before = place.read_bytes()
        changed = bytearray(before)
        changed[len(changed) // 2] ^= 1
        other = ss.EcdsaKey.generate().public.to_pem()
        place.write_bytes(other if name == "key.pem" else bytes(changed))
        done = project.run("mine.json")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: ")
        assert "\nhint: " in done.stderr
        place.write_bytes(before)
    assert project.run("mine.json").returncode == 0


def test_columns_of_any_name(engine, hostile, tmp_path):
    place, rows = hostile
    key = ss.Ed25519Key.generate()
    model = signed(place, tmp_path, key)
    project = Made(model, key, engine, tmp_path, 3)
    labels, proba = wanted(model, rows)
    agree(project.run(text=json.dumps(rows)), labels, proba)
    agree(project.run(text=csv_of(rows)), labels, proba)
    for name in ("src/lib.rs", "src/record.rs", "tests/project.rs", "README.md"):
        text = (project.place / name).read_text("utf-8")
        assert not {"\u2028", "\t", "\r"} & set(text)
        assert len(text.splitlines()) == text.count("\n")
    fields = re.findall(r"pub (\w+): ", (project.place / "src" / "record.rs").read_text("utf-8"))
    assert len(set(fields)) == len(fields) == len(rows[0])
    assert {"prix", "column_1st", "a_b", "a_b_2", "class_", "fn_", "how_many", "is_it"} <= set(
        fields
    )

    first = rows[0]
    lacking = {name: value for name, value in first.items() if name != "class"}
    wrong = (
        (json.dumps([{**first, "how many": None}]), "cannot be missing"),
        (json.dumps([{**first, "how many": 1.5}]), "is to be an integer"),
        (json.dumps([{**first, "prix (€)": "much"}]), "is to be a number"),
        (json.dumps([lacking]), "has no column class"),
        ("[{]", "not JSON"),
        ("[]", "no rows"),
        (csv_of([lacking]), "has no column class"),
        (csv_of([{**first, "how many": None}]), "is to be an integer"),
        (csv_of([{**first, "is it?": "maybe"}]), "is to be true or false"),
        (csv_of([{**first, "prix (€)": "0x10"}]), "is to be a number"),
        (csv_of([first]).replace("is it?", "class", 1), "twice"),
        (csv_of([first]) + "1,2\r\n", f"2 cells, not {len(first)}"),
        ("", "has no rows"),
    )
    for text, words in wrong:
        done = project.run(text=text)
        assert (done.returncode, done.stdout) == (1, ""), words
        assert words in done.stderr
        assert "\nhint: " in done.stderr
    spaced = csv_of([first]).replace("?\r\n", "?\r\n\r\n") + "\n"
    assert len(json.loads(project.run(text=spaced).stdout)) == 1


@pytest.mark.parametrize("kind", ["forest", "text"])
def test_arrays_and_texts(kind, engine, tmp_path):
    key = ss.EcdsaKey.generate(curve="P-384")
    model = signed(VECTORS / kind / "model.onnx", tmp_path, key)
    project = Made(model, key, engine, tmp_path, 3)
    rows = records_of(kind)
    labels, proba = wanted(model, rows)
    agree(project.run(text=json.dumps(rows)), labels, proba)
    cells = [row["X"] if kind == "forest" else [row["X"]] for row in rows]
    with (project.place / "mine.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(range(len(cells[0]), 0, -1) if kind == "forest" else ["X"])
        writer.writerows(cells)
    agree(project.run("mine.csv"), labels, proba)


def test_an_artifact_and_a_shared_secret_that_is_not_written(engine, tmp_path):
    key = ss.HmacKey.generate()
    data = (VECTORS / "mixed" / "model.onnx").read_bytes()
    model = tmp_path / "m.safeserial"
    ss.dump(data, model, keyring=ss.Keyring([key]), format="onnx")
    secret = tmp_path / "secret.key"
    secret.write_text(key.to_text() + "\n", "ascii")
    project = Made(model, key, engine, tmp_path, 3, SAFESERIAL_KEY_FILE=str(secret))
    for one in project.place.rglob("*"):
        if one.is_file():
            assert key.to_text().split(":")[1].encode() not in one.read_bytes()
    assert not (project.place / "key.pem").exists()
    without = project.run("rows.json")
    assert without.returncode == 1
    assert "no key was given" in without.stderr
    done = project.run("--key", secret, "rows.csv")
    assert json.loads(done.stdout)[0]["label"] in {"low", "middle", "high"}
