# SPDX-License-Identifier: BSD-3-Clause
"""DictVectorizer, which takes dictionaries, and PatchExtractor, which takes images.

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
    """A column a number and a column a string that a key had in the fit; absent keys give 0."""
    if inputs.names is None or len(inputs.blocks) != len(inputs.names):
        raise graph.refuse(model, "it takes dictionaries", hint="pass a list of them as the sample")
    if np.dtype(model.dtype) not in (np.float64, np.float32):
        raise graph.refuse(model, f"its numbers are {np.dtype(model.dtype)}")
    known = dict(model.vocabulary_)
    parts, places = [], []
    for name, block in zip(inputs.names, inputs.blocks, strict=True):
        if block.dtype == "string":
            prefix = f"{name}{model.separator}"
            own = [one for one in known if one.startswith(prefix) and len(one) > len(prefix)]
            texts = np.array([one.removeprefix(prefix) for one in own], object)
            part = ops.one_hot(ops.ravel(ops.codes(block, texts)), len(own)) if own else None
        else:
            own = [name] if name in known else []
            value = block.cast(str(np.dtype(model.dtype))).cast(graph.real)
            part = ops.where(ops.isnan(block), 0.0, value)
        if own and part is not None:
            parts.append(part)
            places += [known[one] for one in own]
    if sorted(places) != list(range(len(known))):
        lost = sorted(set(range(len(known))) - set(places))
        names = ", ".join(repr(model.feature_names_[i]) for i in lost[:3])
        raise graph.refuse(
            model,
            f"no key of the sample gives {names}" if lost else "two keys give the same column",
            hint="let the sample have every key that the model knows" if lost else None,
        )
    return {"transform": ops.columns(ops.concat(parts), np.argsort(places))}


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
