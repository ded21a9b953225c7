# SPDX-License-Identifier: BSD-3-Clause
"""The Go client runs every vector, and its command does what it says."""

import json
import re
import shutil

import pytest

import safeserial as ss
from tests.clients.conftest import CLIENTS, VECTORS
from tests.clients.golang import toolchain


@pytest.fixture(scope="module")
def go(engine):
    """Go's command."""
    return toolchain(engine)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the client, so that nothing is built in the checkout."""
    place = tmp_path_factory.mktemp("go") / "client"
    shutil.copytree(CLIENTS / "go", place)
    return place


@pytest.fixture(scope="module")
def command(go, source):
    """The command, built."""
    program = source.parent / "safeserial-onnx"
    built = go("go", "build", "-o", program, "./cmd/safeserial-onnx", cwd=source)
    assert built.returncode == 0, built.stderr
    return program


def test_all_vectors(go, source):
    done = go(
        "go", "test", "-json", "-count=1", "./...", cwd=source, SAFESERIAL_VECTORS=str(VECTORS)
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    ended = [(one["Test"], one["Action"]) for one in events
             if "Test" in one and one["Action"] in {"pass", "fail", "skip"}]  # fmt: skip
    assert {action for _, action in ended} == {"pass"}
    cases = json.loads((VECTORS / "cases.json").read_text(encoding="utf-8"))
    assert sum(name.startswith("TestVectors/") for name, _ in ended) == len(cases)
    assert {name for name, _ in ended} >= {
        "TestRows/mixed", "TestRows/forest", "TestRows/text", "TestMutations", "FuzzVerify"
    }  # fmt: skip
    # It can be built, and verifies, where there is no compiler of C.
    bare = go(
        "go", "test", "-count=1", "-run", "TestVectors", ".",
        cwd=source, CGO_ENABLED="0", SAFESERIAL_VECTORS=str(VECTORS),
    )  # fmt: skip
    assert bare.returncode == 0, bare.stdout


def test_its_source_is_clean(go, source):
    vetted = go("go", "vet", "./...", cwd=source)
    assert vetted.returncode == 0, vetted.stderr
    assert go("gofmt", "-l", ".", cwd=source).stdout == ""
    for one in [*source.rglob("*.go"), *source.rglob("*.h")]:
        assert one.read_text(encoding="utf-8").startswith("// SPDX-License-Identifier"), one


def test_a_model_signed_a_moment_ago(go, command, tmp_path):
    """From Python to Go: a new key, a new signature, a row with a missing value."""
    key = ss.EcdsaKey.generate()
    model = tmp_path / "model.onnx"
    shutil.copy(VECTORS / "mixed" / "model.onnx", model)
    ss.sign(model, keyring=ss.Keyring([key]))
    pem = tmp_path / "sender.pem"
    pem.write_bytes(key.public.to_pem())
    rows = json.dumps([{"age": None, "fare": 80.5, "town": None, "class": "first"}])
    done = go(command, model, "--key", pem, cwd=tmp_path, text=rows)
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert answer["label"] in {"low", "middle", "high"}
    assert abs(sum(answer["probabilities"]) - 1) < 1e-9

    told = go(command, model, "--key", pem, "--show", cwd=tmp_path)
    assert json.loads(told.stdout)["signers"] == [key.key_id]
    assert [one["name"] for one in json.loads(told.stdout)["inputs"]] == list(json.loads(rows)[0])
    for wrong, words in (
        ('[{"age": 1}]', "has no column"),
        ("[", "is not JSON"),
        ("{}", "no rows"),
    ):
        less = go(command, model, "--key", pem, cwd=tmp_path, text=wrong)
        assert (less.returncode, less.stdout) == (1, "")
        assert less.stderr.startswith("error: ")
        assert words in less.stderr
        assert "\nhint: " in less.stderr
    for arguments in ([], [model, model], [model, "--nothing"]):
        misused = go(command, *arguments, cwd=tmp_path)
        assert (misused.returncode, misused.stdout) == (2, "")
    alone = go(command, model, "--key", pem, cwd=tmp_path, text=rows, LD_LIBRARY_PATH="")
    assert alone.returncode == 1
    assert "ONNX Runtime cannot be used" in alone.stderr

    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    refused = go(command, model, "--key", pem, cwd=tmp_path, text=rows)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "changed after it was signed" in refused.stderr


def test_the_program_of_the_page(go, source, tmp_path):
    """What the how-to shows is built and run as it stands there."""
    page = CLIENTS.parents[1] / "docs" / "howto" / "run-in-go.md"
    text = page.read_text(encoding="utf-8")
    (program,) = re.findall(r"```go\n(.*?)```", text, re.DOTALL)
    (needs,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    (tmp_path / "main.go").write_text(program, encoding="utf-8")
    replaced = needs.replace("./converters/clients/go", str(source))
    (tmp_path / "go.mod").write_text(f"module page\n\ngo 1.19\n\n{replaced}", encoding="utf-8")
    assert go("gofmt", "-l", ".", cwd=tmp_path).stdout == ""
    built = go("go", "build", "-o", "page", ".", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    shutil.copy(VECTORS / "mixed" / "model.onnx", tmp_path)
    shutil.copy(VECTORS / "keys" / "p256.pem", tmp_path / "sender.pem")
    unsigned = go("./page", cwd=tmp_path)
    assert unsigned.returncode == 1
    assert unsigned.stderr.startswith("unsigned ")
    shutil.copy(VECTORS / "signed" / "mixed.p256.sig", tmp_path / "model.onnx.sig")
    done = go("./page", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.match(r"\[p256-[0-9a-f]{32}\] (low|middle|high) \[", done.stdout)


@pytest.mark.parametrize("kind", ["hmac", "ed25519", "P-384", "P-521"])
def test_an_artifact_of_each_kind_of_key(go, command, tmp_path, kind):
    if kind == "hmac":
        key = ss.HmacKey.generate()
        text = key.to_text().encode()
    else:
        key = ss.Ed25519Key.generate() if kind == "ed25519" else ss.EcdsaKey.generate(kind)
        text = key.public.to_pem()
    (tmp_path / "key").write_bytes(text)
    data = (VECTORS / "text" / "model.onnx").read_bytes()
    model = tmp_path / "m.safeserial"
    ss.dump(data, model, keyring=ss.Keyring([key]), format="onnx", name="judge")
    done = go(command, "--key", tmp_path / "key", model, cwd=tmp_path, text='["a good one", null]')
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 2
    shown = go(command, "--key", tmp_path / "key", model, "--show", cwd=tmp_path)
    assert json.loads(shown.stdout)["name"] == "judge"
