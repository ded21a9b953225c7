# SPDX-License-Identifier: BSD-3-Clause
"""XGBoost models of strangers load; snapshots that would lead its predictor astray do not."""

from __future__ import annotations

import json
import pickle
import struct

import joblib
import numpy as np
import pytest

import safeserial as ss
from safeserial.validators import boosters_ubjson
from tests.boosters.conftest import BINARY, BY_CATEGORY, CATEGORIES, CLASSES, TARGET, X

xgb = pytest.importorskip("xgboost")
FEW = {"n_estimators": 3, "max_depth": 3, "n_jobs": 1}
BOTH = np.column_stack([TARGET, TARGET])


def unbiased(kind="ndcg", pairs="topk"):
    """Return a ranker that keeps what it learned of positions with its objective."""
    return xgb.XGBRanker(
        objective=f"rank:{kind}", lambdarank_unbiased=True, lambdarank_pair_method=pairs, **FEW
    ).fit(X, BINARY, qid=np.repeat(range(10), 12))


def reduced_gradient():
    """Return a model whose splits were found in fewer outputs than its leaves have."""
    objective = pytest.importorskip("xgboost.objective")

    class Squared(objective.TreeObjective):
        def __call__(self, iteration, predicted, data):
            gradient = predicted - data.get_label().reshape(predicted.shape)
            return gradient, np.ones_like(gradient)

        def split_grad(self, iteration, gradient, hessian):
            return np.asarray(gradient)[:, :1].copy(), np.asarray(hessian)[:, :1].copy()

    data = xgb.QuantileDMatrix(X, np.column_stack([TARGET] * 3))
    param = {"multi_strategy": "multi_output_tree", "num_target": 3, "nthread": 1, "max_depth": 2}
    return xgb.train(param, data, 2, obj=Squared())


MODELS = {
    "binary": lambda: xgb.XGBClassifier(**FEW).fit(X, BINARY),
    "multiclass": lambda: xgb.XGBClassifier(**FEW).fit(X, CLASSES),
    "regressor": lambda: xgb.XGBRegressor(**FEW).fit(X, TARGET),
    "ranker": lambda: xgb.XGBRanker(**FEW).fit(X, BINARY, qid=np.repeat(range(10), 12)),
    "forest": lambda: xgb.XGBRFClassifier(**FEW).fit(X, BINARY),
    "dart": lambda: xgb.XGBClassifier(booster="dart", rate_drop=0.3, **FEW).fit(X, BINARY),
    "linear": lambda: xgb.XGBClassifier(booster="gblinear", n_estimators=3, n_jobs=1).fit(
        X, BINARY
    ),
    "stopped early": lambda: xgb.XGBClassifier(
        callbacks=[xgb.callback.EarlyStopping(rounds=1, save_best=True)], **FEW
    ).fit(X, BINARY, eval_set=[(X, BINARY)], verbose=False),
    "pruned": lambda: xgb.XGBRegressor(gamma=3, tree_method="exact", **FEW).fit(X, TARGET * 3),
    "vector-leaves": lambda: xgb.XGBRegressor(
        multi_strategy="multi_output_tree", tree_method="hist", **FEW
    ).fit(X, BOTH),
    "vector-classes": lambda: xgb.XGBClassifier(
        multi_strategy="multi_output_tree", tree_method="hist", **FEW
    ).fit(X, CLASSES),
    "quantiles": lambda: xgb.XGBRegressor(
        objective="reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9], **FEW
    ).fit(X, TARGET),
    **{
        f"unbiased-{kind}-{pairs}": lambda kind=kind, pairs=pairs: unbiased(kind, pairs)
        for kind in ("ndcg", "map", "pairwise")
        for pairs in ("topk", "mean")
    },
    "early": lambda: xgb.XGBClassifier(early_stopping_rounds=2, **FEW).fit(
        X, BINARY, eval_set=[(X, BINARY)], verbose=False
    ),
}


@pytest.fixture(scope="module")
def categorical():
    types = ["q"] * 5 + ["c"]
    return xgb.XGBClassifier(
        enable_categorical=True, feature_types=types, tree_method="hist", max_cat_to_onehot=2, **FEW
    ).fit(np.column_stack([X, CATEGORIES]), BY_CATEGORY)


