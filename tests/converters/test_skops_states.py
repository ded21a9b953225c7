# SPDX-License-Identifier: BSD-3-Clause
"""skops files: what a state sets off at once, and what few bytes make many of."""

from __future__ import annotations

import copy
import datetime
import functools
import io
import json
import zipfile

import numpy as np
import pytest
import scipy.sparse
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import safeserial as ss
from safeserial import errors
from safeserial_converters.sameness import difference
from tests.converters.test_skops import (
    DICT_OF_NONE,
    LIST_OF_NONE,
    X,
    Y,
    edited,
    json_of,
    nodes,
    of_pandas,
    refused,
    saved,
    tuple_of,
)

skops = pytest.importorskip("skops.io")


@functools.cache
def plain():
    return skops.dumps(Ridge().fit(X, Y))


@functools.cache
def isotonic():
    return skops.dumps(IsotonicRegression(out_of_bounds="clip").fit(X[:, 0], X[:, 1]))


@pytest.fixture(autouse=True)
def unasked(monkeypatch, request):
    """Fail a test in which skops is given what should have been refused."""
    if "honest" not in request.node.name:
        monkeypatch.setattr(skops, "loads", lambda *_, **__: pytest.fail("skops was asked"))


def dict_of(**items):
    text = {"__loader__": "TypeNode", "__module__": "builtins", "__class__": "str"}
    kinds = {**LIST_OF_NONE, "content": [text] * len(items)}
    return {**DICT_OF_NONE, "content": items, "key_types": kinds}


def object_of(dotted, state=None):
    module, _, name = dotted.rpartition(".")
    node = {"__loader__": "ObjectNode", "__module__": module, "__class__": name}
    return node if state is None else {**node, "content": state}


def made_of(dotted, *arguments):
    node = object_of(dotted, tuple_of(*arguments))
    return {**node, "__loader__": "ConstructorFromReduceNode"}


def named(loader, dotted):
    return {**object_of(dotted), "__loader__": loader}


def with_node(node, data=None, **members):
    """Return a file in which a node stands beside another model."""

    def change(schema):
        held = copy.deepcopy(schema)
        return {**tuple_of(held, node), "protocol": 2, "_skops_version": "0.16"}

    return edited(plain() if data is None else data, change, **members)


def with_attribute(data, name, node):
    """Return a file whose model has another attribute."""

    def change(schema):
        state = schema["content"]
        if name not in state["content"]:
            state["key_types"]["content"].append(named("TypeNode", "builtins.str"))
        state["content"][name] = node

    return edited(data, change)


PIPELINE = object_of("sklearn.pipeline.Pipeline", dict_of(steps=LIST_OF_NONE))
RANGE = made_of("builtins.range", json_of(10))
OBJECTS = {"__loader__": "NdArrayNode", "__module__": "numpy", "__class__": "ndarray",
           "type": "json", "content": [json_of(1.0)], "shape": tuple_of(json_of(1))}  # fmt: skip
INT = named("TypeNode", "builtins.int")
PAIRS = {**LIST_OF_NONE, "content": [tuple_of(json_of("__class__"), json_of(1))]}


# ------------------------------------------------------------------------------------ states


def test_an_array_interface_among_the_attributes(tmp_path):
    # NumPy would read 80 bytes at this address when IsotonicRegression makes an array of it.
    steps = Pipeline([("a", "passthrough")])
    vars(steps)["__array_interface__"] = {
        "data": (0x414141414140, False), "shape": (10,), "typestr": "<f8", "version": 3,
    }  # fmt: skip
    model = IsotonicRegression().fit(X[:, 0], X[:, 1])
    model.extra_ = steps
    assert "__array_interface__" in str(refused(tmp_path, skops.dumps(model)))


@pytest.mark.parametrize("node", [PIPELINE, RANGE, OBJECTS, json_of(1), LIST_OF_NONE])
@pytest.mark.parametrize("name", ["X_thresholds_", "y_thresholds_"])
def test_thresholds_are_arrays(name, node, tmp_path):
    assert "must be an array" in str(refused(tmp_path, with_attribute(isotonic(), name, node)))


def test_nodes_of_a_predictor_are_an_array(tmp_path):
    data = skops.dumps(HistGradientBoostingRegressor(max_iter=1).fit(X, Y))

    def change(schema):
        for one in nodes(schema, "ObjectNode"):
            if one["__class__"] == "TreePredictor":
                one["content"]["content"]["nodes"] = PIPELINE

    assert "must be an array" in str(refused(tmp_path, edited(data, change)))


