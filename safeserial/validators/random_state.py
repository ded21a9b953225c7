# SPDX-License-Identifier: BSD-3-Clause
"""Random generators: a position inside the block of numbers that was drawn ahead.

Floor 5.  MT19937 and Philox keep such a block and a position in it, and read there unchecked.  The
state of PCG64 and SFC64 is a number of which every value is good.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from safeserial.validators.asking import array, ensure, refuse, shaped

_MT_LENGTH = 624
_PHILOX_LENGTH = 4


def check_mt19937(generator: Any) -> None:
    """Check the position of a Mersenne twister."""
    state = generator.state["state"]
    ensure(generator, 0 <= state["pos"] <= _MT_LENGTH, f"is at position {state['pos']}")


def check_philox(generator: Any) -> None:
    """Check the position of a Philox generator."""
    at = generator.state["buffer_pos"]
    ensure(generator, 0 <= at <= _PHILOX_LENGTH, f"is at position {at}")


def look_into_random_state(state: Any) -> Iterable[Any]:
    """Return the bit generator of a RandomState, which is checked by itself."""
    return (state._bit_generator,)  # noqa: SLF001 - has no public name


def look_into_generator(generator: Any) -> Iterable[Any]:
    """Return the bit generator of a Generator, which is checked by itself."""
    return (generator.bit_generator,)


def check_seed_sequence(sequence: Any) -> None:
    """Check the pool of a seed sequence; spawning reads it by ``pool_size``."""
    pool = array(sequence, sequence.pool, "pool", kinds="u", ndim=1)
    if pool.dtype.itemsize != 4:  # noqa: PLR2004 - uint32
        refuse(sequence, f"pool is of dtype {pool.dtype}")
    shaped(sequence, pool, (sequence.pool_size,), "pool")
    ensure(sequence, len(pool) >= 4, "its pool is too small")  # noqa: PLR2004 - SeedSequence's own
