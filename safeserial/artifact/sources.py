# SPDX-License-Identifier: BSD-3-Clause
"""What the source of a name says that loading it would run, read without importing anything.

Floor 6.  Importing a module to look at it would run it, and so would asking for its place: finding
a submodule imports its package.  So the folders of ``sys.path`` are searched for the file, and the
file is parsed.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from safeserial.errors import SafeSerialError
from safeserial.files import read_small
from safeserial.policy import Name

# What Python calls by itself while it makes an instance, gives it a state, or lets it go.
HOOKS: Final = (
    "__new__", "__setstate__", "__reduce__", "__reduce_ex__", "__del__", "__getattr__",
    "__getattribute__", "__setattr__",
)  # fmt: skip
_REACHING: Final = frozenset(
    "eval exec compile open __import__ getattr setattr os sys subprocess shutil socket importlib"
    " pickle cloudpickle dill joblib marshal ctypes types requests urllib pathlib tempfile".split()
)
_MAX_SOURCE: Final = 4 * 2**20
_MAX_CLASSES: Final = 64
_SHOWN: Final = 6


@dataclass(frozen=True)
class Hook:
    """A method that loading an instance may run.

    Parameters
    ----------
    name : str
        For instance ``__setstate__``.
    owner : str
        Dotted name of the class that defines it.
    reaches : tuple of str
        Names in its body that can reach outside of the instance, sorted.
    """

    name: str
    owner: str
    reaches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Description:
    """What is known of a name.

    Parameters
    ----------
    kind : {"class", "function", "compiled", "value", "unknown"}
        What its source defines under it; ``unknown`` where no source is found.
    bases : tuple of str
        Of a class, as written.
    hooks : tuple of Hook
        Of a class and of all bases whose source was found.
    unread : tuple of str
        Bases whose source was not found.
    reaches : tuple of str
        Of a function, as for a hook.
    """

    kind: str
    bases: tuple[str, ...] = ()
    hooks: tuple[Hook, ...] = ()
    unread: tuple[str, ...] = ()
    reaches: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return one sentence for a person who decides."""
        if self.kind == "class":
            return self._of_class()
        if self.kind == "function":
            uses = f"; its body uses {_some(self.reaches)}" if self.reaches else ""
            return f"a function: whatever holds it may call it{uses}"
        return {
            "compiled": "compiled: nobody can read here what its state does",
            "value": "no class and no function in its source: find out what it is",
        }.get(self.kind, "its source is not installed here: nothing is known of it")

    def _of_class(self) -> str:
        parts = [f"a class of {_some(self.bases)}" if self.bases else "a class"]
        for hook in self.hooks:
            uses = f", which uses {_some(hook.reaches)}" if hook.reaches else ""
            parts.append(f"{hook.name} of {hook.owner} runs{uses}")
        if not self.hooks:
            parts.append("attributes are set and nothing runs")
        if self.unread:
            parts.append(f"bases that were not found: {_some(self.unread)}")
        return "; ".join(parts)


def describe(name: Name, path: Sequence[str] | None = None) -> Description:
    """Say what the source of a name defines.

    Parameters
    ----------
    name : (module, qualname)
        Comes from a file and is not trusted: nothing is imported, and only files of a module's name
        below the folders of `path` are read.
    path : sequence of str, optional
        Folders to search.  Default: ``sys.path``.

    Returns
    -------
    Description
        ``unknown`` where nothing is found.
    """
    reader = _Reader(sys.path if path is None else path)
    found = reader.find(name)
    if isinstance(found, str):
        return Description(found)
    module, node = found
    if isinstance(node, ast.ClassDef):
        return reader.of_class(module, node)
    return Description("function", reaches=_reaches(node))


_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Found = tuple[str, ast.ClassDef | _Function]


