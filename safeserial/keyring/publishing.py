# SPDX-License-Identifier: BSD-3-Clause
"""The file of a published ring: extended by its owner, followed by those who receive it.

Floor 4.  An owner never forks a ring of his own: without the file that was published last, nothing
is published.
"""

from __future__ import annotations

import datetime
import os

from safeserial.errors import KeyringError
from safeserial.files import StrPath, atomic_write, display, folder_lock, read_small
from safeserial.keyring import chain, published
from safeserial.keyring.entries import KeyEntry, Mark
from safeserial.keyring.published import Chain, Generation


def publish(
    path: StrPath,
    entries: tuple[KeyEntry, ...],
    *,
    serial: int,
    mark: Mark | None,
    afresh: bool,
) -> Generation:
    """Write a ring as the next generation of a published one, where anything has changed.

    Parameters
    ----------
    path : str or path-like
        The published ring.
    entries : tuple of KeyEntry
        The ring's, with the private halves.
    serial : int
        The least serial of the new generation.
    mark : Mark or None
        What was published last.
    afresh : bool
        Begin another published ring.

    Returns
    -------
    Generation
        The newest one.

    Raises
    ------
    KeyringError
        If the keys that must sign are not there, or the file is not the one published last.
    WriteFailedError
        If it cannot be written.
    """
    now = datetime.datetime.now(datetime.UTC)
    with folder_lock(path):
        before = _before(path, mark, afresh=afresh)
        after = chain.extended(before, entries, serial=serial, now=now)
        if after != before:
            with atomic_write(path, mode=0o644) as stream:
                stream.write(published.write(after))
    return after[-1]


def _before(path: StrPath, mark: Mark | None, *, afresh: bool) -> Chain:
    exists = os.path.lexists(path)
    if afresh and exists:
        raise KeyringError(
            f"{display(path)} exists", hint="begin a new published ring under another name"
        )
    if not exists and mark is not None and not afresh:
        raise KeyringError(
            f"the ring was published, and {display(path)} is not there to go on from",
            hint="give the file that was published last; a new beginning is --afresh",
        )
    if not exists:
        return ()
    before = published.read(read_small(path, limit=published.MAX_BYTES), where=display(path))
    if mark is None:
        chain.require_sound(before)
    else:
        chain.trusted(before, mark=mark)
    return before
