# SPDX-License-Identifier: BSD-3-Clause
"""Traces change nothing but the time: every stream is judged as it is opcode by opcode.

Streams of many like objects, honest and altered, are verified twice, with traces and without.  The
same names, roles, arrays and opcodes must come out, or the same error at the same offset.
"""

from __future__ import annotations

import functools
import io
import pickle
import pickletools
import random
import re
import zipfile
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

import safeserial as ss
from safeserial.errors import ForbiddenOperationError, LimitExceededError
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.verifier import admit
from safeserial.verifier.traces import Trace
from tests.verifier.twice import judge, same
from tests.world import EFFORT, RING

POLICY = Policy.default()
X, Y = make_classification(120, 6, n_classes=3, n_informative=4, random_state=0)


def _missing() -> HistGradientBoostingClassifier:
    table = X.copy()
    table[::3, 0] = np.nan
    table[:, 1] = np.arange(len(table)) % 5
    return HistGradientBoostingClassifier(max_iter=4, categorical_features=[1]).fit(table, Y)


MODELS = {
    "forest": lambda: RandomForestClassifier(12, max_depth=3, random_state=0).fit(X, Y),
    "regressor": lambda: RandomForestRegressor(8, max_depth=3).fit(X, X[:, :2]),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=5, max_depth=2).fit(X, Y),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=4).fit(X, Y),
    "missing": _missing,
    "bagging": lambda: BaggingClassifier(LogisticRegression(), 8).fit(X, Y),
    "rest": lambda: OneVsRestClassifier(LogisticRegression()).fit(X, np.arange(len(Y)) % 7),
}
WRITERS = ("2", "3", "4", "5", "joblib", "artifact", "joblib artifact")


@functools.cache
def model(name: str) -> Any:
    return MODELS[name]()


def write(made: Any, how: str) -> tuple[str, dict[str, bytes]]:
    """Return the format of a payload and its members."""
    if how.isdigit():
        return "joblib", {"payload/model.joblib": pickle.dumps(made, int(how))}
    if how == "joblib":
        buffer = io.BytesIO()
        joblib.dump(made, buffer)
        return "joblib", {"payload/model.joblib": buffer.getvalue()}
    format = "pickle" if how == "artifact" else "joblib"
    data = ss.dumps(made, keyring=RING, format=format)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if name.startswith("payload/")]
        return format, {name: archive.read(name) for name in names}


@functools.cache
def written(name: str, how: str) -> tuple[str, dict[str, bytes]]:
    return write(model(name), how)


