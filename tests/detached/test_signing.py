# SPDX-License-Identifier: BSD-3-Clause
"""Making signatures: one line a signer, nobody's line lost, nothing half written."""

import base64
import concurrent.futures
import json
import os
import subprocess

import pytest

import safeserial as ss
from safeserial import errors
from safeserial.artifact import detaching
from safeserial.detached import bundle
from tests.detached.conftest import EC, ED, MAC, RING, Bench, refusal

KEYS = {
    "hmac": MAC,
    "ed25519": ED,
    "p256": EC,
    "p384": ss.EcdsaKey(bytes(range(1, 49)), curve="P-384"),
    "p521": ss.EcdsaKey(b"\0" + bytes(range(1, 66)), curve="P-521"),
}


def ml_dsa():
    """A key of ML-DSA-65, where the installed library has it."""
    try:
        return ss.MlDsaKey.generate()
    except errors.KeyringError as error:
        return pytest.skip(str(error))


@pytest.mark.parametrize("kind", [*KEYS, "ml-dsa-65"])
def test_every_kind_of_key_signs_files_and_folders(kind, folder, plain):
    key = KEYS[kind] if kind in KEYS else ml_dsa()
    ring = ss.Keyring([key])
    half = ss.Keyring([getattr(key, "public", key)])
    for path in (folder, plain):
        made = ss.sign(path, keyring=ring)
        assert made == path.with_name(f"{path.name}.sig")
        verified = ss.verify(path, keyring=half)
        assert [(one.key_id, one.algorithm) for one in verified.signers] == [
            (key.key_id, key.algorithm)
        ]
        expected = bundle.SIGSTORE if kind.startswith("p") else bundle.OURS
        assert json.loads(made.read_bytes())["mediaType"] == expected
    assert ss.load(plain, keyring=half)["bias"] == "none"


def test_signing_again_replaces_the_own_line_and_keeps_the_others(plain):
    ss.sign(plain, keyring=RING)
    ss.sign(plain, keyring=ss.Keyring([ED]))
    made = ss.sign(plain, keyring=ss.Keyring([MAC]))
    ed_line = made.read_bytes().splitlines()[1]
    ss.sign(plain, keyring=RING)
    lines = made.read_bytes().splitlines()
    assert len(lines) == 3
    assert ed_line in lines
    verified = ss.verify(plain, keyring=RING)
    assert [one.key_id for one in verified.signers] == [EC.key_id]
    assert set(verified.unknown) == {ED.key_id, MAC.key_id}


def test_a_line_of_another_content_is_not_dropped_silently(plain):
    made = ss.sign(plain, keyring=ss.Keyring([ED]))
    plain.write_bytes(plain.read_bytes() + b" ")
    before = made.read_bytes()
    error = refusal(lambda: ss.sign(plain, keyring=RING))
    assert type(error) is errors.DigestMismatchError
    assert ED.key_id in str(error)
    assert made.read_bytes() == before
    ss.sign(plain, keyring=RING, others="drop")
    assert len(made.read_bytes().splitlines()) == 1
    ss.sign(plain, keyring=RING)  # the own line of another content is simply replaced


@pytest.mark.parametrize("content", [b"-----BEGIN PGP SIGNATURE-----\n", b"{}", b"[]", b"\x00" * 9])
def test_what_is_no_signature_file_is_not_overwritten(content, plain):
    place = plain.with_name("model.joblib.sig")
    place.write_bytes(content)
    assert type(refusal(lambda: ss.sign(plain, keyring=RING))) is errors.PolicyError
    assert place.read_bytes() == content
    assert ss.sign(plain, keyring=RING, signature="other.sig").exists()


@pytest.mark.parametrize("others", ["keep", "drop"])
def test_the_signature_does_not_take_the_place_of_the_file(others, plain):
    before = plain.read_bytes()
    order = {"keyring": RING, "signature": "./model.joblib", "others": others}
    assert type(refusal(lambda: ss.sign(plain, **order))) is errors.PolicyError
    refusal(lambda: ss.sign("nowhere", **order))
    assert plain.read_bytes() == before


def test_what_the_signer_says_is_signed_and_reported(plain):
    words = {"team": "risk", "note": "été"}
    made = ss.sign(plain, keyring=RING, name="churn", version="2.1", metadata=words)
    verified = ss.verify(plain, keyring=RING)
    assert (verified.name, verified.version, dict(verified.metadata)) == ("churn", "2.1", words)
    assert verified.created is not None
    bench = Bench.of(made)
    bench.said["subject"][0]["annotations"]["safeserial/v1"]["version"] = "9"
    altered = json.dumps(bench.said).encode()
    bench.envelope["payload"] = base64.b64encode(altered).decode()
    bench.write(made)
    assert type(refusal(lambda: ss.verify(plain, keyring=RING))) is errors.BadSignatureError


@pytest.mark.parametrize(
    "order",
    [{"name": "x" * 300}, {"metadata": {"é": "x"}}, {"metadata": {"a": 7}}, {"name": "\ud800"},
     {"others": "lose"}, {"leave_out": ["x"]}, {"metadata": {str(i): "" for i in range(300)}}],
)  # fmt: skip
def test_arguments_that_cannot_be_signed(order, plain):
    assert isinstance(refusal(lambda: ss.sign(plain, keyring=RING, **order)), errors.PolicyError)
    assert not plain.with_name("model.joblib.sig").exists()


