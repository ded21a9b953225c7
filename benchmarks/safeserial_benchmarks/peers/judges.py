# SPDX-License-Identifier: BSD-3-Clause
"""What each peer says of a file, by its own functions; runs in the environment of the peer.

Scanners judge; loaders open.  Nothing here imports this project's benchmarks.
"""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

Judge = Callable[[str], tuple[str, str]]
Open = Callable[[str], object]


def load(name: str) -> Any:
    """Import a module of the peer; what it gives is checked by nobody."""
    return importlib.import_module(name)


# -- scanners


def picklescan(*, strict: bool) -> Judge:
    """As its command line answers."""
    scanner = load("picklescan.scanner")

    def judge(path: str) -> tuple[str, str]:
        found = scanner.scan_file_path(path, strict=strict)
        if found.scan_err:
            return "gave up", "exit code 2"
        return ("stopped", "exit code 1") if found.issues_count else ("passed", "exit code 0")

    return judge


def modelscan() -> Judge:
    """As its command line answers."""
    make = load("modelscan.modelscan").ModelScan
    settings = load("modelscan.settings").DEFAULT_SETTINGS

    def judge(path: str) -> tuple[str, str]:
        scan = make(settings=settings)
        scan.scan(path)
        if not scan.scanned:
            return "gave up", "exit code 3"
        if scan.errors:
            return "gave up", "exit code 2"
        return ("stopped", "exit code 1") if scan.issues.all_issues else ("passed", "exit code 0")

    return judge


def fickling(threshold: str) -> Judge:
    """As its command line answers, which stops what is worse than LIKELY_SAFE."""
    fickle, analysis = load("fickling.fickle"), load("fickling.analysis")
    limit = analysis.Severity[threshold]

    def judge(path: str) -> tuple[str, str]:
        try:
            with Path(path).open("rb") as file:
                parts = fickle.StackedPickle.load(file, fail_on_decode_error=False)
        except fickle.PickleDecodeError as error:
            return "gave up", f"exit code 2: {error}"[:200]
        found = [analysis.check_safety(part).severity for part in parts]
        worst = max(found, default=analysis.Severity.LIKELY_SAFE)
        return ("stopped" if worst > limit else "passed"), worst.name

    return judge


def modelaudit() -> Judge:
    """As its command line answers."""
    core = load("modelaudit.core")

    def judge(path: str) -> tuple[str, str]:
        code = core.determine_exit_code(core.scan_model_directory_or_file(path))
        return {0: "passed", 1: "stopped"}.get(code, "gave up"), f"exit code {code}"

    return judge


def inspection() -> Judge:
    """As its command line answers."""
    inspect = load("safeserial").inspect

    def judge(path: str) -> tuple[str, str]:
        verdict = inspect(path).verdict
        known = {"safe": "passed", "dangerous": "stopped", "needs trust": "stopped"}
        return known.get(verdict, "gave up"), verdict

    return judge


# -- loaders


def native(path: str) -> object:
    """Open a file as most people do."""
    if path.endswith(".joblib"):
        return load("joblib").load(path)
    with Path(path).open("rb") as file:
        return pickle.load(file)


def exact() -> Open:
    """Return a loader that permits exactly the names that honest files use."""
    names: set[tuple[str, str]] = set()
    learning = True
    reading = load("joblib.numpy_pickle")

    class Plain(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            permit(module, name)
            return super().find_class(module, name)

    class Arrays(reading.NumpyUnpickler):  # type: ignore[misc, name-defined]
        def find_class(self, module: str, name: str) -> Any:
            permit(module, name)
            return super().find_class(module, name)

    def permit(module: str, name: str) -> None:
        if learning:
            names.add((module, name))
        elif (module, name) not in names:
            raise pickle.UnpicklingError(f"not allowed: {module}.{name}")

    def opened(path: str) -> object:
        with Path(path).open("rb") as file:
            if not path.endswith(".joblib"):
                return Plain(file).load()
            validate = reading._validate_fileobject_and_memmap  # noqa: SLF001 - as its `load` does
            with validate(file, path, None) as (whole, _):
                return Arrays(path, whole, ensure_native_byte_order=True).load()

    def learn(paths: list[str]) -> None:
        nonlocal learning
        for path in paths:
            opened(path)
        learning = False

    opened.learn = learn  # type: ignore[attr-defined]
    return opened


def torch() -> Open:
    """Return the loader that takes only tensors."""
    library = load("torch")
    return lambda path: library.load(path, weights_only=True)


SCANNERS: dict[str, Callable[[], Judge]] = {
    "picklescan": lambda: picklescan(strict=False),
    "picklescan-strict": lambda: picklescan(strict=True),
    "modelscan": modelscan,
    "fickling": lambda: fickling("LIKELY_SAFE"),
    "fickling-overt": lambda: fickling("LIKELY_UNSAFE"),
    "modelaudit": modelaudit,
    "safeserial-inspect": inspection,
}
LOADERS: dict[str, Callable[[], Open]] = {
    "native": lambda: native,
    "exact": exact,
    "torch": torch,
    "skops": lambda: load("skops.io").load,
    "safeserial": lambda: load("safeserial").load_unsigned,
}
