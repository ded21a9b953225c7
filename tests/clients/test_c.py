# SPDX-License-Identifier: BSD-3-Clause
"""The C client runs every vector, survives broken files under sanitizers, and its command works."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import safeserial as ss
from tests.clients.conftest import CLIENTS, VECTORS

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROW = {"age": 31, "fare": None, "town": "Köln", "class": "first"}


def run(*command, cwd=None, text=None, **settings):
    return subprocess.run(
        list(map(str, command)), cwd=cwd, input=text, capture_output=True, text=True, timeout=300,
        check=False, env={**os.environ, **settings},
    )  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the client, so that nothing is built in the checkout."""
    if not all(map(shutil.which, ("gcc", "make", "pkg-config"))):
        pytest.skip("there is no compiler of C here: install gcc, make and pkg-config")
    if run("pkg-config", "--exists", "jansson", "libcrypto").returncode:
        pytest.skip("there are no libssl-dev and libjansson-dev here")
    place = tmp_path_factory.mktemp("c") / "client"
    shutil.copytree(CLIENTS / "c", place, ignore=shutil.ignore_patterns("build"))
    return place


@pytest.fixture(scope="module")
def installed(source, engine):
    """The folder where `make install` put command, header, library and pkg-config's file."""
    place = source.parent / "installed"
    done = run("make", "-s", f"ORT={engine}", f"PREFIX={place}", "install", cwd=source)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    return place


@pytest.fixture
def given(tmp_path):
    """A model that was signed a moment ago, the key, and the file of its public half."""
    key = ss.EcdsaKey.generate()
    model = tmp_path / "model.onnx"
    shutil.copy(VECTORS / "mixed" / "model.onnx", model)
    ss.sign(model, keyring=ss.Keyring([key]), name="fares")
    pem = tmp_path / "sender.pem"
    pem.write_bytes(key.public.to_pem())
    return model, key, pem


def test_all_vectors_and_broken_files_under_sanitizers(source, engine):
    done = run("make", "-s", f"ORT={engine}", "test-sanitized", cwd=source,
               SAFESERIAL_VECTORS=str(VECTORS))  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    cases = json.loads((VECTORS / "cases.json").read_text(encoding="utf-8"))
    accepted = sum(one["accept"] for one in cases)
    assert f"# {len(cases)} cases, {accepted} of them to accept\n" in done.stdout
    vectors, mutations = re.findall(r"^(\d+) passed, (\d+) failed$", done.stdout, re.MULTILINE)
    assert int(vectors[0]) > len(cases) + 30
    assert int(mutations[0]) > 13_800
    assert vectors[1] == mutations[1] == "0"
    answered = re.findall(r"^# (\w+): (\d+) labels differ", done.stdout, re.MULTILINE)
    assert answered == [("mixed", "0"), ("forest", "0"), ("text", "0")]


def test_a_model_signed_a_moment_ago(installed, given):
    """From Python to C: a new key, a new signature, a row with missing values."""
    model, key, pem = given
    command = installed / "bin" / "safeserial-onnx"
    rows = json.dumps([ROW, {**ROW, "age": None, "town": None}])
    done = run(command, model, "--key", pem, text=rows)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert [set(one) >= {"label", "probabilities"} for one in answers] == [True, True]
    assert all(abs(sum(one["probabilities"]) - 1) < 1e-6 for one in answers)

    told = json.loads(run(command, model, f"--key={pem}", "--show").stdout)
    assert told["signers"] == [key.key_id]
    assert told["name"] == "fares"
    assert [one["name"] for one in told["inputs"]] == list(ROW)
    assert told["inputs"][0] == {"name": "age", "type": "float64", "shape": ["N", 1]}
    assert told["outputs"][:2] == ["predict", "predict_proba"]
    assert told["classes"] == ["high", "low", "middle"]

    less = run(command, model, "--key", pem, text='[{"age": 1}]')
    assert less.returncode == 1
    assert less.stderr.startswith("error: row 0 has no column fare\nhint: ")
    for wrong in ((), ("--key", pem), (model, "--more"), (model, model, "--key", pem)):
        asked = run(command, *wrong)
        assert asked.returncode == 2
        assert "hint: safeserial-onnx MODEL --key" in asked.stderr

    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    refused = run(command, model, "--key", pem, text=rows)
    assert refused.returncode == 1
    assert "changed after it was signed" in refused.stderr
    assert not refused.stdout


