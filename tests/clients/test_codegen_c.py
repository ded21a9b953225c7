# SPDX-License-Identifier: BSD-3-Clause
"""A project in C for one model: it builds, answers as ONNX Runtime, refuses what changed."""

import csv
import io
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import safeserial as ss
from safeserial.errors import UnsupportedModelError
from safeserial_converters.codegen import generate
from tests.clients.conftest import CLIENTS, VECTORS
from tests.clients.projects import agree, records_of, wanted

# For `make test-clients`: compilers take their time; the clients themselves are in `make test`.
pytestmark = pytest.mark.slow

NUMBERS = (
    "prix (€)", "1st", '"}; abort(); //', "line\nbreak \r*/ \u2028 #if 0", "a b", "a-b", "??/",
    "%s %n", "\\", "東京 \U0001f600", "\t", "NAN", "model_row", "location", "/* comment",
)  # fmt: skip
WORDS = ("class", "restrict")
COUNTS = ("how many", "offsetof")
FLAGS = ("is it?",)
# The old kind of rpath holds for the sanitizers' own dlopen too.
SANITIZED = (
    "CFLAGS=-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all",
    "LDFLAGS=-fsanitize=address,undefined -Wl,--disable-new-dtags",
)


@pytest.fixture(scope="module")
def make(engine):
    """Build and test a project."""
    if not all(map(shutil.which, ("gcc", "make", "pkg-config"))):
        pytest.skip("there is no compiler of C here: install gcc, make and pkg-config")

    def run(project, *goals, **settings):
        return subprocess.run(
            ["make", "-s", "-j2", "CFLAGS=-O1", f"ORT={engine}", *map(str, goals)], cwd=project,
            capture_output=True, text=True, timeout=240, check=False,
            env={**os.environ, **settings},
        )  # fmt: skip

    ready = subprocess.run(["pkg-config", "--exists", "jansson", "libcrypto"], check=False)
    if ready.returncode:
        pytest.skip("there are no libssl-dev and libjansson-dev here")
    return run


@pytest.fixture(scope="module")
def library(make, tmp_path_factory):
    """The client's library, built once: the first test builds the one in its project."""
    place = tmp_path_factory.mktemp("library")
    name = "libsafeserial_onnx.a"
    done = make(place, "-f", CLIENTS / "c" / "Makefile", f"BUILD={place}", place / name)
    assert done.returncode == 0, done.stderr
    return place / name


def signed(model, folder, key):
    place = folder / "model.onnx"
    shutil.copy(model, place)
    ss.sign(place, keyring=ss.Keyring([key]), name='a "model"\n*/ int x;', version="2")
    return place


def generated(model, folder, key, library=None):
    project = generate(
        model, folder / "project", lang="c", keyring=ss.Keyring([key]),
        trusted=["com.microsoft.Tokenizer"],  # which models of texts have
    )  # fmt: skip
    if library is not None:
        (project / "build").mkdir()
        shutil.copy(library, project / "build")
    return project


