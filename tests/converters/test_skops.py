# SPDX-License-Identifier: BSD-3-Clause
"""skops files: every estimator comes back the same with nothing to trust, tricks do not load."""

from __future__ import annotations

import functools
import io
import json
import zipfile

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest, mutual_info_classif
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import RandomizedSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer

import safeserial as ss
from safeserial import errors
from safeserial_converters.sameness import difference
from tests import zoo

skops = pytest.importorskip("skops.io")
RING = ss.Keyring([ss.HmacKey.generate()])
X = np.random.default_rng(3).normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)


class Mine(Ridge):
    """A class that no allowlist has."""


def schema_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return json.loads(archive.read("schema.json"))


def edited(data, change, **members):
    """Return a skops file whose schema went through `change`, with other members put in."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
        schema = json.loads(old.read("schema.json"))
        changed = change(schema)
        for name in old.namelist():
            if name != "schema.json" and name not in members:
                new.writestr(zipfile.ZipInfo(name), old.read(name))
        for name, content in members.items():
            new.writestr(zipfile.ZipInfo(name), content)
        new.writestr(
            zipfile.ZipInfo("schema.json"), json.dumps(schema if changed is None else changed)
        )
    return stream.getvalue()


def nodes(value, kind=None):
    """Yield the nodes of a schema."""
    if isinstance(value, list):
        for one in value:
            yield from nodes(one, kind)
    elif isinstance(value, dict):
        if "__loader__" in value and kind in (None, value["__loader__"]):
            yield value
        for one in value.values():
            yield from nodes(one, kind)


def refused(tmp_path, data, *, trusted=()):
    file = tmp_path / "hostile.skops"
    file.write_bytes(data)
    with pytest.raises(errors.SafeSerialError) as caught:
        ss.load_unsigned(file, trusted=trusted)
    assert caught.value.hint
    return caught.value


@functools.cache
def plain():
    return ss.to_skops(LogisticRegression().fit(X, Y)).data


# ------------------------------------------------------------------------------------ honest models

REFUSED = {"Birch": "not supported"}


@pytest.mark.filterwarnings("ignore:Class PassiveAggressive:FutureWarning")
@pytest.mark.parametrize("part", range(8))
def test_every_estimator_comes_back_the_same_and_nothing_has_to_be_trusted(part, tmp_path):
    file = tmp_path / "model.skops"
    for name in zoo.names()[part::8]:
        model, _ = zoo.fitted(name)
        if name in REFUSED:
            with pytest.raises(errors.UnsupportedModelError, match=REFUSED[name]):
                ss.to_skops(model)
            continue
        skops.dump(model, file)
        assert difference(model, ss.load_unsigned(file)) == "", name


@pytest.mark.parametrize(
    "make",
    [
        lambda: SelectKBest(functools.partial(mutual_info_classif, random_state=0), k=2),
        lambda: LogisticRegression(class_weight={0: 1.0, 1: 2.0}),
        lambda: FunctionTransformer(np.sqrt, kw_args={"where": None}),
        lambda: GradientBoostingRegressor(n_estimators=2),
        lambda: KNeighborsClassifier(algorithm="ball_tree", metric="minkowski", p=3),
    ],
)
def test_what_is_stored_beside_numbers(make, tmp_path):
    model = make()
    model = model if isinstance(model, FunctionTransformer) else model.fit(X, Y)
    ss.to_skops(model, tmp_path / "model.skops")
    assert difference(model, ss.load_unsigned(tmp_path / "model.skops")) == ""


def test_a_class_of_ones_own_is_named_and_has_to_be_trusted(tmp_path):
    result = ss.to_skops(Mine().fit(X, Y), tmp_path / "model.skops")
    name = f"{Mine.__module__}.Mine"
    assert result.untrusted == (name,)
    with pytest.raises(errors.UntrustedTypesError) as caught:
        ss.load_unsigned(result.path)
    assert caught.value.types == (name,)
    assert type(ss.load_unsigned(result.path, trusted=[name])) is Mine


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ({True: 1, False: 2}, "keys"),  # bool("False") is True
        ({None: 1}, "keys"),
        ({1: "a", "1": "b"}, "twice"),
        (np.empty((0, 3), dtype=object), "shape"),
        (lambda x: x, "lambda"),
    ],
)
def test_what_skops_would_change_or_cannot_read_back_is_refused(extra, why):
    model = Ridge().fit(X, Y)
    model.extra_ = extra
    with pytest.raises(errors.UnsupportedModelError, match=why):
        ss.to_skops(model)


def test_what_holds_itself_is_refused_with_the_reason():
    spread = {"max_iter": scipy.stats.randint(50, 60)}
    model = RandomizedSearchCV(LogisticRegression(), spread, n_iter=2, cv=2).fit(X, Y)
    with pytest.raises(errors.UnsupportedModelError, match="holds itself"):
        ss.to_skops(model)


def test_distributions_are_made_anew_and_never_given_a_state(tmp_path, monkeypatch):
    spread = {"C": scipy.stats.uniform(0.1, 1.0)}
    model = RandomizedSearchCV(LogisticRegression(), spread, n_iter=2, cv=2).fit(X, Y)
    ss.to_skops(model, tmp_path / "m.skops")
    state = type(spread["C"].dist).__mro__[-3]  # rv_generic, whose __setstate__ runs exec
    monkeypatch.setattr(state, "__setstate__", lambda *_: pytest.fail("was given a state"))
    again = ss.load_unsigned(tmp_path / "m.skops")
    assert again.param_distributions["C"].ppf(0.5) == pytest.approx(0.6)


def test_a_difference_is_found_and_named():
    one, other = Ridge().fit(X, Y), Ridge().fit(X, Y)
    assert difference(one, other) == ""
    other.coef_[2] += 1e-16 + np.spacing(other.coef_[2])
    assert "coef_" in difference(one, other)
    assert difference(np.array([1.0]), np.array([1.0], dtype="f4"))
    assert difference({"a": [1, (2, 3)]}, {"a": [1, (2, 4)]})
    assert difference(0.0, -0.0)
    assert difference(float("nan"), float("nan")) == ""
    assert difference(1, True)


# ------------------------------------------------------------------------------------ signed


def test_signed_it_is_an_artifact_with_the_facts_of_the_model(tmp_path):
    model = LogisticRegression().fit(X, Y)
    result = ss.to_skops(model, tmp_path / "m.safeserial", keyring=RING, name="churn", card=True)
    manifest = ss.verify(result.path, keyring=RING).manifest
    assert (manifest.format, manifest.name, manifest.model.n_features) == ("skops", "churn", 4)
    assert manifest.members[0].digest.startswith("sha256:")
    assert manifest.globals == ("sklearn.linear_model._logistic:LogisticRegression",)
    assert difference(model, ss.load(result.path, keyring=RING)) == ""
    assert "LogisticRegression" in result.card.read_text("utf-8")
    assert ss.inspect(result.path, keyring=RING).verdict == "safe"
    with zipfile.ZipFile(result.path) as archive:
        assert archive.read("payload/model.skops") == result.data


def test_dump_writes_skops_as_well():
    model = RandomForestClassifier(3, random_state=0).fit(X, Y)
    data = ss.dumps(model, keyring=RING, format="skops")
    assert difference(model, ss.loads(data, keyring=RING)) == ""
    with pytest.raises(errors.PolicyError):
        ss.dumps(model, keyring=RING, format="skops", compression="zlib")
    with pytest.raises(errors.PolicyError):
        ss.loads(data, keyring=RING, policy=ss.Policy.default().with_formats(["pickle"]))


def test_options_that_need_another_are_refused():
    with pytest.raises(errors.ConversionError):
        ss.to_skops(Ridge(), keyring=RING)
    with pytest.raises(errors.ConversionError):
        ss.to_skops(Ridge(), "model.skops", name="x")


def test_without_skops_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(errors.MissingExtraError, match="skops"):
        ss.to_skops(Ridge())


# ------------------------------------------------------------------------------------ hostile files


def relabel(loader, module, name, **state):
    def change(schema):
        schema.pop("content", None)
        label = {"__loader__": loader, "__module__": module, "__class__": name}
        schema["content"] = {"__loader__": "ListNode", "__module__": "builtins",
                             "__class__": "list", "content": [{**label, **state}]}  # fmt: skip
        schema.update(__loader__="TupleNode", __module__="builtins", __class__="tuple")
        schema["content"] = [schema["content"]]

    return change


def tuple_of(*content):
    return {"__loader__": "TupleNode", "__module__": "builtins", "__class__": "tuple",
            "content": list(content)}  # fmt: skip


def json_of(value):
    return {"__loader__": "JsonNode", "__module__": "builtins", "__class__": "str",
            "content": json.dumps(value), "is_json": True}  # fmt: skip


LIST_OF_NONE = {
    "__loader__": "ListNode",
    "__module__": "builtins",
    "__class__": "list",
    "content": [],
}
DICT_OF_NONE = {"__loader__": "DictNode", "__module__": "builtins", "__class__": "dict",
                "content": {}, "key_types": LIST_OF_NONE}  # fmt: skip

TRICKS = {
    # what is named is not what is built (CVE-2025-54412): a function of operator by another label
    "methodcaller": relabel("OperatorFuncNode", "operator", "methodcaller",
                            attrs=tuple_of(json_of("system"), json_of("id"))),
    "operator call": relabel("OperatorFuncNode", "operator", "call", attrs=tuple_of()),
    "operator, other module": relabel("OperatorFuncNode", "os", "system",
                                      attrs=tuple_of(json_of("id"))),
    # CVE-2025-54413: a method by its name
    "method": relabel("MethodNode", "sklearn.linear_model._ridge", "Ridge",
                      content={"obj": {"__loader__": "ObjectNode", "__class__": "Ridge",
                                       "__module__": "sklearn.linear_model._ridge"},
                               "func": "__reduce__"}),
    "cached": relabel("CachedNode", "builtins", "dict", __id__=1),
    "unknown kind": relabel("EvalNode", "builtins", "eval"),
    "function": relabel("FunctionNode", "os", "system"),
    "type": relabel("TypeNode", "builtins", "eval"),
    "dotted": relabel("FunctionNode", "sklearn", "os.system"),
    "reference called": relabel("ConstructorFromReduceNode", "numpy", "mean", content=tuple_of()),
    "class called": relabel("ConstructorFromReduceNode", "sklearn.linear_model._ridge", "Ridge",
                            content=tuple_of()),
    "range": relabel("ConstructorFromReduceNode", "builtins", "range",
                     content=tuple_of(json_of(2**62))),
    "frozenset of a range": relabel(
        "ConstructorFromReduceNode", "builtins", "frozenset",
        content=tuple_of({"__loader__": "ConstructorFromReduceNode", "__module__": "builtins",
                          "__class__": "range", "content": tuple_of(json_of(2**31))})),
    "list of another class": relabel("ListNode", "sklearn.utils._bunch", "Bunch", content=[]),
    "dict of another class": relabel("DictNode", "sklearn.linear_model._ridge", "Ridge",
                                     content={}, key_types=LIST_OF_NONE),
    "keys made by a class": relabel(
        "DictNode", "builtins", "dict", content={"1": json_of(1)},
        key_types={**LIST_OF_NONE, "content": [{"__loader__": "TypeNode",
                   "__module__": "builtins", "__class__": "bytearray"}]}),
    "factory": relabel("DefaultDictNode", "collections", "defaultdict",
                       content={"main": DICT_OF_NONE,
                                "default_factory": {"__loader__": "FunctionNode",
                                                    "__module__": "numpy", "__class__": "mean"}}),
    "loss of another module": relabel("LossNode", "sklearn.tree._tree", "Tree",
                                      content=DICT_OF_NONE, __reduce__={"args": tuple_of()}),
    "loss with a state": relabel("LossNode", "sklearn.linear_model._sgd_fast", "Hinge",
                                 content=tuple_of(json_of(1)),
                                 __reduce__={"args": tuple_of(json_of(1.0))}),
    "tree of numbers": relabel("TreeNode", "sklearn.tree._tree", "Tree", content=DICT_OF_NONE,
                               __reduce__={"args": tuple_of(*map(json_of, (1, 1, 2**40)))}),
    "random state": relabel("RandomStateNode", "numpy.random.mtrand", "RandomState",
                            content=DICT_OF_NONE),
    "generator": relabel("RandomGeneratorNode", "numpy.random._generator", "Generator",
                         content={"bit_generator": {**DICT_OF_NONE, "content": {
                             "bit_generator": json_of("seed")}}, "seed_seq": DICT_OF_NONE}),
    "partial of a class": relabel("PartialNode", "functools", "partial", content={
        "func": {"__loader__": "TypeNode", "__module__": "os", "__class__": "system"},
        "args": tuple_of(), "kwds": DICT_OF_NONE, "namespace": json_of(None)}),
    "distribution": relabel("ObjectNode", "scipy.stats._distn_infrastructure", "rv_generic",
                            content=DICT_OF_NONE),
    "memmap": relabel("NdArrayNode", "numpy", "memmap", type="numpy", file="x.npy"),
    "no such file": relabel("NdArrayNode", "numpy", "ndarray", type="numpy", file="../x.npy"),
    "set of sets": relabel("SetNode", "builtins", "set", content=[LIST_OF_NONE]),
    "hard keys": relabel("SetNode", "builtins", "set",
                         content=[json_of(k * (2**61 - 1)) for k in range(1, 25_000)]),
    "rows that grow": relabel("NdArrayNode", "numpy", "ndarray", type="json",
                              shape=tuple_of(json_of(2**20), json_of(2**20)), content=[]),
    "json of json": relabel("JsonNode", "builtins", "str", content="[[]]"),
    "protocol": lambda schema: schema.update(protocol=9),
    "no protocol": lambda schema: schema.update(protocol=True),
    "id is a text": lambda schema: schema.update(__id__="1"),
}  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks_of_nodes_are_refused_before_skops_sees_them(trick, tmp_path, monkeypatch):
    data = edited(plain(), TRICKS[trick])
    asked = []
    monkeypatch.setattr(skops, "loads", lambda *_, **__: asked.append(trick))
    error = refused(tmp_path, data)
    assert isinstance(error, errors.PolicyError | errors.FormatError)
    assert not asked


def test_a_node_that_holds_itself_and_one_that_hides_behind_an_id(tmp_path):
    def holds_itself(schema):
        schema["__id__"] = 77
        next(nodes(schema["content"], "JsonNode"))["__id__"] = 77

    def deep(schema):
        inner = json_of(1)
        for _ in range(300):
            inner = {**LIST_OF_NONE, "content": [inner]}
        schema["content"] = inner

    def chain(schema):
        # No node is nested deeply, but each is made of the one before it.
        made = [{**LIST_OF_NONE, "__id__": 10**6}]
        made += [
            {**LIST_OF_NONE, "__id__": 10**6 + k,
             "content": [{**LIST_OF_NONE, "__id__": 10**6 + k - 1}]}
            for k in range(1, 400)
        ]  # fmt: skip
        schema.update(tuple_of(*made))

    assert "itself" in str(refused(tmp_path, edited(plain(), holds_itself)))
    assert type(refused(tmp_path, edited(plain(), deep))) is errors.LimitExceededError
    assert type(refused(tmp_path, edited(plain(), chain))) is errors.LimitExceededError


def saved(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        saved(np.array([{"a": 1}], dtype=object)),  # a pickle
        saved(np.zeros((1, 4)))[:-8],  # less than it declares
        saved(np.zeros((1, 4))) + b"\0",
        saved(np.zeros((1, 4))).replace(b"(1, 4)", b"(2**40,)"),
        saved(np.zeros((1, 4))).replace(b"(1, 4), }", b"(9999999999999,), }"),
        saved(np.zeros((1, 4))).replace(b"'<f8'", b"'|O'"),
        b"",
        b"\x80\x04cos\nsystem\n.",
    ],
)
def test_arrays_are_numbers_and_as_many_as_they_declare(content, tmp_path):
    name = next(one["file"] for one in nodes(schema_of(plain()), "NdArrayNode") if "file" in one)
    refused(tmp_path, edited(plain(), lambda schema: None, **{name: content}))


def forest():
    return ss.to_skops(RandomForestClassifier(2, max_depth=3, random_state=0).fit(X, Y)).data


def boosted():
    return ss.to_skops(HistGradientBoostingClassifier(max_iter=2).fit(X, Y)).data


def neighbours():
    return ss.to_skops(KNeighborsClassifier(algorithm="kd_tree").fit(X, Y)).data


@pytest.mark.parametrize("make", [forest, boosted, neighbours])
def test_what_compiled_code_follows_is_validated_by_content(make, tmp_path):
    data = make()
    seen = 0
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        arrays = {name: archive.read(name) for name in archive.namelist() if ".npy" in name}
    for name, raw in arrays.items():
        array = np.load(io.BytesIO(raw))
        fields = array.dtype.names or ()
        for field in {"left_child", "left", "idx_start"} & set(fields):
            bad = array.copy()
            bad[field][0] = 2**20
            error = refused(tmp_path, edited(data, lambda _: None, **{name: saved(bad)}))
            assert isinstance(error, errors.InvalidStateError)
            seen += 1
    assert seen


@pytest.mark.parametrize("kind", ["KDTree", "EuclideanDistance64"])
@pytest.mark.parametrize("cut", [slice(0), slice(-1)])
def test_states_that_compiled_code_does_not_count(kind, cut, tmp_path):
    data = skops.dumps(KNeighborsClassifier(algorithm="kd_tree").fit(X, Y))

    def shorten(schema):
        (node,) = (one for one in nodes(schema, "ObjectNode") if one["__class__"] == kind)
        node["content"]["content"] = node["content"]["content"][cut]

    refused(tmp_path, edited(data, shorten))


def of_pandas(name, loader, content):
    leaf = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
    items = {key: {**leaf, "content": json.dumps(value)} for key, value in content.items()}
    kinds = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"}
    texts = {"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"}
    state = {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode"}
    if loader == "ObjectNode":
        state |= {"content": items, "key_types": {**kinds, "content": [texts] * len(items)}}
    else:
        state |= {"__class__": "tuple", "__loader__": "TupleNode", "content": [*items.values()]}
    module, _, name = name.rpartition(".")
    node = {"__class__": name, "__module__": module, "__loader__": loader, "content": state}
    return edited(plain(), lambda _: {**node, "protocol": 2, "_skops_version": "0.16"})


def test_objects_of_pandas_that_others_would_use_unseen(tmp_path):
    cached = of_pandas("pandas.arrays.IntegerArray", "ObjectNode", {"_cache": "dtype"})
    assert "dict" in str(refused(tmp_path, cached))
    frequency = of_pandas("pandas.PeriodDtype", "ConstructorFromReduceNode", {"0": "1" * 90_000})
    assert "longer text" in str(refused(tmp_path, frequency))
    places = of_pandas("pandas._libs.sparse.IntIndex", "ConstructorFromReduceNode", {"0": 1})
    assert "no dtype" in str(refused(tmp_path, places))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"x" + data,
        lambda data: data + b"x",
        lambda data: data[:-30],
        lambda data: data.replace(b"schema.json", b"../../a.jsn"),
        lambda data: edited(data, lambda _: None, **{"../out.npy": b""}),
        lambda data: edited(data, lambda _: None, **{"/etc/passwd": b""}),
    ],
)
def test_archives_are_plain(spoil, tmp_path):
    refused(tmp_path, spoil(plain()))


def test_a_name_twice_and_a_bomb_in_the_archive(tmp_path):
    stream = io.BytesIO(plain())
    with zipfile.ZipFile(stream, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("schema.json", archive.read("schema.json"))
    refused(tmp_path, stream.getvalue())
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b'{"a": "' + bytes(80 * 2**20) + b'"}')
    assert type(refused(tmp_path, stream.getvalue())) is errors.LimitExceededError


def test_a_compressed_archive_is_read(tmp_path):
    model = LogisticRegression().fit(X, Y)
    skops.dump(model, tmp_path / "m.skops", compression=zipfile.ZIP_DEFLATED, compresslevel=9)
    assert difference(model, ss.load_unsigned(tmp_path / "m.skops")) == ""


def test_a_policy_may_leave_skops_out(tmp_path):
    file = tmp_path / "m.skops"
    file.write_bytes(plain())
    with pytest.raises(errors.PolicyError, match="skops"):
        ss.load_unsigned(file, policy=ss.Policy.default().with_formats(["pickle", "joblib"]))


@given(st.data())
def test_no_edit_of_bytes_gives_anything_but_a_model_or_an_error_of_ours(draw):
    from safeserial.artifact import loading, sniffing

    data = bytearray(plain())
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    payload = sniffing.foreign_payload(memoryview(data))
    if payload is None:
        return
    try:
        loading.build(payload, ss.Policy.default())
    except errors.SafeSerialError as error:
        assert error.hint
    except UserWarning:
        pass  # versions differ now


@given(st.data())
def test_no_edit_of_nodes_gives_anything_but_a_model_or_an_error_of_ours(draw):
    from safeserial.artifact import loading
    from safeserial.payload import Payload

    junk = st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.just([]), st.just({}),
        st.sampled_from([*TRICKS, "ObjectNode", "TreeNode", "ListNode", "numpy", "ndarray"]),
    )  # fmt: skip

    def change(schema):
        found = list(nodes(schema))
        one = found[draw.draw(st.integers(0, len(found) - 1))]
        one[draw.draw(st.sampled_from(sorted(one)))] = draw.draw(junk)

    memory = memoryview(bytearray(edited(plain(), change)))
    payload = Payload("skops", {}, {"payload/model.skops": memory}, signed=False)
    try:
        loading.build(payload, ss.Policy.default())
    except errors.SafeSerialError as error:
        assert error.hint
    except UserWarning:
        pass
