# SPDX-License-Identifier: BSD-3-Clause
"""Honest files of every kind: recognised by content, judged, and described."""

import io
import json
import pickle
import sys

import numpy as np
import pytest

import safeserial as ss
from safeserial.errors import UnreadableFileError
from safeserial.inspection.report import RULES
from tests.inspection import samples

KINDS = samples.all_kinds()
VERDICTS = {
    "pytorch": "needs trust",
    "pytorch (before 1.6)": "needs trust",
    "hdf5": "cannot tell",
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_known_by_its_content(look, kind):
    report = look(KINDS[kind])
    assert report.kind == kind.removesuffix(" 0")
    assert report.verdict == VERDICTS.get(kind, "safe"), report.findings
    assert report.size == len(KINDS[kind])
    json.dumps(report.to_dict())


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_is_reported_as_its_file(look, kind):
    from_file = look(KINDS[kind]).to_dict()
    from_stream = ss.inspect(io.BytesIO(KINDS[kind])).to_dict()
    assert from_stream.pop("path") == "-"
    del from_file["path"]
    assert from_stream == from_file


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("compress", [None, 0, 3])
def test_the_estimator_and_its_version_show(look, protocol, compress):
    import sklearn

    if compress is None:
        data = samples.pickled(protocol)
    else:
        out = io.BytesIO()
        samples.joblib.dump(samples.pipeline(), out, compress=compress, protocol=protocol)
        data = out.getvalue()
    report = look(data)
    assert report.estimator == "sklearn.pipeline.Pipeline"
    assert report.versions["scikit-learn"] == sklearn.__version__
    assert "numpy" in report.details or protocol == 5 or compress is not None


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        ([1, 2], "builtins.list"),
        ({"a": 1}, "builtins.dict"),
        ((1, 2), "builtins.tuple"),
        ((1, 2, 3, 4, 5), "builtins.tuple"),
        ({1, 2}, "builtins.set"),
        (np.zeros(3), "numpy.ndarray"),
        ("text", "builtins.str"),
        (([1], np.zeros(2)), "builtins.tuple"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_what_is_no_estimator_shows_too(look, thing, name, protocol):
    if isinstance(thing, set) and protocol < 4:
        pytest.skip("a set is written as a call there")
    assert look(pickle.dumps(thing, protocol)).estimator == name


def test_nothing_that_a_file_names_is_imported(look):
    report = look(b"cantigravity\nfly\n(tR.")
    assert report.verdict == "dangerous"
    assert "antigravity" not in sys.modules


def test_skops(look):
    data = samples.skops([("1.npy", samples.npy(np.zeros((2, 3))))], mean_=samples.skops_array())
    report = look(data)
    assert report.estimator == "sklearn.preprocessing._data.StandardScaler"
    assert report.versions == {"skops": "0.13.0", "scikit-learn": "1.5.2"}
    assert report.members[0].details["shape"] == "2×3"
    foreign = samples.node("mypackage.steps.Cleaner", "ObjectNode")
    report = look(samples.skops(step=foreign))
    assert (report.verdict, report.untrusted) == ("needs trust", ("mypackage.steps.Cleaner",))
    trusting = ss.Policy.default().trusting(["mypackage.steps.Cleaner"])
    assert look(samples.skops(step=foreign), policy=trusting).verdict == "safe"


def test_skops_files_of_skops_itself(look):
    skops = pytest.importorskip("skops.io")
    report = look(skops.dumps(samples.pipeline()))
    assert (report.kind, report.verdict) == ("skops", "safe"), report.findings
    assert report.estimator == "sklearn.pipeline.Pipeline"


def test_onnx(look):
    report = look(samples.onnx())
    assert report.versions == {"skl2onnx": "1.18"}
    assert report.details["operator sets"] == "ai.onnx 17, ai.onnx.ml 3"
    assert report.details["inputs"] == "x: float32[N×3]"
    assert report.details["metadata author"] == "me"
    assert report.details["nodes"] == "1"


def test_onnx_graphs_within_graphs(look):
    inner = samples.field(1, samples.field(4, "Sin") + samples.field(7, "com.evil"))
    attribute = samples.field(5, samples.field(1, "body") + samples.field(6, inner))
    report = look(samples.onnx(attributes=attribute))
    assert report.details["graphs"] == "2"
    assert [one.rule for one in report.findings] == ["SS015"]


def test_object_arrays_are_pickles(look):
    report = look(samples.npy(np.array([{"a": 1}, None], dtype=object)))
    assert report.kind == "npy"
    assert [one.rule for one in report.findings] == ["SS022"]
    assert report.members[0].kind == "pickle"
    assert report.members[0].survey.globals


@pytest.mark.parametrize("dtype", ["<f8", "?", "<U3", "S5", "<M8[ns]", "V4", ">i2", "<c16", "<f2"])
def test_array_sizes_are_right(look, dtype):
    array = np.zeros((3, 2), dtype)
    assert look(samples.npy(array)).findings == ()
    record = np.zeros(4, [("a", dtype), ("b", "<i4", (2, 3)), ("c", [("d", "u1")])])
    assert look(samples.npy(record)).findings == ()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_header_versions(look, version):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.arange(4), version=version)
    assert look(out.getvalue()).details["shape"] == "4"


def test_pytorch_names_are_explained(look):
    report = look(samples.pytorch())
    assert "torch._utils._rebuild_tensor_v2" in report.details["names"]
    assert [one.rule for one in report.findings] == ["SS019"]
    assert "weights_only=True" in report.findings[0].message
    scripted = look(samples.pytorch(more=[("archive/code/__torch__.py", b"def f(): pass")]))
    assert (scripted.kind, scripted.verdict) == ("torchscript", "needs trust")


def test_keras(look):
    report = look(samples.keras())
    assert report.versions == {"keras": "3.4.1"}
    assert report.estimator == "keras.Sequential"


def test_gguf(look):
    report = look(samples.gguf("{{ x }}"))
    assert report.details["general.architecture"] == "llama"
    assert [one.rule for one in report.findings] == ["SS025"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><title>Not found</title>", "web page"),
        (b"  <html>", "web page"),
        (b"\x7fELF" + bytes(60), "program"),
        (b"%PDF-1.7", "PDF"),
        (b"hello, world\n", "text"),
        (b"import os\n\nclass A:\n    pass\n", "text"),
        (b"# a heading\n\nwords\n", "text"),
    ],
)
def test_what_is_no_model(look, data, words):
    report = look(data)
    assert (report.kind, report.verdict) == ("unknown", "not a model")
    assert words in report.findings[0].message
    assert report.findings[0].rule == "SS024"