@pytest.fixture(scope="module")
def model():
    return MODELS["multiclass"]()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("protocol", [2, 5, "joblib"])
def test_model_of_a_stranger_predicts_as_before(name, protocol, tmp_path):
    fitted, path = MODELS[name](), tmp_path / "model"
    if protocol == "joblib":
        joblib.dump(fitted, path)
    else:
        path.write_bytes(pickle.dumps(fitted, protocol))
    loaded = ss.load_unsigned(path)
    assert type(loaded) is type(fitted)
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


def test_booster_by_itself_and_categories(categorical, tmp_path):
    booster = xgb.train({"max_depth": 2, "nthread": 1}, xgb.DMatrix(X, TARGET), 3)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps([booster, categorical]))
    loaded, other = ss.load_unsigned(path)
    np.testing.assert_array_equal(loaded.predict(xgb.DMatrix(X)), booster.predict(xgb.DMatrix(X)))
    mixed = np.column_stack([X, CATEGORIES])
    np.testing.assert_array_equal(other.predict(mixed), categorical.predict(mixed))


def test_splits_that_were_found_in_fewer_outputs(tmp_path, refused):
    booster, path = reduced_gradient(), tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(booster))
    loaded = ss.load_unsigned(path)
    np.testing.assert_array_equal(loaded.predict(xgb.DMatrix(X)), booster.predict(xgb.DMatrix(X)))

    def change(found):
        tree = trees(found)[0]
        tree["base_weights"] = np.resize(tree["base_weights"], 4 * len(tree["parents"]))

    refused(booster, changed(change), "base_weights of another length")


def written(value) -> bytes:
    """Return UBJSON as XGBoost spells it."""

    def text(one: str) -> bytes:
        return b"L" + struct.pack(">q", len(one.encode())) + one.encode()

    if isinstance(value, dict):
        return b"{" + b"".join(text(key) + written(one) for key, one in value.items()) + b"}"
    if isinstance(value, np.ndarray):
        code = {"f4": b"d", "i4": b"l", "i8": b"L", "u1": b"U"}[value.dtype.str[1:]]
        data = value.astype(value.dtype.newbyteorder(">")).tobytes()
        return b"[$" + code + b"#L" + struct.pack(">q", len(value)) + data
    if isinstance(value, list):
        return b"[#L" + struct.pack(">q", len(value)) + b"".join(map(written, value))
    if isinstance(value, bool):
        return b"T" if value else b"F"
    if isinstance(value, int):
        return b"l" + struct.pack(">i", value)
    return b"S" + text(value)


def stop(what: str):
    raise AssertionError(what)


def snapshot(state) -> dict:
    return boosters_ubjson.read(bytes(state["handle"]), stop)


def changed(change):
    """Apply `change` to the model part of a snapshot."""

    def apply(state):
        found = snapshot(state)
        change(found)
        state["handle"] = bytearray(written(found))

    return apply


def learner(found):
    return found["Model"]["learner"]


def trees(found):
    return learner(found)["gradient_booster"]["model"]["trees"]


def node(key, where, value):
    def change(found):
        values = trees(found)[0][key].copy()
        values[where] = value
        trees(found)[0][key] = values

    return changed(change)


def cut(key):
    def change(found):
        trees(found)[0][key] = trees(found)[0][key][:-1]

    return changed(change)


def setting(*path, value):
    def change(found):
        for key in path[:-1]:
            found = found[key]
        assert path[-1] in found
        found[path[-1]] = value

    return changed(change)


MODEL = ("Model", "learner", "gradient_booster", "model")
SAID = ("Model", "learner", "learner_model_param")


def test_snapshot_written_again_is_the_same(model):
    state = model.get_booster().__getstate__()
    assert boosters_ubjson.read(written(snapshot(state)), stop).keys() == {"Config", "Model"}


