# SPDX-License-Identifier: BSD-3-Clause
"""Rules for arguments and states: what a listed name may be called with.

Floor 4.  An entry of an allowlist names one of these; ``tests/verifier/test_rules.py`` holds one
honest and one hostile stream against each.

================== =================================================================================
rule               what it accepts
================== =================================================================================
(none)             any values of this stream; functions and classes among them must be listed as
                   ``reference``, ``new`` or ``call``; no half-built array
constants          constants only, bytes included; a Fraction's text has no exponent
numbers            integers, floats, booleans, None and NumPy scalars
literal            nothing, or one list, tuple, dict or set made in this stream; the result's members
                   count as dict keys where it is a set or a dict
container          as ``literal``; for a deque also its length; instances take items
default-factory    nothing, None, or one of the builtin types list, dict, set, int, float, str, bool,
                   tuple; instances take items
range              one to three integers of at most 2**31; never an argument of ``literal``
slice              three constants
bytes              nothing, or one list or tuple of small integers made in this stream
bytearray          nothing, bytes, or a string and ``latin-1``
latin1             ``_codecs.encode(text, "latin1")`` where every character is below 256
class-argument     one listed class; the result is its instance
newobj             ``copyreg.__newobj__(cls, ...)``: as the opcode NEWOBJ
reconstructor      ``copyreg._reconstructor(cls, base, state)``: cls may be made by NEWOBJ; base is
                   object with None, or a builtin container with a literal of its kind
pyx-unpickle       ``__pyx_unpickle_X(X, checksum, None or a tuple)``
partial            one listed function; its state is (function, tuple, dict, None or dict)
dtype              ``numpy.dtype(code, False, True)``; its state is the canonical one of the code
ndarray-reconstruct an empty array of ndarray or of a class that has this rule itself; state: as many
                   bytes as its shape and dtype say, or for objects a list of as many
masked-reconstruct the same for a masked array, with its mask
frombuffer         bytes or a buffer, a dtype without objects, a shape that fits, "C" or "F"; the
                   array cannot be built upon
scalar             a dtype without objects and as many bytes
bit-generator      nothing, the name of a bit generator, or one of their classes
generator          nothing, the name, or a bit generator made here; then perhaps
random-state       ``__bit_generator_ctor`` itself
tree               features, classes (an integer array, one for each output), outputs
rv-frozen          always refused: a scipy.stats distribution runs code out of its state
================== =================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from safeserial.errors import PolicyError
from safeserial.policy import Grant
from safeserial.verifier import arrays
from safeserial.verifier.constants import Constants
from safeserial.verifier.context import Context
from safeserial.verifier.hashing import Nests
from safeserial.verifier.values import (
    UNKNOWN,
    ArrayValue,
    DictValue,
    DTypeValue,
    FrozenSetValue,
    Global,
    Instance,
    ListValue,
    RawValue,
    RuleBroken,
    SetValue,
    Tuple,
    Unknown,
    Value,
    WrapperValue,
)

WRAPPERS: Final = frozenset(
    {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"),
        ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"),
    }
)
_FACTORIES: Final = frozenset("list dict set int float str bool tuple".split())
_BASES: Final = frozenset("list dict set tuple int float str".split())
_RANGE: Final = 2**31
_MAX_OUTPUTS: Final = 2**24
_MAX_TEXT: Final = 2**16
_GENERATORS: Final = {
    "MT19937": "numpy.random._mt19937",
    "PCG64": "numpy.random._pcg64",
    "PCG64DXSM": "numpy.random._pcg64",
    "Philox": "numpy.random._philox",
    "SFC64": "numpy.random._sfc64",
}
_RATIO: Final = re.compile(r"-?[0-9]{1,1000}(/[0-9]{1,1000})?")


@dataclass(slots=True)
class Use:
    """One call, or one instance made: the name, its arguments, and what is known around it."""

    target: Global
    grant: Grant
    arguments: Tuple
    constants: Constants
    nests: Nests
    context: Context

    def result(self) -> Instance:
        """Return an instance of the name itself."""
        return Instance(self.target.name, self.grant)

    def take(self, least: int, most: int) -> Tuple:
        """Return the arguments if there are so many."""
        if not least <= len(self.arguments) <= most:
            raise RuleBroken(f"called with {len(self.arguments)} arguments")
        return self.arguments

    def constant(self, position: int) -> Any:
        """Return an argument that must be a constant."""
        return self.constants.value(self.arguments[position])

    def made(self, cls: Value) -> Instance:
        """Return an instance of a class that stands among the arguments."""
        if not isinstance(cls, Global) or cls.grant is None or cls.name in WRAPPERS:
            raise RuleBroken("a listed class is needed here")
        builds = "build" in cls.grant.roles or "build" in self.grant.roles
        return Instance(cls.name, cls.grant, buildable=builds)


def apply(use: Use) -> Value:
    """Check a use against the rule of its grant and return what comes of it.

    Raises
    ------
    RuleBroken
        If the rule does not accept the arguments.
    PolicyError
        If the policy names a rule that does not exist.
    """
    rule = RULES.get(use.grant.rule)
    if rule is None:
        raise PolicyError(f"the policy gives {use.target.dotted} an unknown rule: {use.grant.rule!r}")
    if any(_tainted(argument) for argument in use.arguments):
        return UNKNOWN
    return rule(use)


def _tainted(value: Value, depth: int = 2) -> bool:
    """Return whether an argument comes of a name that is not listed (and is reported anyway)."""
    if isinstance(value, Unknown):
        return True
    if isinstance(value, Global):
        return value.grant is None
    if type(value) is tuple and depth:
        return any(_tainted(item, depth - 1) for item in value)
    return False


def _plain(use: Use) -> Value:
    for argument in use.arguments:
        _whole(argument)
    return use.result()


def _whole(value: Value) -> None:
    if isinstance(value, ArrayValue) and not value.built:
        raise RuleBroken("a half-built array is not an argument")
    if isinstance(value, DTypeValue) and value.known is None:
        raise RuleBroken("a half-built dtype is not an argument")
    if isinstance(value, WrapperValue):
        raise RuleBroken("joblib's wrapper is not an argument")


def _constants(use: Use) -> Value:
    for argument in use.arguments:
        if isinstance(argument, RawValue) and not argument.buffer:
            continue
        value = use.constants.value(argument)
        if isinstance(value, str | bytes | bytearray) and len(value) > _MAX_TEXT:
            raise RuleBroken("a text is too long here")
        fraction = use.target.name == ("fractions", "Fraction")
        if fraction and isinstance(value, str) and not _RATIO.fullmatch(value):
            raise RuleBroken("a fraction is two integers")
    return use.result()


def _numbers(use: Use) -> Value:
    for argument in use.arguments:
        if isinstance(argument, Instance) and argument.rule == "scalar":
            continue
        if not isinstance(use.constants.value(argument), int | float | None):
            raise RuleBroken("numbers are needed here")
    return use.result()


def _literal(use: Use) -> Value:
    use.take(0, 1)
    return _filled(use, use.target.name[1])


def _container(use: Use) -> Value:
    use.take(0, 2)
    if len(use.arguments) == 2:  # noqa: PLR2004
        length = use.constant(1)
        if use.target.name[1] != "deque" or not isinstance(length, int | None):
            raise RuleBroken("called with 2 arguments")
    return _filled(use, use.target.name[1])


def _filled(use: Use, kind: str) -> Value:
    source = use.arguments[0] if use.arguments else ()
    if not isinstance(source, tuple | ListValue | DictValue | SetValue | FrozenSetValue):
        raise RuleBroken("only a list, tuple, dict or set made here")
    members = list(source) if type(source) is tuple else []
    if isinstance(source, ListValue):
        use.context.allocate(16 * source.count)
        if source.items is None and not source.easy and kind not in ("list", "tuple", "deque"):
            raise RuleBroken("too many members that are neither strings nor small integers")
        members = source.items or []
    if kind in ("dict", "OrderedDict"):
        return _mapping(use, source, members)
    if kind in ("set", "frozenset", "Counter"):
        for member in members:
            use.context.keys.charge(member, use.nests, use.constants)
    if kind == "frozenset":
        return use.nests.frozenset(members)
    return SetValue() if kind == "set" else use.result()


def _mapping(use: Use, source: Value, members: list[Value]) -> Value:
    if isinstance(source, ListValue) and source.items is None:
        raise RuleBroken("too many pairs")
    if isinstance(source, SetValue | FrozenSetValue):
        raise RuleBroken("only a dict, or pairs")
    for member in members:
        # Python 2 and old pickles write an OrderedDict as a list of lists.
        pair = member.items if isinstance(member, ListValue) else member
        if not isinstance(pair, tuple | list) or len(pair) != 2:  # noqa: PLR2004
            raise RuleBroken("only a dict, or pairs")
        use.context.keys.charge(pair[0], use.nests, use.constants)
    return use.result()


def _default_factory(use: Use) -> Value:
    use.take(0, 1)
    if use.arguments:
        factory = use.arguments[0]
        builtin = isinstance(factory, Global) and factory.name[0] == "builtins"
        if not (builtin and isinstance(factory, Global) and factory.name[1] in _FACTORIES):
            if not use.constants.is_none(factory):
                raise RuleBroken("the factory is a builtin type or None")
    return use.result()


def _range(use: Use) -> Value:
    for argument in use.take(1, 3):
        if abs(use.constants.integer(argument)) > _RANGE:
            raise RuleBroken("a range of at most 2**31")
    return use.result()


def _slice(use: Use) -> Value:
    for argument in use.take(1, 3):
        if not (isinstance(argument, Instance) and argument.rule == "scalar"):
            use.constants.value(argument)
    return use.result()


def _bytes(use: Use) -> Value:
    use.take(0, 1)
    if not use.arguments:
        return RawValue(0)
    source = use.arguments[0]
    items = source.items if isinstance(source, ListValue) else source
    if not isinstance(items, list | tuple):
        raise RuleBroken("bytes of a list of integers")
    if not all(0 <= use.constants.integer(item) <= 255 for item in items):  # noqa: PLR2004
        raise RuleBroken("bytes of a list of integers")
    return RawValue(len(items))


def _bytearray(use: Use) -> Value:
    use.take(0, 2)
    if len(use.arguments) == 2:  # noqa: PLR2004
        if use.constant(1) not in ("latin-1", "latin1"):
            raise RuleBroken("a string and latin-1")
        _latin1_length(use)
    elif use.arguments and use.constants.raw_length(use.arguments[0]) is None:
        raise RuleBroken("a bytearray of bytes")
    return use.result()


def _latin1(use: Use) -> Value:
    use.take(2, 2)
    if use.constant(1) not in ("latin1", "latin-1"):
        raise RuleBroken("only latin1")
    return RawValue(_latin1_length(use))


def _latin1_length(use: Use) -> int:
    text = use.constants.text(use.arguments[0])
    try:
        return len(text.encode("latin1"))
    except UnicodeEncodeError:
        raise RuleBroken("a character is above 255") from None


def _class_argument(use: Use) -> Value:
    return use.made(use.take(1, 1)[0])


def _reconstructor(use: Use) -> Value:
    cls, base, state = use.take(3, 3)
    if not isinstance(cls, Global) or not isinstance(base, Global):
        raise RuleBroken("a class and its base are needed here")
    if cls.name in WRAPPERS and use.context.joblib:
        return WrapperValue()
    use.context.use(cls, "new")
    if base.name == ("builtins", "object"):
        if not use.constants.is_none(state):
            raise RuleBroken("object takes no state")
        return use.made(cls)
    if base.name[0] != "builtins" or base.name[1] not in _BASES:
        raise RuleBroken("the base is object or a builtin type")
    if base.name[1] in ("int", "float", "str"):
        use.constants.value(state)
    else:
        _filled(Use(base, use.grant, (state,), use.constants, use.nests, use.context), base.name[1])
    return use.made(cls)


def make_new(cls: Value, use: Use) -> Value:
    """Check NEWOBJ of a class with the arguments of `use`."""
    if not isinstance(cls, Global):
        raise RuleBroken("only a listed class can be instantiated")
    if cls.name in WRAPPERS:
        if not use.context.joblib or use.arguments:
            raise RuleBroken("joblib's array wrapper stands only in joblib files")
        return WrapperValue()
    if not use.context.use(cls, "new") or cls.grant is None:
        return UNKNOWN
    return apply(Use(cls, cls.grant, use.arguments, use.constants, use.nests, use.context))


def _newobj(use: Use) -> Value:
    if not use.arguments:
        raise RuleBroken("a class is needed here")
    use.target, arguments = use.target, use.arguments
    rest = Use(
        use.target, use.grant, arguments[1:], use.constants, use.nests, use.context
    )
    return make_new(arguments[0], rest)


def _pyx_unpickle(use: Use) -> Value:
    cls, checksum, state = use.take(3, 3)
    use.constants.integer(checksum)
    own = use.target.name[1].removeprefix("__pyx_unpickle_")
    if not isinstance(cls, Global) or cls.name[1] != own:
        raise RuleBroken(f"its class is {own}")
    if type(state) is not tuple and not use.constants.is_none(state):
        raise RuleBroken("its state is a tuple or None")
    return use.made(cls)


def _partial(use: Use) -> Value:
    function = use.take(1, 1)[0]
    if not isinstance(function, Global):
        raise RuleBroken("a partial holds a listed function")
    use.context.use(function, "reference")
    return use.result()


def _dtype(use: Use) -> Value:
    return arrays.make_dtype(use.arguments, use.constants)


def _array_class(value: Value, rule: str) -> None:
    if not isinstance(value, Global) or value.grant is None:
        raise RuleBroken("a listed class of arrays is needed here")
    if value.grant.rule != rule and value.name != ("numpy", "ndarray"):
        raise RuleBroken("a listed class of arrays is needed here")


def _reconstruct(use: Use) -> Value:
    cls, shape, code = use.take(3, 3)
    _array_class(cls, "ndarray-reconstruct")
    if arrays.read_shape(shape, use.constants) != (0,) or type(shape) is not tuple:
        raise RuleBroken("an array is made empty and then built")
    if use.constants.value(code) not in (b"b", "b"):
        raise RuleBroken("an array is made of bytes and then built")
    return ArrayValue()


def _masked(use: Use) -> Value:
    cls, base, shape, code = use.take(4, 4)
    _array_class(cls, "masked-reconstruct")
    _array_class(base, "ndarray-reconstruct")
    if arrays.read_shape(shape, use.constants) != (0,) or type(shape) is not tuple:
        raise RuleBroken("an array is made empty and then built")
    if use.constants.value(code) not in (b"b", "b"):
        raise RuleBroken("an array is made of bytes and then built")
    return ArrayValue(masked=True)


def _frombuffer(use: Use) -> Value:
    data, kind, shape, order = use.take(4, 4)
    dtype, size = arrays.ready(kind), arrays.read_shape(shape, use.constants)
    if use.constants.value(order) not in ("C", "F"):
        raise RuleBroken("an array's order is C or F")
    arrays.check_raw(dtype, arrays.product(size), use.constants.raw_length(data))
    array = ArrayValue()
    array.built, array.dtype, array.shape = True, dtype, size
    return array


def _scalar(use: Use) -> Value:
    kind, data = use.take(2, 2)
    arrays.check_raw(arrays.ready(kind), 1, use.constants.raw_length(data))
    return use.result()


def _bit_generator(use: Use) -> Value:
    first = use.take(0, 1)[0] if use.arguments else "MT19937"
    if isinstance(first, Global):
        if _GENERATORS.get(first.name[1]) != first.name[0]:
            raise RuleBroken("only a bit generator of numpy.random")
        return use.made(first)
    name = first if isinstance(first, str) else use.constants.text(first)
    return _named(use, (_GENERATORS.get(name, ""), name))


def _named(use: Use, name: tuple[str, str]) -> Instance:
    grant = use.context.allowlist.find(name)
    if grant is None or not name[0]:
        raise RuleBroken("only a bit generator of numpy.random")
    return Instance(name, Grant(grant.roles | (use.grant.roles & {"build"}), "bit-generator"))


def _generator(use: Use) -> Value:
    return _random(use, ("numpy.random._generator", "Generator"))


def _random_state(use: Use) -> Value:
    return _random(use, ("numpy.random.mtrand", "RandomState"))


def _random(use: Use, made: tuple[str, str]) -> Value:
    arguments = use.take(0, 2)
    if arguments:
        first = arguments[0]
        known = isinstance(first, Instance) and first.name[1] in _GENERATORS
        if not known and use.constants.text(first) not in _GENERATORS:
            raise RuleBroken("only a bit generator of numpy.random")
    if len(arguments) == 2:  # noqa: PLR2004
        maker = arguments[1]
        if not (isinstance(maker, Global) and maker.grant and maker.grant.rule == "bit-generator"):
            raise RuleBroken("its second argument is __bit_generator_ctor")
    return _named(use, made)


def _tree(use: Use) -> Value:
    features, classes, outputs = use.take(3, 3)
    count = use.constants.integer(outputs)
    if use.constants.integer(features) < 0 or not 0 <= count <= _MAX_OUTPUTS:
        raise RuleBroken("a tree's sizes are not negative")
    if not isinstance(classes, ArrayValue) or not classes.built or classes.shape != (count,):
        raise RuleBroken("a tree needs the number of classes of each output")
    if classes.dtype is None or classes.dtype.code[0] not in "iu":
        raise RuleBroken("a tree needs the number of classes of each output")
    return use.result()


def _refused(use: Use) -> Value:
    # To be replaced by a rule that holds `_parse_arg_template` to the installed distribution's.
    raise RuleBroken("scipy.stats distributions run code out of their state")


RULES: Final[dict[str, Callable[[Use], Value]]] = {
    "": _plain,
    "constants": _constants,
    "numbers": _numbers,
    "literal": _literal,
    "container": _container,
    "default-factory": _default_factory,
    "range": _range,
    "slice": _slice,
    "bytes": _bytes,
    "bytearray": _bytearray,
    "latin1": _latin1,
    "class-argument": _class_argument,
    "newobj": _newobj,
    "reconstructor": _reconstructor,
    "pyx-unpickle": _pyx_unpickle,
    "partial": _partial,
    "dtype": _dtype,
    "ndarray-reconstruct": _reconstruct,
    "masked-reconstruct": _masked,
    "frombuffer": _frombuffer,
    "scalar": _scalar,
    "bit-generator": _bit_generator,
    "generator": _generator,
    "random-state": _random_state,
    "tree": _tree,
    "rv-frozen": _refused,
}
