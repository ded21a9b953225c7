# SPDX-License-Identifier: BSD-3-Clause
"""Rules of NumPy's and scikit-learn's constructors: arrays, scalars, random generators, trees.

Floor 4.  The names of the rules are in `rules`; dtypes and array states are held to each other in
`arrays`.
"""

from __future__ import annotations

from typing import Final

from safeserial.policy import Grant
from safeserial.verifier import arrays
from safeserial.verifier.use import Use
from safeserial.verifier.values import (
    ArrayValue,
    DTypeValue,
    Global,
    Instance,
    Kind,
    RuleBroken,
    Value,
)

_PAIR: Final = 2
_MAX_OUTPUTS: Final = 2**24
_GENERATORS: Final = {
    "MT19937": "numpy.random._mt19937",
    "PCG64": "numpy.random._pcg64",
    "PCG64DXSM": "numpy.random._pcg64",
    "Philox": "numpy.random._philox",
    "SFC64": "numpy.random._sfc64",
}


def dtype(use: Use) -> Value:
    """Accept numpy.dtype's code, False and True."""
    return arrays.make_dtype(use.arguments, use.constants)


def _array_class(value: Value, rule: str) -> None:
    if not isinstance(value, Global) or value.grant is None:
        raise RuleBroken("a listed class of arrays is needed here")
    if value.grant.rule != rule and value.name != ("numpy", "ndarray"):
        raise RuleBroken("a listed class of arrays is needed here")


def reconstruct(use: Use) -> Value:
    """Accept an empty array of a listed class."""
    cls, shape, code = use.take(3, 3)
    _array_class(cls, "ndarray-reconstruct")
    if arrays.read_shape(shape, use.constants) != (0,) or type(shape) is not tuple:
        raise RuleBroken("an array is made empty and then built")
    if use.constants.value(code) not in (b"b", "b"):
        raise RuleBroken("an array is made of bytes and then built")
    return ArrayValue()


def masked(use: Use) -> Value:
    """Accept an empty masked array of two listed classes."""
    cls, base, shape, code = use.take(4, 4)
    _array_class(cls, "masked-reconstruct")
    _array_class(base, "ndarray-reconstruct")
    if arrays.read_shape(shape, use.constants) != (0,) or type(shape) is not tuple:
        raise RuleBroken("an array is made empty and then built")
    if use.constants.value(code) not in (b"b", "b"):
        raise RuleBroken("an array is made of bytes and then built")
    return ArrayValue(masked=True)


def frombuffer(use: Use) -> Value:
    """Accept bytes that fit a dtype without objects and a shape."""
    data, kind, shape, order = use.take(4, 4)
    dtype, size = arrays.ready(kind), arrays.read_shape(shape, use.constants)
    if use.constants.value(order) not in ("C", "F"):
        raise RuleBroken("an array's order is C or F")
    arrays.check_raw(dtype, arrays.product(size), use.constants.raw_length(data))
    array = ArrayValue()
    array.built, array.dtype, array.shape = True, dtype, size
    return array


def scalar(use: Use) -> Value:
    """Accept bytes that fit a dtype without objects."""
    kind, data = use.take(2, 2)
    if type(kind) is not DTypeValue or kind.known is None or kind.code[0] == "O":
        raise RuleBroken("a scalar is of a complete dtype without objects")
    if use.constants.bytes_length(data) != kind.known.itemsize:
        raise RuleBroken("a scalar's bytes do not fit its dtype")
    made = use.result()
    made.parts = use.arguments
    return made


def bit_generator(use: Use) -> Value:
    """Accept one of NumPy's bit generators, by class or by name."""
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
    roles = grant.roles | (use.grant.roles & {"build"})
    return Instance(Kind(name, Grant(roles, "bit-generator")))


def generator(use: Use) -> Value:
    """Accept a bit generator and its constructor."""
    return _random(use, ("numpy.random._generator", "Generator"))


def random_state(use: Use) -> Value:
    """Accept a bit generator and its constructor."""
    return _random(use, ("numpy.random.mtrand", "RandomState"))


def _random(use: Use, made: tuple[str, str]) -> Value:
    arguments = use.take(0, 2)
    if arguments:
        first = arguments[0]
        known = isinstance(first, Instance) and first.name[1] in _GENERATORS
        if not known and use.constants.text(first) not in _GENERATORS:
            raise RuleBroken("only a bit generator of numpy.random")
    if len(arguments) == _PAIR:
        maker = arguments[1]
        if not (isinstance(maker, Global) and maker.grant and maker.grant.rule == "bit-generator"):
            raise RuleBroken("its second argument is __bit_generator_ctor")
    return _named(use, made)


def tree(use: Use) -> Value:
    """Accept sizes that are held to an array of integers."""
    features, classes, outputs = use.take(3, 3)
    count = use.constants.integer(outputs)
    if use.constants.integer(features) < 0 or not 0 <= count <= _MAX_OUTPUTS:
        raise RuleBroken("a tree's sizes are not negative")
    if not isinstance(classes, ArrayValue) or not classes.built or classes.shape != (count,):
        raise RuleBroken("a tree needs the number of classes of each output")
    if classes.dtype is None or classes.dtype.code[0] not in "iu":
        raise RuleBroken("a tree needs the number of classes of each output")
    return use.result()
