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
from safeserial.policy import Grant
from safeserial.verifier import batches
from safeserial.verifier.constants import Constants
from safeserial.verifier.context import Context
from safeserial.verifier.hashing import Nests
from safeserial.verifier.idioms import array_state
from safeserial.verifier.memo import PLAIN, hold, learn, put, recall
from safeserial.verifier.opcodes import (
    BINGET,
    BININT,
    BINPUT,
    CODES,
    EMPTY,
    FIXED,
    KINDS,
    MARK,
    MEMOIZE,
    NAMES,
    NUMBERED,
    OTHER,
    REFUSED,
    SHARED,
    SHORT_RAW,
    SHORT_TEXT,
    SIZES,
    TUPLE,
)
from safeserial.verifier.use import Use
from safeserial.verifier.values import (
    Arguments,
    ArrayValue,
    DictValue,
    FrozenSetValue,
    Global,
    Instance,
    Kind,
    Layout,
    ListValue,
    RuleBroken,
    SetValue,
    Tuple,
    Untraced,
    Value,
)

_SHORT_TEXT_CODE: Final = CODES["SHORT_BINUNICODE"]
_TICK: Final = 1 << 14
_TUPLE_BYTES: Final = 64
# EMPTY_TUPLE, NEWOBJ, MEMOIZE, EMPTY_DICT, MEMOIZE.
_NEW: Final = b")\x81\x94}\x94"
_INSTANCE_BYTES: Final = 64
_NO_GRANT: Final = Grant(frozenset())
_NOBODY: Final = Global(("", ""), ("", ""), None, set())
_BININT1_CODE, _BININT2_CODE = CODES["BININT1"], CODES["BININT2"]
_EMPTY_DICT_CODE, _EMPTY_TUPLE_CODE = CODES["EMPTY_DICT"], CODES["EMPTY_TUPLE"]
_EMPTY_LIST_CODE: Final = CODES["EMPTY_LIST"]
# Where traces have come so near to a limit, they are not relied on.
_NEAR: Final = (9, 10)
# Nothing is kept of a set, so that one stands for all; it takes as much as several tuples.
_SET: Final = SetValue()
_SET_SHARE: Final = 3
NESTED: Final = frozenset({tuple, Arguments, FrozenSetValue, Instance, Global})


Step: TypeAlias = "Callable[[Machine, int], int]"


