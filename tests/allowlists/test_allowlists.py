# SPDX-License-Identifier: BSD-3-Clause
"""The shipped allowlists name what exists, what was audited, and all that fitted models hold.

A name is exact: it is what pickle writes for the object of the installed library.  What only other
versions or platforms write stands in ``ELSEWHERE``.  A class whose loading runs code of its own,
and a callable, needs a rule or a reason: who adds one without having read it fails here.
"""

from __future__ import annotations

import _compat_pickle
import collections
import datetime
import decimal
import fractions
import functools
import importlib
import importlib.resources
import importlib.util
import io
import operator
import pathlib
import pickle
import tomllib
import uuid
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn.model_selection as selection
from sklearn.gaussian_process import kernels
from sklearn.metrics import DistanceMetric, get_scorer, get_scorer_names
from sklearn.neighbors import BallTree, KDTree
from sklearn.utils import Bunch, all_estimators

from safeserial.policy import ROLES, Grant, Name, Policy, parse_allowlist
from tests import zoo

RULES = {
    "",
    "bit-generator",
    "bound-method",
    "bytearray",
    "bytes",
    "class-argument",
    "constants",
    "container",
    "default-factory",
    "dtype",
    "extension-array",
    "frombuffer",
    "generator",
    "index",
    "latin1",
    "literal",
    "masked-reconstruct",
    "ndarray-reconstruct",
    "newobj",
    "numbers",
    "partial",
    "pyx-unpickle",
    "random-state",
    "range",
    "reconstructor",
    "scalar",
    "slice",
    "slots",
    "tree",
}

ALLOWLIST = Policy.default().allowlist

# Names that other platforms or versions of a library write.
ELSEWHERE = {
    ("numpy", "intc"): "Windows, where int32 is not the C int",
    ("numpy", "uintc"): "Windows, where uint32 is not the C unsigned int",
    ("pytz", "_UTC"): "pandas before 2, for UTC",
    ("sklearn.metrics._scorer", "_passthrough_scorer"): "scikit-learn before 1.3",
}
# Names that are written no more: the codec knows what stands for them, or they are refused for the
# version of their library.
GONE = {
    name: why
    for names, why in [
        (("sklearn.ensemble._gb_losses",), "losses of gradient boosting before 1.4"),
        (
            tuple(f"pandas.core.arrays.{one}" for one in ("boolean", "floating", "integer")),
            "dtypes, which pandas 3 says are its own",
        ),
    ]
    for name in ALLOWLIST.grants
    if name[0] in names
} | {
    name: "compiled losses up to scikit-learn 1.5"
    for name in ALLOWLIST.grants
    if name[0] == "sklearn._loss._loss"
    and name[1].startswith("__pyx_unpickle_")
    and name[1] != "__pyx_unpickle_CyHalfMultinomialLoss"
}
ELSEWHERE |= GONE
# Functions of a class, which protocol 4 and later write with a dot.
DOTTED = {name for name in ALLOWLIST.grants if name[1].startswith("interp1d._call_")}

# Hooks that many classes inherit, with what reading them showed.
AUDITED = {
    "sklearn.base.BaseEstimator": "warns of another version, then updates __dict__",
}

