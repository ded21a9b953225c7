# SPDX-License-Identifier: BSD-3-Clause
"""Sparse coding on a dictionary: orthogonal matching pursuit, and thresholds.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

D = "sklearn.decomposition."
_EPS: Final = float(np.finfo(np.float64).eps)
#: Atoms a row may use: every further one needs as many nodes as there are before it.
MOST_ATOMS: Final = 40


@converts(D + "DictionaryLearning", D + "MiniBatchDictionaryLearning")
def convert_learned(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The code of each row on the dictionary that was learnt."""
    alpha = model.alpha if model.transform_alpha is None else model.transform_alpha
    return {"transform": lambda: _coded(model, inputs, graph, model.components_, alpha)}


@converts(D + "SparseCoder")
def convert_coder(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The code of each row on a dictionary that was given."""
    return {
        "transform": lambda: _coded(model, inputs, graph, model.dictionary, model.transform_alpha)
    }


def _coded(model: Any, inputs: Inputs, graph: Graph, atoms: Any, alpha: Any) -> Tensor:
    atoms = np.asarray(atoms, np.float64)
    products = inputs.numeric() @ graph.constant(atoms.T, graph.real)
    method = model.transform_algorithm
    if method == "threshold":
        level = 1.0 if alpha is None else float(alpha)
        size = ops.maximum(ops.absolute(products) - level, 0.0)
        code = ops.unary("Sign", products) * size
        if model.positive_code:
            code = ops.maximum(code, 0.0)
    elif method == "omp":
        wanted = model.transform_n_nonzero_coefs
        if wanted is None:
            wanted = min(max(atoms.shape[1] / 10, 1), len(atoms))
        code = _pursued(model, products, atoms, int(wanted))
    else:
        raise graph.refuse(
            model,
            f"transform_algorithm={method!r} follows a path of solutions for each row",
            hint='choose transform_algorithm="omp" or "threshold"',
        )
    if model.split_sign:
        code = ops.concat([ops.maximum(code, 0.0), -ops.minimum(code, 0.0)])
    return code


def _pursued(model: Any, products: Tensor, atoms: Any, most: int) -> Tensor:
    """Return the codes by orthogonal matching pursuit of at most so many atoms.

    Step by step the atom that the rest of the row is nearest to; those chosen are made orthogonal
    by a Cholesky factorization of their products, row by row of the factor.
    """
    graph, count = products.graph, len(atoms)
    if most > MOST_ATOMS:
        raise graph.refuse(model, f"a row may use {most} atoms; up to {MOST_ATOMS} can be written")
    if most > count:
        raise graph.refuse(model, "more atoms are asked for than there are")
    gram = atoms @ atoms.T
    table = graph.constant(gram, graph.real)
    diagonal = graph.constant(np.diag(gram).copy(), graph.real)
    rest, stopped = products, ops.full_rows(products, np.zeros((), bool))
    used = ops.full_like(products, value=False)
    factor: list[list[Tensor]] = []  # rows of the factor
    turned: list[Tensor] = []  # products of the orthogonal atoms with all atoms
    heights: list[Tensor] = []
    chosen: list[Tensor] = []
    for _ in range(most):
        best = ops.argmax(ops.absolute(rest), 1)
        here = ops.one_hot(best, count, "bool")
        left = _pick(rest, here)
        stopped = stopped | _pick_flag(used, here) | (left * left < _EPS)
        row = [_pick(one, here) for one in turned]
        own = ops.gather(diagonal, best)
        if row:
            beside = ops.concat([ops.unsqueeze(one, 1) for one in row])
            own = own - ops.total(beside * beside, 1)
            stopped = stopped | (own <= _EPS)
        length = ops.sqrt(ops.where(stopped, 1.0, own))
        height = ops.where(stopped, 0.0, left / length)
        direction = ops.gather(table, best)
        for one, part in zip(turned, row, strict=True):
            direction = direction - one * ops.unsqueeze(part, 1)
        direction = direction / ops.unsqueeze(length, 1)
        rest = rest - direction * ops.unsqueeze(height, 1)
        used = used | (here & ops.unsqueeze(~stopped, 1))
        factor.append([*row, length])
        turned.append(direction)
        heights.append(height)
        chosen.append(here)
    return _solved(products, factor, heights, chosen)


def _solved(
    products: Tensor, factor: list[list[Tensor]], heights: list[Tensor], chosen: list[Tensor]
) -> Tensor:
    """Return the coefficients of the atoms chosen: the factor's transpose, solved from the last."""
    coefficients: dict[int, Tensor] = {}
    for i in reversed(range(len(factor))):
        value = heights[i]
        for j, later in coefficients.items():
            value = value - factor[j][i] * later
        coefficients[i] = value / factor[i][i]
    code = products * 0.0
    for i, here in enumerate(chosen):
        code = code + here.cast(products.dtype) * ops.unsqueeze(coefficients[i], 1)
    return code


def _pick(x: Tensor, here: Tensor) -> Tensor:
    """Return of each row the entry where a flag stands."""
    return ops.total(ops.where(here, x, 0.0), 1)


def _pick_flag(x: Tensor, here: Tensor) -> Tensor:
    return ops.total((x & here).cast("int64"), 1) > 0
