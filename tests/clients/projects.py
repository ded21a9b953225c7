# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of generated projects share: models, rows, what ONNX Runtime itself answers."""

import csv
import io
import json
import shutil

import numpy as np
import onnxruntime
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import safeserial as ss
from tests.clients.conftest import VECTORS


def hostile_table(numbers, words, counts, flags):
    """Return columns of all kinds, with names that no language likes."""
    random = np.random.default_rng(0)
    n = 120
    table = pd.DataFrame({name: random.normal(size=n) for name in numbers})
    table[numbers[1]] = table[numbers[1]].astype("float32")
    for name in words:
        table[name] = random.choice(["red", "green", 'bleu\r\né, "quoted"'], n)
    for name in counts:
        table[name] = random.integers(0, 5, n)
    table[flags[0]] = random.integers(0, 2, n).astype(bool)
    table.loc[::9, numbers[0]] = np.nan
    return table


def hostile_model(place, numbers, words, counts, flags):
    """Write a model of such columns; return its file and rows for it."""
    table = hostile_table(numbers, words, counts, flags)
    steps = make_column_transformer(
        (SimpleImputer(), list(numbers)),
        (OneHotEncoder(handle_unknown="ignore"), list(words)),
        ("passthrough", [*counts, *flags]),
    )
    answers = (table[numbers[2]] + table[counts[0]] + (table["class"] == "red") > 2).astype(int)
    model = make_pipeline(steps, LogisticRegression()).fit(table, answers)
    ss.to_onnx(model, table, place)
    rows = table[:40].astype(object).where(table[:40].notna(), None).to_dict("records")
    return place, rows


def records_of(name):
    """Return sixty rows of a model of the vectors."""
    columns = json.loads((VECTORS / name / "rows.json").read_text(encoding="utf-8"))
    lines = list(zip(*columns.values(), strict=True))[:60]
    return [dict(zip(columns, line, strict=True)) for line in lines]


def csv_of(rows):
    """Write rows as CSV, as a spreadsheet does: a byte order mark, and quotes around each cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerow(rows[0])
    writer.writerows(["" if one is None else str(one) for one in row.values()] for row in rows)
    return "\ufeff" + stream.getvalue()


def wanted(model, rows):
    """Ask ONNX Runtime itself."""
    session = onnxruntime.InferenceSession(model)
    kinds = {"double": "float64", "float": "float32", "int64": "int64", "bool": "bool"}
    feed = {}
    for one in session.get_inputs():
        kind = one.type.removeprefix("tensor(").removesuffix(")")
        values = [row[one.name] for row in rows]
        if kind == "string":
            column = np.array([value or "" for value in values], object)
        else:
            column = np.array([np.nan if value is None else value for value in values])
            column = column.astype(kinds[kind])
        feed[one.name] = column if len(one.shape) == 1 else column.reshape(len(rows), -1)
    labels, proba = session.run(["predict", "predict_proba"], feed)
    return labels.tolist(), proba


def signed(model, folder, key):
    """Return a signed copy of a model, of a name that wants to get out of its quotes."""
    place = folder / "model.onnx"
    shutil.copy(model, place)
    ss.sign(place, keyring=ss.Keyring([key]), name='a "model"\n*/', version="2")
    return place


def agree(done, labels, proba):
    """Compare what a program printed with the answers."""
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert [one["label"] for one in answers] == labels
    assert np.abs(np.array([one["probabilities"] for one in answers]) - proba).max() <= 1e-6
