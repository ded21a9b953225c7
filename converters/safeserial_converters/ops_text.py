# SPDX-License-Identifier: BSD-3-Clause
"""Operations on texts: characters, tokens, Python's lower case and accents without a locale.

Floor 7, beside the command line.  ONNX lowers by the locale of the machine, or ASCII
only; here a text is taken apart into characters, each is mapped by a table of Python's own, and
they are joined again.
"""

from __future__ import annotations

import functools
import sys
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from safeserial_converters import ops
from safeserial_converters.tensors import Tensor

#: Stands where a row has no more characters or tokens: control characters, which no token is.
PAD: Final = "\x01\x02"
#: Stands for a character without entry in a table.
SAME: Final = "\x02\x01"
_SIGMA: Final = "\u03a3"  # the one letter whose lower case depends on its neighbours
_FINAL: Final = "\u03c2"


def characters(texts: Tensor) -> Tensor:
    """Return the characters of texts ``[N]`` as ``[N, T]``, filled up with :data:`PAD`."""
    return _tokenizer(texts, separators=[""])


def matches(texts: Tensor, pattern: str) -> Tensor:
    """Return what a regular expression (RE2) finds in texts ``[N]``, as ``[N, W]`` with pads."""
    return _tokenizer(texts, tokenexp=pattern)


def _tokenizer(texts: Tensor, **attributes: object) -> Tensor:
    found = texts.graph.emit(
        "Tokenizer", [texts], "string", (None, None), domain="com.microsoft",
        mark=0, mincharnum=1, pad_value=PAD, **attributes,
    )  # fmt: skip
    # A batch of empty texts has no column at all: give it one.
    return ops.concat([found, ops.full_rows(texts, np.array([PAD], object), "string")])


def full_match(texts: Tensor, pattern: str) -> Tensor:
    """Whether a regular expression (RE2) matches the whole of each string."""
    return texts.graph.emit("RegexFullMatch", [texts], "bool", texts.shape, pattern=pattern)


def glue(left: Tensor, right: Tensor) -> Tensor:
    """Put strings behind one another, elementwise."""
    return left.graph.emit("StringConcat", [left, right], "string", left.shape)


def lookup(
    strings: Tensor, keys: Sequence[str], values: Sequence[str] | Sequence[int], default: str | int
) -> Tensor:
    """Return the value at each string's key, or the default."""
    if isinstance(default, str):
        return strings.graph.emit(
            "LabelEncoder", [strings], "string", strings.shape, domain="ai.onnx.ml",
            keys_strings=list(keys), values_strings=list(values), default_string=default,
        )  # fmt: skip
    return strings.graph.emit(
        "LabelEncoder", [strings], "int64", strings.shape, domain="ai.onnx.ml",
        keys_strings=list(keys), values_int64s=list(values), default_int64=default,
    )  # fmt: skip


def join(chars: Tensor) -> Tensor:
    """Join the strings of each row: halves of the row onto one another until one column is left."""
    graph = chars.graph
    width = graph.emit("Shape", [chars], "int64", (1,), start=1, end=2)
    bits = graph.emit("Ceil", [_log2(width)], "float64", (1,)).cast("int64")
    size = graph.constant(np.array([2])).binary("Pow", bits)
    rows = graph.emit("Shape", [chars], "int64", (1,), start=0, end=1)
    rest = ops.concat([rows, size - width], axis=0)
    empty = graph.emit("Expand", [graph.constant("", "string"), rest], "string", (None, None))
    full = ops.concat([chars, empty])

    def halve(_turn: Tensor, _going: Tensor, row: Tensor) -> list[Tensor]:
        pairs = ops.reshape(row, (0, -1, 2), (None, None, 2))
        first, second = ops.gather(pairs, np.int64(0), 2), ops.gather(pairs, np.int64(1), 2)
        return [graph.constant(np.True_), glue(first, second)]

    body, _ = graph.subgraph([("int64", ()), ("bool", ()), ("string", (None, None))], halve)
    times = ops.squeeze(bits, 0)
    (joined,) = graph.emit_many("Loop", [times, None, full], [("string", (None, None))], body=body)
    return ops.reshape(joined, (-1,), (None,))


def _log2(width: Tensor) -> Tensor:
    # A little less than the logarithm: a power of two must not be rounded up to the next.
    return ops.log(width.cast("float64")) / float(np.log(2.0)) - 1e-9


def compact(values: Tensor, keep: Tensor, fill: Tensor) -> Tensor:
    """Move the entries to keep to the front of their rows, in order; `fill` takes the rest."""
    graph = values.graph
    axis = graph.constant(np.array(1))
    place = graph.emit("CumSum", [keep.cast("int64"), axis], "int64", keep.shape) - 1
    shape = graph.emit("Shape", [values], "int64", (2,))
    width = ops.gather(shape, np.array([1]))
    wider = ops.concat([ops.gather(shape, np.array([0])), width + 1], axis=0)
    ground = graph.emit("Expand", [fill, wider], values.dtype, (None, None))
    where = ops.where(keep, place, width)  # what is dropped goes behind the end
    spread = graph.emit(
        "ScatterElements", [ground, where, values], values.dtype, (None, None), axis=1
    )
    return cut(spread, 0, -1)


