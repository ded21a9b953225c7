# SPDX-License-Identifier: BSD-3-Clause
"""Passphrases and PINs: from a variable, from a private file, or typed where nobody sees them.

Floor 2.  Never from a command line, which every process can read and the shell keeps.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

from safeserial.errors import KeyringError
from safeserial.files import StrPath, display, read_small

PASSPHRASE_VARIABLE: Final = "SAFESERIAL_PASSPHRASE"  # noqa: S105 - the name of a variable
PIN_VARIABLE: Final = "SAFESERIAL_PIN"
MAX_SECRET_BYTES: Final = 1024


def from_file(path: StrPath) -> bytes:
    """Return the first and only line of a file that nobody else can read.

    Raises
    ------
    KeyringError
        If the file is empty or has more than one line.
    UnreadableFileError
        If it is missing, not regular, or open to others.
    LimitExceededError
        If it has more than 1024 bytes.
    """
    line = read_small(path, limit=MAX_SECRET_BYTES, private=True)
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    if not line or b"\n" in line:
        raise KeyringError(
            f"{display(path)} does not hold one line", hint="write the secret as its only line"
        )
    return line


def from_environment(variable: str, environ: Mapping[str, str] | None = None) -> bytes | None:
    """Return what a variable holds, or the file that the variable with ``_FILE`` names.

    Parameters
    ----------
    variable : str
        Its name.
    environ : mapping, optional
        The environment; the process's own by default.

    Returns
    -------
    bytes or None
        None where neither variable is set.

    Raises
    ------
    KeyringError, UnreadableFileError, LimitExceededError
        As :func:`from_file`.
    """
    environ = os.environ if environ is None else environ
    if value := environ.get(variable):
        return os.fsencode(value)
    if path := environ.get(f"{variable}_FILE"):
        return from_file(path)
    return None


def typed(question: str) -> bytes | None:
    """Ask at the terminal without showing the answer; None where there is no terminal."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    import getpass
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would show the answer
        try:
            return getpass.getpass(f"{question}: ", stream=sys.stderr).encode("utf-8")
        except (EOFError, UnicodeError, getpass.GetPassWarning):
            return None


def needed(variable: str, question: str, environ: Mapping[str, str] | None = None) -> bytes:
    """Return a secret from the environment, else from the terminal.

    Parameters
    ----------
    variable : str
        As in :func:`from_environment`.
    question : str
        What a person is asked.
    environ : mapping, optional
        The environment; the process's own by default.

    Raises
    ------
    KeyringError
        If there is neither, or the answer is empty.
    """
    found = from_environment(variable, environ) or typed(question)
    if not found:
        raise KeyringError(
            f"no answer to: {question}",
            hint=f"set {variable}_FILE to a file of mode 0600, or {variable}, or ask at a terminal",
        )
    return found
