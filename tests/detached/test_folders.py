# SPDX-License-Identifier: BSD-3-Clause
"""Folders that hold more, less or something else than was signed, or change meanwhile."""

import os
import socket
import subprocess
import threading
import zlib

import pytest

import safeserial as ss
from safeserial import errors
from safeserial.detached import hashing
from tests.detached.conftest import EC, FILES, RING, Bench, refusal

posix = pytest.mark.skipif(os.name != "posix", reason="files of POSIX")


def refused(folder, **order):
    """Return the class of the error that a folder is refused with."""
    return type(refusal(lambda: ss.verify(folder, keyring=RING, **order)))


@pytest.fixture
def signed(folder):
    """The folder, signed."""
    ss.sign(folder, keyring=RING)
    return folder


def test_exactly_the_signed_files_are_reported(signed):
    verified = ss.verify(signed, keyring=RING)
    assert {one.name: one.size for one in verified.files} == {
        name: len(content) for name, content in FILES.items()
    }
    assert [one.name for one in verified.files] == sorted(FILES)  # code points, as the text says
    assert verified.left_out == verified.unknown == ()
    assert not hasattr(verified, "manifest")


def test_without_descriptors_of_folders_it_is_the_same(signed, monkeypatch):
    from safeserial.detached import tree

    monkeypatch.setattr(tree, "_BY_DESCRIPTOR", False)  # as on Windows
    assert len(ss.verify(signed, keyring=RING).files) == len(FILES)
    ss.sign(signed, keyring=RING)
    (signed / ".git").mkdir()
    (signed / ".git/evil.py").touch()
    assert refused(signed) is errors.LeftOutContentError
    (signed / ".git/evil.py").unlink()
    (signed / "sub/late").touch()
    assert refused(signed) is errors.AddedFilesError


def test_other_content_of_the_same_size(signed):
    place = signed / "weights/part-1.bin"
    place.write_bytes(place.read_bytes()[::-1])
    assert refused(signed) is errors.ChangedFilesError


def test_a_swap_of_two_files(signed):
    one, other = signed / "weights/part-1.bin", signed / "weights/part-2.bin"
    one.rename(signed / "x")
    other.rename(one)
    (signed / "x").rename(other)
    assert refused(signed) is errors.ChangedFilesError


@pytest.mark.parametrize("name", ["zzz.bin", "sub/zzz", "new/deep/zzz.txt", ".hidden"])
def test_added_files(name, signed):
    (signed / name).parent.mkdir(parents=True, exist_ok=True)
    (signed / name).write_bytes(b"")
    error = refusal(lambda: ss.verify(signed, keyring=RING))
    assert type(error) is errors.AddedFilesError
    assert error.names == (name,)


@pytest.mark.parametrize("name", list(FILES))
def test_removed_files(name, signed):
    (signed / name).unlink()
    error = refusal(lambda: ss.verify(signed, keyring=RING))
    assert type(error) is errors.RemovedFilesError
    assert error.names == (name,)


@posix
@pytest.mark.parametrize("target", ["config.json", "/etc/passwd", "sub", "nowhere", ".."])
def test_symlinks(target, signed, folder):
    (signed / "link").symlink_to(target)
    assert refused(signed) is errors.SymlinkError
    assert type(refusal(lambda: ss.sign(folder, keyring=RING))) is errors.SymlinkError


@posix
def test_a_symlink_in_the_place_of_a_signed_file_with_the_same_content(signed):
    place = signed / "config.json"
    place.rename(signed.parent / "elsewhere")
    place.symlink_to(signed.parent / "elsewhere")
    assert refused(signed) is errors.SymlinkError


@posix
def test_a_symlink_in_the_place_of_a_folder(signed):
    (signed / "weights").rename(signed.parent / "elsewhere")
    (signed / "weights").symlink_to(signed.parent / "elsewhere")
    assert refused(signed) is errors.SymlinkError


@posix
def test_special_files(signed):
    os.mkfifo(signed / "pipe")
    assert refused(signed) is errors.SpecialFileError
    assert type(refusal(lambda: ss.sign(signed, keyring=RING))) is errors.SpecialFileError
    (signed / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("model/socket")
        assert refused(signed) is errors.SpecialFileError


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/passwd", "a/../../b", "a//b", "./a", "a/.", "a/", "", "..", "a\\b", "..\\x",
     "C:/Windows/x", "c:x", "a\x00b", "a\nb", "\u2028", "x" * 300, "/".join("d" * 40), "\ud800"],
)  # fmt: skip
def test_names_that_escape(name, signed):
    bench = Bench.of("model.sig")
    bench.said["predicate"]["resources"][0]["name"] = name
    bench.signed(EC).write("model.sig")
    expected = errors.CorruptArtifactError if name == "\ud800" else errors.EscapingNameError
    assert refused(signed) is expected


def test_the_name_of_a_single_file_is_none_in_a_folder(signed):
    bench = Bench.of("model.sig")
    bench.said["predicate"]["resources"][0]["name"] = "."
    bench.signed(EC).write("model.sig")
    assert refused(signed) is errors.EscapingNameError


