# SPDX-License-Identifier: BSD-3-Clause
"""What each kind of skops node may make, and of what.

Floor 4.  The first line of a rule says what skops does for such a node (read in skops 0.16).  A
kind that is not in the table is refused: bound methods, functions of ``operator`` but itemgetter,
cached nodes, which skops does not write for scikit-learn's models.
"""

from __future__ import annotations

import math
from typing import Any, Final

from safeserial.errors import CorruptArtifactError, LimitExceededError
from safeserial.foreign import npy, skops_states
from safeserial.foreign.archive import open_archive
from safeserial.foreign.skops_nodes import Node, Rule, Use, constant
from safeserial.verifier import literals
from safeserial.verifier.intrinsic import is_stored

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
_TREE_ARRAYS: Final = {"nodes": 1, "values": 3}
_UNDIVIDED: Final = frozenset({"sklearn.tree._classes"})
_BIT_GENERATORS: Final = frozenset("MT19937 PCG64 PCG64DXSM Philox SFC64".split())
_SEED_PARTS: Final = frozenset({"entropy", "spawn_key", "pool_size", "n_children_spawned"})
_SPARSE: Final = frozenset(
    f"{name}.npy"
    for name in "format shape data indices indptr row col offsets coords _is_array".split()
)
_LONGEST_RANGE: Final = 2**31
_INTEGER_BYTES: Final = 36  # in a list
_MOST_POOL: Final = 1024
_LONGEST_TEXT: Final = 200
_LONGEST_SHAPE: Final = 64
_UNPACKING_SLACK: Final = 16 * 2**20


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
    use.keys = tuple(kind.name for kind in kinds.value)
    return {key: use.child(one) for key, one in content.items()}


def _default_dict(use: Use) -> None:
    """``defaultdict(**main)`` with a factory."""
    use.require("collections.defaultdict")
    main, factory = use.part("main"), use.part("default_factory")
    if main.kind == "DictNode" and not skops_states.has_texts(main):
        raise use.broken("is made of keywords that are no texts")
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
    # Whoever keeps a class may call it later, with arguments of the file's own.
    rules = ("", "literal", "bytes", "numbers", "slots", "container")
    grant = use.granted("reference", "new", rules=rules)
    if grant is not None and not is_stored(use.name, grant):
        raise use.broken(f"keeps {use.dotted}, which is listed only for objects of it")


def _type(use: Use) -> None:
    """Take the object of that name; a builtin function among them."""
    if use.name not in _KEYS:
        _reference(use)


def _object(use: Use) -> None:
    """``cls.__new__(cls)``, then ``__setstate__`` or an update of the attributes."""
    state = use.state.get("content")
    grant = use.granted("new" if state is None else "new build", rules=("", "slots"))
    if use.name[0] in _DISTRIBUTIONS and grant is not None:
        # Its __setstate__ would run exec: the codec makes a fresh one, of no state.
        use.state["content"] = _nothing()
        use.tree.changed = True
    elif state is not None:
        skops_states.check(use, use.child(state))


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
    grant = use.granted("call", rules=tuple(_CONSTRUCTORS))
    if use.trusted or grant is None:
        return
    # In pickles functions of pyarrow are replaced by others, and those of pandas have rules.
    package, is_dtype = use.name[0].partition(".")[0], use.name[1].endswith("Dtype")
    if package == "pyarrow" or (package == "pandas" and not is_dtype):
        raise use.broken(f"makes an object of {package} that is no dtype")
    _CONSTRUCTORS[grant.rule](use, arguments.value)


def _made_plain(use: Use, values: list[Node]) -> None:
    if use.name == ("datetime", "timezone"):
        _made_moment(use, values)
    elif use.name[0].partition(".")[0] == "pandas":
        # It would look into what nobody has checked yet.
        if any(isinstance(one.value, str) and len(one.value) > _LONGEST_TEXT for one in values):
            raise use.broken("has a longer text than dtypes have")
        _only_constants(use, values)


def _made_moment(use: Use, values: list[Node]) -> None:
    """Accept constants, the bytes that a calendar has, and other objects of datetime."""
    for one in values:
        made = one.kind in {"ConstructorFromReduceNode", "ObjectNode"}
        known = one.name[0] == "datetime" or (made and use.tree.is_trusted(one.name))
        if not (one.kind in {"JsonNode", "BytesNode"} or (made and known)):
            raise use.broken("is made of something else than constants and a time zone")
    skops_states.check_moment(use, values)


def _made_literal(use: Use, values: list[Node]) -> None:
    # Lists, tuples, dicts and sets have nodes of their own.
    if use.name != ("builtins", "frozenset"):
        raise use.broken(f"makes a {use.dotted}, for which skops has another node")
    if len(values) > 1 or any(one.kind not in {"ListNode", "TupleNode"} for one in values):
        raise use.broken("is made of something else than one list")
    for one in values:
        _hashable(use, one.value)


def _made_range(use: Use, values: list[Node]) -> None:
    """Accept three integers, which count as what whoever walks the range makes of them."""
    _only_constants(use, values)
    plain = [one.value for one in values]
    whole = all(type(one) is int and abs(one) <= _LONGEST_RANGE for one in plain)
    if not whole or not 1 <= len(plain) <= 3:  # noqa: PLR2004
        raise use.broken("is no range that a model would have")
    use.tree.inflate(_INTEGER_BYTES * len(range(*plain)))


def _only_constants(use: Use, values: list[Node]) -> None:
    if use.name[1] in {"Decimal", "Fraction"} or any(one.kind != "JsonNode" for one in values):
        raise use.broken("is made of something else than constants")
    rule = literals.numbers if use.rule == "numbers" else literals.constants_only
    skops_states.hold(use, rule, [one.value for one in values])


