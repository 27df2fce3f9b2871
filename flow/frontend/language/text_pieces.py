"""Texts cut into words before pairs of bytes merge: the published patterns, and no others.

A pattern of a file is never run: it only names one of PATTERNS. GPT-2 (A. Radford et al.,
"Language Models are Unsupervised Multitask Learners", 2019, and its published code) and those that
came after.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from itertools import groupby

_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
GPT_2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA_3 = (
    rf"{_ENDINGS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
)
SINGLE = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
"""Of Qwen 2: every digit is a word."""
GPT_OSS = (
    rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_ENDINGS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_ENDINGS}?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
)
PATTERNS = (GPT_2, LLAMA_3, SINGLE, GPT_OSS)


def words(pattern: str, text: str) -> list[str]:
    """The pieces of a text that one of PATTERNS finds, and what is between them."""
    found, at = [], 0
    for match in _compiled(pattern).finditer(text):
        if match.start() > at:
            found.append(text[at : match.start()])
        if match.end() > match.start():
            found.append(match[0])
        at = match.end()
    return [*found, text[at:]] if at < len(text) else found


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    r"""The pattern for Python, with \p{..} and \s as sets of characters."""
    if pattern not in PATTERNS:
        raise KeyError(pattern)
    inside = False
    parts = []
    for token in re.findall(r"\\p\{\w+\}|\\.|.", pattern):
        if token in "[]":
            inside = token == "["
        if token == r"\s" or token == r"\S" or token.startswith(r"\p"):
            members = SPACE if token[1] in "sS" else _category(token[3:-1])
            if not inside:
                members = f"[{'^' if token == chr(92) + 'S' else ''}{members}]"
            parts.append(members)
        else:
            parts.append(token)
    return re.compile("".join(parts))


SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White_Space of Unicode; that of Python has four more characters."""


@cache
def _category(name: str) -> str:
    """All characters of a general category, or of those that begin with it, as ranges."""
    found = [(first, last) for kind, first, last in _runs() if kind.startswith(name)]
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in found)


@cache
def _runs() -> tuple[tuple[str, int, int], ...]:
    """Runs of characters of one category, with their first and last codes."""
    found, at = [], 0
    for kind, run in groupby(map(unicodedata.category, map(chr, range(sys.maxunicode + 1)))):
        size = sum(1 for _ in run)
        found.append((kind, at, at + size - 1))
        at += size
    return tuple(found)
