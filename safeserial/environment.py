# SPDX-License-Identifier: BSD-3-Clause
"""Where a model was saved and where it is loaded: versions recorded, compared, reported in a line.

Floor 3.  A model's state is private to its library's version; scikit-learn promises nothing across
versions (https://scikit-learn.org/stable/model_persistence.html), so differences are told, or
refused, before anything is built.
"""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import sys
import warnings
from collections.abc import Iterable

from safeserial.errors import EnvironmentMismatchError, EnvironmentMismatchWarning
from safeserial.manifest import Environment
from safeserial.policy import EnvironmentRule

ALWAYS: tuple[str, ...] = ("scikit-learn", "numpy", "scipy", "joblib", "safeserial-toolkit")
_IGNORED = {"safeserial-toolkit"}  # the format is stable across our own versions


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


_DISTRIBUTIONS = {"sklearn": "scikit-learn", "imblearn": "imbalanced-learn"}


def distribution(package: str) -> str | None:
    """Return the distribution that installs a top-level package, None for the standard library."""
    if package in sys.stdlib_module_names or package == "__main__":
        return None
    if package in _DISTRIBUTIONS:
        return _DISTRIBUTIONS[package]
    if version(package) is not None:
        return package
    return next(iter(_distributions().get(package, ())), None)


@functools.cache
def version(name: str) -> str | None:
    """Return the installed version of a distribution, None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None


def capture(modules: Iterable[str]) -> Environment:
    """Record this environment.

    Parameters
    ----------
    modules : iterable of str
        Modules that the payload names; the distributions they come from are recorded beside those
        that every model depends on.

    Returns
    -------
    Environment
        Python, platform and package versions.
    """
    tops = sorted({module.partition(".")[0] for module in modules})
    names = {*ALWAYS, *(owner for top in tops if (owner := distribution(top)) is not None)}
    packages = {name: number for name in sorted(names) if (number := version(name)) is not None}
    return Environment(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        platform=f"{sys.platform}-{platform.machine()}",
        packages=packages,
    )


def differences(environment: Environment) -> list[tuple[str, str, str]]:
    """Compare a recorded environment with this one.

    Returns
    -------
    list of (str, str, str)
        Name, version recorded, version here (``""`` if absent).  Of Python only major and minor
        count: a patch release keeps what it reads.
    """
    found = []
    here = platform.python_version()
    if environment.python.split(".")[:2] != here.split(".")[:2]:
        found.append(("Python", environment.python, here))
    for name, recorded in environment.packages.items():
        if name not in _IGNORED and version(name) != recorded:
            found.append((name, recorded, version(name) or ""))
    return found


def check(environment: Environment, rule: EnvironmentRule, *, stacklevel: int = 2) -> None:
    """Warn of differing versions, or refuse them, as the policy says.

    Parameters
    ----------
    environment : Environment
        As recorded in a verified manifest.
    rule : {"ignore", "warn", "refuse"}
        The policy's rule.
    stacklevel : int, default=2
        Which caller the warning points at.

    Raises
    ------
    EnvironmentMismatchError
        If the rule is ``refuse`` and something differs.
    """
    if rule == "ignore":
        return
    found = differences(environment)
    if not found:
        return
    told = ", ".join(f"{name} {there} → {here or 'missing'}" for name, there, here in found)
    message = f"the model was saved under other versions: {told}"
    if rule == "refuse":
        raise EnvironmentMismatchError(message, differences=found)
    warnings.warn(message, EnvironmentMismatchWarning, stacklevel=stacklevel + 1)


def requirements(environment: Environment) -> list[str]:
    """Return the recorded packages as lines that ``pip install -r`` takes."""
    return [f"{name}=={number}" for name, number in sorted(environment.packages.items())]
