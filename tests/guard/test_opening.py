# SPDX-License-Identifier: BSD-3-Clause
"""Opening and closing: everything is put back, guards nest, and each thread has its own rules."""

import contextlib
import importlib
import io
import pickle
import sys
import threading
import types
from fractions import Fraction

import joblib
import numpy as np
import pandas as pd
import pytest

import safeserial as ss
from safeserial import errors
from tests.guard import doors as test_doors
from tests.guard import importer

LISTED = pickle.dumps({"a": Fraction(1, 2)})


class Mine:
    pass


MINE = f"{__name__}.Mine"
UNLISTED = pickle.dumps(Mine())


def everything():
    """Return all that a guard might change, by place."""
    found = {}
    for name, module in list(sys.modules.items()):
        # safeserial itself fetches its public names when they are asked for; hypothesis counts
        # garbage collections.
        own = name == "safeserial" or name.startswith("hypothesis")
        if issubclass(type(module), types.ModuleType) and not own:
            found[name] = dict(object.__getattribute__(module, "__dict__"))
    for cls in (pickle._Unpickler, test_doors.Earlier, test_doors.EarlierOfPython):
        found[cls] = dict(vars(cls))
    return found


def changes(before):
    now = everything()
    return [
        (place, name)
        for place, attributes in before.items()
        for name, value in attributes.items()
        if name != "__warningregistry__" and now[place].get(name, None) is not value
    ] + [(place, name) for place in before for name in now[place].keys() - before[place].keys()]


@pytest.fixture
def nothing_changes():
    with ss.guard():  # what a first guard imports
        pickle.loads(LISTED)
        np.load(io.BytesIO(LISTED), allow_pickle=True)
    before = everything()
    yield
    assert changes(before) == []


@pytest.mark.usefixtures("nothing_changes")
class TestRestoring:
    def test_after_a_block(self):
        with ss.guard():
            assert pickle.loads is not pickle.loads.__wrapped__
            pickle.loads(LISTED)

    def test_after_an_exception(self):
        with contextlib.suppress(KeyError), ss.guard():
            raise KeyError

    def test_after_a_refusal(self):
        with contextlib.suppress(errors.PolicyError), ss.guard():
            pickle.loads(UNLISTED)

    def test_nested_and_out_of_order(self):
        one, two = ss.install_guard(), ss.guard(patch_importers=False).install()
        with ss.guard():
            one.uninstall()
            assert importer.loads is pickle.loads
            with pytest.raises(errors.UntrustedTypesError):
                pickle.loads(UNLISTED)
        two.uninstall()
        two.uninstall()
        assert type(pickle.loads(UNLISTED)) is Mine

    def test_after_a_guard_that_does_not_open(self):
        for wrong in (
            lambda: ss.guard(audit="missing/folder/log.jsonl"),
            lambda: ss.guard(audit=3),
            lambda: ss.guard(on_violation="ignore"),
            lambda: ss.guard({"policy": 1}),
            lambda: ss.guard(trusted="os.system"),
            lambda: ss.guard(trusted=True),
        ):
            with pytest.raises(errors.SafeSerialError) as caught:
                wrong().install()
            assert caught.value.hint
        with ss.guard() as opened, pytest.raises(errors.PolicyError, match="open already"):
            opened.install()

    def test_many_threads(self):
        def work():
            for _ in range(3):
                with ss.guard():
                    pickle.loads(LISTED)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def test_what_was_imported_meanwhile_is_put_back(tmp_path, monkeypatch):
    (tmp_path / "meanwhile.py").write_text("from pickle import loads, Unpickler\n")
    monkeypatch.syspath_prepend(tmp_path)
    with ss.guard(patch_importers=False):
        module = importlib.import_module("meanwhile")
        kept = module.loads
        with pytest.raises(errors.UntrustedTypesError):
            kept(UNLISTED)
    assert module.loads is pickle.loads
    assert module.Unpickler is pickle.Unpickler
    assert type(kept(UNLISTED)) is Mine  # who holds the function itself has the original's effect
    monkeypatch.delitem(sys.modules, "meanwhile")


def test_an_attribute_that_somebody_else_replaced_meanwhile_is_left(monkeypatch):
    def other(data):
        return "other"

    with ss.guard():
        monkeypatch.setattr(importer, "loads", other)
    assert importer.loads is other
    importer.loads = pickle.loads  # before monkeypatch brings back what it saw


def test_the_innermost_guard_decides():
    with ss.guard(trusted=[MINE]):
        assert type(pickle.loads(UNLISTED)) is Mine
        with ss.guard(), pytest.raises(errors.UntrustedTypesError):
            pickle.loads(UNLISTED)
        assert type(pickle.loads(UNLISTED)) is Mine
    assert type(pickle.loads(UNLISTED)) is Mine


def test_another_thread_is_guarded_by_the_guard_opened_last():
    outcome = []

    def work():
        try:
            outcome.append(type(pickle.loads(UNLISTED)))
        except errors.UntrustedTypesError:
            outcome.append("refused")

    def run():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    with ss.guard(trusted=[MINE]):
        run()
        with ss.guard():
            run()
        run()
    run()
    assert outcome == [Mine, "refused", Mine, Mine]


def test_a_thread_keeps_its_own_guard():
    inside, done, outcome = threading.Event(), threading.Event(), []

    def work():
        with ss.guard(trusted=[MINE]):
            inside.set()
            done.wait(10)
            outcome.append(type(pickle.loads(UNLISTED)))

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(10)
    with ss.guard():
        done.set()
        thread.join()
        with pytest.raises(errors.UntrustedTypesError):
            pickle.loads(UNLISTED)
    assert outcome == [Mine]


def test_a_policy_file_and_trust():
    policy = ss.Policy.default().trusting([MINE])
    with ss.guard(policy):
        assert type(pickle.loads(UNLISTED)) is Mine
    with ss.guard(ss.Policy.default(), trusted=[MINE]):
        assert type(joblib.load(io.BytesIO(UNLISTED))) is Mine


def test_the_functions_keep_their_names_and_signatures():
    names = [(one.__module__, one.__qualname__) for one in (pickle.load, np.load, pd.read_pickle)]
    with ss.guard():
        guarded = (pickle.load, np.load, pd.read_pickle)
        assert [(one.__module__, one.__qualname__) for one in guarded] == names
