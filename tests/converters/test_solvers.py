# SPDX-License-Identifier: BSD-3-Clause
"""Transforms that run a solver for each new row: factorizations, topics, codes, embeddings."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

import numpy as np
from scipy.special import digamma as exact_digamma
from sklearn import decomposition as de
from sklearn import manifold
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline

import safeserial as ss
from safeserial.errors import ParityError
from safeserial_converters import contract, proof
from safeserial_converters.draft import build
from tests.converters.harness import Data, require_right

RANDOM = np.random.default_rng(0)
X = np.abs(RANDOM.normal(size=(120, 5))) + 0.01
ATOMS = RANDOM.normal(size=(7, 6))
ATOMS /= np.linalg.norm(ATOMS, axis=1, keepdims=True)
KULLBACK = {"solver": "mu", "beta_loss": "kullback-leibler"}


@pytest.mark.parametrize(
    ("kind", "options", "only", "refused"),
    [
        (de.NMF, {"n_components": 3, "max_iter": 500}, ["positive", "counts"], []),
        (de.NMF, {"n_components": 2, "alpha_W": 0.1, "l1_ratio": 0.5}, ["positive"], []),
        (de.NMF, {"n_components": 2, **KULLBACK}, ["counts"], []),
        (de.NMF, {"n_components": 2, **KULLBACK, "tol": 0, "max_iter": 30}, ["positive"], []),
        (de.NMF, {"n_components": 2, "solver": "mu", "alpha_W": 0.1}, ["positive"], []),
        (
            de.NMF,
            {"n_components": 2, "solver": "mu", "beta_loss": "itakura-saito"},
            ["positive"],
            [],
        ),
        (de.NMF, {"n_components": 2, "solver": "mu", "beta_loss": 1.5}, ["positive"], []),
        (de.NMF, {"n_components": 2, "solver": "mu", "beta_loss": 2.5}, ["positive"], []),
        (de.NMF, {"n_components": 2, "shuffle": True}, ["positive"], [("*", "*")]),
        (de.MiniBatchNMF, {"n_components": 3, "random_state": 0}, ["positive", "codes"], []),
        (de.MiniBatchNMF, {"n_components": 2, "beta_loss": 0.5}, ["positive"], []),
        (
            de.LatentDirichletAllocation,
            {"n_components": 3, "random_state": 0, "max_iter": 3},
            ["counts"],
            [],
        ),
        (de.SparseCoder, {"dictionary": ATOMS}, ["plain"], []),
        (de.SparseCoder, {"dictionary": ATOMS, "transform_n_nonzero_coefs": 6}, ["counts"], []),
        (
            de.SparseCoder,
            {"dictionary": ATOMS, "transform_n_nonzero_coefs": 3, "split_sign": True},
            ["plain"],
            [],
        ),
        (
            de.SparseCoder,
            {"dictionary": ATOMS, "transform_algorithm": "threshold", "transform_alpha": 0.3},
            ["plain"],
            [],
        ),
        (
            de.SparseCoder,
            {"dictionary": ATOMS, "transform_algorithm": "threshold", "positive_code": True},
            ["plain"],
            [],
        ),
        (
            de.SparseCoder,
            {"dictionary": ATOMS, "transform_algorithm": "lasso_lars"},
            ["plain"],
            [("*", "*")],
        ),
        (
            de.DictionaryLearning,
            {"n_components": 4, "max_iter": 3, "transform_n_nonzero_coefs": 2},
            ["plain"],
            [],
        ),
        (
            de.MiniBatchDictionaryLearning,
            {"n_components": 4, "max_iter": 2, "random_state": 0},
            ["plain"],
            [],
        ),
        (manifold.LocallyLinearEmbedding, {"random_state": 0}, ["plain", "counts"], []),
        (manifold.LocallyLinearEmbedding, {"n_neighbors": 12}, ["frame"], []),
        (manifold.LocallyLinearEmbedding, {"reg": 1e-12}, ["plain"], [("*", "*")]),
    ],
)
def test_all_methods_are_right_or_refused_by_name(
    kind: type, options: dict[str, Any], only: list[str], refused: list[tuple[str, str]]
) -> None:
    require_right(lambda: kind(**options), only=only, refused=refused, dtypes=["float64"])


def test_they_are_right_in_single_precision_too() -> None:
    for model in (
        de.NMF(2, max_iter=500),
        de.LatentDirichletAllocation(2, max_iter=2),
        de.SparseCoder(ATOMS),
    ):
        kind = "plain" if isinstance(model, de.SparseCoder) else "counts"
        require_right(lambda model=model: model, only=[kind], dtypes=["float32"])


def test_rows_that_the_model_solves_together_are_solved_together() -> None:
    model = de.NMF(3, max_iter=500, tol=0.05, random_state=0).fit(X)
    together = model.transform(X)
    alone = np.concatenate([model.transform(X[i : i + 1]) for i in range(len(X))])
    assert np.abs(together - alone).max() > 1e-6, "they do not depend on each other"
    result = ss.to_onnx(model, X)
    session = result.session()
    assert np.allclose(result.run(X)["transform"], together, rtol=1e-9, atol=1e-9)
    singles = [session.run(None, result.feed(X[i : i + 1]))[0] for i in range(len(X))]
    assert np.allclose(np.concatenate(singles), alone, rtol=1e-9, atol=1e-9)


def test_only_a_converter_that_says_so_may_depend_on_the_batch() -> None:
    model = de.NMF(3, max_iter=500, tol=0.05, random_state=0).fit(X)
    made = contract.describe(X, "float64")
    draft = build(model, made, contract.Target(), fallback=False)
    assert draft.graph.rows_depend
    parts = (model, draft.data({}), made, draft.methods, X)
    assert proof.prove(*parts, rows_depend=True).ok
    assert not proof.prove(*parts, rows_depend=False).ok


def test_no_row_at_all() -> None:
    for model in (
        de.NMF(2, max_iter=500).fit(X),
        de.LatentDirichletAllocation(2, max_iter=2).fit(np.floor(X * 3)),
        de.SparseCoder(ATOMS[:, :5] + 0.1).fit(X),
    ):
        assert ss.to_onnx(model, np.floor(X * 3)).run(X[:0])["transform"].shape[0] == 0


def test_topics_of_texts() -> None:
    words = "ein zwei drei été 漢字 haus maus".split()
    texts = [" ".join(RANDOM.choice(words, RANDOM.integers(0, 12))) for _ in range(150)]
    for last in (
        de.LatentDirichletAllocation(3, max_iter=3, random_state=0),
        de.NMF(3, max_iter=500, random_state=0),
    ):
        data = Data("texts", texts[:100], None, texts[100:])
        require_right(
            lambda last=last: make_pipeline(CountVectorizer(), last), only=[], also=[data]
        )


def test_the_digamma_function() -> None:
    from safeserial_converters.families.topics import digamma
    from safeserial_converters.graph import Graph

    graph = Graph(contract.Target(), lambda *_: None)
    x = graph.add_input("x", "float64", (None,))
    data = graph.build({"y": digamma(x)}, {}).SerializeToString()
    points = np.array([1e-9, 1e-6, 2e-6, 0.01, 0.5, 1.0, 5.999, 6.0, 50.0, 1e6])
    (found,) = proof.session(data).run(None, {"x": points})
    assert np.allclose(found, exact_digamma(points), rtol=1e-6)


def test_a_solver_that_stops_elsewhere_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = de.NMF(3, max_iter=500, random_state=0).fit(X)
    build_loop = proof.reference

    def other(model: Any, *rest: Any) -> Any:
        model.tol *= 100  # the model that is compared with stops earlier
        try:
            return build_loop(model, *rest)
        finally:
            model.tol /= 100

    monkeypatch.setattr(proof, "reference", other)
    with pytest.raises(ParityError):
        ss.to_onnx(model, X)
