# SPDX-License-Identifier: BSD-3-Clause
"""What people install is the wheel, not the tree: build it, look inside, import from it."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "safeserial": "safeserial",
    "safeserial_converters": "converters/safeserial_converters",
    "safeserial_benchmarks": "benchmarks/safeserial_benchmarks",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "-w", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def python(code, unpacked, tmp_path, *arguments):
    """Run code with the wheel's content first on the path."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )


def test_name_and_version_are_those_of_the_project(wheel):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert wheel.name.startswith(f"safeserial_toolkit-{project['version']}-py3-none-any")


def test_top_level_holds_three_packages_and_nothing_else(unpacked):
    folders = {entry.name for entry in unpacked.iterdir() if not entry.name.endswith(".dist-info")}
    assert folders == set(PACKAGES)


@pytest.mark.parametrize(("package", "source"), PACKAGES.items())
def test_every_source_file_is_inside(unpacked, package, source):
    def listing(folder):
        return {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    inside = listing(unpacked / package)
    clients = {name for name in inside if name.startswith("clients/")}
    assert inside - clients == listing(ROOT / source)
    assert bool(clients) == (package == "safeserial_converters")


def test_clients_in_other_languages_are_inside_as_sources_alone(unpacked):
    folder, checkout = unpacked / "safeserial_converters" / "clients", ROOT / "converters/clients"
    inside = [path for path in folder.rglob("*") if path.is_file()]
    names = {path.relative_to(folder).as_posix() for path in inside}
    assert {"node/package.json", "node/src/verify.js", "browser/index.html"} <= names
    for path in inside:
        assert path.read_bytes() == (checkout / path.relative_to(folder)).read_bytes()
        path.read_bytes().decode("utf-8")  # nothing that was built
    assert not [name for name in names if {"node_modules", "vectors"} & set(name.split("/"))]
    assert sum(path.stat().st_size for path in inside) < 2**20


def test_a_project_is_written_from_the_wheel_alone(unpacked, tmp_path):
    code = """
import shutil, sys
import safeserial as ss
from safeserial_converters import clients
from safeserial_converters.codegen import generate
shutil.copy(sys.argv[1], "model.onnx")
ring = ss.Keyring([ss.EcdsaKey.generate()])
ss.sign("model.onnx", keyring=ring)
print(clients.clients_folder())
generate("model.onnx", "project", lang="js", keyring=ring)
"""
    model = ROOT / "converters/clients/vectors/mixed/model.onnx"
    done = python(code, unpacked, tmp_path, model)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(unpacked)
    assert (tmp_path / "project" / "client" / "src" / "verify.js").is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_types_are_announced(unpacked, package):
    assert (unpacked / package / "py.typed").is_file()


def test_allowlists_are_inside(unpacked):
    inside = {path.name for path in (unpacked / "safeserial" / "allowlists").glob("*.toml")}
    assert {"numpy.toml", "sklearn.toml"} <= inside


def test_licence_and_command_are_inside(unpacked):
    (info,) = unpacked.glob("*.dist-info")
    assert (info / "licenses" / "LICENSE").is_file()
    assert "safeserial = safeserial.__main__:main" in (info / "entry_points.txt").read_text("utf-8")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_from_the_wheel_alone(unpacked, tmp_path, package):
    done = python(f"import {package}; print({package}.__file__)", unpacked, tmp_path)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(unpacked)


def test_default_policy_is_read_from_the_wheel(unpacked, tmp_path):
    code = "from safeserial.policy import Policy; print(len(Policy.default().allowlist.grants))"
    done = python(code, unpacked, tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
