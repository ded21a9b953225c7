# SPDX-License-Identifier: BSD-3-Clause
"""What each kind of skops node may make, and of what.

Floor 4.  The first line of a rule says what skops does for such a node (read in skops 0.16).  A
kind that is not in the table is refused: bound methods, functions of ``operator`` but itemgetter,
cached nodes, which skops does not write for scikit-learn's models.
"""

from __future__ import annotations

import math
from typing import Any, Final

from safeserial.errors import CorruptArtifactError
from safeserial.foreign import npy
from safeserial.foreign.archive import open_archive
from safeserial.foreign.skops_nodes import Node, Rule, Use, constant
from safeserial.verifier.intrinsic import TUPLE_STATES

_SCALARS: Final = frozenset(
    "bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intc uintc longlong ulonglong "
    "float16 float32 float64 longdouble complex64 complex128 str_ bytes_ datetime64 "
    "timedelta64".split()
)
_KEYS: Final = frozenset(
    {("builtins", "str"), ("builtins", "int"), ("builtins", "float")}
    | {("numpy", name) for name in _SCALARS - {"bool", "bool_", "bytes_"}}
)
_MAPPINGS: Final = (
    "builtins.dict",
    "collections.OrderedDict",
    "collections.Counter",
    "sklearn.utils._bunch.Bunch",
)
_FACTORIES: Final = frozenset(
    {("builtins", name) for name in "list dict set int float str bool tuple".split()}
    | {("collections", "OrderedDict")}
)
_DISTRIBUTIONS: Final = frozenset(
    {"scipy.stats._continuous_distns", "scipy.stats._discrete_distns"}
)
_LOSSES: Final = frozenset({"sklearn._loss._loss", "sklearn.linear_model._sgd_fast"})
_BIT_GENERATORS: Final = frozenset("MT19937 PCG64 PCG64DXSM Philox SFC64".split())
_SEED_PARTS: Final = frozenset({"entropy", "spawn_key", "pool_size", "n_children_spawned"})
_SPARSE: Final = frozenset(
    f"{name}.npy"
    for name in "format shape data indices indptr row col offsets coords _is_array".split()
)
_LONGEST_RANGE: Final = 2**31
_MOST_POOL: Final = 1024
_LONGEST_TEXT: Final = 200


def _json(use: Use) -> Any:
    """``json.loads`` of a text, whatever the label says."""
    return constant(use.state.get("content"))


def _dict(use: Use) -> dict[str, Node]:
    """Call of the label without arguments; items set under keys that key_types make of texts."""
    if use.name != ("builtins", "dict"):
        use.require(*_MAPPINGS)
        use.granted("new", "call", rules=("container", "literal"))
    kinds = use.child(use.state.get("key_types"))
    content = use.state.get("content")
    if type(content) is not dict or kinds.kind != "ListNode" or len(kinds.value) != len(content):
        raise CorruptArtifactError("a DictNode has other keys than types of keys")
    for kind, key in zip(kinds.value, content, strict=True):
        if kind.kind != "TypeNode" or kind.name not in _KEYS:
            raise use.broken("has keys that skops cannot read back: only texts and numbers")
        if kind.name[1] not in {"str", "str_"}:
            use.tree.hash_one(float(key) if not key.lstrip("-").isdigit() else int(key))
    return {key: use.child(one) for key, one in content.items()}


def _default_dict(use: Use) -> None:
    """``defaultdict(**main)`` with a factory."""
    use.require("collections.defaultdict")
    main, factory = use.part("main"), use.part("default_factory")
    named = factory.kind == "TypeNode" and factory.name in _FACTORIES
    none = factory.kind == "JsonNode" and factory.value is None
    if main.kind != "DictNode" or not (none or named):
        raise use.broken("calls another thing than a builtin type for missing keys")


def _list(use: Use) -> list[Node]:
    """Call of the label with a list of what the nodes make."""
    use.require("builtins.list")
    return use.children(use.state.get("content"))


def _set(use: Use) -> list[Node]:
    """Call the label with a list, and so hash what is in it."""
    use.require("builtins.set")
    return _hashable(use, use.children(use.state.get("content")))


def _hashable(use: Use, members: list[Node], depth: int = 0) -> list[Node]:
    for one in members:
        if one.kind == "JsonNode":
            use.tree.hash_one(one.value)
        elif one.kind == "NdArrayNode" and one.name[0] == "numpy" and one.name[1] in _SCALARS:
            use.tree.hash_one(0.0)
        elif one.kind == "TupleNode" and depth < 2:  # noqa: PLR2004
            _hashable(use, one.value, depth + 1)
            use.tree.hash_one(0.0)
        else:
            raise use.broken("has members that are neither constants nor short tuples of them")
    return members


