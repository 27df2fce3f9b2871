"""Tokens that stand in a text as they are: found before what is between them becomes words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flow.frontend.language.unicode_runs import SPACE, is_word

_SPACES = re.compile(f"[{SPACE}]*")


@dataclass(frozen=True, slots=True)
class Added:
    """A token by its text. `normal`: it is looked for in the normalised text; `word`: only where no
    word goes on before or behind it; `left`, `right`: spaces there are part of it."""

    text: str
    token: int
    special: bool = False
    normal: bool = False
    word: bool = False
    left: bool = False
    right: bool = False


@dataclass(frozen=True, slots=True)
class Finder:
    """Looks for tokens by their texts: of those that begin at a place the longest is taken."""

    tokens: Mapping[str, Added]
    pattern: re.Pattern[str]

    def parts(self, text: str) -> Iterator[str | int]:
        """The texts between tokens, none of them empty, and tokens."""
        at = 0
        for match in self.pattern.finditer(text):
            added, (start, stop) = self.tokens[match[0]], match.span()
            if added.word and (_is_word(text, start - 1) or _is_word(text, stop)):
                continue
            if added.left:
                start = max(start, at)
                while start > at and _SPACES.fullmatch(text[start - 1]):
                    start -= 1
            if added.right:
                found = _SPACES.match(text, stop)
                stop = found.end() if found is not None else stop
            if at < start:
                yield text[at:start]
            # Of a token of spaces alone, another one may have taken all.
            if start < stop:
                yield added.token
            at = stop
        if at < len(text):
            yield text[at:]


def finder(tokens: Iterable[tuple[str, Added]]) -> Finder:
    """Looks for tokens, each by the text beside it; of equal texts the first counts."""
    known: dict[str, Added] = {}
    for text, added in tokens:
        known.setdefault(text, added)
    longest = sorted(known, key=lambda text: (-len(text), text))
    # Without tokens nothing matches.
    return Finder(known, re.compile("|".join(map(re.escape, longest)) or r"(?!)"))


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and is_word(text[at])
