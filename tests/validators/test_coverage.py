# SPDX-License-Identifier: BSD-3-Clause
"""Every compiled class that an allowlist lets a stream build has a validator, or a reason.

Who adds such a class to an allowlist decides here what its state may be.
"""

from __future__ import annotations

import importlib.resources
import inspect
from typing import Any

import pytest

from safeserial.policy import Policy
from safeserial.validators.registry import BATCHES, NATIVE_WITHOUT_VALIDATOR, VALIDATORS

_STATE = ("__setstate__", "__reduce__", "__reduce_ex__", "__reduce_cython__")


def found(name: tuple[str, str]) -> Any:
    value = importlib.import_module(name[0])
    for part in name[1].split("."):
        value = getattr(value, part)
    return value


def is_native(kind: type) -> bool:
    """Say whether C code gives or takes the state of a class."""
    for method in _STATE:
        owner = next((base for base in kind.__mro__ if method in vars(base)), object)
        if owner is not object and not inspect.isfunction(vars(owner)[method]):
            return True
    return False


def built() -> list[tuple[str, str]]:
    grants = Policy.default().allowlist.grants
    return sorted(name for name, grant in grants.items() if "build" in grant.roles)


def native() -> list[type]:
    kinds = []
    for name in built():
        try:
            kind = found(name)
        except (ImportError, AttributeError):
            continue  # of another version, or not installed
        if isinstance(kind, type) and is_native(kind):
            kinds.append(kind)
    return kinds


def is_checked(kind: type) -> bool:
    names = {(base.__module__, base.__qualname__) for base in kind.__mro__}
    return bool(names & (VALIDATORS.keys() | BATCHES.keys()))


def test_allowlists_name_native_classes() -> None:
    names = {kind.__qualname__ for kind in native()}
    assert {"Tree", "KDTree64", "MT19937", "ndarray", "EuclideanDistance64"} <= names


@pytest.mark.parametrize(
    "kind", native(), ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}"
)
def test_native_class_has_a_validator_or_a_reason(kind: type) -> None:
    name = f"{kind.__module__}.{kind.__qualname__}"
    assert is_checked(kind) != (name in NATIVE_WITHOUT_VALIDATOR), name


def test_reasons_are_given_and_needed() -> None:
    assert all(reason.strip() for reason in NATIVE_WITHOUT_VALIDATOR.values())
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in native()}
    assert NATIVE_WITHOUT_VALIDATOR.keys() <= names


def test_allowlists_that_promise_a_validator_have_one() -> None:
    promised = []
    for path in importlib.resources.files("safeserial").joinpath("allowlists").iterdir():
        text = path.read_text(encoding="utf-8") if path.name.endswith(".toml") else ""
        module = ""
        for line in text.splitlines():
            if line.startswith("[globals."):
                module = line.split('"')[1]
            elif ": validator" in line:
                promised.append((module, line.split(" = ")[0].strip()))
    assert promised
    for name in promised:
        try:
            kind = found(name)
        except (ImportError, AttributeError):
            continue
        assert is_checked(kind), name
