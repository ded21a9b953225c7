# SPDX-License-Identifier: BSD-3-Clause
"""Writing a trace: whether all that the opcodes of an object do is the same whatever is in holes.

Floor 4.  The object has just been verified.  Its opcodes are followed once more, on a stack of
`Node`, which say of a value only what its judgement may follow from.  Little is accepted: names,
constants and finished values from outside the object; tuples, lists and dicts made in it, each used
in one place; arrays of bytes; instances with a dict of attributes.  Nothing from outside is changed.
All else is `Untraceable`, and stays with the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, ClassVar, Final

from safeserial.verifier.constants import COUNTED
from safeserial.verifier.intrinsic import FRAMES, QUIET_STATES
from safeserial.verifier.machine import Machine
from safeserial.verifier.opcodes import ATOM_SIZES, CODES, EASY_KEYS, TEXT_KEYS
from safeserial.verifier.traces import (
    ATOM,
    END,
    GET,
    GETS,
    INLINE,
    NUMBER,
    PUTS,
    RAW,
    Inline,
    Numbered,
    Pick,
    Piece,
    Sized,
    Trace,
)
from safeserial.verifier.use import WRAPPERS
from safeserial.verifier.values import (
    SPENT,
    ArrayValue,
    DictValue,
    DTypeValue,
    FrozenSetValue,
    Global,
    Instance,
    ListValue,
    RawValue,
    SetValue,
    Value,
)
from safeserial.verifier.wrappers import padding_most

_ITEM_BYTES, _LIST_BYTES, _SLOT_BYTES = 64, 56, 8
_STATE_PARTS, _BUFFER_PARTS, _TREE_PARTS, _PAIR = 5, 4, 3, 2
# A batch of so many bytes might be one that the machine takes at once (`batches`).
_BATCH: Final = 512
_WORK: Final = 64
_MOST_PIECES: Final = 2**16
_SHORT_TEXT: Final = CODES["SHORT_BINUNICODE"]
_BYTES: Final = bytes(CODES[name] for name in ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"))
# What may stand in a hole in the place of what: arrays tell bytes from bytearrays.
ALIKE: Final = {
    **dict.fromkeys(_BYTES, _BYTES),
    CODES["BYTEARRAY8"]: bytes([CODES["BYTEARRAY8"]]),
}
TEXTS: Final = bytes(CODES[name] for name in ("SHORT_BINUNICODE", "BINUNICODE"))
# Containers and buffers: all that is ever asked of one that is kept somewhere is its type.
_OPAQUE: Final = frozenset({DictValue, ListValue, SetValue, FrozenSetValue, RawValue, tuple})


class Untraceable(Exception):  # noqa: N818 - not an error: the object is verified all the same
    """An object does something that traces leave to the machine."""


@dataclass(slots=True)
class Opcode:
    """One opcode of an object, or the inline array behind it."""

    INLINE: ClassVar[int] = -1

    code: int
    start: int
    end: int


# What a node is: a value that all objects share, a constant in a hole, or something made here.
_FIXED, _ATOM, _RAW, _TUPLE, _LIST, _DICT, _ARRAY, _INSTANCE, _WRAPPER = range(9)


@dataclass(slots=True, eq=False)
class Node:
    """What is known of one value of the object.

    Parameters
    ----------
    sort : int
        What it is.
    value : Value
        The value, if it is fixed; the element type of an array; the class of an instance.
    place : int
        Number of its hole.
    members : list of Node
        Of a tuple; keys and values of a dict.
    hollow : bool
        Whether a hole is part of it.
    done : bool
        Whether nothing may be added to it: an array with its data, an instance with its state.
    sizes : list of Node, optional
        The shape of an array.
    numbered : Numbered, optional
        What an array beside the stream is held to.
    """

    sort: int
    value: Any = None
    place: int = 0
    members: list[Node] = field(default_factory=list)
    hollow: bool = False
    done: bool = False
    sizes: list[Node] | None = None
    numbered: Numbered | None = None


class Writer:
    """Writes the trace of one object.

    Parameters
    ----------
    machine : Machine
        Which has just verified the object.
    made : Instance
        The object.
    base : int
        Length of the memo when it was begun.
    opcodes : sequence of (Opcode, (int, object))
        Its opcodes, each with its kind of hole and what is known of that.
    """

    def __init__(
        self,
        machine: Machine,
        made: Instance,
        base: int,
        opcodes: Sequence[tuple[Opcode, tuple[int, Value]]],
    ) -> None:
        self.machine = machine
        self.made = made
        self.base = base
        self.opcodes = opcodes
        self.first = Node(_INSTANCE, made.kind)
        self.stack = [self.first]
        self.below: list[list[Node]] = []
        self.opened: list[tuple[int, int]] = []
        self.memo: list[Node] = []
        self.fixed: list[int] = []
        self.holes = 0
        # Bytes in holes that no shape speaks for yet.
        self.unclaimed: set[int] = set()
        self.sized: list[tuple[DTypeValue, list[Node], Node, bool]] = []
        self.inlined: list[tuple[Inline, list[Node]]] = []
        self.size = self.marks = self.height = 0
        self.behind = 0
        self.wrapper: Node | None = None
        self.number: Node | None = None

    def write(self) -> Trace:
        """Return the trace.

        Raises
        ------
        Untraceable
            If there is something in the object that has to be looked at each time.
        """
        pieces = self._pieces()
        if self.stack != [self.first] or self.below or not self.first.done or self.unclaimed:
            raise Untraceable
        for inline, sizes in self.inlined:
            inline.dimensions = self._pick(sizes)
        sized = [
            Sized(dtype, self._pick(sizes), self._register(data), exact)
            for dtype, sizes, data, exact in self.sized
        ]
        # Holes come after what is fixed, of which there is more with each of the above.
        count = len(self.fixed)
        for one in [*(inline for inline, _ in self.inlined), *sized]:
            one.dimensions = _pick([_placed(at, count) for at in one.dimensions([])])
        for each in sized:
            each.data = _placed(each.data, count)
        return Trace(
            pieces=pieces,
            fixed=self.fixed,
            sized=tuple(sized),
            made=self.made,
            memo=[
                node.value if node.sort == _FIXED and type(node.value) is int else SPENT
                for node in self.memo
            ],
            itself=tuple(at for at, node in enumerate(self.memo) if node is self.first),
            marks=self.marks,
            height=self.height,
            opcodes=sum(one.code != Opcode.INLINE for one, _ in self.opcodes),
            size=self.size,
        )

    def _register(self, node: Node) -> int:
        """Return the register of a constant: negative, counted from -1, for that of a hole."""
        if node.hollow:
            return -1 - node.place
        self.fixed.append(node.value)
        return len(self.fixed) - 1

    def _pick(self, sizes: Sequence[Node]) -> Pick:
        places = tuple(self._register(one) for one in sizes)
        return lambda _: places

    def _pieces(self) -> list[Piece]:
        data, pieces = self.machine.data, []
        piece, starts = bytearray(), list[int]()
        following = [one.code for one, _ in self.opcodes[1:]] + [0]
        total = 0
        for (one, (form, known)), behind in zip(self.opcodes, following, strict=True):
            self.behind = behind
            if self.wrapper is not None and form != INLINE:
                raise Untraceable
            numbered = self.number is not None
            found = self._take(one, form, known)
            self.height = max(self.height, len(self.stack) + sum(map(len, self.below)))
            if form != END:
                pieces.append((bytes(piece), len(piece), tuple(starts), form, found))
                piece, starts = bytearray(), []
            elif not numbered:  # the opcode that turns a number into an array belongs to the hole
                starts.append(len(piece))
                piece += data[one.start : one.end]
                total += one.end - one.start
            if total > _MOST_PIECES:
                raise Untraceable
        pieces.append((bytes(piece), len(piece), tuple(starts), END, None))
        return pieces

    def _take(self, one: Opcode, form: int, known: Any) -> Any:
        """Do what an opcode does; return what is known of the hole in its place."""
        if form == INLINE:
            return self._inline()
        if one.code in GETS:
            self._get(one, form, known)
        elif one.code in PUTS:
            if known != len(self.memo):
                raise Untraceable
            self._memoize()
        elif form in (ATOM, RAW):
            self._hole(_ATOM if form == ATOM else _RAW)
            return ALIKE.get(one.code)
        elif form == NUMBER:
            self._push(Node(_ARRAY, known.dtype, done=True, numbered=known))
            self.number = self.stack[-1]
        elif ATOM_SIZES[one.code] or one.code in ALIKE or one.code in TEXTS:
            self._push(Node(_FIXED, one.start))
        elif self.number is not None:
            if one.code != CODES["BINPERSID"] or self.stack[-1] is not self.number:
                raise Untraceable
            self.number = None
        else:
            if one.code == CODES["MARK"]:
                self.opened.append((one.start, self.behind))
            step = _DO.get(one.code)
            if step is None:
                raise Untraceable
            step(self, one)
        return known

    # -- values

    def _push(self, node: Node) -> None:
        self.stack.append(node)

    def _hole(self, sort: int) -> None:
        self._push(Node(sort, place=self.holes, hollow=True))
        if sort == _RAW:
            self.unclaimed.add(self.holes)
        self.holes += 1

    def _pop(self) -> Node:
        # What the object itself stands on is not its own.
        if len(self.stack) <= (0 if self.below else 1):
            raise Untraceable
        return self.stack.pop()

    def _last(self, count: int) -> list[Node]:
        items = [self._pop() for _ in range(count)]
        return items[::-1]

    def _segment(self, here: int) -> list[Node]:
        if not self.below:
            raise Untraceable
        items, self.stack = self.stack, self.below.pop()
        opened, first = self.opened.pop()
        if first == _SHORT_TEXT and here - opened > _BATCH:
            raise Untraceable
        return items

    def _top(self) -> Node:
        if not self.stack:
            raise Untraceable
        return self.stack[-1]

    def _hold(self, items: Sequence[Node]) -> list[Node]:
        """Let something hold these: nothing is added to them afterwards."""
        for one in items:
            if one.sort == _WRAPPER or (one.sort == _ARRAY and not one.done):
                raise Untraceable
            if one is self.first:
                raise Untraceable
        return list(items)

    def _get(self, one: Opcode, form: int, known: Any) -> None:
        if form == GET:
            # Only what nothing can be done to, and what no hole has a part in.
            node = self.memo[known]
            constant = node.sort == _FIXED and type(node.value) is int
            if not constant and not (node.sort == _ARRAY and node.done and node.numbered is None):
                raise Untraceable
            self._push(node)
            return
        index = int.from_bytes(self.machine.data[one.start + 1 : one.end], "little")
        if index >= self.base:
            raise Untraceable
        value = self.machine.memo[index]
        if not is_final(value):
            raise Untraceable
        self._push(Node(_FIXED, value))

    # -- opcodes

    def _mark(self, _one: Opcode) -> None:
        self.below.append(self.stack)
        self.stack = []
        self.marks = max(self.marks, len(self.below))

    def _empty_tuple(self, _one: Opcode) -> None:
        self.size += _ITEM_BYTES
        self._push(Node(_TUPLE))

    def _empty_list(self, _one: Opcode) -> None:
        self.size += _ITEM_BYTES
        self._push(Node(_LIST))

    def _empty_dict(self, _one: Opcode) -> None:
        self.size += _ITEM_BYTES
        self._push(Node(_DICT))

    def _memoize(self, _one: Opcode | None = None) -> None:
        self.memo.append(self._top())

    def _tuple(self, one: Opcode) -> None:
        items = self._segment(one.start)
        self.size += _LIST_BYTES + _SLOT_BYTES * len(items)
        self._join(items)

    def _short_tuple(self, one: Opcode) -> None:
        self.size += _ITEM_BYTES
        self._join(self._last(1 + one.code - CODES["TUPLE1"]))

    def _join(self, items: list[Node]) -> None:
        hollow = any(item.hollow for item in items)
        self._push(Node(_TUPLE, members=self._hold(items), hollow=hollow))

    def _appends(self, one: Opcode) -> None:
        self._extend(self._segment(one.start))

    def _append(self, _one: Opcode) -> None:
        self._extend(self._last(1))

    def _extend(self, items: list[Node]) -> None:
        target = self._top()
        if target.sort != _LIST:
            raise Untraceable
        self._hold(items)
        target.hollow = target.hollow or any(item.hollow for item in items)

    def _setitems(self, one: Opcode) -> None:
        self._update(self._segment(one.start))

    def _setitem(self, _one: Opcode) -> None:
        self._update(self._last(2))

    def _update(self, items: list[Node]) -> None:
        target = self._top()
        if target.sort != _DICT or len(items) % 2 or not all(map(self._is_key, items[::2])):
            raise Untraceable
        target.members += self._hold(items)
        target.hollow = target.hollow or any(item.hollow for item in items)

    def _is_key(self, node: Node) -> bool:
        """Say whether a key costs nothing."""
        if node.sort != _FIXED or type(node.value) is not int:
            return False
        code = self.machine.data[node.value]
        if code in EASY_KEYS:
            return True
        short = code in TEXT_KEYS and code in COUNTED
        return short and self.machine.constants.span(node.value)[1] < _WORK

    def _number(self, _one: Opcode) -> None:
        node = self._pop()
        number = self.machine.constants.integer(_constant(node))
        value = self.machine.objects[number] if number >= 0 else None
        if not is_final(value):
            raise Untraceable
        self._push(Node(_FIXED, value))

    # -- calls

    def _reduce(self, _one: Opcode) -> None:
        target, given = self._last(2)
        named = target.value
        if target.sort != _FIXED or type(named) is not Global or given.sort != _TUPLE:
            raise Untraceable
        if named.grant is None or named.rule is None or "call" not in named.grant.roles:
            raise Untraceable
        self.size += _ITEM_BYTES
        rule = _CALLS.get(named.grant.rule)
        if rule is None or named.kind is None:
            raise Untraceable
        self._push(rule(self, named, given))

    def _reconstruct(self, _named: Global, given: Node) -> Node:
        if given.hollow:
            raise Untraceable
        return Node(_ARRAY)

    def _frombuffer(self, _named: Global, given: Node) -> Node:
        if len(given.members) != _BUFFER_PARTS or given.members[3].hollow:
            raise Untraceable
        data, dtype, shape, order = given.members
        _constant(order)
        return self._array(data, dtype, shape, exact=False)

    def _scalar(self, named: Global, given: Node) -> Node:
        if len(given.members) != _PAIR:
            raise Untraceable
        dtype, data = given.members
        self._measure(data, self._dtype(dtype), [], exact=True)
        return Node(_INSTANCE, named.kind, hollow=data.hollow)

    def _tree(self, named: Global, given: Node) -> Node:
        if len(given.members) != _TREE_PARTS:
            raise Untraceable
        features, classes, outputs = given.members
        _constant(features)
        _constant(outputs)
        known: Any = classes.value
        if classes.sort == _ARRAY and classes.done:
            if classes.numbered is not None:
                # Its shape is held to the number of outputs.
                classes.numbered.shape = (self.machine.constants.integer(outputs.value),)
            elif classes.sizes is None or any(one.hollow for one in classes.sizes):
                raise Untraceable
        elif classes.sort != _FIXED or type(known) is not ArrayValue:
            raise Untraceable
        return Node(_INSTANCE, named.kind, hollow=classes.hollow)

    def _plain(self, named: Global, given: Node) -> Node:
        if given.hollow or not all(map(_is_plain, given.members)):
            raise Untraceable
        return Node(_INSTANCE, named.kind)

    def _dtype(self, node: Node) -> DTypeValue:
        if node.sort != _FIXED or type(node.value) is not DTypeValue:
            raise Untraceable
        if node.value.known is None or node.value.has_objects:
            raise Untraceable
        return node.value

    def _shape(self, node: Node) -> list[Node]:
        """Return the constants of a shape."""
        if node.sort == _FIXED and type(node.value) is tuple:
            sizes = [Node(_FIXED, item) for item in node.value]
        elif node.sort == _TUPLE:
            sizes = node.members
        else:
            raise Untraceable
        for one in sizes:
            if one.sort != _ATOM:
                _constant(one)
        return sizes

    def _array(self, data: Node, dtype: Node, shape: Node, *, exact: bool) -> Node:
        known, sizes = self._dtype(dtype), self._shape(shape)
        self._measure(data, known, sizes, exact=exact)
        return Node(_ARRAY, known, sizes=sizes, done=True, hollow=data.hollow or shape.hollow)

    def _measure(self, data: Node, dtype: DTypeValue, sizes: list[Node], *, exact: bool) -> None:
        if data.sort == _RAW:
            self.unclaimed.discard(data.place)
        else:
            _constant(data)
        if data.hollow or any(one.hollow for one in sizes):
            self.sized.append((dtype, sizes, data, exact))

    def _newobj(self, _one: Opcode) -> None:
        target, given = self._last(2)
        named = target.value
        empty = given.sort == _TUPLE and not given.members
        if target.sort != _FIXED or type(named) is not Global or not empty or named.kind is None:
            raise Untraceable
        self.size += _ITEM_BYTES
        if named.name in WRAPPERS:
            self._push(Node(_WRAPPER))
        elif named.simple:
            self._push(Node(_INSTANCE, named.kind))
        else:
            raise Untraceable

    # -- states

    def _build(self, _one: Opcode) -> None:
        # The object itself may be what is left below.
        if not self.stack or (len(self.stack) < _PAIR and not self.below):
            raise Untraceable
        state, target = self.stack.pop(), self._top()
        if target.sort == _WRAPPER:
            if state.sort != _DICT or self.behind != Opcode.INLINE:
                raise Untraceable
            self.wrapper = state
        elif target.sort == _INSTANCE and not target.done:
            self._set_state(target, state)
        elif target.sort == _ARRAY and not target.done:
            self._set_data(target, state)
        else:
            raise Untraceable

    def _set_state(self, target: Node, state: Node) -> None:
        kind = target.value
        if state.sort != _DICT or kind.trusted or kind.shape or kind.dict_state:
            raise Untraceable
        if kind.name in QUIET_STATES or kind.name in FRAMES or not kind.buildable:
            raise Untraceable
        target.done = True
        target.hollow = True

    def _set_data(self, target: Node, state: Node) -> None:
        if state.sort != _TUPLE or len(state.members) != _STATE_PARTS:
            raise Untraceable
        version, shape, dtype, fortran, data = state.members
        _constant(version)
        _constant(fortran)
        made = self._array(data, dtype, shape, exact=True)
        target.value, target.sizes, target.hollow = made.value, made.sizes, made.hollow
        target.done = True

    def _inline(self) -> Inline:
        """Put the array behind a wrapper in its place; return what its length follows from."""
        state, self.wrapper = self.wrapper, None
        if state is None:
            raise Untraceable
        machine, constants = self.machine, self.machine.constants
        keys = [constants.text(_constant(key)) for key in state.members[::2]]
        parts = dict(zip(keys, state.members[1::2], strict=True))
        if len(parts) != len(keys) or any(parts[key].hollow for key in parts if key != "shape"):
            raise Untraceable
        dtype, subclass = self._dtype(parts["dtype"]), parts["subclass"]
        known = dtype.known
        if known is None or not known.itemsize or dtype.base is not None:
            raise Untraceable
        if subclass.sort != _FIXED or type(subclass.value) is not Global:
            raise Untraceable
        padding = 0
        if "numpy_array_alignment_bytes" in parts:
            alignment = _constant(parts["numpy_array_alignment_bytes"])
            padding = padding_most(machine, alignment)
        if "allow_mmap" in parts:
            _constant(parts["allow_mmap"])
        order, sizes = constants.text(_constant(parts["order"])), self._shape(parts["shape"])
        inline = Inline(known, order, lambda _: (), padding)
        self.inlined.append((inline, sizes))
        self.stack[-1] = Node(_ARRAY, dtype, sizes=sizes, done=True, hollow=True)
        return inline


def is_final(value: Value) -> bool:
    """Say whether nothing that is ever asked of a value can change any more.

    Of containers only the type is asked where they are kept; of tuples and instances also what
    hashing them may cost, which an instance gets with its state.
    """
    kind = type(value)
    if kind is int or kind in _OPAQUE:
        return True
    if isinstance(value, Instance):
        return value.built or not value.kind.buildable
    if isinstance(value, ArrayValue):
        return value.built
    if isinstance(value, DTypeValue):
        return value.known is not None
    return isinstance(value, Global) and value.grant is not None


def _constant(node: Node) -> int:
    """Return the offset of a constant that all objects share."""
    if node.sort != _FIXED or type(node.value) is not int:
        raise Untraceable
    return node.value


def _is_plain(node: Node) -> bool:
    """Say whether a rule that takes anything takes this from all objects."""
    if node.sort == _FIXED:
        return type(node.value) in (int, Instance, ArrayValue, DTypeValue)
    return node.sort in (_INSTANCE, _ARRAY)


def _placed(place: int, count: int) -> int:
    return place if place >= 0 else count - 1 - place


def _pick(registers: Sequence[int]) -> Pick:
    """Return a function that takes a tuple of some registers."""
    if len(registers) > 1:
        return itemgetter(*registers)
    if not registers:
        return lambda _: ()
    only = registers[0]
    return lambda values: (values[only],)


_CALLS: Final[dict[str, Callable[[Writer, Global, Node], Node]]] = {
    "": Writer._plain,  # noqa: SLF001 - the table of the class's own steps
    "frombuffer": Writer._frombuffer,  # noqa: SLF001
    "ndarray-reconstruct": Writer._reconstruct,  # noqa: SLF001
    "scalar": Writer._scalar,  # noqa: SLF001
    "tree": Writer._tree,  # noqa: SLF001
}
_DO: Final[dict[int, Callable[[Writer, Opcode], None]]] = {
    CODES[name]: step
    for name, step in {
        "MARK": Writer._mark,  # noqa: SLF001
        "EMPTY_TUPLE": Writer._empty_tuple,  # noqa: SLF001
        "EMPTY_LIST": Writer._empty_list,  # noqa: SLF001
        "EMPTY_DICT": Writer._empty_dict,  # noqa: SLF001
        "MEMOIZE": Writer._memoize,  # noqa: SLF001
        "TUPLE": Writer._tuple,  # noqa: SLF001
        "TUPLE1": Writer._short_tuple,  # noqa: SLF001
        "TUPLE2": Writer._short_tuple,  # noqa: SLF001
        "TUPLE3": Writer._short_tuple,  # noqa: SLF001
        "SETITEMS": Writer._setitems,  # noqa: SLF001
        "SETITEM": Writer._setitem,  # noqa: SLF001
        "APPENDS": Writer._appends,  # noqa: SLF001
        "APPEND": Writer._append,  # noqa: SLF001
        "BINPERSID": Writer._number,  # noqa: SLF001
        "REDUCE": Writer._reduce,  # noqa: SLF001
        "NEWOBJ": Writer._newobj,  # noqa: SLF001
        "BUILD": Writer._build,  # noqa: SLF001
    }.items()
}
STEPS: Final = frozenset(_DO)
