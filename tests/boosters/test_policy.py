# SPDX-License-Identifier: BSD-3-Clause
"""Who may hand boosters to native parsers: policies, signatures, codecs by themselves."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import safeserial as ss
from tests.boosters.conftest import TARGET, X

lgb = pytest.importorskip("lightgbm")


@pytest.fixture(scope="module")
def model():
    return lgb.LGBMRegressor(n_estimators=2, num_leaves=4, verbose=-1, n_jobs=1).fit(X, TARGET)


@pytest.fixture
def path(model, tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    return tmp_path / "model.pkl"


def test_policy_forbids_boosters(path, model, tmp_path):
    (tmp_path / "policy.toml").write_text('native_parsers = "forbid"\n')
    policy = ss.Policy.from_file(tmp_path / "policy.toml")
    with pytest.raises(ss.errors.ForbiddenOperationError, match="native parser"):
        ss.load_unsigned(path, policy=policy)
    ring = ss.Keyring([ss.HmacKey.generate()])
    with pytest.raises(ss.errors.ForbiddenOperationError, match="native parser"):
        ss.loads(ss.dumps(model, keyring=ring), keyring=ring, policy=policy)


def test_rule_is_one_of_two():
    with pytest.raises(ss.errors.PolicyError):
        ss.Policy.default().with_native_parsers("trust")


def test_signed_artifact_is_not_looked_at(model, monkeypatch):
    from safeserial.validators import boosters

    ring = ss.Keyring([ss.HmacKey.generate()])
    data = ss.dumps(model, keyring=ring)
    monkeypatch.setattr(boosters, "check_boosters", lambda found: pytest.fail("was looked at"))
    np.testing.assert_array_equal(ss.loads(data, keyring=ring).predict(X), model.predict(X))


def test_naming_a_booster_as_trusted_does_not_spare_the_check(path):
    data = path.read_bytes().replace(b"left_child=1", b"left_child=9", 1)
    path.write_bytes(data)
    with pytest.raises(ss.errors.InvalidStateError):
        ss.load_unsigned(path, trusted=["lightgbm.basic.Booster", "lightgbm.Booster"])


def test_codec_alone_builds_no_booster(path):
    from safeserial import codecs
    from safeserial.payload import Payload
    from safeserial.verifier import admit

    payload = Payload("joblib", {}, {"payload/model.joblib": memoryview(path.read_bytes())}, False)
    admitted = admit(payload, ss.Policy.default())
    with pytest.raises(ss.errors.ForbiddenOperationError):
        codecs.get("joblib").decode(admitted)
