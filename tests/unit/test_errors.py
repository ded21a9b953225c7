# SPDX-License-Identifier: BSD-3-Clause
"""One family of errors: caught as one, each tells what to do and crosses process borders."""

from __future__ import annotations

import inspect
import pickle

import pytest

from safeserial import errors
from safeserial.errors import SafeSerialError

CLASSES = [
    one
    for _, one in inspect.getmembers(errors, inspect.isclass)
    if issubclass(one, SafeSerialError)
]
BASES = {
    "SafeSerialError", "FormatError", "VerificationError", "ConversionError", "StoreError",
}  # fmt: skip
SPECIAL = {errors.MissingExtraError: ("zstd", "this file")}


def make(kind: type[SafeSerialError]) -> SafeSerialError:
    return kind(*SPECIAL.get(kind, ("something happened",)))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda one: one.__name__)
def test_every_error_that_is_raised_says_what_to_do(kind):
    error = make(kind)
    assert kind.__doc__
    assert str(error)
    assert error.hint or kind.__name__ in BASES
    assert isinstance(error, SafeSerialError)


@pytest.mark.parametrize(
    "kind", [one for one in CLASSES if one not in SPECIAL], ids=lambda one: one.__name__
)
def test_a_hint_of_the_moment_replaces_that_of_the_class(kind):
    assert kind("message", hint="do this").hint == "do this"
    assert kind("message").hint == kind.hint


@pytest.mark.parametrize(
    "kind", [one for one in CLASSES if one not in SPECIAL], ids=lambda one: one.__name__
)
def test_errors_cross_process_borders(kind):
    error = kind("message", hint="do this")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == "message"
    assert copy.hint == "do this"


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (errors.MissingFileError, FileNotFoundError),
        (errors.UnreadableFileError, OSError),
        (errors.WriteFailedError, OSError),
        (errors.MissingExtraError, ImportError),
        (errors.ExpiredKeyError, errors.RetiredKeyError),
        (errors.DigestMismatchError, errors.VerificationError),
        (errors.EnvironmentMismatchWarning, UserWarning),
    ],
)
def test_errors_are_also_what_python_calls_them(kind, base):
    assert issubclass(kind, base)


def test_data_of_an_error_can_be_read():
    assert errors.UnknownKeyError("m", key_ids=["a"]).key_ids == ("a",)
    assert errors.UntrustedTypesError("m", types=["a.b"]).types == ("a.b",)
    assert errors.ForbiddenOperationError("m", opcode="INST", offset=3).offset == 3
    assert errors.MissingExtraError("lz4", "x").extra == "lz4"
    assert "[lz4]" in errors.MissingExtraError("lz4", "x").hint
    differences = [("numpy", "1", "2")]
    assert errors.EnvironmentMismatchError("m", differences=differences).differences == (
        ("numpy", "1", "2"),
    )
