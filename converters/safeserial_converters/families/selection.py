# SPDX-License-Identifier: BSD-3-Clause
"""Feature selection: some of the columns, and for RFE the estimator on them.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts

FS = "sklearn.feature_selection."
SELECTORS = (
    "GenericUnivariateSelect SelectFdr SelectFpr SelectFromModel SelectFwe SelectKBest "
    "SelectPercentile SequentialFeatureSelector VarianceThreshold"
).split()


def selected(model: Any, inputs: Inputs, graph: Graph) -> Inputs:
    """Return the columns that a selector keeps."""
    kept = np.flatnonzero(model.get_support())
    if not len(kept):  # a table without columns, as in the model
        empty = np.zeros(0, np.int64)
        return Inputs(graph, [ops.gather(inputs.column(0).cast(graph.real), empty, axis=1)], [])
    return inputs.select(kept)


@converts(*(FS + name for name in SELECTORS))
def convert_selector(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The columns that it keeps, as they are."""
    return {"transform": selected(model, inputs, graph)}


@converts(FS + "RFE", FS + "RFECV")
def convert_rfe(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The columns that it keeps, and its estimator on them."""
    table = selected(model, inputs, graph)

    def of(method: str) -> Any:
        return lambda: graph.convert(model.estimator_, table, step="estimator_")[method]

    methods = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    return {"transform": table, **{method: of(method) for method in methods}}
