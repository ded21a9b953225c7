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


def python(code, unpacked, tmp_path):
    """Run code with the wheel's content first on the path."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    command = [sys.executable, "-c", code]
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

    assert listing(unpacked / package) == listing(ROOT / source)


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
