"""A language model as a program of integer vector instructions: the one meaning of its circuit.

A program runs once for each token. It reads the token and its position, works on named vectors of
a scratch memory, and keeps keys and values of all positions in caches. Every shift to the right
rounds halves up, and every result saturates to the range of the vector that it is written to.
`flow.ir.language_meaning` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from flow.errors import IRError
from flow.ir.language_instructions import (
    Add,
    Apply,
    Attend,
    Choose,
    Embed,
    Instruction,
    Lookup,
    Mix,
    Multiply,
    Normalise,
    Offset,
    Rotate,
    Scale,
    Select,
    Store,
    Weigh,
)

Code = Literal["fp4", "mxfp4", "ternary", "int4"]
CODES: tuple[Code, ...] = get_args(Code)
VALUES: Mapping[Code, tuple[int, ...]] = {
    "fp4": (-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12),
    "mxfp4": (-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12),
    "ternary": (-1, 0, 1),
    "int4": tuple(range(-8, 8)),
}
"""Integers that a weight may be; those of E2M1 are doubled (OCP Microscaling Formats 1.0)."""
BLOCK = 32
"""Inputs of a sub-neuron that has a power of two of its own (mxfp4)."""
WORD = 32
"""Bits of a word of the scratch memory, in two's complement."""
INVERSE = 30
"""A norm multiplies by floor(2**INVERSE / root)."""
UNIT = 15
"""Fraction bits of a normalised value, of a table's exponential, and of a sigmoid."""
TURN = 14
"""Fraction bits of sines and cosines."""
FRACTION = 8
"""Fraction bits of the logarithm (to the base 2) that an exponential reads."""
SHARE = 38
"""Attention multiplies by floor(2**SHARE / sum of exponentials)."""
FINER = 7
"""Fraction bits that attention adds to those of the values it mixes."""

Ints = NDArray[np.int64]
Codes = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Vector:
    """`size` words of the scratch memory; whatever is written saturates to low .. high."""

    name: str
    size: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Cache:
    """A vector of `size` bytes (INT8) for each position: keys or values of a layer."""

    name: str
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    """Hardwired neurons: weights `[outputs, inputs]` of VALUES[code].

    With `shifts` `[outputs, blocks]` (mxfp4), the sum of each BLOCK inputs counts 2**shift times.
    """

    name: str
    code: Code
    weights: Codes
    shifts: Codes | None = None

    @property
    def outputs(self) -> int:
        """Neurons."""
        return int(self.weights.shape[0])

    @property
    def inputs(self) -> int:
        """Inputs of each neuron."""
        return int(self.weights.shape[1])

    @property
    def effective(self) -> Ints:
        """Weights `[outputs, inputs]` with their powers of two."""
        found: Ints = self.weights.astype(np.int64)
        if self.shifts is not None:
            found = (
                found << np.repeat(self.shifts.astype(np.int64), BLOCK, axis=1)[:, : self.inputs]
            )
        return found

    @property
    def bound(self) -> int:
        """The largest magnitude of an answer to INT8."""
        return int(np.abs(self.effective).sum(axis=1).max(initial=0)) * 128


@dataclass(frozen=True, slots=True, eq=False)
class LanguageProgram:
    """Instructions of one token, with every constant that they read; immutable.

    `embedding` is `[vocabulary, hidden]`, `cosines` and `sines` are `[positions, head size / 2]`,
    `exponentials[f]` is 2**(UNIT - f / 2**FRACTION) to the nearest integer. Vectors, arrays, tables
    and caches have different names, and layers share vectors. Tables are INT16 but for the
    `shifts`, which are constants of instructions. The last instruction is Choose.
    """

    name: str
    heads: int
    kv_heads: int
    head_size: int
    positions: int
    vectors: tuple[Vector, ...]
    caches: tuple[Cache, ...]
    arrays: tuple[Array, ...]
    tables: Mapping[str, Ints]
    embedding: Ints
    cosines: Ints
    sines: Ints
    exponentials: Ints
    instructions: tuple[Instruction, ...]
    places: Mapping[str, Vector | Cache | Array] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        places: dict[str, Vector | Cache | Array] = {}
        things: tuple[Vector | Cache | Array, ...] = (*self.vectors, *self.caches, *self.arrays)
        for thing in things:
            if thing.name in places or thing.name in self.tables:
                raise IRError(f"two things of a language program have the name {thing.name!r}")
            places[thing.name] = thing
        object.__setattr__(self, "places", places)
        _check(self)

    @property
    def vocabulary(self) -> int:
        """Tokens."""
        return len(self.embedding)

    def vector(self, name: str) -> Vector:
        """The vector of that name."""
        found = self.places.get(name)
        if not isinstance(found, Vector):
            raise IRError(f"there is no vector {name!r}")
        return found

    def cache(self, name: str) -> Cache:
        """The cache of that name."""
        found = self.places.get(name)
        if not isinstance(found, Cache):
            raise IRError(f"there is no cache {name!r}")
        return found

    def array(self, name: str) -> Array:
        """The array of that name."""
        found = self.places.get(name)
        if not isinstance(found, Array):
            raise IRError(f"there is no array {name!r}")
        return found

    def experts(self, picks: str) -> int:
        """How many experts the vector of that name picks of; 1 for no name."""
        if not picks:
            return 1
        for one in self.instructions:
            if isinstance(one, Select) and one.to == picks:
                return self.vector(one.source).size
        raise IRError(f"nothing selects the experts of {picks!r}")

    def family(self, name: str, picks: str) -> tuple[Array, ...]:
        """The array of that name, and those after it that `picks` may pick instead."""
        begin = self.arrays.index(self.array(name))
        return self.arrays[begin : begin + self.experts(picks)]

    def table(self, name: str) -> Ints:
        """The table of that name."""
        if name not in self.tables:
            raise IRError(f"there is no table {name!r}")
        return self.tables[name]


