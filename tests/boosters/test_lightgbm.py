# SPDX-License-Identifier: BSD-3-Clause
"""LightGBM models of strangers load; texts that its parser would follow into the wild do not."""

from __future__ import annotations

import copy
import itertools
import pickle
import re

import joblib
import numpy as np
import pandas as pd
import pytest

import safeserial as ss
from tests.boosters.conftest import BINARY, BY_CATEGORY, CATEGORIES, CLASSES, TARGET, X

lgb = pytest.importorskip("lightgbm")
FEW = {"n_estimators": 3, "num_leaves": 5, "verbose": -1, "min_child_samples": 5, "n_jobs": 1}
MIXED = np.column_stack([X, CATEGORIES])

MODELS = {
    "binary": lambda: lgb.LGBMClassifier(**FEW).fit(X, BINARY),
    "multiclass": lambda: lgb.LGBMClassifier(**FEW).fit(X, CLASSES),
    "one-against-all": lambda: lgb.LGBMClassifier(objective="multiclassova", **FEW).fit(X, CLASSES),
    "regressor": lambda: lgb.LGBMRegressor(**FEW).fit(X, TARGET),
    "ranker": lambda: lgb.LGBMRanker(**FEW).fit(X, CLASSES, group=[12] * 10),
    "forest": lambda: lgb.LGBMClassifier(
        boosting_type="rf", subsample=0.7, subsample_freq=1, **FEW
    ).fit(X, BINARY),
    "dart": lambda: lgb.LGBMClassifier(boosting_type="dart", **FEW).fit(X, BINARY),
    "linear": lambda: lgb.LGBMRegressor(linear_tree=True, **FEW).fit(X, TARGET),
    "constant": lambda: lgb.LGBMRegressor(**FEW).fit(X[:4], TARGET[:4]),
    "linear-categorical": lambda: lgb.LGBMRegressor(
        linear_tree=True, min_data_per_group=2, cat_smooth=1, **FEW
    ).fit(np.column_stack([X[:, :4], CATEGORIES]), TARGET + BY_CATEGORY, categorical_feature=[4]),
    "custom": lambda: lgb.train(
        {"objective": lambda y, data: (y - 0.3, np.ones_like(y)), "num_class": 3, "verbose": -1},
        lgb.Dataset(X, CLASSES, params={"verbose": -1}),
        2,
    ),
    "named": lambda: lgb.train(
        {"monotone_constraints": [1, 0, 0, 0, -1], "verbose": -1, "num_threads": 1},
        lgb.Dataset(X, TARGET, feature_name=["a b", "ü€", "x=1", "Tree", "q'\\/"]),
        3,
    ),
    "booster": lambda: lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(X, TARGET), 3),
}


def continued():
    first = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(X, TARGET), 2)
    return lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(X, TARGET), 2, init_model=first)


@pytest.fixture(scope="module")
def categorical():
    return lgb.LGBMClassifier(min_data_per_group=2, cat_smooth=1, **FEW).fit(
        MIXED, BY_CATEGORY, categorical_feature=[5]
    )


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


def test_categories_and_continued_training(categorical, tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps([categorical, continued()]))
    loaded, other = ss.load_unsigned(path)
    np.testing.assert_array_equal(loaded.predict(MIXED), categorical.predict(MIXED))
    np.testing.assert_array_equal(other.predict(X), continued().predict(X))


def test_categories_of_pandas(tmp_path):
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    frame["c"] = pd.Categorical([f'"{i % 4}\u2028:[' for i in range(len(X))])
    fitted = lgb.LGBMRegressor(min_data_per_group=2, cat_smooth=1, **FEW).fit(frame, TARGET)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(fitted))
    loaded = ss.load_unsigned(path)
    np.testing.assert_array_equal(loaded.predict(frame), fitted.predict(frame))
    assert copy.deepcopy(loaded.booster_).dump_model()["pandas_categorical"]


