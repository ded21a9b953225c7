# SPDX-License-Identifier: BSD-3-Clause
"""Judging the calls and states of an object: only those whose outcome no hole has a part in.

Floor 4.  But for the bytes of arrays: which shape and element type each must fit is noted down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from safeserial.verifier.following import FOLLOWED, ITEM_BYTES, Follower
from safeserial.verifier.intrinsic import FRAMES, QUIET_STATES
from safeserial.verifier.machine import Machine
from safeserial.verifier.nodes import (
    ARRAY,
    BYTES,
    CONSTANT,
    DICT,
    FIXED,
    INSTANCE,
    TUPLE,
    WRAPPER,
    Node,
    Opcode,
    Untraceable,
    constant_of,
    is_plain,
)
from safeserial.verifier.opcodes import CODES
from safeserial.verifier.traces import Inline
from safeserial.verifier.use import WRAPPERS
from safeserial.verifier.values import ArrayValue, DTypeValue, Global, Instance
from safeserial.verifier.wrappers import padding_most

_STATE_PARTS, _BUFFER_PARTS, _TREE_PARTS, _PAIR = 5, 4, 3, 2


class Judge(Follower):
    """Follows calls and states as well.

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
        super().__init__(machine, made, base)
        # Element type, shape and bytes, which must be bytes proper; arrays inside the stream.
        self.sized: list[tuple[DTypeValue, list[Node], Node, bool]] = []
        self.inlined: list[tuple[Inline, list[Node]]] = []
        # The state of a wrapper whose array comes next.
        self.wrapper: Node | None = None

    # -- calls

    def _reduce(self, _one: Opcode) -> None:
        target, given = self.last(2)
        named = target.value
        if target.sort != FIXED or type(named) is not Global or given.sort != TUPLE:
            raise Untraceable
        if named.grant is None or named.rule is None or "call" not in named.grant.roles:
            raise Untraceable
        self.size += ITEM_BYTES
        rule = _CALLS.get(named.grant.rule)
        if rule is None or named.kind is None:
            raise Untraceable
        self.push(rule(self, named, given))

    def _reconstruct(self, _named: Global, given: Node) -> Node:
        if given.hollow:
            raise Untraceable
        return Node(ARRAY)

    def _frombuffer(self, _named: Global, given: Node) -> Node:
        if len(given.members) != _BUFFER_PARTS or given.members[3].hollow:
            raise Untraceable
        data, dtype, shape, order = given.members
        constant_of(order)
        return self._array(data, dtype, shape, exact=False)

    def _scalar(self, named: Global, given: Node) -> Node:
        if len(given.members) != _PAIR:
            raise Untraceable
        dtype, data = given.members
        self._measure(data, self._dtype(dtype), [], exact=True)
        return Node(INSTANCE, named.kind, hollow=data.hollow)

    def _tree(self, named: Global, given: Node) -> Node:
        if len(given.members) != _TREE_PARTS:
            raise Untraceable
        features, classes, outputs = given.members
        constant_of(features)
        constant_of(outputs)
        known: Any = classes.value
        if classes.sort == ARRAY and classes.done:
            if classes.numbered is not None:
                # Its shape is held to the number of outputs.
                classes.numbered.shape = (self.machine.constants.integer(outputs.value),)
            elif classes.sizes is None or any(one.hollow for one in classes.sizes):
                raise Untraceable
        elif classes.sort != FIXED or type(known) is not ArrayValue:
            raise Untraceable
        return Node(INSTANCE, named.kind, hollow=classes.hollow)

    def _plain(self, named: Global, given: Node) -> Node:
        if given.hollow or not all(map(is_plain, given.members)):
            raise Untraceable
        return Node(INSTANCE, named.kind)

    def _dtype(self, node: Node) -> DTypeValue:
        if node.sort != FIXED or type(node.value) is not DTypeValue:
            raise Untraceable
        if node.value.known is None or node.value.has_objects:
            raise Untraceable
        return node.value

    def _shape(self, node: Node) -> list[Node]:
        """Return the constants of a shape."""
        if node.sort == FIXED and type(node.value) is tuple:
            sizes = [Node(FIXED, item) for item in node.value]
        elif node.sort == TUPLE:
            sizes = node.members
        else:
            raise Untraceable
        for one in sizes:
            if one.sort != CONSTANT:
                constant_of(one)
        return sizes

    def _array(self, data: Node, dtype: Node, shape: Node, *, exact: bool) -> Node:
        known, sizes = self._dtype(dtype), self._shape(shape)
        self._measure(data, known, sizes, exact=exact)
        return Node(ARRAY, known, sizes=sizes, done=True, hollow=data.hollow or shape.hollow)

    def _measure(self, data: Node, dtype: DTypeValue, sizes: list[Node], *, exact: bool) -> None:
        if data.sort == BYTES:
            self.unclaimed.discard(data.place)
        else:
            constant_of(data)
        if data.hollow or any(one.hollow for one in sizes):
            self.sized.append((dtype, sizes, data, exact))

    def _newobj(self, _one: Opcode) -> None:
        target, given = self.last(2)
        named = target.value
        empty = given.sort == TUPLE and not given.members
        if target.sort != FIXED or type(named) is not Global or not empty or named.kind is None:
            raise Untraceable
        self.size += ITEM_BYTES
        if named.name in WRAPPERS:
            self.push(Node(WRAPPER))
        elif named.simple:
            self.push(Node(INSTANCE, named.kind))
        else:
            raise Untraceable

    # -- states

    def _build(self, _one: Opcode) -> None:
        # The object itself may be what is left below.
        if not self.stack or (len(self.stack) < _PAIR and not self.below):
            raise Untraceable
        state, target = self.stack.pop(), self.top()
        if target.sort == WRAPPER:
            if state.sort != DICT or self.behind != Opcode.INLINE:
                raise Untraceable
            self.wrapper = state
        elif target.sort == INSTANCE and not target.done:
            self._set_state(target, state)
        elif target.sort == ARRAY and not target.done:
            self._set_data(target, state)
        else:
            raise Untraceable

    def _set_state(self, target: Node, state: Node) -> None:
        kind = target.value
        if state.sort != DICT or kind.trusted or kind.shape or kind.dict_state:
            raise Untraceable
        if kind.name in QUIET_STATES or kind.name in FRAMES or not kind.buildable:
            raise Untraceable
        target.done = True
        target.hollow = True

    def _set_data(self, target: Node, state: Node) -> None:
        if state.sort != TUPLE or len(state.members) != _STATE_PARTS:
            raise Untraceable
        version, shape, dtype, fortran, data = state.members
        constant_of(version)
        constant_of(fortran)
        made = self._array(data, dtype, shape, exact=True)
        target.value, target.sizes, target.hollow = made.value, made.sizes, made.hollow
        target.done = True

    def inline(self) -> Inline:
        """Put the array behind a wrapper in its place; return what its length follows from."""
        state, self.wrapper = self.wrapper, None
        if state is None:
            raise Untraceable
        machine, constants = self.machine, self.machine.constants
        keys = [constants.text(constant_of(key)) for key in state.members[::2]]
        parts = dict(zip(keys, state.members[1::2], strict=True))
        if len(parts) != len(keys) or any(parts[key].hollow for key in parts if key != "shape"):
            raise Untraceable
        dtype, subclass = self._dtype(parts["dtype"]), parts["subclass"]
        known = dtype.known
        if known is None or not known.itemsize or dtype.base is not None:
            raise Untraceable
        if subclass.sort != FIXED or type(subclass.value) is not Global:
            raise Untraceable
        padding = 0
        if "numpy_array_alignment_bytes" in parts:
            alignment = constant_of(parts["numpy_array_alignment_bytes"])
            padding = padding_most(machine, alignment)
        if "allow_mmap" in parts:
            constant_of(parts["allow_mmap"])
        order, sizes = constants.text(constant_of(parts["order"])), self._shape(parts["shape"])
        inline = Inline(known, order, lambda _: (), padding)
        self.inlined.append((inline, sizes))
        self.stack[-1] = Node(ARRAY, dtype, sizes=sizes, done=True, hollow=True)
        return inline


_CALLS: Final[dict[str, Callable[[Judge, Global, Node], Node]]] = {
    "": Judge._plain,  # noqa: SLF001 - the table of the class's own steps
    "frombuffer": Judge._frombuffer,  # noqa: SLF001
    "ndarray-reconstruct": Judge._reconstruct,  # noqa: SLF001
    "scalar": Judge._scalar,  # noqa: SLF001
    "tree": Judge._tree,  # noqa: SLF001
}
_STEPS: Final[dict[str, Callable[[Any, Opcode], None]]] = {
    "REDUCE": Judge._reduce,  # noqa: SLF001
    "NEWOBJ": Judge._newobj,  # noqa: SLF001
    "BUILD": Judge._build,  # noqa: SLF001
}
STEPS: Final = {**FOLLOWED, **{CODES[name]: step for name, step in _STEPS.items()}}