class Counter:
    """Counts the objects that were verified by a trace."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hits = self.misses = 0
        replay = Trace.replay

        def counted(trace: Trace, *arguments: Any) -> int:
            end = replay(trace, *arguments)
            self.hits += bool(end)
            self.misses += not end
            return end

        monkeypatch.setattr(Trace, "replay", counted)


@pytest.mark.parametrize("how", WRITERS)
@pytest.mark.parametrize("name", MODELS)
def test_like_objects_are_traced_and_judged_the_same(name, how, monkeypatch):
    count = Counter(monkeypatch)
    same(*written(name, how))
    # The first object names what the others refer to; two more are compared.
    assert count.hits >= (1 if name in ("rest", "bagging") else 4), (count.hits, count.misses)


def test_a_large_forest_is_nearly_all_traced_across_frames(monkeypatch):
    count = Counter(monkeypatch)
    forest = RandomForestClassifier(150, max_depth=6, random_state=0).fit(X, Y)
    for how in ("4", "5", "artifact", "joblib"):
        before = count.hits
        format, members = write(forest, how)
        views = {name: memoryview(data) for name, data in members.items()}
        admit(Payload(format, {}, views, signed=False), POLICY)
        assert count.hits - before >= 145, how
    assert sum(map(len, members.values())) > 2**17  # several frames


@pytest.mark.parametrize("how", WRITERS)
@pytest.mark.parametrize("name", ["forest", "histogram", "boosting"])
def test_altered_streams_are_judged_the_same(name, how):
    format, members = written(name, how)
    stream = max((one for one in members if "index" not in one and "buffers" not in one), key=len)
    seed = random.Random(f"{name} {how}")
    outcomes = {True: 0, False: 0}
    for _ in range(12 * EFFORT):
        data = bytearray(members[stream])
        for _ in range(seed.choice((1, 1, 1, 2))):
            alter(data, seed)
        found = same(format, {**members, stream: bytes(data)})
        outcomes[isinstance(found[0][0], bytes)] += 1
    assert outcomes[False]


def alter(data: bytearray, seed: random.Random) -> None:
    """Change something, rather in the later objects than in the first."""
    at = (
        seed.randrange(len(data) // 2, len(data))
        if seed.random() < 0.8
        else seed.randrange(len(data))
    )
    kind = seed.randrange(8)
    if kind <= 2:
        data[at] = seed.randrange(256)
    elif kind == 3:
        data[at] ^= 1 << seed.randrange(8)
    elif kind == 4:
        del data[at : at + seed.choice((1, 2, 9))]
    elif kind == 5:
        data[at:at] = seed.choice(
            [b"N", b"h\x05", b"K\x01", b"\x94", b"0", b"\x95" + bytes(8), b")"]
        )
    elif kind == 6:
        # Another entry of the memo, or another number, where one is asked for.
        places = [i for i in range(at, min(at + 4000, len(data) - 1)) if data[i] in b"hKq"]
        if places:
            data[seed.choice(places) + 1] = seed.randrange(256)
    else:
        other = seed.randrange(len(data))
        size = seed.choice((1, 2, 5, 20))
        data[at : at + size] = data[other : other + size]


@pytest.mark.parametrize("name", ["forest", "histogram"])
@pytest.mark.parametrize("how", ["5", "joblib", "artifact"])
def test_limits_stop_traced_streams_as_well(name, how):
    format, members = written(name, how)
    for limit in ("opcodes", "memo_entries", "nesting", "stack_depth"):
        for value in (1, 3, 50, 200):
            policy = POLICY.with_limits(**{limit: value})
            outcomes = []
            for traced in (True, False):
                found = judge(format, members, traced=traced, policy=policy)
                outcomes.append(found[0][0])
            # What is counted for an object by a trace may be one opcode or the other apart.
            assert outcomes[0] == outcomes[1] or limit == "opcodes", (limit, value, outcomes)
            if value == 1 and limit in ("opcodes", "memo_entries"):
                assert outcomes[0] is LimitExceededError


def test_a_state_that_is_asked_for_again_is_followed_opcode_by_opcode(monkeypatch):
    """No pickler takes the dict of one object for that of another; a file may."""
    count = Counter(monkeypatch)

    made = [LogisticRegression(C=float(i)) for i in range(8)]
    stream = pickle.dumps(made, 5)
    # Behind the last object: GET of the memo entry of its state, which a trace does not keep.
    memo, entries = 0, []
    for opcode, _, _ in pickletools.genops(stream):
        if opcode.name == "MEMOIZE":
            entries.append(memo)
            memo += 1
    end = stream.rindex(b"e.")
    for index in entries[-4:]:
        altered = stream[:end] + bytes([0x68, index]) + stream[end:]
        altered = altered.replace(stream[2:11], b"", 1) if stream[2] == 0x95 else altered
        found = same("pickle", {"payload/model.pickle": altered})
        assert isinstance(found[0][0], bytes)
    assert count.hits


def test_another_entry_in_the_memo_ends_what_was_learnt(monkeypatch):
    """PUT over an entry that traces refer to: the class of the later objects is another."""
    made = [LogisticRegression(C=float(i)) for i in range(8)]
    stream = pickle.dumps(made, 2)
    *_, last = re.finditer(rb"h(.)\)\x81", stream)  # the class of the last object, by its entry
    begin = last.start()
    hostile = stream[:begin] + b"cos\nsystem\nq" + last[1] + b"0" + stream[begin:]
    found = same("joblib", {"payload/model.joblib": hostile})
    assert not isinstance(found[0][0], bytes)


def test_an_object_that_fits_the_trace_and_is_wrong_is_refused_where_it_is_wrong():
    """One tree of many has a shape that its bytes do not fill: the very opcode is named."""
    format, members = written("forest", "4")
    ((name, data),) = members.items()
    places = []
    for opcode, argument, position in pickletools.genops(data):
        if opcode.name in ("SHORT_BINBYTES", "BINBYTES") and len(argument) > 100:
            places.append(position)
    at = data.rindex(b"K", 0, places[-1])
    altered = bytearray(data)
    altered[at + 1] += 1
    found = same(format, {name: bytes(altered)})
    assert found[0][0] is ForbiddenOperationError
    assert places[-1] < found[0][3] < places[-1] + 6000
