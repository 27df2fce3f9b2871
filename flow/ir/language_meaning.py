"""What a language program means: each instruction in integers, token by token.

A batch of texts runs side by side, so that every array here is `[texts, ...]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isqrt

import numpy as np

from flow.errors import IRError
from flow.ir.language import FINER, FRACTION, INVERSE, SHARE, UNIT, WORD, Ints, LanguageProgram
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

GREEDY = 0
"""The temperature at which the first of the largest is taken."""


@dataclass(slots=True)
class Machine:
    """A program at work on `texts` texts: its memory, its caches and the position."""

    program: LanguageProgram
    texts: int = 1
    position: int = 0
    memory: dict[str, Ints] = field(default_factory=dict)
    caches: dict[str, Ints] = field(default_factory=dict)
    effective: dict[str, Ints] = field(default_factory=dict)

    def __post_init__(self) -> None:
        positions = self.program.positions
        for cache in self.program.caches:
            self.caches[cache.name] = np.zeros((self.texts, positions, cache.size), np.int64)
        for array in self.program.arrays:
            self.effective[array.name] = array.effective.T.copy()

    def step(self, tokens: Sequence[int] | Ints) -> Ints:
        """Runs the program for the next token of each text; what Choose reads, `[texts, n]`."""
        for _ in self.trace(tokens):
            pass
        last = self.program.instructions[-1]
        assert isinstance(last, Choose)
        return self.memory[last.source]

    def trace(self, tokens: Sequence[int] | Ints) -> Iterator[tuple[Instruction, Ints]]:
        """The same, with what each instruction has written."""
        if self.position >= self.program.positions:
            raise IRError(f"the program has no position {self.position}")
        here = np.asarray(tokens, np.int64)
        for instruction in self.program.instructions:
            if isinstance(instruction, Choose):
                continue
            found = self._value(instruction, here)
            if isinstance(instruction, Store):
                self.caches[instruction.cache][:, self.position] = found
            else:
                vector = self.program.vector(instruction.to)
                if isinstance(instruction, Apply):
                    if found.size and not vector.low <= found.min() <= found.max() <= vector.high:
                        raise IRError(f"{instruction.array} gave a value outside {vector.name}")
                else:
                    found = np.clip(found, vector.low, vector.high)
                self.memory[vector.name] = found
            yield instruction, found
        self.position += 1

    def _value(self, instruction: Instruction, tokens: Ints) -> Ints:
        program, memory = self.program, self.memory
        match instruction:
            case Embed():
                return program.embedding[tokens]
            case Apply(source=source):
                return self._applied(instruction)
            case Scale(source=source, shift=shift):
                return shifted(memory[source] * self._part(instruction), shift)
            case Offset(source=source, shift=shift):
                return shifted(memory[source] + self._part(instruction), shift)
            case Add(one=one, other=other):
                return memory[one] + memory[other]
            case Multiply(one=one, other=other, shift=shift):
                return shifted(memory[one] * memory[other], shift)
            case Lookup(source=source, table=table, shift=shift):
                entries = program.table(table)
                half = len(entries) // 2
                index = np.clip(shifted(memory[source], shift), -half, half - 1)
                return entries[index + half]
            case Normalise():
                return self._normalised(instruction)
            case Rotate(source=source, shift=shift):
                return self._rotated(memory[source], shift)
            case Store(source=source):
                return memory[source]
            case Attend():
                return self._attended(instruction)
            case Select(to=to, source=source):
                order = np.argsort(-memory[source], axis=1, kind="stable")
                return order[:, : program.vector(to).size].astype(np.int64)
            case Weigh():
                return self._weighed(instruction)
            case Mix(source=source, weights=weights, slot=slot, shift=shift):
                return shifted(memory[source] * memory[weights][:, slot, None], shift)
            case Choose():
                raise IRError("a token is chosen by chosen()")

    def _applied(self, instruction: Apply) -> Ints:
        x = self.memory[instruction.source]
        if not instruction.picks:
            return x @ self.effective[instruction.array]
        family = self.program.family(instruction.array, instruction.picks)
        picked = self.memory[instruction.picks][:, instruction.slot]
        return np.stack(
            [row @ self.effective[family[e].name] for row, e in zip(x, picked, strict=True)]
        )

    def _part(self, instruction: Scale | Offset) -> Ints:
        """The table of an instruction, or the part of each text's expert."""
        table = self.program.table(instruction.table)
        if not instruction.picks:
            return table
        parts = table.reshape(self.program.experts(instruction.picks), -1)
        found: Ints = parts[self.memory[instruction.picks][:, instruction.slot]]
        return found

    def _weighed(self, instruction: Weigh) -> Ints:
        program, memory = self.program, self.memory
        found = np.take_along_axis(memory[instruction.source], memory[instruction.picks], axis=1)
        slope = int(program.table(instruction.table)[0])
        shares = exponential(program, found[:, :1] - found, slope, instruction.shift)
        inverse = (1 << SHARE) // shares.sum(axis=1, keepdims=True)
        return shifted(shares * inverse, SHARE - UNIT)

    def _normalised(self, instruction: Normalise) -> Ints:
        x = self.memory[instruction.source]
        squares = (x * x).sum(axis=1) + instruction.epsilon
        inverse = np.array([(1 << INVERSE) // isqrt(n) for n in squares.tolist()], np.int64)
        unit = shifted(x * inverse[:, None], INVERSE - UNIT)
        return shifted(unit * self.program.table(instruction.table), instruction.shift)

    def _rotated(self, x: Ints, shift: int) -> Ints:
        program = self.program
        pairs = x.reshape(len(x), -1, program.head_size // 2, 2)
        a, b = pairs[..., 0], pairs[..., 1]
        cos, sin = program.cosines[self.position], program.sines[self.position]
        turned = np.stack([a * cos - b * sin, a * sin + b * cos], -1)
        return shifted(turned.reshape(x.shape), shift)

    def _attended(self, instruction: Attend) -> Ints:
        program = self.program
        heads, kv_heads, size = program.heads, program.kv_heads, program.head_size
        seen = self.position + 1
        begin = max(0, seen - instruction.window) if instruction.window else 0
        queries = self.memory[instruction.queries].reshape(-1, kv_heads, heads // kv_heads, size)
        keys, values = (
            self.caches[name][:, begin:seen]
            .reshape(-1, seen - begin, kv_heads, size)
            .transpose(0, 2, 1, 3)
            for name in (instruction.keys, instruction.values)
        )
        scores = queries @ keys.swapaxes(2, 3)
        if instruction.sinks:
            sinks = program.table(instruction.sinks).reshape(1, kv_heads, -1, 1)
            sinks = np.broadcast_to(sinks << instruction.rise, (*scores.shape[:3], 1))
            scores = np.concatenate([scores, sinks], axis=3)
        below = scores.max(axis=-1, keepdims=True) - scores
        slopes = program.table(instruction.table).reshape(kv_heads, -1, 1)
        shares = exponential(program, below, slopes, instruction.shift)
        inverse = (1 << SHARE) // shares.sum(axis=-1, keepdims=True)
        mixed = (shares[..., : seen - begin] @ values) * inverse
        return shifted(mixed, SHARE - FINER).reshape(len(mixed), -1)


def shifted(x: Ints, shift: int) -> Ints:
    """x / 2**shift to the nearest integer, halves up."""
    return (x + (1 << shift - 1)) >> shift if shift else x


def exponential(program: LanguageProgram, x: Ints, slope: Ints | int, shift: int) -> Ints:
    """2**(UNIT - x * slope / 2**(shift + FRACTION)) by the table; x is not negative."""
    power = shifted(x * slope, shift)
    below = np.minimum(power >> FRACTION, UNIT + 1)
    found: Ints = program.exponentials[power % (1 << FRACTION)] >> below
    return found


def advanced(state: int) -> int:
    """The random state after this one: xorshift32 (G. Marsaglia, 2003), from 1 to 2**32 - 1."""
    state ^= state << 13 & 0xFFFFFFFF
    state ^= state >> 17
    return state ^ (state << 5 & 0xFFFFFFFF)


def heat_of(choose: Choose, temperature: int) -> int:
    """The slope of a draw at a temperature in hundredths, from 1 on."""
    return min((choose.heat * 100 + temperature // 2) // temperature, (1 << WORD) - 1)


def chosen(program: LanguageProgram, scores: Ints, temperature: int, random: int) -> int:
    """The token that follows, of the scores `[vocabulary]`; `random` is the advanced state."""
    if temperature == GREEDY:
        return int(scores.argmax())
    last = program.instructions[-1]
    assert isinstance(last, Choose)
    shares = exponential(program, scores.max() - scores, heat_of(last, temperature), last.shift)
    sums = shares.cumsum()
    point = random * int(sums[-1]) >> 32
    return int(np.searchsorted(sums, point, side="right"))


def told(
    program: LanguageProgram, prompt: Sequence[int], temperature: int = GREEDY, seed: int = 1
) -> Iterator[int]:
    """The tokens after a prompt, one by one, up to the positions of the program.

    `temperature` is in hundredths, GREEDY takes the largest; `seed` is from 1 to 2**32 - 1.
    """
    machine = Machine(program)
    scores = [machine.step([token])[0] for token in prompt][-1]
    for _ in range(program.positions - len(prompt)):
        seed = advanced(seed)
        token = chosen(program, scores, temperature, seed)
        yield token
        scores = machine.step([token])[0]


def answers(program: LanguageProgram, tokens: Sequence[int] | Ints) -> Ints:
    """Scores `[..., tokens, vocabulary]` after each token of a text, or of rows of texts."""
    found = np.asarray(tokens, np.int64)
    rows = np.atleast_2d(found)
    machine = Machine(program, len(rows))
    scores = np.stack([machine.step(column) for column in rows.T], axis=1)
    return scores.reshape(*found.shape, -1)
