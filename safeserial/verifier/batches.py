# SPDX-License-Identifier: BSD-3-Clause
"""Batches of strings taken at once: most of a vocabulary, checked by the regex engine.

Floor 4.  A batch is what stands between MARK and SETITEMS or APPENDS.  Its strings get their memo
entries without being looked at one by one; they are found again only when one is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from safeserial.verifier.opcodes import (
    ATOM_SIZES,
    CODES,
    KINDS,
    ROUND,
    item,
    items,
    one_round,
    parted_pair,
)
from safeserial.verifier.values import DictValue, ListValue, RuleBroken, Run, Value

if TYPE_CHECKING:
    from safeserial.verifier.machine import Machine

# Members of shorter batches are looked at: states of objects are among them.
_BATCH_FROM: Final = 4096
# So few are shorter than that, however long their texts.
_LOOKED_AT: Final = 8
_FRAME, _MEMOIZE, _TEXT = CODES["FRAME"], CODES["MEMOIZE"], CODES["SHORT_BINUNICODE"]
_NUMBERS: Final = frozenset(CODES[name] for name in ("BININT1", "BININT2", "BININT", "BINFLOAT"))


def take(machine: Machine, start: int, target: Value) -> int:
    """Take a whole batch of strings (and small numbers) at once; 0 where it is not one."""
    pairs = type(target) is DictValue
    if (not pairs and type(target) is not ListValue) or machine.kinds is not KINDS:
        return 0
    data, here, frame_end = machine.data, start, machine.frame_end
    if len(data) - start < _BATCH_FROM or not _may_be_one(data, start, pairs=pairs):
        return 0
    closing = CODES["SETITEMS" if pairs else "APPENDS"]
    runs: list[Run] = []
    while True:
        if (run := _run(data, here, pairs=pairs)) is not None:
            runs.append(run)
            here = run.end
        if data[here] == closing:
            break
        if pairs and (match := parted_pair().match(data, here)):
            # A frame begins between key and value.
            end = match.end(1)
            runs.append(Run(here, end, pairs=False, checked=here))
            frame_end = machine.open_frame(end, frame_end)
            here = match.end()
        elif data[here] == _FRAME:
            frame_end = machine.open_frame(here, frame_end)
            here += 9
        else:
            return 0
    if here - start < _BATCH_FROM:
        return 0
    machine.frame_end = frame_end
    _grow(cast("DictValue | ListValue", target), sum(_remember(machine, run) for run in runs))
    return here + 1


def _may_be_one(data: bytes | memoryview, here: int, *, pairs: bool) -> bool:
    """Look at the first few members: most of what stands in such a place is no batch."""
    for _ in range(_LOOKED_AT):
        if data[here] == _FRAME:
            return True
        end = here + 2 + data[here + 1]
        if data[here] != _TEXT or data[end] != _MEMOIZE:
            return False
        here = end + 1
        if pairs:
            code = data[here]
            if code not in _NUMBERS:
                return code == _FRAME
            here += ATOM_SIZES[code]
    return True


def _run(data: bytes | memoryview, start: int, *, pairs: bool) -> Run | None:
    """Return as many members as stand there."""
    rounds, here, count = one_round(pairs=pairs).match, start, 0
    while (match := rounds(data, here)) is not None:
        count += ROUND
        here = match.end()
    checked = here
    if (match := items(pairs=pairs).match(data, here)) is not None:
        here = match.end()
    return Run(start, here, pairs=pairs, checked=checked, count=count) if here > start else None


def _remember(machine: Machine, run: Run) -> int:
    """Check the texts of a run and give them their memo entries."""
    count = run.count + _check(machine, run)
    run.base = len(machine.memo)
    machine.memo.extend([run] * count)
    machine.context.count_opcodes(3 * count)
    return count


def _check(machine: Machine, run: Run) -> int:
    """Decode the texts of a run that may not be ASCII, and count them."""
    if run.checked == run.end:
        return 0
    texts = item(pairs=run.pairs).findall(machine.data, run.checked, run.end)
    blob = b"".join(texts)
    # Lengths stand among the texts: those of 128 and more are not ASCII either.
    if not blob.isascii():
        b"\n".join([text[1:] for text in texts]).decode("utf-8", "surrogatepass")
    return len(texts)


def expand(machine: Machine, run: Run) -> None:
    """Give each string of a run the memo entry that it would have had."""
    found = item(pairs=run.pairs).finditer(machine.data, run.start, run.end)
    for index, match in enumerate(found, run.base):
        if machine.memo[index] is run:
            machine.memo[index] = match.start()


def _grow(target: DictValue | ListValue, count: int) -> None:
    """Count members that are not kept because all are strings and small numbers."""
    if target.sealed:
        raise RuleBroken("a column is complete")
    target.count += count
    if isinstance(target, DictValue):
        target.flat = target.layout = None
    else:
        target.items = None
