# SPDX-License-Identifier: BSD-3-Clause
"""The opcode verifier: one linear pass that runs a pickle stream on abstract values.

Floor 4.  It does to its stack, marks and memo exactly what the C unpickler does to its own, imports
nothing and calls nothing; what it cannot model it refuses.  `_run` is the one hot loop of the
project; opcodes that are rare in honest files are in `steps` and `calls`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from safeserial.errors import (
    CorruptArtifactError,
    ForbiddenOperationError,
    LimitExceededError,
)
from safeserial.verifier import batches
from safeserial.verifier.constants import Constants
from safeserial.verifier.context import Context
from safeserial.verifier.hashing import Nests
from safeserial.verifier.opcodes import (
    BINGET,
    BINPUT,
    CODES,
    FIXED,
    KINDS,
    KINDS_AFTER_GAP,
    MARK,
    MEMOIZE,
    NAMES,
    REFUSED,
    SHORT_RAW,
    SHORT_TEXT,
    SIZES,
    TUPLE,
)
from safeserial.verifier.values import (
    UNSET,
    FrozenSetValue,
    Global,
    Instance,
    RuleBroken,
    Run,
    Unset,
    Value,
    WrapperValue,
)

_SHORT_TEXT_CODE: Final = CODES["SHORT_BINUNICODE"]
_TICK: Final = 1 << 14
_MAX_GAP: Final = 1024
_TUPLE_BYTES: Final = 56
NESTED: Final = frozenset({tuple, FrozenSetValue, Instance})


Step: TypeAlias = "Callable[[Machine, int], int]"


class Stop(Exception):
    """The stream has ended; not an error."""


class Machine:
    """Abstract unpickler of one stream.

    Parameters
    ----------
    data : bytes or memoryview
        Memory that holds the stream, perhaps among other things.
    context : Context
        Accounts, shared with nested streams.
    steps : mapping of int to Step
        What the opcodes do that the hot loop leaves alone.
    buffers : tuple of memoryview
        Out-of-band buffers of protocol 5.
    objects : tuple of Value
        What integer persistent ids stand for.
    depth : int
        0 for a payload, 1 for a stream inside one.
    """

    def __init__(
        self,
        data: bytes | memoryview,
        context: Context,
        steps: Mapping[int, Step],
        *,
        buffers: tuple[memoryview, ...] = (),
        objects: tuple[Value, ...] = (),
        depth: int = 0,
    ) -> None:
        self.data = data
        self.context = context
        self.steps = steps
        self.constants = Constants(data)
        self.nests = Nests(context.limits, len(data), nested=depth > 0)
        self.buffers = list(reversed(buffers))
        self.objects = objects
        self.depth = depth
        self.stack: list[Value] = []
        self.below: list[list[Value]] = []
        self.memo: list[Value] = []
        self.kinds = KINDS
        self.start = 0
        self.protocol = 0
        self.frame_end = 0
        self.wrappers = 0
        self.globals: list[Global] = []
        self.cuts: list[tuple[int, int]] = []

    def run(self, start: int = 0) -> tuple[int, Value]:
        """Verify the stream that begins at `start`.

        Returns
        -------
        end : int
            Offset after its STOP.
        top : Value
            What it leaves.

        Raises
        ------
        CorruptArtifactError
            If no unpickler could read it.
        ForbiddenOperationError
            If it does what no honest model does.
        LimitExceededError
            If it costs more than the policy allows.
        """
        self.start = self.frame_end = start
        self._position = start
        try:
            return self._run(start)
        except RuleBroken as broken:
            raise self.forbidden(str(broken)) from None
        except (RecursionError, MemoryError):
            raise LimitExceededError("the stream is nested too deeply or too large") from None
        except (IndexError, KeyError, ValueError, OverflowError, struct.error):
            where = self._position
            raise CorruptArtifactError(
                f"the pickle stream is malformed near byte {where}"
            ) from None

    def _run(self, start: int) -> tuple[int, Value]:
        data, kinds, memo, sizes = self.data, self.kinds, self.memo, SIZES
        stack, steps = self.stack, self.steps
        nests, limits = self.nests, self.context.limits
        here = start
        while True:
            tuples = 0
            for done in range(_TICK):
                code = data[here]
                kind = kinds[code]
                if kind == FIXED:
                    stack.append(here)
                    here += sizes[code]
                elif kind == MEMOIZE:
                    memo.append(stack[-1])
                    here += 1
                elif kind == SHORT_TEXT:
                    end = here + 2 + data[here + 1]
                    text = bytes(data[here + 2 : end])
                    if not text.isascii():
                        text.decode("utf-8", "surrogatepass")
                    stack.append(here)
                    here = end
                elif kind == BINGET:
                    value = memo[data[here + 1]]
                    if type(value) is not int and type(value) is not tuple:
                        self._position = here
                        value = self.recall(data[here + 1])
                    stack.append(value)
                    here += 2
                elif kind == BINPUT:
                    index = data[here + 1]
                    if index == len(memo):
                        memo.append(stack[-1])
                    else:
                        self._position = here
                        self.put(index)
                        kinds = self.kinds
                    here += 2
                elif kind == TUPLE:
                    size = sizes[code]
                    items = tuple(stack[-size:])
                    if len(items) < size:
                        raise IndexError
                    del stack[-size:]
                    for item in items:
                        if type(item) in NESTED:
                            nests.note(items)
                            break
                    stack.append(items)
                    tuples += 1
                    here += 1
                elif kind == SHORT_RAW:
                    stack.append(here)
                    here += 2 + data[here + 1]
                elif kind == MARK:
                    here += 1
                    if data[here] == _SHORT_TEXT_CODE and stack:
                        self._position = here
                        end = batches.take(self, here, stack[-1])
                        if end:
                            here = end
                            continue
                    if len(self.below) >= limits.nesting:
                        raise LimitExceededError(f"more than {limits.nesting} marks are open")
                    self.below.append(stack)
                    self.stack = stack = []
                else:
                    self._position = here
                    step = steps.get(code)
                    if step is None:
                        raise self._refuse(code)
                    try:
                        here = step(self, here)
                    except Stop:
                        self._tick(done + 1, tuples)
                        return here + 1, self.stack[0]
                    stack = self.stack
                    kinds = self.kinds
            self._position = here
            self._tick(_TICK, tuples)

    def _tick(self, opcodes: int, tuples: int) -> None:
        self.context.count_opcodes(opcodes)
        self.context.allocate(_TUPLE_BYTES * tuples)
        limits = self.context.limits
        depth = len(self.stack) + sum(map(len, self.below))
        if depth > limits.stack_depth:
            raise LimitExceededError(f"more than {limits.stack_depth} values on the stack")
        if len(self.memo) > limits.memo_entries:
            raise LimitExceededError(f"more than {limits.memo_entries} entries in the memo")

    def _refuse(self, code: int) -> Exception:
        name = NAMES.get(code)
        if name is None:
            return CorruptArtifactError(
                f"byte {self._position} is not a pickle opcode: {code:#04x}"
            )
        return RuleBroken(REFUSED.get(name, "it cannot stand here"))

    def forbidden(self, message: str, name: str = "") -> ForbiddenOperationError:
        """Return the error of the opcode at hand."""
        code = NAMES.get(self.data[self._position], "")
        about = f" of {name}" if name else ""
        return ForbiddenOperationError(
            f"{code}{about} at byte {self._position}: {message}",
            opcode=code,
            offset=self._position,
            global_name=name,
        )

    def settle_references(self) -> None:
        """Record the names that were stored: pushed more often than they were called."""
        for one in self.globals:
            if one.pushed > one.spent:
                try:
                    self.context.use(one, "reference")
                except RuleBroken as broken:
                    raise self.forbidden(str(broken), one.dotted) from None

    # -- memo

    def put(self, index: int) -> None:
        """Put the top of the stack at an index of the memo, as PUT does."""
        memo, value = self.memo, self.stack[-1]
        if index < len(memo):
            memo[index] = value
            return
        gap = index - len(memo)
        # The C unpickler takes memory for all indices up to the highest.
        if gap > _MAX_GAP or index >= self.context.limits.memo_entries:
            raise LimitExceededError("an index of the memo is far beyond those in use")
        if gap:
            memo.extend([UNSET] * gap)
            self.kinds = KINDS_AFTER_GAP
        memo.append(value)

    def recall(self, index: int) -> Value:
        """Return an entry of the memo, as GET does."""
        value = self.memo[index]
        if isinstance(value, Run):
            batches.expand(self, value)
            value = self.memo[index]
        if isinstance(value, Global):
            value.pushed += 1
        elif isinstance(value, Unset):
            raise IndexError
        elif isinstance(value, WrapperValue):
            raise RuleBroken("joblib's wrapper is used once")
        return value

    def open_frame(self, here: int, frame_end: int) -> int:
        """Return where the frame ends whose opcode stands at `here`."""
        length = int.from_bytes(self.data[here + 1 : here + 9], "little")
        # The C unpickler asks only that so many bytes are there; picklers never nest frames.
        if here < frame_end or length > len(self.data) - here - 9:
            raise ValueError("frame")
        return here + 9 + length
