# SPDX-License-Identifier: BSD-3-Clause
"""What the text vectorizers make of a text before they count: tokens or characters.

Floor 7, beside the command line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from safeserial_converters import ops, ops_text, token_patterns
from safeserial_converters.graph import Graph
from safeserial_converters.ops_text import PAD
from safeserial_converters.tensors import Tensor
from safeserial_converters.token_patterns import TokenPattern

#: Numbers of tokens: of one that no n-gram has, of none at all.
OTHER, NOTHING = -1, -2
_SIGMAS: Final = set("\u03c2\u03c3")


@dataclass(frozen=True)
class Analyzer:
    """A vectorizer's way from a text to its tokens (words) or characters.

    Parameters
    ----------
    kind : str
        ``"word"``, ``"char"`` or ``"char_wb"``.
    lower : bool
        To lower case first.
    accents : str or None
        What strips accents.
    pattern : TokenPattern
        Of words.
    stop_words : frozenset of str
        Words to leave out.
    shortest, longest : int
        The n-grams.
    """

    kind: str
    lower: bool
    accents: str | None
    pattern: TokenPattern
    stop_words: frozenset[str]
    shortest: int
    longest: int

    def units(self, gram: str) -> list[str]:
        """Return the words or characters of an n-gram."""
        return gram.split(" ") if self.kind == "word" else list(gram)

    def may_have(self, gram: list[str]) -> bool:
        """Whether a text can have an n-gram: one of a fixed vocabulary may be of another kind."""
        if self.stop_words.intersection(gram) or len(gram) > self.longest:
            return False
        if len(gram) >= self.shortest:
            return True
        # A word too short for any n-gram is counted as a whole, with its spaces.
        return self.kind == "char_wb" and len(gram) > 2 and gram[0] == gram[-1] == " "

    def strings(self, texts: Tensor, *, sigma: bool = True) -> Tensor:
        """Return the tokens or characters of texts, ``[N, W]``, with pads at the ends of rows."""
        plain = ops_text.normalized(texts, lower=self.lower, accents=self.accents, sigma=sigma)
        if self.kind == "word":
            return self._words(plain)
        chars = ops_text.characters(plain)
        return _spaced(chars) if self.kind == "char" else _padded_words(chars)

    def _words(self, plain: Tensor) -> Tensor:
        words = ops_text.matches(plain, self.pattern.find)
        drop: Tensor | None = None
        if self.stop_words:
            listed = sorted(self.stop_words)
            drop = ops_text.lookup(words, listed, [1] * len(listed), 0).equal(1)
        if self.pattern.keep is not None:
            odd = ~ops_text.full_match(words, self.pattern.keep)
            drop = odd if drop is None else drop | odd
        if drop is None:
            return words
        return ops_text.compact(words, ~(drop | words.equal(PAD)), _pad(words))

    def ids(self, texts: Tensor, numbers: Mapping[str, int], letters: set[str]) -> Tensor:
        """Return tokens as numbers: those of `numbers`, -1 for others, -2 for none."""
        found = self.strings(texts, sigma=bool(_SIGMAS & letters))
        keys, values = [*numbers, PAD], [*numbers.values(), NOTHING]
        return ops_text.lookup(found, keys, values, OTHER)


def analyzer_of(model: Any, graph: Graph) -> Analyzer:
    """Read a vectorizer's settings.

    Raises
    ------
    UnsupportedModelError
        If one of them is a Python function, or an expression that cannot be written for RE2.
    """
    for name in ("preprocessor", "tokenizer"):
        if getattr(model, name) is not None and not (
            name == "tokenizer" and model.analyzer != "word"
        ):
            raise graph.refuse(model, f"its {name} is a Python function")
    if callable(model.analyzer):
        raise graph.refuse(model, "its analyzer is a Python function")
    if callable(model.strip_accents):
        raise graph.refuse(model, "its strip_accents is a Python function")
    if model.input != "content":
        raise graph.refuse(model, f"it reads its texts from a {model.input}")
    if graph.target.opset < 20:
        raise graph.refuse(model, "texts need operator set 20", hint="leave opset at its default")
    word = model.analyzer == "word"
    pattern = token_patterns.translate(model.token_pattern) if word else TokenPattern("")
    if pattern is None or pattern.spaces:
        raise graph.refuse(
            model,
            f"its token_pattern {model.token_pattern!r} is not a run of one class of characters",
            hint=r"patterns like \w+, \b\w\w+\b, \b[a-zA-Z]{3,}\b or \S+ can be written",
        )
    stop_words = frozenset(model.get_stop_words() or ()) if word else frozenset()
    return Analyzer(
        model.analyzer, bool(model.lowercase), model.strip_accents or None,
        pattern, stop_words, int(model.ngram_range[0]), int(model.ngram_range[1]),
    )  # fmt: skip


def _blanks(expression: str) -> Iterator[str]:
    return (chr(n) for n in range(0x3001) if re.fullmatch(expression, chr(n)))


def _is_blank(chars: Tensor) -> Tensor:
    blanks = list(_blanks(r"\s"))
    return ops_text.lookup(chars, blanks, [1] * len(blanks), 0).equal(1)


def _spaced(chars: Tensor) -> Tensor:
    """Return characters with runs of white space as one space (a single one stays as it is)."""
    blank = _is_blank(chars)
    before, after = _neighbours(blank)
    one = ops.where(blank & (before | after), " ", chars)
    return ops_text.compact(one, ~(blank & before) & ~chars.equal(PAD), _pad(chars))


def _padded_words(chars: Tensor) -> Tensor:
    """Return each word between two spaces, and a pad behind it, which no n-gram can cross."""
    letter = ~(_is_blank(chars) | chars.equal(PAD))
    before, after = _neighbours(letter)
    space = ops.where(letter, " ", " ")
    pads = ops.where(letter, PAD, PAD)
    keep = [letter & ~before, letter, letter & ~after, letter & ~after]
    slots = ops.concat([ops.unsqueeze(one, 2) for one in (space, chars, space, pads)], 2)
    kept = ops.concat([ops.unsqueeze(one, 2) for one in keep], 2)
    flat = [ops.reshape(one, (0, -1), (None, None)) for one in (slots, kept)]
    return ops_text.compact(flat[0], flat[1], _pad(chars))


def _neighbours(there: Tensor) -> tuple[Tensor, Tensor]:
    """Return the same for the entry before each, and for the one after; at the ends it is false."""
    none = ops.full_rows(there, np.array([False]))
    before = ops.concat([none, ops_text.cut(there, 0, -1)])
    after = ops.concat([ops_text.cut(there, 1, 2**62), none])
    return before, after


def _pad(chars: Tensor) -> Tensor:
    return chars.graph.constant(np.array([PAD], object), "string")