def _tuple(use: Use) -> list[Node]:
    """Make a tuple, or call the label where that is a class of named tuples."""
    if use.name != ("builtins", "tuple"):
        use.granted("new")
    return use.children(use.state.get("content"))


def _reference(use: Use) -> None:
    """Take the object of that name."""
    if use.kind == "FunctionNode" and not use.tree.protocol:
        raise use.broken("is of skops' first protocol, which put another name in its content")
    use.granted("reference", "new", rules=_ANY_REFERENCE)


_ANY_REFERENCE: Final = ("", "literal", "bytes", "numbers", "slots", "container")


def _type(use: Use) -> None:
    """Take the object of that name; a builtin function among them."""
    if use.name not in _KEYS:
        use.granted("reference", "new", rules=(*_ANY_REFERENCE, "ndarray-reconstruct"))


def _object(use: Use) -> None:
    """``cls.__new__(cls)``, then ``__setstate__`` or an update of the attributes."""
    state = use.state.get("content")
    grant = use.granted("new" if state is None else "new build", rules=("", "slots"))
    if use.name[0] in _DISTRIBUTIONS and grant is not None:
        # Its __setstate__ would run exec: the codec makes a fresh one, of no state.
        use.state["content"] = _nothing()
        use.tree.changed = True
    elif state is not None:
        given, parts = use.child(state), TUPLE_STATES.get(use.name)
        whole = given.name == ("builtins", "tuple") and given.kind == "TupleNode"
        if parts is not None and not (whole and len(given.value) == parts[0]):
            raise use.broken(f"is given another state than a tuple of {parts[0]} parts")
        if use.name[0].partition(".")[0] == "pandas":
            _caches(use, [given, *(given.value if given.kind == "TupleNode" else ())])


def _caches(use: Use, states: list[Node]) -> None:
    for state in states:
        held = state.value.get("_cache") if state.kind == "DictNode" else None
        # Compiled properties look for results in it without asking what it is.
        if held is not None and held.kind != "DictNode":
            raise use.broken("keeps results in something else than a dict")


def _nothing() -> dict[str, Any]:
    kinds = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []}
    return {
        "__class__": "dict",
        "__module__": "builtins",
        "__loader__": "DictNode",
        "content": {},
        "key_types": kinds,
    }


def _constructor(use: Use) -> None:
    """Call the label with a tuple of arguments."""
    arguments = use.child(use.state.get("content"))
    if arguments.kind != "TupleNode":
        raise CorruptArtifactError("a constructor has no arguments")
    grant = use.granted("call", rules=("", "literal", "range", "constants", "numbers"))
    if use.name[0].partition(".")[0] == "pandas":
        _pandas_dtype(use, arguments.value)
    if grant is None or not grant.rule:
        return
    values = arguments.value
    if grant.rule == "literal":
        if len(values) > 1 or any(one.kind not in {"ListNode", "TupleNode"} for one in values):
            raise use.broken("is made of something else than one list")
        if use.name[1] in {"set", "frozenset"}:
            for one in values:
                _hashable(use, one.value)
        return
    if use.name[1] in {"Decimal", "Fraction"} or any(one.kind != "JsonNode" for one in values):
        raise use.broken("is made of something else than constants")
    plain = [one.value for one in values]
    if grant.rule == "range" and not all(
        type(one) is int and abs(one) <= _LONGEST_RANGE for one in plain
    ):
        raise use.broken("is no range that a model would have")


def _pandas_dtype(use: Use, values: list[Node]) -> None:
    """Refuse what pandas would build of nodes that nobody has checked yet, and long texts."""
    if not use.name[1].endswith("Dtype"):
        raise use.broken("makes an object of pandas that is no dtype")
    if any(isinstance(one.value, str) and len(one.value) > _LONGEST_TEXT for one in values):
        raise use.broken("has a longer text than dtypes have")


def _loss(use: Use) -> None:
    """Call the label with arguments, then ``__setstate__`` where there is a state."""
    if use.name[0] not in _LOSSES:
        raise use.broken(f"makes no {use.dotted}")
    use.granted("call", "new", rules=("numbers", ""))
    state, arguments = use.child(use.state.get("content")), _arguments(use)
    numbers = all(one.kind == "JsonNode" and type(one.value) in _NUMBERS for one in arguments)
    if not numbers or state.kind not in {"TupleNode", "DictNode"} or state.value:
        raise use.broken("is made of something else than numbers")