def test_joblib_before_0_10(look):
    report = look(b"ZF0x10                " + bytes(20))
    assert (report.kind, report.verdict) == ("joblib (ZF)", "cannot tell")
    assert report.findings[0].rule == "SS026"


def test_joblib_with_files_beside_it(look):
    wrapper = (
        b"\x80\x02csklearn.externals.joblib.numpy_pickle\nNDArrayWrapper\nq\x00)\x81q\x01}q\x02"
        b"(X\x08\x00\x00\x00filenameq\x03X\x0a\x00\x00\x00m.pkl_01.npyub."
    )
    report = look(wrapper)
    assert {one.rule for one in report.findings} >= {"SS009", "SS026"}
    assert report.verdict == "cannot tell"


def test_unreadable_paths_are_raised(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UnreadableFileError):
            ss.inspect(path)


def test_an_artifact_is_reported_as_ever(tmp_path):
    ring = ss.Keyring([ss.HmacKey.generate()])
    path = tmp_path / "m"
    ss.dump(samples.pipeline(), path, keyring=ring)
    report = ss.inspect(path, keyring=ring)
    assert (report.kind, report.verdict, report.signature) == ("artifact", "safe", "verified")
    assert report.estimator == "sklearn.pipeline.Pipeline"
    stranger = ss.inspect(path, keyring=ss.Keyring([ss.HmacKey.generate()]))
    assert (stranger.verdict, stranger.signature) == ("dangerous", "refused")
    assert stranger.findings[0].rule == "SS004"


def test_rules_are_named_once():
    assert all(key == rule.id for key, rule in RULES.items())
    assert len({rule.name for rule in RULES.values()}) == len(RULES)