# Names of attacks that worked against one loader or another.
DANGEROUS = [
    "builtins.__import__",
    "builtins.compile",
    "builtins.delattr",
    "builtins.eval",
    "builtins.exec",
    "builtins.exit",
    "builtins.filter",
    "builtins.globals",
    "builtins.input",
    "builtins.map",
    "builtins.open",
    "builtins.print",
    "builtins.setattr",
    "builtins.type",
    "builtins.vars",
    "builtins.breakpoint",
    "builtins.memoryview",
    "os.system",
    "nt.system",
    "posix.system",
    "subprocess.Popen",
    "subprocess.getoutput",
    "commands.getoutput",
    "operator.attrgetter",
    "operator.methodcaller",
    "_operator.attrgetter",
    "_operator.methodcaller",
    "functools.reduce",
    "importlib.import_module",
    "pickle.loads",
    "_pickle.loads",
    "marshal.loads",
    "types.CodeType",
    "types.FunctionType",
    "types.ModuleType",
    "runpy.run_module",
    "code.interact",
    "pdb.run",
    "timeit.timeit",
    "sys.modules",
    "webbrowser.open",
    "shutil.rmtree",
    "ctypes.CDLL",
    "copyreg.add_extension",
    "copyreg._extension_registry",
    "numpy.core._ufunc_reconstruct",
    "numpy._core._ufunc_reconstruct",
    "numpy.load",
    "numpy.save",
    "numpy.savetxt",
    "numpy.fromfile",
    "numpy.memmap",
    "numpy.genfromtxt",
    "numpy.frompyfunc",
    "numpy.seterrcall",
    "numpy.lib._datasource.DataSource",
    "numpy.lib.npyio.DataSource",
    "numpy.lib.npyio.NpzFile",
    "numpy.lib._npyio_impl.NpzFile",
    "numpy.lib._npyio_impl.DataSource",
    "numpy.lib.format.open_memmap",
    "numpy.testing.runstring",
    "numpy.testing._private.utils.runstring",
    "numpy.testing.measure",
    "numpy.f2py.crackfortran.myeval",
    "numpy.distutils.exec_command.exec_command",
    "numpy.ctypeslib.load_library",
    "numpy.ctypeslib._ctypeslib.load_library",
    "numpy.ndarray.tofile",
    "numpy.recarray",
    "numpy.rec.recarray",
    "scipy.stats._distn_infrastructure.rv_continuous",
    "scipy.stats._distn_infrastructure.rv_discrete",
    "scipy.stats._distn_infrastructure.rv_frozen",
    "scipy.stats._distn_infrastructure.rv_generic",
    "scipy.optimize._optimize.OptimizeResult",
    "scipy.interpolate._fitpack2.UnivariateSpline",
    "skrub.SkrubLearner",
    "skrub.ParamSearch",
    "skrub._data_ops._utils._CloudPickle",
    "skrub._data_ops._estimator._XyPipeline",
    "skrub._data_ops._data_ops.Call",
    "skrub._llm_encoder.TextEncoder",
    "types.SimpleNamespace",
    "scipy.io._mmio.mmwrite",
    "scipy.io.savemat",
    "scipy.io._netcdf.netcdf_file",
    "scipy._lib._ccallback.LowLevelCallable",
    "joblib.memory.Memory",
    "joblib.memory.MemorizedFunc",
    "joblib.numpy_pickle.load",
    "joblib.numpy_pickle_utils",
    "joblib.numpy_pickle_compat.NDArrayWrapper",
    "joblib.numpy_pickle_compat.ZNDArrayWrapper",
    "joblib.numpy_pickle.NDArrayWrapper",
    "joblib._store_backends.FileSystemStoreBackend",
    "joblib.parallel.Parallel",
    "joblib.parallel.BatchedCalls",
    "joblib._memmapping_reducer.reduce_array_memmap",
    "joblib.externals.cloudpickle.cloudpickle._make_function",
    "pandas.read_pickle",
    "pandas.io.pickle.read_pickle",
    "pandas.core.frame.DataFrame.to_pickle",
    "pandas.eval",
    "sklearn._config._global_config",
    "sklearn.datasets._svmlight_format_io.dump_svmlight_file",
    "sklearn.utils._testing.assert_run_python_script_without_output",
    "sklearn.callback._scoring_monitor.ScoringMonitor",
    "sklearn.neighbors._quad_tree._QuadTree",
    "cloudpickle.cloudpickle._make_function",
    "cloudpickle.cloudpickle._builtin_type",
    "torch.load",
]


def _documents() -> dict[str, dict[str, Any]]:
    folder = importlib.resources.files("safeserial") / "allowlists"
    return {
        file.name: tomllib.loads(file.read_text("utf-8"))
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if file.name.endswith(".toml")
    }


