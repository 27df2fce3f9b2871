"""A language program as words of the sequencer, instruction by instruction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flow.errors import UnsupportedModel
from flow.ir import language as ir
from flow.ir import language_instructions as ops
from flow.mapping.lpu.memory import Memory, place
from flow.mapping.lpu.words import A, B, Op, Post, To, Word, literal

PLANES = 8
"""Bits of an input of an array."""
BYTE = 8


@dataclass(frozen=True, slots=True)
class Assembly:
    """The words of a program, its memory map, and how many neurons share one (`rows`)."""

    program: ir.LanguageProgram
    memory: Memory
    words: tuple[Word, ...]
    rows: int


def assemble(program: ir.LanguageProgram, rows: int = 1) -> Assembly:
    """Every instruction as passes; a neuron's cells serve `rows` neurons one after the other.

    UnsupportedModel for what the chip has no form of.
    """
    build = _Assembler(program, place(program), rows)
    stores = [n for n, i in enumerate(program.instructions) if isinstance(i, ops.Store)]
    for number, instruction in enumerate(program.instructions):
        build.of = number
        build.one(instruction)
        # What follows the last store only answers; a prompt does not wait for that.
        if stores and number == stores[-1]:
            build.put(op=Op.ASKED)
    build.of = -1
    build.put(op=Op.END)
    return Assembly(program, build.memory, tuple(build.words), rows)


def slots(outputs: int, rows: int) -> int:
    """Neurons of cells that an array of so many neurons has."""
    return -(-outputs // rows)


@dataclass(slots=True)
class _Assembler:
    program: ir.LanguageProgram
    memory: Memory
    rows: int
    words: list[Word] = field(default_factory=list)
    of: int = -1
    loaded: str = ""
    taken: tuple[str, int] = ("", 0)

    def put(self, **fields: Any) -> None:
        """Another word of the instruction."""
        self.words.append(Word(of=self.of, **fields))

    def one(self, instruction: ops.Instruction) -> None:
        """The words of an instruction."""
        match instruction:
            case ops.Embed(to=to):
                self.each(to, a=A.EMBEDDING, a_outer=1)
            case ops.Apply():
                self.apply(instruction)
            case ops.Scale(to=to, source=source, shift=shift):
                self.each(to, **self.read(source), **self.part(instruction), shift=shift)
            case ops.Offset():
                self.offset(instruction)
            case ops.Add(to=to, one=one, other=other):
                self.add(to, one, other)
            case ops.Multiply(to=to, one=one, other=other, shift=shift):
                self.each(to, **self.read(one), **self.second(other), shift=shift)
            case ops.Lookup(to=to, source=source, table=table, shift=shift):
                entries = len(self.program.tables[table])
                self.each(
                    to, **self.read(source), shift=shift, post=Post.LOOKUP,
                    lookup=self.memory.curves[table], lookup_bits=entries.bit_length() - 1,
                )  # fmt: skip
            case ops.Normalise():
                self.normalise(instruction)
            case ops.Rotate(to=to, source=source, shift=shift):
                self.rotate(to, source, shift)
            case ops.Store(cache=cache, source=source):
                size = self.program.vector(source).size
                self.put(
                    op=Op.PASS, **self.read(source), outer=size, to=To.CACHE, d_outer=1,
                    d_base=self.memory.caches[cache], bits=BYTE,
                )  # fmt: skip
            case ops.Attend():
                self.attend(instruction)
            case ops.Select(to=to, source=source):
                self.select(to, source)
            case ops.Weigh():
                self.weigh(instruction)
            case ops.Mix(to=to, source=source, weights=weights, slot=slot, shift=shift):
                share = {"b": B.SCRATCH, "b_base": self.memory.vectors[weights] + slot}
                self.each(to, **self.read(source), **share, shift=shift)
            case ops.Choose(source=source, shift=shift):
                self.choose(source, shift)

    def read(self, vector: str) -> dict[str, Any]:
        """A vector as the first operand."""
        return {"a_base": self.memory.vectors[vector], "a_outer": 1}

    def second(self, vector: str) -> dict[str, Any]:
        """A vector as the second operand."""
        return {"b": B.SCRATCH, "b_base": self.memory.vectors[vector], "b_outer": 1}

    def each(self, to: str, **fields: Any) -> None:
        """A pass that writes a whole vector."""
        self.written(to)
        vector = self.program.vector(to)
        base = self.memory.vectors[to]
        self.put(
            op=Op.PASS, outer=vector.size, to=To.SCRATCH, d_base=base, d_outer=1,
            bits=_bits(vector), **fields,
        )  # fmt: skip

    def written(self, vector: str) -> None:
        """The planes no longer hold what the vector holds."""
        if vector == self.loaded:
            self.loaded = ""
        if vector == self.taken[0]:
            self.taken = ("", 0)

    def take(self, picks: str, slot: int) -> None:
        """The expert becomes the one that was picked."""
        if (picks, slot) != self.taken:
            at = self.memory.vectors[picks] + slot
            self.put(op=Op.PASS, outer=1, a_base=at, track=True)
            self.put(op=Op.TAKE, track=True)
            self.taken = (picks, slot)

    def part(self, instruction: ops.Scale | ops.Offset, value: int = 0) -> dict[str, Any]:
        """A table, or the part of the picked expert, as the second operand; and a literal."""
        fields = {
            "b": B.FACTORS, "b_base": self.memory.factors[instruction.table], "b_outer": 1,
            "epsilon": literal(value),
        }  # fmt: skip
        if instruction.picks:
            self.take(instruction.picks, instruction.slot)
            size = self.program.vector(instruction.to).size
            fields |= {"pick_b": True, "epsilon": literal(value, size)}
        return fields

    def offset(self, instruction: ops.Offset) -> None:
        """The table into spare words, and then a sum."""
        size = self.program.vector(instruction.to).size
        self.spare(size, a=A.LITERAL, **self.part(instruction, 1))
        first, second = self.memory.vectors[instruction.source], self.memory.spare
        self.each(
            instruction.to, a_base=min(first, second), a_inner=abs(first - second), a_outer=1,
            inner=2, shift=instruction.shift,
        )  # fmt: skip

    def select(self, to: str, source: str) -> None:
        """The largest of a copy, again and again; who was largest becomes the smallest of all."""
        size, count = self.program.vector(source).size, self.program.vector(to).size
        begin, spare = self.memory.vectors[to], self.memory.spare
        self.written(to)
        self.taken = ("", 0)
        self.spare(size, **self.read(source))
        for slot in range(count):
            self.put(op=Op.PASS, outer=size, a_base=spare, a_outer=1, track=True)
            self.put(op=Op.TAKE)
            self.put(
                op=Op.PASS, outer=1, a=A.LITERAL, pick_array=True, to=To.SCRATCH,
                d_base=begin + slot, bits=_bits(self.program.vector(to)),
            )  # fmt: skip
            self.spare(1, a=A.LITERAL, epsilon=literal(-1 << ir.WORD - 1, 1), pick_d=True)

    def weigh(self, n: ops.Weigh) -> None:
        """Scores of the picked ones side by side, their shares, the quotient."""
        count, spare = self.program.vector(n.picks).size, self.memory.spare
        for slot in range(count):
            self.take(n.picks, slot)
            begin = self.memory.vectors[n.source]
            self.spare(1, at=slot, a_base=begin, pick_a=True, epsilon=literal(0, 1))
        self.put(op=Op.PASS, outer=count, a_base=spare, a_outer=1, track=True)
        self.spare(
            count, a_base=spare, a_outer=1, below=True, b=B.FACTORS,
            b_base=self.memory.factors[n.table], shift=n.shift, post=Post.EXPONENTIAL, total=True,
        )  # fmt: skip
        self.put(op=Op.DIVIDE, shift=ir.SHARE)
        self.each(n.to, a_base=spare, a_outer=1, b=B.INVERSE, shift=ir.SHARE - ir.UNIT)

    def add(self, to: str, one: str, other: str) -> None:
        """to = one + other: an inner step for each, where the second is as far as it lies away."""
        first, second = (self.memory.vectors[name] for name in (one, other))
        begin, step = min(first, second), abs(first - second)
        self.each(to, a_base=begin, a_inner=step, a_outer=1, inner=2)

    def apply(self, instruction: ops.Apply) -> None:
        """Bits of the source into the planes, then the array, then its answers."""
        array, source = self.program.array(instruction.array), instruction.source
        picked = bool(instruction.picks)
        if picked:
            self.take(instruction.picks, instruction.slot)
        number = [a.name for a in self.program.arrays].index(array.name)
        if self.loaded != source:
            self.put(op=Op.PASS, **self.read(source), outer=array.inputs, to=To.PLANES, bits=BYTE)
            self.loaded = source
        self.written(instruction.to)
        vector = self.program.vector(instruction.to)
        if vector.size != array.outputs or self.program.vector(source).size != array.inputs:
            raise UnsupportedModel(f"array {array.name} does not fit its vectors")
        base, count = self.memory.vectors[instruction.to], slots(array.outputs, self.rows)
        for phase in range(-(-array.outputs // count)):
            here = min(count, array.outputs - phase * count)
            self.put(op=Op.APPLY, array=number, phase=phase, pick_array=picked)
            self.put(
                op=Op.PASS, a=A.ARRAY, a_outer=1, outer=here, array=number, phase=phase,
                to=To.SCRATCH, d_base=base + phase * count, d_outer=1, pick_array=picked,
            )  # fmt: skip

    def normalise(self, n: ops.Normalise) -> None:
        """Squares, root and quotient, units, gains."""
        size, base = self.program.vector(n.source).size, self.memory.vectors[n.source]
        self.put(
            op=Op.PASS, outer=1, inner=size, a_base=base, a_inner=1, b=B.SCRATCH, b_base=base,
            b_inner=1,
        )  # fmt: skip
        self.put(op=Op.ROOT, shift=ir.INVERSE, epsilon=n.epsilon)
        self.spare(size, **self.read(n.source), b=B.INVERSE, shift=ir.INVERSE - ir.UNIT)
        self.each(
            n.to, a_base=self.memory.spare, a_outer=1, b=B.FACTORS, b_outer=1,
            b_base=self.memory.factors[n.table], shift=n.shift,
        )  # fmt: skip

    def spare(self, size: int, at: int = 0, **fields: Any) -> None:
        """A pass that leaves words for the next one."""
        base = self.memory.spare + at
        self.put(op=Op.PASS, outer=size, to=To.SCRATCH, d_base=base, d_outer=1, **fields)

    def rotate(self, to: str, source: str, shift: int) -> None:
        """Two passes a head: the first of each pair, then the second."""
        if to == source:
            raise UnsupportedModel(f"vector {to} is rotated in place")
        self.written(to)
        size, vector = self.program.head_size, self.program.vector(to)
        begin, end = self.memory.vectors[source], self.memory.vectors[to]
        for head in range(vector.size // size):
            for odd in (False, True):
                self.put(
                    op=Op.PASS, outer=size // 2, inner=2, a_base=begin + head * size, a_inner=1,
                    a_outer=2, b=B.TURN, b_outer=1, odd=odd, shift=shift, to=To.SCRATCH,
                    d_base=end + head * size + odd, d_outer=2, bits=_bits(vector),
                )  # fmt: skip

    def attend(self, n: ops.Attend) -> None:
        """For each head: scores, shares, their quotient, the mixture of values."""
        program, memory = self.program, self.memory
        self.written(n.to)
        size, line = program.head_size, memory.cache_size
        # With sinks the first spare word is the sink's score, and those of positions follow.
        sink = int(bool(n.sinks))
        spare, mixture = memory.spare, program.positions + sink
        window, slopes = n.window, memory.factors[n.table]
        vector = program.vector(n.to)
        if program.vector(n.queries).high.bit_length() + 7 + size.bit_length() > 29:
            raise UnsupportedModel(f"scores of {size} products do not fit a word")
        for head in range(program.heads):
            column = head // (program.heads // program.kv_heads) * size
            cached = {"b": B.CACHE, "seen_outer": True, "b_inner": 1, "b_outer": line}
            share = {
                "below": True, "b": B.FACTORS, "b_base": slopes + head, "shift": n.shift,
                "post": Post.EXPONENTIAL, "total": True,
            }  # fmt: skip
            if sink:
                self.spare(
                    1, a=A.LITERAL, epsilon=literal(1 << n.rise), b=B.FACTORS, track=True,
                    b_base=memory.factors[n.sinks] + head,
                )  # fmt: skip
            query = memory.vectors[n.queries] + head * size
            self.spare(
                0, at=sink, a_base=query, a_inner=1, inner=size, **cached, window=window,
                b_base=memory.caches[n.keys] + column, track=True, keep=bool(sink),
            )  # fmt: skip
            if sink:
                self.spare(1, a_base=spare, **share)
            self.spare(
                0, at=sink, a_base=spare + sink, a_outer=1, seen_outer=True, window=window,
                keep=bool(sink), **share,
            )  # fmt: skip
            self.put(op=Op.DIVIDE, shift=ir.SHARE)
            self.spare(
                size, at=mixture, a_base=spare + sink, a_inner=1, seen_inner=True, b=B.CACHE,
                b_base=memory.caches[n.values] + column, b_inner=line, b_outer=1, window=window,
            )  # fmt: skip
            self.put(
                op=Op.PASS, outer=size, a_base=spare + mixture, a_outer=1, b=B.INVERSE,
                shift=ir.SHARE - ir.FINER, to=To.SCRATCH, d_outer=1, bits=_bits(vector),
                d_base=memory.vectors[n.to] + head * size,
            )  # fmt: skip

    def choose(self, source: str, shift: int) -> None:
        """The largest; at a temperature the shares, a point below their sum, and who holds it."""
        size, spare = self.program.vector(source).size, self.memory.spare
        self.put(op=Op.PASS, outer=size, **self.read(source), track=True)
        self.put(op=Op.GREEDY)
        self.spare(
            size, **self.read(source), below=True, b=B.HEAT, shift=shift,
            post=Post.EXPONENTIAL, total=True,
        )  # fmt: skip
        self.put(op=Op.POINT)
        self.put(op=Op.PASS, outer=size, a_base=spare, a_outer=1, draw=True)


def _bits(vector: ir.Vector) -> int:
    return vector.high.bit_length() + 1


def last_words(words: tuple[Word, ...]) -> Iterator[tuple[int, int]]:
    """The number of the last word of each instruction, with the instruction's."""
    for number, word in enumerate(words):
        if word.of >= 0 and (number + 1 == len(words) or words[number + 1].of != word.of):
            yield number, word.of
