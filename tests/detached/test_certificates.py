# SPDX-License-Identifier: BSD-3-Clause
"""Chains of certificates: root, validity, purpose and name are all asked for."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import safeserial as ss
from safeserial import errors
from tests.detached.conftest import refusal

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)
CODE = ExtendedKeyUsageOID.CODE_SIGNING
WHO = "ml@example.org"


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A key with a certificate, which certifies others."""

    def __init__(self, title, issuer=None, *, begin=NOW - DAY, end=NOW + DAY, depth=None, **uses):
        self.title, self.key = title, ec.generate_private_key(ec.SECP256R1())
        self.certificate = (issuer or self).certify(
            title, self.key, authority=True, begin=begin, end=end, depth=depth, **uses
        )

    def certify(self, title, key, *, authority=False, begin=NOW - DAY, end=NOW + DAY, purpose=CODE,
                signs=True, depth=None, mail=None, strange=False):  # fmt: skip
        builder = (
            x509.CertificateBuilder().subject_name(name(title)).issuer_name(name(self.title))
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(begin).not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=depth), critical=True)
        )  # fmt: skip
        uses = [signs and not authority, False, False, False, False, signs and authority, False]
        builder = builder.add_extension(x509.KeyUsage(*uses, False, False), critical=True)
        if purpose and not authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if mail:
            names = x509.SubjectAlternativeName([x509.RFC822Name(mail)])
            builder = builder.add_extension(names, critical=False)
        if strange:
            oid = x509.ObjectIdentifier("1.2.3.4.5")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, b"\5\0"), critical=True)
        return builder.sign(self.key, hashes.SHA256())


ROOT = Authority("root")
MIDDLE = Authority("middle", ROOT)


def pem(*certificates):
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


@pytest.fixture
def sign(plain, model_signing):
    """Sign ``model.joblib`` with a certificate by their command line, which checks nothing."""

    def by_them(key, leaf, chain):
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (plain.parent / "key.pem").write_bytes(secret)
        (plain.parent / "leaf.pem").write_bytes(pem(leaf))
        order = ["sign", "certificate", plain, "--signature", f"{plain}.sig"]
        order += ["--private_key", "key.pem", "--signing_certificate", "leaf.pem"]
        for number, one in enumerate(chain):
            (plain.parent / f"chain-{number}.pem").write_bytes(pem(one))
            order += ["--certificate_chain", f"chain-{number}.pem"]
        code, said = model_signing(*order)
        assert code == 0, said

    return by_them


def verify(root=ROOT, who=WHO, ring=None):
    roots = ss.Roots(pem(root.certificate), identities=[who])
    return ss.verify("model.joblib", roots=roots, keyring=ring)


def test_a_chain_that_they_wrote_is_accepted_for_whom_was_named(sign):
    key = ec.generate_private_key(ec.SECP384R1())
    sign(key, MIDDLE.certify("somebody", key, mail=WHO), [MIDDLE.certificate, ROOT.certificate])
    verified = verify()
    assert [one.principal for one in verified.signers] == [WHO]
    assert verified.signers[0].algorithm == "ecdsa-p384-sha384"
    error = refusal(lambda: verify(who="somebody"))  # its common name, beside a name that counts
    assert type(error) is errors.CertificateError
    assert WHO in str(error)
    error = refusal(lambda: verify(root=Authority("root")))
    assert type(error) is errors.CertificateError
    error = refusal(lambda: ss.verify("model.joblib", keyring=ss.Keyring()))
    assert (
        type(error) is errors.UnknownKeyError
    )  # their default, the system's authorities, is none here
    assert "--roots" in error.hint
    half = ss.PublicKey.from_pem(key.public_key().public_bytes(Encoding.PEM, _spki()))
    revoked = ss.Keyring([half]).revoke(half.key_id)
    assert type(refusal(lambda: verify(ring=revoked))) is errors.RevokedKeyError


def _spki():
    from cryptography.hazmat.primitives.serialization import PublicFormat

    return PublicFormat.SubjectPublicKeyInfo


def case(**changes):
    key = ec.generate_private_key(ec.SECP256R1())
    return [MIDDLE.certify(WHO, key, **changes), MIDDLE.certificate]


def unsigned_issuer():
    key = ec.generate_private_key(ec.SECP256R1())
    fake = Authority("middle")  # the right name, and nobody's word for it
    return [fake.certify(WHO, key), MIDDLE.certificate]


