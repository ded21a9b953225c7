# SPDX-License-Identifier: BSD-3-Clause
"""Certificates: whose key is it, says an authority that the verifier names.

Floor 5.  A chain (RFC 5280) counts if it leads to a root that was given, is valid now, is made for
signing code, and names somebody who was named too: an authority speaks of many.  Paths are built
and signatures checked by ``cryptography``.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from safeserial.errors import CertificateError, KeyringError
from safeserial.files import StrPath, display, read_small
from safeserial.keys import PublicKey

MAX_ROOTS_BYTES: Final = 2**20
MAX_DEPTH: Final = 6
_LONGEST: Final = 256
_IDENTITIES: Final = "identities=['ml@example.com'], on the command line --identity ml@example.com"


@dataclass(frozen=True)
class Certified:
    """A signer that an authority names.

    Parameters
    ----------
    key : PublicKey
        Of the certificate.
    identity : str
        The accepted name.
    not_before, not_after : datetime
        Validity of the certificate.
    """

    key: PublicKey
    identity: str
    not_before: datetime.datetime
    not_after: datetime.datetime


class Roots:
    """Authorities, and whom of those that they speak of somebody trusts.

    Parameters
    ----------
    pem : bytes
        One or more certificates of authorities, in PEM.
    identities : iterable of str
        Names that a signer's certificate may have: mail addresses, host names or URIs among its
        alternative names, or its common name where it has none of these.  Compared exactly.

    Raises
    ------
    KeyringError
        If there is no certificate, or no name: an authority's word for somebody is no reason to
        trust him.
    """

    def __init__(self, pem: bytes, *, identities: Iterable[str]) -> None:
        from cryptography import x509

        if isinstance(identities, str):
            raise KeyringError("identities is a list of names", hint=_IDENTITIES)
        self.identities = frozenset(identities)
        if not self.identities or "" in self.identities:
            raise KeyringError(
                "roots are given without the names of those who may sign",
                hint=_IDENTITIES,
            )
        try:
            self._certificates = x509.load_pem_x509_certificates(pem)
        except ValueError:
            raise KeyringError("these are no certificates in PEM") from None

    @classmethod
    def from_file(cls, path: StrPath, *, identities: Iterable[str]) -> Self:
        """Read the authorities from a PEM file.

        Raises
        ------
        KeyringError
            As the constructor.
        UnreadableFileError
            If it cannot be read.
        """
        try:
            return cls(read_small(path, limit=MAX_ROOTS_BYTES), identities=identities)
        except KeyringError as error:
            raise KeyringError(f"{display(path)}: {error}", hint=error.hint) from None

    def __repr__(self) -> str:
        return f"<Roots {len(self._certificates)} for {', '.join(sorted(self.identities))}>"

    def certified(self, chain: tuple[bytes, ...], now: datetime.datetime) -> Certified:
        """Return whose key a chain is about.

        Parameters
        ----------
        chain : tuple of bytes
            Certificates in DER, the signer's first.
        now : datetime
            Timezone-aware.

        Raises
        ------
        CertificateError
            If it leads to no root, is not valid now, not for signing code, or names nobody who is
            accepted.
        """
        from cryptography import x509
        from cryptography.x509 import verification

        try:
            leaf, *others = [x509.load_der_x509_certificate(one) for one in chain]
            verifier = self._verifier(verification, now)
            verifier.verify(leaf, others)
            return Certified(
                _key_of(leaf),
                self._identity(leaf),
                leaf.not_valid_before_utc,
                leaf.not_valid_after_utc,
            )
        except verification.VerificationError as error:
            raise CertificateError(f"the certificate is not accepted: {_reason(error)}") from None
        except (ValueError, TypeError) as error:  # of certificates that are none
            raise CertificateError(f"the certificate is damaged: {type(error).__name__}") from None

    def _verifier(self, verification: Any, now: datetime.datetime) -> Any:
        from cryptography import x509

        if not hasattr(verification, "ExtensionPolicy"):
            raise KeyringError(
                "the installed cryptography cannot check certificates for signing code",
                hint="pip install -U cryptography; release 45 or later can",
            )
        agnostic = verification.Criticality.AGNOSTIC
        rules = verification.ExtensionPolicy.permit_all
        authority = (
            rules()
            .require_present(x509.BasicConstraints, agnostic, _is_authority)
            .require_present(x509.KeyUsage, agnostic, _signs_certificates)
            .may_be_present(x509.ExtendedKeyUsage, agnostic, _may_be_for_code)
        )
        signer = (
            rules()
            .require_present(x509.KeyUsage, agnostic, _signs)
            .require_present(x509.ExtendedKeyUsage, agnostic, _is_for_code)
            .may_be_present(x509.BasicConstraints, agnostic, _is_no_authority)
        )
        builder = verification.PolicyBuilder().store(verification.Store(self._certificates))
        builder = builder.time(now).max_chain_depth(MAX_DEPTH)
        return builder.extension_policies(
            ca_policy=authority, ee_policy=signer
        ).build_client_verifier()

    def _identity(self, leaf: Any) -> str:
        found = _names(leaf)
        accepted = sorted(found & self.identities)
        if accepted:
            return accepted[0]
        shown = ", ".join(sorted(one[:_LONGEST] for one in found)) or "nobody"
        raise CertificateError(
            f"the certificate names {shown[:400]}, who is not accepted",
            hint="if that is who should sign, add the name: identities=[...], --identity",
        )


def _reason(error: Exception) -> str:
    text = str(error).partition(" (encountered processing")[0]
    return text.replace("Python extension validator failed: ValueError: ", "")[:200]


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)  # becomes the reason of a VerificationError


def _is_authority(_policy: Any, _certificate: Any, extension: Any) -> None:
    _require(extension.ca, "an issuer is no authority")


def _signs_certificates(_policy: Any, _certificate: Any, extension: Any) -> None:
    _require(extension.key_cert_sign, "an issuer may not sign certificates")


def _may_be_for_code(_policy: Any, _certificate: Any, extension: Any) -> None:
    if extension is not None:
        _is_for_code(_policy, _certificate, extension)


def _signs(_policy: Any, _certificate: Any, extension: Any) -> None:
    _require(extension.digital_signature, "the key is not for signatures")


def _is_for_code(_policy: Any, _certificate: Any, extension: Any) -> None:
    from cryptography.x509.oid import ExtendedKeyUsageOID

    _require(ExtendedKeyUsageOID.CODE_SIGNING in extension, "the key is not for signing code")


def _is_no_authority(_policy: Any, _certificate: Any, extension: Any) -> None:
    _require(extension is None or not extension.ca, "the signer is an authority")


def _names(leaf: Any) -> set[str]:
    from cryptography import x509

    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return {str(one.value) for one in common}
    kinds = (x509.RFC822Name, x509.DNSName, x509.UniformResourceIdentifier)
    return {one for kind in kinds for one in names.get_values_for_type(kind)}


def _key_of(leaf: Any) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    spki = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        key = PublicKey.from_spki(spki)
    except KeyringError as error:
        raise CertificateError(f"the key of the certificate: {error}") from None
    if not key.curve:
        raise CertificateError("the key of the certificate is no EC key, as Model Signing wants it")
    return key