class _Reader:
    """One search: parsed modules are kept for the bases of a class."""

    def __init__(self, path: Sequence[str]) -> None:
        self.path = path
        self._modules: dict[str, ast.Module | str] = {}

    def find(self, name: Name, depth: int = 8) -> _Found | str:
        """Return the definition of a name and its module, or the kind of what is not one."""
        module, qualname = name
        tree = self._parsed(module)
        if isinstance(tree, str):
            return tree
        body: list[ast.stmt] = tree.body
        first, *rest = qualname.split(".")
        node = _defined(body, first)
        for part in rest:
            node = _defined(node.body, part) if isinstance(node, ast.ClassDef) else None
        if node is not None:
            return module, node
        elsewhere = None if rest else self._imported(module, tree, first)
        return self.find(elsewhere, depth - 1) if elsewhere is not None and depth else "value"

    def of_class(self, module: str, node: ast.ClassDef) -> Description:
        """Describe a class with all bases that can be found, nearest first."""
        hooks: dict[str, Hook] = {}
        unread: list[str] = []
        waiting: list[_Found] = [(module, node)]
        for _ in range(_MAX_CLASSES):
            if not waiting:
                break
            where, one = waiting.pop(0)
            if not isinstance(one, ast.ClassDef):
                continue
            for method in one.body:
                if isinstance(method, _Function) and method.name in HOOKS:
                    owner = f"{where}.{one.name}"
                    hooks.setdefault(method.name, Hook(method.name, owner, _reaches(method)))
            for base in one.bases:
                found = self._base(where, base)
                if isinstance(found, str):
                    unread += [ast.unparse(base)] if found else []
                else:
                    waiting.append(found)
        bases = tuple(ast.unparse(base) for base in node.bases)
        return Description("class", bases, tuple(hooks.values()), tuple(dict.fromkeys(unread)))

    def _base(self, module: str, base: ast.expr) -> _Found | str:
        """Return a base class, ``""`` where it is `object`, or the text of what is not found."""
        if isinstance(base, ast.Subscript):
            base = base.value
        text = ast.unparse(base)
        if text in {"object", "Generic", "typing.Generic", "Protocol"}:
            return ""
        if isinstance(base, ast.Name):
            found = self.find((module, base.id))
            return text if isinstance(found, str) else found
        tree = self._parsed(module)
        owner, _, attribute = text.rpartition(".")
        if not isinstance(tree, str) and owner and all(p.isidentifier() for p in text.split(".")):
            for bound, target in _imports(module, self._is_package(module), tree):
                if bound == owner:
                    found = self.find((".".join(part for part in target if part), attribute))
                    return text if isinstance(found, str) else found
        return text

    def _imported(self, module: str, tree: ast.Module, name: str) -> Name | None:
        for bound, target in _imports(module, self._is_package(module), tree):
            if bound == name and target[1]:
                return target
        return None

    def _parsed(self, module: str) -> ast.Module | str:
        if module not in self._modules:
            self._modules[module] = self._parse(module)
        return self._modules[module]

    def _parse(self, module: str) -> ast.Module | str:
        if module in sys.builtin_module_names:
            return "compiled"
        file = self._file(module)
        if file is None:
            return "unknown"
        if not file.endswith(".py"):
            return "compiled"
        try:
            return ast.parse(read_small(file, limit=_MAX_SOURCE))
        except (SafeSerialError, SyntaxError, ValueError, RecursionError, MemoryError):
            return "unknown"

    def _is_package(self, module: str) -> bool:
        file = self._file(module)
        return file is not None and os.path.basename(file) == "__init__.py"  # noqa: PTH119 - a text

    def _file(self, module: str) -> str | None:
        parts = module.split(".")
        if not all(part.isidentifier() for part in parts) or module == "__main__":
            return None
        for folder in self.path:
            place = os.path.join(folder or ".", *parts)  # noqa: PTH118 - "" is the current folder
            for candidate in (os.path.join(place, "__init__.py"), f"{place}.py"):  # noqa: PTH118
                if os.path.isfile(candidate):  # noqa: PTH113
                    return candidate
            if _compiled(place):
                return place
        return None


def _compiled(place: str) -> bool:
    from importlib.machinery import EXTENSION_SUFFIXES

    return any(os.path.isfile(place + suffix) for suffix in EXTENSION_SUFFIXES)  # noqa: PTH113


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a body and of its branches."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try | ast.With):
            for part in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(statement, part, ()))
            for handler in getattr(statement, "handlers", ()):
                yield from _statements(handler.body)


def _defined(body: Sequence[ast.stmt], name: str) -> ast.ClassDef | _Function | None:
    found = None
    for statement in _statements(body):
        if isinstance(statement, ast.ClassDef | _Function) and statement.name == name:
            found = statement  # the last one counts
    return found


def _imports(module: str, is_package: bool, tree: ast.Module) -> Iterator[tuple[str, Name]]:  # noqa: FBT001
    """Yield what a module's imports bind, and what to: a module has an empty second part."""
    for statement in _statements(tree.body):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield (alias.asname or alias.name, (alias.name, ""))
        elif isinstance(statement, ast.ImportFrom):
            origin = statement.module or ""
            if statement.level:
                keep = len(module.split(".")) - statement.level + is_package
                parents = module.split(".")[: max(keep, 0)]
                origin = ".".join([*parents, *([origin] if origin else [])])
            for alias in statement.names:
                yield (alias.asname or alias.name, (origin, alias.name))


def _reaches(node: ast.AST) -> tuple[str, ...]:
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    for one in ast.walk(node):
        if isinstance(one, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in one.names}
        elif isinstance(one, ast.ImportFrom) and one.module:
            names.add(one.module.partition(".")[0])
    return tuple(sorted(names & _REACHING))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