def test_tails_that_versions_write(model):
    """Section by section, as 2.1 and 2.3 write them, and what today's makes of 2.1's file."""
    from safeserial.validators import boosters_lightgbm

    text = model.booster_.model_to_string()
    trees, _, tail = text.partition("end of trees\n")
    older = tail.replace("feature_importances:", "feature importances:")
    boosters_lightgbm.check(f"{trees}end of trees\n{older}")
    endless = older.replace("\nend of parameters\n", "").replace("\nparameters:", "parameters:")
    boosters_lightgbm.check(trees + endless)
    boosters_lightgbm.check(trees + older.partition("\nparameters:")[0])
    again = lgb.Booster(model_str=trees + endless).model_to_string()
    assert again.count("pandas_categorical:null") == 2
    boosters_lightgbm.check(again)


def in_tree(key: str, new: str, *, whole: bool = False):
    """Change the first number (or all) of a list of the first tree that has one; keep lengths."""

    def change(state):
        text = state["_handle"]
        pattern = rf"(\n{key}=)([^\n]+)" if whole else rf"(\n{key}=)(-?[0-9.e+]+)"
        text, count = re.subn(pattern, lambda found: found[1] + new, text, count=1)
        assert count
        state["_handle"] = resized(text)

    return change


def resized(text: str) -> str:
    end = text.index("end of trees")
    starts = [found.start() + 1 for found in re.finditer(r"\nTree=", text[:end])] + [end]
    sizes = " ".join(str(b - a) for a, b in itertools.pairwise(starts))
    return re.sub(r"tree_sizes=[^\n]*", f"tree_sizes={sizes}", text, count=1)


def replaced(old: str, new: str):
    def change(state):
        assert old in state["_handle"]
        state["_handle"] = resized(state["_handle"].replace(old, new, 1))

    return change


@pytest.mark.parametrize(
    "change",
    [
        in_tree("left_child", "1000"),
        in_tree("left_child", "-1000"),
        in_tree("left_child", "0"),
        in_tree("right_child", "1"),
        in_tree("split_feature", "5"),
        in_tree("split_feature", "-1"),
        in_tree("split_feature", "99999999999"),
        in_tree("num_leaves", "100000000"),
        in_tree("num_leaves", "-5"),
        in_tree("num_leaves", "0"),
        in_tree("num_cat", "1"),
        in_tree("decision_type", "1"),
        in_tree("decision_type", "300"),
        in_tree("leaf_value", "0.1", whole=True),
        in_tree("leaf_value", "0.1 x 0.2 0.3 0.4", whole=True),
        in_tree("threshold", "", whole=True),
        in_tree("shrinkage", "1 1"),
        in_tree("is_linear", "1"),
        replaced("num_class=3", "num_class=2"),
        replaced("num_tree_per_iteration=3", "num_tree_per_iteration=0"),
        replaced("num_class:3", "num_class:9"),
        replaced("multiclass num_class:3", "multiclass"),
        replaced("max_feature_idx=4", "max_feature_idx=3"),
        replaced("max_feature_idx=4", "max_feature_idx=-1"),
        replaced("\nversion=v4", "\nversion=v4\nversion=v4"),
        replaced("\nTree=1\n", "\nTree=7\n"),
        replaced("\nnum_cat=0", "\nnum_cat=0\nnum_cat=0"),
        lambda state: state.update(_handle=state["_handle"].replace("end of trees", "more trees")),
        replaced("feature_names=", "feature_names= "),
        lambda state: state.update(_handle=state["_handle"][:700]),
        lambda state: state.update(_handle=state["_handle"].replace("\n", "\r\n")),
        lambda state: state.update(_handle=state["_handle"].replace("Tree=1", "Tree\0=")),
        replaced("\nnum_cat=0", "\nnum_cat=0\ncat_boundaries=\rX"),
        replaced("\nnum_cat=0", "\nnum_cat=0\ncat_boundaries=X"),
        replaced("\nnum_cat=0", "\nnum_cat=0\ncat_threshold=1\t2"),
        replaced("\nis_linear=0", "\nis_linear=0\nleaf_coeff=0.5 x"),
        replaced("\nis_linear=0", "\nis_linear=0\nleaf_features=\x0b1"),
        replaced("version=v4", "version=\rnum_class=9"),
        replaced("feature_infos=[", "feature_infos="),
        replaced("feature_infos=[", "feature_infos=:"),
        replaced("[boosting: gbdt]", "[boosting gbdt]"),
        replaced("[boosting: gbdt]", "[boosting:]"),
        replaced("[boosting: gbdt]", ":"),
        replaced("[boosting: gbdt]", "pandas_categorical::"),
        replaced("[boosting: gbdt]", "[boosting: gbdt"),
        replaced("[num_threads: 1]", "[num_threads: 99999999]"),
        replaced("\nfeature_importances:", "\nfeature_importances:\nColumn_0"),
        replaced("\nfeature_importances:", "\nfeature_importances:\nColumn_0=many"),
        replaced("\nend of parameters\n", "\nend of parameters\n\nparser:\n{}\nend of parser\n"),
        replaced("pandas_categorical:null", "pandas_categorical:nil"),
        replaced("pandas_categorical:null", "pandas_categorical:[1]"),
        replaced("pandas_categorical:null", "pandas_categorical:" + "[" * 100_000),
        lambda state: state.update(
            _handle=re.sub("tree_sizes=[0-9]+", "tree_sizes=9", state["_handle"])
        ),
        lambda state: state.update(_handle="\ud800"),
        lambda state: state.update(_handle=140_000_000_000_000),
        lambda state: state.update(handle=140_000_000_000_000),
        lambda state: state.update(_handle=b"tree"),
        lambda state: state.update(_network=True),
        lambda state: state.update(_Booster__init_predictor=1),
        lambda state: state.update(predict="shadow"),
    ],
)
def test_text_that_lightgbm_would_not_write_is_refused(model, change, refused):
    refused(model, change)