def test_a_file_named_twice(signed):
    bench = Bench.of("model.sig")
    resources = bench.said["predicate"]["resources"]
    resources[1]["name"] = resources[0]["name"]
    bench.signed(EC).write("model.sig")
    assert refused(signed) is errors.EscapingNameError


@pytest.mark.parametrize(
    ("one", "other"),
    [("readme", "README"), ("sub/A", "Sub/b"), ("stra\u00dfe", "STRASSE"),
     ("caf\u00e9", "cafe\u0301"), ("\u212a", "k")],
)  # fmt: skip
def test_names_that_collide(one, other, folder):
    for name in (one, other):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    if len([path for path in folder.rglob("*") if path.is_file()]) != len(FILES) + 2:
        pytest.skip("this file system has one file for the two names")
    assert type(refusal(lambda: ss.sign(folder, keyring=RING))) is errors.CaseCollisionError


def test_signed_names_that_collide(signed):
    bench = Bench.of("model.sig")
    resources = bench.said["predicate"]["resources"]
    resources[1]["name"] = resources[0]["name"].upper()
    bench.signed(EC).write("model.sig")
    assert refused(signed) is errors.CaseCollisionError


def test_a_file_and_a_folder_of_one_name(signed):
    bench = Bench.of("model.sig")
    resources = bench.said["predicate"]["resources"]
    resources[1]["name"] = f"{resources[0]['name']}/below"
    bench.signed(EC).write("model.sig")
    assert refused(signed) is errors.EscapingNameError


# What is left out --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [(".git/evil.py", b"import os\n"), (".github/payload.pkl", b"x"), (".git/hooks/x.so", b""),
     (".git/evil", b"\x80\x04\x95"), (".github/a/b", b"PK\x03\x04."), (".gitignore", b"\x80\x05."),
     (".git/objects/evil", zlib.compress(b"\x80\x04N.")), (".git/m", b"cos\nsystem\n(S'x'\ntR."),
     (".git/x.JOBLIB", b""), (".gitattributes/evil.pyc", b"")],
)  # fmt: skip
def test_what_a_program_could_load_does_not_hide_in_git(name, content, signed):
    (signed / name).parent.mkdir(parents=True, exist_ok=True)
    (signed / name).write_bytes(content)
    error = refusal(lambda: ss.verify(signed, keyring=RING))
    assert type(error) is errors.LeftOutContentError
    assert error.names == (name,)
    signing = refusal(lambda: ss.sign(signed, keyring=RING))
    assert type(signing) is errors.LeftOutContentError
    top = name.partition("/")[0]
    verified = ss.verify(signed, keyring=RING, leave_out=[top])  # said aloud
    assert verified.left_out == (top,)
    assert not any(one.name.startswith(".git") for one in verified.files)


@posix
def test_a_symlink_does_not_hide_in_git(signed):
    (signed / ".git").mkdir()
    (signed / ".git/link").symlink_to("/etc/passwd")
    assert refused(signed) is errors.LeftOutContentError