DOCUMENTS = _documents()
ENTRIES: dict[Name, Any] = {
    (module, qualname): entry
    for document in DOCUMENTS.values()
    for module, names in document["globals"].items()
    for qualname, entry in names.items()
}


def _installed(name: Name) -> object:
    """Return the object of a name; skip the test where its library is not installed."""
    if importlib.util.find_spec(name[0].partition(".")[0]) is None:
        pytest.skip(f"needs {name[0]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: object = importlib.import_module(name[0])
        for part in name[1].split("."):
            found = getattr(found, part)
    return found


class _Recorder(pickle.Unpickler):
    """An unpickler of our own pickles that notes the names it is asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.names: set[Name] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.names.add((module, name))
        return super().find_class(module, name)


def _names_in(value: object, protocol: int) -> set[Name]:
    """Return the resolved names in the pickle of a value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recorder = _Recorder(pickle.dumps(value, protocol))
        recorder.load()
    return {ALLOWLIST.resolve(*_python3(name, protocol)) for name in recorder.names}


def _python3(name: Name, protocol: int) -> Name:
    """Return the name that an unpickler looks up for one in a pickle of protocol 2 or lower."""
    if protocol > 2:
        return name
    renamed = _compat_pickle.NAME_MAPPING.get(name)
    return renamed or (_compat_pickle.IMPORT_MAPPING.get(name[0], name[0]), name[1])


def _unlisted(value: object, protocol: int) -> list[Name]:
    return sorted(name for name in _names_in(value, protocol) if ALLOWLIST.find(name) is None)


def _hooks(cls: type) -> set[str]:
    """Return the unaudited classes whose code runs when an instance of a class is loaded."""
    found = set()
    for hook in ("__setstate__", "__reduce__", "__reduce_ex__", "__del__"):
        for base in cls.__mro__:
            if base is not object and hook in vars(base):
                owner = f"{base.__module__}.{base.__qualname__}"
                found |= set() if owner in AUDITED else {f"{owner}.{hook}"}
                break
    return found


@pytest.mark.parametrize("file", DOCUMENTS)
def test_a_file_has_the_documented_shape(file: str) -> None:
    allowlist = parse_allowlist(DOCUMENTS[file], file)
    assert set(DOCUMENTS[file]) <= {"globals", "renames"}
    for name, grant in allowlist.grants.items():
        assert grant.roles <= ROLES, name
        assert grant.rule in RULES, name


def test_no_name_is_in_two_files() -> None:
    names = [
        (module, qualname)
        for document in DOCUMENTS.values()
        for module, entries in document["globals"].items()
        for qualname in entries
    ]
    assert [name for name, count in collections.Counter(names).items() if count > 1] == []


@pytest.mark.parametrize("module", sorted({module for module, _ in ENTRIES}))
def test_names_are_those_that_pickle_writes(module: str) -> None:
    wrong = {}
    for name in sorted(name for name in ENTRIES if name[0] == module and name not in ELSEWHERE):
        written = _names_in(_installed(name), 4)
        if name[1] != "Ellipsis" and written != {name}:
            wrong[name] = written
    assert wrong == {}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_names_of_other_platforms_are_listed(name: Name) -> None:
    assert ALLOWLIST.find(name)


def test_nothing_is_dotted_or_wild() -> None:
    found = {name for name in ENTRIES if "." in name[1] or "*" in name[0] + name[1]}
    assert found == DOTTED


@pytest.mark.parametrize("old", sorted(ALLOWLIST.renames))
def test_a_rename_leads_to_a_listed_name(old: Name) -> None:
    new = ALLOWLIST.renames[old]
    assert old not in ALLOWLIST.grants
    if new[1] == "*":
        assert any(module == new[0] for module, _ in ALLOWLIST.grants)
        assert not any(module == old[0] for module, _ in ALLOWLIST.grants)
    else:
        assert ALLOWLIST.find(new)
        assert ALLOWLIST.resolve(*new) == new


@pytest.mark.parametrize("module", sorted({module for module, _ in ENTRIES}))
def test_classes_whose_loading_runs_code_have_a_reason(module: str) -> None:
    unaudited = {}
    for name, entry in ENTRIES.items():
        reasoned = isinstance(entry, dict) and entry.get("reason")
        if name[0] == module and name not in ELSEWHERE and not reasoned:
            value = _installed(name)
            roles = parse_allowlist({"globals": {module: {name[1]: entry}}}, "").grants[name].roles
            if isinstance(value, type) and "build" in roles and _hooks(value):
                unaudited[name] = _hooks(value)
    assert unaudited == {}


def test_no_class_finds_its_setstate_in_data() -> None:
    """BUILD asks the instance for ``__setstate__``: ``__getattr__`` must not answer for it."""
    for name, grant in ALLOWLIST.grants.items():
        spec = importlib.util.find_spec(name[0].partition(".")[0])
        reasoned = isinstance(ENTRIES[name], dict) and "reason" in ENTRIES[name]
        if spec is not None and "build" in grant.roles and not reasoned and name not in ELSEWHERE:
            cls = _installed(name)
            assert hasattr(cls, "__setstate__") or not hasattr(cls, "__getattr__"), name


def test_callables_have_a_rule_or_a_reason() -> None:
    plain = [
        name
        for name, grant in ALLOWLIST.grants.items()
        if "call" in grant.roles and not grant.rule and "reason" not in ENTRIES[name]
    ]
    assert plain == []


def test_only_classes_are_made_or_built() -> None:
    for name, grant in ALLOWLIST.grants.items():
        spec = importlib.util.find_spec(name[0].partition(".")[0])
        if spec is not None and grant.roles & {"new", "build"} and name not in ELSEWHERE:
            assert isinstance(_installed(name), type), name


@pytest.mark.parametrize("dotted", DANGEROUS)
def test_names_of_known_attacks_are_not_listed(dotted: str) -> None:
    parts = dotted.split(".")
    for split in range(1, len(parts)):
        name = ".".join(parts[:split]), ".".join(parts[split:])
        assert ALLOWLIST.find(ALLOWLIST.resolve(*name)) is None


def test_no_name_of_a_test_module_is_listed() -> None:
    parts = {"tests", "test", "testing", "_testing", "conftest"}
    assert [name for name in ENTRIES if parts & set(name[0].split("."))] == []


def test_every_estimator_is_listed() -> None:
    grants = {
        (cls.__module__, cls.__qualname__): ALLOWLIST.find((cls.__module__, cls.__qualname__))
        for _, cls in all_estimators()
    }
    assert {name for name, grant in grants.items() if grant is None} == set()
    assert {grant.roles for grant in grants.values() if grant} == {frozenset({"new", "build"})}


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("name", zoo.names())
def test_a_fitted_model_holds_listed_names_only(name: str, protocol: int) -> None:
    model, _ = zoo.fitted(name)
    assert _unlisted(model, protocol) == []


def _values() -> dict[str, Any]:
    """Return what models are given as parameters and keep."""
    numbers = np.random.default_rng(0).random((20, 3))
    values: dict[str, Any] = {f"scorer {name}": get_scorer(name) for name in get_scorer_names()}
    for kind in ("kd_tree", "ball_tree"):
        tree = KDTree if kind == "kd_tree" else BallTree
        for metric in tree.valid_metrics:
            if metric not in {"mahalanobis", "seuclidean", "pyfunc", "minkowski", "p", "haversine"}:
                values[f"{kind} {metric}"] = tree(numbers, metric=metric)
    for metric in ("euclidean", "minkowski", "hamming", "haversine"):
        for dtype in (np.float32, np.float64):
            values[f"metric {metric} {dtype.__name__}"] = DistanceMetric.get_metric(metric, dtype)
    values["metric of a function"] = DistanceMetric.get_metric("pyfunc", func=np.dot)
    for format_ in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil"):
        for kind in ("array", "matrix"):
            make = getattr(sp, f"{format_}_{kind}")
            values[f"{format_} {kind}"] = make(sp.csr_matrix(np.eye(3)))
    for generator in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        values[generator] = np.random.Generator(getattr(np.random, generator)(1))
    for code in "?bBhHiIlLqQefdgFDGSUVMmO":
        values[f"array {code}"] = np.zeros(2, dtype=f"{code}8[s]" if code in "Mm" else code)
    values |= _tables()
    return values | {
        "random state": np.random.RandomState(1),
        "seed": np.random.SeedSequence(1),
        "records": np.zeros(2, dtype=[("a", "f8"), ("b", "U3")]),
        "masked": np.ma.masked_array([1.0, 2.0], [True, False]),
        "masked constant": np.ma.masked,
        "matrix": np.array([[1.0]]).view(np.matrix),
        "columns": np.asfortranarray(numbers),
        "scalars": [np.float32(1), np.int8(1), np.bool_(True), np.datetime64("2020-01-01")],
        "types": [np.float64, np.int32, np.bool_, float, int, str, bool, object, np.number],
        "dtypes": [np.dtypes.Float64DType, np.dtype("f4"), np.dtype(">i2")],
        "functions": [np.exp, np.log1p, np.mean, np.clip, np.linalg.norm, operator.add, len],
        "kernels": [
            kernels.ConstantKernel() * kernels.RBF() + kernels.WhiteKernel(),
            kernels.Matern() ** 2,
            kernels.CompoundKernel([kernels.DotProduct()]),
            [kernels.ExpSineSquared(), kernels.RationalQuadratic(), kernels.PairwiseKernel()],
        ],
        "splitters": [
            getattr(selection, name)()
            for name in [
                "GroupKFold",
                "GroupShuffleSplit",
                "KFold",
                "LeaveOneGroupOut",
                "LeaveOneOut",
                "RepeatedKFold",
                "RepeatedStratifiedKFold",
                "ShuffleSplit",
                "StratifiedGroupKFold",
                "StratifiedKFold",
                "StratifiedShuffleSplit",
                "TimeSeriesSplit",
            ]
        ],
        "other splitters": [selection.PredefinedSplit([0, 1]), selection.LeavePOut(2)],
        "bunch": Bunch(a=1),
        "containers": [
            collections.OrderedDict(a=1),
            collections.Counter("aab"),
            collections.defaultdict(list, a=[1]),
            collections.deque([1], 3),
            {1, 2},
            frozenset({1}),
            bytearray(b"a"),
        ],
        "constants": [1j, slice(1), range(3), ..., b"\xff", decimal.Decimal("1.5")],
        "more constants": [fractions.Fraction(1, 2), uuid.UUID(int=7), pathlib.PurePosixPath("a")],
        "times": [
            datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
            datetime.date(2020, 1, 1),
            datetime.timedelta(1),
            datetime.time(1),
        ],
        "callables": [functools.partial(np.clip, a_min=0.0), operator.itemgetter(0, 1)],
    }


def _tables() -> dict[str, Any]:
    """Return what pandas gives models to keep."""
    days = pd.date_range("2020", periods=2, tz="UTC")
    return {
        "frame": pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": pd.Categorical(["u", "v"])}),
        "series": pd.Series([1.5, None], index=["a", "b"], name="s"),
        "indexes": [
            pd.Index([1, 2]),
            pd.Index(["a"]),
            pd.RangeIndex(3),
            pd.CategoricalIndex(["a"]),
        ],
        "more indexes": [
            pd.MultiIndex.from_product([[1, 2], ["a"]]),
            days,
            pd.to_timedelta([1, 2]),
            pd.period_range("2020", periods=2, freq="D"),
            pd.interval_range(0, 2),
        ],
        "arrays": [
            pd.array([1, None]),
            pd.array([True, None]),
            pd.array([1.5, None]),
            pd.array(["a", None], dtype="string[python]"),
            pd.arrays.SparseArray([0, 1]),
            pd.arrays.IntervalArray.from_breaks([0, 1]),
            pd.arrays.NumpyExtensionArray(np.arange(2)),
            pd.Series(days).array,
        ],
        "pandas dtypes": [
            pd.Int64Dtype(),
            pd.StringDtype("python"),
            pd.DatetimeTZDtype("ns", "UTC"),
            pd.PeriodDtype("D"),
            pd.IntervalDtype("int64"),
            pd.SparseDtype(float),
            pd.CategoricalDtype(["a"]),
        ],
        "dates": [pd.Timestamp("2020"), pd.Timedelta(1), pd.NaT, pd.NA, pd.Period("2020")],
        "frequencies": [pd.offsets.MonthEnd(), pd.offsets.BDay(), pd.Interval(0, 1)],
    }


VALUES = _values()


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_models_keep_holds_listed_names_only(name: str, protocol: int) -> None:
    assert _unlisted(VALUES[name], protocol) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sklearn.linear_model.logistic.LogisticRegression", "sklearn.linear_model._logistic"),
        ("sklearn.ensemble.forest.RandomForestClassifier", "sklearn.ensemble._forest"),
        ("sklearn.tree.tree.DecisionTreeClassifier", "sklearn.tree._classes"),
        ("sklearn.preprocessing.data.StandardScaler", "sklearn.preprocessing._data"),
        ("sklearn.svm.classes.SVC", "sklearn.svm._classes"),
        ("sklearn.neighbors.kd_tree.newObj", "sklearn.neighbors._kd_tree"),
        ("sklearn.neighbors.dist_metrics.newObj", "sklearn.metrics._dist_metrics"),
        ("sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper", "joblib.numpy_pickle"),
        ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray"),
        ("scipy.sparse.csr.csr_matrix", "scipy.sparse._csr"),
        ("pandas.core.frame.DataFrame", "pandas"),
    ],
)
def test_an_old_name_is_found_where_it_is_today(old: str, new: str) -> None:
    module, _, name = old.rpartition(".")
    assert ALLOWLIST.resolve(module, name) == (new, name)
    assert ALLOWLIST.find((new, name))


