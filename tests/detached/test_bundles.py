# SPDX-License-Identifier: BSD-3-Clause
"""Signature files made by somebody who wishes no good: each trick has its own refusal."""

import base64
import datetime
import hmac
import json

import pytest

import safeserial as ss
from safeserial import errors
from safeserial.detached import bundle
from safeserial.detached.statement import PAYLOAD_TYPE
from safeserial.envelope import pre_authentication_encoding
from safeserial.keyring import KeyEntry
from tests.detached.conftest import EC, ED, MAC, RING, Bench, hint_of, refusal

ALL = ss.Keyring([EC, ED, MAC])


@pytest.fixture
def bench(plain):
    """The signature of ``model.joblib`` by the EC key, to be changed."""
    return Bench.of(ss.sign(plain, keyring=RING))


def refused(path="model.joblib", ring=ALL):
    """Return the class of the error that the file as it stands is refused with."""
    verified = type(refusal(lambda: ss.verify(path, keyring=ring)))
    loaded = type(refusal(lambda: ss.load(path, keyring=ring)))
    assert verified is loaded  # what is not verified is not loaded, for the same reason
    return verified


# Algorithms --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [EC, ED], ids=["ec", "ed25519"])
@pytest.mark.parametrize("media_type", [bundle.SIGSTORE, bundle.OURS])
@pytest.mark.parametrize("secret", ["pem", "raw"])
def test_a_public_key_is_no_hmac_secret(key, media_type, secret, bench):
    public = key.public.to_pem() if secret == "pem" else key.public.spki
    payload = base64.b64decode(bench.envelope["payload"])
    tag = hmac.digest(public, pre_authentication_encoding(PAYLOAD_TYPE, payload), "sha256")
    bench.top["mediaType"] = media_type
    bench.key["hint"] = key.key_id if media_type == bundle.OURS or key is ED else hint_of(key)
    bench.envelope["signatures"][0] = {"sig": base64.b64encode(tag).decode(), "keyid": ""}
    bench.write("model.joblib.sig")
    assert refused() in {errors.BadSignatureError, errors.AlgorithmMismatchError}
    assert refused(ring=ss.Keyring([EC.public, ED.public])) in {
        errors.BadSignatureError, errors.AlgorithmMismatchError,
    }  # fmt: skip


def test_an_ec_bundle_relabelled_as_ours_is_refused(bench):
    bench.top["mediaType"] = bundle.OURS
    bench.key["hint"] = bench.envelope["signatures"][0]["keyid"] = EC.key_id
    bench.write("model.joblib.sig")
    assert refused() is errors.AlgorithmMismatchError


def test_an_ec_signature_under_the_name_of_an_ed25519_key_is_refused(bench):
    bench.top["mediaType"] = bundle.OURS
    bench.key["hint"] = bench.envelope["signatures"][0]["keyid"] = ED.key_id
    bench.write("model.joblib.sig")
    assert refused() is errors.BadSignatureError


@pytest.mark.parametrize("key", [ED, MAC], ids=["ed25519", "hmac"])
def test_a_bundle_of_ours_relabelled_as_sigstore_is_refused(key, plain):
    bench = Bench.of(ss.sign(plain, keyring=ss.Keyring([key])))
    bench.top["mediaType"] = bundle.SIGSTORE
    bench.write("model.joblib.sig")
    assert refused() is errors.AlgorithmMismatchError


def test_the_tag_of_an_artifact_is_none_of_a_file(plain):
    bench = Bench.of(ss.sign(plain, keyring=ss.Keyring([MAC])))
    payload = base64.b64decode(bench.envelope["payload"])
    message = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    tag = hmac.digest(MAC.subkey("artifact-signature"), message, "sha256")
    bench.envelope["signatures"][0]["sig"] = base64.b64encode(tag).decode()
    bench.write("model.joblib.sig")
    assert refused() is errors.BadSignatureError


# Key ids -----------------------------------------------------------------------------------------


def test_a_signature_that_names_two_keys_is_refused(bench):
    other = ss.EcdsaKey.generate()
    ring = ss.Keyring([EC, other])
    bench.envelope["signatures"][0]["keyid"] = other.key_id
    bench.write("model.joblib.sig")
    assert refused(ring=ring) is errors.AmbiguousKeyError
    bench.key["hint"] = "0" * 64
    bench.write("model.joblib.sig")
    assert refused(ring=ring) is errors.AmbiguousKeyError


