"""Pairs that merge by rank: byte-level BPE, and BPE with signs for spaces as of sentencepiece.

R. Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016; bytes as
characters after the published code of GPT-2; T. Kudo and J. Richardson, "SentencePiece", 2018.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import groupby
from typing import Any, Literal

from flow.frontend.language.added_tokens import Added, Finder, finder
from flow.frontend.language.merging import merged
from flow.frontend.language.text_pieces import words
from flow.frontend.language.unicode_runs import Form, normalised

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""What stands for a space in pieces."""
_RAW = re.compile(r"<0x([0-9A-Fa-f]{2})>")
Spaces = Literal["bytes", "signs"]
Normal = Literal[Form, "signs", "prepend"]
"""A normal form, signs for spaces, or a sign before what is not empty."""


@cache
def byte_characters() -> Mapping[int, str]:
    """The character of each byte: printable ones of Latin-1 stay, the others follow from 256 on."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    found = {byte: chr(byte) for byte in kept}
    for byte in range(256):
        if byte not in found:
            found[byte] = chr(256 + len(found) - len(kept))
    return found


@dataclass(frozen=True, slots=True)
class Rules:
    """How a text becomes words, and pieces a text.

    `normal`: what is done to the text between special tokens, in order. `spaces`: then bytes become
    characters, or signs stand for spaces. `prefix`: a space comes before the text ("first"), before
    each part between tokens ("each"), or nowhere. `pattern` is one of PATTERNS; `split` makes a
    word of each sign and what follows it. `raw`: pieces such as <0x0A> are bytes. `drop`: the first
    space of a text is left out, or all signs of its first piece, or nothing.
    """

    spaces: Spaces
    prefix: Literal["", "first", "each"] = ""
    pattern: str = ""
    split: bool = False
    normal: tuple[Normal, ...] = ()
    raw: bool = False
    drop: Literal["", "one", "all"] = ""


@dataclass(frozen=True)
class BytePairs:
    """A tokenizer: tokens by piece, ranks of pairs, tokens that stand in a text as they are, and
    what frames a text. `table` is what it was made of, as JSON holds it."""

    vocabulary: Mapping[str, int]
    ranks: Mapping[tuple[int, int], tuple[int, int]]
    added: tuple[Added, ...]
    rules: Rules
    before: tuple[int, ...]
    after: tuple[int, ...]
    stops: frozenset[int]
    unknown: int | None
    fuse: bool
    fallback: bool
    whole: bool
    table: Mapping[str, Any]

    @cached_property
    def _names(self) -> dict[int, str]:
        found = {token: piece for piece, token in self.vocabulary.items()}
        added = {a.token: self._normal(a.text) if a.normal else a.text for a in self.added}
        return found | added

    @cached_property
    def _finders(self) -> tuple[Finder, Finder]:
        """Of tokens in a text as it is, and in one that is normalised."""
        return (
            finder((a.text, a) for a in self.added if not a.normal),
            finder((self._normal(a.text), a) for a in self.added if a.normal),
        )

    def encode(self, text: str) -> list[int]:
        """The tokens of a text with what frames it."""
        known: dict[str, list[int]] = {}
        found = list(self.before)
        for word in self._words(text):
            if isinstance(word, int):
                found.append(word)
                continue
            if (tokens := known.get(word)) is None:
                tokens = known[word] = self._merged(word)
            found += tokens
        return [*found, *self.after]

    def _words(self, text: str) -> Iterator[str | int]:
        """Tokens that stand in the text, and the words between them."""
        given, changed = self._finders
        first = True
        for outer in given.parts(text):
            for part in [outer] if isinstance(outer, int) else changed.parts(self._normal(outer)):
                if isinstance(part, int):
                    yield part
                else:
                    yield from self._cut(part, first)
                first = False

    def _normal(self, text: str) -> str:
        for step in self.rules.normal:
            if step == "signs":
                text = text.replace(" ", SPACE)
            elif step == "prepend":
                text = f"{SPACE}{text}" if text else ""
            else:
                text = normalised(step, text)
        return text

    def _cut(self, text: str, first: bool) -> list[str]:
        rules = self.rules
        begins = text.startswith((" ", SPACE)) if rules.spaces == "signs" else text[:1] == " "
        if not begins and (rules.prefix == "each" or (rules.prefix == "first" and first)):
            text = f" {text}"
        if rules.spaces == "bytes":
            found = words(rules.pattern, text) if rules.pattern else [text]
            names = byte_characters()
            return ["".join(names[b] for b in _utf8(w)) for w in found]
        text = text.replace(" ", SPACE)
        return re.findall(f"{SPACE}[^{SPACE}]*|[^{SPACE}]+", text) if rules.split else [text]

    def _symbols(self, word: str) -> Iterator[int]:
        """The token of each character, its bytes, or what is unknown."""
        missing = False
        for character in word:
            token = self.vocabulary.get(character)
            if token is None:
                raw = [self.vocabulary.get(f"<0x{byte:02X}>") for byte in _utf8(character)]
                if self.fallback and None not in raw:
                    # As published: such bytes come before what is unknown just before them.
                    yield from (token for token in raw if token is not None)
                elif self.unknown is not None:
                    if missing and not self.fuse:
                        yield self.unknown
                    missing = True
                continue
            if missing and self.unknown is not None:
                yield self.unknown
            missing = False
            yield token
        if missing and self.unknown is not None:
            yield self.unknown

    def _merged(self, word: str) -> list[int]:
        """Pairs of the lowest rank merge first, the leftmost of equal ones."""
        if self.whole and word in self.vocabulary:
            return [self.vocabulary[word]]
        return merged(self._symbols(word), lambda one, other: self.ranks.get((one, other)))

    def _raw(self, token: int) -> bool:
        """Whether a token is one byte of a character."""
        return self.rules.raw and _RAW.fullmatch(self._names.get(token, "")) is not None

    def _bytes(self, token: int, first: bool) -> bytes:
        """What a token says; in the first one of a text signs may be nothing."""
        name = self._names.get(token, "")
        codes = _codes() if self.rules.spaces == "bytes" else {}
        if self._raw(token):
            return bytes([int(name[3:5], 16)])
        if codes and all(character in codes for character in name):
            return bytes(codes[character] for character in name)
        if codes:
            return _utf8(name)
        return _utf8(name.replace(SPACE, "" if first and self.rules.drop == "all" else " "))

    def piece(self, token: int, before: int) -> bytes:
        """What a token adds to a text; a space that encoding put before the text is dropped."""
        first = before in self.stops and token not in self.stops
        found = self._bytes(token, first)
        return found[1:] if first and self.rules.drop == "one" and found[:1] == b" " else found

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, up to a special token after its begin.

        Bytes that are no UTF-8 become U+FFFD: all of a run of raw bytes, else as Unicode says.
        """
        begin = len(self.before)
        end = next((n for n in range(begin, len(tokens)) if tokens[n] in self.stops), len(tokens))
        parts = []
        for raw, run in groupby(range(begin, end), lambda n: self._raw(tokens[n])):
            data = b"".join(self._bytes(tokens[n], n == begin) for n in run)
            try:
                parts.append(data.decode())
            except UnicodeDecodeError:
                parts.append("\ufffd" * len(data) if raw else data.decode("utf-8", "replace"))
        text = "".join(parts)
        return text[1:] if self.rules.drop == "one" and text[:1] == " " else text


@cache
def _codes() -> Mapping[str, int]:
    return {character: byte for byte, character in byte_characters().items()}


def _utf8(text: str) -> bytes:
    """Bytes of any text, halves of surrogate pairs with them."""
    return text.encode("utf-8", "surrogatepass")
