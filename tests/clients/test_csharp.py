# SPDX-License-Identifier: BSD-3-Clause
"""The C# client runs every vector under mono, and its command does what it says."""

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

import safeserial as ss
from safeserial.detached.signatures import PURPOSE_DETACHED
from safeserial.detached.statement import PAYLOAD_TYPE
from safeserial.envelope import pre_authentication_encoding
from safeserial.signing import signer
from tests.clients.conftest import CLIENTS, VECTORS

NUNIT = Path("/usr/lib/cli/nunit.framework-2.6.3/nunit.framework.dll")
PAGE = CLIENTS.parents[1] / "docs" / "howto" / "run-in-csharp.md"


@pytest.fixture(scope="module")
def run(engine):
    """Run a command with the engine and the vectors at hand."""
    for name in ("mcs", "mono", "make"):
        if not shutil.which(name):
            pytest.skip("there is no mono here: install mono-mcs and mono-runtime")
    settings = {"LD_LIBRARY_PATH": str(engine), "SAFESERIAL_VECTORS": str(VECTORS)}

    def command(*words, cwd, text=None):
        return subprocess.run(
            [*map(str, words)],
            cwd=cwd, input=text, capture_output=True, text=True, timeout=300, check=False,
            env={**os.environ, **settings},
        )  # fmt: skip

    return command