def test_a_hint_beside_the_id_of_a_key_that_nobody_has_is_refused(bench):
    bench.envelope["signatures"][0]["keyid"] = ss.EcdsaKey.generate().key_id
    bench.write("model.joblib.sig")
    assert refused() is errors.AmbiguousKeyError
    bench.envelope["signatures"][0]["keyid"] = "as another tool names it"[:10].replace(" ", "-")
    bench.write("model.joblib.sig")
    assert ss.load("model.joblib", keyring=RING)


def test_numbers_are_no_texts(bench):
    bench.envelope["signatures"][0]["keyid"] = -0.5
    bench.write("model.joblib.sig")
    assert refused() is errors.CorruptArtifactError


def test_a_bundle_of_ours_that_names_two_keys_is_refused(plain):
    bench = Bench.of(ss.sign(plain, keyring=ss.Keyring([ED])))
    bench.key["hint"] = MAC.key_id
    bench.write("model.joblib.sig")
    assert refused() is errors.AmbiguousKeyError


@pytest.mark.parametrize(
    "name", ["a b", "x" * 257, "\u0000", "../../etc/passwd\n", 7, ["p256-00"], {"a": 1}, "\x1b[2J"]
)
def test_names_of_keys_have_one_form(name, bench):
    bench.key["hint"] = name
    bench.write("model.joblib.sig")
    assert refused() is errors.CorruptArtifactError


def test_a_key_that_the_bundle_brings_along_is_not_used(plain):
    stranger = ss.EcdsaKey.generate()
    bench = Bench.of(ss.sign(plain, keyring=ss.Keyring([stranger])))
    bench.key["rawBytes"] = base64.b64encode(stranger.public.spki).decode()
    del bench.key["hint"]
    bench.envelope["signatures"][0]["keyid"] = ""
    bench.write("model.joblib.sig")
    assert refused() is errors.UnknownKeyError


def test_another_key_with_the_hint_of_a_known_one_is_refused(plain):
    stranger = ss.EcdsaKey.generate()
    bench = Bench.of(ss.sign(plain, keyring=ss.Keyring([stranger])))
    bench.key["hint"] = hint_of(EC)
    bench.envelope["signatures"][0]["keyid"] = EC.key_id
    bench.write("model.joblib.sig")
    assert refused() is errors.BadSignatureError


# Signatures --------------------------------------------------------------------------------------


def test_stripped_signatures(bench, plain):
    bench.envelope["signatures"] = []
    bench.write("model.joblib.sig")
    assert refused() is errors.UnsignedError
    for content in (b"", b"\n", b"  \n \n"):
        (plain.parent / "model.joblib.sig").write_bytes(content)
        assert refused() is errors.UnsignedError


def test_lines_in_another_order_say_the_same(plain):
    for key in (EC, ED, MAC):
        made = ss.sign(plain, keyring=ss.Keyring([key]))
    lines = made.read_bytes().splitlines(keepends=True)
    before = ss.verify(plain, keyring=ALL)
    made.write_bytes(b"".join(reversed(lines)))
    after = ss.verify(plain, keyring=ALL)
    assert {one.key_id for one in after.signers} == {one.key_id for one in before.signers}
    assert len(after.signers) == 3


def test_a_line_taken_away_is_missed_where_two_are_asked_for(plain):
    entries = [
        KeyEntry(key=EC, state="active", principal="alice@example.org"),
        KeyEntry(key=ED, state="accepted", principal="bob@example.org"),
    ]
    two = ss.Policy.default().with_signers([ss.SignerRule(names=("*",), threshold=2)])
    ring = ss.Keyring(entries)
    ss.sign(plain, keyring=ring)
    made = ss.sign(plain, keyring=ss.Keyring([ED]))
    assert len(ss.verify(plain, keyring=ring, policy=two).signers) == 2
    assert ss.load(plain, keyring=ring, policy=two)
    made.write_bytes(made.read_bytes().splitlines(keepends=True)[0])
    error = refusal(lambda: ss.verify(plain, keyring=ring, policy=two))
    assert isinstance(error, errors.PolicyError)
    assert type(refusal(lambda: ss.load(plain, keyring=ring, policy=two))) is type(error)


