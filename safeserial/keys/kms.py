# SPDX-License-Identifier: BSD-3-Clause
"""A key that another machine keeps: a token behind PKCS#11, a cloud's key service, a vault.

Floor 2.  What stands in a ring is an address and the public half, no secret.  The work is done by
securesystemslib (https://github.com/secure-systems-lab/securesystemslib), and only its signers for
such services can be reached from here; credentials are those that each service's own tools use.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, ClassVar, Final

from safeserial.errors import KeyringError, MissingExtraError, SafeSerialError
from safeserial.keys.asking import PIN_VARIABLE, needed
from safeserial.keys.kinds import BY_LABEL
from safeserial.keys.protocol import Unpicklable
from safeserial.keys.public_key import PublicKey

PREFIX: Final = "safeserial-kms-v1:"
_SHOWN: Final = 300
# What may stand in an address.  Its host, if any, is one of the service's own: a ring from
# elsewhere shall not choose where this machine's credentials are sent.
_ADDRESSES: Final = {
    "hsm": re.compile(r"hsm:(?P<id>[0-9]{0,9})(?:\?label=(?P<label>[A-Za-z0-9+%._~-]{1,200}))?\Z"),
    "awskms": re.compile(r"awskms:(?P<id>[A-Za-z0-9:/_-]{1,300})\Z"),
    "gcpkms": re.compile(r"gcpkms:(?P<id>projects/[A-Za-z0-9:._/-]{1,300})\Z"),
    "azurekms": re.compile(
        r"azurekms://(?P<vault>[A-Za-z0-9-]{1,64})\.vault\.azure\.net"
        r"/keys/(?P<id>[A-Za-z0-9-]{1,127})(?:/(?P<version>[A-Za-z0-9]{1,64}))?\Z"
    ),
    "hv": re.compile(r"hv:(?P<id>[A-Za-z0-9._-]{1,200})(?:/(?P<version>[0-9]{1,9}))?\Z"),
}
_EXTRAS: Final = {"hv": "vault"}  # of securesystemslib, where they are called otherwise
_CLASSES: Final = {
    "hsm": "HSMSigner",
    "awskms": "AWSSigner",
    "gcpkms": "GCPSigner",
    "azurekms": "AzureSigner",
    "hv": "VaultSigner",
}


class KmsKey(Unpicklable):
    """A private key in a key service, and its public half here.

    Parameters
    ----------
    uri : str
        Where it is: ``hsm:2?label=team``, ``awskms:alias/models``, ``gcpkms:projects/…``,
        ``azurekms://VAULT.vault.azure.net/keys/NAME/VERSION`` or ``hv:NAME/VERSION``.
    public : PublicKey
        Its public half, ECDSA or Ed25519.  :meth:`connect` asks the service for it.

    Raises
    ------
    KeyringError
        If the address has another form, or the kind is one that such services sign otherwise.
    """

    can_sign: ClassVar[bool] = True
    __slots__ = ("_pin", "_public", "_uri")

    def __init__(self, uri: str, public: PublicKey) -> None:
        _address(uri)
        if type(public) is not PublicKey or public.label == "ml-dsa-65":
            raise KeyringError(
                "a key in a key service is ECDSA or Ed25519",
                hint="securesystemslib has ML-DSA sign a digest, which is another algorithm",
            )
        self._uri = uri
        self._public = public
        self._pin: str | None = None

    @classmethod
    def connect(cls, uri: str) -> KmsKey:
        """Ask a service for the public half of a key.

        Parameters
        ----------
        uri : str
            As for the class; the version may be left out.

        Raises
        ------
        KeyringError
            If the service cannot be reached, refuses, or the key is of another kind (RSA, say).
        MissingExtraError
            If the extra ``[kms]`` is not installed.
        """
        scheme, parts = _address(uri)
        importing = getattr(_library(), _CLASSES[scheme]).import_
        pin = _Pin()
        with _Failures(uri):
            if scheme == "hsm":
                label = parts["label"]
                found, key = importing(
                    int(parts["id"]) if parts["id"] else None,
                    None if label is None else _unquoted(label),
                    pin,
                )
            elif scheme == "azurekms":
                found, key = importing(parts["vault"], parts["id"])
            else:
                found, key = importing(parts["id"])
        if parts.get("version") and not found.endswith(f"/{parts['version']}"):
            raise KeyringError(
                f"the service gave its newest version of the key, {found[-_SHOWN:]}",
                hint="leave the version out, or give the public half of the one you mean",
            )
        if key.keytype not in ("ecdsa", "ed25519"):
            raise KeyringError(
                f"the key is of kind {str(key.keytype)[:40]!r}",
                hint="make a key for ECDSA on P-256, P-384 or P-521, or Ed25519",
            )
        text = key.keyval["public"]
        if key.keytype == "ed25519":
            public = PublicKey("ed25519", bytes.fromhex(text))
        else:
            public = PublicKey.from_pem(text)
        made = cls(found, public)
        made._pin = pin.known
        return made

    @classmethod
    def from_text(cls, text: str) -> KmsKey:
        """Read the one-line form.

        Raises
        ------
        KeyringError, WeakKeyError
            If it is none.
        """
        line = text.strip()
        label, _, rest = line.removeprefix(PREFIX).partition(":")
        coded, _, uri = rest.partition(":")
        if not line.startswith(PREFIX) or label not in BY_LABEL:
            raise KeyringError("this is no key of a key service")
        try:
            raw = base64.b64decode(coded, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise KeyringError("the public half is not valid base64url") from None
        key = cls(uri, PublicKey(label, raw))
        if key.to_text() != line:
            raise KeyringError("the public half is not in the canonical base64url form")
        return key

    @property
    def uri(self) -> str:
        """Where the private half is."""
        return self._uri

    @property
    def public(self) -> PublicKey:
        """The half that verifies."""
        return self._public

    @property
    def algorithm(self) -> str:
        """Name of the signature algorithm."""
        return self.public.algorithm

    @property
    def label(self) -> str:
        """Short name of the kind."""
        return self.public.label

    @property
    def key_id(self) -> str:
        """The id of the public half."""
        return self.public.key_id

    def to_text(self) -> str:
        """Return the one-line form: kind, public half and address.  It holds no secret."""
        half = self.public.to_text().rpartition(":")[2]
        return f"{PREFIX}{self.label}:{half}:{self.uri}"

    def ask(self, message: bytes) -> bytes:
        """Have the service sign; what comes back is not checked here.

        Raises
        ------
        KeyringError
            If the service cannot be reached or refuses.
        MissingExtraError
            If the extra ``[kms]`` is not installed.
        """
        library = _library()
        pin = _Pin(self._pin)
        try:
            with _Failures(self.uri):
                known = library.SSlibKey.from_crypto(self.public.handle)
                scheme = self.uri.partition(":")[0]
                kind = getattr(library, _CLASSES[scheme])
                remote = kind.from_priv_key_uri(self.uri, known, pin)
                signature: str = remote.sign(message).signature
                value = bytes.fromhex(signature)
        except KeyringError:
            self._pin = None  # a wrong one is not tried again until the token is locked
            raise
        self._pin = pin.known
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KmsKey):
            return NotImplemented
        return (self.uri, self.public) == (other.uri, other.public)

    def __hash__(self) -> int:
        return hash(self.key_id)

    def __repr__(self) -> str:
        return f"<KmsKey {self.key_id} in {self.uri.partition(':')[0]}>"


class _Pin:
    """Asks for the PIN of a token once."""

    def __init__(self, known: str | None = None) -> None:
        self.known = known

    def __call__(self, what: str) -> str:
        if self.known is None:
            given = needed(PIN_VARIABLE, f"{what.upper()[:20]} of the token")
            try:
                self.known = given.decode("utf-8")
            except UnicodeDecodeError:
                raise KeyringError("the PIN is not text", hint="write it in UTF-8") from None
        return self.known


class _Failures:
    """Turns whatever a service's library raises into KeyringError."""

    def __init__(self, uri: str) -> None:
        self._scheme = uri.partition(":")[0]

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, SafeSerialError) or not isinstance(error, Exception):
            return
        if type(error).__name__ == "UnsupportedLibraryError":
            extra = _EXTRAS.get(self._scheme, self._scheme)
            raise KeyringError(
                f"the library for {self._scheme}: is not installed",
                hint=f"pip install 'securesystemslib[{extra}]'",
            ) from None
        text = " ".join(f"{type(error).__name__}: {error}".split())
        shown = text if text.isprintable() else ascii(text)
        raise KeyringError(
            f"the key service ({self._scheme}:) failed: {shown[:_SHOWN]}", hint=_HINTS[self._scheme]
        ) from None


