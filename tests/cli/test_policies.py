# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial policy``: a proposal admits what it was learned from, and imports nothing of it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import safeserial as ss
from safeserial.artifact import learning, sources
from safeserial.artifact.learning import danger_of, learn
from safeserial.errors import NotAnArtifactError, UntrustedTypesError

STEPS = '''
"""Steps of a pipeline; whoever imports this leaves a mark."""
import pathlib

from sklearn.base import BaseEstimator, TransformerMixin

pathlib.Path("imported").touch()


class Doubler(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X * 2


class Slotted:
    __slots__ = ("a",)

    def __init__(self):
        self.a = 1


class Called:
    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        return Called, (self.number,)


class Runs(dict):
    def __setstate__(self, state):
        exec("1")

    def __getstate__(self):
        return {"a": 1}


def halve(X):
    return X / 2
'''


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a module of one's own, importable in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("ownsteps.py").write_text(STEPS)
    import ownsteps

    yield ownsteps
    del sys.modules["ownsteps"]


@pytest.fixture
def model(steps: Any) -> Any:
    """Return a pipeline and some objects that need every role."""
    pipe = make_pipeline(
        StandardScaler(), steps.Doubler(), FunctionTransformer(steps.halve), LogisticRegression()
    )
    pipe.fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    return {"pipe": pipe, "more": [steps.Slotted(), steps.Called(3), steps.Runs()]}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, where nothing has been imported yet."""
    return subprocess.run(
        [sys.executable, "-m", "safeserial", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(ss.__file__).parents[1]), "NO_COLOR": "1"},
        check=False,
    )


@pytest.mark.parametrize("protocol", range(1, 6))
def test_a_proposal_admits_what_it_was_learned_from(model: Any, protocol: int) -> None:
    if protocol == 1:
        del model["more"]  # copyreg refuses slots there
    Path("model.pkl").write_bytes(pickle.dumps(model, protocol))
    with pytest.raises(UntrustedTypesError):
        ss.load_unsigned("model.pkl")
    Path("policy.toml").write_text(learn(["model.pkl"]).to_toml())
    again = ss.load_unsigned("model.pkl", policy=ss.Policy.from_file("policy.toml"))
    assert again["pipe"].predict([[0.5], [2.5]]).tolist() == [0, 1]


def test_a_proposal_has_the_roles_that_are_used_and_no_others(model: Any) -> None:
    joblib.dump(model, "model.joblib", compress=3)
    lesson = learn(["model.joblib"])
    assert lesson.problems == ()
    roles = {one.name[1]: " ".join(sorted(one.grant.roles)) for one in lesson.proposals}
    assert roles == {
        "Called": "call",
        "Doubler": "build new",
        "Runs": "build new",
        "Slotted": "build new",
        "halve": "reference",
    }
    text = lesson.to_toml()
    assert "# a class of TransformerMixin, BaseEstimator; __setstate__ of sklearn.base" in text
    assert "__setstate__ of ownsteps.Runs runs, which uses exec" in text
    assert "# may be called with what the file says" in text


def test_signed_artifacts_are_learned_from(model: Any) -> None:
    ring = ss.Keyring([ss.HmacKey.generate()])
    ss.dump(model["pipe"], "model.safeserial", keyring=ring)
    Path("policy.toml").write_text(learn(["model.safeserial"]).to_toml())
    ss.load("model.safeserial", keyring=ring, policy=ss.Policy.from_file("policy.toml"))


def test_what_is_listed_already_is_not_proposed(model: Any) -> None:
    Path("model.pkl").write_bytes(pickle.dumps(model))
    Path("policy.toml").write_text(learn(["model.pkl"]).to_toml())
    known = ss.Policy.from_file("policy.toml")
    assert learn(["model.pkl"], policy=known).proposals == ()
    Path("listed.pkl").write_bytes(pickle.dumps(LogisticRegression()))
    assert "lists all names already" in learn(["listed.pkl"]).to_toml()


def test_the_command_imports_and_runs_nothing(model: Any) -> None:
    Path("model.pkl").write_bytes(pickle.dumps(model))
    Path("imported").unlink()
    done = run("policy", "learn", "model.pkl", "-o", "policy.toml")
    assert (done.returncode, done.stdout) == (0, "")
    assert "proposed 5 names in policy.toml" in done.stderr
    assert not Path("imported").exists()
    ss.load_unsigned("model.pkl", policy=ss.Policy.from_file("policy.toml"))

    written = Path("policy.toml").read_text()
    again = run("policy", "learn", "model.pkl", "-o", "policy.toml")
    assert again.returncode == 2
    assert "--force" in again.stderr
    Path("policy.toml").write_text("")
    assert run("policy", "learn", "model.pkl", "-o", "policy.toml", "--force").returncode == 0
    assert Path("policy.toml").read_text() == written


HOSTILE = b"cos\nsystem\n(S'touch pwned'\ntR."


def test_what_does_harm_is_never_proposed(model: Any) -> None:
    Path("model.pkl").write_bytes(pickle.dumps(model))
    Path("hostile.pkl").write_bytes(HOSTILE)
    alone = run("policy", "learn", "hostile.pkl", "-o", "policy.toml")
    assert alone.returncode == 1
    assert "DANGER: os.system runs commands" in alone.stderr
    assert not Path("policy.toml").exists()

    both = run("policy", "learn", "hostile.pkl", "model.pkl")
    assert both.returncode == 1
    assert "# DANGER, not proposed: os.system" in both.stdout
    Path("policy.toml").write_text(both.stdout)
    policy = ss.Policy.from_file("policy.toml")
    assert policy.allowlist.find(("os", "system")) is None
    ss.load_unsigned("model.pkl", policy=policy)
    with pytest.raises(UntrustedTypesError):
        ss.load_unsigned("hostile.pkl", policy=policy)
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    "dotted",
    [
        "builtins.eval", "cloudpickle.cloudpickle._make_function", "joblib.memory.Memory",
        "nt.system", "numpy.f2py.crackfortran.myeval", "os.system", "pandas.read_pickle",
        "posix.system", "scipy.stats._distn_infrastructure.rv_generic", "subprocess.Popen",
        "operator.attrgetter", "skrub.SkrubLearner", "types.CodeType",
    ],
)  # fmt: skip
def test_known_dangers_are_known(dotted: str) -> None:
    module, _, qualname = dotted.rpartition(".")
    assert danger_of((module, qualname))


def test_names_of_libraries_and_scripts_are_no_dangers() -> None:
    assert not danger_of(("mycompany.steps", "Cleaner"))
    assert not danger_of(("__main__", "Cleaner"))
    assert not danger_of(("joblib_tools.memory", "Cleaner"))


def test_what_no_list_of_names_admits_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "twice.pkl"
    path.write_bytes(b"\x80\x02cown\nThing\n)\x81}b}b.")
    lesson = learn([path])
    assert [type(problem).__name__ for _, problem in lesson.problems] == ["ForbiddenOperationError"]
    assert run("policy", "learn", str(path)).returncode == 1


def test_what_is_no_model_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "text.pkl"
    path.write_bytes(b"\x93NUMPY" + bytes(80))
    with pytest.raises(NotAnArtifactError):
        learn([path])
    assert run("policy", "learn", str(path)).returncode == 2


def test_a_name_cannot_break_out_of_the_proposal(tmp_path: Path) -> None:
    path = tmp_path / 'a"\n[limits]\nopcodes = 1 #.pkl'
    path.write_bytes(b"\x80\x02c_a.b\nC__\n)\x81.")
    (tmp_path / "policy.toml").write_text(learn([path]).to_toml())
    policy = ss.Policy.from_file(tmp_path / "policy.toml")
    assert policy.limits == ss.Policy.default().limits
    assert policy.allowlist.find(("_a.b", "C__")) is not None


@pytest.mark.parametrize("module", ["..etc", "a/b", "a..b", "", "é" * 400, "x" * 5000, "a.b" * 900])
def test_a_module_that_is_none_is_unknown(module: str) -> None:
    assert sources.describe((module, "X")).kind == "unknown"


def test_sources_that_cannot_be_parsed_are_unknown(tmp_path: Path) -> None:
    texts = {"deep": "(" * 9000, "nul": "\0", "wrong": "def :", "minus": "-" * 90_000 + "1"}
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
        assert sources.describe((name, "X"), [str(tmp_path)]).kind in {"unknown", "value"}


def test_classes_that_derive_from_each_other_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "ring.py").write_text(
        "from ring import B as A\nfrom ring import A as B\n"
        "class C(D): pass\nclass D(C):\n    def __del__(self): import os\n"
    )
    assert sources.describe(("ring", "A"), [str(tmp_path)]).kind == "value"
    found = sources.describe(("ring", "C"), [str(tmp_path)])
    assert [(hook.name, hook.owner, hook.reaches) for hook in found.hooks] == [
        ("__del__", "ring.D", ("os",))
    ]


def test_a_compiled_class_is_said_to_be_one() -> None:
    assert sources.describe(("sklearn.tree._tree", "Tree")).kind == "compiled"


def test_show_tells_what_a_file_adds(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        'environment = "refuse"\n[limits]\nopcodes = 7\n[globals."own"]\nThing = "new build"\n'
    )
    shown = json.loads(run("policy", "show", "--json", str(path)).stdout)
    assert shown == {
        "environment": "refuse",
        "formats": ["pickle", "joblib", "skops", "onnx"],
        "limits": {"opcodes": 7},
        "signers": [
            {
                "names": ["*"],
                "roles": [],
                "threshold": 1,
                "formats": None,
                "max_age_days": None,
                "min_version": None,
            }
        ],
        "globals": [{"module": "own", "qualname": "Thing", "roles": ["build", "new"], "rule": ""}],
    }
    text = run("policy", "show", str(path)).stdout
    assert "own.Thing" in text
    assert "refuse" in text
    assert "*: 1 signature\n" in text


def test_show_says_whose_signatures_a_policy_asks_for(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        '[[signers]]\nnames = ["fraud-*"]\nroles = ["trainer", "approver"]\n'
        'formats = ["onnx"]\nmax_age_days = 30\nmin_version = "2.0"\n'
    )
    text = run("policy", "show", str(path)).stdout
    asked = "fraud-*: 2 principals; as trainer, approver; format onnx; at most 30 days old; "
    assert f"{asked}version 2.0 or later\n" in text


@pytest.mark.parametrize(
    ("entry", "code", "said"),
    [
        ('[globals."own"]\nThing = "new build"', 0, ""),
        ('[globals."os"]\nsystem = "call"', 1, "os.system: runs commands"),
        ('[globals."own"]\nThing = { roles = "call", rule = "any" }', 1, "no rule 'any'"),
        ('[globals."own"]\nThing = "everything"', 2, ""),
    ],
)
def test_check_finds_what_should_not_be_listed(
    tmp_path: Path, entry: str, code: int, said: str
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(entry)
    done = run("policy", "check", str(path))
    assert done.returncode == code
    assert said in done.stdout
    if code < 2:
        found = json.loads(run("policy", "check", "--json", str(path)).stdout)["problems"]
        assert bool(found) == bool(code)


def test_learn_prints_json_when_asked(model: Any) -> None:
    Path("model.pkl").write_bytes(pickle.dumps(model))
    said = json.loads(run("policy", "learn", "--json", "model.pkl").stdout)
    assert [one["qualname"] for one in said["proposals"]] == [
        "Called", "Doubler", "Runs", "Slotted", "halve",
    ]  # fmt: skip
    assert said["problems"] == []


def test_rounds_of_learning_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    survey = learning.survey
    monkeypatch.setattr(learning, "survey", lambda *a: calls.append(1) or survey(*a))
    path = tmp_path / "many.pkl"
    body = b"".join(b"cown\nThing%d\n)\x81}b0" % n for n in range(300))
    path.write_bytes(b"\x80\x02" + body + b"N.")
    learn([path])
    assert len(calls) <= 25