def test_a_line_twice_and_two_lines_of_one_key_are_refused(plain):
    made = ss.sign(plain, keyring=RING)
    line = made.read_bytes()
    made.write_bytes(line + line)
    assert refused() is errors.DuplicateSignatureError
    again = Bench.of(made).signed(EC)  # ECDSA is randomised: another signature of the same
    made.write_bytes(line + json.dumps(again.top).encode() + b"\n")
    assert refused() is errors.DuplicateSignatureError


def test_two_signatures_in_a_bundle_are_refused(bench):
    bench.envelope["signatures"] *= 2
    bench.write("model.joblib.sig")
    assert refused() is errors.DuplicateSignatureError


def test_the_signature_of_another_file_is_refused(plain):
    other = plain.with_name("other.joblib")
    other.write_bytes(plain.read_bytes().replace(b"none", b"evil"))
    ss.sign(plain, keyring=RING).rename("other.joblib.sig")
    assert refused("other.joblib") is errors.ChangedFilesError


def test_the_signature_of_a_folder_is_none_of_a_file(folder, plain):
    ss.sign(folder, keyring=RING).rename("model.joblib.sig")
    assert refused() is errors.DigestMismatchError


def test_the_signature_of_a_file_is_none_of_a_folder(folder, plain):
    ss.sign(plain, keyring=RING).rename("model.sig")
    error = refusal(lambda: ss.verify(folder, keyring=RING))
    assert isinstance(error, errors.DigestMismatchError)


def test_one_bad_signature_spoils_the_file(plain):
    ss.sign(plain, keyring=RING)
    made = ss.sign(plain, keyring=ss.Keyring([ED]))
    first, second = made.read_bytes().splitlines(keepends=True)
    broken = json.loads(second)
    broken["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    made.write_bytes(first + json.dumps(broken).encode() + b"\n")
    assert refused() is errors.BadSignatureError


# Text --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"mediaType":', b'{"mediaType":"x","mediaType":'),
        (b'"payloadType":', b'"payloadType":"x","payloadType":'),
        (b'"sig":', b'"sig":"AAAA","sig":'),
        (b'{"hint":', b'{"hint":"","hint":'),
        (b'{"hint":', b'{"hint":"","\\u0068int":'),
    ],
)
def test_a_key_of_an_object_twice_is_refused(old, new, bench, plain):
    made = ss.sign(plain, keyring=RING)
    text = made.read_bytes()
    assert text.count(old) == 1
    made.write_bytes(text.replace(old, new))
    assert refused() is errors.DuplicateKeyError


def test_a_key_twice_in_the_statement_is_refused(bench):
    text = json.dumps(bench.said).replace('"predicate":', '"predicate":{},"predicate":').encode()
    bench.signed(EC, text).write("model.joblib.sig")
    assert refused() is errors.DuplicateKeyError


def loose(text):
    """Return the same bytes in base64 with a spare bit set."""
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".decode()
    body = text.rstrip("=")
    assert len(text) - len(body) in {1, 2}
    changed = body[:-1] + letters[letters.index(body[-1]) ^ 1] + "=" * (len(text) - len(body))
    assert base64.b64decode(changed) == base64.b64decode(text)
    return changed


@pytest.mark.parametrize(
    "change",
    [loose, lambda t: t.rstrip("="), lambda t: t + "=", lambda t: t + "\n", lambda t: " " + t,
     lambda t: t.replace("A", "-", 1) + "_", lambda _: "", lambda _: 7, lambda _: None,
     lambda t: t[:-4] + "é==="],
)  # fmt: skip
@pytest.mark.parametrize("where", ["payload", "sig"])
def test_base64_has_one_form(change, where, bench):
    # A statement and a signature whose length leaves spare bits.
    while True:
        bench.signed(EC, json.dumps(bench.said).encode())
        payload, signature = bench.envelope["payload"], bench.envelope["signatures"][0]["sig"]
        if not payload.endswith("="):
            bench.said["subject"][0]["annotations"]["pad"] = (
                bench.said["subject"][0]["annotations"].get("pad", "") + "x"
            )
        elif signature.endswith("="):
            break
    place = bench.envelope if where == "payload" else bench.envelope["signatures"][0]
    place[where] = change(place[where])
    bench.write("model.joblib.sig")
    assert refused() is errors.EncodingError