def test_a_line_that_swallows_the_next_is_refused(refused):
    """LightGBM ends a value at a carriage return, and reads a name up to the next equals sign."""
    swallow = replaced("\nleaf_coeff=", "\ncat_boundaries=\rX\nleaf_coeff=")
    refused(MODELS["linear"](), swallow, "control character")


@pytest.mark.parametrize(
    "change",
    [
        in_tree("cat_boundaries", "5"),
        in_tree("cat_boundaries", "0 1000", whole=True),
        in_tree("cat_threshold", "-1"),
        in_tree("cat_threshold", "9999999999"),
        in_tree("cat_threshold", "1 2 3 4 5 6 7 8 9", whole=True),
        in_tree("num_cat", "0"),
        in_tree("num_cat", "1000000"),
    ],
)
def test_sets_of_categories_that_do_not_fit_are_refused(categorical, change, refused):
    refused(categorical, change)


def test_categorical_split_on_a_set_that_does_not_exist_is_refused(categorical, refused):
    def change(state):
        text, where = state["_handle"], None
        for tree in re.finditer(r"\nthreshold=([^\n]*)\ndecision_type=([^\n]*)", text):
            kinds = tree[2].split()
            if any(int(kind) & 1 for kind in kinds):
                where, values = tree, tree[1].split()
                values[next(i for i, kind in enumerate(kinds) if int(kind) & 1)] = "77"
                break
        assert where is not None
        start, end = where.span(1)
        state["_handle"] = resized(text[:start] + " ".join(values) + text[end:])

    refused(categorical, change, "set of categories that does not exist")


def test_threads_beyond_reason_are_refused(tmp_path):
    fitted, path = MODELS["binary"](), tmp_path / "model.pkl"
    fitted.n_jobs = 10**8
    path.write_bytes(pickle.dumps(fitted))
    with pytest.raises(ss.errors.InvalidStateError, match="threads"):
        ss.load_unsigned(path)


def test_handle_of_a_predictor_is_never_freed(tmp_path):
    """`_InnerPredictor.__del__` frees whatever its state says that its handle is."""
    predictor = lgb.basic._InnerPredictor.__new__(lgb.basic._InnerPredictor)

    class Hostile(pickle.Pickler):
        def reducer_override(self, obj):
            if obj is predictor:
                state = {"_handle": 1 << 40, "_InnerPredictor__is_manage_handle": True}
                return lgb.basic._InnerPredictor.__new__, (type(obj),), state
            return NotImplemented

    with (tmp_path / "x.pkl").open("wb") as stream:
        Hostile(stream, 5).dump([predictor])
    with pytest.raises(ss.errors.PolicyError):
        ss.load_unsigned(tmp_path / "x.pkl")


def test_booster_without_a_state_is_refused(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x02clightgbm.basic\nBooster\n)\x81.")
    with pytest.raises(ss.errors.InvalidStateError, match="no state"):
        ss.load_unsigned(path)