@pytest.fixture(scope="module")
def client(run, tmp_path_factory):
    """A copy of the client, built there."""
    place = tmp_path_factory.mktemp("csharp") / "client"
    ignored = shutil.ignore_patterns("build", "bin", "obj")
    shutil.copytree(CLIENTS / "csharp", place, ignore=ignored)
    done = run("make", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.fixture
def signed(tmp_path):
    """A model signed a moment ago, its key's file, and the key."""
    key = ss.EcdsaKey.generate()
    model = tmp_path / "model.onnx"
    shutil.copy(VECTORS / "mixed" / "model.onnx", model)
    ss.sign(model, keyring=ss.Keyring([key]))
    pem = tmp_path / "sender.pem"
    pem.write_bytes(key.public.to_pem())
    return model, pem, key


def test_all_vectors(run, client):
    if not NUNIT.exists():
        pytest.skip("there is no NUnit here: install libnunit-framework2.6.3-cil")
    done = run("make", "test", cwd=client)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    names = re.findall(r"^ok \d+ - (.+)$", done.stdout, re.MULTILINE)
    cases = json.loads((VECTORS / "cases.json").read_text(encoding="utf-8"))
    assert {one["name"] for one in cases} <= set(names)
    assert f"# pass {len(names)}\n# fail 0\n" in done.stdout
    for model in ("mixed", "forest", "text"):
        assert f"# {model}: 0 labels differ" in done.stdout


def test_a_model_signed_a_moment_ago(run, client, signed):
    """From Python to C#: a new key, a new signature, a row with a missing value."""
    model, pem, key = signed
    program = ("mono", client / "build" / "safeserial-onnx.exe")
    rows = json.dumps([{"age": None, "fare": 80.5, "town": None, "class": "first"}])
    done = run(*program, model, "--key", pem, cwd=client, text=rows)
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert answer["label"] in {"low", "middle", "high"}
    assert abs(sum(answer["probabilities"]) - 1) < 1e-9

    told = run(*program, model, "--key", pem, "--show", cwd=client)
    shown = json.loads(told.stdout)
    assert shown["signers"] == [key.key_id]
    assert [one["name"] for one in shown["inputs"]] == ["age", "fare", "town", "class"]

    for text, said in (
        ('[{"age": 1}]', "has no column"),
        ('{"age": 1}', "no list"),
        ('[{"age": 1, "age": 2}]', "a key twice"),
        ("\ufeff[", "not JSON"),
    ):
        less = run(*program, model, "--key", pem, cwd=client, text=text)
        assert (less.returncode, less.stdout) == (1, "")
        assert said in less.stderr
        assert "hint:" in less.stderr
    for wrong in ((), (model, model), (model, "--wrong"), (model, "--key")):
        less = run(*program, *wrong, cwd=client)
        assert (less.returncode, less.stdout) == (2, "")
        assert "hint: safeserial-onnx MODEL" in less.stderr
    missing = run(*program, model.parent / "other.onnx", "--key", pem, cwd=client)
    assert missing.returncode == 1
    assert "it is not there" in missing.stderr

    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    refused = run(*program, model, "--key", pem, cwd=client, text=rows)
    assert refused.returncode == 1
    assert "changed after it was signed" in refused.stderr
    assert not refused.stdout


@pytest.mark.parametrize("curve", ["P-384", "P-521"])
def test_larger_curves(run, client, tmp_path, curve):
    key = ss.EcdsaKey.generate(curve=curve)
    model = tmp_path / "m.safeserial"
    data = (VECTORS / "mixed" / "model.onnx").read_bytes()
    said = {"note": "é \U0001f600"}
    ss.dump(data, model, keyring=ss.Keyring([key]), format="onnx", metadata=said)
    pem = tmp_path / "sender.pem"
    pem.write_bytes(key.public.to_pem())
    program = client / "build" / "safeserial-onnx.exe"
    done = run("mono", program, model, f"--key={pem}", "--show", cwd=client)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["signers"] == [key.key_id]
    assert json.loads(done.stdout)["metadata"] == said


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"created": "9999-01-01T00:00:00Z"}, "in the future"),
        ({"created": "2026-02-31T00:00:00Z"}, "the date is wrong"),
        ({"metadata": {"team": 5}}, "no object of texts"),
        ({"version": 1.5}, "another form"),
    ],
)
def test_signed_and_not_to_be_taken_at_its_word(run, client, signed, facts, said):
    """A right signature over a statement that the specification does not have."""
    model, pem, key = signed
    place = model.parent / "model.onnx.sig"
    bundle = json.loads(place.read_bytes())
    envelope = bundle["dsseEnvelope"]
    statement = json.loads(base64.b64decode(envelope["payload"]))
    statement["subject"][0]["annotations"]["safeserial/v1"] |= facts
    body = json.dumps(statement).encode()
    signature = signer(key, PURPOSE_DETACHED).sign(pre_authentication_encoding(PAYLOAD_TYPE, body))
    envelope["payload"] = base64.b64encode(body).decode()
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    place.write_text(json.dumps(bundle), "ascii")
    program = client / "build" / "safeserial-onnx.exe"
    done = run("mono", program, model, "--key", pem, "--show", cwd=client)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_the_program_of_the_page(run, client, signed):
    model, _, key = signed
    (source,) = re.findall(r"```csharp\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    place = model.parent
    (place / "program.cs").write_text(source, encoding="utf-8")
    shutil.copy(client / "build" / "SafeSerial.Onnx.dll", place)
    built = run("mcs", "-warnaserror", "-r:SafeSerial.Onnx.dll", "program.cs", cwd=place)
    assert built.returncode == 0, built.stderr
    done = run("mono", "program.exe", cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"signed by {key.key_id}\nhigh 0.59")
    (place / "model.onnx.sig").unlink()
    less = run("mono", "program.exe", cwd=place)
    assert (less.returncode, less.stdout) == (1, "")
    assert less.stderr.startswith("Unsigned: the model comes without a signature")


@pytest.mark.parametrize("system", ["NET", "ON_WINDOWS", "ON_MACOS"])
def test_compiles_for_other_systems(run, client, tmp_path, system):
    sources = sorted((client / "src" / "SafeSerial.Onnx").glob("*.cs"))
    command = ["mcs", "-warnaserror", f"-d:{system}", "-target:library", "-r:System.Numerics"]
    built = run(*command, f"-out:{tmp_path}/it.dll", *sources, cwd=client)
    assert built.returncode == 0, built.stderr


def test_projects_name_files_that_are_there():
    projects = sorted((CLIENTS / "csharp").glob("[st]*/*/*.csproj"))
    assert len(projects) == 3
    for project in projects:
        root = ElementTree.fromstring(project.read_bytes())
        assert root.attrib == {"Sdk": "Microsoft.NET.Sdk"}
        for one in root.iter("ProjectReference"):
            assert (project.parent / one.attrib["Include"]).is_file()
