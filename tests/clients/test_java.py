# SPDX-License-Identifier: BSD-3-Clause
"""The Java client passes its own tests with every vector, and its command does what it says."""

import json
import os
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

import safeserial as ss
from tests.clients import java
from tests.clients.conftest import CLIENTS, VECTORS


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The client, compiled: a folder with `classes` and `native`."""
    java.need_tools()
    place = tmp_path_factory.mktemp("java")
    client = CLIENTS / "java"
    java.compile_sources(client / "src" / "main", place / "classes")
    java.build_native(client, place / "native")
    return place


@pytest.fixture
def command(built, engine):
    """The client's command."""

    def run(*arguments, text="", options=()):
        return java.run(
            "java", *java.QUICK, f"-Djava.library.path={built / 'native'}", *options,
            "-cp", built / "classes", "dev.safeserial.onnx.Main", *arguments,
            engine=engine, input=text,
        )  # fmt: skip

    return run


def test_all_vectors(built, engine, tmp_path):
    jars = java.junit()
    classes = tmp_path / "tests"
    java.compile_sources(CLIENTS / "java" / "src" / "test", classes, built / "classes", *jars)
    path = os.pathsep.join(map(str, (built / "classes", classes, *jars)))
    done = java.run(
        "java", *java.QUICK, "-Xcheck:jni", f"-Djava.library.path={built / 'native'}",
        "-cp", path, "org.junit.platform.console.ConsoleLauncher",
        f"--scan-classpath={classes}", "--disable-banner", "--details=summary",
        f"--reports-dir={tmp_path}",
        engine=engine, cwd=tmp_path, more={"SAFESERIAL_VECTORS": str(VECTORS)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "WARNING in native method" not in done.stdout
    suite = ElementTree.parse(tmp_path / "TEST-junit-jupiter.xml").getroot()
    counts = {name: int(suite.get(name)) for name in ("tests", "skipped", "failures", "errors")}
    cases = json.loads((VECTORS / "cases.json").read_text(encoding="utf-8"))
    run = [one.get("name") for one in suite.iter("testcase")]
    assert sum(name.startswith("cases()[") for name in run) == len(cases)
    assert sum(name.startswith("rowsOf(") for name in run) == 3
    assert counts == {"tests": len(run), "skipped": 0, "failures": 0, "errors": 0}
    assert len(run) > len(cases) + 50


def test_a_model_signed_a_moment_ago(command, tmp_path):
    """From Python to Java: a new key, a new signature, a row with a missing value."""
    key = ss.EcdsaKey.generate(curve="P-521")
    model = tmp_path / "model.onnx"
    shutil.copy(VECTORS / "mixed" / "model.onnx", model)
    ss.sign(model, keyring=ss.Keyring([key]))
    pem = tmp_path / "sender.pem"
    pem.write_bytes(key.public.to_pem())
    rows = [{"age": None, "fare": 80.5, "town": "Łódź 😀", "class": "first"}]
    done = command(model, "--key", pem, text=json.dumps(rows, ensure_ascii=False))
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert answer["label"] in {"low", "middle", "high"}
    assert abs(sum(answer["probabilities"]) - 1) < 1e-9

    told = json.loads(command(model, "--key", pem, "--show").stdout)
    assert told["signers"] == [key.key_id]
    assert told["inputs"][2] == {"name": "town", "type": "string", "shape": [-1, 1]}
    less = command(model, "--key", pem, text='[{"age": 1}]')
    assert (less.returncode, less.stdout) == (1, "")
    assert "has no column" in less.stderr
    assert "hint:" in less.stderr
    assert command(model, "--keys", pem).returncode == 2

    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    refused = command(model, "--key", pem, text=json.dumps(rows))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "changed after it was signed" in refused.stderr


def test_artifacts_of_every_kind_of_key(command, tmp_path):
    """The library's own artifacts, with the names and classes that their signers give."""
    data = (VECTORS / "text" / "model.onnx").read_bytes()
    for number, key in enumerate(
        (ss.Ed25519Key.generate(), ss.EcdsaKey.generate(curve="P-384"), ss.HmacKey.generate())
    ):
        model, trusted = tmp_path / f"{number}.safeserial", tmp_path / f"{number}.key"
        ring = ss.Keyring([key])
        ss.dump(data, model, keyring=ring, format="onnx", name="Grüße", version="7")
        secret = isinstance(key, ss.HmacKey)
        trusted.write_bytes(key.to_text().encode() if secret else key.public.to_pem())
        told = command(model, "--key", trusted, "--show")
        assert told.returncode == 0, told.stderr
        found = json.loads(told.stdout)
        assert (found["signers"], found["name"], found["version"]) == ([key.key_id], "Grüße", "7")


def test_the_example_of_the_docs(built, engine, tmp_path):
    text = (CLIENTS.parents[1] / "docs" / "howto" / "run-in-java.md").read_text("utf-8")
    (code,) = re.findall(r"^```java\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "Example.java").write_text(code, "utf-8")
    java.compile_sources(tmp_path, tmp_path, built / "classes")
    shutil.copy(VECTORS / "mixed" / "model.onnx", tmp_path)
    shutil.copy(VECTORS / "keys" / "p256.pem", tmp_path / "sender.pem")
    path = os.pathsep.join(map(str, (built / "classes", tmp_path)))

    def example():
        return java.run(
            "java", *java.QUICK, f"-Djava.library.path={built / 'native'}", "-cp", path, "Example",
            engine=engine, cwd=tmp_path,
        )  # fmt: skip

    unsigned = example()
    assert (unsigned.returncode, unsigned.stdout) == (1, "")
    assert unsigned.stderr.startswith("UNSIGNED: the model comes without a signature (")
    shutil.copy(VECTORS / "signed" / "mixed.p256.sig", tmp_path / "model.onnx.sig")
    done = example()
    assert done.returncode == 0, done.stderr
    signers, label, classes = done.stdout.split()
    assert signers.startswith("[p256-")
    assert (label in {"low", "middle", "high"}, classes) == (True, "3")


def test_a_provider_may_bring_blake3(built, engine, tmp_path):
    provider = Path("/usr/share/java/bcprov.jar")
    if not provider.exists():
        pytest.skip("there is no Bouncy Castle: install libbcprov-java")
    added = tmp_path / "java.security"
    added.write_text("security.provider.13=org.bouncycastle.jce.provider.BouncyCastleProvider\n")
    path = os.pathsep.join(map(str, (built / "classes", provider)))
    done = java.run(
        "java", *java.QUICK, f"-Djava.library.path={built / 'native'}",
        f"-Djava.security.properties={added}", "-cp", path, "dev.safeserial.onnx.Main",
        VECTORS / "text" / "model.onnx", "--signature", VECTORS / "signed" / "text.blake3.sig",
        "--key", VECTORS / "keys" / "ed25519.pem",
        engine=engine, input='["x"]',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["label"] in {"good", "bad"}


def test_without_the_engine_it_says_what_to_do(command):
    key = VECTORS / "keys" / "p256.pem"
    model = VECTORS / "signed" / "text.p256.safeserial"
    done = command(model, "--key", key, text='["x"]', options=("-Dsafeserial.onnxruntime=/none",))
    assert done.returncode == 1
    assert "ONNX Runtime cannot be loaded" in done.stderr
    assert "-Dsafeserial.onnxruntime=" in done.stderr