@pytest.mark.parametrize("name", ["_sklearn_version", "bit_generator", "out_of_bounds"])
def test_what_is_printed_while_it_loads_is_a_constant(name, tmp_path):
    assert "printed" in str(refused(tmp_path, with_attribute(isotonic(), name, PIPELINE)))


@pytest.mark.parametrize("state", [PAIRS, tuple_of(tuple_of(json_of("a"), json_of(1))), PIPELINE,
                                   json_of("a"), OBJECTS,
                                   {**dict_of(a=json_of(1)), "__class__": "OrderedDict",
                                    "__module__": "collections"},
                                   {**dict_of(), "content": {"1": json_of(1)}, "key_types": {
                                       **LIST_OF_NONE, "content": [INT]}}])  # fmt: skip
def test_a_state_is_a_dict_of_attributes(state, tmp_path):
    # `__dict__.update` takes pairs as well, and calls `keys` of what has it.
    file = with_node(object_of("sklearn.linear_model._ridge.Ridge", state))
    assert "attribute" in str(refused(tmp_path, file))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_parts_of_a_metric_are_arrays_and_constants(part, tmp_path):
    data = skops.dumps(KNeighborsClassifier(algorithm="kd_tree").fit(X, Y))

    def change(schema):
        (node,) = (
            one for one in nodes(schema, "ObjectNode") if one["__class__"] == "EuclideanDistance64"
        )
        node["content"]["content"][part] = PIPELINE

    assert "other parts" in str(refused(tmp_path, edited(data, change)))


@pytest.mark.parametrize(
    "node",
    [
        object_of("uuid.UUID", dict_of(int=json_of(1), is_safe=PIPELINE)),
        object_of("pandas.IntervalDtype", dict_of(subtype=PIPELINE, closed=json_of("left"))),
        object_of("pandas.DataFrame", dict_of(_mgr=PIPELINE)),
        object_of("pandas.core.internals.managers.BlockManager", tuple_of(PIPELINE)),
        object_of("scipy.interpolate._cubic.CubicSpline", dict_of(c=PIPELINE)),
        object_of("pandas.arrays.SparseArray", tuple_of(OBJECTS)),
        object_of("numpy.vectorize", dict_of(__array__=json_of(1))),
    ],
)
def test_classes_whose_state_is_asked_at_once(node, tmp_path):
    assert isinstance(refused(tmp_path, with_node(node)), errors.ForbiddenOperationError)


def test_a_tree_is_made_of_arrays(tmp_path):
    data = skops.dumps(GradientBoostingClassifier(n_estimators=1).fit(X, Y))
    for name in ("nodes", "values", "max_depth"):

        def change(schema, name=name):
            next(nodes(schema, "TreeNode"))["content"]["content"][name] = PIPELINE

        assert "arrays and numbers" in str(refused(tmp_path, edited(data, change)))

    def of_no_dimension(schema):
        next(nodes(schema, "TreeNode"))["content"]["content"]["nodes"]["file"] = "zero.npy"

    data = edited(data, of_no_dimension, **{"zero.npy": saved(np.array(3))})
    assert "arrays and numbers" in str(refused(tmp_path, data))


# ------------------------------------------------------------------------------------ other nodes


@pytest.mark.parametrize(
    "node",
    [
        # C++ code would read at the places that such a tuple names.
        made_of("pyarrow.lib._restore_array", tuple_of()),
        made_of("pandas._libs.tslibs.timestamps._unpickle_timestamp", json_of(1)),
        made_of("pandas.StringDtype", PIPELINE),
        made_of("builtins.dict", {**LIST_OF_NONE, "content": [tuple_of(PIPELINE, json_of(1))]}),
        made_of("datetime.date", json_of("\0\0\0\0")),
        made_of("datetime.datetime", json_of("\x07\xe7\x0e\x01\0\0\0\0\0\0")),
        made_of("datetime.timezone", PIPELINE),
    ],
)
def test_what_a_constructor_is_given(node, tmp_path):
    assert isinstance(refused(tmp_path, with_node(node)), errors.ForbiddenOperationError)


@pytest.mark.parametrize(
    "name",
    [
        "numpy.ndarray",
        "numpy.matrix",
        "scipy.sparse._csr.csr_matrix",
        "sklearn.neighbors._kd_tree.KDTree",
        "pandas.MultiIndex",
        "lightgbm.basic.Booster",
    ],
)
@pytest.mark.parametrize("loader", ["TypeNode", "FunctionNode"])
def test_classes_that_are_listed_only_for_their_objects_are_not_kept(loader, name, tmp_path):
    # np.ndarray, called by a FunctionTransformer with a buffer of numbers, makes objects of them.
    error = refused(tmp_path, with_node(named(loader, name)))
    assert isinstance(error, errors.ForbiddenOperationError)


