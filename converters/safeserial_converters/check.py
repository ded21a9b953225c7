# SPDX-License-Identifier: BSD-3-Clause
"""Is a converter right: ``python -m safeserial_converters.check sklearn.linear_model.Ridge``.

Floor 7, beside the command line.  Arguments after the name are keyword arguments of the class:
``alpha=2.0``.  Exit code 0: all right or refused by name; 1: something is wrong.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from safeserial_converters.trials import Outcome, try_estimator


def main(arguments: Sequence[str]) -> int:
    """Check the classes named, and print what is not right."""
    names = [one for one in arguments if "=" not in one]
    pairs = [one.partition("=") for one in arguments if "=" in one]
    options = {key: _literal(text) for key, _, text in pairs}
    if not names:
        print(__doc__, file=sys.stderr)  # noqa: T201 - a command
        return 2
    bad = 0
    for name in names:
        module, _, attribute = name.rpartition(".")
        kind = getattr(importlib.import_module(module), attribute)
        bad += report(name, try_estimator(partial(kind, **options), fallback=False))
    return 1 if bad else 0


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def report(name: str, outcomes: Sequence[Outcome]) -> int:
    """Print the outcomes of a class; return how many are neither right nor refused."""
    counts = Counter(one.verdict for one in outcomes)
    summary = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    print(f"{name}: {summary or 'fits none of the data'}")  # noqa: T201 - a command
    shown = [one for one in outcomes if one.verdict != "right"]
    for one in shown:
        print(f"  {one}")  # noqa: T201 - a command
    return sum(one.verdict not in {"right", "refused"} for one in outcomes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
