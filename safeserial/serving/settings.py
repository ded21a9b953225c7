# SPDX-License-Identifier: BSD-3-Clause
"""The bounds of a server: what a request may cost, how many may wait, who may ask.

Floor 7.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a server allows.

    Parameters
    ----------
    body_bytes : int, default=16 MiB
        Largest request.
    held_bytes : int, default=256 MiB
        Bytes of all requests that are held at the same time; beyond, 503.
    queue : int, default=256
        Requests that may wait for one model; more are turned away with 503.
    seconds : float, default=30
        Longest time for a request to arrive and be answered.
    batch_rows : int, default=1024
        Most rows that waiting requests are joined to; 1 joins none.
    threads : int, default=2
        Runs of one model at the same time.
    tokens : tuple of str
        Bearer tokens, one of which a request must carry; empty lets everybody in.
    follow_seconds : float, default=5
        How often files and aliases are looked at again; 0 for never.
    """

    body_bytes: int = 16 * 2**20
    held_bytes: int = 256 * 2**20
    queue: int = 256
    seconds: float = 30.0
    batch_rows: int = 1024
    threads: int = 2
    tokens: tuple[str, ...] = ()
    follow_seconds: float = 5.0
