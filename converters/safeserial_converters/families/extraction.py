# SPDX-License-Identifier: BSD-3-Clause
"""DictVectorizer, which takes no tensors, and PatchExtractor, which takes images.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor


@converts("sklearn.feature_extraction.DictVectorizer")
def convert_dict_vectorizer(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Refused: its rows are dictionaries."""
    raise graph.refuse(
        model,
        "its rows are dictionaries, which are no tensors",
        hint="use a DataFrame with OneHotEncoder in a ColumnTransformer",
    )


@converts("sklearn.feature_extraction.image.PatchExtractor")
def convert_patches(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """All patches of each image, from the top left on."""
    if model.max_patches is not None:
        raise graph.refuse(model, "it draws patches by chance", hint="leave max_patches at None")
    return {"transform": lambda: _patches(model, inputs.numeric(), graph)}


def _patches(model: Any, x: Tensor, graph: Graph) -> Tensor:
    if x.rank not in (3, 4) or None in x.shape[1:]:
        raise graph.refuse(model, "the sample is no stack of images of one size")
    high, wide = (int(n) for n in x.shape[1:3] if n is not None)
    size = model.patch_size or (high // 10, wide // 10)
    down, right = (int(n) for n in size)
    rows = np.arange(high - down + 1)[:, None] + np.arange(down)
    columns = np.arange(wide - right + 1)[:, None] + np.arange(right)
    # [N, H, W, ...] -> [N, places down, down, places right, right, ...]
    found = ops.gather(ops.gather(x, rows, axis=1), columns, axis=3)
    grey = x.rank == 3 or x.shape[3] == 1
    found = ops.transpose(found, (0, 1, 3, 2, 4, *range(5, found.rank)))
    shape = (down, right) if grey else (down, right, int(x.shape[3] or 0))
    return ops.reshape(found, (-1, *shape), (None, *shape))