@pytest.mark.parametrize(
    "change",
    [
        node("left_children", 0, 10**6),
        node("left_children", 0, 0),
        node("left_children", 0, -5),
        node("left_children", 0, -1),
        node("right_children", 0, 1),
        node("parents", 1, 10**6),
        node("parents", 1, -1),
        node("parents", 0, 1),
        node("split_indices", 0, 5),
        node("split_indices", 0, -1),
        node("split_indices", 0, 2**31 - 1),
        node("split_type", 0, 1),
        node("split_type", 0, 7),
        *map(cut, ("left_children", "parents", "split_conditions", "default_left", "split_type")),
        *map(cut, ("base_weights", "sum_hessian", "split_indices")),
        setting(*MODEL, "trees", 0, "id", value=1),
        setting(*MODEL, "trees", 0, "tree_param", "num_nodes", value="1000000000"),
        setting(*MODEL, "trees", 0, "tree_param", "num_nodes", value="0"),
        setting(*MODEL, "trees", 0, "tree_param", "num_deleted", value="1"),
        setting(*MODEL, "trees", 0, "tree_param", "size_leaf_vector", value="3"),
        setting(*MODEL, "tree_info", value=[0, 1, 2, 0, 1, 2, 0, 1, 3]),
        setting(*MODEL, "tree_info", value=[0, 1, 2]),
        setting(*MODEL, "iteration_indptr", value=[0, 3, 6, 90]),
        setting(*MODEL, "iteration_indptr", value=[0, 6, 3, 9]),
        setting(*MODEL, "gbtree_model_param", "num_trees", value="8"),
        setting(*MODEL, "gbtree_model_param", "num_parallel_tree", value="0"),
        setting(*MODEL, "cats", value={"enc": [], "feature_segments": [], "sorted_idx": [5]}),
        setting(*SAID, "num_class", value="2"),
        setting(*SAID, "num_class", value="1000000000"),
        setting(*SAID, "num_class", value="-3"),
        setting(*SAID, "num_feature", value="3"),
        setting(*SAID, "num_target", value="0"),
        setting(*SAID, "base_score", value="[1,2]"),
        setting("Model", "learner", "gradient_booster", "name", value="gblinear"),
        setting("Model", "learner", "objective", "name", value="binary:logistic"),
        setting("Config", "learner", "objective", "name", value="binary:logistic"),
        setting("Config", "learner", "learner_train_param", "booster", value="dart"),
        setting("Config", "learner", "generic_param", "nthread", value="100000000"),
        changed(lambda found: learner(found).update(feature_names=["a"])),
        changed(lambda found: learner(found)["attributes"].update(best_iteration="-7")),
        changed(lambda found: trees(found)[0].update(unknown=1)),
        changed(lambda found: trees(found)[0].pop("parents")),
        changed(lambda found: found.pop("Model")),
        lambda state: state.update(handle=state["handle"][:900]),
        lambda state: state.update(handle=state["handle"] + b"{}"),
        lambda state: state.update(handle=bytearray(b"binf" + bytes(200))),
        lambda state: state.update(handle=bytearray(b"{L" + b"\xff" * 8 + b"}")),
        lambda state: state.update(handle=bytearray(b"{" * 100_000)),
        lambda state: state.update(handle=bytearray(b'{"a":' * 100_000)),
        lambda state: state.update(handle=140_000_000_000_000),
        lambda state: state.update(handle="text"),
        lambda state: state.pop("handle"),
        lambda state: state.update(predict="shadow"),
    ],
)
def test_snapshot_that_xgboost_would_not_write_is_refused(model, change, refused):
    refused(model, change)


def test_the_same_key_twice_is_refused(model, refused):
    def change(state):
        found = snapshot(state)
        body = written(found)
        state["handle"] = bytearray(body[:-1] + written({"Model": found["Model"]})[1:])

    refused(model, change, "twice")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("categories", [2**30]),
        ("categories", [-1]),
        ("categories_sizes", [10**6]),
        ("categories_segments", [10**6]),
        ("categories_nodes", [10**6]),
    ],
)
def test_categories_that_do_not_fit_are_refused(categorical, key, value, refused):
    def change(found):
        tree = next(tree for tree in trees(found) if len(tree["categories_nodes"]))
        tree[key] = np.concatenate([value, tree[key][1:]]).astype(tree[key].dtype)

    refused(categorical, changed(change))


