"""Pairs that merge by rank: byte-level BPE, and BPE with signs for spaces as of sentencepiece.

R. Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016; bytes as
characters after the published code of GPT-2; T. Kudo and J. Richardson, "SentencePiece", 2018.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from flow.errors import UsageError, printable
from flow.frontend.language.merging import merged
from flow.frontend.language.text_pieces import words

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""What stands for a space in pieces."""
_RAW = re.compile(r"<0x([0-9A-Fa-f]{2})>")
Spaces = Literal["bytes", "signs"]


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
    """How a text becomes words.

    `spaces`: bytes become characters, or signs stand for spaces. `prefix`: a space comes before the
    text ("first"), before each part between special tokens ("each"), or nowhere; `twice` also where
    one is there already. `pattern` is one of PATTERNS; `split` makes a word of each sign and what
    follows it. `form` is a normal form of Unicode, or empty.
    """

    spaces: Spaces
    prefix: Literal["", "first", "each"] = ""
    twice: bool = False
    pattern: str = ""
    split: bool = False
    form: Literal["", "NFC", "NFD", "NFKC", "NFKD"] = ""


@dataclass(frozen=True)
class BytePairs:
    """A tokenizer: tokens by piece, ranks of pairs, special tokens by text, and what frames a text.

    `hidden` are special tokens that this reader cannot find in a text. `table` is what it was made
    of, as JSON holds it.
    """

    vocabulary: Mapping[str, int]
    ranks: Mapping[tuple[int, int], tuple[int, int]]
    special: Mapping[str, int]
    rules: Rules
    before: tuple[int, ...]
    after: tuple[int, ...]
    stops: frozenset[int]
    unknown: int | None
    fuse: bool
    fallback: bool
    whole: bool
    hidden: tuple[str, ...]
    table: Mapping[str, Any]

    @cached_property
    def _pieces(self) -> dict[int, bytes]:
        names = {name: byte for byte, name in byte_characters().items()}
        found = {token: self._bytes(piece, names) for piece, token in self.vocabulary.items()}
        return found | {token: _utf8(text) for text, token in self.special.items()}

    @cached_property
    def _parts(self) -> re.Pattern[str] | None:
        # The longest of those that begin at a place is taken.
        longest = sorted(self.special, key=lambda text: (-len(text), text))
        return re.compile(f"({'|'.join(map(re.escape, longest))})") if longest else None

    def encode(self, text: str) -> list[int]:
        """The tokens of a text with what frames it; UsageError at a special token in it that this
        reader cannot find as the published one does."""
        for content in self.hidden:
            if content in text:
                raise UsageError(
                    f"the text has the token {printable(content, 60)}, which is found only after "
                    "the text is changed",
                    hint="leave it out, or give the prompt as tokens",
                )
        found = list(self.before)
        parts = self._parts.split(text) if self._parts is not None else [text]
        for number, part in enumerate(parts):
            if number % 2:
                found.append(self.special[part])
            elif part:
                for word in self._words(part, first=not any(parts[:number])):
                    found += self._merged(word)
        return [*found, *self.after]

    def _words(self, text: str, first: bool) -> list[str]:
        rules = self.rules
        if rules.form:
            text = unicodedata.normalize(rules.form, text)
        if rules.prefix == "each" or (rules.prefix == "first" and first):
            begins = text.startswith((" ", SPACE)) if rules.spaces == "signs" else text[:1] == " "
            text = text if begins and not rules.twice else f" {text}"
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
            if token is not None:
                missing = False
                yield token
                continue
            data = _utf8(character)
            raw = [self.vocabulary.get(f"<0x{byte:02X}>") for byte in data]
            if self.fallback and None not in raw:
                missing = False
                yield from (token for token in raw if token is not None)
            elif self.unknown is not None and not (missing and self.fuse):
                missing = True
                yield self.unknown

    def _merged(self, word: str) -> list[int]:
        """Pairs of the lowest rank merge first, the leftmost of equal ones."""
        if self.whole and word in self.vocabulary:
            return [self.vocabulary[word]]
        return merged(self._symbols(word), lambda one, other: self.ranks.get((one, other)))

    def _bytes(self, piece: str, names: Mapping[str, int]) -> bytes:
        if self.rules.spaces == "bytes":
            if all(character in names for character in piece):
                return bytes(names[character] for character in piece)
            return _utf8(piece)
        if self.fallback and (raw := _RAW.fullmatch(piece)) is not None:
            return bytes([int(raw[1], 16)])
        return _utf8(piece.replace(SPACE, " "))

    def piece(self, token: int, before: int) -> bytes:
        """What a token adds to a text; a space that encoding put before the text is dropped."""
        piece = self._pieces.get(token, b"")
        begins = before in self.stops and token not in self.stops
        return piece[1:] if begins and self.rules.prefix and piece[:1] == b" " else piece

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, up to a special token after its begin."""
        parts = []
        last = self.before[-1] if self.before else min(self.stops, default=-1)
        for token in tokens[len(self.before) :]:
            if token in self.stops:
                break
            parts.append(self.piece(token, last))
            last = token
        return b"".join(parts).decode("utf-8", "replace")


def _utf8(text: str) -> bytes:
    """Bytes of any text, halves of surrogate pairs with them."""
    return text.encode("utf-8", "surrogatepass")