class Stop(Exception):  # noqa: N818 - it is none
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
    memory : bytes or memoryview, optional
        Where arrays are cut from, if `data` is a copy of it.
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
        memory: bytes | memoryview | None = None,
        buffers: tuple[memoryview, ...] = (),
        objects: tuple[Value, ...] = (),
        depth: int = 0,
    ) -> None:
        self.data = data
        self.memory = data if memory is None else memory
        self.context = context
        self.steps = steps
        self.constants = Constants(data)
        self.nests = Nests(context.limits, len(data), nested=depth > 0)
        self.buffers = list(reversed(buffers))
        self.objects = objects
        self.depth = depth
        # Keys of states that were found to be names of attributes, those among them whose values
        # must be constants, and layouts of dicts and runs of opcodes seen before.
        self.attributes: set[Value] = set()
        self.quiet: set[Value] = set()
        self.layouts: dict[Tuple, Layout] = {}
        self.shared: dict[bytes, list[Value] | None] = {}
        self.stack: list[Value] = []
        self.below: list[list[Value]] = []
        self.memo: list[Value] = []
        self.kinds = KINDS
        self.start = 0
        self.protocol = 0
        self.frame_end = 0
        self.wrappers = 0
        self.instances = 0
        # Whether objects may still be verified by traces; objects that were; opcodes that traces
        # have passed, and bytes that these make the unpickler take; values that they put on the
        # stack at most; bytes of objects that were read again in order to learn.
        self.traced = context.traced
        self.hits = self.replayed = self.expected = self.tallest = self.reread = 0
        # Classes of which something is kept, the oldest first.
        self.taught: list[Kind] = []
        # One for all calls: what a rule is given lives no longer than the rule runs.
        self.use = Use(_NOBODY, _NO_GRANT, (), self.constants, self.nests, context)
        self.globals: list[Global] = []
        self.cuts: list[tuple[int, int]] = []
        # Where frames begin and end, and offsets at which an opcode is known to begin.
        self.frames: list[tuple[int, int]] = []
        self.edges: set[int] = set()
        # Those that only the machine's own pace makes known, and the stack when it last paused.
        self.ticks: set[int] = set()
        self.paused = 0

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
        self.position = start
        try:
            end, top = self._run(start)
        except RuleBroken as broken:
            raise self.forbidden(str(broken)) from None
        except (RecursionError, MemoryError):
            raise LimitExceededError("the stream is nested too deeply or too large") from None
        except (IndexError, KeyError, ValueError, OverflowError, struct.error):
            where = self.position
            raise CorruptArtifactError(
                f"the pickle stream is malformed near byte {where}"
            ) from None
        if self.hits and not self._is_certain(end):
            raise Untraced
        return end, top

    def _is_certain(self, end: int) -> bool:
        """Say whether the machine would have come to the same end without traces."""
        # What is left of an opcode that traces have passed is not known as the beginning of one;
        # and counts may be checked a little later.
        known = {start for start, _ in (*self.frames, *self.cuts)} | {end}
        known |= self.edges - self.ticks
        entries = len(self.memo) * _NEAR[1] <= self.context.limits.memo_entries * _NEAR[0]
        return (
            entries
            and self.context.has_room(*_NEAR)
            and all(stop in known for _, stop in self.frames)
        )

    # One loop, opcodes inline: a call for each would take longer than all that is done here.
    def _run(self, start: int) -> tuple[int, Value]:  # noqa: C901, PLR0912, PLR0915
        data, kinds, memo, sizes = self.data, self.kinds, self.memo, SIZES
        objects, stack, steps, shared = self.objects, self.stack, self.steps, self.shared
        limits, push, remember = self.context.limits, stack.append, memo.append
        here = start
        while True:
            tuples = extra = made = 0
            for done in range(_TICK):
                code = data[here]
                kind = kinds[code]
                # The commonest first; no comparison that could be saved.
                if kind < OTHER:
                    if kind == FIXED:
                        push(here)
                        here += sizes[code]
                    elif kind == SHORT_TEXT:
                        end = here + 2 + data[here + 1]
                        text = bytes(data[here + 2 : end])
                        if not text.isascii():
                            text.decode("utf-8", "surrogatepass")
                        push(here)
                        if kinds[data[end]] == MEMOIZE:
                            remember(here)
                            extra += 1
                            end += 1
                        here = end
                    elif kind == BINGET:
                        value = memo[data[here + 1]]
                        if type(value) in PLAIN:
                            push(value)
                        elif type(value) is Global:
                            begun = value.simple and data[here + 2 : here + 7] == _NEW
                            if begun and (made_of := value.kind) is not None and kinds is KINDS:
                                value.roles.add("new")
                                if made_of.trace is not None:
                                    # Like objects before it were written in the same way.
                                    end = made_of.trace.replay(self, here + 4)
                                    if end:
                                        here = end
                                        extra += 2
                                        made += 2
                                        continue
                                # How ordinary objects begin: an instance, and its empty state.
                                begun_here = Instance(made_of, 1)
                                made_of.begun = begun_here, here + 4, len(memo)
                                push(begun_here)
                                remember(stack[-1])
                                push(DictValue(0, []))
                                remember(stack[-1])
                                made += 3
                                extra += 5
                                here += 5
                            else:
                                idiom = value.idiom
                                if idiom is not None and (end := idiom(self, here, value)):
                                    here = end
                                    continue
                                value.pushed += 1
                                push(value)
                        else:
                            self.position = here
                            push(recall(self, data[here + 1]))
                        here += 2
                    else:
                        remember(stack[-1])
                        here += 1
                elif kind == OTHER:
                    self.position = here
                    step = steps.get(code)
                    if step is None:
                        raise self._refuse(code)
                    try:
                        here = step(self, here)
                    except Stop:
                        self._tick(done + 1 + extra, tuples + made)
                        return here + 1, self.stack[0]
                    stack = self.stack
                    push = stack.append
                    kinds = self.kinds
                    if kinds[data[here]] == MEMOIZE:
                        remember(stack[-1])
                        extra += 1
                        here += 1
                elif kind == TUPLE:
                    size = sizes[code]
                    items = tuple(stack[-size:])
                    if len(items) < size:
                        raise IndexError
                    del stack[-size:]
                    for item in items:
                        if type(item) in NESTED:
                            items = hold(self, items)
                            break
                    push(items)
                    tuples += 1
                    here += 1
                    if kinds[data[here]] == MEMOIZE:
                        remember(items)
                        extra += 1
                        here += 1
                elif kind == MARK:
                    if (
                        stack
                        and type(stack[-1]) is ArrayValue
                        and (end := array_state(self, here, stack[-1]))
                    ):
                        here = end
                        continue
                    here += 1
                    if data[here] == _SHORT_TEXT_CODE and stack:
                        self.position = here
                        end = batches.take(self, here, stack[-1])
                        if end:
                            here = end
                            continue
                    if len(self.below) >= limits.nesting:
                        raise LimitExceededError(f"more than {limits.nesting} marks are open")
                    self.below.append(stack)
                    self.stack = stack = []
                    push = stack.append
                    if (match := SHARED(data, here)) is not None:
                        if (values := shared.get(match[0]) or learn(self, here, match[0])) is None:
                            continue
                        stack += values
                        extra += len(values)
                        here = match.end()
                elif kind == SHORT_RAW:
                    push(here)
                    here += 2 + data[here + 1]
                    if kinds[data[here]] == MEMOIZE:
                        remember(stack[-1])
                        extra += 1
                        here += 1
                elif kind == EMPTY:
                    made += 1
                    if code == _EMPTY_DICT_CODE:
                        push(DictValue(0, []))
                    elif code == _EMPTY_TUPLE_CODE:
                        push(())
                    elif code == _EMPTY_LIST_CODE:
                        push(ListValue(0, []))
                    else:
                        made += _SET_SHARE
                        push(_SET)
                    here += 1
                    if kinds[data[here]] == MEMOIZE:
                        remember(stack[-1])
                        extra += 1
                        here += 1
                elif kind == NUMBERED:
                    # The number of an array beside the stream, by far the most of such ids.
                    at, number = stack[-1], -1
                    if type(at) is int:
                        if data[at] == _BININT2_CODE:
                            number = data[at + 1] | data[at + 2] << 8
                        elif data[at] == _BININT1_CODE:
                            number = data[at + 1]
                    if 0 <= number < len(objects):
                        stack[-1] = objects[number]
                        here += 1
                    else:
                        self.position = here
                        here = steps[code](self, here)
                elif kind == BINPUT:
                    index = data[here + 1]
                    if index == len(memo):
                        memo.append(stack[-1])
                    else:
                        self.position = here
                        put(self, index)
                        kinds = self.kinds
                    here += 2
                elif kind == BININT:
                    push(here)
                    here += 5
                    # A seed is what the states of like objects differ in: what follows may not.
                    if (match := SHARED(data, here)) is not None:
                        if (values := shared.get(match[0]) or learn(self, here, match[0])) is None:
                            continue
                        stack += values
                        extra += len(values)
                        here = match.end()
                elif int.from_bytes(data[here + 1 : here + 5], "little") == len(memo):
                    remember(stack[-1])  # LONG_BINPUT
                    here += 5
                else:
                    self.position = here
                    here = steps[code](self, here)
                    kinds = self.kinds
            self.position = here
            if here not in self.edges:
                self.edges.add(here)
                self.ticks.add(here)
            self._tick(_TICK + extra, tuples + made)

    def _tick(self, opcodes: int, tuples: int) -> None:
        self.context.count_opcodes(opcodes + self.replayed)
        made = _TUPLE_BYTES * tuples + _INSTANCE_BYTES * self.instances
        self.context.allocate(made + self.expected)
        self.instances = self.replayed = self.expected = 0
        limits = self.context.limits
        depth = len(self.stack) + sum(map(len, self.below))
        if self.hits:
            # Without traces it would have been looked at in other places.
            most = max(self.paused, depth) + opcodes + self.tallest
            if most * _NEAR[1] > limits.stack_depth * _NEAR[0]:
                raise Untraced
        self.paused = depth
        if depth > limits.stack_depth:
            raise LimitExceededError(f"more than {limits.stack_depth} values on the stack")
        if len(self.memo) > limits.memo_entries:
            raise LimitExceededError(f"more than {limits.memo_entries} entries in the memo")

    def forget(self) -> None:
        """Drop what was learnt from the memo: it is not one that is only added to."""
        self.shared.clear()
        if not self.traced:
            return
        self.traced = False
        for one in self.globals:
            if one.kind is not None:
                one.kind.trace = one.kind.lessons = one.kind.begun = None

    def _refuse(self, code: int) -> Exception:
        name = NAMES.get(code)
        if name is None:
            return CorruptArtifactError(f"byte {self.position} is not a pickle opcode: {code:#04x}")
        return RuleBroken(REFUSED.get(name, "it cannot stand here"))

    def forbidden(self, message: str, name: str = "") -> ForbiddenOperationError:
        """Return the error of the opcode at hand."""
        code = NAMES.get(self.data[self.position], "")
        about = f" of {name}" if name else ""
        return ForbiddenOperationError(
            f"{code}{about} at byte {self.position}: {message}",
            opcode=code,
            offset=self.position,
            global_name=name,
        )

    def open_frame(self, here: int, frame_end: int) -> int:
        """Return where the frame ends whose opcode stands at `here`."""
        length = int.from_bytes(self.data[here + 1 : here + 9], "little")
        # The C unpickler asks only that so many bytes are there; picklers never nest frames.
        if here < frame_end or length > len(self.data) - here - 9:
            raise ValueError("frame")
        self.frames.append((here, here + 9 + length))
        return here + 9 + length