_NUMBERS: Final = frozenset({int, float, bool, type(None)})


def _arguments(use: Use) -> list[Node]:
    reduced = use.state.get("__reduce__")
    made = use.child(reduced.get("args") if type(reduced) is dict else None)
    if made.kind != "TupleNode":
        raise CorruptArtifactError(f"a {use.kind} has no arguments")
    value: list[Node] = made.value
    return value


def _tree(use: Use) -> None:
    """``Tree(features, classes, outputs)``, then its ``__setstate__`` with a dict of arrays."""
    use.require("sklearn.tree._tree.Tree")
    use.granted("call build", rules=("tree",))
    state, arguments = use.child(use.state.get("content")), _arguments(use)
    if len(arguments) != 3 or state.kind != "DictNode":  # noqa: PLR2004
        raise use.broken("is not made as trees are")
    features, classes, outputs = arguments
    for one in (features, outputs):
        if one.kind != "JsonNode" or type(one.value) is not int or not 0 <= one.value < 2**31:
            raise use.broken("has another number of features or outputs than trees have")
    form = classes.value
    if not isinstance(form, npy.Array) or form.shape != (outputs.value,) or form.dtype[1] != "i":
        raise use.broken("has no number of classes for each output")


def _array(use: Use) -> Any:
    """``numpy.load`` without objects, or an array of what nodes make; a call of another label."""
    if use.state.get("type") == "json":
        use.require("numpy.ndarray")
        return _objects(use)
    if use.state.get("type") != "numpy":
        raise CorruptArtifactError("an array of an unknown kind")
    form = use.array()
    scalar = use.name[0] == "numpy" and use.name[1] in _SCALARS and form.shape == ()
    if use.name != ("numpy", "ndarray") and not scalar:
        raise use.broken(f"makes no {use.dotted}")
    return form


def _objects(use: Use) -> None:
    items = use.children(use.state.get("content"))
    shape = use.child(use.state.get("shape"))
    if shape.kind != "TupleNode" or not shape.value:
        raise CorruptArtifactError("an array of objects has no shape")
    sizes = [one.value for one in shape.value]
    if not all(type(one) is int and 0 <= one < 2**40 for one in sizes):
        raise CorruptArtifactError("an array of objects has no shape")
    if len(sizes) == 1:
        if len(items) != sizes[0]:
            raise use.broken("has another number of objects than its shape says")
        return
    # NumPy finds out the shape by itself, and copies what is shared between rows.
    use.tree.inflate(8 * math.prod(sizes))
    if 0 in sizes or len(sizes) > 32:  # noqa: PLR2004
        raise use.broken("is of a shape that skops cannot read back")
    _rows(use, items, sizes, set())


def _rows(use: Use, items: list[Node], sizes: list[int], seen: set[tuple[int, int]]) -> None:
    if len(items) != sizes[0]:
        raise use.broken("has another number of objects than its shape says")
    for one in items:
        if len(sizes) == 1:
            if one.kind not in {"JsonNode", "ObjectNode", "TypeNode", "FunctionNode", "TreeNode"}:
                scalar = one.kind == "NdArrayNode" and one.name != ("numpy", "ndarray")
                if not scalar:
                    raise use.broken("holds objects that NumPy would take apart")
        elif one.kind != "ListNode":
            raise use.broken("has another shape than it says")
        elif (key := (id(one), len(sizes))) not in seen:
            seen.add(key)
            _rows(use, one.value, sizes[1:], seen)


def _masked(use: Use) -> None:
    """``MaskedArray(data, mask)``, whatever the label says."""
    use.require("numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray")
    if any(use.part(one).kind != "NdArrayNode" for one in ("data", "mask")):
        raise use.broken("is made of something else than two arrays")


def _dtype(use: Use) -> None:
    """Take the dtype of an array."""
    use.require("numpy.dtype")
    if use.child(use.state.get("content")).kind != "NdArrayNode":
        raise use.broken("is the dtype of something else than an array")


def _random_state(use: Use) -> None:
    """``RandomState()``, then its ``set_state`` with a dict."""
    use.require("numpy.random.mtrand.RandomState")
    state = use.child(use.state.get("content"))
    if state.kind != "DictNode" or _text_of(state, "bit_generator") != "MT19937":
        raise use.broken("has no state that a RandomState has")


