# SPDX-License-Identifier: BSD-3-Clause
"""Versions: recorded when a model is saved, compared when it is loaded."""

from __future__ import annotations

import platform
import warnings

import numpy as np
import pytest

import safeserial as ss
from safeserial import environment, errors
from safeserial.manifest import Environment
from tests import world


def recorded(**changes) -> Environment:
    now = environment.capture([])
    fields = {
        "python": now.python,
        "implementation": "x",
        "platform": "y",
        "packages": now.packages,
    }
    return Environment(**{**fields, **changes})


def test_what_every_model_depends_on_is_recorded():
    found = environment.capture([])
    assert found.python == platform.python_version()
    assert found.packages["numpy"] == np.__version__
    assert {"numpy", "scikit-learn", "scipy", "joblib"} <= set(found.packages)


def test_packages_are_found_by_their_modules():
    found = environment.capture(
        ["hypothesis.core", "os.path", "__main__", "no_such_thing", "sklearn.svm"]
    )
    assert "hypothesis" in found.packages
    assert not {"os", "__main__", "no_such_thing", "sklearn"} & set(found.packages)


@pytest.mark.parametrize(
    "name", ["os", "__main__", "builtins", "no_such_thing", "", "../x", "\x00"]
)
def test_what_belongs_to_no_distribution(name):
    assert environment.distribution(name) is None


def test_the_same_versions_are_no_difference():
    assert environment.differences(recorded()) == []


def test_differences_are_told():
    found = environment.differences(
        recorded(
            python="3.99.1",
            packages={"numpy": "0.1", "no-such-thing": "1", "safeserial-toolkit": "0"},
        )
    )
    assert ("Python", "3.99.1", platform.python_version()) in found
    assert ("numpy", "0.1", np.__version__) in found
    assert ("no-such-thing", "1", "") in found
    assert len(found) == 3


def test_a_patch_release_of_python_is_the_same():
    major, minor, _ = platform.python_version_tuple()
    assert environment.differences(recorded(python=f"{major}.{minor}.99")) == []


def test_the_policy_decides(recwarn):
    other = recorded(packages={"numpy": "0.1"})
    environment.check(other, "ignore")
    environment.check(recorded(), "refuse")
    assert not recwarn.list
    with pytest.warns(errors.EnvironmentMismatchWarning, match=r"numpy 0\.1"):
        environment.check(other, "warn")
    with pytest.raises(errors.EnvironmentMismatchError) as caught:
        environment.check(other, "refuse")
    assert caught.value.differences == (("numpy", "0.1", np.__version__),)


def test_loading_warns_where_the_caller_stands(tmp_path):
    parts = world.Parts.of(world.artifact())
    parts.manifest["environment"]["packages"]["numpy"] = "0.1"
    data = parts.signed()
    path = tmp_path / "f"
    path.write_bytes(data)
    for action in (
        lambda: ss.loads(data, keyring=world.RING),
        lambda: ss.load(path, keyring=world.RING),
    ):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            assert action() == world.MODEL
        assert [one.category for one in seen] == [errors.EnvironmentMismatchWarning]
        assert seen[0].filename == __file__
    strict = ss.Policy.default().with_environment("refuse")
    with pytest.raises(errors.EnvironmentMismatchError):
        ss.loads(data, keyring=world.RING, policy=strict)
    assert ss.loads(data, keyring=world.RING, policy=world.CALM) == world.MODEL


def test_requirements_are_lines_for_pip():
    lines = environment.requirements(recorded(packages={"b": "2", "a": "1"}))
    assert lines == ["a==1", "b==2"]
