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
import tracemalloc
import zipfile
from typing import Any, ClassVar

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
from safeserial.policy import Policy
from safeserial.verifier.traces import Trace
from tests.verifier import streams
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
    # The first object names what the others refer to; two more are compared.  Protocol 2 has no
    # bytes: there arrays come from calls, which stay with the machine.
    least = 0 if how == "2" else 1 if name in ("rest", "bagging") else 4
    assert count.hits >= least, (count.hits, count.misses)


def test_a_large_forest_is_nearly_all_traced_across_frames(monkeypatch):
    count = Counter(monkeypatch)
    forest = RandomForestClassifier(150, max_depth=6, random_state=0).fit(X, Y)
    for how in ("4", "5", "joblib"):  # in an artifact the trees are rows, and no opcodes
        before = count.hits
        format, members = write(forest, how)
        judge(format, members, traced=True)
        assert count.hits - before >= 145, how
    assert sum(map(len, members.values())) > 2**17  # several frames


def test_bytes_that_do_not_fit_their_shape_are_found(monkeypatch):
    count = Counter(monkeypatch)
    format, members = write(RandomForestClassifier(40, max_depth=3, random_state=0).fit(X, Y), "5")
    (stream,) = members
    data = bytearray(members[stream])
    lengths = [match.start() + 1 for match in re.finditer(rb"\x96.{2}\0{6}", data, re.DOTALL)]
    same(format, members)
    assert len(lengths) > 40
    assert count.hits > 40
    for at in (lengths[-1], lengths[len(lengths) // 2]):
        for step in (-8, -1, 1, 8):
            altered = bytearray(data)
            altered[at] = (altered[at] + step) % 256
            found = same(format, {stream: bytes(altered)})
            assert not isinstance(found[0][0], bytes)


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
            assert outcomes[0] == outcomes[1], (limit, value, outcomes)
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


class Written:
    """A stream written by hand; keeps count of the memo, and names each name once."""

    NAMES: ClassVar = {
        "model": ("sklearn.linear_model._logistic", "LogisticRegression"),
        "other": ("sklearn.linear_model._ridge", "Ridge"),
        "dtype": ("numpy", "dtype"),
        "reconstruct": ("numpy._core.multiarray", "_reconstruct"),
        "ndarray": ("numpy", "ndarray"),
        "frombuffer": ("numpy._core.numeric", "_frombuffer"),
        "tree": ("sklearn.tree._tree", "Tree"),
        "wrapper": ("joblib.numpy_pickle", "NumpyArrayWrapper"),
        "text": ("pandas", "StringDtype"),
        "interval": ("pandas", "Interval"),
        "tuple": ("builtins", "tuple"),
        "generator": ("numpy.random._pickle", "__bit_generator_ctor"),
        "scalar": ("numpy._core.multiarray", "scalar"),
        "predictor": ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"),
        "sfc": ("numpy.random._sfc64", "SFC64"),
    }

    def __init__(self) -> None:
        self.data = bytearray(b"\x80\x04")
        self.count = 0
        self.named: dict[str, int] = {}
        self.keys = []
        for number in range(8):
            self(streams.short(f"k{number}"))
            self.keys.append(self.keep())
            self(b"0")
        self(b"(")

    def __call__(self, *parts: bytes) -> Written:
        self.data += b"".join(parts)
        return self

    def keep(self) -> int:
        self(b"\x94")
        self.count += 1
        return self.count - 1

    def kept(self, *parts: bytes) -> Written:
        self(*parts).keep()
        return self

    def get(self, index: int) -> Written:
        return (
            self(b"h", bytes([index])) if index < 256 else self(b"j", index.to_bytes(4, "little"))
        )

    def name(self, short: str) -> Written:
        if short in self.named:
            return self.get(self.named[short])
        module, qualname = self.NAMES[short]
        self(streams.name(module, qualname))
        self.named[short] = self.keep()
        return self

    def make(self, number: int, part: Any = None, cls: str = "model") -> int:
        """Write an object whose first attribute is a number and whose last is a part."""
        made = self.name(cls)(b")\x81").keep()
        self.kept(b"}")(b"(")
        for place, key in enumerate(self.keys[:6]):
            self.get(key)(b"K", bytes([7 if place else number]))
        self.get(self.keys[6])
        if part is None:
            self(b"N")
        else:
            part()
        self(b"ub")
        return made

    def dtype(self, code: str, state: Any) -> int:
        self.name("dtype").kept(streams.short(code), b"\x89\x88\x87")
        made = self(b"R").keep()
        if callable(state):
            state()
        else:
            whole = b"NNN" + streams.integer(-1) * 2 + streams.integer(63 if code == "O8" else 0)
            self.kept(b"(K\x03", streams.short(state), whole, b"t")
        self(b"b")
        return made

    def array(self) -> int:
        """Write an array that has still to be built."""
        self.name("reconstruct").name("ndarray").kept(b"K\x00\x85").kept(b"C\x01b\x87")
        return self(b"R").keep()

    def inline(self, state: Any, shape: bytes = b"K\x02\x85", data: bytes = b"\1\0\2\0") -> None:
        """Write joblib's wrapper and its bytes; `state` writes the dtype."""
        self.name("wrapper").kept(b")\x81").kept(b"}")(b"(", streams.short("subclass"))
        self.name("ndarray")(streams.short("shape")).kept(shape)
        self(streams.short("order"), streams.short("C"), streams.short("dtype"))
        state()
        self(b"ub", data)

    def end(self) -> bytes:
        return bytes(self(b"t").data) + b"."


def memoize_after_a_gap() -> bytes:
    """The unpickler counts memo entries, the machine indices: from here they differ."""
    one = Written()
    for number in range(4):
        one.make(number)
    one(b"Kcq", bytes([one.count + 3]))
    one.count += 4
    one.make(9)
    return one.end()


def fields_changed_after() -> bytes:
    """Dtypes share a dict of fields, which then gets a field far outside the element."""
    one = Written()
    number = one.dtype("i8", "<")
    table, key = one(b"}").keep(), one(streams.short("a")).keep()
    one.get(number).kept(b"K\x00\x86")(b"s")
    names = one.get(key)(b"\x85").keep()
    made = []

    def state() -> None:
        one(b"(K\x03", streams.short("|"), b"N").get(names).get(table)
        one.kept(streams.integer(8), b"K\x01K\x10t")

    for each in range(4):
        one.make(each, lambda: made.append(one.dtype("V8", state)))
    one.get(table).get(key).get(number).kept(streams.integer(4096), b"\x86")(b"s")
    one.make(9, lambda: made.append(one.dtype("V8", state)))
    one.name("frombuffer")(b"(C\x08ABCDEFGH").get(made[-1])(b"K\x01\x85", streams.short("C"), b"tR")
    return one.end()


def unit_changed_after() -> bytes:
    one = Written()
    extra = one(b"}").keep()

    def state() -> None:
        one(b"(K\x04", streams.short("<"), b"NNN", streams.integer(-1) * 2, streams.integer(0))
        one.get(extra).kept(b"(C\x01sK\x01K\x01K\x01t").kept(b"\x86").kept(b"t")

    for number in (0, 1, 2, 3, 9):
        if number == 9:
            one.get(extra)(b"K\x01K\x01s")
        one.make(number, lambda: one.dtype("M8", state))
    return one.end()


def list_changed_after() -> bytes:
    """Arrays of objects share a list, which then has more members than their shape says."""
    one = Written()
    objects = one.dtype("O8", "|")
    items = one(b"]").keep()
    one(b"Na")

    def part() -> None:
        one.array()
        one(b"(").kept(b"K\x01K\x01\x85").get(objects)(b"\x89").get(items).kept(b"t")(b"b")

    for number in (0, 1, 2, 3, 9):
        if number == 9:
            one.get(items)(b"Na")
        one.make(number, part)
    return one.end()


def array_built_after() -> bytes:
    """The array of the object that was learnt from is built, that of the next one never is."""
    one = Written()
    numbers = one.dtype("i8", "<")
    made: list[int] = []
    for number in range(3):
        one.make(number, lambda: made.append(one.array()))
    one.get(made[-1])(b"(K\x01K\x02\x85").get(numbers)(b"\x89C\x10", bytes(16), b"tb")
    one.make(9, lambda: made.append(one.array()))
    one.name("tree")(b"K\x01").get(made[-1])(b"K\x02\x87R")
    return one.end()


def tuple_of_an_array_not_yet_built() -> bytes:
    """What a tuple holds is built after the tuple is made, with another shape each time."""
    one = Written()
    numbers = one.dtype("i2", "<")
    made: list[int] = []

    def part(length: int) -> None:
        one(b"K\x01")
        array = one.array()
        made.append(one(b"K\x02\x87").keep())
        one.get(array)(b"(K\x01").kept(b"K", bytes([length]), b"\x85").get(numbers)
        one.kept(b"\x89C", bytes([2 * length]), bytes(2 * length), b"t")(b"b\x86")

    for length in (1, 3, 2, 2, 0):
        one.make(length, functools.partial(part, length))
    one.name("tree").get(made[-1])(b"R")
    return one.end()


def instance_built_after() -> bytes:
    """Two instances that nobody had built yet get their states: neither is built twice."""
    one = Written()
    made: list[int] = []
    for number in range(6):
        one.make(number, lambda: made.append(one.name("text")(b")R").keep()))
    for each in made[-2:]:
        one.get(each)(b"}b")
    return one.end()


def weight_changed_after() -> bytes:
    """What all the objects hold grows deep when one of them has been learnt from."""
    one = Written()
    held = one.name("other")(b")\x81").keep()
    for number in range(4):
        one.make(number, lambda: one.get(held))
    one.get(held)(b"}").get(one.keys[7])(b")", b"\x85" * 20, b"sb")
    last = one.make(9, lambda: one.get(held))
    one(b"}").get(last)(b"K\x01s")
    return one.end()


def weight_of_a_list_that_grows() -> bytes:
    """Each object holds a tuple of all before it, twice: 3**30 in the end."""
    one = Written()
    items = one(b"]").keep()

    def part() -> None:
        one.name("tuple").get(items).kept(b"\x85")(b"R")

    for number in range(4):
        last = one.make(number, part)
    for number in range(30):
        one.get(items).get(last).get(last).kept(b"\x86")(b"a")
        last = one.make(9 + number, part)
    one(b"}").get(last)(b"K\x01s")
    return one.end()


def byte_orders() -> bytes:
    """Where the byte order of like objects' arrays differs it is the array's own."""
    one = Written()
    for number in range(6):
        order = "<>"[number % 2]
        one.make(number, lambda order=order: one.inline(lambda: one.dtype("i2", order)))
    return one.end()


def units() -> bytes:
    one = Written()

    def state(unit: bytes) -> None:
        one(b"(K\x04", streams.short("<"), b"NNN", streams.integer(-1) * 2, streams.integer(0))
        one(b"N").kept(b"(C\x01", unit, b"K\x01K\x01K\x01t").kept(b"\x86").kept(b"t")

    for number in range(6):
        kind = functools.partial(one.dtype, "M8", functools.partial(state, b"Ds"[number % 2 :][:1]))
        one.make(number, lambda kind=kind: one.inline(kind, b"K\x01\x85", bytes(8)))
    return one.end()


def state_of_a_wrapper_kept() -> bytes:
    """A tuple holds the dict that was a wrapper's state: it cannot be a key."""
    one = Written()
    made: list[int] = []

    def part() -> None:
        state = one(b"}").keep()
        made.append(one(b"\x85").keep())
        one.name("wrapper").kept(b")\x81").get(state)(b"(", streams.short("subclass"))
        one.name("ndarray")(streams.short("shape")).kept(b"K\x02\x85")
        one(streams.short("order"), streams.short("C"), streams.short("dtype")).dtype("i2", "<")
        one(b"ub\1\0\2\0\x86")

    for number in range(6):
        one.make(number, part)
    one(b"}").get(made[-1])(b"K\x01s")
    return one.end()


def argument_before_it_is_built() -> bytes:
    """The object is taken from the stack, as an argument, before it is given its state."""
    one = Written()
    for number in range(4):
        made = one.name("interval").name("model")(b")\x81").keep()
        one.kept(b"\x85").kept(b"R").get(made).kept(b"}")(b"(")
        for place, key in enumerate(one.keys[:6]):
            one.get(key)(b"K", bytes([7 if place else number]))
        one(b"ub")
    return one.end()


def arguments_that_an_inner_trace_left_out() -> bytes:
    """An outer object is learnt from while traces make the objects in it."""
    one = Written()
    numbers = one.dtype("i2", "<")

    def part(number: int) -> None:
        one.name("frombuffer")(b"(C\x04", bytes([number]) * 4).get(numbers).kept(b"K\x02\x85")
        one.kept(streams.short("C"), b"t")(b"R")

    for number in range(4):
        one.make(3, functools.partial(part, number))
    inner = functools.partial(one.make, 3, functools.partial(part, 77))
    for number in range(5):
        one.make(number, inner, cls="other")
    return one.end()


def generators() -> bytes:
    """The class of what is made follows from a text that differs."""
    one = Written()

    def part(kind: str) -> None:
        one.name("generator").kept(streams.short(kind), b"\x85").kept(b"R").kept(b"}")(b"(")
        one.get(one.keys[1])(b"K\x01").get(one.keys[2])(b"K\x02ub")

    for number, kind in enumerate(("MT19937", "PCG64", "MT19937", "PCG64", "SFC64", "SFC64")):
        one.make(number, functools.partial(part, kind))
    one.name("generator").name("sfc")(b"\x85R")
    return one.end()


def entries_asked_for_later(alter: bytes) -> bytes:
    """What an object by a trace is made of is not kept, and is asked for after all."""
    one = Written()
    made: list[int] = []

    def part() -> None:
        made.append(one(b"]").keep())
        one(b"(K\x01K\x02e")

    for number in range(6):
        one.make(number, part)
    one.get(made[-1])(alter)
    return one.end()


def items_added_later() -> bytes:
    return entries_asked_for_later(b"K\x03a")


def inner_instance_built_later() -> bytes:
    """An instance inside the object is given its state behind it, twice."""
    one = Written()
    made: list[int] = []
    for number in range(6):
        one.make(number, lambda: made.append(one.name("other")(b")\x81").keep()))
    one.get(made[-1])(b"}b").get(made[-2])(b"}b").get(made[-1])(b"}b")
    return one.end()


def state_changed_later() -> bytes:
    """The dict that became the state of an object gets a special name afterwards."""
    one = Written()
    for number in range(6):
        last = one.make(number)
    one.get(last + 1)(streams.short("__class__"), b"Ns")
    return one.end()


def batches_of_texts() -> bytes:
    """Texts that the machine takes all at once, and counts in its own way."""
    one = Written()

    def part(count: int) -> None:
        one.kept(b"]")(b"(")
        for _ in range(count):
            one.kept(streams.short("t" * 250))
        one(b"e")

    for number in range(12):
        one.make(number, functools.partial(part, 20 if number < 8 else 15))
    return one.end()


def puts_elsewhere() -> bytes:
    """One of many like objects writes its last entry where another stands already."""
    one = Written()
    for number in range(8):
        one(b"K\x01r", (one.count if number < 7 else 3).to_bytes(4, "little"), b"0")
        one.count += number < 7
        one.make(number)
    return one.end()


def puts_inside() -> bytes:
    """The same inside of the objects, and with a gap."""
    one = Written()

    def part(index: int) -> None:
        one(b"K\x07r", index.to_bytes(4, "little"))

    for number in range(8):
        after = one.count + 2
        one.make(number, functools.partial(part, after if number < 6 else after + 2 * number - 11))
        one.count += 1
    return one.end()


def hard_keys() -> bytes:
    """Scalars and numbers are keys of dicts in like objects."""
    one = Written()
    numbers = one.dtype("i2", "<")

    def part(number: int) -> None:
        one.kept(b"}")(b"(").name("scalar").get(numbers).kept(b"C\x02", bytes([number, 0]))
        one.kept(b"\x86").kept(b"R")(b"K\x01G", bytes([number]) * 8, b"Nu")

    for number in range(8):
        one.make(number, functools.partial(part, number))
    return one.end()


def methods_called_while_it_loads() -> bytes:
    """The nodes of a predictor are an array, and then something else."""
    one = Written()
    numbers = one.dtype("i2", "<")
    key = one(streams.short("nodes")).keep()
    for number in range(8):
        one.name("predictor")(b")\x81").keep()
        one.kept(b"}")(b"(")
        for place, each in enumerate(one.keys[:5]):
            one.get(each)(b"K", bytes([7 if place else number]))
        one.get(key)
        if number < 7:
            one.name("frombuffer")(b"(C\x02", bytes([number]) * 2).get(numbers).kept(b"K\x01\x85")
            one.kept(streams.short("C"), b"t")(b"R")
        else:
            one(b"K\x01")
        one(b"ub")
    return one.end()


def versions() -> bytes:
    """What is compared while it loads is a constant, and then a model."""
    one = Written()
    key = one(streams.short("_sklearn_version")).keep()

    def part(number: int) -> None:
        one(b"N").get(key)
        if number < 7:
            one(b"K", bytes([number]))
        else:
            one.name("other")(b")\x81").keep()

    for number in range(8):
        one.make(number, functools.partial(part, number))
    return one.end()


def entry_of_an_object_before() -> bytes:
    """All ask for what stands in the first that was learnt from, but the one that wrote it."""
    one = Written()
    numbers = one.dtype("i2", "<")
    made: list[int] = []

    def part(number: int) -> None:
        one.name("frombuffer")(b"(C\x02", bytes([number]) * 2).get(numbers).kept(b"K\x01\x85")
        one.kept(streams.short("C"), b"t")
        made.append(one(b"R").keep())
        one.get(one.keys[7]).get(made[min(2, number)])

    for number in range(8):
        one.make(number, functools.partial(part, number))
    return one.end()


def bytes_as_plain_values() -> bytes:
    """What is no array's may be of any length, and is looked at nowhere: or is it a key?"""
    one = Written()
    for number in range(8):
        one.make(number, lambda number=number: one.kept(b"C", bytes([number]), bytes(number)))
    last = one.count - 1
    one(b"}").get(last)(b"Ns")
    return one.end()


def holes_in_another_place() -> bytes:
    """Where objects of one form have a number those of another have an array: then a number."""
    one = Written()
    numbers = one.dtype("i2", "<")
    key = one(streams.short("nodes")).keep()
    one.name("frombuffer")(b"(C\x02ab").get(numbers).kept(b"K\x01\x85")
    one.kept(streams.short("C"), b"t")
    array = one(b"R").keep()
    for number in range(24):
        one.name("predictor")(b")\x81").keep()
        one.kept(b"}")(b"(")
        if number < 7:
            one.get(one.keys[0])(b"K", bytes([number])).get(key).get(array)
        elif number < 23:
            one.get(key).get(array).get(one.keys[0])(b"K", bytes([number]))
        else:
            one.get(key)(b"K\x01").get(one.keys[0])(b"K\x01")
        for each in one.keys[1:6]:
            one.get(each)(b"N")
        one(b"ub")
    return one.end()


HOSTILE = [
    generators,
    memoize_after_a_gap,
    fields_changed_after,
    unit_changed_after,
    list_changed_after,
    array_built_after,
    tuple_of_an_array_not_yet_built,
    instance_built_after,
    weight_changed_after,
    weight_of_a_list_that_grows,
    byte_orders,
    units,
    state_of_a_wrapper_kept,
    argument_before_it_is_built,
    arguments_that_an_inner_trace_left_out,
    items_added_later,
    inner_instance_built_later,
    state_changed_later,
    batches_of_texts,
    puts_elsewhere,
    puts_inside,
    hard_keys,
    methods_called_while_it_loads,
    versions,
    entry_of_an_object_before,
    bytes_as_plain_values,
    holes_in_another_place,
]


@pytest.mark.parametrize("stream", HOSTILE, ids=lambda one: one.__name__)
def test_streams_written_against_traces_are_judged_the_same(stream):
    same("joblib", {"payload/model.joblib": stream()})


def test_items_of_lists_are_counted_as_they_are_opcode_by_opcode():
    one = Written()
    for number in range(20):
        one.make(number, lambda: one.kept(b"]")(b"(", b"N" * 1000, b"e"))
    same("joblib", {"payload/model.joblib": one.end()}, POLICY.with_limits(inflation=1000))


def test_long_keys_are_charged_as_they_are_opcode_by_opcode():
    one = Written()
    key = one(b"X\xff\0\0\0", b"y" * 255).keep()
    one(b"}(").get(key)(b"Nu")
    for number in range(220):
        one.make(number, lambda: one(b"}").get(key)(b"Ns\x85"))
    same("joblib", {"payload/model.joblib": one.end()}, POLICY.with_limits(hard_keys=2))


def lessons_of_many_classes(count: int) -> bytes:
    """One name, opened again and again: each time a class of its own, with much to remember."""
    one = Written()
    for _ in range(count):
        one.named.clear()
        one.name("model")
        kind = one.named["model"]
        one(b"0")
        for _ in range(7):
            one.get(kind)(b")\x81}b0")
        one.get(kind)(b")\x81}(").get(one.keys[0])(b"](" + b"N" * 1950 + b"eub0")
    return one.end()


def test_what_is_remembered_of_classes_is_bounded():
    stream = lessons_of_many_classes(150)
    tracemalloc.start()
    try:
        judge("joblib", {"payload/model.joblib": stream}, traced=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * 2**20


def frames_where_opcodes_began() -> bytes:
    """A long piece with many opcodes, then bytes that look like frames where these began."""
    one = Written()
    one.name("model")
    kind = one.named["model"]
    one(b"0")
    for _ in range(7):
        one.get(kind)(b")\x81}b0")
    for number in (1, 2):
        one.get(kind)(b")\x81")(b"}(")
        one.get(one.keys[0])(b"X", (60_000).to_bytes(4, "little"), b"a" * 60_000)
        one(streams.short("k2"), b"](", b"N" * 1900, b"e")
        one(streams.short("k3"), b"K", bytes([number]), b"ub0")
    for _ in range(64):
        one.get(kind)(b")\x81}b0")
    one(b"B", (70_000).to_bytes(4, "little"), b"\x95" * 70_000, b"0")
    return one.end()


def marks_in_a_lesson() -> bytes:
    """Two objects with a thousand open marks each."""
    one = Written()
    one.name("model")
    kind = one.named["model"]
    one(b"0")
    for _ in range(7):
        one.get(kind)(b")\x81}b0")
    for number in (1, 2):
        one.get(kind)(b")\x81")(b"}(")
        one.get(one.keys[0])(b"K", bytes([number]), streams.short("k1"))
        one(b"(" * 990, b"t" * 990)(b"ub0")
    return one.end()


@pytest.mark.parametrize("build", [frames_where_opcodes_began, marks_in_a_lesson])
def test_streams_that_were_slow_to_trace_are_judged_the_same(build):
    same("joblib", {"payload/model.joblib": build()})
