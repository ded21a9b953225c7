# SPDX-License-Identifier: BSD-3-Clause
"""Altered native state is refused; without validation the same objects end the process."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import safeserial as ss
from safeserial.errors import InvalidStateError, PolicyError
from safeserial.validators import validate
from tests.validators.altered import ATTACKS, CRASHES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.filterwarnings("ignore")
def test_altered_state_is_refused(name: str) -> None:
    model = ATTACKS[name]()
    with pytest.raises(InvalidStateError) as caught:
        validate(model)
    assert "." in str(caught.value).partition(": ")[0]  # it names the class
    assert caught.value.hint


@pytest.mark.parametrize("name", CRASHES)
def test_no_load_returns_altered_state(name: str, tmp_path: Path) -> None:
    model = ATTACKS[name]()
    ring = ss.Keyring([ss.HmacKey.generate()])
    for form in ("pickle", "joblib"):
        with pytest.raises(PolicyError):  # whoever signed it: the state would still be wild
            ss.loads(ss.dumps(model, keyring=ring, format=form), keyring=ring)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    with pytest.raises(PolicyError):
        ss.load_unsigned(path)


@pytest.mark.parametrize("name", CRASHES)
def test_without_validation_it_ends_the_process(name: str) -> None:
    code = (
        "import resource, sys, warnings, numpy, scipy.sparse;"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0));"
        "warnings.simplefilter('ignore');"
        "rows = numpy.random.default_rng(0).normal(size=(99, 5));"
        "from tests.validators.altered import ATTACKS;"
        f"model = ATTACKS[{name!r}](); {CRASHES[name]}"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment, check=False, timeout=120
    )
    assert run.returncode < 0, run.stderr.decode()[-400:]  # by a signal, not by an exception
