"""Where everything of a language program lies in the memories of the chip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flow.errors import UnsupportedModel
from flow.ir.language import Ints, LanguageProgram
from flow.ir.language_instructions import (
    Apply,
    Attend,
    Choose,
    Lookup,
    Normalise,
    Offset,
    Select,
    Weigh,
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Addresses of vectors, factors, curves and caches by name, and how many words there are.

    `spare` is where passes leave what they hand on to each other.
    """

    vectors: Mapping[str, int]
    spare: int
    scratch_words: int
    factors: Mapping[str, int]
    factor_words: int
    curves: Mapping[str, int]
    curve_words: int
    caches: Mapping[str, int]
    cache_words: int
    cache_size: int

    def factor_table(self, program: LanguageProgram) -> list[int]:
        """The memory of factors, word by word."""
        return _joined(program.tables, self.factors)

    def curve_table(self, program: LanguageProgram) -> list[int]:
        """The memory of curves, word by word."""
        return _joined(program.tables, self.curves)


def place(program: LanguageProgram) -> Memory:
    """The memory map; UnsupportedModel for what the chip has no form of."""
    vectors, at = {}, 0
    for vector in program.vectors:
        if vector.low != -vector.high - 1 or (vector.high + 1) & vector.high:
            raise UnsupportedModel(
                f"vector {vector.name} holds {vector.low} .. {vector.high}",
                hint="the chip saturates to the range of a number of bits",
            )
        vectors[vector.name] = at
        at += vector.size
    curved = {i.table for i in program.instructions if isinstance(i, Lookup)}
    factors, factor_words = _stacked(program, [n for n in program.tables if n not in curved])
    curves, curve_words = _stacked(program, [n for n in program.tables if n in curved])
    sizes = {cache.size for cache in program.caches}
    if len(sizes) != 1:
        raise UnsupportedModel("the caches of the layers have different sizes")
    (size,) = sizes
    caches = {c.name: k * size * program.positions for k, c in enumerate(program.caches)}
    return Memory(
        vectors, at, at + _spare(program), factors, factor_words, curves, curve_words,
        caches, len(caches) * size * program.positions, size,
    )  # fmt: skip


def largest_input(program: LanguageProgram) -> int:
    """Inputs of the array that has most."""
    return max(p.inputs for p in program.arrays)


def _spare(program: LanguageProgram) -> int:
    """Words that passes of one instruction need for themselves."""
    most = 1
    for instruction in program.instructions:
        match instruction:
            case Normalise(source=source) | Choose(source=source):
                most = max(most, program.vector(source).size)
            case Attend():
                most = max(most, program.positions + program.head_size + 1)
            case Offset(source=source) | Select(source=source) | Weigh(source=source):
                most = max(most, program.vector(source).size)
            case Apply():
                pass
    return most


def _stacked(program: LanguageProgram, names: list[str]) -> tuple[dict[str, int], int]:
    found, at = {}, 0
    for name in names:
        found[name] = at
        at += len(program.tables[name])
    return found, at


def _joined(tables: Mapping[str, Ints], places: Mapping[str, int]) -> list[int]:
    return [int(v) for name in places for v in tables[name].tolist()]
