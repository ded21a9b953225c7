# SPDX-License-Identifier: BSD-3-Clause
"""The vectors say what safeserial itself does, and the answers are those of the graphs."""

import json
import shutil

import numpy as np
import onnxruntime
import pytest

import safeserial as ss
from safeserial import keys
from tests.clients.conftest import VECTORS

CASES = json.loads((VECTORS / "cases.json").read_text(encoding="utf-8"))


def ring_of(place):
    text = place.read_text(encoding="ascii")
    if place.suffix == ".pem":
        return ss.Keyring([]).add(keys.key_from_pem(text.encode()))
    return ss.Keyring([keys.key_from_text(text.strip())])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_safeserial_itself_agrees(case, tmp_path):
    model = tmp_path / ("model" + (VECTORS / case["model"]).suffix)
    shutil.copy(VECTORS / case["model"], model)
    ring = ring_of(VECTORS / case["key"])
    beside = {"signature": VECTORS / case["signature"]} if case["signature"] else {}

    def verified():
        found = ss.verify(model, keyring=ring, **beside)
        if not beside and found.manifest.format != "onnx":
            raise ss.errors.PolicyError("no ONNX model", hint="")
        return found

    if case["accept"]:
        assert verified().signers
    else:
        with pytest.raises(ss.errors.SafeSerialError):
            verified()


@pytest.mark.parametrize("name", ["mixed", "forest", "text"])
def test_the_graph_answers_as_the_model_did(name):
    folder = VECTORS / name
    rows, expected = (
        json.loads((folder / f"{one}.json").read_text(encoding="utf-8"))
        for one in ("rows", "expected")
    )
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    feed = {}
    for one in session.get_inputs():
        values = rows[one.name]
        if one.type == "tensor(string)":
            column = np.array([value or "" for value in values], dtype=object)
        else:
            kind = np.float32 if "float)" in one.type else np.float64
            column = np.array(values, dtype=object).astype(kind)
        feed[one.name] = column if len(one.shape) == 1 else column.reshape(len(values), -1)
    labels, proba = session.run(["predict", "predict_proba"], feed)
    assert len(labels) == 500
    assert labels.tolist() == expected["labels"]
    assert np.abs(proba - np.array(expected["probabilities"])).max() <= 1e-6


def test_there_are_missing_and_unseen_values_among_the_rows():
    rows = json.loads((VECTORS / "mixed" / "rows.json").read_text(encoding="utf-8"))
    assert None in rows["age"]
    assert None in rows["town"]
    assert "Atlantis" in rows["town"]