@pytest.mark.parametrize("name", ["..", "a/../b", "/etc", ""])
def test_places_to_leave_out_are_in_the_folder(name, folder):
    error = refusal(lambda: ss.sign(folder, keyring=RING, leave_out=[name]))
    assert type(error) is errors.EscapingNameError


def test_who_cannot_sign(plain):
    for ring in (ss.Keyring([EC.public]), ss.Keyring(), ss.Keyring([EC]).retire(EC.key_id)):
        assert isinstance(
            refusal(lambda ring=ring: ss.sign(plain, keyring=ring)), errors.KeyringError
        )
    assert not plain.with_name("model.joblib.sig").exists()


def test_paths(folder, monkeypatch):
    assert ss.sign(f"{folder}/", keyring=RING) == folder.with_name("model.sig")
    monkeypatch.chdir(folder)
    assert ss.sign(".", keyring=RING) == folder.with_name("model.sig")
    assert ss.verify(".", keyring=RING).name == "model"
    for path in ("nowhere", "a\0b", "/"):
        refusal(lambda path=path: ss.sign(path, keyring=RING))
        refusal(lambda path=path: ss.verify(path, keyring=RING))


def test_a_signature_in_the_folder_itself(folder):
    inside = folder / "model.oms.sig"
    ss.sign(folder, keyring=RING, signature=inside)
    verified = ss.verify(folder, keyring=RING, signature=inside)
    assert verified.left_out == ("model.oms.sig",)
    ss.sign(folder, keyring=ss.Keyring([ED]), signature=inside)
    assert len(ss.verify(folder, keyring=ss.Keyring([ED, EC]), signature=inside).signers) == 2
    os.link(inside, folder / "second.name")
    error = refusal(lambda: ss.verify(folder, keyring=ss.Keyring([EC]), signature=inside))
    assert type(error) is errors.AddedFilesError
    (folder / "second.name").unlink()
    copy = folder.parent / "copy.sig"
    copy.write_bytes(inside.read_bytes())
    inside.write_bytes(b"\x80\x04N.")  # where the signature was, something else
    error = refusal(lambda: ss.verify(folder, keyring=RING, signature=copy))
    assert type(error) is errors.LeftOutContentError


def test_approving_verifies_first_and_signs_the_same(plain):
    ss.sign(plain, keyring=RING, name="churn", version="1", metadata={"team": "risk"})
    both = ss.Keyring([ED, EC.public])
    approved = detaching.approve(plain, keyring=both)
    assert [one.key_id for one in approved.signers] == [EC.key_id, ED.key_id]
    verified = ss.verify(plain, keyring=both)
    assert {one.key_id for one in verified.signers} == {EC.key_id, ED.key_id}
    assert (verified.name, verified.version) == ("churn", "1")
    place = plain.with_name("model.joblib.sig")
    before = place.read_bytes()
    stranger = ss.Keyring([ss.Ed25519Key.generate()])
    assert (
        type(refusal(lambda: detaching.approve(plain, keyring=stranger))) is errors.UnknownKeyError
    )
    plain.write_bytes(plain.read_bytes() + b" ")
    error = refusal(lambda: detaching.approve(plain, keyring=both))
    assert type(error) is errors.ChangedFilesError

    def never(verified):
        raise errors.PolicyError("no")

    assert place.read_bytes() == before
    ss.sign(plain, keyring=ss.Keyring([EC]), others="drop")
    refusal(lambda: detaching.approve(plain, keyring=both, fits=never))
    assert len(place.read_bytes().splitlines()) == 1


def test_people_who_sign_at_once_lose_no_line(plain):
    keys = [ss.Ed25519Key.generate() for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: ss.sign(plain, keyring=ss.Keyring([key])), keys))
    verified = ss.verify(plain, keyring=ss.Keyring([key.public for key in keys]))
    assert len(verified.signers) == 8


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_may_not_be_written(plain):
    plain.parent.chmod(0o500)
    try:
        error = refusal(lambda: ss.sign(plain, keyring=RING))
    finally:
        plain.parent.chmod(0o700)
    assert type(error) is errors.WriteFailedError


def test_minisign_and_we_sign_the_same_file_side_by_side(plain, minisign):
    keys = ["-p", "mini.pub", "-s", "mini.key"]
    subprocess.run([minisign, "-G", "-W", *keys], check=True, capture_output=True)
    subprocess.run([minisign, "-S", "-s", "mini.key", "-m", plain], check=True, capture_output=True)
    ss.sign(plain, keyring=RING)
    order = [minisign, "-V", "-p", "mini.pub", "-m", plain]
    assert subprocess.run(order, check=False, capture_output=True).returncode == 0
    assert ss.verify(plain, keyring=RING)
    theirs = f"{plain}.minisig"
    error = refusal(lambda: ss.verify(plain, keyring=RING, signature=theirs))
    assert isinstance(error, errors.FormatError)
