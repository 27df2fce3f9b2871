"""Texts cut into words before pairs of bytes merge: the published patterns, and no others.

A pattern of a file is never run: it only names one of PATTERNS. GPT-2 (A. Radford et al.,
"Language Models are Unsupervised Multitask Learners", 2019, and its published code) and those that
came after.
"""

from __future__ import annotations

import re
from functools import cache

from flow.frontend.language.unicode_runs import SPACE, category

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
_MARK = "\xa4"
_STANDS = {
    "Lu": "A", "Lt": "A", "Ll": "a", "Lm": "\xaa", "Lo": "\xaa", "Nd": "0", "Nl": "0", "No": "0",
    "M": _MARK, "Mn": _MARK, "Mc": _MARK, "Me": _MARK,
}  # fmt: skip
"""What stands for characters beyond ASCII in patterns, by their category; "." for any other."""
_SETS = {
    "L": r"A-Za-z\u017f\xaa", "Lu": "A-Z", "Lt": "A-Z", "Ll": r"a-z\u017f", "Lm": r"\xaa",
    "Lo": r"\xaa", "M": r"\xa4", "N": "0-9",
}  # fmt: skip
_LONG_S = 0x17F
"""The one letter beyond ASCII that patterns without case take for one of ASCII."""
_WHITE = re.compile(f"[{SPACE}]")


class _Plain(dict[int, str]):
    """What stands for each character; found when it is asked for."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code < 128 or code == _LONG_S:
            found = character
        elif _WHITE.fullmatch(character):
            found = "\v"
        else:
            found = _STANDS.get(category(character), ".")
        self[code] = found
        return found


def words(pattern: str, text: str) -> list[str]:
    """The pieces of a text that one of PATTERNS finds: each finds all of any text."""
    found = _compiled(pattern).finditer(text.translate(_plain()))
    return [text[match.start() : match.end()] for match in found]


@cache
def _plain() -> _Plain:
    return _Plain()


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    r"""The pattern for what stands for characters, with \p{..} and \s as sets of it."""
    if pattern not in PATTERNS:
        raise KeyError(pattern)
    inside = False
    parts = []
    for token in re.findall(r"\\p\{\w+\}|\\.|.", pattern):
        if token in "[]":
            inside = token == "["
        if token == r"\s" or token == r"\S" or token.startswith(r"\p"):
            members = r"\t-\r " if token[1] in "sS" else _SETS[token[3:-1]]
            if not inside:
                members = f"[{'^' if token == chr(92) + 'S' else ''}{members}]"
            parts.append(members)
        else:
            parts.append(token)
    return re.compile("".join(parts))
