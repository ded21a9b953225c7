# SPDX-License-Identifier: BSD-3-Clause
"""The README, the documentation and the docstrings run as tests.

Each document gets a fresh working directory and a namespace of its own, and its examples run in
the order of the page, on one worker, whatever shuffles the rest.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from doctest import ELLIPSIS, IGNORE_EXCEPTION_DETAIL, NORMALIZE_WHITESPACE
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.integration.pytest import SybilItem
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

ROOT = Path(__file__).parent
FLAGS = ELLIPSIS | IGNORE_EXCEPTION_DETAIL | NORMALIZE_WHITESPACE


def enter_fresh_folder(namespace: dict[str, Any]) -> None:
    """Give a document an empty working directory and no key of the person who runs it."""
    stack = namespace["_leave"] = contextlib.ExitStack()
    folder = tempfile.TemporaryDirectory(prefix="safeserial-docs-", ignore_cleanup_errors=True)
    stack.enter_context(contextlib.chdir(stack.enter_context(folder)))
    environment = stack.enter_context(pytest.MonkeyPatch.context())
    for variable in [name for name in os.environ if name.startswith("SAFESERIAL_")]:
        environment.delenv(variable)
    environment.setenv("XDG_STATE_HOME", str(Path.cwd() / ".state"))  # what clients of stores saw


def leave_fresh_folder(namespace: dict[str, Any]) -> None:
    """Go back to where the test run started."""
    namespace["_leave"].close()


documents = Sybil(
    path=str(ROOT),
    parsers=[PythonCodeBlockParser(doctest_optionflags=FLAGS), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    excludes=["docs/_build/**"],
    setup=enter_fresh_folder,
    teardown=leave_fresh_folder,
)
docstrings = Sybil(
    path=str(ROOT),
    parsers=[DocTestParser(optionflags=FLAGS)],
    patterns=["safeserial/**/*.py", "converters/**/*.py", "benchmarks/**/*.py"],
    document_types={".py": PythonDocStringDocument},
    setup=enter_fresh_folder,
    teardown=leave_fresh_folder,
)
pytest_collect_file = (documents + docstrings).pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the examples of a document, which pytest-randomly has shuffled by now, back in order."""
    examples = [item for item in items if isinstance(item, SybilItem)]
    examples.sort(key=lambda item: (item.path, item.example.line))
    items[:] = [item for item in items if not isinstance(item, SybilItem)] + examples


# What these write or measure for all of their tests takes a minute.
ONE_WORKER = {
    "tests/attacks/test_corpus.py",
    "tests/benchmarks/test_benchmarks.py",
    "tests/benchmarks/test_formats.py",
}


@pytest.hookimpl(optionalhook=True)  # pytest-xdist need not be there
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal out tests one by one, but those that share what is costly or in order to one worker."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            document, _, example = nodeid.partition("::")
            together = example.startswith("line:") or document in ONE_WORKER
            return document if together else nodeid

    return Scheduling(config, log)