def test_a_real_clone_verifies_and_says_what_is_left_out(signed):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for order in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"], ["branch", "a.pkl"]):
        try:
            subprocess.run([*git, *order], cwd=signed, check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("there is no git")
    verified = ss.verify(signed, keyring=RING)
    assert verified.left_out == (".git",)
    assert len(verified.files) == len(FILES)


def test_a_deeper_git_folder_is_no_exception(signed):
    (signed / "sub/.git").mkdir()
    (signed / "sub/.git/config").write_text("x")
    assert refused(signed) is errors.AddedFilesError


def test_the_verifier_cannot_leave_out_what_is_signed_or_new(signed):
    (signed / "evil.py").write_text("x")
    assert refused(signed, leave_out=["evil.py"]) is errors.AddedFilesError
    (signed / "evil.py").unlink()
    (signed / "config.json").write_text("x")
    assert refused(signed, leave_out=["config.json"]) is errors.ChangedFilesError


def test_what_the_signer_left_out_counts_only_if_the_verifier_agrees(folder):
    (folder / "cache").mkdir()
    (folder / "cache/a.bin").write_text("x")
    for action in (ss.sign, ss.verify):
        ss.sign(folder, keyring=RING, leave_out=["cache"])
        error = refusal(lambda action=action: action(folder, keyring=RING, leave_out="cache"))
        assert type(error) is errors.PolicyError
    assert refused(folder) is errors.LeftOutContentError
    assert ss.verify(folder, keyring=RING, leave_out=["cache"]).left_out == ("cache",)
    (folder / "cache/a.bin").unlink()
    (folder / "cache").rmdir()
    assert ss.verify(folder, keyring=RING).left_out == ()


def test_ignored_places_that_escape(signed):
    for name in ("..", "/", "../x", ""):
        bench = Bench.of("model.sig")
        bench.said["predicate"]["serialization"]["ignore_paths"] = [name]
        bench.signed(EC).write("model.sig")
        assert refused(signed) is errors.EscapingNameError
        ss.sign(signed, keyring=RING)


def test_git_files_that_somebody_signed_are_covered(folder):
    (folder / ".gitignore").write_text("*.tmp\n")
    bench = Bench.of(ss.sign(folder, keyring=RING))
    from hashlib import sha256

    from safeserial.detached.statement import Resource, root_of

    predicate = bench.said["predicate"]
    predicate["resources"].append(
        {"name": ".gitignore", "algorithm": "sha256", "digest": sha256(b"*.tmp\n").hexdigest()}
    )
    del predicate["serialization"]["ignore_paths"]
    listed = [Resource(one["name"], one["digest"]) for one in predicate["resources"]]
    bench.said["subject"][0]["digest"]["sha256"] = root_of(listed)
    bench.signed(EC).write("model.sig")
    verified = ss.verify(folder, keyring=RING)
    assert ".gitignore" in {one.name for one in verified.files}
    (folder / ".gitignore").write_text("other\n")
    assert refused(folder) is errors.ChangedFilesError


# Changes meanwhile -------------------------------------------------------------------------------


def grow(folder):
    with (folder / "weights/part-1.bin").open("ab") as file:
        file.write(b"x")


def rewrite(folder):
    place = folder / "weights/part-1.bin"
    content = place.read_bytes()
    with place.open("r+b") as file:
        file.write(content)  # the same bytes: that nothing was changed for a moment nobody knows


def replace(folder):
    place = folder / "weights/part-1.bin"
    place.with_name("new").write_bytes(place.read_bytes())
    place.with_name("new").replace(place)


def put_elsewhere(folder):
    (folder / "weights").rename(folder.parent / "away")
    (folder / "weights").symlink_to(folder.parent / "away")


@posix
@pytest.mark.parametrize("verb", ["sign", "verify"])
@pytest.mark.parametrize(
    "change",
    [grow, rewrite, replace, put_elsewhere, lambda f: (f / "late.txt").touch(),
     lambda f: (f / "sub/__init__.py").unlink(),
     lambda f: (f / "weights/part-2.bin").write_bytes(b"")],
    ids=["grow", "rewrite", "replace", "symlink", "add", "remove", "empty"],
)  # fmt: skip
def test_a_folder_that_changes_while_it_is_read(change, verb, signed, monkeypatch):
    done = []
    once = threading.Lock()  # files are read by several threads

    def slow(source, algorithms, report):
        with once:
            if not done:
                done.append(change(signed))
        return real(source, algorithms, report)

    real = hashing.of_source
    monkeypatch.setattr(hashing, "of_source", slow)
    action = getattr(ss, verb)
    error = refusal(lambda: action(signed, keyring=RING))
    assert type(error) in {errors.ChangedMeanwhileError, errors.SymlinkError}
    assert done


def test_a_file_that_changes_while_it_is_read(plain, monkeypatch):
    ss.sign(plain, keyring=RING)
    real = hashing.of_source

    def slow(source, algorithms, report):
        value = real(source, algorithms, report)
        plain.write_bytes(plain.read_bytes())
        return value

    monkeypatch.setattr(hashing, "of_source", slow)
    assert type(refusal(lambda: ss.verify(plain, keyring=RING))) is errors.ChangedMeanwhileError


# Sizes -------------------------------------------------------------------------------------------


def test_large_files_are_hashed_as_small_ones(tmp_path):
    folder = tmp_path / "large"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.bin").write_bytes(bytes([number]) * (17 * 2**20 + number))
    seen = []
    made = ss.sign(folder, keyring=RING, progress=lambda done, total: seen.append((done, total)))
    total = 3 * 17 * 2**20 + 3
    assert max(seen) == (total, total)
    assert ss.verify(folder, keyring=RING).artifact_id
    with (folder / "2.bin").open("r+b") as file:
        file.seek(16 * 2**20)
        file.write(b"\xff")
    assert refused(folder) is errors.ChangedFilesError
    assert made.exists()


def test_a_sparse_giant_is_refused_before_it_is_read(plain):
    ss.sign(plain, keyring=RING)
    with plain.open("r+b") as file:
        file.truncate(2**42)
    assert refused(plain) in {errors.ChangedFilesError, errors.LimitExceededError}


def test_too_deep_and_too_many(tmp_path, monkeypatch):
    deep = tmp_path / "deep"
    place = deep
    for _ in range(40):
        place /= "d"
    place.mkdir(parents=True)
    (place / "x").touch()
    assert type(refusal(lambda: ss.sign(deep, keyring=RING))) is errors.LimitExceededError
    from safeserial.detached import tree

    monkeypatch.setattr(tree, "MAX_FILES", 5)
    many = tmp_path / "many"
    many.mkdir()
    for number in range(6):
        (many / str(number)).touch()
    assert type(refusal(lambda: ss.sign(many, keyring=RING))) is errors.LimitExceededError
