# SPDX-License-Identifier: BSD-3-Clause
"""The conformance harness: an estimator and kinds of data in, an assertion on every method out.

``require_right(lambda: Ridge())`` fails where a graph is wrong on held-out rows, where the proof
had to stop one, and where a method is refused that is not named in ``refused``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from safeserial_converters.trials import Data, Outcome, datasets, fitted, try_estimator, try_model

__all__ = ["Data", "Outcome", "datasets", "fitted", "require_right", "try_estimator", "try_model"]


def require_right(
    factory: Callable[[], Any],
    *,
    only: Iterable[str] | None = None,
    also: Sequence[Data] = (),
    refused: Iterable[tuple[str, str]] = (),
    **options: Any,
) -> list[Outcome]:
    """Assert that all methods are right on all kinds of data that the estimator takes.

    `only` names kinds of data, `also` brings others, `refused` lists the (kind of data, method)
    pairs that must be refused by name; ``"*"`` stands for any.
    """
    from safeserial_converters import trials

    kinds = [*trials.datasets(trials._kind(factory()))]
    if only is not None:
        names = set(only)
        kinds = [data for data in kinds if data.name in names]
        assert names <= {data.name for data in kinds}, "no such kind of data"
    outcomes = try_estimator(factory, [*kinds, *also], fallback=False, **options)
    assert outcomes, "the estimator takes none of these data"
    expected = set(refused)

    def may_refuse(one: Outcome) -> bool:
        pairs = {(v, m) for v in (one.variant, "*") for m in (one.method, "*")}
        return bool(pairs & expected)

    bad = [one for one in outcomes if one.verdict != ("refused" if may_refuse(one) else "right")]
    assert not bad, "\n".join(map(str, bad))
    return outcomes