def test_deeply_nested_bundles_are_refused(plain):
    for text in (b"[" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
                 b'{"mediaType":' + b"[" * 40 + b"]" * 40 + b"}"):  # fmt: skip
        (plain.parent / "model.joblib.sig").write_bytes(text)
        assert refused() in {errors.LimitExceededError, errors.CorruptArtifactError}
    (plain.parent / "model.joblib.sig").write_bytes(b'{"mediaType":' + b"[" * 40 + b"]" * 40 + b"}")
    assert refused() is errors.LimitExceededError


def test_oversize_signature_files_are_refused(plain):
    made = ss.sign(plain, keyring=RING)
    line = made.read_bytes()
    with made.open("r+b") as file:
        file.truncate(bundle.MAX_SIGNATURE_FILE + 1)  # a hole: it takes no room
    assert refused() is errors.LimitExceededError
    made.write_bytes(line * (bundle.MAX_BUNDLES + 1))
    assert refused() is errors.LimitExceededError
    made.write_bytes(line + b"\n" * (bundle.MAX_LINES + 1) + line)
    assert refused() is errors.LimitExceededError
    made.write_bytes(b'{"mediaType":[' + b"0," * 2**19 + b"0]}")
    assert refused() is errors.LimitExceededError


@pytest.mark.parametrize(
    "text",
    [b"\xff\xfe", b"null", b"[]", b"7", b'"x"', b"{}", b"untrusted comment: minisign\nRWQ=\n",
     b"-----BEGIN PGP SIGNATURE-----\n", b'{"mediaType": NaN}', b'{"a": 1e999}', b"{}{}", b"{} {}",
     b'{"mediaType":"x","verificationMaterial":{},"dsseEnvelope":' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_other_texts_are_refused(text, plain):
    (plain.parent / "model.joblib.sig").write_bytes(text)
    assert issubclass(refused(), errors.FormatError)


def test_unknown_fields_are_refused(bench):
    for place in (bench.top, bench.top["verificationMaterial"], bench.key, bench.envelope):
        place["more"] = 1
        bench.write("model.joblib.sig")
        assert refused() is errors.CorruptArtifactError
        del place["more"]
    bench.write("model.joblib.sig")
    assert ss.load("model.joblib", keyring=RING)


@pytest.mark.parametrize("field", ["tlogEntries", "certificate", "timestampVerificationData"])
def test_keyless_bundles_are_refused_by_name(field, bench):
    value = [{"logIndex": "1"}] if field == "tlogEntries" else {"rawBytes": "AAAA"}
    bench.top["verificationMaterial"][field] = value
    bench.write("model.joblib.sig")
    assert refused() is errors.UnsupportedVersionError


@pytest.mark.parametrize("entries", [0, {}, "", False])
def test_entries_of_a_log_are_a_list(entries, bench):
    bench.top["verificationMaterial"]["tlogEntries"] = entries
    bench.write("model.joblib.sig")
    assert refused() is errors.UnsupportedVersionError


@pytest.mark.parametrize(
    ("where", "value"),
    [("_type", "https://in-toto.io/Statement/v0.1"), ("predicateType", "https://slsa.dev/provenance/v1"),
     ("subject", []), ("subject", [{"name": "x", "digest": {"sha256": "0" * 64}}] * 2),
     ("subject", [{"name": "x"}]), ("predicate", {}), ("predicate", None)],
)  # fmt: skip
def test_other_statements_are_refused(where, value, bench):
    bench.said[where] = value
    bench.signed(EC).write("model.joblib.sig")
    assert issubclass(refused(), errors.FormatError)


def test_a_root_digest_that_does_not_fit_is_refused(bench):
    bench.said["subject"][0]["digest"]["sha256"] = "0" * 64
    bench.signed(EC).write("model.joblib.sig")
    assert refused() is errors.DigestMismatchError


# Whose word counts -------------------------------------------------------------------------------


def test_revoked_and_retired_keys(plain):
    ss.sign(plain, keyring=RING)
    ss.sign(plain, keyring=ss.Keyring([ED]))
    assert refused(ring=ALL.revoke(EC.key_id)) is errors.RevokedKeyError  # whoever else signed
    lonely = ss.Keyring([EC])
    assert refused(ring=lonely.retire(EC.key_id)) is errors.RetiredKeyError
    assert refused(ring=ss.Keyring([ss.EcdsaKey.generate()])) is errors.UnknownKeyError


def test_dates_ages_and_versions(plain):
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)
    made = ss.sign(plain, keyring=RING, version="1.4")
    late = ss.Keyring([KeyEntry(key=EC, state="active", not_after=now - day)])
    assert refused(ring=late) is errors.ExpiredKeyError
    rule = ss.SignerRule(names=("model*",), max_age_days=1, min_version="1.5")
    policy = ss.Policy.default().with_signers([rule])
    assert isinstance(
        refusal(lambda: ss.verify(plain, keyring=RING, policy=policy)), errors.DowngradeError
    )
    bench = Bench.of(made)
    facts = bench.said["subject"][0]["annotations"]["safeserial/v1"]
    facts |= {"created": (now - 3 * day).strftime("%Y-%m-%dT%H:%M:%SZ"), "version": "1.5"}
    bench.signed(EC).write(made)
    assert isinstance(
        refusal(lambda: ss.verify(plain, keyring=RING, policy=policy)), errors.TooOldError
    )
    facts["created"] = (now + day).strftime("%Y-%m-%dT%H:%M:%SZ")
    bench.signed(EC).write(made)
    assert refused() is errors.PolicyError


def test_a_second_signature_makes_nothing_younger(plain):
    day = datetime.timedelta(days=1)
    old = (datetime.datetime.now(datetime.UTC) - 3 * day).strftime("%Y-%m-%dT%H:%M:%SZ")
    bench = Bench.of(ss.sign(plain, keyring=RING))
    bench.said["subject"][0]["annotations"]["safeserial/v1"]["created"] = old
    bench.signed(EC).write("model.joblib.sig")
    ss.sign(plain, keyring=ss.Keyring([ED]))
    policy = ss.Policy.default().with_signers([ss.SignerRule(names=("*",), max_age_days=1)])
    error = refusal(lambda: ss.verify(plain, keyring=ALL, policy=policy))
    assert isinstance(error, errors.TooOldError)


def test_signers_have_to_agree(plain):
    ss.sign(plain, keyring=RING, name="churn")
    ss.sign(plain, keyring=ss.Keyring([ED]), name="fraud")
    assert refused() is errors.PolicyError
    made = ss.sign(plain, keyring=ss.Keyring([ED]), name="churn")
    assert len(ss.verify(plain, keyring=ALL).signers) == 2
    bench = Bench.of(made, line=1)
    bench.said["predicate"]["resources"][0]["digest"] = "0" * 64
    bench.said["subject"][0]["digest"]["sha256"] = (
        "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
    )
    first = made.read_bytes().splitlines(keepends=True)[0]
    forged = json.dumps(bench.signed(ED).top).encode() + b"\n"
    made.write_bytes(first + forged)
    assert refused() is errors.ChangedFilesError  # of what one of the two signed
    made.unlink()
    ss.sign(plain, keyring=ss.Keyring([MAC]), name="churn")
    made.write_bytes(made.read_bytes() + forged)
    assert refused() is errors.DigestMismatchError  # before the file is read


def test_a_shared_secret_is_nobodys_second_opinion(plain):
    entries = [
        KeyEntry(key=EC, state="active", principal="alice@example.org"),
        KeyEntry(key=MAC, state="accepted", principal="bob@example.org"),
    ]
    two = ss.Policy.default().with_signers([ss.SignerRule(names=("*",), threshold=2)])
    ss.sign(plain, keyring=RING)
    ss.sign(plain, keyring=ss.Keyring([MAC]))
    error = refusal(lambda: ss.verify(plain, keyring=ss.Keyring(entries), policy=two))
    assert isinstance(error, errors.MissingSignersError)