def test_a_metric_of_old_files_is_the_one_of_float64() -> None:
    today = ("sklearn.metrics._dist_metrics", "EuclideanDistance64")
    assert ALLOWLIST.resolve("sklearn.neighbors._dist_metrics", "EuclideanDistance") == today
    assert ALLOWLIST.find(today) == Grant(frozenset({"new", "build"}))


def _lightgbm() -> object:
    lightgbm = pytest.importorskip("lightgbm")
    return lightgbm.LGBMClassifier(n_estimators=2, verbose=-1)


def _xgboost() -> object:
    return pytest.importorskip("xgboost").XGBClassifier(n_estimators=2)


def _catboost() -> object:
    catboost = pytest.importorskip("catboost")
    return catboost.CatBoostClassifier(iterations=2, verbose=0, allow_writing_files=False)


def _imblearn() -> object:
    ensemble = pytest.importorskip("imblearn.ensemble")
    return ensemble.BalancedBaggingClassifier(n_estimators=2)


def _category_encoders() -> object:
    return pytest.importorskip("category_encoders").TargetEncoder(cols=["colour"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [_lightgbm, _xgboost, _catboost, _imblearn, _category_encoders])
def test_models_of_other_libraries_need_no_trust(make: Any) -> None:
    table = pd.DataFrame({"colour": ["red", "blue"] * 20, "size": np.arange(40.0)})
    model = make()
    model.fit(table if make is _category_encoders else table[["size"]], np.arange(40) % 4 // 3)
    assert _unlisted(model, 5) == []
