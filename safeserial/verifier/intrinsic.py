# SPDX-License-Identifier: BSD-3-Clause
"""Rules that hold for a name whatever the policy says: with any other it would not be safe.

Floor 4.  Who trusts ``numpy.dtype`` trusts NumPy's dtypes, not a dtype that lies about its size; a
policy decides whether such a name may be used at all, never with what arguments.
"""

from __future__ import annotations

from typing import Final

from safeserial.policy import Grant, Name

# Roles with which a name may be stored: what may only be called is never an object's attribute.
_STORABLE: Final = frozenset({"reference", "new"})
# Classes whose constructors believe what they are given: of a buffer of numbers `numpy.ndarray`
# makes an array of objects at those addresses, of a tuple `csr_matrix` a matrix whose indices point
# anywhere, of a text `Booster` a booster that nobody has looked at.  Whoever keeps such a class may
# call it later, as a FunctionTransformer does.  They are arguments of the functions that make their
# instances, and nothing else; so are all compiled classes.
_ARRAY_LIBRARIES: Final = frozenset({"numpy", "pandas", "scipy"})
_COMPILED: Final = frozenset(
    {
        *("sklearn._loss._loss", "sklearn.linear_model._sgd_fast", "sklearn.metrics._dist_metrics"),
        *("sklearn.neighbors._ball_tree", "sklearn.neighbors._kd_tree", "sklearn.tree._tree"),
        *("catboost.core", "lightgbm.basic", "xgboost.core"),
        "sklearn.ensemble._hist_gradient_boosting.predictor",
    }
)
# Of these the constructors look at what they are given.  pandas keeps the index that goes with a
# dtype in what the dtype remembers; a MultiIndex may be told to believe its codes.
_MADE_BY_ANYONE: Final = frozenset(
    ("pandas", kind)
    for kind in (
        *("CategoricalIndex", "DataFrame", "DatetimeIndex", "Index", "IntervalIndex"),
        *("PeriodIndex", "RangeIndex", "Series", "TimedeltaIndex"),
    )
)
_NUMPY: Final = {
    "multiarray._reconstruct": "ndarray-reconstruct",
    "multiarray.scalar": "scalar",
    "numeric._frombuffer": "frombuffer",
}
_NAMES: Final = {
    "numpy.dtype": "dtype",
    "numpy.ndarray": "ndarray-reconstruct",
    "numpy.matrix": "ndarray-reconstruct",
    "numpy.ma.MaskedArray": "masked-reconstruct",
    "numpy.ma.core.MaskedArray": "masked-reconstruct",
    "numpy.ma.core._mareconstruct": "masked-reconstruct",
    "numpy.random._pickle.__bit_generator_ctor": "bit-generator",
    "numpy.random._pickle.__generator_ctor": "generator",
    "numpy.random._pickle.__randomstate_ctor": "random-state",
    "_codecs.encode": "latin1",
    "builtins.bytearray": "bytearray",
    "builtins.bytes": "bytes",
    "builtins.dict": "literal",
    "builtins.frozenset": "literal",
    "builtins.list": "literal",
    "builtins.getattr": "bound-method",
    "builtins.range": "range",
    "builtins.set": "literal",
    "builtins.tuple": "literal",
    "collections.Counter": "container",
    "collections.OrderedDict": "container",
    "collections.defaultdict": "default-factory",
    "collections.deque": "container",
    "copyreg.__newobj__": "newobj",
    "copyreg._reconstructor": "reconstructor",
    "datetime.date": "moment",
    "datetime.datetime": "moment",
    "datetime.time": "moment",
    "functools.partial": "partial",
    "sklearn.tree._tree.Tree": "tree",
    **{f"numpy.{core}.{name}": rule for core in ("core", "_core") for name, rule in _NUMPY.items()},
    **{
        f"sklearn.utils._tags.{name}": "slots"
        for name in (
            *("ClassifierTags", "InputTags", "RegressorTags", "Tags", "TargetTags"),
            "TransformerTags",
        )
    },
}
RULES: Final[dict[Name, str]] = {
    (dotted.rpartition(".")[0], dotted.rpartition(".")[2]): rule for dotted, rule in _NAMES.items()
}

