# SPDX-License-Identifier: BSD-3-Clause
"""CountVectorizer, TfidfVectorizer, TfidfTransformer: n-grams of words or characters, counted.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.families.analyzers import Analyzer, analyzer_of
from safeserial_converters.families.hashing import HashedRows
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

TEXT = "sklearn.feature_extraction.text."
#: From here down: tokens that no text has.
NEVER = -3


@converts(TEXT + "CountVectorizer")
def convert_count(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """How often each n-gram of the vocabulary is in a text."""

    def counts() -> Tensor:
        found = _counts(model, inputs, graph)
        kind = np.dtype(model.dtype).kind
        return found if kind == "f" else found.cast("int64")

    return {"transform": counts}


@converts(TEXT + "TfidfVectorizer")
def convert_tfidf(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Counts, weighted."""
    return {
        "transform": lambda: weighted(
            model,
            _counts(model, inputs, graph),
            model._tfidf,
            np.dtype(model.dtype),
        )
    }


@converts(TEXT + "TfidfTransformer")
def convert_tfidf_transformer(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Weights of counts that come from elsewhere."""
    kind = np.dtype(model.idf_.dtype if model.use_idf else np.float64)
    return {"transform": lambda: weighted(model, inputs.numeric(), model, kind)}


def weighted(model: Any, counts: Tensor, tfidf: Any, kind: Any) -> Tensor:
    """Return counts as TfidfTransformer weights them: damped, by rareness, rows of length 1."""
    graph = counts.graph
    single = kind == np.float32
    if kind not in (np.dtype(np.float64), np.dtype(np.float32)) or (single and tfidf.sublinear_tf):
        raise graph.refuse(model, f"it computes in {kind}", hint="fit it with dtype=float64")
    real = counts
    if tfidf.sublinear_tf:
        there = ~real.equal(0.0)
        real = ops.where(there, ops.log(ops.where(there, real, 1.0)) + 1.0, 0.0)
    if tfidf.use_idf:
        real = real * np.asarray(tfidf.idf_, np.float64)
    if single:
        real = real.cast("float32").cast(graph.real)
    if tfidf.norm is None:
        return real
    real = normalized_rows(real, tfidf.norm, single=single)
    return real.cast("float32").cast(graph.real) if single else real


def normalized_rows(x: Tensor, norm: str, *, single: bool = False) -> Tensor:
    """Return rows divided by their l1 or l2 norm; rows of zeros as they are.

    Of float32 scikit-learn rounds the squares, and adds them up in double.
    """
    if isinstance(x, HashedRows):
        return x.normalized(norm)
    parts = x * x if norm == "l2" else ops.absolute(x)
    parts = parts.cast("float32").cast(x.dtype) if single else parts
    size = ops.total(parts, 1, keep=True)
    size = ops.sqrt(size) if norm == "l2" else size
    return x / ops.where(size.equal(0.0), 1.0, size)


def _counts(model: Any, inputs: Inputs, graph: Graph) -> Tensor:
    analyzer = analyzer_of(model, graph)
    texts = inputs.tensor
    grams = _grams(model, analyzer)
    units = sorted({unit for gram in grams.values() for unit in gram})
    numbers = {unit: i for i, unit in enumerate(units)}
    ids = analyzer.ids(texts, numbers, set("".join(units)))
    found = _count_ngrams(
        ids, {i: [numbers[unit] for unit in gram] for i, gram in grams.items()}, model
    )
    return ops.where(found > 0.0, 1.0, found) if model.binary else found


def _grams(model: Any, analyzer: Analyzer) -> dict[int, list[str]]:
    """Return, for each column that a text can reach, its tokens or characters."""
    grams = {}
    for text, index in model.vocabulary_.items():
        gram = analyzer.units(text)
        if analyzer.may_have(gram):
            grams[int(index)] = gram
    return grams


def _count_ngrams(ids: Tensor, grams: dict[int, list[int]], model: Any) -> Tensor:
    """Count n-grams of whole numbers; ONNX does it in float32, which is exact up to 2^24."""
    graph = ids.graph
    width = len(model.vocabulary_)
    high = int(model.ngram_range[1])
    low = min([int(model.ngram_range[0]), *(len(gram) for gram in grams.values())])
    # Columns out of reach get an n-gram that never comes.
    known = {**{i: [NEVER - i] * low for i in range(width)}, **grams}
    starts: list[int] = []
    pool: list[int] = []
    places: list[int] = []
    for size in range(1, high + 1):
        starts.append(len(pool))
        for index, gram in sorted(known.items()):
            if len(gram) == size:
                pool += gram
                places.append(index)
    found = graph.emit(
        "TfIdfVectorizer", [ids], "float32", (None, width),
        mode="TF", min_gram_length=low, max_gram_length=high, max_skip_count=0,
        ngram_counts=starts, ngram_indexes=places, pool_int64s=pool,
    )  # fmt: skip
    return found.cast(graph.real)