@pytest.mark.parametrize("curve", ["P-384", "P-521"])
def test_other_curves_and_artifacts(installed, tmp_path, curve):
    key = ss.EcdsaKey.generate(curve)
    (tmp_path / "k.pem").write_bytes(key.public.to_pem())
    data = (VECTORS / "mixed" / "model.onnx").read_bytes()
    note = '€ \U0001f600 a "quote" \\ \n\x7f'
    ss.dump(data, tmp_path / "m.safeserial", keyring=ss.Keyring([key]), format="onnx",
            metadata={"note": note})  # fmt: skip
    command = installed / "bin" / "safeserial-onnx"
    told = run(command, tmp_path / "m.safeserial", "--key", tmp_path / "k.pem", "--show")
    assert told.returncode == 0, told.stderr
    said = json.loads(told.stdout)
    assert said["signers"] == [key.key_id]
    assert said["metadata"] == {"note": note}
    (tmp_path / "m.onnx").write_bytes(data)
    ss.sign(tmp_path / "m.onnx", keyring=ss.Keyring([key]))
    done = run(command, tmp_path / "m.onnx", "--key", tmp_path / "k.pem", text=json.dumps([ROW]))
    assert done.returncode == 0, done.stderr


def test_a_program_of_ones_own(installed, engine, given, tmp_path):
    """The example of the docs, built as they say; the header is one for C++ too."""
    model, _, pem = given
    example = CLIENTS / "c" / "examples" / "answer.c"
    page = (DOCS / "howto" / "run-in-c.md").read_text(encoding="utf-8")
    assert example.read_text(encoding="utf-8").split("\n", 2)[2].rstrip() in page
    place = str(installed / "lib" / "pkgconfig")
    flags = run("pkg-config", "--cflags", "--libs", "safeserial_onnx", PKG_CONFIG_PATH=place)
    program = tmp_path / "answer"
    strict = ("-Wall", "-Wextra", "-Werror", "-pedantic")
    built = run("gcc", "-std=c11", *strict, example, "-o", program, *flags.stdout.split())
    assert built.returncode == 0, built.stderr
    done = run(program, model, pem, LD_LIBRARY_PATH=str(engine))
    assert done.returncode == 0, done.stderr
    label, *numbers = done.stdout.split()
    assert label in {"low", "middle", "high"}
    assert abs(sum(map(float, numbers)) - 1) < 1e-5
    lost = run(program, model, pem, LD_LIBRARY_PATH="")
    assert lost.returncode == 1
    assert lost.stderr.startswith("runtime: ONNX Runtime cannot be loaded: ")
    if shutil.which("g++"):
        header = installed / "include" / "safeserial_onnx.h"
        checked = run("g++", *strict, "-fsyntax-only", "-x", "c++", "-include", header, "/dev/null")
        assert checked.returncode == 0, checked.stderr


def test_the_engine_keeps_no_usage_data(installed, given, tmp_path):
    """Some builds collect them in the user's cache: the client switches that off."""
    model, _, pem = given
    home = tmp_path / "home"
    home.mkdir()
    settings = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home)}
    settings.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [installed / "bin" / "safeserial-onnx", model, "--key", pem],
        input=json.dumps([ROW]), capture_output=True, text=True, timeout=60, check=False,
        env=settings,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not list(home.iterdir())


def test_its_source_says_what_it_is(source):
    files = [*source.rglob("*.c"), *source.rglob("*.h")]
    assert len(files) > 15
    for one in files:
        first, second, *rest = one.read_text(encoding="utf-8").splitlines()
        assert first == "/* SPDX-License-Identifier: BSD-3-Clause */"
        assert second.startswith("/* ")
        assert len(rest) < 300
