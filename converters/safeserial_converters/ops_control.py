# SPDX-License-Identifier: BSD-3-Clause
"""Control flow: one row after another, and bounded repetition.

Floor 7, beside the command line.  Converters use these by way of :mod:`safeserial_converters.ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from safeserial_converters.tensors import Shape, Tensor


def scan_rows(
    tensors: Sequence[Tensor], body: Callable[..., Sequence[Tensor]]
) -> tuple[Tensor, ...]:
    """Run `body` on one row after another (memory for one), and stack its results.

    Parameters
    ----------
    tensors : sequence of Tensor
        Each gives its row, without the first dimension, to `body`, which may use outer tensors too.
    body : callable
        Returns the results of the row.
    """
    graph = tensors[0].graph
    proto, results = graph.subgraph([(t.dtype, t.shape[1:]) for t in tensors], body)
    outputs = [(one.dtype, (None, *one.shape)) for one in results]
    return graph.emit_many("Scan", list(tensors), outputs, body=proto, num_scan_inputs=len(tensors))


def loop(
    times: int,
    states: Sequence[Tensor],
    body: Callable[..., tuple[Tensor | None, Sequence[Tensor]]],
) -> tuple[Tensor, ...]:
    """Repeat `body` at most `times`, handing the states on.

    Parameters
    ----------
    times : int
        The bound.
    states : sequence of Tensor
        At the start.
    body : callable
        Gets the number of the turn (int64 scalar) and the states; returns whether to go on (a bool
        scalar, or None for always) and the new states.
    """
    graph = states[0].graph

    def turn(i: Tensor, _going: Tensor, *old: Tensor) -> list[Tensor]:
        more, new = body(i, *old)
        return [graph.lift(np.True_) if more is None else more, *new]

    arguments: list[tuple[str, Shape]] = [("int64", ()), ("bool", ())]
    proto, results = graph.subgraph([*arguments, *((s.dtype, s.shape) for s in states)], turn)
    bound = graph.constant(np.int64(times))
    outputs = [(one.dtype, one.shape) for one in results[1:]]
    return graph.emit_many("Loop", [bound, None, *states], outputs, body=proto)