def _check(program: LanguageProgram) -> None:
    """IRError where an instruction does not fit its vectors, or a constant its width."""
    if not program.instructions or not isinstance(program.instructions[-1], Choose):
        raise IRError("the last instruction of a language program is choose")
    for vector in program.vectors:
        _require(
            vector.size > 0 and -(1 << WORD - 1) <= vector.low <= 0 <= vector.high < 1 << WORD - 1,
            f"vector {vector.name} does not fit words of {WORD} bits",
        )
    for name, table in program.tables.items():
        _require(bool(np.abs(table).max(initial=0) < 1 << 15), f"table {name} is not INT16")
    for array in program.arrays:
        allowed = bool(np.isin(array.weights, VALUES[array.code]).all())
        _require(allowed, f"array {array.name} has a weight that is no {array.code}")
        blocks = (array.outputs, -(-array.inputs // BLOCK))
        fits = array.shifts is None or (array.shifts.shape == blocks and array.shifts.min() >= 0)
        _require(fits, f"array {array.name} has other blocks than {blocks[0]} x {blocks[1]}")
    for number, instruction in enumerate(program.instructions):
        _require(
            _fits(program, instruction),
            f"instruction {number}, {instruction.op}, does not fit what it reads and writes",
        )


def _fits(program: LanguageProgram, instruction: Instruction) -> bool:
    def size(name: str) -> int:
        return program.vector(name).size

    def bytes_of(name: str) -> bool:
        vector = program.vector(name)
        return vector.low >= -128 and vector.high <= 127

    heads, kv_heads = program.heads * program.head_size, program.kv_heads * program.head_size
    match instruction:
        case Embed(to=to):
            return program.embedding.shape[1:] == (size(to),)
        case Apply(to=to, source=source, array=name, picks=picks):
            result, found = program.vector(to), program.family(name, picks)
            return (
                len(found) == program.experts(picks)
                and all((a.outputs, a.inputs) == (result.size, size(source)) for a in found)
                and bytes_of(source)
                and max(a.bound for a in found) <= min(-result.low, result.high + 1)
                and _picked(program, picks, instruction.slot)
            )
        case Scale() | Offset():
            length = len(program.table(instruction.table))
            same = size(instruction.to) == size(instruction.source)
            whole = length == size(instruction.to) * program.experts(instruction.picks)
            picked = _picked(program, instruction.picks, instruction.slot)
            return same and whole and picked and instruction.shift >= 0
        case Normalise(to=to, source=source, table=table, shift=shift, epsilon=epsilon):
            same = size(to) == size(source) == len(program.table(table))
            return same and shift >= 0 and epsilon >= 1
        case Add(to=to, one=one, other=other) | Multiply(to=to, one=one, other=other):
            return size(to) == size(one) == size(other)
        case Lookup(to=to, source=source, table=table, shift=shift):
            length = len(program.table(table))
            return size(to) == size(source) and length & length - 1 == 0 < length and shift >= 0
        case Rotate(to=to, source=source, shift=shift):
            return size(to) == size(source) and size(to) % program.head_size == 0 and shift >= TURN
        case Store(cache=cache, source=source):
            return program.cache(cache).size == size(source) == kv_heads and bytes_of(source)
        case Attend(to=to, queries=queries, keys=keys, values=values, table=table):
            caches = program.cache(keys).size == program.cache(values).size == kv_heads
            slopes = program.table(table)
            sinks = program.table(instruction.sinks) if instruction.sinks else slopes
            return (
                caches
                and size(to) == size(queries) == heads
                and len(slopes) == len(sinks) == program.heads
                and bool((slopes >= 0).all())
                and 0 <= instruction.rise < WORD - 16
                and instruction.window >= 0
            )
        case Select(to=to, source=source):
            return size(to) <= size(source) <= program.vector(to).high + 1
        case Weigh(to=to, source=source, picks=picks, table=table, shift=shift):
            slopes = program.table(table)
            same = size(to) == size(picks) and program.experts(picks) == size(source)
            return same and len(slopes) == 1 and int(slopes[0]) >= 0 and shift >= 0
        case Mix(to=to, source=source, weights=weights, slot=slot, shift=shift):
            return size(to) == size(source) and 0 <= slot < size(weights) and shift >= 0
        case Choose(source=source, heat=heat):
            return size(source) == program.vocabulary and heat >= 0


def _picked(program: LanguageProgram, picks: str, slot: int) -> bool:
    return not picks or 0 <= slot < program.vector(picks).size


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise IRError(otherwise)
