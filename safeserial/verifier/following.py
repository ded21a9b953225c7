# SPDX-License-Identifier: BSD-3-Clause
"""Following the opcodes of an object on a stack of nodes: constants, memo, containers.

Floor 4.  What is made in the object is used in one place only: nothing can be added to it once
something holds it.  Nothing from outside the object is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from safeserial.verifier.constants import COUNTED
from safeserial.verifier.machine import Machine
from safeserial.verifier.nodes import (
    ARRAY,
    BYTES,
    DICT,
    FIXED,
    INSTANCE,
    LIST,
    TUPLE,
    WRAPPER,
    Node,
    Opcode,
    Untraceable,
    constant_of,
    is_final,
)
from safeserial.verifier.opcodes import CODES, EASY_KEYS, TEXT_KEYS
from safeserial.verifier.values import Instance

ITEM_BYTES: Final = 64
_LIST_BYTES, _SLOT_BYTES = 56, 8
# A batch of so many bytes might be one that the machine takes at once (`batches`).
_BATCH: Final = 512
_WORK: Final = 64
_SHORT_TEXT: Final = CODES["SHORT_BINUNICODE"]


class Follower:
    """A stack and a memo of nodes.

    Parameters
    ----------
    machine : Machine
        Which has just verified the object.
    made : Instance
        The object.
    base : int
        Length of the memo when it was begun.
    """

    def __init__(self, machine: Machine, made: Instance, base: int) -> None:
        self.machine = machine
        self.made = made
        self.base = base
        self.first = Node(INSTANCE, made.kind)
        self.stack = [self.first]
        self.below: list[list[Node]] = []
        self.opened: list[tuple[int, int]] = []
        self.memo: list[Node] = []
        self.holes = 0
        # Bytes in holes that no shape speaks for yet.
        self.unclaimed: set[int] = set()
        self.size = self.marks = 0
        # The opcode that comes next.
        self.behind = 0

    def push(self, node: Node) -> None:
        """Put a node on the stack."""
        self.stack.append(node)

    def hole(self, sort: int) -> None:
        """Put a constant on the stack of which nothing but its form is known."""
        self.push(Node(sort, place=self.holes, hollow=True))
        if sort == BYTES:
            self.unclaimed.add(self.holes)
        self.holes += 1

    def pop(self) -> Node:
        """Take a node off the stack, but never the object itself."""
        if len(self.stack) <= (0 if self.below else 1):
            raise Untraceable
        return self.stack.pop()

    def last(self, count: int) -> list[Node]:
        """Take so many nodes off the stack."""
        items = [self.pop() for _ in range(count)]
        return items[::-1]

    def segment(self, here: int) -> list[Node]:
        """Take all down to the last mark off the stack."""
        if not self.below:
            raise Untraceable
        items, self.stack = self.stack, self.below.pop()
        opened, first = self.opened.pop()
        if first == _SHORT_TEXT and here - opened > _BATCH:
            raise Untraceable
        return items

    def top(self) -> Node:
        """Return the node on top of the stack."""
        if not self.stack:
            raise Untraceable
        return self.stack[-1]

    def hold(self, items: Sequence[Node]) -> list[Node]:
        """Let something hold these: nothing is added to them afterwards."""
        for one in items:
            if one.sort == WRAPPER or (one.sort == ARRAY and not one.done):
                raise Untraceable
            if one is self.first:
                raise Untraceable
        return list(items)

    def get(self, one: Opcode, known: int | None) -> None:
        """Push an entry of the memo: the object's own if its position is known."""
        if known is not None:
            # Only what nothing can be done to, and what no hole has a part in.
            node = self.memo[known]
            constant = node.sort == FIXED and type(node.value) is int
            if not constant and not (node.sort == ARRAY and node.done and node.numbered is None):
                raise Untraceable
            self.push(node)
            return
        index = int.from_bytes(self.machine.data[one.start + 1 : one.end], "little")
        if index >= self.base:
            raise Untraceable
        value = self.machine.memo[index]
        if not is_final(value):
            raise Untraceable
        self.push(Node(FIXED, value))

    # -- opcodes

    def _mark(self, one: Opcode) -> None:
        self.opened.append((one.start, self.behind))
        self.below.append(self.stack)
        self.stack = []
        self.marks = max(self.marks, len(self.below))

    def _empty_tuple(self, _one: Opcode) -> None:
        self.size += ITEM_BYTES
        self.push(Node(TUPLE))

    def _empty_list(self, _one: Opcode) -> None:
        self.size += ITEM_BYTES
        self.push(Node(LIST))

    def _empty_dict(self, _one: Opcode) -> None:
        self.size += ITEM_BYTES
        self.push(Node(DICT))

    def memoize(self, _one: Opcode | None = None) -> None:
        """Add the node on top of the stack to the memo."""
        self.memo.append(self.top())

    def _tuple(self, one: Opcode) -> None:
        items = self.segment(one.start)
        self.size += _LIST_BYTES + _SLOT_BYTES * len(items)
        self._join(items)

    def _short_tuple(self, one: Opcode) -> None:
        self.size += ITEM_BYTES
        self._join(self.last(1 + one.code - CODES["TUPLE1"]))

    def _join(self, items: list[Node]) -> None:
        hollow = any(item.hollow for item in items)
        self.push(Node(TUPLE, members=self.hold(items), hollow=hollow))

    def _appends(self, one: Opcode) -> None:
        self._extend(self.segment(one.start))

    def _append(self, _one: Opcode) -> None:
        self._extend(self.last(1))

    def _extend(self, items: list[Node]) -> None:
        target = self.top()
        if target.sort != LIST:
            raise Untraceable
        self.hold(items)
        target.hollow = target.hollow or any(item.hollow for item in items)

    def _setitems(self, one: Opcode) -> None:
        self._update(self.segment(one.start))

    def _setitem(self, _one: Opcode) -> None:
        self._update(self.last(2))

    def _update(self, items: list[Node]) -> None:
        target = self.top()
        if target.sort != DICT or len(items) % 2 or not all(map(self._is_key, items[::2])):
            raise Untraceable
        target.members += self.hold(items)
        target.hollow = target.hollow or any(item.hollow for item in items)

    def _is_key(self, node: Node) -> bool:
        """Say whether a key costs nothing."""
        if node.sort != FIXED or type(node.value) is not int:
            return False
        code = self.machine.data[node.value]
        if code in EASY_KEYS:
            return True
        short = code in TEXT_KEYS and code in COUNTED
        return short and self.machine.constants.span(node.value)[1] < _WORK

    def _number(self, _one: Opcode) -> None:
        node = self.pop()
        number = self.machine.constants.integer(constant_of(node))
        value = self.machine.objects[number] if number >= 0 else None
        if not is_final(value):
            raise Untraceable
        self.push(Node(FIXED, value))


_STEPS: Final[dict[str, Callable[[Any, Opcode], None]]] = {
    "MARK": Follower._mark,  # noqa: SLF001 - the table of the class's own steps
    "EMPTY_TUPLE": Follower._empty_tuple,  # noqa: SLF001
    "EMPTY_LIST": Follower._empty_list,  # noqa: SLF001
    "EMPTY_DICT": Follower._empty_dict,  # noqa: SLF001
    "MEMOIZE": Follower.memoize,
    "TUPLE": Follower._tuple,  # noqa: SLF001
    "TUPLE1": Follower._short_tuple,  # noqa: SLF001
    "TUPLE2": Follower._short_tuple,  # noqa: SLF001
    "TUPLE3": Follower._short_tuple,  # noqa: SLF001
    "SETITEMS": Follower._setitems,  # noqa: SLF001
    "SETITEM": Follower._setitem,  # noqa: SLF001
    "APPENDS": Follower._appends,  # noqa: SLF001
    "APPEND": Follower._append,  # noqa: SLF001
    "BINPERSID": Follower._number,  # noqa: SLF001
}
FOLLOWED: Final = {CODES[name]: step for name, step in _STEPS.items()}
