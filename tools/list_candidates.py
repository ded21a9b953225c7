# SPDX-License-Identifier: BSD-3-Clause
"""List what the installed libraries offer to the allowlists, with all that loading would run.

Every class that a module of a library defines is a line: what hooks a pickle of it may reach
(``__setstate__``, ``__reduce__``, ``__new__``, ``__del__`` ..., and whether Python or C code
implements them), whether it is a container, and which roles the shipped allowlists give it today.
The list is a place to start an audit from, never a policy: a name goes on an allowlist after
somebody has read what those hooks do.

Usage::

    python tools/list_candidates.py sklearn --unlisted
    python tools/list_candidates.py numpy scipy --functions --json
    python tools/list_candidates.py --missing
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import io
import json
import pkgutil
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from safeserial.policy import Name, Policy

LIBRARIES: Final = ("sklearn", "numpy", "scipy", "pandas", "joblib")
HOOKS: Final = (
    "__new__",
    "__setstate__",
    "__getstate__",
    "__reduce__",
    "__reduce_ex__",
    "__getnewargs__",
    "__getnewargs_ex__",
    "__del__",
    "__setattr__",
)
_CONTAINERS: Final = (dict, list, set, frozenset, tuple)
_PYTHON_CODE: Final = (types.FunctionType, staticmethod, classmethod, property)
_NEVER_WALKED: Final = frozenset(
    {
        "test",
        "tests",
        "testing",
        "_testing",
        "conftest",
        "setup",
        "__main__",
        "f2py",
        "distutils",
        "externals",
        "_build_utils",
        "_pyinstaller",
    }
)


@dataclass(frozen=True)
class Candidate:
    """One name that a pickle could hold.

    Parameters
    ----------
    module : str
        The module that pickle writes.
    qualname : str
        The qualified name that pickle writes.
    kind : {"class", "function", "ufunc"}
        What it is.
    hooks : dict of str to str
        Of :data:`HOOKS`, those that a class does not take from `object`: ``python`` or ``native``,
        and the class that defines it.
    container : str
        The builtin container it derives from, or empty.
    listed : str
        Its roles and rule on the shipped allowlists, or empty.
    """

    module: str
    qualname: str
    kind: str
    hooks: dict[str, str] = field(default_factory=dict)
    container: str = ""
    listed: str = ""


def hooks_of(cls: type) -> dict[str, str]:
    """Return which pickle hooks a class has, and who implements them."""
    found = {}
    for hook in HOOKS:
        for base in cls.__mro__:
            if base is object or hook not in vars(base):
                continue
            level = "python" if isinstance(vars(base)[hook], _PYTHON_CODE) else "native"
            found[hook] = f"{level} {base.__module__}.{base.__qualname__}"
            break
    return found


def modules_of(library: str) -> Iterator[types.ModuleType]:
    """Import and yield the modules of a library, without its tests; name those that fail."""
    pending = [library]
    while pending:
        name = pending.pop()
        try:
            module = importlib.import_module(name)
        except (ImportError, AttributeError, OSError, RuntimeError, TypeError, ValueError) as error:
            print(f"skipped {name}: {error}", file=sys.stderr)
            continue
        yield module
        pending += [
            f"{name}.{entry.name}"
            for entry in pkgutil.iter_modules(getattr(module, "__path__", ()))
            if entry.name not in _NEVER_WALKED
        ]


def candidates(library: str, *, functions: bool = False) -> list[Candidate]:
    """Return the names that modules of a library define, in order.

    Parameters
    ----------
    library : str
        Its import name.
    functions : bool, default=False
        Whether to list functions and ufuncs too.

    Returns
    -------
    list of Candidate
        Sorted by module and name.
    """
    allowlist = Policy.default().allowlist
    found: dict[Name, Candidate] = {}
    for module in modules_of(library):
        for value in list(vars(module).values()):
            kind = _kind(value)
            if kind is None or (kind != "class" and not functions):
                continue
            name = pickled_name(value, module.__name__)
            if name is None or name[0].partition(".")[0] != library:
                continue
            grant = allowlist.find(name)
            listed = (
                "" if grant is None else f"{' '.join(sorted(grant.roles))} {grant.rule}".strip()
            )
            is_class = isinstance(value, type)
            found[name] = Candidate(
                *name,
                kind,
                hooks_of(value) if is_class else {},
                _container(value) if is_class else "",
                listed,
            )
    return [found[name] for name in sorted(found)]


def pickled_name(value: Any, seen_in: str) -> Name | None:
    """Return the pair that pickle writes for a class or function, None where it cannot."""
    qualname = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    module = getattr(value, "__module__", None) or seen_in
    if not isinstance(qualname, str) or not isinstance(module, str) or "<" in qualname:
        return None
    return module, qualname


def missing_estimators() -> list[Name]:
    """Return the estimators of scikit-learn that are not on the allowlist."""
    from sklearn.utils import all_estimators

    allowlist = Policy.default().allowlist
    names = [(cls.__module__, cls.__qualname__) for _, cls in all_estimators()]
    return sorted(name for name in names if allowlist.find(name) is None)


def _kind(value: object) -> str | None:
    if isinstance(value, type):
        return "class"
    if type(value).__name__ in {"ufunc", "_ArrayFunctionDispatcher"}:
        return "ufunc" if type(value).__name__ == "ufunc" else "function"
    if type(value).__name__ == "cython_function_or_method":
        return "function"
    return "function" if isinstance(value, types.FunctionType | types.BuiltinFunctionType) else None


def _container(cls: type) -> str:
    return next((base.__name__ for base in _CONTAINERS if issubclass(cls, base)), "")


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return 1 where `--missing` finds something."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", nargs="*", default=list(LIBRARIES), help="import names")
    parser.add_argument("--functions", action="store_true", help="list functions and ufuncs too")
    parser.add_argument("--unlisted", action="store_true", help="only what no allowlist names")
    parser.add_argument("--missing", action="store_true", help="estimators that are not listed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    if options.missing:
        missing = missing_estimators()
        print(json.dumps(missing) if options.json else "\n".join(map(".".join, missing)))
        return int(bool(missing))
    rows: list[Candidate] = []
    for library in options.library:
        with contextlib.redirect_stdout(io.StringIO()):  # some modules print when imported
            rows += candidates(library, functions=options.functions)
    if options.unlisted:
        rows = [row for row in rows if not row.listed]
    if options.json:
        print(json.dumps([dataclasses.asdict(row) for row in rows], indent=1))
        return 0
    for row in rows:
        hooks = ", ".join(f"{hook} ({by})" for hook, by in row.hooks.items())
        kind = f"{row.kind} ({row.container})" if row.container else row.kind
        print(f"{row.module}:{row.qualname}\t{kind}\t{row.listed or '-'}\t{hooks}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