def through(authority, *more):
    return [
        authority.certify(WHO, ec.generate_private_key(ec.SECP256R1())),
        authority.certificate,
        *more,
    ]


def signed_by_a_signer():
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    signer = Authority("signer", ROOT)
    signer.certificate = ROOT.certify("signer", signer.key)  # may sign code, and nothing else
    return [signer.certify(WHO, leaf_key), signer.certificate]


SHORT = Authority("short", ROOT, depth=0)
BAD = {
    "expired in 2017": lambda: case(begin=NOW - 4000 * DAY, end=NOW - 3000 * DAY),
    "not yet valid": lambda: case(begin=NOW + DAY, end=NOW + 2 * DAY),
    "for servers": lambda: case(purpose=ExtendedKeyUsageOID.SERVER_AUTH),
    "for anything": lambda: case(purpose=ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE),
    "no purpose": lambda: case(purpose=None),
    "not for signatures": lambda: case(signs=False),
    "critical and unknown": lambda: case(strange=True),
    "somebody else": lambda: case(mail="eve@example.org"),
    "no issuer": lambda: case()[:1],
    "forged issuer": unsigned_issuer,
    "issuer is no authority": signed_by_a_signer,
    "issuer may not certify": lambda: through(Authority("middle", ROOT, signs=False)),
    "issuer has expired": lambda: through(
        Authority("old", ROOT, begin=NOW - 9 * DAY, end=NOW - DAY)
    ),
    "chain too long for its issuer": lambda: through(Authority("low", SHORT), SHORT.certificate),
    "an authority itself": lambda: [ROOT.certificate],
    "signs itself": lambda: [Authority(WHO).certificate],
    "ed25519": lambda: [
        MIDDLE.certify(WHO, ed25519.Ed25519PrivateKey.generate()), MIDDLE.certificate,
    ],
}  # fmt: skip


@pytest.mark.parametrize("chain", list(BAD))
def test_chains_that_are_not_accepted(chain):
    roots = ss.Roots(pem(ROOT.certificate), identities=[WHO])
    ders = tuple(one.public_bytes(Encoding.DER) for one in BAD[chain]())
    error = refusal(lambda: roots.certified(ders, NOW))
    assert type(error) is errors.CertificateError
    assert "ValueError" not in str(error)


def test_an_expired_root_is_none(plain):
    old = Authority("root", begin=NOW - 9 * DAY, end=NOW - DAY)
    key = ec.generate_private_key(ec.SECP256R1())
    ders = (old.certify(WHO, key).public_bytes(Encoding.DER),)
    roots = ss.Roots(pem(old.certificate), identities=[WHO])
    assert type(refusal(lambda: roots.certified(ders, NOW))) is errors.CertificateError
    good = tuple(one.public_bytes(Encoding.DER) for one in case())
    assert ss.Roots(pem(ROOT.certificate), identities=[WHO]).certified(good, NOW).identity == WHO


@pytest.mark.parametrize("junk", [b"", b"0", b"\x30\x82", b"\x30\x03\x02\x01\x01", bytes(500)])
def test_junk_is_no_certificate(junk):
    roots = ss.Roots(pem(ROOT.certificate), identities=[WHO])
    assert type(refusal(lambda: roots.certified((junk,), NOW))) is errors.CertificateError


@pytest.mark.parametrize("order", [{"identities": []}, {"identities": WHO}, {"identities": [""]}])
def test_roots_without_names_are_refused(order):
    refusal(lambda: ss.Roots(pem(ROOT.certificate), **order))


def test_roots_come_from_a_file_of_certificates(tmp_path):
    (tmp_path / "ca.pem").write_bytes(pem(ROOT.certificate, MIDDLE.certificate))
    assert "2 for" in repr(ss.Roots.from_file(tmp_path / "ca.pem", identities=[WHO]))
    (tmp_path / "ca.pem").write_text("nothing")
    error = refusal(lambda: ss.Roots.from_file(tmp_path / "ca.pem", identities=[WHO]))
    assert isinstance(error, errors.KeyringError)


def test_the_signature_under_a_good_certificate_has_to_fit(sign):
    key = ec.generate_private_key(ec.SECP256R1())
    sign(key, MIDDLE.certify("x", key, mail=WHO), [MIDDLE.certificate])
    from tests.detached.conftest import EC, Bench

    Bench.of("model.joblib.sig").signed(EC).write("model.joblib.sig")
    assert type(refusal(verify)) is errors.BadSignatureError
