# SPDX-License-Identifier: BSD-3-Clause
"""The models of a server: verified before they are offered, changed without dropping a request.

Floor 7.  A model comes from a file or from a store's alias.  When its place has something new, that
is verified and loaded beside the old one; only then do new requests go to it, and those under way
end where they began.  What does not verify is not offered: the old model stays, and the log says
so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import safeserial as ss
from safeserial.errors import UnreadableFileError
from safeserial.keyring import Keyring
from safeserial.manifest import ModelFacts
from safeserial.policy import Policy
from safeserial.serving.batching import Batcher
from safeserial.serving.logs import Log
from safeserial.serving.runners import Runner, runner_of
from safeserial.serving.settings import Settings

_TRIES: Final = 5


@dataclass(frozen=True)
class Place:
    """Where a model is found.

    Parameters
    ----------
    name : str
        Under which it is offered.
    path : str
        A file; or, with a store, ``name@alias``, ``name:version`` or ``name``.
    store : object, optional
        The :class:`safeserial.Store` it is in.
    """

    name: str
    path: str
    store: Any = None


@dataclass(frozen=True)
class Served:
    """A model that is offered.

    Parameters
    ----------
    name, version : str
        As clients call it.
    runner : Runner
        What runs it.
    batcher : Batcher
        Its queue.
    signers : tuple of str
        Key ids of those who signed it.
    artifact_id : str
        Of the artifact or of what was signed.
    stamp : object
        Changes when the place has something new.
    """

    name: str
    version: str
    runner: Runner
    batcher: Batcher
    signers: tuple[str, ...]
    artifact_id: str
    stamp: object


class Repository:
    """All models of a server.

    Parameters
    ----------
    places : iterable of Place
        Names differ.
    keyring : Keyring, optional
        Whose word counts.
    policy : Policy, optional
        What is accepted.
    settings : Settings
        For the queues.
    observe : callable
        Told name, rows and requests of each run.
    log : callable
        Told of changes: ``log(event, **fields)``.
    """

    def __init__(
        self,
        places: Iterable[Place],
        *,
        keyring: Keyring | None,
        policy: Policy | None,
        settings: Settings,
        observe: Callable[[str, int, int], None],
        log: Log,
    ) -> None:
        self._places = {one.name: one for one in places}
        self._keyring = keyring
        self._policy = policy
        self._settings = settings
        self._observe = observe
        self._log = log
        self._served: dict[str, Served] = {}
        self._refused: dict[str, object] = {}

    @property
    def served(self) -> tuple[Served, ...]:
        """What is offered now."""
        return tuple(self._served.values())

    def find(self, name: str, version: str | None = None) -> Served | None:
        """Return the model of a name, None where there is none (or not of this version)."""
        found = self._served.get(name)
        return found if found is not None and version in (None, found.version) else None

    def load(self) -> None:
        """Verify and load every model.

        Raises
        ------
        SafeSerialError
            If one of them is refused: a server begins whole or not at all.
        """
        for place in self._places.values():
            self._take(place, self._stamp(place))

    async def follow(self) -> None:
        """Look again and again whether a place has something new, until cancelled."""
        while True:
            await asyncio.sleep(self._settings.follow_seconds)
            for place in self._places.values():
                await asyncio.to_thread(self.look, place)

    def look(self, place: Place) -> None:
        """Take what is new at a place, if it is accepted."""
        stamp: object = None
        try:
            stamp = self._stamp(place)
            old = self._served.get(place.name)
            if (old is not None and old.stamp == stamp) or self._refused.get(place.name) == stamp:
                return
            self._take(place, stamp)
        except Exception as error:  # noqa: BLE001 - of databases too; following must not end
            kind = type(error).__name__
            remembered = kind if stamp is None else stamp
            if self._refused.get(place.name) != remembered:
                self._log("model refused", model=place.name, error=kind)
            self._refused[place.name] = remembered
        else:
            self._refused.pop(place.name, None)

    def _stamp(self, place: Place) -> object:
        if place.store is None:
            facts = [Path(place.path).stat()]
            beside = Path(f"{place.path}.sig")
            if beside.exists():
                facts.append(beside.stat())
            return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in facts)
        entry = place.store.entry(place.path)
        return entry.version, entry.artifact_id

    def _file(self, place: Place, stamp: object) -> tuple[object, Any, Any]:
        """Return what was read of one and the same file: its stamp, its facts and its model."""
        for _ in range(_TRIES):
            verified = ss.verify(place.path, keyring=self._keyring, policy=self._policy)
            model = ss.load(place.path, keyring=self._keyring, policy=self._policy)
            after = self._stamp(place)
            if after == stamp:
                return stamp, verified, model
            stamp = after
        raise UnreadableFileError(
            f"{place.path} changes while it is read", hint="put a new file there with one rename"
        )

    def _take(self, place: Place, stamp: object) -> None:
        if place.store is None:
            stamp, verified, model = self._file(place, stamp)
            manifest = getattr(verified, "manifest", None)
            version = getattr(manifest, "version", None) or getattr(verified, "version", None)
            artifact_id = verified.artifact_id
            signers = tuple(one.key_id for one in verified.signers)
        else:
            entry = place.store.entry(place.path)
            exact = f"{entry.name}:{entry.version}"
            chosen = "onnx" if "onnx" in entry.formats else None
            model = place.store.load(exact, format=chosen)
            manifest, version, artifact_id = entry.manifest, str(entry.version), entry.artifact_id
            signers = tuple(sorted({key for one in entry.files for key in one.key_ids}))
        facts: ModelFacts | None = getattr(manifest, "model", None)
        runner = runner_of(model, facts)

        def observe(rows: int, requests: int, name: str = place.name) -> None:
            self._observe(name, rows, requests)

        batcher = Batcher(runner, self._settings, observe)
        served = Served(place.name, version or "1", runner, batcher, signers, artifact_id, stamp)
        self._served[place.name] = served
        self._log(
            "model offered", model=place.name, version=served.version, artifact_id=artifact_id
        )
