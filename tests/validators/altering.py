# SPDX-License-Identifier: BSD-3-Clause
"""How attacks are written down: a name, an honest model, and what is altered in a copy of it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

FAR = 10**8
Alter = Callable[[Any], Any]


class Attacks(dict[str, Callable[[], Any]]):
    """Named builders of altered models, which no one may use."""

    def add(self, name: str, make: Callable[[], Any], alter: Alter) -> None:
        """Add an attack; `alter` changes its argument, or returns what stands for it."""

        def build() -> Any:
            model = pickle.loads(pickle.dumps(make()))
            replaced = alter(model)
            return model if replaced is None or isinstance(replaced, bool) else replaced

        assert name not in self
        self[name] = build


def put(owner: Any, **values: Any) -> None:
    vars(owner).update(values)


def setting(at: Any, value: Any) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array[at] = value
        return array

    return change
