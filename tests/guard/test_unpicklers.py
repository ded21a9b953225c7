# SPDX-License-Identifier: BSD-3-Clause
"""Unpickler classes: a restriction of their own stays, and is one beside the verifier's."""

import io
import pickle
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path

import pytest

import safeserial as ss
from safeserial import errors


class Narrow(pickle.Unpickler):
    """Allows less than the policy does."""

    def find_class(self, module, name):
        return super().find_class(module, allowed(name))


class NarrowOfPython(pickle._Unpickler):
    def find_class(self, module, name):
        return super().find_class(module, allowed(name))


def allowed(name):
    if name != "OrderedDict":
        raise pickle.UnpicklingError(f"{name} is forbidden here")
    return name


class Moving(pickle.Unpickler):
    def find_class(self, module, name):
        return super().find_class("builtins" if name == "OrderedDict" else module, "dict")


class Persistent(pickle.Unpickler):
    def persistent_load(self, pid):
        raise AssertionError("never called")


class Loading(pickle.Unpickler):
    def load(self):
        return ["mine", super().load()]


class Slotted(pickle.Unpickler):
    __slots__ = ()


def narrow_later():
    class Later(pickle.Unpickler):
        def find_class(self, module, name):
            return super().find_class(module, allowed(name))

    return Later


@pytest.mark.parametrize("make", [lambda: Narrow, lambda: NarrowOfPython, narrow_later])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_both_restrictions_hold(make, protocol, evil):
    listed = pickle.dumps(OrderedDict(a=1), protocol)
    with ss.guard():
        cls = make()
        assert cls(io.BytesIO(listed)).load() == OrderedDict(a=1)
        with pytest.raises(pickle.UnpicklingError, match="Fraction is forbidden"):
            cls(io.BytesIO(pickle.dumps(Fraction(1, 2), protocol))).load()
        with pytest.raises(errors.UntrustedTypesError):
            cls(io.BytesIO(evil)).load()
    assert make()(io.BytesIO(listed)).load() == OrderedDict(a=1)


def test_the_refusal_of_a_subclass_is_recorded():
    with ss.guard(audit=(seen := []).append), pytest.raises(pickle.UnpicklingError):
        Narrow(io.BytesIO(pickle.dumps(Fraction(1, 2)))).load()
    assert [(one.verdict, one.error) for one in seen] == [("refused", "UnpicklingError")]


def test_another_object_in_place_of_a_name_is_refused():
    with ss.guard(), pytest.raises(errors.ForbiddenOperationError) as caught:
        Moving(io.BytesIO(pickle.dumps(OrderedDict()))).load()
    assert caught.value.global_name == "collections.OrderedDict"
    assert "renames" in caught.value.hint


def test_persistent_ids_are_refused():
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return 1 if obj == "kept" else None

    stream = io.BytesIO()
    Pickler(stream).dump(["kept"])
    with ss.guard():
        for cls in (Persistent, type("Later", (pickle.Unpickler,), vars(Persistent).copy())):
            with pytest.raises(errors.ForbiddenOperationError):
                cls(io.BytesIO(stream.getvalue())).load()


def test_a_load_of_its_own():
    data = pickle.dumps(1)
    with ss.guard():
        with pytest.raises(errors.PolicyError, match="load"):
            Loading(io.BytesIO(data)).load()

        class Later(pickle.Unpickler):
            load = lambda self: ["mine", super().load()]

        assert Later(io.BytesIO(data)).load() == ["mine", 1]
    assert Loading(io.BytesIO(data)).load() == ["mine", 1]


def test_made_before_the_guard():
    early, later = (Narrow(io.BytesIO(pickle.dumps(1))) for _ in range(2))
    with ss.guard(), pytest.raises(errors.PolicyError, match="what this unpickler reads"):
        early.load()
    assert later.load() == 1


def test_made_under_a_guard_and_used_after_it():
    unlisted = pickle.dumps(Path)
    with ss.guard():
        first, second = (pickle.Unpickler(io.BytesIO(unlisted)) for _ in range(2))
        with pytest.raises(errors.UntrustedTypesError):
            first.load()
    assert second.load() is Path
    assert isinstance(first, pickle.Unpickler)


def test_slots_do_not_open_a_way_round(evil):
    with ss.guard(), pytest.raises(errors.PolicyError):
        Slotted(io.BytesIO(evil)).load()


def test_names_of_python_2_and_nested_names():
    with ss.guard():
        for protocol in range(6):
            data = pickle.dumps([{1}, range(3), OrderedDict(a=1), b"x", complex(1, 2)], protocol)
            assert pickle.Unpickler(io.BytesIO(data)).load()[2] == OrderedDict(a=1)
            assert pickle._Unpickler(io.BytesIO(data)).load()[0] == {1}