# Attributes that the __setstate__ of a class calls methods of while it loads: anything but a plain
# array could bring methods of its own.  Of an array without dimensions compiled code reads the
# first one all the same.
ARRAY_ATTRIBUTES: Final[dict[Name, frozenset[str]]] = {
    # It asks the nodes for their dtype, and to become another.
    ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"): frozenset({"nodes"}),
    # It asks how long they are, and takes it for granted that they are as long as anything.
    ("sklearn.tree._tree", "Tree"): frozenset({"nodes", "values"}),
    # It makes an interpolation of the two.
    ("sklearn.isotonic", "IsotonicRegression"): frozenset({"X_thresholds_", "y_thresholds_"}),
}
# Classes whose __setstate__ does with a tuple what no rule here could check: it hands a part of it
# to an array of its own making.
DICT_STATES: Final[frozenset[Name]] = frozenset({("pandas.arrays", "SparseArray")})
# Compiled classes whose __setstate__ takes so many parts from a tuple without counting them: of a
# shorter one, or a list, it would read whatever lies behind.  First the number of today's
# scikit-learn, then what earlier ones wrote, which would end a process today just as well.
TUPLE_STATES: Final[dict[Name, tuple[int, ...]]] = {
    **{
        ("sklearn.metrics._dist_metrics", f"{metric}Distance{bits}"): (
            (5,) if metric == "PyFunc" else (3,)
        )
        for metric in (
            *("BrayCurtis", "Canberra", "Chebyshev", "Dice", "Euclidean", "Hamming", "Haversine"),
            *("Jaccard", "Kulsinski", "Mahalanobis", "Manhattan", "Matching", "Minkowski"),
            *("PyFunc", "RogersTanimoto", "RussellRao", "SEuclidean", "SokalMichener"),
            *("SokalSneath", "WMinkowski"),
        )
        for bits in ("32", "64")
    },
    **{
        (f"sklearn.neighbors._{kind.lower().replace('tree', '_tree')}", f"{kind}{bits}"): (13, 12)
        for kind in ("BallTree", "KDTree")
        for bits in ("", "32", "64")
    },
}
# Classes whose attributes are compared, hashed or printed while a stream is still being read,
# before any validator could look at them: what stands there is plain.
QUIET_STATES: Final[frozenset[Name]] = frozenset(
    {
        ("uuid", "UUID"),
        ("pandas.core.dtypes.dtypes", "NumpyEADtype"),
        *(
            ("pandas", f"{kind}Dtype")
            for kind in (
                *("Boolean", "Categorical", "DatetimeTZ", "Float32", "Float64", "Int16", "Int32"),
                *("Int64", "Int8", "Interval", "Period", "Sparse", "String", "UInt16", "UInt32"),
                *("UInt64", "UInt8"),
            )
        ),
    }
)
# Attributes that are compared with a string, or printed, at the same time.
QUIET_ATTRIBUTES: Final = frozenset({"_sklearn_version", "bit_generator", "out_of_bounds"})
# Properties of pandas.DataFrame and Series that call methods of what they find, and what they find.
FRAMES: Final[frozenset[Name]] = frozenset({("pandas", "DataFrame"), ("pandas", "Series")})
FRAME_PARTS: Final = frozenset(
    {"_attrs", "_data", "_flags", "_metadata", "_mgr", "_name", "_typ", "attrs", "name"}
)
MANAGERS: Final[frozenset[Name]] = frozenset(
    ("pandas.core.internals.managers", name) for name in ("BlockManager", "SingleBlockManager")
)


def is_stored(name: Name, grant: Grant) -> bool:
    """Say whether a name may stand somewhere as a value, for someone to call it.

    Parameters
    ----------
    name : (module, qualname)
        Today's.
    grant : Grant
        What the policy says of it.
    """
    roles = grant.roles
    if not roles & _STORABLE:
        return False
    if {"call", "reference"} <= roles or not (grant.rule or roles & {"new", "build"}):
        return True  # it may be called as it is; or it is a function, or a type of plain values
    if name[0].partition(".")[0] in _ARRAY_LIBRARIES:
        return name in _MADE_BY_ANYONE or name[1].endswith("Dtype")
    return name[0] not in _COMPILED


# All names that something here holds for.
SPECIAL: Final[frozenset[Name]] = (
    frozenset({*RULES, *ARRAY_ATTRIBUTES, *TUPLE_STATES}) | DICT_STATES | QUIET_STATES | FRAMES
)
