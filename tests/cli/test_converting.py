# SPDX-License-Identifier: BSD-3-Clause
"""`safeserial convert`: a file becomes an ONNX file, or nothing is written at all."""

import json
import pickle

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pytest.importorskip("onnxruntime")
pd = pytest.importorskip("pandas")


@pytest.fixture
def model(clean):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(80, 3)), columns=["a", "b", "c"])
    frame["target"] = (frame["a"] > 0).astype(int)
    fitted = make_pipeline(StandardScaler(), LogisticRegression())
    fitted.fit(frame[["a", "b", "c"]], frame["target"])
    (clean / "m.pkl").write_bytes(pickle.dumps(fitted))
    frame.to_csv("rows.csv", index=False)
    return fitted, frame


def test_with_a_table(run, model, clean):
    import onnxruntime

    ended = run("convert", "m.pkl", "--to", "onnx", "--sample", "rows.csv", "-o", "m.onnx")
    assert ended.code == 0
    assert "predict: " in ended.out
    assert "0 labels differ" in ended.out
    fitted, frame = model
    session = onnxruntime.InferenceSession(clean / "m.onnx")
    feed = {name: frame[[name]].to_numpy() for name in "abc"}  # the target is left out
    found = session.run(["predict"], feed)[0]
    np.testing.assert_array_equal(found, fitted.predict(frame[["a", "b", "c"]]))


def test_json(run, model):
    ended = run(
        "convert", "m.pkl", "--to", "onnx", "--sample", "rows.csv", "-o", "m.onnx", "--json",
        "--method", "predict", "--dtype", "float32",
    )  # fmt: skip
    found = json.loads(ended.out)
    assert found["outputs"] == ["predict"]
    assert found["report"]["ok"]
    assert found["contract"]["dtype"] == "float32"


def test_of_an_array_without_sample(run, clean):
    x = np.random.default_rng(0).normal(size=(50, 2))
    fitted = LogisticRegression().fit(x, x[:, 0] > 0)
    (clean / "m.pkl").write_bytes(pickle.dumps(fitted))
    ended = run("convert", "m.pkl", "--to", "onnx", "-o", "m.onnx")
    assert ended.code == 0
    assert "random rows" in ended.err
    np.save("rows.npy", x)
    assert run("convert", "m.pkl", "--to", "onnx", "-o", "m.onnx", "--sample", "rows.npy").code == 0


def test_texts(run, clean):
    texts = ["one two", "two three", "École"]
    (clean / "m.pkl").write_bytes(pickle.dumps(CountVectorizer().fit(texts)))
    (clean / "rows.txt").write_text("\n".join(texts), "utf-8")
    assert run("convert", "m.pkl", "--to", "onnx", "--sample", "rows.txt", "-o", "m.onnx").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "cannot be guessed"),
        (("--sample", "rows.doc"), "is no sample"),
        (("--sample", "none.csv"), "there is no file"),
        (("--sample", "bad.npy"), "cannot be read"),
        (("--sample", "other.csv"), "has no column 'a'"),
    ],
)
def test_samples_that_do_not_fit(run, model, clean, arguments, message):
    (clean / "bad.npy").write_bytes(b"nonsense")
    (clean / "other.csv").write_text("x,y\n1,2\n")
    ended = run("convert", "m.pkl", "--to", "onnx", "-o", "m.onnx", *arguments)
    assert ended.code == 2
    assert message in ended.error[0]
    assert not (clean / "m.onnx").exists()


def test_a_pickle_in_the_sample_is_not_opened(run, model, clean):
    np.save("rows.npy", np.array([{"a": 1}], object), allow_pickle=True)
    ended = run("convert", "m.pkl", "--to", "onnx", "-o", "m.onnx", "--sample", "rows.npy")
    assert ended.code == 2
    assert "cannot be read" in ended.error[0]


def test_a_hostile_model_is_refused(run, clean):
    (clean / "m.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    ended = run("convert", "m.pkl", "--to", "onnx", "-o", "m.onnx")
    assert ended.code == 1
    assert not (clean / "m.onnx").exists()


def test_what_has_no_converter(run, clean):
    texts = ["one two", "three"]
    model = CountVectorizer(token_pattern=r"a|b|\w+-\w+|\w+").fit(texts)
    (clean / "m.pkl").write_bytes(pickle.dumps(model))
    (clean / "rows.txt").write_text("\n".join(texts), "utf-8")
    ended = run("convert", "m.pkl", "--to", "onnx", "--sample", "rows.txt", "-o", "m.onnx")
    assert ended.code == 2
    assert "token_pattern" in ended.error[0]


def test_the_fast_profile_is_labelled(run, model):
    arguments = ["convert", "m.pkl", "--to", "onnx", "--sample", "rows.csv", "-o", "m.onnx"]
    ended = run(*arguments, "--profile", "fast")
    assert ended.code == 0
    assert "the fast profile computes in float32" in ended.err
    assert json.loads(run(*arguments, "--profile", "fast", "--json").out)["profile"] == "fast"
    assert "fast" not in run(*arguments).err


def test_of_a_parquet_sample(run, model, clean):
    pytest.importorskip("pyarrow")
    model[1].to_parquet("rows.parquet")
    ended = run("convert", "m.pkl", "--to", "onnx", "--sample", "rows.parquet", "-o", "m.onnx")
    assert ended.code == 0
    assert (clean / "m.onnx").exists()


def test_to_skops(run, model, clean):
    import safeserial as ss

    pytest.importorskip("skops")
    ended = run("convert", "m.pkl", "--to", "skops", "-o", "m.skops")
    assert ended.code == 0
    assert "wrote Pipeline" in ended.err
    fitted, frame = model
    rows = frame[["a", "b", "c"]]
    np.testing.assert_array_equal(ss.load_unsigned("m.skops").predict(rows), fitted.predict(rows))


def test_what_skops_cannot_write_leaves_no_file(run, clean):
    from sklearn.cluster import Birch

    pytest.importorskip("skops")
    fitted = Birch(threshold=2.0, n_clusters=None).fit([[0.0], [9.0]])
    (clean / "m.pkl").write_bytes(pickle.dumps(fitted))
    ended = run("convert", "m.pkl", "--to", "skops", "-o", "m.skops")
    assert ended.code == 2
    assert not (clean / "m.skops").exists()
