# SPDX-License-Identifier: BSD-3-Clause
"""Detached signatures: any folder verifies as it was signed, and under no change of it."""

import base64
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import safeserial as ss
from safeserial.detached import documents, names, statement
from safeserial.errors import SafeSerialError
from tests.world import EFFORT

EC = ss.EcdsaKey(bytes(range(1, 33)))
ED = ss.Ed25519Key(bytes(range(2, 34)))
MAC = ss.HmacKey(bytes(range(3, 35)))
RING = ss.Keyring([EC, ED, MAC])

part = st.text("abcXYZ0 ._-é漢", min_size=1, max_size=6).filter(
    lambda text: text not in {".", ".."} and text not in names.GIT_NAMES
)
name = st.lists(part, min_size=1, max_size=3).map("/".join)


@st.composite
def trees(draw):
    """Names of files with their content; no name a folder of another, none like another."""
    made = {}
    for one in draw(st.lists(name, min_size=1, max_size=6)):
        made[one] = draw(st.binary(max_size=40) | st.just(b""))
    try:
        names.check_collisions(made)
    except SafeSerialError:
        assume(False)
    return made


def write(folder, tree):
    for one, content in tree.items():
        (folder / one).parent.mkdir(parents=True, exist_ok=True)
        (folder / one).write_bytes(content)


@st.composite
def changes(draw, tree):
    """Another tree than `tree`, by one change."""
    chosen = draw(st.sampled_from(sorted(tree)))
    kind = draw(st.sampled_from(["content", "rename", "add empty", "add", "remove", "empty"]))
    changed = dict(tree)
    if kind == "content":
        changed[chosen] = draw(st.binary(max_size=40))
    elif kind == "empty":
        changed[chosen] = b""
    elif kind == "rename":
        changed[draw(name)] = changed.pop(chosen)
    elif kind == "remove":
        del changed[chosen]
    else:
        changed[draw(name)] = b"" if kind == "add empty" else draw(st.binary(max_size=9))
    assume(changed != tree)
    return changed


def folder_can_hold(tree):
    try:
        names.check_collisions(tree)
    except SafeSerialError:
        return False
    return True


@settings(max_examples=60 * EFFORT, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from([EC, ED, MAC]))
def test_any_folder_verifies_as_signed_and_under_no_change(data, key):
    tree = data.draw(trees())
    changed = data.draw(changes(tree).filter(folder_can_hold))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "model")
        folder.mkdir()
        write(folder, tree)
        ss.sign(folder, keyring=ss.Keyring([key]))
        verified = ss.verify(folder, keyring=RING)
        assert {one.name: one.size for one in verified.files} == {
            one: len(content) for one, content in tree.items()
        }
        shutil.rmtree(folder)
        folder.mkdir()
        write(folder, changed)
        with pytest.raises(SafeSerialError):
            ss.verify(folder, keyring=RING)
        shutil.rmtree(folder)
        folder.mkdir()
        write(folder, tree)
        assert ss.verify(folder, keyring=RING).artifact_id == verified.artifact_id


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A file with three signatures, whose signature file is overwritten again and again."""
    place = tmp_path_factory.mktemp("bundles")
    path = place / "data.bin"
    path.write_bytes(b"content")
    for key in (EC, ED, MAC):
        ss.sign(path, keyring=ss.Keyring([key]))
    return path, path.with_name("data.bin.sig").read_bytes()


def outcome(path, text):
    """Verify under a signature file of these bytes: the signers, or an error of the project."""
    path.with_name("data.bin.sig").write_bytes(text)
    try:
        return {one.key_id for one in ss.verify(path, keyring=RING).signers}
    except SafeSerialError:
        return set()


@settings(max_examples=150 * EFFORT, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_bytes_instead_of_a_signature_end_in_an_error_of_ours(data, signed):
    path, good = signed
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 40)))
    text = good[:start] + data.draw(st.binary(max_size=12)) + good[end:]
    assert outcome(path, text) <= {EC.key_id, ED.key_id, MAC.key_id}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(value, path=()):
    """Yield the path of every value in a JSON document."""
    yield path
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        yield from places(inner, (*path, key))


def altered(document, place, value):
    """Return a document with another value at a place."""
    if not place:
        return value
    copy = json.loads(json.dumps(document))
    inner = copy
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return copy


@settings(max_examples=200 * EFFORT, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_at_any_place_of_a_bundle_ends_in_an_error_of_ours(data, signed):
    path, good = signed
    lines = [json.loads(line) for line in good.splitlines()]
    number = data.draw(st.integers(0, 2))
    place = data.draw(st.sampled_from(list(places(lines[number]))))
    changed = altered(lines[number], place, data.draw(json_values))
    lines[number] = changed
    text = "\n".join(json.dumps(line) for line in lines).encode("utf-8", "surrogatepass")
    assert outcome(path, text) <= {EC.key_id, ED.key_id, MAC.key_id}


@settings(max_examples=200 * EFFORT, deadline=None)
@given(st.data())
def test_any_value_in_a_signed_statement_is_read_or_refused(data):
    said = statement.Statement(
        subject="m", resources=(statement.Resource("a", "0" * 64, 3),), metadata={"k": "v"}
    )
    document = json.loads(said.encode())
    place = data.draw(st.sampled_from(list(places(document))))
    changed = altered(document, place, data.draw(json_values))
    text = json.dumps(changed).encode("utf-8", "surrogatepass")
    try:
        found = statement.decode(text)
    except SafeSerialError:
        return
    assert found.digests == {"a": "0" * 64} or len(place) >= 3


@settings(max_examples=300 * EFFORT, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_refused(text):
    try:
        value = documents.decode(text, what="a text", limit=1000)
    except SafeSerialError:
        return
    assert json.loads(text) == value


@given(st.binary(min_size=1, max_size=40))
def test_base64_is_read_in_one_form_only(content):
    text = base64.b64encode(content).decode()
    assert documents.from_base64(text, "x") == content
    for other in (
        f"{text}\n",
        f" {text}",
        text + "=",
        text.rstrip("=") if "=" in text else text + "A",
    ):
        with pytest.raises(SafeSerialError):
            documents.from_base64(other, "x")


@settings(max_examples=300 * EFFORT, deadline=None)
@given(st.text(max_size=30) | name)
def test_an_accepted_name_stays_in_its_folder(text):
    try:
        names.check(text)
    except SafeSerialError:
        return
    whole = os.path.normpath(os.path.join("/root/folder", text))  # noqa: PTH118
    assert whole == f"/root/folder/{text}"
