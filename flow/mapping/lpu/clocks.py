"""How long the chip takes for a token, word by word: the cycle model of rtl/lpu_control.v."""

from __future__ import annotations

from flow.mapping.lpu.assemble import PLANES, Assembly
from flow.mapping.lpu.words import Op, Word

BEGIN = 2
"""Clocks in which a word is fetched and begun."""
EMPTY = 8
"""Clocks until the last element has left the lane."""
WORD_BITS = 32


def clocks(word: Word, position: int) -> int:
    """Clocks of a word at a position."""
    match word.op:
        case Op.PASS:
            seen = min(position + 1, word.window or position + 1)
            outer = seen if word.seen_outer else word.outer
            inner = seen if word.seen_inner else word.inner
            return BEGIN + outer * inner + EMPTY
        case Op.APPLY:
            return BEGIN + PLANES + 1
        case Op.ROOT:
            return BEGIN + WORD_BITS + word.shift + 1 + 2
        case Op.DIVIDE:
            return BEGIN + word.shift + 1 + 2
        case Op.POINT:
            return BEGIN + WORD_BITS + 2
        case _:
            return BEGIN


def token_clocks(assembly: Assembly, position: int, greedy: bool = True) -> int:
    """Clocks from a token to the answer, which is asked for."""
    total = 1
    for word in assembly.words:
        total += clocks(word, position)
        if greedy and word.op is Op.GREEDY:
            break
    return total


def silent_clocks(assembly: Assembly, position: int) -> int:
    """Clocks from a token of a prompt until the next one can come."""
    total = 2
    for word in assembly.words:
        total += clocks(word, position)
        if word.op is Op.ASKED:
            break
    return total