def _generator(use: Use) -> None:
    """Call the bit generator named in the state, on a SeedSequence made of keywords."""
    use.require("numpy.random._generator.Generator")
    if use.tree.protocol < 2:  # noqa: PLR2004
        raise use.broken("is of an older protocol of skops")
    state, seed = use.part("bit_generator"), use.part("seed_seq")
    if state.kind != "DictNode" or _text_of(state, "bit_generator") not in _BIT_GENERATORS:
        raise use.broken("calls something else than one of NumPy's bit generators")
    if seed.kind != "DictNode" or not set(seed.value) <= _SEED_PARTS:
        raise use.broken("has a seed of another form")
    pool = seed.value.get("pool_size")
    if pool is not None and not (type(pool.value) is int and 0 < pool.value <= _MOST_POOL):
        raise use.broken("has a seed of another form")


def _text_of(node: Node, key: str) -> str:
    held = node.value.get(key)
    text = held.value if held is not None and held.kind == "JsonNode" else None
    return text if isinstance(text, str) else ""


def _sparse(use: Use) -> None:
    """``scipy.sparse.load_npz``: the class is named by the inner archive, not by the label."""
    use.granted("new", "reference")
    if use.state.get("type") != "scipy" or not use.name[0].startswith("scipy.sparse."):
        raise use.broken("is no sparse matrix")
    name = use.file()
    if name in use.tree.files:
        return
    use.tree.files[name] = None
    inner = open_archive(use.tree.archive.read(name), use.tree.policy.limits)
    if not set(inner.places) <= _SPARSE or "format.npy" not in inner.places:
        raise CorruptArtifactError("a sparse matrix has other arrays than sparse matrices have")
    forms = {one: npy.examine(inner.read(one)) for one in inner.places}
    held = forms["format.npy"]
    text = (
        bytes(inner.read("format.npy")[held.start :]).replace(b"\0", b"").decode("ascii", "replace")
    )
    if use.name[1] not in {f"{text}_matrix", f"{text}_array"} or held.shape != ():
        raise use.broken(f"makes a matrix of the format {ascii(text)[:40]}")


def _bytes(use: Use) -> None:
    """Take the bytes of a member."""
    use.require("builtins.bytes" if use.kind == "BytesNode" else "builtins.bytearray")
    name = use.file()
    use.tree.files[name] = None
    use.tree.inflate(9 * len(use.tree.archive.read(name)) if use.kind == "BytearrayNode" else 0)


def _slice(use: Use) -> None:
    """``slice(start, stop, step)`` of what JSON holds."""
    use.require("builtins.slice")
    content = use.state.get("content")
    if type(content) is not dict or set(content) != {"start", "stop", "step"}:
        raise CorruptArtifactError("a slice has other parts than slices have")
    if any(type(one) not in {int, str, float, type(None)} for one in content.values()):
        raise use.broken("is made of something else than constants")


def _partial(use: Use) -> None:
    """``partial(func, *args, **kwds)`` and an update of its attributes."""
    use.require("functools.partial")
    use.granted("call", rules=("partial",))
    function, arguments = use.part("func"), use.part("args")
    keywords, attributes = use.part("kwds"), use.part("namespace")
    kinds = (function.kind, arguments.kind, keywords.kind)
    if kinds not in {
        ("FunctionNode", "TupleNode", "DictNode"),
        ("TypeNode", "TupleNode", "DictNode"),
    }:
        raise use.broken("holds something else than a function and its arguments")
    if attributes.kind == "JsonNode" and attributes.value is None:
        return
    if attributes.kind != "DictNode":
        raise use.broken("has attributes that are no dict")


def _operator(use: Use) -> None:
    """Call what ``operator`` has under the label."""
    use.require("operator.itemgetter")
    use.granted("call", rules=("constants",))
    made = use.child(use.state.get("attrs"))
    if made.kind != "TupleNode" or any(one.kind != "JsonNode" for one in made.value):
        raise use.broken("is made of something else than constants")


RULES: Final[dict[str, Rule]] = {
    "JsonNode": _json,
    "DictNode": _dict,
    "DefaultDictNode": _default_dict,
    "ListNode": _list,
    "SetNode": _set,
    "TupleNode": _tuple,
    "FunctionNode": _reference,
    "TypeNode": _type,
    "ObjectNode": _object,
    "ConstructorFromReduceNode": _constructor,
    "LossNode": _loss,
    "TreeNode": _tree,
    "NdArrayNode": _array,
    "MaskedArrayNode": _masked,
    "DTypeNode": _dtype,
    "RandomStateNode": _random_state,
    "RandomGeneratorNode": _generator,
    "SparseMatrixNode": _sparse,
    "BytesNode": _bytes,
    "BytearrayNode": _bytes,
    "SliceNode": _slice,
    "PartialNode": _partial,
    "OperatorFuncNode": _operator,
}
