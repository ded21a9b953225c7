# SPDX-License-Identifier: BSD-3-Clause
"""The Rust client runs every vector, and its command does what it says."""

import json
import re
import shutil
import subprocess

import pytest

import safeserial as ss
from tests.clients import rust
from tests.clients.conftest import CLIENTS, VECTORS

CLIENT = CLIENTS / "rust"
PAGE = CLIENTS.parents[1] / "docs" / "howto" / "run-in-rust.md"
ROWS = [{"age": None, "fare": 80.5, "town": None, "class": "first"}]


@pytest.fixture(scope="module")
def programs(engine, tmp_path_factory):
    """A folder with what the client builds."""
    rust.need_tools()
    kept = tmp_path_factory.mktemp("rust")
    with rust.workshop("client", rust.sources(CLIENT), engine) as cargo:
        made = cargo("build", "--bins", "--examples")
        assert made.returncode == 0, made.stderr
        rust.program("safeserial-onnx", kept)
        rust.program("predict", kept, example=True)
    return kept


@pytest.fixture
def command(programs, engine, tmp_path):
    """The command, as a function."""

    def run(*arguments, text=None, program="safeserial-onnx"):
        return subprocess.run(
            [programs / program, *map(str, arguments)], cwd=tmp_path, input=text,
            capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
            env=rust.environment(engine),
        )  # fmt: skip

    return run


def test_all_vectors_and_changed_bytes(engine):
    rust.need_tools()
    with rust.workshop("client", rust.sources(CLIENT), engine) as cargo:
        more = {"SAFESERIAL_VECTORS": str(VECTORS)}
        done = cargo("test", "--", "--nocapture", **more)
        bare = ("--no-default-features", "--test", "vectors", "every_case")
        less = cargo("test", *bare, "--", "--nocapture", **more)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    cases = json.loads((VECTORS / "cases.json").read_text(encoding="utf-8"))
    accepted = sum(one["accept"] for one in cases)
    assert f"{len(cases)} cases agree, {accepted} of them accepted" in done.stdout
    needing = sum("needs" in one for one in cases)
    assert f"{len(cases)} cases agree, {accepted - needing} of them accepted" in less.stdout
    for name in ("mixed", "forest", "text"):
        found = re.search(
            rf"^{name}: 0 labels differ of 500, probabilities by (\S+)$", done.stdout, re.MULTILINE
        )
        assert float(found[1]) <= 1e-6
    assert re.findall(r"(\d+) ignored", done.stdout) == ["0"] * done.stdout.count("test result:")
    passed = re.findall(r"^test (\S+) \.\.\. ok$", done.stdout, re.MULTILINE)
    assert {
        "artifacts",
        "signature_files",
        "models_beside_their_signature",
        "keys_and_rows",
    } <= set(passed)


def test_its_source_is_clean(engine):
    rust.need_tools()
    with rust.workshop("client", rust.sources(CLIENT), engine) as cargo:
        checks = [
            cargo("clippy", "--all-targets", "--", "-D", "warnings"),
            cargo("fmt", "--check"),
        ]
    for done in checks:  # clippy and rustfmt are components of their own
        if "no such command" not in done.stderr and "not installed" not in done.stderr:
            assert done.returncode == 0, done.stdout + done.stderr
    unsafe = {
        one.name for one in (CLIENT / "src").rglob("*.rs") if "unsafe {" in one.read_text("utf-8")
    }
    assert unsafe == {"engine.rs"}
    for one in CLIENT.rglob("*.rs"):
        assert one.read_text("utf-8").startswith("// SPDX-License-Identifier: BSD-3-Clause\n//"), (
            one
        )


def signed(folder, key, **said):
    model = folder / "model.onnx"
    shutil.copy(VECTORS / "mixed" / "model.onnx", model)
    ss.sign(model, keyring=ss.Keyring([key]), **said)
    pem = folder / "sender.pem"
    pem.write_bytes(key.public.to_pem())
    return model, pem


