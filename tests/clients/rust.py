# SPDX-License-Identifier: BSD-3-Clause
"""Cargo for the tests of the Rust client: offline, and what it compiles is kept from run to run.

Crates come from where Debian's librust packages put them; Cargo.toml is the ordinary one.
"""

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from safeserial.files import folder_lock

_CRATES = Path("/usr/share/cargo/registry")
_OLDEST = (1, 77)
_CONFIG = f"""[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "{_CRATES}"
"""


def need_tools():
    """Skip where there is no cargo, or nothing to build with."""
    cargo = shutil.which("cargo")
    if not cargo or not shutil.which("cc"):
        pytest.skip("there is no Rust here: install rustc and cargo 1.77 or later, and gcc")
    told = subprocess.run([cargo, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"cargo (\d+)\.(\d+)\.", told)
    if not found or tuple(map(int, found.groups())) < _OLDEST:
        pytest.skip(f"this Rust is too old, 1.77 is needed: {told.strip()!r}")
    for name in ("openssl", "serde_json", "blake3"):
        if not any(_CRATES.glob(f"{name}-[0-9]*")):
            pytest.skip(f"there is no crate {name} here: tools/system_packages.sh installs it")


def sources(folder):
    """Return what is to be built of a folder: relative path to content."""
    found = (one for one in sorted(folder.rglob("*")) if one.is_file())
    inside = ((one.relative_to(folder), one) for one in found)
    return {
        place.as_posix(): one.read_bytes()
        for place, one in inside
        if place.parts[0] != "target" and place.name != "Cargo.lock"
    }


@contextlib.contextmanager
def workshop(name, files, engine):
    """Give a function that runs cargo on some files, at a place that is the same in every run.

    Nobody else builds meanwhile; take programs out before you leave.
    """
    shelf = user_cache_path("safeserial-clients") / "rust"
    place = shelf / name
    place.mkdir(parents=True, exist_ok=True)
    with folder_lock(shelf / "lock"):
        _put(place, {**files, ".cargo/config.toml": _CONFIG.encode("ascii")})
        # By its release: a program is bound to the release that it was linked with.
        release = (engine / "libonnxruntime.so").resolve().name
        found = environment(_linked(shelf / release, engine))
        settings = {**found, "CARGO_NET_OFFLINE": "true"}
        settings |= {"CARGO_TARGET_DIR": str(shelf / "target"), "CARGO_INCREMENTAL": "0"}
        settings |= {"CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_TERM_COLOR": "never"}

        def cargo(*arguments, **more):
            return subprocess.run(
                ["cargo", *map(str, arguments)], cwd=place, env={**settings, **more},
                capture_output=True, text=True, encoding="utf-8", timeout=400, check=False,
            )  # fmt: skip

        yield cargo


def program(name, kept, *, example=False):
    """Return a copy of a program that cargo has just built."""
    target = user_cache_path("safeserial-clients") / "rust" / "target" / "debug"
    return Path(shutil.copy((target / "examples" if example else target) / name, kept))


def environment(engine):
    """Return the settings under which programs find ONNX Runtime."""
    return {**os.environ, "ORT_LIB_LOCATION": str(engine), "LD_LIBRARY_PATH": str(engine)}


def _linked(place, engine):
    """Links to the engine that stay where they are, for cargo builds anew where a path changes."""
    place.mkdir(exist_ok=True)
    for link in engine.iterdir():
        mine, library = place / link.name, link.resolve()
        if mine.resolve() != library:
            mine.unlink(missing_ok=True)
            mine.symlink_to(library)
    return place


def _put(place, files):
    """Make a folder hold these files; cargo goes by times, so what is the same stays untouched."""
    for old in sorted(place.rglob("*"), reverse=True):
        name = old.relative_to(place).as_posix()
        if old.is_file() and name not in files and name != "Cargo.lock":
            old.unlink()
        elif old.is_dir() and not any(old.iterdir()):
            old.rmdir()
    for name, content in files.items():
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file() or target.read_bytes() != content:
            target.write_bytes(content)
