# SPDX-License-Identifier: BSD-3-Clause
"""Batches of strings taken at once: most of a vocabulary, checked by the regex engine.

Floor 4.  A batch is what stands between MARK and SETITEMS or APPENDS.  Its strings get their memo
entries without being looked at one by one; they are found again only when one is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from safeserial.verifier.opcodes import CODES, ITEM, ITEMS, KINDS, PAIR, PAIRS, PARTED_PAIR
from safeserial.verifier.values import DictValue, ListValue, RuleBroken, Run, Value

if TYPE_CHECKING:
    from safeserial.verifier.machine import Machine

# Members of shorter batches are looked at: states of objects are among them.
_BATCH_FROM: Final = 4096
_FRAME: Final = CODES["FRAME"]


def take(machine: Machine, start: int, target: Value) -> int:
    """Take a whole batch of strings (and small numbers) at once; 0 where it is not one."""
    pairs = type(target) is DictValue
    if (not pairs and type(target) is not ListValue) or machine.kinds is not KINDS:
        return 0
    form, closing = (PAIRS, CODES["SETITEMS"]) if pairs else (ITEMS, CODES["APPENDS"])
    data, here, frame_end = machine.data, start, machine.frame_end
    runs: list[Run] = []
    while True:
        match = form.match(data, here)
        if match is not None:
            runs.append(Run(here, match.end(), pairs=pairs))
            here = match.end()
        if data[here] == closing:
            break
        if pairs and (match := PARTED_PAIR.match(data, here)):
            # A frame begins between key and value.
            runs.append(Run(here, match.end(1), pairs=False))
            frame_end = machine.open_frame(match.end(1), frame_end)
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


def _remember(machine: Machine, run: Run) -> int:
    """Check the texts of a run and give them their memo entries."""
    texts = (PAIR if run.pairs else ITEM).findall(machine.data, run.start, run.end)
    blob = b"".join(texts)
    # Lengths stand among the texts: those of 128 and more are not ASCII either.
    if not blob.isascii():
        b"\n".join([text[1:] for text in texts]).decode("utf-8", "surrogatepass")
    run.base = len(machine.memo)
    machine.memo.extend([run] * len(texts))
    machine.context.count_opcodes(3 * len(texts))
    return len(texts)


def expand(machine: Machine, run: Run) -> None:
    """Give each string of a run the memo entry that it would have had."""
    item = PAIR if run.pairs else ITEM
    for index, match in enumerate(item.finditer(machine.data, run.start, run.end), run.base):
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
