# SPDX-License-Identifier: BSD-3-Clause
"""The manifest: every field strict, every bound held, on signed files too."""

from __future__ import annotations

import copy
import enum
import json
from typing import Any

import msgspec
import numpy as np
import pytest

import safeserial as ss
from safeserial import errors, manifest, strictjson
from tests import world

BASE: dict[str, Any] = world.Parts.of(world.artifact()).manifest
MEMBER: dict[str, Any] = BASE["members"][0]
CORRUPT, LATER = errors.CorruptArtifactError, errors.UnsupportedVersionError


def with_field(**fields: Any) -> bytes:
    return strictjson.encode({**copy.deepcopy(BASE), **fields})


def with_member(**fields: Any) -> bytes:
    return with_field(members=[{**MEMBER, **fields}])


def test_it_round_trips():
    data = with_field(name="n", version="1", metadata={"a": [1, None, {"b": "é"}]})
    decoded = manifest.decode(data)
    assert decoded.encode() == data
    assert decoded.name == "n"
    assert decoded.payload_size == sum(one["size"] for one in BASE["members"])
    assert decoded.created_at.tzinfo is not None
    with pytest.raises(AttributeError):
        decoded.name = "other"


@pytest.mark.parametrize("field", sorted(BASE))
def test_a_field_less_is_refused(field):
    fields = {name: value for name, value in BASE.items() if name != field}
    with pytest.raises((CORRUPT, LATER)):
        manifest.decode(strictjson.encode(fields))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"extra": 1}, CORRUPT),
        ({"schema": "safeserial/manifest/v2"}, LATER),
        ({"schema": None}, LATER),
        ({"schema": ["safeserial/manifest/v1"]}, LATER),
        ({"format": 1}, CORRUPT),
        ({"options": []}, CORRUPT),
        ({"members": []}, CORRUPT),
        ({"members": {}}, CORRUPT),
        ({"members": [MEMBER, MEMBER]}, CORRUPT),
        ({"members": [{**MEMBER, "more": 1}]}, CORRUPT),
        ({"members": [{"path": "payload/x"}]}, CORRUPT),
        ({"globals": "x"}, CORRUPT),
        ({"globals": [1]}, CORRUPT),
        ({"environment": {}}, CORRUPT),
        ({"environment": {**BASE["environment"], "packages": {"numpy": 2}}}, CORRUPT),
        ({"model": {}}, CORRUPT),
        ({"model": {"class_name": "x", "n_features": "3"}}, CORRUPT),
        ({"model": {"class_name": "x", "n_features": True}}, CORRUPT),
        ({"model": {"class_name": "x", "classes": [None]}}, CORRUPT),
        ({"metadata": []}, CORRUPT),
        ({"metadata": None}, CORRUPT),
        ({"name": 1}, CORRUPT),
    ],
)
def test_other_shapes_are_refused(fields, error):
    with pytest.raises(error):
        manifest.decode(with_field(**fields))


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_only_an_object_is_a_manifest(value):
    with pytest.raises(LATER):
        manifest.decode(strictjson.encode(value))


@pytest.mark.parametrize(
    "path",
    ["", "payload", "payload/", "/payload/x", "payload//x", "payload/x/", "payload/../x",
     "payload/..",
     "payload/.", "payload/.x", "payload/x..y", "payload/-x", "payload/x.", "payload/a./b",
     "payload/x\n",
     "payload/x\\y", "payload/x:y", "payload/x y", "payload/é", "payload/" + "x" * 101, "Payload/x",
     "payload/a/b/c/d/e", "manifest.json", "signatures.json", "C:/payload/x", "payload/x\x00"],
)  # fmt: skip
def test_member_names_that_a_file_system_could_misread(path):
    with pytest.raises(CORRUPT):
        manifest.decode(with_member(path=path))


@pytest.mark.parametrize("path", ["payload/x", "payload/_", "payload/a/b/c/d",
"payload/" + "x" * 100,
                                  "payload/model.pickle", "payload/a-b_c.d",
                                  "payload/0"])  # fmt: skip
def test_member_names_that_are_plain(path):
    assert manifest.decode(with_member(path=path)).members[0].path == path


@pytest.mark.parametrize(
    "paths",
    [("payload/x", "payload/x"), ("payload/x", "payload/X"), ("payload/a", "payload/a/b"),
     ("payload/a/b", "payload/A"), ("payload/a/b/c", "payload/a")],
)  # fmt: skip
def test_members_that_a_file_system_would_fold_together(paths):
    with pytest.raises(CORRUPT):
        manifest.decode(with_field(members=[{**MEMBER, "path": path} for path in paths]))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"size": -1}, CORRUPT),
        ({"size": "1"}, CORRUPT),
        ({"size": True}, CORRUPT),
        ({"size": 2**47 + 1}, errors.LimitExceededError),
        ({"size": 2**53 - 1}, errors.LimitExceededError),
        ({"crc32": "ABCDEF00"}, CORRUPT),
        ({"crc32": "0"}, CORRUPT),
        ({"crc32": 5}, CORRUPT),
        ({"crc32": "00000000\n"}, CORRUPT),
        ({"digest": "md5:" + "0" * 32}, LATER),
        ({"digest": "sha256:" + "F" * 64}, LATER),
        ({"digest": ""}, LATER),
    ],
)
def test_sizes_and_checksums_in_their_ranges(fields, error):
    with pytest.raises(error):
        manifest.decode(with_member(**fields))


