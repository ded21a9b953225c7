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
literal            nothing, or one list, tuple, dict or set made in this stream; the members of
                   the result count as dict keys where it is a set or a dict
container          as ``literal``; for a deque also its length; instances take items
default-factory    nothing, None, or one of the builtin types list, dict, set, int, float, str,
                   bool, tuple; instances take items
moment             a date or a time: numbers, or bytes that a calendar has; perhaps a time zone
range              one to three integers of at most 2**31, 2**24 in all; never for ``literal``
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
ndarray-reconstruct an empty array of ndarray or of a class that has this rule itself; state: as
                   many bytes as its shape and dtype say, or for objects a list of as many
masked-reconstruct the same for a masked array, with its mask
frombuffer         bytes or a buffer, a dtype without objects, a shape that fits, "C" or "F"; the
                   array cannot be built upon
scalar             a dtype without objects and as many bytes
bit-generator      nothing, the name of a bit generator, or one of their classes
generator          nothing, the name, or a bit generator made here; then perhaps
random-state       ``__bit_generator_ctor`` itself
tree               features, classes (an integer array, one for each output), outputs
index              a class that has this rule, and a dict of constants, arrays, dtypes and dates
extension-array    a class that has this rule, a checksum, None; its state is a tuple that ends with
                   an array or a dict; pandas.Categorical also of nothing, as before pandas 1.3
slots              as no rule; its state may be (dict or None, dict): the class has slots
bound-method       ``getattr(distribution, name)``: a method of a scipy.stats distribution made
                   here, which the codec never looks up (safeserial/codecs/distributions.py);
                   ``getattr(str, name)``: a method that takes a text apart or changes its case
================== =================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from safeserial.errors import PolicyError
from safeserial.policy import Grant
from safeserial.verifier import frames, literals, numeric
from safeserial.verifier.use import WRAPPERS, Use
from safeserial.verifier.values import (
    UNKNOWN,
    Arguments,
    Global,
    Instance,
    Kind,
    RuleBroken,
    Tuple,
    Unknown,
    Value,
    WrapperValue,
)

_DISTRIBUTIONS: Final = frozenset(
    {"scipy.stats._continuous_distns", "scipy.stats._discrete_distns"}
)
TAINTABLE: Final = frozenset({Unknown, Global, tuple, Arguments})
STR_METHODS: Final = frozenset(
    "capitalize casefold isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace "
    "istitle isupper lower lstrip rsplit rstrip split splitlines strip swapcase title "
    "upper".split()
)
_BASES: Final = frozenset(["list", "dict", "set", "tuple", "int", "float", "str"])


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
        raise no_such_rule(use.target)
    return UNKNOWN if is_tainted(use.arguments) else rule(use)


def no_such_rule(target: Global) -> PolicyError:
    """Return the error of a policy that names a rule which does not exist."""
    rule = target.grant.rule if target.grant is not None else ""
    return PolicyError(f"the policy gives {target.dotted} an unknown rule: {rule!r}")


def is_tainted(arguments: Tuple) -> bool:
    """Return whether some argument comes of a name that is not listed."""
    return any(type(argument) in TAINTABLE and _tainted(argument) for argument in arguments)


def _tainted(value: Value, depth: int = 2) -> bool:
    """Return whether an argument comes of a name that is not listed (and is reported anyway)."""
    if isinstance(value, Unknown):
        return True
    if isinstance(value, Global):
        return value.grant is None
    if isinstance(value, tuple) and depth:
        for item in value:
            if type(item) in TAINTABLE and _tainted(item, depth - 1):
                return True
    return False


def _class_argument(use: Use) -> Value:
    return use.made(use.take(1, 1)[0])


def _reconstructor(use: Use) -> Value:
    cls, base, state = use.take(3, 3)
    if not isinstance(cls, Global) or not isinstance(base, Global):
        raise RuleBroken("a class and its base are needed here")
    if cls.name in WRAPPERS:
        return make_wrapper(use.inner(cls, use.grant, ()))
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
        literals.filled(use.inner(base, use.grant, (state,)), base.name[1])
    return use.made(cls)


def make_wrapper(use: Use) -> WrapperValue:
    """Check that joblib's wrapper is made of nothing, where arrays may follow."""
    if not use.context.joblib or use.nests.nested or use.arguments:
        raise RuleBroken("joblib's array wrapper stands only in joblib files, outside arrays")
    return WrapperValue()


def make_new(cls: Value, use: Use) -> Value:
    """Check NEWOBJ of a class with the arguments of `use`."""
    if not isinstance(cls, Global):
        raise RuleBroken("only a listed class can be instantiated")
    if cls.name in WRAPPERS:
        return make_wrapper(use)
    if not use.context.use(cls, "new") or cls.grant is None:
        return UNKNOWN
    return apply(use.inner(cls, cls.grant, use.arguments))


def _newobj(use: Use) -> Value:
    if not use.arguments:
        raise RuleBroken("a class is needed here")
    first, *rest = use.arguments
    inner = use.inner(use.target, use.grant, tuple(rest))
    return make_new(first, inner)


def _pyx_unpickle(use: Use) -> Value:
    cls, checksum, state = use.take(3, 3)
    use.constants.integer(checksum)
    own = use.target.name[1].removeprefix("__pyx_unpickle_")
    if not isinstance(cls, Global) or cls.name[1] != own:
        raise RuleBroken(f"its class is {own}")
    if type(state) is not tuple and not use.constants.is_none(state):
        raise RuleBroken("its state is a tuple or None")
    return use.made(cls)


def _bound_method(use: Use) -> Value:
    owner, name = use.take(2, 2)
    if isinstance(owner, Global) and owner.name == ("builtins", "str"):
        if use.constants.text(name) not in STR_METHODS:
            raise RuleBroken("of str, only methods that take a text apart or change its case")
        return Instance(Kind(("builtins", "str.method"), Grant(frozenset({"reference"}))))
    if not isinstance(owner, Instance) or owner.name[0] not in _DISTRIBUTIONS:
        raise RuleBroken("only methods of scipy.stats distributions are named in this way")
    use.constants.text(name)
    return use.result()


RULES: Final[dict[str, Callable[[Use], Value]]] = {
    "": literals.plain,
    "constants": literals.constants_only,
    "numbers": literals.numbers,
    "literal": literals.literal,
    "container": literals.container,
    "default-factory": literals.default_factory,
    "moment": literals.moment,
    "range": literals.range_of,
    "slice": literals.slice_of,
    "bytes": literals.bytes_of,
    "bytearray": literals.bytearray_of,
    "latin1": literals.latin1,
    "class-argument": _class_argument,
    "newobj": _newobj,
    "reconstructor": _reconstructor,
    "pyx-unpickle": _pyx_unpickle,
    "partial": literals.partial_of,
    "dtype": numeric.dtype,
    "ndarray-reconstruct": numeric.reconstruct,
    "masked-reconstruct": numeric.masked,
    "frombuffer": numeric.frombuffer,
    "scalar": numeric.scalar,
    "bit-generator": numeric.bit_generator,
    "generator": numeric.generator,
    "random-state": numeric.random_state,
    "tree": numeric.tree,
    "index": frames.index,
    "extension-array": frames.extension_array,
    "slots": literals.plain,
    "bound-method": _bound_method,
}