def test_json_of_older_versions_is_read(model, tmp_path):
    """XGBoost 1.0 to 1.5 wrote the same snapshot as JSON text."""

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        if isinstance(value, list):
            return [plain(one) for one in value]
        return value.tolist() if isinstance(value, np.ndarray) else value

    from safeserial.validators import boosters_xgboost

    text = json.dumps(plain(snapshot(model.get_booster().__getstate__())), separators=(",", ":"))
    boosters_xgboost.check(text.encode())
    with pytest.raises(ss.errors.InvalidStateError):
        boosters_xgboost.check(text.replace('"num_class":"3"', '"num_class":"4"').encode())


@pytest.mark.parametrize(
    "text",
    [
        r'{"learner":{},"lear\u006eer":{}}',
        r'{"num\u005fclass":"3"}',
        r'{"a\"b":"3"}',
        r'{"a":{"name\n" :"3"}}',
        r'{"name":"gbtr\u0065e"}',
        r'{"name":"\\\u0065"}',
        '{ "learner":{}}',
        '{"learner":{}}'.encode("utf-16-le").decode("latin-1"),
    ],
)
def test_json_that_xgboost_would_read_in_another_way_is_refused(text):
    def refuse(what):
        raise RuntimeError(what)

    with pytest.raises(RuntimeError, match="cannot be read"):
        boosters_ubjson.read(text.encode("latin-1"), refuse)


def test_json_may_escape_what_xgboost_escapes():
    text = r'{"feature_names":["a\"b","c\\u0065","\u001f\n\t"]}'
    assert boosters_ubjson.read(text.encode(), stop) == json.loads(text)


def of_objective(**parts):
    def change(found):
        for half in ("Model", "Config"):
            objective = found[half]["learner"]["objective"]
            objective |= parts
            for key in [key for key, value in parts.items() if value is None]:
                del objective[key]

    return changed(change)


@pytest.mark.parametrize(
    "change",
    [
        of_objective(**{"ti+": np.ones(3, "f4")}),
        of_objective(**{"ti+": None}),
        of_objective(**{"ti+": None, "tj-": None}),
        of_objective(**{"ti+": "1", "tj-": "1"}),
        of_objective(**{"ti+": ["1"], "tj-": ["1"]}),
        of_objective(**{"ti+": np.ones(3, "i4"), "tj-": np.ones(3, "i4")}),
        of_objective(**{"tj+": np.ones(3, "f4")}),
        of_objective(lambdarank_param={"lambdarank_unbiased": "0"}),
        of_objective(lambdarank_param={"lambdarank_unbiased": "true"}),
        of_objective(lambdarank_param={}),
    ],
)
def test_biases_of_positions_that_do_not_fit_are_refused(change, refused):
    refused(unbiased(), change, "objective|biases|weights")


@pytest.mark.parametrize(
    "change",
    [
        setting(*MODEL, "trees", 0, "tree_param", "size_leaf_vector", value="2"),
        setting(*MODEL, "trees", 0, "tree_param", "size_leaf_vector", value="9"),
        setting(*SAID, "num_class", value="2"),
        setting(*MODEL, "tree_info", value=[3, 0, 0]),
        changed(lambda found: trees(found)[0].update(leaf_weights=np.ones(3, "f4"))),
        changed(lambda found: trees(found)[0].update(leaf_weights=np.ones(4, "f4"))),
    ],
)
def test_vector_leaves_of_classes_that_do_not_fit_are_refused(change, refused):
    refused(MODELS["vector-classes"](), change)


@pytest.mark.parametrize("key", ["leaf_weights", "loss_changes", "sum_hessian"])
def test_vector_leaves_of_older_versions_are_refused(key, refused):
    """XGBoost 3.2 crashes while it loads what 2.1 wrote honestly."""
    refused(MODELS["vector-leaves"](), changed(lambda found: trees(found)[0].pop(key)))


def test_what_older_versions_kept_and_newer_ones_compute_does_no_harm(model, tmp_path):
    """XGBoost 1.7 writes classes_ into the state; it is a property now, which nothing shadows."""
    older = pickle.loads(pickle.dumps(model))
    older.__dict__["classes_"] = np.arange(2)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(older))
    assert (ss.load_unsigned(path).predict(X) == model.predict(X)).all()
