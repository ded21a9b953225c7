# SPDX-License-Identifier: BSD-3-Clause
"""The JDK for the tests of the Java client: what it needs, how it is built, JUnit's jars."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# JUnit 5 as Debian's package junit5 has it, and what it asks for.
_JARS = Path("/usr/share/java")
_JUNIT = (
    "junit-jupiter-api junit-jupiter-params junit-jupiter-engine junit-platform-console "
    "junit-platform-reporting junit-platform-launcher junit-platform-engine "
    "junit-platform-commons opentest4j opentest4j-reporting-events apiguardian-api picocli "
    "univocity-parsers"
).split()
# The tests run many short programs: a small heap and the quick compiler start sooner.
QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def need_tools():
    """Skip where there is no JDK, compiler or make."""
    missing = [one for one in ("javac", "java", "cc", "make") if not shutil.which(one)]
    if missing:
        pytest.skip(f"Java's client needs {', '.join(missing)}: install a JDK 17, gcc and make")


def junit():
    """Return JUnit's class path."""
    jars = [_JARS / f"{name}.jar" for name in _JUNIT]
    missing = [one.name for one in jars if not one.exists()]
    if missing:
        pytest.skip(f"there is no {missing[0]}: install junit5 (tools/system_packages.sh does)")
    return jars


def run(*command, engine=None, **how):
    """Run a program with ONNX Runtime in reach."""
    environment = {**os.environ, **how.pop("more", {})}
    if engine is not None:
        environment["LD_LIBRARY_PATH"] = str(engine)
    return subprocess.run(
        [str(one) for one in command],
        capture_output=True, text=True, encoding="utf-8", timeout=240, check=False,
        env=environment, **how,
    )  # fmt: skip


def compile_sources(folder, out, *jars):
    """Compile all Java files below a folder, warnings being errors."""
    sources = sorted(Path(folder).rglob("*.java"))
    path = os.pathsep.join(map(str, jars))
    done = run(
        "javac", "-J-XX:TieredStopAtLevel=1", "--release", "17", "-Xlint:all,-path", "-Werror",
        *(("-cp", path) if jars else ()), "-d", out, *sources,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def build_native(client, out):
    """Build the native half of the engine, warnings being errors."""
    flags = "CFLAGS=-O1 -Wall -Wextra -Wpedantic -Werror"
    done = run("make", "-C", Path(client) / "native", f"OUT={out}", flags)
    assert done.returncode == 0, done.stdout + done.stderr