_HINTS: Final = {
    "hsm": "PYKCS11LIB names the token's library; check its label, the key's number and the PIN",
    "awskms": "check the key's name and AWS's credentials and region: aws sts get-caller-identity",
    "gcpkms": "check the key's name and Google's credentials: gcloud auth list",
    "azurekms": "check the key's name and Azure's credentials: az account show",
    "hv": "check the key's name, and VAULT_ADDR and VAULT_TOKEN",
}


def _address(uri: str) -> tuple[str, dict[str, str | None]]:
    scheme = uri.partition(":")[0]
    found = _ADDRESSES[scheme].match(uri) if scheme in _ADDRESSES else None
    if found is None:
        raise KeyringError(
            f"{str(uri)[:80]!r} is no address of a key in a key service",
            hint="hsm:ID?label=TOKEN, awskms:KEY, gcpkms:projects/…, "
            "azurekms://VAULT.vault.azure.net/keys/NAME, hv:NAME",
        )
    return scheme, found.groupdict()


def _unquoted(label: str) -> str:
    from urllib.parse import unquote_plus

    return unquote_plus(label)


def _library() -> Any:
    try:
        import securesystemslib.signer
    except ImportError:
        raise MissingExtraError("kms", "a key in a key service") from None
    return securesystemslib.signer
