# SPDX-License-Identifier: BSD-3-Clause
"""Files of elder libraries load and say what they said there, or are refused for their version.

``tests/golden/elder/make.py`` wrote them, each year in an environment of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import safeserial as ss

pytestmark = pytest.mark.filterwarnings("ignore")
ELDER = Path(__file__).parent / "elder"
FILES = sorted(ELDER.glob("sklearn-*/*.pkl"))
ROWS = np.array(json.loads((ELDER / "rows.json").read_text()))
BOOSTING = ("boosting", "boosting3", "boosted")
# What scikit-learn itself does not read any more: nodes of trees before 1.3, losses before 1.4.
GIVEN_UP = {
    *(f"sklearn-1.2.2/{name}" for name in ("forest", *BOOSTING)),
    *(f"sklearn-1.3.2/{name}" for name in BOOSTING),
}
# Loads, but scikit-learn has added attributes since, without which it cannot be asked.
MUTE = {
    *(f"sklearn-1.{n}/{name}" for n in ("2.2", "3.2") for name in ("histogram", "quantile")),
    *(f"sklearn-1.{n}/spline" for n in ("2.2", "3.2", "5.2", "7.2")),
}


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def said_then(path: Path) -> Any:
    return json.loads((path.parent / "said.json").read_text())[path.stem]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_an_elder_file_says_what_it_said(path: Path) -> None:
    if name_of(path) in GIVEN_UP:
        version = path.parent.name.removeprefix("sklearn-")
        with pytest.raises(ss.errors.PolicyError, match=f"scikit-learn {version}") as caught:
            ss.load_unsigned(path)
        assert f"scikit-learn=={version}" in caught.value.hint
        assert not isinstance(caught.value, ss.errors.UntrustedTypesError)
        return
    loaded, then = ss.load_unsigned(path), said_then(path)
    if isinstance(then, str):
        assert _plain(repr(loaded)) == _plain(then)
    elif name_of(path) in MUTE:
        assert loaded.n_features_in_ == 2
    else:
        ask = loaded.transform if path.stem == "spline" else loaded.predict
        assert np.allclose(ask(ROWS), then, rtol=1e-9)


def _plain(text: str) -> str:
    """Leave out how wide columns are printed, and what dtypes and indexes are called."""
    for old, new in (("Int64Index", "Index"), ("Float64Index", "Index"), ("period[D]", "")):
        text = text.replace(old, new)
    return "".join(text.split())


def test_an_elder_file_can_be_signed_and_loaded_again(tmp_path: Path) -> None:
    ring = ss.Keyring([ss.HmacKey.generate()])
    for path in FILES:
        if name_of(path) not in GIVEN_UP and path.parent.name < "sklearn-1.4":
            ss.dump(ss.load_unsigned(path), tmp_path / "new.safeserial", keyring=ring)
            ss.load(tmp_path / "new.safeserial", keyring=ring)


def test_files_of_five_years_are_there() -> None:
    assert len({path.parent for path in FILES}) == 5
    assert {name_of(path) for path in FILES} >= GIVEN_UP


def test_a_spline_of_an_elder_scipy_can_be_asked() -> None:
    (one, _) = ss.load_unsigned(ELDER / "sklearn-1.2.2" / "spline.pkl").bsplines_
    assert np.allclose(one(np.array([0.3, 0.6])).sum(axis=1), 1)


def test_a_search_without_scoring_can_be_scored_again() -> None:
    search = ss.load_unsigned(ELDER / "sklearn-1.2.2" / "search.pkl")
    wanted = search.best_estimator_.score(ROWS, search.predict(ROWS))
    assert search.score(ROWS, search.predict(ROWS)) == wanted == 1