def test_a_model_signed_a_moment_ago(command, tmp_path):
    """From Python to Rust: a new key, a new signature, a row with a missing value."""
    key = ss.EcdsaKey.generate()
    model, pem = signed(tmp_path, key, name="fares")
    done = command(model, "--key", pem, text=json.dumps(ROWS))
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert answer["label"] in {"low", "middle", "high"}
    assert abs(sum(answer["probabilities"]) - 1) < 1e-9
    assert len(answer["decision_function"]) == 3

    told = json.loads(command(model, f"--key={pem}", "--show").stdout)
    assert (told["signers"], told["name"]) == ([key.key_id], "fares")
    assert told["inputs"][0] == {"name": "age", "type": "float64", "shape": ["N", 1]}
    assert told["outputs"] == ["predict", "predict_proba", "decision_function"]

    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    refused = command(model, "--key", pem, text=json.dumps(ROWS))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "changed after it was signed" in refused.stderr


def test_what_does_not_fit_is_told(command, tmp_path):
    model, pem = signed(tmp_path, ss.Ed25519Key.generate())
    wrong_rows = (
        ('[{"age": 1}]', "has no column"),
        ("[", "not JSON"),
        ("{}", "no rows"),
        ("[]", "no rows"),
        ("[[1]]", "is no record"),
        ('[{"age": 1, "age": 2}]', "a key twice"),
        ("[" * 99, "too deep"),
    )
    for text, words in wrong_rows:
        done = command(model, "--key", pem, text=text)
        assert (done.returncode, done.stdout) == (1, ""), text
        assert done.stderr.startswith("error: ")
        assert words in done.stderr
        assert "\nhint: " in done.stderr
    for arguments in (
        [],
        [model, model],
        [model, "--nothing"],
        [model, "--key"],
        [model, "--show=1"],
    ):
        misused = command(*arguments)
        assert (misused.returncode, misused.stdout) == (2, "")
        assert "\nhint: safeserial-onnx MODEL" in misused.stderr
    gone = tmp_path / "gone"
    wrong_files = (
        ([gone, "--key", pem], "cannot read"),
        ([model, "--key", gone], "cannot read"),
        ([model, "--key", pem, "--signature", gone], "cannot read"),
        ([tmp_path, "--key", pem], "folder"),
        ([model], "no key"),
        ([model, "--key", model], "no key"),
        ([pem, "--key", pem], "without a signature"),
    )
    for arguments, words in wrong_files:
        done = command(*arguments, text="[]")
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert words in done.stderr


@pytest.mark.parametrize("kind", ["hmac", "ed25519", "P-256", "P-384", "P-521"])
def test_an_artifact_of_each_kind_of_key(command, tmp_path, kind):
    if kind == "hmac":
        key = ss.HmacKey.generate()
        text = key.to_text().encode()
    else:
        key = ss.Ed25519Key.generate() if kind == "ed25519" else ss.EcdsaKey.generate(kind)
        text = key.public.to_pem()
    (tmp_path / "key").write_bytes(text)
    data = (VECTORS / "text" / "model.onnx").read_bytes()
    model = tmp_path / "m.safeserial"
    ring = ss.Keyring([key])
    ss.dump(
        data,
        model,
        keyring=ring,
        format="onnx",
        name="judge",
        metadata={"n": [1, True, "é\U0001f600"]},
    )
    done = command("--key", tmp_path / "key", model, text='["a good one", null]')
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 2
    shown = json.loads(command("--key", tmp_path / "key", model, "--show").stdout)
    assert (shown["name"], shown["metadata"]) == ("judge", {"n": [1, True, "é\U0001f600"]})
    model.write_bytes(model.read_bytes() + b"\0")
    assert command("--key", tmp_path / "key", model, "--show").returncode == 1


def test_the_program_of_the_page(command, tmp_path):
    """What the how-to shows is the example that was built, and does what the page says."""
    (shown,) = re.findall(r"```rust\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert (CLIENT / "examples" / "predict.rs").read_text("utf-8").split("\n", 2)[2] == shown
    model, _ = signed(tmp_path, ss.EcdsaKey.generate())
    done = command(program="predict")
    assert done.returncode == 0, done.stderr
    assert re.search(r'Some\(Text\("(low|middle|high)"\)\) Some\(\[0\.\d+, ', done.stdout)
    model.with_name("model.onnx.sig").unlink()
    refused = command(program="predict")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Unsigned: ")
