# SPDX-License-Identifier: BSD-3-Clause
"""A project in C# for one model: it builds under mono, answers as ONNX Runtime does."""

import json
import os
import re
import shutil
import subprocess
from xml.etree import ElementTree

import pytest

import safeserial as ss
from safeserial.errors import UnsupportedModelError
from safeserial_converters.codegen import generate
from tests.clients.conftest import VECTORS
from tests.clients.projects import agree, csv_of, hostile_model, records_of, signed, wanted

# For `make test-clients`: compilers take their time; the clients themselves are in `make test`.
pytestmark = pytest.mark.slow

NUMBERS = (
    "prix (€)", "1st", 'x"; System.Environment.Exit(3); //', "line\nbreak \r*/ \u2028 </summary>",
    "a b", "a-b", "Row", "{0}", "'`\\", "東京 \U0001f600", "Cells", "\t",
)  # fmt: skip
WORDS = ("class", "ToRow")
TEXTS = "com.microsoft.Tokenizer"  # an operator that models of texts have
COUNT, FLAG = "how many", "is it?"


@pytest.fixture(scope="module")
def run(engine):
    """Run a command with the engine at hand."""
    for name in ("mcs", "mono", "make"):
        if not shutil.which(name):
            pytest.skip("there is no mono here: install mono-mcs and mono-runtime")

    def command(*words, cwd, text=None, **settings):
        return subprocess.run(
            [*map(str, words)],
            cwd=cwd, input=text, capture_output=True, text=True, timeout=300, check=False,
            env={**os.environ, "LD_LIBRARY_PATH": str(engine), **settings},
        )  # fmt: skip

    return command


@pytest.fixture(scope="module")
def built(run, tmp_path_factory):
    """Make, build and test a project, once a model."""

    def project(model, key=None):
        key = key or ss.EcdsaKey.generate()
        folder = tmp_path_factory.mktemp("codegen")
        place = signed(model, folder, key)
        made = generate(place, folder / "project", lang="csharp", keyring=ss.Keyring([key]))
        done = run("make", "test", cwd=made)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "\nok 2 - rows are answered" in done.stdout
        return made

    return project


@pytest.fixture(scope="module")
def mixed(built):
    return built(VECTORS / "mixed" / "model.onnx", ss.Ed25519Key.generate())


@pytest.fixture(scope="module")
def forest(built):
    return built(VECTORS / "forest" / "model.onnx")


@pytest.fixture(scope="module")
def hostile(built, tmp_path_factory):
    """A project for columns with names that no language likes, and rows for it."""
    place = tmp_path_factory.mktemp("hostile") / "model.onnx"
    model, rows = hostile_model(place, NUMBERS, WORDS, (COUNT,), (FLAG,))
    return built(model), rows


def predict(run, project, *arguments, text=None):
    return run("mono", "build/predict.exe", *arguments, cwd=project, text=text)


def test_a_model_of_numbers_and_texts(run, mixed):
    rows = records_of("mixed")
    (mixed / "mine.json").write_text(json.dumps(rows), "utf-8")
    agree(predict(run, mixed, "mine.json"), *wanted(mixed / "model.onnx", rows))
    agree(predict(run, mixed, text=csv_of(rows)), *wanted(mixed / "model.onnx", rows))
    row = (mixed / "model" / "Row.cs").read_text("utf-8")
    assert "public double? Age { get; set; }" in row
    assert "public string Class { get; set; }" in row
    assert "public Row()" in row
    assert "of high, low, middle" in (mixed / "model" / "Prediction.cs").read_text("utf-8")


def test_a_program_that_uses_typed_records(run, mixed):
    """What the README promises, compiled."""
    (mixed / "mine.cs").write_text(
        """
        using System;
        using OneModel;
        internal static class Mine
        {
            private static void Main()
            {
                using (var model = SignedModel.Open())
                {
                    var row = new Row { Age = 31, Town = "K\\u00f6ln", Class = "first" };
                    foreach (Prediction one in model.Predict(new[] { row }))
                    {
                        string label = one.Label;
                        double[] probabilities = one.Probabilities;
                        Console.WriteLine(label + " " + probabilities.Length);
                    }
                }
            }
        }
        """,
        "utf-8",
    )
    parts = ("-r:build/OneModel.dll", "-r:build/SafeSerial.Onnx.dll")
    done = run("mcs", "-warnaserror", *parts, "-out:build/mine.exe", "mine.cs", cwd=mixed)
    assert done.returncode == 0, done.stderr
    assert run("mono", "build/mine.exe", cwd=mixed).stdout == "high 3\n"


def test_columns_of_any_name(run, hostile):
    project, rows = hostile
    agree(predict(run, project, text=json.dumps(rows)), *wanted(project / "model.onnx", rows))
    agree(predict(run, project, text=csv_of(rows)), *wanted(project / "model.onnx", rows))
    row = (project / "model" / "Row.cs").read_text("utf-8")
    fields = re.findall(r"public (\S+) (\w+) \{ get;", row)
    assert len({name.lower() for _, name in fields}) == len(NUMBERS) + len(WORDS) + 2
    members = (
        "double? Prix", "float? Column1st", "double? AB", "double? AB_2", "double? Row_",
        "string ToRow_", "long HowMany", "bool IsIt",
    )  # fmt: skip
    assert {tuple(one.split()) for one in members} <= set(fields)
    assert "public Row(\n            long howMany,\n            bool isIt)" in row
    for place in (project / "model").glob("*.cs"):
        assert place.read_text("utf-8").isascii()


