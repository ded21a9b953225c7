# SPDX-License-Identifier: BSD-3-Clause
"""Anybody's words in generated code: identifiers, string literals, comments.

Floor 7, beside the command line.  A column may be called ``class``, ``1st`` or ``"; exit(); //``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal

Style = Literal["snake", "camel", "pascal"]

_LONGEST: Final = 48
# Keywords of C, C#, Go, Java, JavaScript and Rust, and names that each of them gives a meaning of
# its own in a record: one table for all, so that a column has nearly the same name everywhere.
_RESERVED: Final = frozenset(
    "abstract alignas alignof any as assert async atomic auto await base become bool boolean "
    "box break byte case catch chan char checked class const constexpr continue crate debugger "
    "decimal default defer delegate delete do double dyn else enum errno eval event explicit "
    "export extends extern fallthrough false final finally fixed float fn for foreach func "
    "function gen go goto if impl implements implicit import in init inline instanceof int "
    "interface internal is iota lambda let linux lock long loop macro main map match mod module "
    "move mut namespace native new nil noreturn null object of operator out override package "
    "params permits priv private protected protocol public pub range readonly record ref "
    "register restrict return sbyte sealed select self Self short signed sizeof stackalloc "
    "static stderr stdin stdout strictfp string String struct super switch synchronized this "
    "throw throws trait transient true try type typedef typeof uint ulong unchecked undefined "
    "union unix unsafe unsigned unsized use ushort using var virtual void volatile when where "
    "while with yield EOF NULL NaN Infinity arguments constructor prototype clone equals "
    "finalize getClass hashCode notify notifyAll toString valueOf wait Clone Equals Finalize "
    "GetHashCode GetType MemberwiseClone ReferenceEquals ToString asm offsetof static_assert "
    "thread_local".split()
)


def words_of(text: str) -> list[str]:
    """Return the words of a text in small ASCII letters and digits: ``petalWidth`` has two."""
    plainer = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    parted = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", plainer)
    return re.findall(r"[a-z0-9]+", parted.lower())


def identifiers(
    texts: Sequence[str], style: Style, reserved: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return a valid identifier for each text, each once, whatever its case.

    Parameters
    ----------
    texts : sequence of str
        Any words at all.
    style : {"snake", "camel", "pascal"}
        ``petal_width``, ``petalWidth`` or ``PetalWidth``.
    reserved : iterable of str
        Names not to be given, beside the keywords of all languages here.

    Returns
    -------
    tuple of str
        ASCII letters, digits and underscores, beginning with a letter.
    """
    avoided = _RESERVED | frozenset(reserved)
    taken: set[str] = set()
    found = []
    for place, text in enumerate(texts, start=1):
        words = words_of(text[:_LONGEST])
        if not words:
            words = [f"column{place}"]
        elif words[0][0].isdigit():
            words.insert(0, "column")
        name = _joined(words, style)
        name = f"{name}_" if name in avoided else name
        count, candidate = 1, name
        while candidate.lower() in taken or candidate in avoided:
            count += 1
            candidate = f"{name.rstrip('_')}_{count}"
        taken.add(candidate.lower())
        found.append(candidate)
    return tuple(found)


def _joined(words: Sequence[str], style: Style) -> str:
    if style == "snake":
        return "_".join(words)
    whole = "".join(word.capitalize() for word in words)
    return whole if style == "pascal" else words[0] + whole[len(words[0]) :]


def literal(text: str, language: str) -> str:
    """Return a text as a string of a language, with its quotes, in ASCII.

    Parameters
    ----------
    text : str
        Any words at all.
    language : {"js", "c", "go", "rust", "java", "csharp"}
        C's is of UTF-8 bytes.
    """
    if language == "c":
        parts = [
            chr(one) if 32 <= one < 127 and one not in b'"\\?' else f"\\{one:03o}"
            for one in text.encode("utf-8")
        ]
    else:
        parts = [one if _is_easy(one) else _ESCAPES[language](one) for one in text]
    return '"' + "".join(parts) + '"'


def _is_easy(one: str) -> bool:
    return " " <= one <= "~" and one not in '"\\'


def _units(one: str) -> str:
    data = one.encode("utf-16-be")
    return "".join(f"\\u{data[at : at + 2].hex()}" for at in range(0, len(data), 2))


_ESCAPES: Final[Mapping[str, Callable[[str], str]]] = {
    "js": _units,
    "csharp": _units,
    # Java reads \u before anything else: \u0022 would end the string, \u000a the line.
    "java": lambda one: f"\\{ord(one):03o}" if ord(one) < 128 else _units(one),
    "go": lambda one: f"\\u{ord(one):04x}" if ord(one) < 65536 else f"\\U{ord(one):08x}",
    "rust": lambda one: f"\\u{{{ord(one):x}}}",
}


def plain(text: str) -> str:
    """Return of a text what may stand in a comment of any language; the rest is ``_``."""
    return re.sub(r"[^A-Za-z0-9 .,-]", "_", text[:80])


def shown(text: str) -> str:
    """Return of a text what may stand in Markdown between backticks; the rest is ``_``."""
    kept = (one if one.isprintable() and one not in "`<>|\\" else "_" for one in text[:80])
    return "".join(kept)
