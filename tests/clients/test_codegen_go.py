# SPDX-License-Identifier: BSD-3-Clause
"""A project in Go for one model: it builds, answers as ONNX Runtime, refuses what changed."""

import csv
import json

import pytest

import safeserial as ss
from safeserial.errors import UnsupportedModelError
from safeserial_converters.codegen import generate
from safeserial_converters.codegen.go import files as go_files
from tests.clients.conftest import VECTORS
from tests.clients.golang import toolchain
from tests.clients.projects import agree, csv_of, hostile_model, records_of, signed, wanted

# For `make test-clients`: compilers take their time; the clients themselves are in `make test`.
pytestmark = pytest.mark.slow

HOSTILE = (
    "prix (€)", "1st", 'x"; os.Exit(0)//', "line\nbreak \r*/ \u2028", "a b", "a-b", "func",
    "Record",
    "`\\'", "東京 \U0001f600", "\t", "%s {{", "location", "string",
)  # fmt: skip
WORDS = ("class", "nil")
COUNTS = ("how many", "len")
FLAGS = ("is it?",)


@pytest.fixture(scope="module")
def go(engine):
    """Go's command."""
    return toolchain(engine)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A model of columns that no language likes, and rows: numbers, texts, counts, flags."""
    place = tmp_path_factory.mktemp("hostile") / "model.onnx"
    return hostile_model(place, HOSTILE, WORDS, COUNTS, FLAGS)


def made(go, model, folder, key, **settings):
    """Generate, test and build a project; return its program."""
    project = generate(
        model, folder / "project", lang="go", keyring=ss.Keyring([key]),
        trusted=["com.microsoft.Tokenizer"],  # which models of texts have
    )  # fmt: skip
    assert go("gofmt", "-l", ".", cwd=project).stdout == ""
    vetted = go("go", "vet", "./...", cwd=project)
    assert vetted.returncode == 0, vetted.stderr
    own = go("go", "test", "-v", "-vet=off", ".", cwd=project, **settings)
    assert own.returncode == 0, own.stdout[-3000:] + own.stderr[-3000:]
    assert own.stdout.count("--- PASS") == 2, own.stdout[-3000:]
    return built(go, project)


def built(go, project):
    done = go("go", "build", "./cmd/predict", cwd=project)
    assert done.returncode == 0, done.stderr
    return project / "predict"


def asked(go, program, folder, rows):
    """Ask in JSON from standard input, and in CSV from a file."""
    place = folder / "mine.csv"
    place.write_bytes(csv_of(rows).encode())
    return (
        go(program, cwd=folder, text=json.dumps(rows)),
        go(program, place, cwd=folder),
    )


def test_a_model_of_numbers_and_texts(go, tmp_path):
    key = ss.EcdsaKey.generate()
    model = signed(VECTORS / "mixed" / "model.onnx", tmp_path, key)
    program = made(go, model, tmp_path, key)
    rows = records_of("mixed")
    for done in asked(go, program, tmp_path, rows):
        agree(done, *wanted(model, rows))
    record = (program.parent / "record.go").read_text("utf-8")
    for line in ("Age *float64", "Class *string", "Label string", "Probabilities []float64",
                 'var Classes = []string{"high", "low", "middle"}'):  # fmt: skip
        assert line in record

    # A later model of the same columns, under the key that is built in; and one of another key.
    (tmp_path / "later").mkdir()
    later = signed(model, tmp_path / "later", key)
    agree(go(program, "--model", later, cwd=tmp_path, text=json.dumps(rows)), *wanted(model, rows))
    later.with_name("model.onnx.sig").unlink()
    ss.sign(later, keyring=ss.Keyring([ss.EcdsaKey.generate()]))
    refused = go(program, "--model", later, cwd=tmp_path, text=json.dumps(rows))
    assert (refused.returncode, refused.stdout) == (1, "")


def test_columns_of_any_name(go, hostile, tmp_path):
    place, rows = hostile
    key = ss.Ed25519Key.generate()
    model = signed(place, tmp_path, key)
    program = made(go, model, tmp_path, key)
    for done in asked(go, program, tmp_path, rows):
        agree(done, *wanted(model, rows))
    record = (program.parent / "record.go").read_text("utf-8")
    for line in ("Prix *float64", "Column1st *float32", "AB *float64", "AB_2 *float64",
                 "HowMany int64", "IsIt bool", "Func *float64"):  # fmt: skip
        assert f"\t{line}\n" in record
    assert record.isascii()

    first = rows[0]
    lacking = {name: value for name, value in first.items() if name != "class"}
    header = list(first)
    for text, said in (
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
        (csv_of([first]) + "1,2\r\n", f"2 cells, not {len(header)}"),
        ("", "has no rows"),
    ):
        done = go(program, cwd=tmp_path, text=text)
        assert (done.returncode, done.stdout) == (1, ""), text
        assert said in done.stderr
        assert "\nhint: " in done.stderr
    for arguments in (("--wrong",), ("one", "two"), ("missing.json",)):
        done = go(program, *arguments, cwd=tmp_path, text="[]")
        assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("kind", ["forest", "text"])
def test_arrays_and_texts(go, kind, tmp_path):
    key = ss.EcdsaKey.generate(curve="P-384")
    model = signed(VECTORS / kind / "model.onnx", tmp_path, key)
    program = made(go, model, tmp_path, key)
    rows = records_of(kind)
    labels, proba = wanted(model, rows)
    agree(go(program, cwd=tmp_path, text=json.dumps(rows)), labels, proba)
    cells = [row["X"] if kind == "forest" else [row["X"]] for row in rows]
    with (tmp_path / "mine.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(range(len(cells[0]), 0, -1) if kind == "forest" else ["X"])
        writer.writerows(cells)
    agree(go(program, "mine.csv", cwd=tmp_path), labels, proba)


def test_an_artifact_and_a_shared_secret_that_is_not_written(go, tmp_path):
    key = ss.HmacKey.generate()
    data = (VECTORS / "mixed" / "model.onnx").read_bytes()
    model = tmp_path / "m.safeserial"
    ss.dump(data, model, keyring=ss.Keyring([key]), format="onnx")
    (tmp_path / "secret.key").write_text(key.to_text() + "\n", "ascii")
    program = made(go, model, tmp_path, key, SAFESERIAL_KEY_FILE=str(tmp_path / "secret.key"))
    for one in program.parent.rglob("*"):
        if one.is_file():
            assert key.to_text().split(":")[1].encode() not in one.read_bytes()
    assert not (program.parent / "key.pem").exists()
    without = go(program, "rows.json", cwd=program.parent)
    assert without.returncode == 1
    assert "no key was given" in without.stderr
    done = go(program, "--key", tmp_path / "secret.key", "rows.csv", cwd=program.parent)
    assert json.loads(done.stdout)[0]["label"] in {"low", "middle", "high"}


def test_a_changed_project_answers_nothing(go, tmp_path):
    key = ss.EcdsaKey.generate()
    model = signed(VECTORS / "forest" / "model.onnx", tmp_path, key)
    project = generate(model, tmp_path / "project", lang="go", keyring=ss.Keyring([key]))
    program, key_file = built(go, project), tmp_path / "other.pem"
    key_file.write_bytes(ss.EcdsaKey.generate().public.to_pem())
    assert go(program, "rows.json", cwd=project).returncode == 0

    def refused(*arguments):
        done = go(program, *arguments, "rows.json", cwd=project)
        assert (done.returncode, done.stdout) == (1, "")
        assert "\nhint: " in done.stderr

    refused("--key", key_file)
    for name in ("model.onnx", "model.onnx.sig"):
        before = (project / name).read_bytes()
        changed = bytearray(before)
        changed[len(changed) // 2] ^= 1
        (project / name).write_bytes(bytes(changed))
        refused("--model", project / "model.onnx")
        if name == "model.onnx":
            built(go, project)  # with the changed model in it
            refused()
        (project / name).write_bytes(before)


def test_what_go_does_not_have_is_said_before():
    class Hashed:
        digest = "blake3"

    with pytest.raises(UnsupportedModelError, match="blake3") as caught:
        go_files(Hashed())
    assert caught.value.hint