def test_rows_that_do_not_fit_are_refused(run, hostile):
    project, rows = hostile
    first = rows[0]
    lacking = {name: value for name, value in first.items() if name != "class"}
    for text, said in (
        (json.dumps([{**first, COUNT: None}]), "cannot be missing"),
        (json.dumps([lacking]), "has no column class"),
        ('[{"a": 1, "a": 2}]', "a key twice"),
        (csv_of([{**first, COUNT: None}]), "is to be an integer"),
        (csv_of([{**first, FLAG: "maybe"}]), "is to be true or false"),
        (csv_of([{**first, "prix (€)": "0x10"}]), "is to be a number"),
        (csv_of([first]).replace('"is it?"', '"class"', 1), "twice"),
        (csv_of([first]) + "1,2\r\n", f"2 cells, not {len(first)}"),
        (csv_of([first])[:-3], "not closed"),
        ("", "has no rows"),
    ):
        done = predict(run, project, text=text)
        assert (done.returncode, done.stdout) == (1, ""), text
        assert said in done.stderr
        assert "hint:" in done.stderr
    for arguments in (("one", "two"), ("missing.json",), ("--key",)):
        done = predict(run, project, *arguments, text="[]")
        assert (done.returncode, done.stdout) == (2, "")


def test_arrays(run, forest):
    rows = records_of("forest")
    agree(predict(run, forest, text=json.dumps(rows)), *wanted(forest / "model.onnx", rows))
    cells = [dict(enumerate(row["X"])) for row in rows]
    agree(predict(run, forest, text=csv_of(cells)), *wanted(forest / "model.onnx", rows))
    row = (forest / "model" / "Row.cs").read_text("utf-8")
    assert "public IReadOnlyList<double?> X { get; }" in row


def test_an_artifact_and_a_shared_secret_that_is_not_written(run, tmp_path):
    key = ss.HmacKey.generate()
    data = (VECTORS / "text" / "model.onnx").read_bytes()
    model = tmp_path / "m.safeserial"
    ss.dump(data, model, keyring=ss.Keyring([key]), format="onnx")
    project = generate(
        model, tmp_path / "project", lang="csharp", keyring=ss.Keyring([key]), trusted=[TEXTS]
    )
    secret = key.to_text()
    for one in project.rglob("*"):
        assert one.is_dir() or secret.split(":")[1].encode() not in one.read_bytes()
    assert not (project / "key.pem").exists()
    (tmp_path / "secret.key").write_text(secret + "\n", "ascii")
    tested = run("make", "test", cwd=project, SAFESERIAL_KEY_FILE=str(tmp_path / "secret.key"))
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "ok 2 - rows are answered" in tested.stdout
    without = predict(run, project, "rows.json")
    assert without.returncode == 1
    assert "no key was given" in without.stderr
    done = predict(run, project, "--key", tmp_path / "secret.key", "rows.csv")
    assert json.loads(done.stdout)[0]["label"] in {"good", "bad"}


@pytest.mark.parametrize("file", ["model.onnx", "model.onnx.sig", "key.pem"])
def test_a_changed_project_answers_nothing(run, forest, tmp_path, file):
    project = tmp_path / "project"
    shutil.copytree(forest, project)
    place = project / "build" / file
    if file == "key.pem":
        place.write_bytes(ss.EcdsaKey.generate().public.to_pem())
    else:
        data = bytearray(place.read_bytes())
        data[len(data) // 2] ^= 1
        place.write_bytes(data)
    done = predict(run, project, "rows.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "hint:" in done.stderr


def test_a_model_hashed_with_blake3_becomes_no_project(tmp_path):
    key = ss.Ed25519Key.generate()
    model = tmp_path / "model.bin"  # what is called .onnx is hashed with SHA-256
    shutil.copy(VECTORS / "forest" / "model.onnx", model)
    ss.sign(model, keyring=ss.Keyring([key]))
    with pytest.raises(UnsupportedModelError) as caught:
        generate(model, tmp_path / "project", lang="csharp", keyring=ss.Keyring([key]))
    assert "blake3" in str(caught.value)
    assert not (tmp_path / "project").exists()


def test_projects_name_files_that_are_there(forest):
    projects = sorted(forest.rglob("*.csproj"))
    assert [one.name for one in projects] == [
        "predict.csproj", "SafeSerial.Onnx.csproj", "OneModel.csproj", "check.csproj",
    ]  # fmt: skip
    for project in projects:
        root = ElementTree.fromstring(project.read_bytes())
        for one in root.iter("ProjectReference"):
            assert (project.parent / one.attrib["Include"]).is_file()
        for one in root.iter("None"):
            for pattern in one.attrib["Include"].split(";"):
                assert list(forest.glob(pattern.removeprefix("../")))