def test_a_partial_of_a_class_of_arrays_is_refused(tmp_path):
    model = FunctionTransformer(functools.partial(np.ndarray, dtype="O"))
    assert "ndarray" in str(refused(tmp_path, skops.dumps(model)))


def test_rows_of_objects_hold_nothing_that_numpy_takes_apart(tmp_path):
    row = {**LIST_OF_NONE, "content": [PIPELINE]}
    table = {**OBJECTS, "content": [row], "shape": tuple_of(json_of(1), json_of(1))}
    assert "take apart" in str(refused(tmp_path, with_node(table)))


def test_a_mask_of_objects(tmp_path):
    node = {"__loader__": "MaskedArrayNode", "__module__": "numpy.ma", "__class__": "MaskedArray",
            "content": {"data": OBJECTS, "mask": {**OBJECTS, "content": [PIPELINE]}}}  # fmt: skip
    assert "two arrays" in str(refused(tmp_path, with_node(node)))


SEED = dict_of(entropy=json_of(1), spawn_key=tuple_of(), pool_size=json_of(4))
BITS = dict_of(bit_generator=json_of("PCG64"),
               state=dict_of(state=json_of(1), inc=json_of(1)))  # fmt: skip


@pytest.mark.parametrize(
    ("bits", "seed"),
    [
        (BITS, {**SEED, "content": {**SEED["content"], "entropy": RANGE}}),
        (BITS, {**SEED, "content": {**SEED["content"], "spawn_key": PIPELINE}}),
        ({**BITS, "content": {**BITS["content"], "state": PIPELINE}}, SEED),
    ],
)
def test_seeds_and_states_of_generators_are_plain(bits, seed, tmp_path):
    node = {"__loader__": "RandomGeneratorNode", "__module__": "numpy.random._generator",
            "__class__": "Generator",
            "content": {"bit_generator": bits, "seed_seq": seed}}  # fmt: skip
    assert isinstance(refused(tmp_path, with_node(node)), errors.ForbiddenOperationError)


def test_the_state_of_a_random_state_is_plain(tmp_path):
    state = dict_of(bit_generator=json_of("MT19937"), state=dict_of(key=PIPELINE, pos=json_of(1)))
    node = {"__loader__": "RandomStateNode", "__module__": "numpy.random.mtrand",
            "__class__": "RandomState", "content": state}  # fmt: skip
    assert "no state" in str(refused(tmp_path, with_node(node)))


# ------------------------------------------------------------------------------------ sizes


def limit(tmp_path, data):
    assert type(refused(tmp_path, data)) is errors.LimitExceededError


def test_a_range_counts_as_what_is_made_of_it(tmp_path):
    limit(tmp_path, with_node(made_of("builtins.range", json_of(150_000_000))))
    many = [made_of("builtins.range", json_of(2_000_000)) for _ in range(5)]
    limit(tmp_path, with_node(tuple_of(*many)))


def test_nodes_that_hold_the_one_before_them_twice(tmp_path):
    # Who does not know that they are the same meets 2**60.
    inner = {**LIST_OF_NONE, "__id__": 10**6}
    for number in range(1, 60):
        again = {**LIST_OF_NONE, "__id__": inner["__id__"]}
        inner = {**LIST_OF_NONE, "content": [inner, again], "__id__": 10**6 + number}
    limit(tmp_path, with_node(inner))


@pytest.mark.parametrize("kind", ["NdArrayNode", "BytesNode"])
def test_nodes_that_read_one_member_again_and_again(kind, tmp_path):
    label = {"__module__": "numpy", "__class__": "ndarray", "type": "numpy"}
    if kind == "BytesNode":
        label = {"__module__": "builtins", "__class__": "bytes"}
    node = {"__loader__": kind, **label, "file": "big.npy"}
    many = tuple_of(*[dict(node) for _ in range(200)])
    limit(tmp_path, with_node(many, **{"big.npy": saved(np.zeros(2**18))}))


def test_elements_of_no_bytes(tmp_path):
    header = "{'descr': '<U0', 'fortran_order': False, 'shape': (1099511627776,), }"
    header += " " * (117 - len(header)) + "\n"
    raw = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header.encode()
    node = {"__loader__": "NdArrayNode", "__module__": "numpy", "__class__": "ndarray",
            "type": "numpy", "file": "empty.npy"}  # fmt: skip
    limit(tmp_path, with_node(node, **{"empty.npy": raw}))


def npz(**arrays):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in arrays.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


SPARSE = {"__loader__": "SparseMatrixNode", "__module__": "scipy.sparse._csr",
          "__class__": "csr_matrix", "type": "scipy", "file": "m.npz"}  # fmt: skip


