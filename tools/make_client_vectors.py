# SPDX-License-Identifier: BSD-3-Clause
"""Make the test vectors for readers in other languages: ``python -m tools.make_client_vectors``.

Four models with 500 rows each, what they answer, and signatures good and bad.  Models, rows,
answers and keys are the same every time; dates and ECDSA signatures are not.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import safeserial as ss
from tools import client_cases

PLACE = Path(__file__).resolve().parent.parent / "converters" / "clients" / "vectors"
ROWS = 500


def mixed(random: np.random.Generator) -> tuple[Any, Any, Any]:
    """Make numbers and texts, some missing, some never seen in training; labels are texts."""
    n = 900
    table = pd.DataFrame(
        {
            "age": random.normal(40, 12, n).round(),
            "fare": random.lognormal(3, 1, n).round(2),
            "town": random.choice(["Köln", "Paris", "Łódź"], n),
            "class": random.choice(["first", "second", "third"], n),
        }
    )
    table.loc[::17, "age"] = np.nan
    table.loc[::23, "town"] = ""
    score = table["fare"] + 20 * (table["class"] == "first") + random.normal(0, 8, n)
    answers = np.array(["low", "middle", "high"])[np.digitize(score, [22, 45])]
    steps = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "fare"]),
        (OneHotEncoder(handle_unknown="ignore"), ["town", "class"]),
    )
    model = make_pipeline(steps, LogisticRegression(max_iter=500)).fit(table[:400], answers[:400])
    asked = table[400:].reset_index(drop=True)
    asked.loc[::29, "town"] = "Atlantis"
    asked.loc[5::31, "class"] = "東京 \U0001f600"
    asked.loc[::37, "fare"] = np.nan
    return model, table[:400], asked


def forest(random: np.random.Generator) -> tuple[Any, Any, Any]:
    """Fit a forest on doubles float32 cannot hold: one that rounds takes other branches."""
    x = random.normal(0, 1, (900, 6))
    answers = (x[:, 0] * x[:, 1] + 0.3 * x[:, 2] > 0).astype(int) + (x[:, 3] > 1)
    model = RandomForestClassifier(n_estimators=25, max_depth=8, random_state=0)
    model.fit(x[:400], answers[:400])
    return model, x[:400], x[400:]


def text(random: np.random.Generator) -> tuple[Any, Any, Any]:
    """Make texts in several scripts, upper case and accents, and texts without a known word."""
    good = ["bon", "GOOD", "très", "Łódź", "хорошо", "Straße", "fine"]
    bad = ["dull", "BAD", "mauvais", "плохо", "ärgerlich", "ΚΑΚΟΣ", "poor"]
    plain = ["film", "the", "un", "book,", "and", "2026", "foo-bar"]
    texts, answers = [], []
    for _ in range(900):
        kind = bool(random.integers(2))
        own = random.choice(good if kind else bad, 2).tolist()
        noise = random.choice(plain + good + bad, 4).tolist()
        texts.append(" ".join(random.permutation(own + noise).tolist()))
        answers.append("good" if kind else "bad")
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), max_features=400), LogisticRegression()
    )
    model.fit(texts[:400], answers[:400])
    asked = texts[400:]
    asked[3], asked[7] = "unknown words only \U0001f600", "  "
    return model, texts[:400], asked


def names(random: np.random.Generator) -> tuple[Any, Any, Any]:
    """Name columns as ONNX names where weights lie, and as languages name things."""
    columns = ["location", "class", "constructor"]
    table = pd.DataFrame(random.normal(0, 1, (900, 3)).round(3), columns=columns)
    answers = (table["location"] > table["class"]).astype(int)
    return LogisticRegression().fit(table[:400], answers[:400]), table[:400], table[400:]


MODELS: dict[str, Callable[[np.random.Generator], tuple[Any, Any, Any]]] = {
    "mixed": mixed,
    "forest": forest,
    "text": text,
    "names": names,
}


def as_columns(rows: Any) -> dict[str, list[Any]]:
    """Return rows as JSON: a list a column, None where a value is missing."""
    if isinstance(rows, pd.DataFrame):
        table = rows.astype(object).where(rows.notna() & (rows != ""), None)
        return {name: table[name].tolist() for name in table}
    if isinstance(rows, np.ndarray):
        return {"X": rows.tolist()}
    return {"X": list(rows)}


def write_json(path: Path, value: Any) -> None:
    """Write JSON of one line, in UTF-8."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")


def make_models(place: Path) -> dict[str, bytes]:
    """Write models, rows and answers; the answers are scikit-learn's own."""
    made = {}
    for name, make in MODELS.items():
        model, sample, asked = make(np.random.default_rng(20261122))
        data = ss.to_onnx(model, sample).data
        folder = place / name
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(data)
        write_json(folder / "rows.json", as_columns(asked))
        answers = {
            "labels": model.predict(asked).tolist(),
            "classes": model.classes_.tolist(),
            "probabilities": model.predict_proba(asked).round(10).tolist(),
        }
        write_json(folder / "expected.json", answers)
        made[name] = data
    return made


def main() -> int:
    """Make the folder anew; the old one stays until the new one is whole."""
    with tempfile.TemporaryDirectory(dir=PLACE.parent) as scratch:
        place = Path(scratch) / "vectors"
        place.mkdir()
        readme = PLACE / "README.md"
        if readme.exists():
            shutil.copy(readme, place)
        models = make_models(place)
        write_json(place / "cases.json", client_cases.make(place, models))
        if PLACE.exists():
            shutil.rmtree(PLACE)
        place.rename(PLACE)
    size = sum(one.stat().st_size for one in PLACE.rglob("*") if one.is_file())
    print(f"{PLACE}: {size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
