# SPDX-License-Identifier: BSD-3-Clause
"""Every refusal of safeserial: one class a reason, each with a hint and its data.

Floor 1: imports nothing of the project.  A caller can catch :class:`SafeSerialError` and knows that
nothing else comes out of the library, whatever the bytes were.
"""

from __future__ import annotations

from collections.abc import Sequence


class SafeSerialError(Exception):
    """Base of all errors of the project.

    Parameters
    ----------
    message : str
        What happened, in one sentence.
    hint : str, optional
        What the reader can do about it; printed by the command line after ``hint:``.
    """

    hint: str = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class FormatError(SafeSerialError):
    """The bytes are not what they should be, before any question of trust."""


class NotAnArtifactError(FormatError):
    """The file is not a safeserial artifact (or not a model file at all)."""

    hint = "a legacy .pkl or .joblib file is opened with load_unsigned(), or signed with `pack`"


class UnsupportedVersionError(FormatError):
    """The file was written by a newer version of the format."""

    hint = "upgrade with: pip install -U safeserial-toolkit"


class CorruptArtifactError(FormatError):
    """The file is damaged: cut short, extended, or not in the canonical form."""

    hint = "fetch or copy the file again; it must never be edited or re-zipped"


class LimitExceededError(FormatError):
    """A declared or real size is over what the policy allows."""

    hint = "if you trust the source, raise the limit: Policy.default().with_limits(...)"


class VerificationError(SafeSerialError):
    """The file could not be shown to come from a key that the keyring accepts."""


class UnsignedError(VerificationError):
    """There is no signature where one is needed."""

    hint = "ask the sender for a signed artifact; a legacy file is opened with load_unsigned()"


class BadSignatureError(VerificationError):
    """A signature by a known key does not fit the manifest: the file was altered."""

    hint = "the file was changed after it was signed, or the key is another one; do not load it"