def test_a_matrix_is_checked_although_another_node_read_its_member(tmp_path):
    node = {"__loader__": "BytesNode", "__module__": "builtins", "__class__": "bytes",
            "file": "m.npz"}  # fmt: skip
    raw = npz(format=saved(np.array(b"csr")), evil=saved(np.zeros(3)))
    error = refused(tmp_path, with_node(tuple_of(node, SPARSE), **{"m.npz": raw}))
    assert "other arrays" in str(error)


def test_a_matrix_of_another_format_than_the_first_of_its_member(tmp_path):
    stream = io.BytesIO()
    scipy.sparse.save_npz(stream, scipy.sparse.csr_matrix(np.eye(2)))
    other = {**SPARSE, "__module__": "scipy.sparse._csc", "__class__": "csc_matrix"}
    error = refused(tmp_path, with_node(tuple_of(SPARSE, other), **{"m.npz": stream.getvalue()}))
    assert "format" in str(error)


def test_zeros_that_are_packed_twice(tmp_path):
    raw = npz(format=saved(np.array(b"csr")), shape=saved(np.array([1, 1])),
              data=saved(np.zeros(2**23)))  # fmt: skip
    data = with_node(SPARSE, **{"m.npz": raw})
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    limit(tmp_path, stream.getvalue())


def test_a_shape_is_short(tmp_path):
    raw = npz(format=saved(np.array(b"csr")), shape=saved(np.zeros(10**6, "i8")))
    assert "shape" in str(refused(tmp_path, with_node(SPARSE, **{"m.npz": raw})))


def test_a_schema_of_brackets_and_one_of_nothing_but_names(tmp_path):
    data = edited(plain(), lambda schema: schema.update(junk=[[] for _ in range(6_000_000)]))
    limit(tmp_path, data)

    def change(schema):
        # skops keeps a list of all trusted names with each node.
        listed = [name for name, one in ss.Policy.default().allowlist.grants.items()
                  if one.roles == {"reference"} and not one.rule]  # fmt: skip
        known = [named("TypeNode", ".".join(one)) for one in listed]
        schema.update(tuple_of(*known, *(LIST_OF_NONE for _ in range(100_000))))

    limit(tmp_path, edited(plain(), change))


def test_a_schema_that_is_packed_too_well(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", json.dumps({"a": "x" * 8 * 2**20}))
    limit(tmp_path, stream.getvalue())


# ------------------------------------------------------------------------------------ honest


def test_honest_states_beside_these(tmp_path):
    model = Ridge().fit(X, Y)
    matrix = scipy.sparse.csr_matrix(np.eye(3))
    model.extra_ = [
        *(datetime.date(2024, 2, 29), datetime.datetime.now(datetime.UTC), datetime.time(1, 2)),
        *(range(5), matrix, scipy.sparse.coo_array(np.eye(2)), frozenset({1, (2, "a")})),
        *(np.random.default_rng([1, 2]), np.random.RandomState(1), np.float64, int),
        *(np.ma.masked_array([1.0, 2.0], [0, 1]), np.array([[1, None], ["a", 2.0]], dtype=object)),
    ]
    model.again_ = matrix
    (tmp_path / "m.skops").write_bytes(skops.dumps(model))
    assert difference(model, ss.load_unsigned(tmp_path / "m.skops")) == ""


def test_honest_objects_of_pandas(tmp_path):
    import pandas as pd

    model = Ridge().fit(X, Y)
    model.extra_ = [pd.Int64Dtype(), pd.CategoricalDtype(), pd.PeriodDtype("D")]
    (tmp_path / "m.skops").write_bytes(skops.dumps(model))
    assert ss.load_unsigned(tmp_path / "m.skops").extra_ == model.extra_
    (tmp_path / "a.skops").write_bytes(of_pandas("pandas.Int64Dtype", "ObjectNode", {}))
    assert ss.load_unsigned(tmp_path / "a.skops") == pd.Int64Dtype()


def test_honest_classes_of_ones_own_may_have_any_state(tmp_path):
    model = FunctionTransformer()
    vars(model)["__mine__"] = 1
    data = edited(skops.dumps(model), lambda schema: schema.update(
        __module__="tests.converters.test_skops_states", __class__="Mine"))  # fmt: skip
    (tmp_path / "m.skops").write_bytes(data)
    again = ss.load_unsigned(tmp_path / "m.skops", trusted=[f"{__name__}.Mine"])
    assert vars(again)["__mine__"] == 1


class Mine(FunctionTransformer):
    """A class that no allowlist has."""
