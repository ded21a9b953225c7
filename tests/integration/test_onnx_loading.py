# SPDX-License-Identifier: BSD-3-Clause
"""ONNX models are examined before ONNX Runtime sees them; what comes is a session that runs."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import safeserial as ss
from safeserial import errors
from safeserial.foreign.onnx_model import examine
from safeserial.policy import Policy

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - after the skip

RING = ss.Keyring([ss.HmacKey.generate()])
X = np.arange(6, dtype="f4").reshape(2, 3)


def graph_of(nodes, constants=(), name="g", sparse=()):
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 3])]
    outputs = [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)]
    return helper.make_graph(nodes, name, inputs, outputs, constants, sparse_initializer=sparse)


def model_of(nodes=None, constants=None, domains=(("", 20),), **more):
    if nodes is None:
        nodes = [helper.make_node("Add", ["X", "one"], ["Y"])]
        constants = [numpy_helper.from_array(np.ones(3, dtype="f4"), "one")]
    opsets = [helper.make_opsetid(*one) for one in domains]
    graph = graph_of(nodes, constants or (), **more)
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def refused(tmp_path, data, **options):
    file = tmp_path / "hostile.onnx"
    file.write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
    with pytest.raises(errors.SafeSerialError) as caught:
        ss.load_unsigned(file, **options)
    assert caught.value.hint
    return caught.value


# ------------------------------------------------------------------------------------ honest models


def test_an_unsigned_model_is_a_session(tmp_path):
    file = tmp_path / "model.bin"  # the name counts for nothing
    file.write_bytes(model_of().SerializeToString())
    (found,) = ss.load_unsigned(file).run(None, {"X": X})
    assert (found == X + 1).all()


@pytest.mark.parametrize("given_as", ["model", "bytes"])
def test_a_signed_model_is_verified_and_then_a_session(given_as, tmp_path):
    model = model_of() if given_as == "model" else model_of().SerializeToString()
    file = tmp_path / "m.safeserial"
    manifest = ss.dump(model, file, keyring=RING, format="onnx", name="adder")
    assert manifest.members[0].path == "payload/model.onnx"
    assert manifest.members[0].digest.startswith("sha256:")
    assert manifest.model.class_name == "onnx.ModelProto"
    (found,) = ss.load(file, keyring=RING).run(None, {"X": X})
    assert (found == X + 1).all()
    assert ss.inspect(file, keyring=RING).verdict == "safe"
    changed = bytearray(file.read_bytes())
    changed[changed.rindex(b"\x00\x00\x80?")] ^= 1
    with pytest.raises(errors.SafeSerialError):
        ss.loads(changed, keyring=RING)


def test_what_converters_write_is_read(tmp_path):
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    rows = np.random.default_rng(0).normal(size=(80, 3)).astype("f4")
    labels = np.array(["red", "green"])[(rows[:, 0] > 0).astype(int)]
    for model in (RandomForestClassifier(30, random_state=0), DecisionTreeClassifier()):
        model.fit(rows, labels)
        proto = skl2onnx.to_onnx(model, rows[:1], options={"zipmap": False})
        ss.dump(proto, tmp_path / "m.safeserial", keyring=RING, format="onnx")
        found = ss.load(tmp_path / "m.safeserial", keyring=RING).run(None, {"X": rows})[0]
        assert (found == model.predict(rows)).all()
    words = make_pipeline(
        TfidfVectorizer(lowercase=False), RandomForestClassifier(5, random_state=0)
    )
    words.fit(["a red cat", "a blue dog"] * 4, [0, 1] * 4)
    from skl2onnx.common.data_types import StringTensorType

    proto = skl2onnx.to_onnx(words, initial_types=[("X", StringTensorType([None, 1]))])
    (tmp_path / "w.onnx").write_bytes(proto.SerializeToString())
    # skl2onnx takes texts apart with an operator of ONNX Runtime's own.
    with pytest.raises(errors.UntrustedTypesError, match=r"com\.microsoft"):
        ss.load_unsigned(tmp_path / "w.onnx")
    session = ss.load_unsigned(tmp_path / "w.onnx", trusted=["com.microsoft.Tokenizer"])
    assert session.run(None, {"X": np.array([["a red cat"], ["a blue dog"]])})[0].tolist() == [0, 1]


def test_to_onnx_signs(tmp_path):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(X, [0, 1])
    ss.to_onnx(model, X, tmp_path / "m.safeserial", keyring=RING)
    manifest = ss.verify(tmp_path / "m.safeserial", keyring=RING).manifest
    assert manifest.model.classes == (0, 1)
    session = ss.load(tmp_path / "m.safeserial", keyring=RING)
    assert session.run(["predict"], {"X": X})[0].tolist() == [0, 1]


def test_an_estimator_is_not_converted_behind_ones_back():
    from sklearn.linear_model import Ridge

    with pytest.raises(errors.UnsupportedModelError) as caught:
        ss.dumps(Ridge(), keyring=RING, format="onnx")
    assert "to_onnx" in caught.value.hint
    with pytest.raises(errors.PolicyError):
        ss.dumps(model_of(), keyring=RING, format="onnx", compression="xz")
    with pytest.raises(errors.UnsupportedModelError):
        ss.dumps(b"no model", keyring=RING, format="onnx")


# ----------------------------------------------------------------------------------- hostile models


def test_operators_of_other_domains_have_to_be_trusted(tmp_path):
    model = model_of(
        [helper.make_node("Gelu", ["X"], ["Y"], domain="com.microsoft")],
        domains=[("", 20), ("com.microsoft", 1)],
    )
    error = refused(tmp_path, model)
    assert isinstance(error, errors.UntrustedTypesError)
    assert error.types == ("com.microsoft",)
    for trusted in (["com.microsoft"], ["com.microsoft.Gelu"]):
        assert ss.load_unsigned(tmp_path / "hostile.onnx", trusted=trusted).run(None, {"X": X})
    refused(tmp_path, model, trusted=["com.microsoft.EPContext"])


def outside(location):
    tensor = TensorProto(name="one", data_type=TensorProto.FLOAT, dims=[3])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


ADD = [helper.make_node("Add", ["X", "one"], ["Y"])]


@pytest.mark.parametrize("location", ["weights.bin", "../../etc/passwd", "/etc/passwd", ""])
def test_constants_in_other_files_are_refused_wherever_they_stand(location, tmp_path):
    (tmp_path / "weights.bin").write_bytes(bytes(12))
    tensor = outside(location)
    nodes = [helper.make_node("Constant", [], ["one"], value=tensor), *ADD]
    inner = helper.make_graph(
        nodes[:1], "inner", [], [helper.make_tensor_value_info("one", 1, [3])]
    )
    branch = helper.make_node("If", ["c"], ["Y"], then_branch=inner, else_branch=inner)
    for model in (model_of(ADD, [tensor]), model_of(nodes), model_of([branch])):
        assert isinstance(refused(tmp_path, model), errors.ForbiddenOperationError)
    # Without the flag, and with the flag but no place.
    tensor.ClearField("data_location")
    refused(tmp_path, model_of(ADD, [tensor]))
    tensor.ClearField("external_data")
    tensor.data_location = TensorProto.EXTERNAL
    refused(tmp_path, model_of(ADD, [tensor]))


def nested(depth):
    out = [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)]
    graph = helper.make_graph([helper.make_node("Identity", ["X"], ["Y"])], "g", [], out)
    for _ in range(depth):
        node = helper.make_node("If", ["c"], ["Y"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([node], "g", [], out)
    return graph.node[0]


def test_graphs_are_not_nested_without_end(tmp_path):
    assert isinstance(refused(tmp_path, model_of([nested(17)])), errors.LimitExceededError)
    examine(memoryview(model_of([nested(6)]).SerializeToString()), Policy.default())


def dims(shape, **fields):
    return TensorProto(name="one", dims=shape, **fields)


@pytest.mark.parametrize(
    "tensor",
    [
        dims([2**40], data_type=1, raw_data=b"\0" * 12),
        dims([2**32, 2**32], data_type=1, raw_data=b""),
        dims([3], data_type=1, raw_data=b"\0" * 8),
        dims([3], data_type=1, float_data=[1.0]),
        dims([2**30], data_type=7, int64_data=[1]),
        dims([-3], data_type=1, raw_data=b"\0" * 12),
        dims([5], data_type=8, string_data=[b"a"]),
        dims([3], data_type=99, raw_data=b"\0" * 12),
    ],
)
def test_constants_are_as_large_as_they_say(tensor, tmp_path):
    assert isinstance(refused(tmp_path, model_of(ADD, [tensor])), errors.FormatError)


def int64(name, *values):
    return numpy_helper.from_array(np.array(values, dtype="i8"), name)


GROWING = {
    "ConstantOfShape": ([("ConstantOfShape", ["s"], "Y")], [int64("s", 2**15, 2**15)]),
    "ConstantOfShape of a node": (
        [("Constant", [], "s", {"value": int64("", 2**31)}), ("ConstantOfShape", ["s"], "Y")],
        [],
    ),
    "ConstantOfShape of ints": (
        [("Constant", [], "s", {"value_ints": [2**20, 2**12]}), ("ConstantOfShape", ["s"], "Y")],
        [],
    ),
    "Expand": ([("Expand", ["X", "s"], "Y")], [int64("s", 2**30, 3)]),
    "Tile": ([("Tile", ["X", "s"], "Y")], [int64("s", 2**30, 1)]),
    "Range": (
        [("Range", ["z", "s", "o"], "Y")],
        [int64("z", 0), int64("s", 2**40), int64("o", 1)],
    ),
}


@pytest.mark.parametrize("case", GROWING)
def test_a_few_bytes_do_not_make_gigabytes(case, tmp_path):
    nodes, constants = GROWING[case]
    made = [helper.make_node(n[0], n[1], [n[2]], **(n[3] if len(n) > 3 else {})) for n in nodes]
    assert isinstance(refused(tmp_path, model_of(made, constants)), errors.LimitExceededError)


def test_nothing_is_computed_of_an_unsigned_model_before_it_is_run(tmp_path):
    # The shape is itself computed, so only ONNX Runtime could know; folding it would take 32 GiB.
    nodes = [
        helper.make_node("Mul", ["s", "s"], ["t"]),
        helper.make_node("ConstantOfShape", ["t"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["r"], keepdims=0),
        helper.make_node("Add", ["X", "r"], ["Y"]),
    ]
    file = tmp_path / "m.onnx"
    file.write_bytes(model_of(nodes, [int64("s", 90_000)]).SerializeToString())
    assert ss.load_unsigned(file).get_inputs()[0].name == "X"


def test_sparse_constants_are_not_made_dense_without_bound(tmp_path):
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("one", 1, [1], [1.0]), int64("", 5), [2**20, 2**20]
    )
    assert isinstance(refused(tmp_path, model_of(ADD, sparse=[sparse])), errors.LimitExceededError)


def test_functions_training_and_settings_are_refused(tmp_path):
    function = helper.make_function(
        "own", "F", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])],
        [helper.make_opsetid("", 20)],
    )  # fmt: skip
    model = model_of([helper.make_node("F", ["X"], ["Y"], domain="own")], domains=[("", 20)])
    model.functions.append(function)
    refused(tmp_path, model)
    model = model_of()
    model.training_info.add()
    assert isinstance(refused(tmp_path, model), errors.ForbiddenOperationError)
    model = model_of()
    helper.set_model_props(model, {"ort_config": '{"session_options": {"enable_profiling": true}}'})
    assert isinstance(refused(tmp_path, model), errors.ForbiddenOperationError)


def test_what_onnx_runtime_would_read_in_another_way_is_refused():
    # Fields of a message, and at the fifth byte the magic of ONNX Runtime's own format.
    name = b"\x12\x06ab" + b"ORTM"
    with pytest.raises(errors.ForbiddenOperationError):
        examine(memoryview(name + model_of().SerializeToString()), Policy.default())


class Hostile:
    def __reduce__(self):
        import os

        return os.system, ("echo no",)


def test_a_pickle_by_the_name_of_onnx_is_judged_as_a_pickle(tmp_path):
    error = refused(tmp_path, pickle.dumps(Hostile()))
    assert isinstance(error, errors.UntrustedTypesError)
    only = Policy.default().with_formats(["onnx"])
    assert "joblib" in str(refused(tmp_path, pickle.dumps([1]), policy=only))
    none = Policy.default().with_formats(["pickle", "joblib"])
    assert "onnx" in str(refused(tmp_path, model_of(), policy=none))


@pytest.mark.parametrize(
    "model",
    [
        model_of([helper.make_node("Nothing", ["X"], ["Y"])]),
        model_of([helper.make_node("Add", ["X", "missing"], ["Y"])]),
        model_of(domains=[("", 9999)]),
    ],
)
def test_what_onnx_runtime_refuses_is_an_error_of_ours(model, tmp_path):
    assert isinstance(refused(tmp_path, model), errors.InvalidStateError)


def test_without_onnxruntime_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert isinstance(refused(tmp_path, model_of()), errors.MissingExtraError)


GOOD = model_of(
    [
        helper.make_node("Constant", [], ["k"], value_ints=[1, 2]),
        helper.make_node(
            "TreeEnsembleRegressor", ["X"], ["t"], domain="ai.onnx.ml",
            nodes_values=[0.5, 0.0, 0.0],
            nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_featureids=[0, 0, 0],
            nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_truenodeids=[1, 0, 0],
            nodes_falsenodeids=[2, 0, 0], target_ids=[0, 0], target_nodeids=[1, 2],
            target_treeids=[0, 0], target_weights=[1.0, 2.0], n_targets=1,
        ),
        *ADD,
    ],
    [numpy_helper.from_array(np.ones(3, dtype="f4"), "one")],
    domains=[("", 20), ("ai.onnx.ml", 3)],
).SerializeToString()  # fmt: skip


@given(st.data())
def test_no_edit_gives_anything_but_an_answer(draw):
    data = bytearray(GOOD)
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.integers(0, len(data)))
    for one in (data, data[:cut]):
        try:
            examine(memoryview(one), Policy.default())
        except errors.SafeSerialError as error:
            assert error.hint


def test_long_attributes_are_skipped_and_not_misread():
    plain = Policy.default()
    for texts in (["BRANCH_LEQ", "LEAF"] * 20_000, ["é" * 200] * 300, [""] * 1000):
        node = helper.make_node("Scan", ["X"], ["Y"], a=texts, b=[0.5] * 5000, c=[-1, 2**62] * 5000)
        examine(memoryview(model_of([node]).SerializeToString()), plain)
        node.attribute.append(helper.make_attribute("t", outside("x")))
        with pytest.raises(errors.ForbiddenOperationError):
            examine(memoryview(model_of([node]).SerializeToString()), plain)
