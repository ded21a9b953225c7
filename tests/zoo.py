# SPDX-License-Identifier: BSD-3-Clause
"""Every estimator of scikit-learn, fitted on toy data: what the other tests save, sign and load.

The estimators come in the order of their names, always with the same data and random states, so
that a test may be parametrised with :func:`names` and ask for one with :func:`fitted`.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import ClusterMixin, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import f_classif
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators

Data = tuple[Any, Any]

_ROWS = 48
_TEXTS = [
    "the cat sat",
    "on the mat",
    "a dog barked",
    "at the cat",
    "the dog sat on a cat",
    "mat",
] * 8
_RECORDS = [
    {"colour": word, "size": float(i)} for i, word in enumerate(["red", "blue", "red", "green"])
]


def _numbers() -> Any:
    return np.random.default_rng(7).normal(size=(_ROWS, 4))


def _positive() -> Any:
    return np.abs(_numbers()) + 0.1


def _counts() -> Any:
    return np.random.default_rng(7).integers(0, 4, size=(_ROWS, 4))


def _classes() -> Any:
    return np.arange(_ROWS) % 3


def _two_classes() -> Any:
    return np.arange(_ROWS) % 2


def _target() -> Any:
    return _positive().sum(axis=1)


def _targets() -> Any:
    return np.column_stack([_target(), _numbers()[:, 0]])


def _blobs() -> Any:
    return _numbers() * 0.2 + _classes()[:, None] * 3.0


def _classification() -> Data:
    return _blobs(), _classes()


def _binary() -> Data:
    return _blobs(), _two_classes()


def _regression() -> Data:
    return _numbers(), _target()


def _several_targets() -> Data:
    return _numbers(), _targets()


def _several_labels() -> Data:
    return _blobs(), np.column_stack([_two_classes(), _classes() // 2])


def _unlabelled() -> Data:
    labels = _classes().copy()
    labels[::4] = -1
    return _blobs(), labels


def _with_gaps() -> Data:
    numbers = _numbers()
    numbers[::5, 1] = np.nan
    return numbers, _classes()


def _texts() -> Data:
    return _TEXTS, _classes()


def _one_feature() -> Data:
    return np.sort(_numbers()[:, 0]), _target()


_LOGISTIC = LogisticRegression()
_TREE = DecisionTreeClassifier(max_depth=2, random_state=0)

# Arguments that an estimator cannot do without, or that make it quick.
_ARGUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "AdaBoostClassifier": lambda: {"n_estimators": 3},
    "AdaBoostRegressor": lambda: {"n_estimators": 3},
    "BaggingClassifier": lambda: {"n_estimators": 3},
    "BaggingRegressor": lambda: {"n_estimators": 3},
    "BernoulliRBM": lambda: {"n_components": 2, "n_iter": 2},
    "CCA": lambda: {"n_components": 1},
    "CalibratedClassifierCV": lambda: {"estimator": _LOGISTIC, "cv": 3},
    "ClassifierChain": lambda: {"estimator": _LOGISTIC},
    "ColumnTransformer": lambda: {
        "transformers": [
            ("scale", StandardScaler(), [0, 1]),
            ("log", FunctionTransformer(np.log1p), slice(2, 3)),
        ],
        "remainder": MinMaxScaler(),
    },
    "DictionaryLearning": lambda: {"n_components": 2, "max_iter": 5},
    "ExtraTreesClassifier": lambda: {"n_estimators": 3},
    "ExtraTreesRegressor": lambda: {"n_estimators": 3},
    "FeatureUnion": lambda: {
        "transformer_list": [("scale", StandardScaler()), ("unit", MinMaxScaler())]
    },
    "FixedThresholdClassifier": lambda: {"estimator": _LOGISTIC},
    "FrozenEstimator": lambda: {"estimator": LogisticRegression().fit(*_classification())},
    "FunctionTransformer": lambda: {"func": np.log1p, "inverse_func": np.expm1, "validate": True},
    "GaussianProcessClassifier": lambda: {"kernel": 1.0 * RBF(), "optimizer": None},
    "GaussianProcessRegressor": lambda: {"kernel": RBF() + WhiteKernel(), "optimizer": None},
    "GenericUnivariateSelect": lambda: {"mode": "k_best", "param": 2, "score_func": f_classif},
    "GradientBoostingClassifier": lambda: {"n_estimators": 3},
    "GradientBoostingRegressor": lambda: {"n_estimators": 3},
    "GridSearchCV": lambda: {
        "estimator": _TREE,
        "param_grid": {"max_depth": [1, 2]},
        "scoring": {"exact": "accuracy", "loss": "neg_log_loss"},
        "refit": "exact",
        "cv": 3,
    },
    "HalvingGridSearchCV": lambda: {"estimator": _TREE, "param_grid": {"max_depth": [1, 2]}},
    "HalvingRandomSearchCV": lambda: {
        "estimator": _TREE,
        "param_distributions": {"max_depth": [1, 2]},
    },
    "HashingVectorizer": lambda: {"n_features": 16},
    "HistGradientBoostingClassifier": lambda: {"max_iter": 3, "min_samples_leaf": 4},
    "HistGradientBoostingRegressor": lambda: {"max_iter": 3, "min_samples_leaf": 4},
    "IsolationForest": lambda: {"n_estimators": 3},
    "KNeighborsClassifier": lambda: {"algorithm": "kd_tree"},
    "KNeighborsRegressor": lambda: {"algorithm": "ball_tree"},
    "LatentDirichletAllocation": lambda: {"n_components": 2, "max_iter": 2},
    "MLPClassifier": lambda: {"hidden_layer_sizes": (4,), "max_iter": 5},
    "MLPRegressor": lambda: {"hidden_layer_sizes": (4,), "max_iter": 5, "solver": "sgd"},
    "MiniBatchDictionaryLearning": lambda: {"n_components": 2, "max_iter": 5},
    "MiniBatchNMF": lambda: {"n_components": 2, "max_iter": 5},
    "MiniBatchSparsePCA": lambda: {"n_components": 2, "max_iter": 5},
    "MultiOutputClassifier": lambda: {"estimator": _TREE},
    "MultiOutputRegressor": lambda: {"estimator": Ridge()},
    "NMF": lambda: {"n_components": 2, "max_iter": 20},
    "NeighborhoodComponentsAnalysis": lambda: {"max_iter": 5},
    "OneVsOneClassifier": lambda: {"estimator": _LOGISTIC},
    "OneVsRestClassifier": lambda: {"estimator": _LOGISTIC},
    "OutputCodeClassifier": lambda: {"estimator": _LOGISTIC},
    "PLSCanonical": lambda: {"n_components": 1},
    "PLSRegression": lambda: {"n_components": 1},
    "PLSSVD": lambda: {"n_components": 1},
    "PatchExtractor": lambda: {"patch_size": (2, 2)},
    "Pipeline": lambda: {"steps": [("scale", StandardScaler()), ("classify", _LOGISTIC)]},
    "RANSACRegressor": lambda: {"min_samples": 8},
    "RFE": lambda: {"estimator": LinearDiscriminantAnalysis()},
    "RFECV": lambda: {"estimator": LinearDiscriminantAnalysis(), "cv": 3},
    "RandomForestClassifier": lambda: {"n_estimators": 3},
    "RandomForestRegressor": lambda: {"n_estimators": 3},
    "RandomTreesEmbedding": lambda: {"n_estimators": 3},
    "RandomizedSearchCV": lambda: {
        "estimator": _TREE,
        "param_distributions": {"max_depth": [1, 2, 3]},
        "n_iter": 2,
        "cv": 3,
    },
    "RegressorChain": lambda: {"estimator": Ridge()},
    "SelectFromModel": lambda: {"estimator": _TREE},
    "SelectKBest": lambda: {"k": 2},
    "SelfTrainingClassifier": lambda: {"estimator": _LOGISTIC},
    "SequentialFeatureSelector": lambda: {"estimator": _TREE, "cv": 2},
    "SparseCoder": lambda: {"dictionary": np.eye(4)},
    "SparsePCA": lambda: {"n_components": 2, "max_iter": 5},
    "SparseRandomProjection": lambda: {"n_components": 2},
    "GaussianRandomProjection": lambda: {"n_components": 2},
    "SpectralBiclustering": lambda: {"n_clusters": 2},
    "SpectralCoclustering": lambda: {"n_clusters": 2},
    "SpectralEmbedding": lambda: {"n_neighbors": 10},
    "StackingClassifier": lambda: {"estimators": [("tree", _TREE), ("svm", SVC())], "cv": 2},
    "StackingRegressor": lambda: {
        "estimators": [("tree", DecisionTreeRegressor(max_depth=2)), ("line", LinearRegression())],
        "cv": 2,
    },
    "TSNE": lambda: {"perplexity": 5.0, "max_iter": 250},
    "TheilSenRegressor": lambda: {"max_subpopulation": 50},
    "TransformedTargetRegressor": lambda: {"func": np.log, "inverse_func": np.exp},
    "TunedThresholdClassifierCV": lambda: {"estimator": _LOGISTIC, "cv": 2},
    "VotingClassifier": lambda: {
        "estimators": [("tree", _TREE), ("forest", RandomForestClassifier(2, random_state=0))]
    },
    "VotingRegressor": lambda: {"estimators": [("line", LinearRegression()), ("ridge", Ridge())]},
}

# Data for estimators that do not take what their kind takes.
_DATA: dict[str, Callable[[], Data]] = {
    "AdditiveChi2Sampler": lambda: (_positive(), None),
    "BernoulliNB": lambda: (_counts(), _classes()),
    "CCA": _several_targets,
    "CategoricalNB": lambda: (_counts(), _classes()),
    "ClassifierChain": _several_labels,
    "ComplementNB": lambda: (_counts(), _classes()),
    "CountVectorizer": _texts,
    "DictVectorizer": lambda: (_RECORDS, None),
    "EllipticEnvelope": lambda: (_numbers(), None),
    "FeatureHasher": lambda: (_RECORDS, None),
    "FixedThresholdClassifier": _binary,
    "FunctionTransformer": lambda: (_positive(), None),
    "GraphicalLasso": lambda: (_numbers(), None),
    "GraphicalLassoCV": lambda: (_numbers(), None),
    "HashingVectorizer": _texts,
    "IsotonicRegression": _one_feature,
    "IterativeImputer": _with_gaps,
    "KNNImputer": _with_gaps,
    "KernelCenterer": lambda: (_numbers() @ _numbers().T, None),
    "LabelBinarizer": lambda: (list("abcab"), None),
    "LabelEncoder": lambda: (list("abcab"), None),
    "LabelPropagation": _unlabelled,
    "LabelSpreading": _unlabelled,
    "MissingIndicator": _with_gaps,
    "MultiLabelBinarizer": lambda: ([("a", "b"), ("c",), ("a",)], None),
    "MultiOutputClassifier": _several_labels,
    "MultiOutputRegressor": _several_targets,
    "MultiTaskElasticNet": _several_targets,
    "MultiTaskElasticNetCV": _several_targets,
    "MultiTaskLasso": _several_targets,
    "MultiTaskLassoCV": _several_targets,
    "MultinomialNB": lambda: (_counts(), _classes()),
    "OneHotEncoder": lambda: (_counts().astype(str).astype(object), None),
    "OrdinalEncoder": lambda: (_counts(), None),
    "PLSCanonical": _several_targets,
    "PLSRegression": _several_targets,
    "PLSSVD": _several_targets,
    "PatchExtractor": lambda: (np.arange(72.0).reshape(2, 6, 6), None),
    "Perceptron": _binary,
    "RegressorChain": _several_targets,
    "SelfTrainingClassifier": _unlabelled,
    "SimpleImputer": _with_gaps,
    "SkewedChi2Sampler": lambda: (_positive(), None),
    "TargetEncoder": lambda: (_counts(), _target()),
    "TfidfTransformer": lambda: (sp.csr_matrix(_counts()), None),
    "TfidfVectorizer": _texts,
    "TunedThresholdClassifierCV": _binary,
    "LatentDirichletAllocation": lambda: (_counts(), None),
    "NMF": lambda: (_positive(), None),
    "MiniBatchNMF": lambda: (_positive(), None),
    "SpectralBiclustering": lambda: (_positive(), None),
    "SpectralCoclustering": lambda: (_positive(), None),
}


def extras() -> dict[str, Callable[[], tuple[Any, Data]]]:
    """Return models that no single estimator stands for: pipelines, options, other dtypes."""
    return {
        "extra: columns of a data frame": lambda: (_frame_pipeline(), _frame()),
        "extra: columns of a text and numbers": lambda: (_encoding_pipeline(), _mixed()),
        "extra: forest of two outputs": lambda: (RandomForestClassifier(2), _several_labels()),
        "extra: nested pipeline": lambda: (_nested_pipeline(), _binary()),
        "extra: search over a pipeline": lambda: (_search(), _binary()),
        "extra: vectors of words and a matrix": lambda: (_words(), _texts()),
        "extra: clusters, float32": lambda: (KMeans(2, n_init=1), (_numbers().astype("f4"), None)),
    }


def _mixed() -> Data:
    table = _numbers().astype(object)
    table[:, 0] = np.array(["red", "green", "blue"], dtype=object)[_classes()]
    return table, _classes()


def _frame() -> Data:
    import pandas as pd

    numbers = _numbers()
    colours = np.array(["red", "green", "blue"])[_classes()]
    return pd.DataFrame({"colour": colours, "a": numbers[:, 0], "b": numbers[:, 1]}), _classes()


def _frame_pipeline() -> Any:
    numeric = make_column_selector(dtype_include=np.number)
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), numeric), ("colour", OneHotEncoder(), ["colour"])]
    )
    return make_pipeline(columns, LogisticRegression())


def _encoding_pipeline() -> Any:
    colour = ("colour", OneHotEncoder(handle_unknown="ignore"), [0])
    columns = ColumnTransformer([colour, ("rest", StandardScaler(), [1, 2, 3])])
    return make_pipeline(columns, LogisticRegression())


def _nested_pipeline() -> Any:
    return make_pipeline(make_union(PCA(2), StandardScaler()), make_pipeline(SVC()))


def _search() -> Any:
    cv = StratifiedKFold(2, shuffle=True, random_state=np.random.RandomState(3))
    steps = make_pipeline(StandardScaler(), LogisticRegression())
    return GridSearchCV(steps, {"logisticregression__C": np.array([0.1, 1.0])}, cv=cv)


def _words() -> Any:
    return make_pipeline(TfidfVectorizer(dtype=np.float32), MultinomialNB())


def names() -> list[str]:
    """Return the names of all models, sorted."""
    return sorted([*_estimators(), *extras()])


@functools.cache
def fitted(name: str) -> tuple[Any, Any]:
    """Return one fitted model and the data it was fitted on.

    Parameters
    ----------
    name : str
        One of :func:`names`.

    Returns
    -------
    model, X
        The model is shared between callers: copy it before changing it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name in extras():
            model, (data, target) = extras()[name]()
        else:
            model, (data, target) = _construct(name), _data(name)
        if "random_state" in model.get_params(deep=False):
            model.set_params(random_state=0)
        return (model.fit(data) if target is None else model.fit(data, target)), data


def fitted_estimators() -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, fitted model, X) for all of :func:`names`."""
    for name in names():
        yield name, *fitted(name)


@functools.cache
def _estimators() -> dict[str, Any]:
    return dict(all_estimators())


def _construct(name: str) -> Any:
    arguments = _ARGUMENTS.get(name, dict)()
    return _estimators()[name](**arguments)


def _data(name: str) -> Data:
    if name in _DATA:
        return _DATA[name]()
    kind = _estimators()[name]
    if issubclass(kind, RegressorMixin):
        return _regression()
    return (_blobs(), None) if issubclass(kind, ClusterMixin) else _classification()