def test_the_sum_of_sizes_and_the_number_of_members():
    half = [{**MEMBER, "path": f"payload/{i}", "size": 2**46} for i in range(2)]
    assert manifest.decode(with_field(members=half)).payload_size == 2**47
    with pytest.raises(errors.LimitExceededError):
        manifest.decode(with_field(members=[*half, {**MEMBER, "size": 1}]))
    many = [{**MEMBER, "path": f"payload/{i}"} for i in range(1001)]
    assert len(manifest.decode(with_field(members=many[:1000])).members) == 1000
    with pytest.raises(CORRUPT):
        manifest.decode(with_field(members=many))


@pytest.mark.parametrize(
    "created",
    ["", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00", "2026-1-1T00:00:00Z",
     "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T23:60:00Z", "2026-01-01T00:00:60Z",
     "0000-01-01T00:00:00Z", "2026-01-01T00:00:00Z\n", "\uff12026-01-01T00:00:00Z",
     "2026-13-01T00:00:00Z"],
)  # fmt: skip
def test_dates_that_are_none(created):
    with pytest.raises(CORRUPT):
        manifest.decode(with_field(created=created))


def test_a_manifest_of_too_many_values():
    with pytest.raises(errors.LimitExceededError):
        ss.dumps(1, keyring=world.RING, metadata={"a": [0] * 2**19})


def test_a_manifest_that_is_too_long():
    with pytest.raises(errors.LimitExceededError):
        ss.dumps(1, keyring=world.RING, metadata={"a": "x" * 2**24})
    with pytest.raises(errors.LimitExceededError):
        manifest.decode(b" " * (2**24 + 1))


# What a caller may ask to be signed ------------------------------------------------------------


class Text(str):
    __slots__ = ()


class Level(enum.IntEnum):
    LOW = 1


def test_what_the_caller_gives_is_signed_in_plain_types():
    given = {"a": Text("x"), np.str_("b"): np.str_("y"), "c": (1, Level.LOW), "d": {"e": None}}
    data = ss.dumps(1, keyring=world.RING, name="n", version="1.0", metadata=given)
    signed = world.Parts.of(data).manifest
    assert signed["metadata"] == {"a": "x", "b": "y", "c": [1, 1], "d": {"e": None}}
    assert (signed["name"], signed["version"]) == ("n", "1.0")


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("levels", [*range(27, 36), 500, 100_000])
def test_nesting_of_metadata_ends_in_a_file_or_in_our_error(levels):
    try:
        data = ss.dumps(1, keyring=world.RING, metadata={"a": deep(levels)})
    except errors.PolicyError as error:
        assert error.hint
        assert levels > 30
    else:
        assert levels <= 30
        assert world.loads(data) == 1


@pytest.mark.parametrize(
    "order",
    [{"metadata": {"a": 0.5}}, {"metadata": {"é": 1}}, {"metadata": {1: 1}},
     {"metadata": {"a": b"x"}},
     {"metadata": {"a": 2**53}}, {"metadata": {"a": "\ud800"}}, {"metadata": [1]},
     {"metadata": "x"},
     {"metadata": {"a": np.int64(1)}}, {"metadata": {"a": {1}}}, {"name": ""}, {"name": "x" * 201},
     {"name": "a\nb"}, {"name": 5}, {"version": "\x1b[31m"}, {"version": "a\u202eb"},
     {"digest": "md5"},
     {"digest": ""}, {"compression": "rar"}, {"compression": ("zlib", 10)},
     {"compression": ("zlib", True)},
     {"compression": ("bz2", 0)}, {"compression": ("zlib", 1, 2)}, {"compression": ("zlib", -1)}],
)  # fmt: skip
def test_what_cannot_be_signed_is_a_policy_error(order):
    error = world.refusal(lambda: ss.dumps(1, keyring=world.RING, **order))
    assert isinstance(error, errors.PolicyError)


@pytest.mark.parametrize("name", ["", "rar", "PICKLE", "../x", "skops2"])
def test_an_unknown_format(name):
    with pytest.raises(errors.SafeSerialError):
        ss.dumps(1, keyring=world.RING, format=name)


class Odd:
    """A model whose attributes say strange things."""

    n_features_in_: Any = 2**60
    classes_ = property(lambda self: 1 / 0)
    feature_names_in_ = ("\ud800",)


def test_strange_attributes_of_a_model_are_left_out():
    from safeserial.artifact.facts import describe

    facts = describe(Odd())
    assert (facts.n_features, facts.feature_names, facts.classes) == (None, None, None)
    odd = Odd()
    odd.n_features_in_ = -1
    assert describe(odd).n_features is None
    odd.n_features_in_ = np.int64(5)
    assert describe(odd).n_features == 5
    text = strictjson.encode(msgspec.to_builtins(describe(odd)))
    assert json.loads(text)["n_features"] == 5
