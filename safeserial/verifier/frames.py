# SPDX-License-Identifier: BSD-3-Clause
"""Rules of pandas: its indexes and extension arrays are made by functions that are given a class.

Floor 4.  The names of the rules are in `rules`.
"""

from __future__ import annotations

from typing import Final

from safeserial.verifier.use import Use
from safeserial.verifier.values import (
    UNKNOWN,
    ArrayValue,
    DictValue,
    DTypeValue,
    Global,
    Instance,
    Kind,
    ListValue,
    RuleBroken,
    Unknown,
    Value,
)

_CATEGORICAL: Final = ("pandas", "Categorical")
_LIBRARIES: Final = frozenset({"pandas", "datetime", "numpy"})
_NESTED: Final = 2
_BOUNDS: Final = frozenset({"start", "stop", "step"})
_ITEM_BYTES: Final = 8


def index(use: Use) -> Value:
    """Accept a class of indexes and a dict of plain arguments."""
    cls, arguments = use.take(2, 2)
    made = _instance(use, cls, "index")
    if not isinstance(arguments, DictValue) or arguments.flat is None:
        raise RuleBroken("an index is made of a dict")
    bounds: dict[str, int] = {}
    for key, value in zip(arguments.flat[::2], arguments.flat[1::2], strict=True):
        name = use.constants.text(key)
        if name in _BOUNDS and type(value) is int:
            bounds[name] = use.constants.integer(value)
        if not isinstance(value, Unknown):
            _plain(value)
    if bounds:
        # As if it were an array: pandas makes one of it wherever one is asked for.
        steps = range(bounds.get("start", 0), bounds.get("stop", 0), bounds.get("step", 1) or 1)
        use.context.allocate(_ITEM_BYTES * max(0, -((steps.start - steps.stop) // steps.step)))
    return made


def extension_array(use: Use) -> Value:
    """Accept a class of arrays, a checksum, and a state of nothing: BUILD brings it."""
    if not use.arguments and use.target.name == _CATEGORICAL:
        return (
            use.result()
        )  # NEWOBJ, as pandas wrote it before 1.3; a dict of codes and dtype follows
    cls, checksum, state = use.take(3, 3)
    use.constants.integer(checksum)
    if not use.constants.is_none(state):
        raise RuleBroken("its state follows")
    return _instance(use, cls, "extension-array")


def _instance(use: Use, cls: Value, rule: str) -> Value:
    if not isinstance(cls, Global):
        raise RuleBroken("a listed class is needed here")
    cls.roles.add("reference")
    if cls.grant is None:
        return UNKNOWN
    if cls.grant.rule != rule:
        raise RuleBroken(f"its class is one that has the rule {rule}")
    return Instance(Kind(cls.name, cls.grant))


def _plain(value: Value, levels: int = _NESTED) -> None:
    """Refuse what could bring methods of its own to a constructor that asks for data."""
    if isinstance(value, ListValue | tuple) and levels:
        for item in (value.items or []) if isinstance(value, ListValue) else value:
            _plain(item, levels - 1)
        return
    if type(value) is int or (isinstance(value, ArrayValue) and value.built):
        return
    if isinstance(value, DTypeValue) and value.known is not None:
        return
    # A date, a frequency, another index; a NumPy scalar.
    if isinstance(value, Instance) and value.name[0].partition(".")[0] in _LIBRARIES:
        return
    raise RuleBroken("an index is made of arrays, constants and dates")