class UnknownKeyError(VerificationError):
    """No key of the keyring made any of the signatures.

    Attributes
    ----------
    key_ids : tuple of str
        The key ids that the file names.
    """

    hint = "add the sender's key to the keyring if you trust it; `safeserial keys list` shows yours"

    def __init__(
        self, message: str, *, key_ids: Sequence[str] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.key_ids = tuple(key_ids)


class RetiredKeyError(VerificationError):
    """The signing key is retired: it was good once and vouches for nothing new.

    Attributes
    ----------
    key_id : str
        The key that made the signature.
    """

    hint = "ask the sender to sign the model again with the key in use now"

    def __init__(self, message: str, *, key_id: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.key_id = key_id


class ExpiredKeyError(RetiredKeyError):
    """The signing key's last day of validity has passed."""


class KeyNotYetValidError(VerificationError):
    """The signing key's first day of validity has not come."""

    hint = "check this machine's clock and the key's not_before date"

    def __init__(self, message: str, *, key_id: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.key_id = key_id


class RevokedKeyError(VerificationError):
    """The signing key is revoked (compromised): nothing it signed is to be trusted.

    Attributes
    ----------
    key_id : str
        The key that made the signature.
    """

    hint = "do not load the file; ask the sender for one signed by another key"

    def __init__(self, message: str, *, key_id: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.key_id = key_id


class DigestMismatchError(VerificationError):
    """The payload's bytes are not those that the signed manifest names."""

    hint = "the file was changed or damaged after it was signed; fetch it again"


class DuplicateKeyError(CorruptArtifactError):
    """A JSON object in a signature file has a key twice: two readers would read two things."""


class EncodingError(CorruptArtifactError):
    """Base64 in a signature file is not in its one canonical form."""


class DuplicateSignatureError(VerificationError):
    """A signature file or one bundle of it holds two signatures of one key."""

    hint = "each key signs once: ask the sender to sign again"


class AmbiguousKeyError(VerificationError):
    """A signature names two different keys as its maker."""

    hint = "the signature file was put together by somebody else than the signer; do not use it"


class AlgorithmMismatchError(VerificationError):
    """A signature is labelled as of one algorithm, and the key that it names is of another."""

    hint = "the algorithm is always the key's own; do not use the file"


class CertificateError(VerificationError):
    """A certificate does not lead to a given root, is out of date, or is for another purpose."""

    hint = "ask the sender for a certificate that is valid and made for signing code"


class UnsafeFolderError(VerificationError):
    """A folder holds what no signature of it can describe exactly.

    Attributes
    ----------
    names : tuple of str
        What it is about, relative to the folder.
    """

    hint = "take it out of the folder"

    def __init__(self, message: str, *, names: Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.names = tuple(names)


class EscapingNameError(UnsafeFolderError):
    """A name would lead out of the folder, or is one thing here and another elsewhere."""

    hint = "treat the signature as hostile; names are relative, without .. and backslashes"


class SymlinkError(UnsafeFolderError):
    """There is a symlink in the folder: what it shows may change without the folder changing."""

    hint = "put the file itself there"


class SpecialFileError(UnsafeFolderError):
    """There is a FIFO, a socket or a device in the folder."""


class CaseCollisionError(UnsafeFolderError):
    """Two names differ in case or Unicode form only: elsewhere they are one file."""

    hint = "rename one of the two"


class AddedFilesError(UnsafeFolderError, DigestMismatchError):
    """The folder holds files that the signature does not cover."""

    hint = "files were added after the folder was signed; remove them, or fetch it again"


class RemovedFilesError(UnsafeFolderError, DigestMismatchError):
    """Files that the signature covers are missing."""

    hint = "files were removed or renamed after the folder was signed; fetch it again"


class ChangedFilesError(UnsafeFolderError, DigestMismatchError):
    """Files have another content than the signature says."""

    hint = "they were changed or damaged after they were signed; fetch them again"


class LeftOutContentError(UnsafeFolderError):
    """Outside of the signature, as .git is, stands what a program could load."""

    hint = "remove it, or name the folder in leave_out (--leave-out) if nothing ever loads from it"


class ChangedMeanwhileError(UnsafeFolderError):
    """The folder changed while it was read."""

    hint = "let nobody write there meanwhile, and try again"


class PolicyError(SafeSerialError):
    """The file is what it claims to be, and the policy does not accept it."""

    hint = "change the policy only if you know why it says no: see the reference page of Policy"


class UntrustedTypesError(PolicyError):
    """The payload names globals that are not on the allowlist.

    Attributes
    ----------
    types : tuple of str
        The dotted names, sorted.
    """

    hint = "read what these names do; if you trust them pass trusted=[...] or extend the policy"

    def __init__(self, message: str, *, types: Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.types = tuple(types)


class ForbiddenOperationError(PolicyError):
    """The payload does something that no honest model does.

    Attributes
    ----------
    opcode : str
        Name of the pickle opcode, or ``""`` where there is none.
    offset : int
        Its offset in the (decompressed) stream, or -1.
    global_name : str
        The global concerned, or ``""``.
    """

    hint = "treat the file as hostile; if it is your own, report it as a bug with the model class"

    def __init__(
        self,
        message: str,
        *,
        opcode: str = "",
        offset: int = -1,
        global_name: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.opcode = opcode
        self.offset = offset
        self.global_name = global_name


class InvalidStateError(PolicyError):
    """An object's state would make native code misbehave (indices out of range and the like)."""

    hint = "treat the file as hostile or damaged; if it is your own, report it as a bug"


class NoSignerRuleError(PolicyError):
    """The policy says nothing of models of this name, and what it does not mention is refused."""

    hint = "add a [[signers]] table that is about models of this name to the policy file"


class MissingSignersError(PolicyError):
    """The signatures are good, and not all of those that the policy asks for are there.

    Attributes
    ----------
    missing : tuple of str
        The roles that nobody fills, or ``signer`` for each principal that is missing.
    """

    hint = "let those who are missing look at the file and sign it: safeserial approve FILE"

    def __init__(
        self, message: str, *, missing: Sequence[str] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.missing = tuple(missing)


class TooOldError(PolicyError):
    """The model was made longer ago than the policy accepts."""

    hint = "ask for a newer model, or one that was reviewed and signed anew"


class DowngradeError(PolicyError):
    """The model's version is lower than the policy accepts, or not comparable."""

    hint = "somebody may have put an old model in place of a new one; ask for the version in use"


class EnvironmentMismatchError(PolicyError):
    """The versions here are not those the model was saved under.

    Attributes
    ----------
    differences : tuple of (str, str, str)
        Package name, version in the file, version here (``""`` when absent).
    """

    hint = "install the versions of the file: safeserial inspect --requirements FILE"

    def __init__(
        self,
        message: str,
        *,
        differences: Sequence[tuple[str, str, str]] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.differences = tuple(differences)


class KeyringError(SafeSerialError):
    """The keyring cannot be read, written or used."""

    hint = "a keyring is made with: safeserial keys new; its file is never edited by hand"


class KeyNotFoundError(KeyringError):
    """The keyring has no such key (or no active one)."""

    hint = "make one with: safeserial keys new"


class WeakKeyError(KeyringError):
    """The key is too short or too regular to protect anything."""

    hint = "generate one with HmacKey.generate() or: safeserial keys new"


class UntrustedRingError(KeyringError, VerificationError):
    """A keyring that somebody else made is not shown to be his, or changed in a way it must not."""

    hint = "ask its owner by another channel for the fingerprint of the first generation"


class RolledBackRingError(UntrustedRingError):
    """The keyring is older than one that was seen before: it may hide that a key is revoked."""

    hint = "fetch the owner's ring again; if it stays old, tell the owner"


class ForkedRingError(UntrustedRingError):
    """There are two keyrings for the same generation: at least one is not the owner's."""

    hint = "take neither; ask the owner by another channel which one is right"


class ConversionError(SafeSerialError):
    """A model could not be brought into another format."""


class UnsupportedModelError(ConversionError):
    """There is no exact way to write this model in that format."""

    hint = "choose another format, or a model that it can hold"


class ParityError(ConversionError):
    """The converted model does not predict what the original predicts.

    Attributes
    ----------
    max_difference : float
        The largest difference seen.
    """

    hint = "do not use the converted model; raise the tolerance only if the difference is harmless"

    def __init__(
        self, message: str, *, max_difference: float = float("nan"), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.max_difference = max_difference


class StoreError(SafeSerialError):
    """The model store refused or failed."""


class EntryNotFoundError(StoreError):
    """The store has no such model, version or alias."""

    hint = "`safeserial store list` shows what there is"


class VersionConflictError(StoreError):
    """Somebody else changed the entry in between."""

    hint = "read the entry again and repeat the change if it still makes sense"


class RollbackError(StoreError):
    """The store shows an older state than one already seen."""

    hint = "somebody put an old copy in place of the store; compare it with a backup"


class MigrationNeededError(StoreError):
    """The store's schema is of another version."""

    hint = "upgrade the store with: safeserial store migrate"


class MissingExtraError(SafeSerialError, ImportError):
    """An optional part is not installed.

    Parameters
    ----------
    extra : str
        Name of the extra that brings it.
    what : str
        What needs it.
    """

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(
            f"{what} needs the extra [{extra}], which is not installed",
            hint=f"pip install 'safeserial-toolkit[{extra}]'",
        )
        self.extra = extra


class SafeSerialWarning(UserWarning):
    """Base of the warnings of the project."""


class EnvironmentMismatchWarning(SafeSerialWarning):
    """The versions here are not those the model was saved under."""


class YankedVersionWarning(SafeSerialWarning):
    """A version that its publisher has withdrawn was asked for by its number."""


class UnreadableFileError(NotAnArtifactError, OSError):
    """The path is a directory, a FIFO, a symlink loop, or may not be read."""

    hint = "give the path of a regular file that you may read"


class MissingFileError(UnreadableFileError, FileNotFoundError):
    """There is no file at the path."""

    hint = "check the path"


class WriteFailedError(SafeSerialError, OSError):
    """A file could not be written; what stood there before is untouched."""

    hint = "check the free space and the permissions of the folder"
