# SPDX-License-Identifier: BSD-3-Clause
"""All attacks on native state, and what some of them do to a process that uses them."""

from __future__ import annotations

from tests.validators import altered_expansions, altered_numbers, altered_tables, altered_trees

ATTACKS = {
    **altered_trees.ATTACKS,
    **altered_tables.ATTACKS,
    **altered_numbers.ATTACKS,
    **altered_expansions.ATTACKS,
}

# What these do to a process: an expression of the altered `model` and of some `rows`.
CRASHES: dict[str, str] = {
    "tree: left child out of range": "model.predict(rows)",
    "tree: never built": "model.predict(rows)",
    "boosting: tree is None": "model.predict(rows)",
    "nearest: row out of range": "model.predict(rows)",
    "nearest: metric is None": "model.predict(rows)",
    "votes: label out of range": "model.predict(rows)",
    "dia: offset 2147483647": "model @ numpy.ones(8)",
    "csr: index out of range": "model.toarray()",
    "svm: sparse indptr": "model.predict(scipy.sparse.csr_matrix(numpy.ones((9, 5))))",
    "vocabulary: out of range": "model.transform(['two']).toarray()",
    "histogram: feature": "model.predict(numpy.hstack([rows, rows])[:, :6])",
}
