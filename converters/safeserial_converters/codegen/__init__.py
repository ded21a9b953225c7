# SPDX-License-Identifier: BSD-3-Clause
"""Ready-to-run projects in other languages, each for one verified model.

Floor 7, beside the command line.  :func:`generate` is the door; `project.py` says how a language
is added.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from safeserial.errors import ConversionError, WriteFailedError
from safeserial.files import StrPath, display

if TYPE_CHECKING:
    from safeserial.keyring import Keyring
    from safeserial.policy import Policy
    from safeserial_converters.codegen.project import Project

__all__ = ["generate", "languages"]

_PART: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}|\.gitignore"
_PATH: Final = re.compile(rf"(?:(?:{_PART})/){{0,12}}(?:{_PART})")


def languages() -> tuple[str, ...]:
    """Return what `lang` of :func:`generate` may be: the languages that have a module here."""
    from safeserial_converters.codegen.project import LANGUAGES

    found = (
        name
        for name, module in LANGUAGES.items()
        if importlib.util.find_spec(f"{__name__}.{module}") is not None
    )
    return tuple(found)


def generate(
    model: StrPath,
    folder: StrPath,
    *,
    lang: str,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    trusted: Iterable[str] = (),
    signature: StrPath | None = None,
) -> Path:
    """Write a project that verifies and runs one signed ONNX model in another language.

    The project holds the client's sources, the model with its signature and its signer's public
    key, a record type with a field a column, a program that reads rows and prints answers, a test
    and a README.  It needs nothing of Python's, and verifies the model each time it starts.

    Parameters
    ----------
    model : str or path-like
        A signed artifact with an ONNX payload, or an ``.onnx`` file with its signature beside it.
        It is verified and admitted first.
    folder : str or path-like
        Where the project shall stand: a folder that is not there yet, or an empty one.
    lang : str
        One of :func:`languages`: ``"js"``, ``"c"``, ``"go"``, ``"rust"``, ``"java"``, ``"csharp"``.
    keyring : Keyring, optional
        The keys whose word counts.  Default: the ring that the environment names.
    policy : Policy, optional
        What is accepted.  Default: :meth:`safeserial.Policy.default`.
    trusted : iterable of str
        Operators to accept beside the policy's: models of texts need ``com.microsoft.Tokenizer``.
    signature : str or path-like, optional
        The signature file, if it is not the model's path with ``.sig`` added.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FormatError, VerificationError, PolicyError
        If the model is damaged, unsigned, not signed by a key of the ring, or not admitted.
    ConversionError
        If there is no such language, or the folder is not empty.
    UnsupportedModelError
        If it is no ONNX model, if rows cannot be given to it as records, or if the language lacks
        what it is signed or hashed with.
    KeyringError
        If no signer's key is of a kind that the clients read.
    MissingExtraError
        If onnxruntime is not installed.
    WriteFailedError
        If the project cannot be written; nothing is left then.
    """
    if lang not in languages():
        raise ConversionError(
            f"there is no language {lang!r}", hint=f"choose one of: {', '.join(languages())}"
        )
    target = _free(folder)
    files = _files(lang, _project(model, keyring, policy, trusted, signature))
    with _beside(target) as passing:
        _write(passing, files)
    return target


def _project(
    model: StrPath,
    keyring: Keyring | None,
    policy: Policy | None,
    trusted: Iterable[str],
    signature: StrPath | None,
) -> Project:
    from safeserial.keyring import Keyring
    from safeserial.policy import Policy
    from safeserial_converters.codegen.reading import read_project

    return read_project(
        model,
        keyring=Keyring.from_env() if keyring is None else keyring,
        policy=(Policy.default() if policy is None else policy).trusting(trusted),
        signature=signature,
    )


def _files(lang: str, project: Project) -> Mapping[str, bytes]:
    from safeserial_converters.codegen.project import LANGUAGES

    module = importlib.import_module(f"{__name__}.{LANGUAGES[lang]}")
    files: dict[str, bytes] = module.files(project)
    if odd := [name for name in files if not _PATH.fullmatch(name) or "/../" in f"/{name}/"]:
        raise ConversionError(f"{lang}: {odd[0]!r} is no name of a file of a project")
    return files


def _free(folder: StrPath) -> Path:
    try:
        target = Path(os.path.realpath(folder))
        free = not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir()))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WriteFailedError(f"cannot write {display(folder)}: {reason}") from error
    if not free:
        raise ConversionError(
            f"{display(folder)} is there already, and is no empty folder",
            hint="name a folder that is not there yet",
        )
    return target


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Give a folder to fill beside `target`, which it becomes at the end, or is removed."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        passing = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.", dir=target.parent))
        try:
            yield passing
            passing.chmod(0o755)
            with contextlib.suppress(FileNotFoundError):
                target.rmdir()  # which it does only to an empty one
            passing.rename(target)
        finally:
            shutil.rmtree(passing, ignore_errors=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WriteFailedError(f"cannot write {display(target)}: {reason}") from error


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
