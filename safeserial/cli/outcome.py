# SPDX-License-Identifier: BSD-3-Clause
"""How a command ends: one exit code and, where it failed, the two lines ``error:`` and ``hint:``.

Floor 8.  0 done or trusted; 1 refused; 2 could not tell (usage, format, input and output, keyring);
130 interrupted; 141 nobody listens any more.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from typing import Final, TextIO

import click

from safeserial.cli.render import printable, talk
from safeserial.errors import (
    KeyringError,
    ParityError,
    PolicyError,
    RollbackError,
    SafeSerialError,
    VerificationError,
)

DONE: Final = 0
REFUSED: Final = 1
UNKNOWN: Final = 2
INTERRUPTED: Final = 130
UNHEARD: Final = 141  # what a shell reports of a program ended by SIGPIPE
_HINTS: Final = (
    (PolicyError, "`safeserial inspect FILE` shows what is in it"),
    (KeyringError, "`safeserial keys list` shows the keyring"),
    (SafeSerialError, "`safeserial --help` lists the commands"),
    (OSError, "check the path, its permissions and the free space"),
    (MemoryError, "close other programs, or use a machine with more memory"),
)


class Misuse(click.UsageError):
    """The command was called in a way that makes no sense.

    Parameters
    ----------
    message : str
        What is wrong.
    hint : str
        What to type.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def code_of(error: BaseException) -> int:
    """Return the exit code of an error."""
    if isinstance(error, VerificationError | PolicyError | ParityError | RollbackError):
        return REFUSED
    return UNKNOWN


def hint_of(error: BaseException) -> str:
    """Return what the user can do about an error; never empty."""
    hint = getattr(error, "hint", "")
    if hint:
        return str(hint)
    for kind, general in _HINTS:
        if isinstance(error, kind):
            return general
    return "this is a bug of safeserial; SAFESERIAL_DEBUG=1 shows where it happened"


def message_of(error: BaseException) -> str:
    """Return what happened, in one line."""
    text = str(error)
    if isinstance(error, SafeSerialError) and text:
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return f"{type(error).__name__}: {text}"


def show(message: str, hint: str) -> None:
    """Print the two lines."""
    talk(f"error: {_line(message)}")
    talk(f"hint: {_line(hint)}")


def failed(error: BaseException) -> int:
    """Tell of an error; return its exit code."""
    if os.environ.get("SAFESERIAL_DEBUG") not in (None, "", "0"):
        talk(*map(printable, "".join(traceback.format_exception(error)).rstrip().split("\n")))
    show(message_of(error), hint_of(error))
    return code_of(error)


def misused(error: click.ClickException) -> int:
    """Tell of a wrong call; return its exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        talk(error.format_message())
        return UNKNOWN
    message = error.format_message().strip().removesuffix(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "safeserial"
    hint = getattr(error, "hint", "") or f"`{command} --help` shows how it is used"
    show(message[:1].lower() + message[1:], hint)
    return UNKNOWN


def interrupted() -> int:
    """Say that the user stopped the program."""
    talk("interrupted")
    return INTERRUPTED


def unheard() -> int:
    """Silence stdout after its reader has gone, so that closing it raises nothing more."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return UNHEARD
    return UNHEARD


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line of talk (see :func:`warnings.showwarning`)."""
    if file is not None:
        file.write(warnings.formatwarning(message, category, filename, lineno, line))
    else:
        talk(f"warning: {_line(str(message))}")


def _line(text: str) -> str:
    return printable(" ".join(text.split("\n")).strip())
