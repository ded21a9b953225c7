# SPDX-License-Identifier: BSD-3-Clause
"""A token behind PKCS#11 (SoftHSM) in a folder of the tests, with keys that were born in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
LABEL = "model team"
PIN = "271828"
KEYS = {2: "secp256r1", 3: "secp384r1", 4: "secp521r1"}
RSA = 5


@dataclass(frozen=True)
class Token:
    """Where the token is, and what a process needs to use it."""

    environment: dict[str, str]
    pin_file: Path

    def uri(self, number: int) -> str:
        """Return the address of a key."""
        return f"hsm:{number}?label={LABEL.replace(' ', '+')}"


@pytest.fixture(scope="session")
def made_token(tmp_path_factory):
    """Make the token once a worker; its library is loaded once a process."""
    library = next((one for one in LIBRARIES if Path(one).exists()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (Debian: softhsm2)")
    pkcs11 = pytest.importorskip("pkcs11", reason="the extra [kms] is not installed")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    environment = {"SOFTHSM2_CONF": str(settings), "PYKCS11LIB": library}
    subprocess.run(
        [
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            LABEL,
            "--pin",
            PIN,
            "--so-pin",
            PIN,
        ],
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
    )
    pin_file = folder / "pin"
    pin_file.write_text(f"{PIN}\n")
    pin_file.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        born(pkcs11, library)
        yield Token(environment, pin_file)


def born(pkcs11, library):
    """Make the keys inside the token."""
    from pkcs11 import Attribute, KeyType
    from pkcs11.util.ec import encode_named_curve_parameters

    token = pkcs11.lib(library).get_token(token_label=LABEL)
    with token.open(rw=True, user_pin=PIN) as session:
        for number, curve in KEYS.items():
            named = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
            parameters = session.create_domain_parameters(KeyType.EC, named, local=True)
            parameters.generate_keypair(store=True, id=bytes((number,)), label=curve)
        session.generate_keypair(KeyType.RSA, 2048, store=True, id=bytes((RSA,)), label="rsa")


@pytest.fixture
def token(made_token, monkeypatch):
    """The token, and its PIN in a file that the environment names."""
    for name, value in made_token.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SAFESERIAL_PIN", raising=False)
    monkeypatch.setenv("SAFESERIAL_PIN_FILE", str(made_token.pin_file))
    return made_token