def answer(project, *arguments, text=None):
    return subprocess.run(
        [project / "answer", *map(str, arguments)],
        input=text, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def own_test(make, project, *more, tests=5, **settings):
    done = make(project, "test", *more, **settings)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert not done.stderr
    assert len(re.findall("^ok - ", done.stdout, re.MULTILINE)) == tests


def csv_of(header, lines):
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(["" if one is None else str(one) for one in line] for line in lines)
    return "\ufeff" + stream.getvalue()


def rows_as_csv(rows, names=None):
    names = names or list(rows[0])
    return csv_of(names, [[row[name] for name in names] for row in rows])


def test_a_model_of_numbers_and_texts(make, tmp_path):
    key = ss.EcdsaKey.generate()
    model = signed(VECTORS / "mixed" / "model.onnx", tmp_path, key)
    project = generated(model, tmp_path, key)
    own_test(make, project)
    rows = records_of("mixed")
    labels, proba = wanted(model, rows)
    (project / "mine.json").write_text(json.dumps(rows), "utf-8")
    agree(answer(project, project / "mine.json"), labels, proba)
    agree(answer(project, text=rows_as_csv(rows, list(rows[0])[::-1])), labels, proba)
    header = (project / "model.h").read_text("utf-8")
    assert "\n  double age; /* column age; NAN is a missing value */\n" in header
    assert "\n  const char *class_; /* column class; NULL is a missing value */\n" in header

    for arguments in (("--wrong",), ("one", "two"), ("/gone.json",), ("--key",)):
        done = answer(project, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "\nhint: " in done.stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(project / "model.onnx", elsewhere)
    shutil.move(project / "model.onnx.sig", elsewhere)
    lost = answer(project, text="[]")
    assert lost.returncode == 1
    assert "cannot read" in lost.stderr
    options = ("--folder", elsewhere, "--key", project / "key.pem", project / "rows.csv")
    found = answer(project, *options)
    assert found.returncode == 0, found.stderr
    data = bytearray((elsewhere / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (elsewhere / "model.onnx").write_bytes(data)
    refused = answer(project, *options)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "changed after it was signed" in refused.stderr


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The ONNX file of a pipeline whose columns have names that no compiler likes, and rows."""
    random = np.random.default_rng(0)
    n = 120
    table = pd.DataFrame({name: random.normal(size=n) for name in NUMBERS})
    table["1st"] = table["1st"].astype("float32")
    for name in WORDS:
        table[name] = random.choice(["red", "green", "bleu é"], n)
    for name in COUNTS:
        table[name] = random.integers(0, 5, n)
    table[FLAGS[0]] = random.integers(0, 2, n).astype(bool)
    table.loc[::9, NUMBERS[0]] = np.nan
    steps = make_column_transformer(
        (SimpleImputer(), list(NUMBERS)),
        (OneHotEncoder(handle_unknown="ignore"), list(WORDS)),
        ("passthrough", [*COUNTS, *FLAGS]),
    )
    answers = (table["a b"] + table["how many"] + (table["class"] == "red") > 2).astype(int)
    model = make_pipeline(steps, LogisticRegression()).fit(table, answers)
    place = tmp_path_factory.mktemp("hostile") / "model.onnx"
    ss.to_onnx(model, table, place)
    rows = table[:40].astype(object).where(table[:40].notna(), None).to_dict("records")
    return place, rows


def test_columns_of_any_name(make, library, hostile, tmp_path):
    place, rows = hostile
    key = ss.Ed25519Key.generate()
    model = signed(place, tmp_path, key)
    project = generated(model, tmp_path, key, library)
    own_test(make, project, *SANITIZED)
    labels, proba = wanted(model, rows)
    agree(answer(project, text=json.dumps(rows)), labels, proba)
    agree(answer(project, text=rows_as_csv(rows)), labels, proba)
    for name in ("model.h", "columns.c", "README.md"):
        text = (project / name).read_text("utf-8")
        assert not {"\u2028", "\t"} & set(text)
        assert len(text.splitlines()) == text.count("\n")
    if shutil.which("g++"):
        checked = subprocess.run(
            ["g++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++", "-I.",
             "-Iclient/include", "-include", "model.h", "/dev/null"],
            cwd=project, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert checked.returncode == 0, checked.stderr

    first = rows[0]
    lacking = {name: value for name, value in first.items() if name != "class"}
    cases = (
        (json.dumps([{**first, "how many": None}]), "cannot be missing"),
        (json.dumps([{**first, "how many": 1.5}]), "is to be an integer"),
        (json.dumps([{**first, "prix (€)": "much"}]), "prix (€) is to be a number"),
        (json.dumps([lacking]), "has no column class"),
        ("[{]", "not JSON"),
        (rows_as_csv([lacking]), "has no column class"),
        (rows_as_csv([{**first, "how many": None}]), "is to be an integer"),
        (rows_as_csv([{**first, "how many": "9" * 19}]), "is to be an integer"),
        (rows_as_csv([{**first, "is it?": "maybe"}]), "is to be true or false"),
        *((rows_as_csv([{**first, "prix (€)": odd}]), "is to be a number")
          for odd in ("0x10", "1e", ".", "1.5.2", "infinit", "-", "9" * 600)),
        (rows_as_csv([first]).replace("is it?", "class", 1), "class twice"),
        (rows_as_csv([first]) + "1,2\r\n", f"row 1: 2 cells, not {len(first)}"),
        (rows_as_csv([first]) + "\0", "zero byte"),
        ("", "has no rows"),
    )  # fmt: skip
    for text, said in cases:
        done = answer(project, text=text)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr
    for odd in ("  1e3 ", "+.5", "-2.", "NaN", "-Infinity"):
        done = answer(project, text=rows_as_csv([{**first, "a-b": odd}]).replace("\r\n", "\n\n"))
        assert done.returncode == 0, done.stderr
    random = np.random.default_rng()
    given = rows_as_csv(rows[:2])
    for turn in range(12):
        text = list(given)
        for place in random.integers(0, len(text), 3):
            text[place] = random.choice(['"', ",", "\n", "\r", "", "\0", "9", "é"])
        done = answer(project, text="".join(text))
        assert done.returncode in (0, 1), (turn, done.stderr, text)
        assert done.returncode == 0 or done.stderr.startswith("error: "), done.stderr


@pytest.mark.parametrize("kind", ["forest", "text"])
def test_arrays_and_texts(make, library, kind, tmp_path):
    key = ss.EcdsaKey.generate(curve="P-384")
    model = signed(VECTORS / kind / "model.onnx", tmp_path, key)
    project = generated(model, tmp_path, key, library)
    own_test(make, project)
    rows = records_of(kind)
    labels, proba = wanted(model, rows)
    agree(answer(project, text=json.dumps(rows)), labels, proba)
    cells = [row["X"] if kind == "forest" else [row["X"]] for row in rows]
    header = range(len(cells[0]), 0, -1) if kind == "forest" else ["X"]
    agree(answer(project, text=csv_of(header, cells)), labels, proba)


def test_an_artifact_and_a_shared_secret_that_is_not_written(make, library, tmp_path):
    key = ss.HmacKey.generate()
    model = tmp_path / "m.safeserial"
    ss.dump(odd_graph(), model, keyring=ss.Keyring([key]), format="onnx")
    project = generated(model, tmp_path, key, library)
    secret = key.to_text()
    for one in project.rglob("*"):
        if one.is_file():
            assert secret.split(":")[1].encode() not in one.read_bytes()
    assert not (project / "key.pem").exists()
    place = tmp_path / "secret.key"
    place.write_text(secret + "\n", "ascii")
    row = {
        "f": 1.5, "i": -7, "l": 2**53 + 1, "b": True, "s": "né", "three": [1, None, 2],
        "any": [4, 5],
    }  # fmt: skip
    told = {
        "of f": [1.5], "of i": [-7], "of l": str(2**53 + 1), "of b": [1], "of s": ["né"],
        "of three": [1, None, 2], "of any": [4, 5],
    }  # fmt: skip
    # No CSV can hold such rows, so the project has none: its test takes these.
    (project / "rows.json").write_text(json.dumps([row, row]), "utf-8")
    (project / "answers.json").write_text(json.dumps([told, told]), "utf-8")
    own_test(make, project, tests=4, SAFESERIAL_KEY_FILE=str(place))
    without = answer(project, project / "rows.json")
    assert without.returncode == 1
    assert "no key was given" in without.stderr
    done = answer(project, "--key", place, text=json.dumps([row]))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [told]
    for change, said in (
        ({"i": 2**31}, "is to be an integer"),
        ({"three": [1, 2]}, "three has 2 values, not 3"),
        ({"three": 1}, "three has 1 values, not 3"),
        ({"any": []}, "any has 0 values"),
        ({"b": 1}, "is to be true or false"),
        ({"f": [1, 2]}, "f has 2 values, not 1"),
    ):
        wrong = answer(project, "--key", place, text=json.dumps([{**row, **change}]))
        assert wrong.returncode == 1
        assert said in wrong.stderr


def odd_graph():
    """Return a graph of all types, with lists beside other columns, that says what it was given."""
    kinds = {
        "f": (TensorProto.FLOAT, ["N", 1]), "i": (TensorProto.INT32, ["N", 1]),
        "l": (TensorProto.INT64, ["N"]), "b": (TensorProto.BOOL, ["N", 1]),
        "s": (TensorProto.STRING, ["N", 1]), "three": (TensorProto.DOUBLE, ["N", 3]),
        "any": (TensorProto.FLOAT, ["N", "M"]),
    }  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [f"of {name}"]) for name in kinds],
        "odd",
        [helper.make_tensor_value_info(name, *kind) for name, kind in kinds.items()],
        [helper.make_tensor_value_info(f"of {name}", *kind) for name, kind in kinds.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def test_a_hash_that_openssl_lacks(tmp_path):
    for name in ("text/model.onnx", "signed/text.blake3.sig"):
        shutil.copy(VECTORS / name, tmp_path)
    ring = ss.Keyring([]).add(ss.keys.key_from_pem((VECTORS / "keys" / "ed25519.pem").read_bytes()))
    with pytest.raises(UnsupportedModelError, match="blake3") as caught:
        generate(
            tmp_path / "model.onnx", tmp_path / "project", lang="c", keyring=ring,
            signature=tmp_path / "text.blake3.sig", trusted=["com.microsoft.Tokenizer"],
        )  # fmt: skip
    assert caught.value.hint
    assert not (tmp_path / "project").exists()