_CONSTRUCTORS: Final = {
    "": _made_plain,
    "moment": _made_moment,
    "literal": _made_literal,
    "range": _made_range,
    "constants": _only_constants,
    "numbers": _only_constants,
}


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
    for name, one in state.value.items():
        # It reads the length of an array of no dimensions, before it looks whether it has any.
        if name in _TREE_ARRAYS:
            whole = skops_states.is_array(one) and len(one.value.shape) == _TREE_ARRAYS[name]
        else:
            whole = one.kind == "JsonNode"
        if not whole:
            raise use.broken("is made of something else than arrays and numbers")
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
            scalar = one.kind == "NdArrayNode" and one.name != ("numpy", "ndarray")
            # A pipeline has a length and items; of scikit-learn's, only boosting keeps such tables.
            tree = one.kind == "ObjectNode" and one.name[0] in _UNDIVIDED
            plain = one.kind in {"JsonNode", "TypeNode", "FunctionNode", "TreeNode"}
            if not (scalar or tree or plain):
                raise use.broken("holds objects that NumPy would take apart")
        elif one.kind != "ListNode":
            raise use.broken("has another shape than it says")
        elif (key := (id(one), len(sizes))) not in seen:
            seen.add(key)
            _rows(use, one.value, sizes[1:], seen)


def _masked(use: Use) -> None:
    """``MaskedArray(data, mask)``, whatever the label says."""
    use.require("numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray")
    data, mask = use.part("data"), use.part("mask")
    # NumPy asks each object of a mask whether it is true.
    if data.kind != "NdArrayNode" or not skops_states.is_array(mask):
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
    if not skops_states.is_plain(state) or _text_of(state, "bit_generator") != "MT19937":
        raise use.broken("has no state that a RandomState has")


def _generator(use: Use) -> None:
    """Call the bit generator named in the state, on a SeedSequence made of keywords."""
    use.require("numpy.random._generator.Generator")
    if use.tree.protocol < 2:  # noqa: PLR2004
        raise use.broken("is of an older protocol of skops")
    state, seed = use.part("bit_generator"), use.part("seed_seq")
    if not skops_states.is_plain(state) or _text_of(state, "bit_generator") not in _BIT_GENERATORS:
        raise use.broken("calls something else than one of NumPy's bit generators")
    if not skops_states.is_plain(seed, most=_MOST_POOL) or not set(seed.value) <= _SEED_PARTS:
        raise use.broken("has a seed of another form")
    pool = seed.value.get("pool_size")
    if pool is not None and not (type(pool.value) is int and 0 < pool.value <= _MOST_POOL):
        raise use.broken("has a seed of another form")


def _text_of(node: Node, key: str) -> str:
    held = node.value.get(key) if node.kind == "DictNode" else None
    text = held.value if held is not None and held.kind == "JsonNode" else None
    return text if isinstance(text, str) else ""


def _sparse(use: Use) -> None:
    """``scipy.sparse.load_npz``: the class is named by the inner archive, not by the label."""
    use.granted("new", "reference")
    if use.state.get("type") != "scipy" or not use.name[0].startswith("scipy.sparse."):
        raise use.broken("is no sparse matrix")
    name = use.file()
    text = use.tree.matrices.get(name)
    if text is None:
        text = use.tree.matrices[name] = _matrix(use, name)
        use.tree.files.setdefault(name, None)
    if use.name[1] not in {f"{text}_matrix", f"{text}_array"}:
        raise use.broken(f"makes a matrix of the format {ascii(text)[:40]}")


def _matrix(use: Use, name: str) -> str:
    """Check an archive of arrays and return the format that it names."""
    limits, place = use.tree.policy.limits, use.tree.archive.places[name]
    inner = open_archive(use.tree.archive.read(name), limits)
    # Packed twice, zeros would shrink by the square of what once is allowed.
    total = sum(one.size for one in inner.places.values())
    if total > place.packed * limits.decompression_ratio + _UNPACKING_SLACK:
        raise LimitExceededError("a sparse matrix unpacks to more than the policy allows")
    if not set(inner.places) <= _SPARSE or "format.npy" not in inner.places:
        raise CorruptArtifactError("a sparse matrix has other arrays than sparse matrices have")
    forms = {one: npy.examine(inner.read(one)) for one in inner.places}
    held, shape = forms["format.npy"], forms.get("shape.npy")
    if held.shape != () or inner.places["format.npy"].size - held.start > _LONGEST_SHAPE:
        raise CorruptArtifactError("a sparse matrix has no format")
    if shape is None or len(shape.shape) != 1 or shape.shape[0] > _LONGEST_SHAPE:
        raise CorruptArtifactError("a sparse matrix has no shape")
    if any(
        math.prod(one.shape) > 2**24 and one.start == inner.places[key].size
        for key, one in forms.items()
    ):
        raise LimitExceededError("a sparse matrix has too many elements of no bytes")
    content = bytes(inner.read("format.npy")[held.start :])
    return content.replace(b"\0", b"").decode("ascii", "replace")


def _bytes(use: Use) -> str:
    """Take the bytes of a member."""
    use.require("builtins.bytes" if use.kind == "BytesNode" else "builtins.bytearray")
    name = use.file()
    use.tree.files.setdefault(name, None)
    if use.kind == "BytearrayNode":
        use.tree.inflate(9 * use.tree.archive.places[name].size)
    return name


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
    if not skops_states.has_texts(keywords):
        raise use.broken("has keywords that are no texts")
    if attributes.kind != "JsonNode" or attributes.value is not None:
        skops_states.check_names(use, attributes)


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
