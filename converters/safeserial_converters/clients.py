# SPDX-License-Identifier: BSD-3-Clause
"""Where the clients in other languages are: inside this package, or in the checkout beside it.

Floor 7, beside the command line.  Imports nothing of the project: building the wheel asks it which
files are a client's sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
# What is no source: what is installed or for tests, anywhere; what is built, at a client's top.
_PASSED_OVER: Final = frozenset("node_modules test tests testdata fuzz vendor vectors".split())
_BUILT: Final = frozenset("bin build dist obj out target".split())
_SOURCES: Final = frozenset(
    ".c .h .pc .in .js .mjs .ts .json .html .css .go .mod .sum .rs .toml .lock .java .xml .cs "
    ".csproj .props .sln .md .txt .sh .cmake".split()
)
#: Folders beside the clients that are none of them: tests read those.
NO_CLIENTS: Final = frozenset({"vectors"})
_NAMED: Final = frozenset({"Makefile", "LICENSE", "build.rs"})


def clients_folder() -> Path:
    """Return the folder that has a folder a client."""
    inside = _HERE / "clients"
    return inside if inside.is_dir() else _HERE.parent / "clients"


def source_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a client that are sources, in order of their names; links are no files."""
    yield from _below(folder, _PASSED_OVER | _BUILT)


def _below(folder: Path, passed_over: frozenset[str]) -> Iterator[Path]:
    for one in sorted(folder.iterdir()):
        if one.is_symlink() or one.name.startswith("."):
            continue
        if one.is_dir():
            if one.name not in passed_over:
                yield from _below(one, _PASSED_OVER)
        elif one.suffix in _SOURCES or one.name in _NAMED:
            yield one


def client_files(client: str) -> dict[str, bytes]:
    """Return the sources of a client: relative path to content.

    Parameters
    ----------
    client : str
        Its folder: ``"node"``, ``"browser"``, ``"c"``, ``"go"`` ...
    """
    folder = clients_folder() / client
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in source_files(folder)}