def cut(values: Tensor, start: int, end: int) -> Tensor:
    """Return the columns from `start` up to `end`, which may count from the end."""
    graph = values.graph
    bounds = [graph.constant(np.array([one])) for one in (start, end, 1)]
    return graph.emit("Slice", [values, *bounds], values.dtype, (None, None))


def choose(condition: Tensor, yes: Callable[[], Tensor], no: Callable[[], Tensor]) -> Tensor:
    """Build two ways, and take one for the whole batch."""
    graph = condition.graph
    one, (result,) = graph.subgraph([], lambda: [yes()])
    other, _ = graph.subgraph([], lambda: [no()])
    return graph.emit(
        "If", [condition], result.dtype, result.shape, then_branch=one, else_branch=other
    )


# ---------------------------------------------------------------------- lower case and accents


def normalized(texts: Tensor, *, lower: bool, accents: str | None, sigma: bool) -> Tensor:
    """Return texts ``[N]`` in lower case and without accents, as Python and scikit-learn do it.

    Parameters
    ----------
    texts : Tensor
        Strings.
    lower : bool
        As ``str.lower``.
    accents : str or None
        ``"unicode"`` or ``"ascii"``: as scikit-learn's ``strip_accents``.
    sigma : bool
        Whether the two Greek small letters sigma must be told apart.
    """
    if not lower and accents is None:
        return texts
    plain = full_match(texts, r"(?s)[\x00-\x7f]*").cast("int64")
    return choose(
        ops.smallest(plain, 0).equal(1),
        lambda: _ascii_lower(texts) if lower else texts,
        lambda: join(_mapped(characters(texts), accents, lower=lower, sigma=sigma)),
    )


def _ascii_lower(texts: Tensor) -> Tensor:
    return texts.graph.emit(
        "StringNormalizer", [texts], "string", texts.shape,
        case_change_action="LOWER", is_case_sensitive=1, locale="C",
    )  # fmt: skip


def _mapped(chars: Tensor, accents: str | None, *, lower: bool, sigma: bool) -> Tensor:
    keys, values = _table(lower, accents)
    found = lookup(chars, keys, values, SAME)
    found = ops.where(found.equal(SAME), "" if accents == "ascii" else chars, found)
    return _final_sigma(chars, found) if sigma and lower and accents != "ascii" else found


@functools.cache
def _table(lower: bool, accents: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:  # noqa: FBT001
    """Return the characters that change, and what they become; the pad becomes nothing."""
    pairs = {PAD: ""}
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        if unicodedata.category(char) in {"Cs", "Cn", "Co"}:
            continue
        new = char.lower() if lower else char
        if accents is not None and not new.isascii():
            parts = unicodedata.normalize("NFKD", new)
            if accents == "ascii":
                new = "".join(one for one in parts if one.isascii())
            else:
                new = "".join(one for one in parts if not unicodedata.combining(one))
        if new != char and not (accents == "ascii" and new == ""):
            pairs[char] = new
        elif accents == "ascii" and char.isascii():
            pairs[char] = char
    return tuple(pairs), tuple(pairs.values())


def _final_sigma(chars: Tensor, mapped: Tensor) -> Tensor:
    """Write a capital sigma at the end of a word as final: after a cased letter, before none.

    Characters that Unicode calls case-ignorable are looked through.
    """
    graph = chars.graph
    cased, ignorable = _case_classes()
    kind = lookup(chars, [*cased, *ignorable], [1] * len(cased) + [2] * len(ignorable), 0)
    seen = ~kind.equal(2)
    axis = graph.constant(np.array(1))
    through = graph.emit("CumSum", [seen.cast("int64"), axis], "int64", chars.shape)
    zero = graph.constant(np.array([0]))
    dense = compact(kind.equal(1).cast("int64"), seen, zero)
    ends = ops.full_rows(chars, np.array([0]))
    dense = ops.concat([ends, dense, ends])  # entry k: whether the k-th that is seen is cased
    own = seen.cast("int64")

    def at(index: Tensor) -> Tensor:
        return graph.emit("GatherElements", [dense, index], "int64", chars.shape, axis=1).equal(1)

    final = at(through - own) & ~at(through + 1) & chars.equal(_SIGMA)
    return ops.where(final, _FINAL, mapped)


@functools.cache
def _case_classes() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ask Python which characters are cased, and which are looked through, before a sigma."""
    every = [chr(n) for n in range(sys.maxunicode + 1) if not 0xD800 <= n <= 0xDFFF]
    cased = tuple(one for one in every if (one + _SIGMA).lower().endswith(_FINAL))
    known = set(cased)
    through = (one for one in every if one not in known)
    return cased, tuple(one for one in through if ("a" + one + _SIGMA).lower().endswith(_FINAL))
