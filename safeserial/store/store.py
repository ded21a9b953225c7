# SPDX-License-Identifier: BSD-3-Clause
"""The face of the store: every verb once, each a line into the room that does it.

Floor 7.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Final, Self

from safeserial.artifact.boundary import keeps_nothing
from safeserial.artifact.trust import Verified
from safeserial.codecs import Compression
from safeserial.files import StrPath
from safeserial.keyring import Keyring
from safeserial.policy import Policy
from safeserial.store import (
    auditing,
    backend,
    channels,
    checking,
    collecting,
    comparing,
    listing,
    publishing,
    reading,
    sets,
    withdrawing,
)
from safeserial.store.entries import (
    ANY,
    AuditLine,
    AuditReport,
    Channel,
    CheckReport,
    Difference,
    Edge,
    Entry,
    Swept,
    Transferred,
    Whatever,
)

Progress = backend.Progress
GRACE: Final = datetime.timedelta(hours=24)
VALID_FOR: Final = datetime.timedelta(days=90)
LARGE: Final = 64 * 2**20


class Store:
    """Named, versioned, signed models in a database.

    Neither the database nor the bucket is trusted: what is read was signed by a key of the ring,
    and is not older than what this client has seen before.

    Parameters
    ----------
    url : str
        ``sqlite:///models.db`` or ``postgresql://user@host/database``.  A password is better kept
        in ``~/.pgpass`` or ``PGPASSWORD``; it is never shown.
    keyring : Keyring, optional
        Its active key signs, its keys are believed.  Default: the ring that the environment names.
    policy : Policy, optional
        What is accepted.  Default: :meth:`Policy.default`.
    blobs : str, optional
        Where large payloads are put, in fsspec's words: ``file:///srv/models``, ``s3://bucket/dir``.
        Default: the place this store was made with, or the database.
    blob_options : mapping, optional
        Passed on to fsspec (an endpoint, say).
    large : int, default=64 MiB
        From how many bytes on a part of a payload goes to `blobs`.
    state : str or path-like, optional
        File in which this client remembers what it has seen of its stores.  Default: in the user's
        state folder.
    actor : str, optional
        Who the audit log says it was.  Default: the user's name.
    valid_for : timedelta, default=90 days
        How long a statement of this client about an alias is believed.
    create : bool, default=True
        Whether an empty database becomes a store.

    Raises
    ------
    StoreError
        If the database cannot be reached.
    EntryNotFoundError
        If there is no store and `create` is false.
    MigrationNeededError
        If it was made by another version of safeserial.
    RollbackError
        If another store stands where this client has seen one before.
    MissingExtraError
        If the extra ``[store]`` is not installed.

    Examples
    --------
    >>> import safeserial as ss
    >>> ring = ss.Keyring([ss.HmacKey.generate()])
    >>> store = ss.Store("sqlite:///models.db", keyring=ring, state="seen.db")
    >>> entry = store.publish("churn", {"weights": [1, 2]}, dataset="customers")
    >>> entry.spec
    'churn:1'
    >>> moved = store.alias("churn", "production", 1)
    >>> store.load("churn@production")
    {'weights': [1, 2]}
    >>> store.close()
    """

    def __init__(
        self,
        url: str,
        *,
        keyring: Keyring | None = None,
        policy: Policy | None = None,
        blobs: str | None = None,
        blob_options: Mapping[str, Any] | None = None,
        large: int = LARGE,
        state: StrPath | None = None,
        actor: str | None = None,
        valid_for: datetime.timedelta = VALID_FOR,
        create: bool = True,
    ) -> None:
        self._backend = backend.connect(
            url,
            keyring=keyring,
            policy=policy,
            blobs=blobs,
            blob_options=blob_options,
            large=large,
            state=state,
            actor=actor,
            valid_for=valid_for,
            create=create,
        )

    @property
    def id(self) -> str:
        """Id of the store; every statement names it."""
        return self._backend.store_id

    @property
    def url(self) -> str:
        """Address of the database, without its password."""
        return self._backend.shown

    @property
    def keyring(self) -> Keyring:
        """Whose word counts."""
        return self._backend.ring

    def close(self) -> None:
        """Give the connections back; the store can be used again all the same."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store {self.url}>"

    @staticmethod
    def migrate(url: str, *, to: str = "head") -> str:
        """Bring the schema of a store to the present version, or make it in an empty database.

        Parameters
        ----------
        url : str
            As above.
        to : str, default="head"
            Name of a revision.

        Returns
        -------
        str
            The revision that the schema has now.

        Raises
        ------
        StoreError
            If the database cannot be reached, or the migration fails; it is undone then.
        """
        return backend.migrate(url, to)

    @staticmethod
    def forget(url: str, *, state: StrPath | None = None) -> None:
        """Forget what this client has seen at an address, where a store was replaced on purpose.

        Parameters
        ----------
        url : str
            As above.
        state : str or path-like, optional
            As above.
        """
        backend.forget(url, state)

    # Writing -------------------------------------------------------------------------------

    @keeps_nothing
    def publish(
        self,
        name: str,
        model: Any,
        /,
        *,
        format: str | None = None,
        compression: Compression = None,
        version: int | None = None,
        alias: str | None = None,
        derived_from: Iterable[str] = (),
        progress: Progress | None = None,
        **metadata: Any,
    ) -> Entry:
        """Publish a model as the next version of a name, wholly or not at all.

        Parameters
        ----------
        name : str
            Letters, digits and ``._-``, with ``/`` between parts; at most 200.
        model : object
            A fitted model, which is saved and signed; or an artifact: its path (`str` or path-like)
            or its bytes, which is verified and stored as it is.
        format : str, optional
            Codec for a model from memory.  Default: ``pickle``.
        compression : str, (str, int) or None, default=None
            As in :func:`safeserial.dump`.
        version : int, optional
            Put the model beside an existing version, as a further format of it (what `to_onnx` or
            `to_skops` made of it).  Default: a new version.
        alias : str, optional
            Alias that shall point at the new version, in the same step.
        derived_from : iterable of str, default=()
            ``name:version`` of what it was made of.
        progress : callable, optional
            Called with bytes stored so far and bytes in all.
        **metadata
            JSON without floats; signed, and found by :meth:`search`.

        Returns
        -------
        Entry
            The version.

        Raises
        ------
        KeyringError
            If there is no active key that may sign today.
        FormatError, VerificationError, PolicyError
            If an artifact is not one that this store's ring and policy accept.
        UnsupportedModelError
            If the model cannot be saved in that format.
        EntryNotFoundError
            If `version` or one of `derived_from` is not there.
        VersionConflictError
            If the version has that format already.
        RollbackError
            If the store is older than it was.
        StoreError
            If the database or the bucket fails; nothing is published then.
        """
        order = publishing.Order(
            name, format, compression, version, alias, tuple(derived_from), metadata
        )
        return publishing.publish(self._backend, model, order, progress)

    def alias(
        self,
        name: str,
        alias: str,
        version: int | None,
        *,
        expect: int | Whatever | None = ANY,
        valid_for: datetime.timedelta | None = None,
    ) -> Channel:
        """Point an alias at a version.

        Parameters
        ----------
        name : str
            Of the model.
        alias : str
            Letters, digits and ``._-``, at most 64; not ``latest``, which is always the newest.
        version : int or None
            None takes the alias away; its history stays.
        expect : int or None, optional
            Move it only if it points there now (None: if there is no such alias).
        valid_for : timedelta, optional
            How long the statement is believed.  Default: the store's.

        Returns
        -------
        Channel
            The signed statement.

        Raises
        ------
        VersionConflictError
            If it points elsewhere than expected.
        EntryNotFoundError
            If there is no such version, or it was yanked or deleted.
        RollbackError, KeyringError, StoreError
            As :meth:`publish`.
        """
        return channels.move(
            self._backend, name, alias, version, expect=expect, valid_for=valid_for
        )

    def rollback(self, name: str, alias: str, *, expect: int | Whatever | None = ANY) -> Channel:
        """Point an alias at the version it pointed at before the present one.

        Parameters
        ----------
        name, alias, expect
            As in :meth:`alias`.  Versions that were yanked or deleted since are passed over.

        Returns
        -------
        Channel
            The signed statement.

        Raises
        ------
        EntryNotFoundError
            If there is no such alias or nothing to go back to.
        VersionConflictError, RollbackError, KeyringError, StoreError
            As :meth:`alias`.
        """
        return channels.rollback(self._backend, name, alias, expect)

    def refresh(self, name: str | None = None) -> int:
        """Sign the present aliases again, so that they are believed for another while.

        Parameters
        ----------
        name : str, optional
            Of one model.  Default: of all.

        Returns
        -------
        int
            How many were signed.

        Raises
        ------
        RollbackError, KeyringError, StoreError
            As :meth:`publish`.
        """
        return channels.refresh(self._backend, name)

    def yank(self, spec: str, reason: str = "") -> Entry:
        """Withdraw a version: nothing chooses it any more but its own number, with a warning.

        Parameters
        ----------
        spec : str
            ``name:version``.
        reason : str, optional
            Shown with the warning.

        Returns
        -------
        Entry
            The version.

        Raises
        ------
        EntryNotFoundError
            If it is not there.
        VersionConflictError
            If an alias points at it.
        RollbackError, KeyringError, StoreError
            As :meth:`publish`.
        """
        return withdrawing.yank(self._backend, spec, reason)

    def restore(self, spec: str) -> Entry:
        """Undo :meth:`yank`; parameters and errors as there."""
        return withdrawing.restore(self._backend, spec)

    def delete(self, spec: str, reason: str = "") -> Entry:
        """Delete the bytes of a version for good; its number is never given again.

        The space is free after :meth:`gc`.  Parameters and errors as :meth:`yank`.
        """
        return withdrawing.delete(self._backend, spec, reason)

    def gc(self, *, grace: datetime.timedelta = GRACE, dry_run: bool = False) -> Swept:
        """Remove what nothing refers to: bytes of deleted versions and of broken-off publishing.

        Parameters
        ----------
        grace : timedelta, default=24 hours
            What is younger stays: somebody may be publishing it.
        dry_run : bool, default=False
            Only count.

        Returns
        -------
        Swept
            What was found.

        Raises
        ------
        StoreError
            If the database or the bucket fails; what was done so far is done.
        """
        return collecting.sweep(self._backend, grace, dry_run=dry_run)

    # Reading -------------------------------------------------------------------------------

    @keeps_nothing
    def load(
        self,
        spec: str,
        *,
        format: str | None = None,
        policy: Policy | None = None,
        trusted: Iterable[str] = (),
        progress: Progress | None = None,
    ) -> Any:
        """Load a model, verified from its alias to its last byte.

        Parameters
        ----------
        spec : str
            ``name@alias``, ``name:version``, or ``name`` for the newest that was not withdrawn.
        format : str, optional
            One of its formats.  Default: the first.
        policy : Policy, optional
            Default: the store's.
        trusted : iterable of str, default=()
            Dotted names to accept beside the policy's.
        progress : callable, optional
            Called with bytes read so far and bytes in all.

        Returns
        -------
        object
            As :func:`safeserial.load`.

        Raises
        ------
        EntryNotFoundError
            If there is nothing under that name.
        RollbackError
            If the store shows an older state than this client has seen, or the statement about the
            alias has expired.
        FormatError, VerificationError, PolicyError
            As :func:`safeserial.load`, also where the statement of the store does not fit.
        StoreError
            If the database or the bucket fails.

        Warns
        -----
        YankedVersionWarning
            If the version was withdrawn.
        EnvironmentMismatchWarning
            As :func:`safeserial.load`.
        """
        chosen = (self._backend.policy if policy is None else policy).trusting(trusted)
        return reading.load(self._backend, spec, format, chosen, progress)

    @keeps_nothing
    def verify(
        self, spec: str, *, format: str | None = None, progress: Progress | None = None
    ) -> Verified:
        """Verify a version without opening its payload; parameters and errors as :meth:`load`."""
        return reading.verify(self._backend, spec, format, progress)

    @keeps_nothing
    def get(
        self,
        spec: str,
        path: StrPath,
        *,
        format: str | None = None,
        progress: Progress | None = None,
    ) -> Verified:
        """Write a version as an artifact file, which has its name only when all is verified.

        Parameters
        ----------
        spec, format, progress
            As in :meth:`load`.
        path : str or path-like
            Where the file shall stand.

        Returns
        -------
        Verified
            What was written.

        Raises
        ------
        WriteFailedError
            If the file cannot be written.
        EntryNotFoundError, RollbackError, FormatError, VerificationError, PolicyError, StoreError
            As :meth:`load`.
        """
        return reading.get(self._backend, spec, path, format, progress)

    @keeps_nothing
    def open(
        self, spec: str, *, format: str | None = None, progress: Progress | None = None
    ) -> BinaryIO:
        """Return a version's artifact as a file of its own, open for reading, verified to its end.

        It has no name and goes when it is closed.  Parameters and errors as :meth:`get`.
        """
        return reading.open_file(self._backend, spec, format, progress)

    def entry(self, spec: str) -> Entry:
        """Return what is known of a version, its statements verified; nothing is loaded.

        Parameters
        ----------
        spec : str
            As in :meth:`load`.

        Returns
        -------
        Entry
            The version.

        Raises
        ------
        EntryNotFoundError, RollbackError, VerificationError, StoreError
            As :meth:`load`.
        """
        return reading.entry(self._backend, spec)

    def list(
        self, name: str | None = None, *, limit: int = 100, after: str | int | None = None
    ) -> tuple[Entry, ...]:
        """List the newest version of every model by name, or the versions of one, newest first.

        Parameters
        ----------
        name : str, optional
            Of one model.
        limit : int, default=100
            At most so many.
        after : str or int, optional
            Go on after this name, or below this version: that of the last one seen.

        Returns
        -------
        tuple of Entry
            Each verified; deleted versions are listed without their files.

        Raises
        ------
        EntryNotFoundError
            If there is no such model.
        RollbackError, VerificationError, StoreError
            As :meth:`load`.
        """
        return listing.listed(self._backend, name, limit, after)

    def search(
        self,
        text: str = "",
        *,
        name: str | None = None,
        estimator: str | None = None,
        format: str | None = None,
        packages: Mapping[str, str] | None = None,
        limit: int = 100,
        after: str | None = None,
        **metadata: Any,
    ) -> tuple[Entry, ...]:
        """Find versions that were not deleted.

        Parameters
        ----------
        text : str, default=""
            Words, all of which occur in name, class, metadata or packages; case does not matter.
        name : str, optional
            Of the model, exactly.
        estimator : str, optional
            Name of the class, dotted or its last part.
        format : str, optional
            One of its formats.
        packages : mapping of str to str, optional
            Package to version, or to the first parts of one: ``{"scikit-learn": "1.7"}``.
        limit : int, default=100
            At most so many.
        after : str, optional
            ``name:version`` of the last one seen: go on after it.
        **metadata
            Key and value, exactly.

        Returns
        -------
        tuple of Entry
            Each verified; models that came last first, and newest versions first.

        Raises
        ------
        VerificationError, StoreError
            As :meth:`load`.
        """
        wanted = listing.Query(text, name, estimator, format, dict(packages or {}), metadata)
        return listing.search(self._backend, wanted, limit, after)

    def aliases(self, name: str) -> tuple[Channel, ...]:
        """Return a model's aliases, ``latest`` first, each verified; errors as :meth:`load`."""
        return channels.aliases(self._backend, name)

    def history(self, name: str, alias: str | None = None) -> tuple[Channel | AuditLine, ...]:
        """Return what happened to an alias (each move signed) or to a model, newest first.

        Parameters
        ----------
        name : str
            Of the model.
        alias : str, optional
            Its alias.

        Returns
        -------
        tuple of Channel or of AuditLine
            Moves of the alias, or the model's lines of the audit log.

        Raises
        ------
        EntryNotFoundError, RollbackError, VerificationError, StoreError
            As :meth:`load`.
        """
        if alias is None:
            return auditing.of_model(self._backend, name)
        return channels.history(self._backend, name, alias)

    def diff(self, a: str, b: str) -> tuple[Difference, ...]:
        """Say in what two versions differ: parameters, metadata, environment, globals, size.

        Parameters
        ----------
        a, b : str
            As in :meth:`load`.

        Returns
        -------
        tuple of Difference
            Empty if they are alike.  Parameters of a model that was published as a file are found
            by loading it, under the store's policy.

        Raises
        ------
        EntryNotFoundError, RollbackError, FormatError, VerificationError, PolicyError, StoreError
            As :meth:`load`.
        """
        return comparing.diff(self._backend, a, b)

    def lineage(self, spec: str) -> tuple[Edge, ...]:
        """Return where a version comes from and what came of it.

        Parameters
        ----------
        spec : str
            As in :meth:`load`.

        Returns
        -------
        tuple of Edge
            Upwards to the first ancestors and downwards to the last descendants by derivation, with
            formats and the version before.

        Raises
        ------
        EntryNotFoundError, RollbackError, VerificationError, StoreError
            As :meth:`load`.
        """
        return comparing.lineage(self._backend, spec)

    # Checking ------------------------------------------------------------------------------

    def verify_all(self, *, progress: Progress | None = None) -> CheckReport:
        """Verify every statement, every byte of every version, and the audit log.

        Parameters
        ----------
        progress : callable, optional
            Called with artifacts verified so far and artifacts in all.

        Returns
        -------
        CheckReport
            With whatever is not right; nothing is loaded.

        Raises
        ------
        StoreError
            If the database fails.
        """
        return checking.verify_all(self._backend, progress)

    def audit(self, *, limit: int = 100, after: int = 0) -> tuple[AuditLine, ...]:
        """Return lines of the audit log, oldest first, beginning after a number."""
        return auditing.lines(self._backend, limit, after)

    def audit_verify(self, *, checkpoint: str | None = None) -> AuditReport:
        """Look through the whole audit log for a line that was removed, added or edited.

        Parameters
        ----------
        checkpoint : str, optional
            A signed checkpoint of earlier (``AuditReport.checkpoint``), kept elsewhere.

        Returns
        -------
        AuditReport
            With whatever is not right.

        Raises
        ------
        StoreError
            If the database fails.
        """
        return auditing.verify(self._backend, checkpoint)

    # Elsewhere -----------------------------------------------------------------------------

    @keeps_nothing
    def export(
        self,
        path: StrPath,
        specs: Iterable[str] | None = None,
        *,
        progress: Progress | None = None,
    ) -> tuple[str, ...]:
        """Write versions with all their formats, and the aliases on them, as one signed file.

        Parameters
        ----------
        path : str or path-like
            Where the file shall stand; it is written whole or not at all.
        specs : iterable of str, optional
            Versions as in :meth:`load`; a bare name means all versions of it.  Default: all.
        progress : callable, optional
            Called with bytes written so far and bytes in all.

        Returns
        -------
        tuple of str
            ``name:version`` of what was written.

        Raises
        ------
        EntryNotFoundError, RollbackError, FormatError, VerificationError, PolicyError, StoreError
            As :meth:`get`.
        WriteFailedError
            If the file cannot be written.
        """
        return sets.export(self._backend, path, specs, progress)

    @keeps_nothing
    def import_(self, path: StrPath, *, progress: Progress | None = None) -> Transferred:
        """Publish what an exported file holds, verified by its signature and each one by its own.

        Version numbers stay where they are free, what is here already is skipped, and aliases are
        set where there are none of that name.

        Parameters
        ----------
        path : str or path-like
            What :meth:`export` wrote.
        progress : callable, optional
            Called with bytes read so far and bytes in all.

        Returns
        -------
        Transferred
            What became of what.

        Raises
        ------
        FormatError, VerificationError, PolicyError
            If the file or an artifact in it is not right; versions before that one are published.
        KeyringError, RollbackError, StoreError
            As :meth:`publish`.
        """
        return sets.import_(self._backend, path, progress)

    @keeps_nothing
    def copy(
        self,
        target: Store,
        specs: Iterable[str] | None = None,
        *,
        progress: Progress | None = None,
    ) -> Transferred:
        """Publish versions of this store in another one; otherwise as export and import.

        Parameters
        ----------
        target : Store
            Its key signs.
        specs, progress
            As in :meth:`export`.

        Returns
        -------
        Transferred
            What became of what.

        Raises
        ------
        EntryNotFoundError, RollbackError, FormatError, VerificationError, PolicyError, StoreError
            As :meth:`get` and :meth:`publish`.
        """
        return sets.copy(self._backend, target._backend, specs, progress)

    def names(self) -> Iterator[str]:
        """Yield the names of all models, in order."""
        return listing.all_names(self._backend)
