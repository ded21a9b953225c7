# SPDX-License-Identifier: BSD-3-Clause
"""The tables: which class is checked by what, and which compiled classes need no check.

Floor 5.  A class stands here under the name it says it has; what is said of it holds for classes
derived from it.  Names of other versions and of libraries that are absent do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from safeserial.policy import Name
from safeserial.validators import (
    boosters,
    clusters,
    containers,
    distances,
    encoders,
    estimator,
    expansions,
    forests,
    frames,
    functions,
    hist_gradient_boosting,
    interpolate,
    linear,
    neighbors,
    one_vs_rest,
    random_state,
    sparse,
    svm,
    trees,
)

# Refuses an object, or returns what can be reached from it and not through its attributes.
Check = Callable[[Any], Iterable[Any] | None]
# The same for all objects of a class in a model at once.
BatchCheck = Callable[[Sequence[Any]], None]


def _of(module: str, qualnames: str, check: Check) -> dict[Name, Check]:
    return {(module, qualname): check for qualname in qualnames.split()}


_LINEAR: Final = "sklearn.linear_model."
_BOOSTING: Final = "sklearn.ensemble._hist_gradient_boosting."
_PANDAS_DATES: Final = "DatetimeArray TimedeltaArray PeriodArray"

VALIDATORS: Final[dict[Name, Check]] = {
    **_of("functools", "partial", functions.look_into_partial),
    **_of("safeserial.codecs.boosters", "Pending", boosters.refuse_pending),
    # boosters: what their native parts hold was checked before they were built
    **_of("lightgbm.sklearn", "LGBMModel", boosters.check_estimator),
    **_of("xgboost.sklearn", "XGBModel", boosters.check_estimator),
    **_of("catboost.core", "_CatBoostBase", boosters.check_estimator),
    **_of("safeserial.codecs.distributions", "Discarded", containers.refuse_discarded),
    **_of("safeserial.codecs.spatial", "Unbuilt", containers.refuse_unbuilt),
    **_of("safeserial.codecs.arrow", "Unbuilt", containers.refuse_unbuilt),
    **_of("safeserial.codecs.born", "Unbuilt", containers.refuse_unbuilt),
    # trees
    **_of("sklearn.ensemble._forest", "BaseForest", forests.check_forest),
    **_of("sklearn.ensemble._iforest", "IsolationForest", forests.check_isolation_forest),
    **_of("sklearn.ensemble._gb", "BaseGradientBoosting", forests.check_gradient_boosting),
    **_of(
        _BOOSTING + "binning",
        "_BinMapper",
        hist_gradient_boosting.check_bin_mapper,
    ),
    # neighbours
    **_of("sklearn.neighbors._kd_tree", "KDTree64 KDTree32", neighbors.check_index),
    **_of("sklearn.neighbors._ball_tree", "BallTree64 BallTree32", neighbors.check_index),
    **_of("sklearn.neighbors._base", "NeighborsBase", neighbors.check_neighbors),
    **_of(distances.MODULE, "DistanceMetric64 DistanceMetric32", distances.check_metric),
    # sparse matrices
    **_of("scipy.sparse._csr", "csr_matrix csr_array", sparse.check_compressed),
    **_of("scipy.sparse._csc", "csc_matrix csc_array", sparse.check_compressed),
    **_of("scipy.sparse._bsr", "bsr_matrix bsr_array", sparse.check_compressed),
    **_of("scipy.sparse._coo", "coo_matrix coo_array", sparse.check_coo),
    **_of("scipy.sparse._dia", "dia_matrix dia_array", sparse.check_dia),
    **_of("scipy.sparse._dok", "dok_matrix dok_array", sparse.check_dok),
    **_of("scipy.sparse._lil", "lil_matrix lil_array", sparse.check_lil),
    # support vectors, lines, components
    **_of("sklearn.svm._base", "BaseLibSVM", svm.check_libsvm),
    **_of("sklearn.svm._classes", "LinearSVC", linear.check_linear_classifier),
    **_of("sklearn.svm._classes", "LinearSVR", linear.check_linear),
    **_of(_LINEAR + "_base", "LinearModel", linear.check_linear),
    **_of(_LINEAR + "_base", "LinearClassifierMixin", linear.check_linear_classifier),
    **_of(_LINEAR + "_glm.glm", "_GeneralizedLinearRegressor", linear.check_linear),
    **_of("sklearn.dummy", "DummyClassifier DummyRegressor", linear.check_dummy),
    **_of("sklearn.decomposition._nmf", "_BaseNMF", linear.check_components),
    **_of("sklearn.decomposition._dict_learning", "_BaseSparseCoding", linear.check_components),
    # clusters
    **_of("sklearn.cluster._kmeans", "_BaseKMeans", clusters.check_kmeans),
    **_of("sklearn.cluster._bisect_k_means", "BisectingKMeans", clusters.check_bisecting),
    **_of("sklearn.cluster._birch", "Birch", clusters.check_birch),
    **_of("sklearn.cluster._mean_shift", "MeanShift", clusters.check_centers),
    **_of("sklearn.cluster._affinity_propagation", "AffinityPropagation", clusters.check_centers),
    **_of("sklearn.cluster._hdbscan.hdbscan", "HDBSCAN", clusters.check_hdbscan),
    # encoders
    **_of("sklearn.feature_extraction.text", "CountVectorizer", estimator.check_vectorizer),
    **_of(
        "sklearn.feature_extraction.text", "HashingVectorizer", estimator.check_hashing_vectorizer
    ),
    **_of("sklearn.feature_extraction._hash", "FeatureHasher", encoders.check_hasher),
    **_of(
        "sklearn.feature_extraction._dict_vectorizer", "DictVectorizer", encoders.check_vocabulary
    ),
    **_of("sklearn.preprocessing._encoders", "OneHotEncoder", encoders.check_one_hot),
    **_of("sklearn.preprocessing._label", "MultiLabelBinarizer", encoders.check_label_sets),
    **_of("sklearn.preprocessing._discretization", "KBinsDiscretizer", encoders.check_discretizer),
    **_of("sklearn.metrics._scorer", "_BaseScorer", functions.check_scorer),
    **_of("sklearn.multiclass", "OneVsRestClassifier", one_vs_rest.check_one_vs_rest),
    # what makes columns of columns
    **_of(
        "sklearn.preprocessing._function_transformer",
        "FunctionTransformer",
        functions.check_transformer,
    ),
    **_of(
        "sklearn.preprocessing._polynomial",
        "PolynomialFeatures",
        expansions.check_polynomial_features,
    ),
    **_of("sklearn.kernel_approximation", "PolynomialCountSketch", expansions.check_count_sketch),
    # what caches on disk
    **_of("sklearn.pipeline", "Pipeline", estimator.check_memory),
    **_of("sklearn.cluster._agglomerative", "AgglomerativeClustering", estimator.check_memory),
    # splines
    **_of("scipy.interpolate._bsplines", "BSpline", interpolate.check_bspline),
    **_of("scipy.interpolate._interpolate", "_PPolyBase", interpolate.check_ppoly),
    **_of("scipy.interpolate._interpolate", "interp1d", interpolate.check_own_call),
    **_of("scipy.interpolate._rgi", "RegularGridInterpolator", interpolate.check_grid),
    **_of(
        "sklearn.preprocessing._polynomial",
        "SplineTransformer",
        interpolate.check_spline_transformer,
    ),
    # random generators
    **_of("numpy.random._mt19937", "MT19937", random_state.check_mt19937),
    **_of("numpy.random._philox", "Philox", random_state.check_philox),
    **_of("numpy.random.bit_generator", "SeedSequence", random_state.check_seed_sequence),
    **_of("numpy.random.mtrand", "RandomState", random_state.look_into_random_state),
    **_of("numpy.random._generator", "Generator", random_state.look_into_generator),
    # feature_engine: the one class whose state says which method pandas calls
    **_of("feature_engine.creation.math_features", "MathFeatures", frames.check_aggregation),
    # pandas: where classes say they are since version 3, and where they said so before
    **_of(
        "pandas.core.internals.managers", "BlockManager SingleBlockManager", frames.check_manager
    ),
    **_of("pandas._libs.sparse", "BlockIndex", frames.check_sparse_blocks),
    **_of("pandas._libs.sparse", "IntIndex", frames.check_sparse_places),
    **_of("pandas", "Categorical", frames.check_categorical),
    **_of("pandas", "MultiIndex", frames.check_multi_index),
    **_of("pandas.arrays", _PANDAS_DATES, frames.check_dates),
    **_of("pandas.arrays", "StringArray NumpyExtensionArray", frames.check_wrapped),
    **_of("pandas.arrays", "ArrowStringArray", frames.check_arrow_strings),
    **_of("pandas.core.arrays.string_arrow", "ArrowStringArray", frames.check_arrow_strings),
    **_of("pandas.arrays", "BooleanArray IntegerArray FloatingArray", frames.check_masked),
    **_of("pandas.arrays", "SparseArray", frames.check_sparse_array),
    **_of("pandas.arrays", "IntervalArray", frames.check_interval_array),
    **_of("pandas.core.arrays.categorical", "Categorical", frames.check_categorical),
    **_of("pandas.core.indexes.multi", "MultiIndex", frames.check_multi_index),
    **_of("pandas.core.arrays.datetimes", "DatetimeArray", frames.check_dates),
    **_of("pandas.core.arrays.timedeltas", "TimedeltaArray", frames.check_dates),
    **_of("pandas.core.arrays.period", "PeriodArray", frames.check_dates),
    **_of("pandas.core.arrays.numpy_", "NumpyExtensionArray PandasArray", frames.check_wrapped),
    **_of("pandas.core.arrays.string_", "StringArray", frames.check_wrapped),
    **_of("pandas.core.arrays.masked", "BaseMaskedArray", frames.check_masked),
    **_of("pandas.core.arrays.sparse.array", "SparseArray", frames.check_sparse_array),
    **_of("pandas.core.arrays.interval", "IntervalArray", frames.check_interval_array),
}


BATCHES: Final[dict[Name, BatchCheck]] = {
    ("sklearn.tree._tree", "Tree"): trees.check_trees,
    ("sklearn.tree._classes", "BaseDecisionTree"): trees.check_decision_trees,
    (_BOOSTING + "predictor", "TreePredictor"): hist_gradient_boosting.check_models,
    (
        _BOOSTING + "gradient_boosting",
        "BaseHistGradientBoosting",
    ): hist_gradient_boosting.check_models,
}

# Attributes whose contents the check of the class has read to the last: the walk leaves them out.
READ_BY_CHECK: Final[dict[Name, frozenset[str]]] = {
    ("sklearn.feature_extraction.text", "CountVectorizer"): frozenset({"vocabulary_"}),
    ("sklearn.feature_extraction._dict_vectorizer", "DictVectorizer"): frozenset({"vocabulary_"}),
}

# Compiled classes of the allowlists that have a state and no validator, with the reason.
NATIVE_WITHOUT_VALIDATOR: Final[dict[str, str]] = {
    "collections.OrderedDict": "the interpreter's own",
    "collections.defaultdict": "the interpreter's own",
    "collections.deque": "the interpreter's own",
    "numpy.dtype": "the opcode verifier admits only the canonical state of each type",
    "numpy.ndarray": "the opcode verifier compares shape and bytes; nothing else is native",
    "numpy.matrix": "as ndarray",
    "numpy.ma.MaskedArray": "two arrays of one shape, which NumPy itself sets",
    "numpy.random._pcg64.PCG64": "numbers of which every value is good",
    "numpy.random._pcg64.PCG64DXSM": "numbers of which every value is good",
    "numpy.random._sfc64.SFC64": "numbers of which every value is good",
    "sklearn._loss._loss.CyHalfMultinomialLoss": "has no fields",
    "scipy.spatial._ckdtree.cKDTree": "built anew of its data, never given a state",
    "scipy.spatial._kdtree.KDTree": "built anew of its data, never given a state",
}
