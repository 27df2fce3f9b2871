"""The tokenizer of a llama2.c model: pieces with scores, merged best first."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isfinite
from pathlib import Path

from flow.errors import UsageError
from flow.frontend.files import guards
from flow.frontend.language.merging import merged

BEGIN, END = 1, 2
"""Tokens at the begin and at the end of a text."""
FIRST_BYTE = 3
"""The token of the byte 0; those of the others follow."""
MOST_PIECE = 4096
_RAW = re.compile(rb"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True)
class Tokenizer:
    """A piece of bytes and a score for each token."""

    pieces: tuple[bytes, ...]
    scores: tuple[float, ...]

    @property
    def stops(self) -> frozenset[int]:
        """Tokens that no text is of: a text ends at them."""
        return frozenset((BEGIN, END))

    @cached_property
    def _tokens(self) -> dict[bytes, int]:
        return {piece: token for token, piece in reversed(list(enumerate(self.pieces)))}

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, after that of its begin: pairs of the best score merge first.

        A character that is no piece becomes its bytes in UTF-8.
        """
        return [BEGIN, *merged(self._characters(text), self._rank)]

    def _rank(self, one: int, other: int) -> tuple[float, int] | None:
        token = self._tokens.get(self.pieces[one] + self.pieces[other])
        return None if token is None else (-self.scores[token], token)

    def _characters(self, text: str) -> Iterator[int]:
        for character in f" {text}" if text else "":
            data = character.encode("utf-8", "surrogatepass")
            token = self._tokens.get(data)
            yield from [token] if token is not None else (FIRST_BYTE + byte for byte in data)

    def piece(self, token: int, before: int) -> bytes:
        """What a token adds to a text; the space at its begin is dropped."""
        piece = self.pieces[token]
        if (raw := _RAW.fullmatch(piece)) is not None:
            return bytes([int(raw[1], 16)])
        return piece[1:] if before == BEGIN and piece.startswith(b" ") else piece

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens from the begin on; bytes that are no UTF-8 become U+FFFD."""
        parts = []
        for before, token in pairwise(tokens):
            if token in (BEGIN, END):
                break
            parts.append(self.piece(token, before))
        return b"".join(parts).decode("utf-8", "replace")


def read_tokenizer(path: Path, vocabulary: int) -> Tokenizer:
    """The pieces of a llama2.c tokenizer; UsageError unless it is whole, with that many tokens."""
    data = guards.read_bytes(path)
    pieces, scores = [], []
    at = 4
    for token in range(vocabulary):
        if at + 8 > len(data):
            raise _damaged(path, f"it ends before token {token} of {vocabulary}")
        score, length = struct.unpack_from("<fi", data, at)
        at += 8
        if not 0 <= length <= MOST_PIECE or at + length > len(data) or not isfinite(score):
            raise _damaged(path, f"token {token} is impossible")
        pieces.append(data[at : at + length])
        scores.append(score)
        at += length
    if at != len(data):
        raise _damaged(path, f"it has more than {vocabulary} tokens")
    if vocabulary < FIRST_BYTE + 256:
        raise _damaged(path, "it has no tokens of single bytes")
    return Tokenizer(tuple(pieces), tuple(scores))


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(
        f"the tokenizer does not fit the model: {why}", where=path.name,
        hint="give the tokenizer that the model was trained with",
    )  # fmt: skip
