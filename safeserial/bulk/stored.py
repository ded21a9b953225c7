# SPDX-License-Identifier: BSD-3-Clause
"""The versions of a model store as items of a bulk run.

Floor 7 (extra ``[store]``).  Workers open the store themselves, and trust it as little as anybody.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from safeserial.bulk.actions import Convert, Facts, Inspect, Verify, converted, described, reported
from safeserial.bulk.items import Item
from safeserial.errors import StoreError
from safeserial.keyring import Keyring
from safeserial.policy import Policy

if TYPE_CHECKING:
    from safeserial.store import Entry, Store

VARIABLE: Final = "SAFESERIAL_STORE"
_PAGE: Final = 500


@dataclass(frozen=True)
class StoreReference:
    """Where a store is.

    Parameters
    ----------
    shown : str
        Its address without the password.
    url : str
        Its address; ``""`` for what the worker's ``SAFESERIAL_STORE`` says, so that no password is
        sent through a scheduler.
    settings : tuple of (str, object)
        More arguments of :class:`safeserial.store.Store`.
    run : str
        Names the run: a worker keeps the store open for so long.
    """

    shown: str
    url: str = field(repr=False)
    settings: tuple[tuple[str, Any], ...] = field(default=(), repr=False)
    run: str = field(default="", repr=False, compare=True)

    def open(self, ring: Keyring | None, policy: Policy) -> Store:
        """Open the store where this process is.

        Raises
        ------
        StoreError
            If it cannot be opened, or the environment of a worker names none.
        """
        from safeserial.store import Store

        url = self.url or os.environ.get(VARIABLE, "")
        if not url:
            raise StoreError(
                f"the worker does not know the store {self.shown}",
                hint=f"set {VARIABLE} where workers run: a password is not sent to them",
            )
        settings = dict(self.settings)
        return Store(url, keyring=ring, policy=policy, create=False, **settings)


@dataclass(frozen=True)
class Stored:
    """An action done to versions of a store.

    Parameters
    ----------
    action : Inspect, Verify or Convert
        What is done; what a conversion makes is published beside the version.
    store : StoreReference
        Which store.
    """

    action: Inspect | Verify | Convert
    store: StoreReference

    @property
    def policy(self) -> Policy:
        """What is accepted."""
        return self.action.policy

    @property
    def name(self) -> str:
        """The row's `action`."""
        return self.action.name

    @property
    def most(self) -> int:
        """Versions handed to a worker at one time."""
        return self.action.most

    def wants(self, path: str) -> bool:
        """Say yes: only what is wanted was listed."""
        del path
        return True

    def __call__(self, item: Item, ring: Keyring | None) -> Facts | None:
        """Do it to one version."""
        store = _opened(self, ring)
        if isinstance(self.action, Verify):
            facts = described(store.verify(item.place))
            for form in store.entry(item.place).formats[1:]:
                store.verify(item.place, format=form)
            return facts
        if isinstance(self.action, Inspect):
            from safeserial.inspection.inspecting import inspect

            with store.open(item.place) as file:
                return reported(inspect(file, keyring=store.keyring, policy=self.policy))
        return self._convert(store, item, self.action)

    def _convert(self, store: Store, item: Item, action: Convert) -> Facts:
        from safeserial.artifact import saving

        name, _, version = item.place.rpartition(":")
        model = store.load(item.place, policy=self.policy)
        with tempfile.TemporaryDirectory(prefix="safeserial-") as folder:
            made = Path(folder) / f"model.{action.target}"
            facts = converted(model, str(made), action)
            artifact = Path(folder) / "model.safeserial"
            saving.dump_converted(
                made.read_bytes(),
                artifact,
                format=action.target,
                model=model,
                keyring=store.keyring,
            )
            entry = store.publish(name, artifact, version=int(version))
        return facts | {"output": f"{entry.spec}/{action.target}"}


def versions(store: Store, names: Iterable[str], *, without: str = "") -> list[Item]:
    """List the versions of a store that were not deleted.

    Parameters
    ----------
    store : Store
        Open.
    names : iterable of str
        Of models; all of them if it is empty.
    without : str, default=""
        Leave out those that have this format already.

    Returns
    -------
    list of Item
        By name, newest version first.
    """
    wanted = list(names) or list(store.names())
    found = (entry for name in wanted for entry in _of(store, name))
    return [
        Item(one.spec, one.spec, one.size, _nanoseconds(one), named=True, below=one.spec)
        for one in found
        if one.state != "deleted" and without not in one.formats
    ]


def _of(store: Store, name: str) -> Iterable[Entry]:
    after: int | None = None
    while page := store.list(name, limit=_PAGE, after=after):
        yield from page
        after = page[-1].version


def _nanoseconds(entry: Entry) -> int:
    return 0 if entry.created is None else int(entry.created.timestamp()) * 10**9


_OPEN: Final[dict[tuple[str, str], Store]] = {}
_LOCK: Final = threading.Lock()


def _opened(stored: Stored, ring: Keyring | None) -> Store:
    """Open a store once in a process and a run."""
    key = (stored.store.run, stored.store.shown)
    with _LOCK:
        if key not in _OPEN:
            while _OPEN:
                _OPEN.popitem()[1].close()
            _OPEN[key] = stored.store.open(ring, stored.policy)
        return _OPEN[key]
