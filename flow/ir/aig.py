"""And-inverter graphs: a builder that hashes structure, and a bit-parallel simulator.

A literal is twice a variable, plus one where it is inverted. Variable 0 is the constant false,
variables 1 to n are the inputs, and those above are the AND gates, operands before users.
A register is cut: its output is an input here, and what it takes is an output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import IRError
from flow.ir.nodes import Node

FALSE, TRUE = 0, 1

Words = NDArray[np.uint64]
"""One row for each signal; bit s of word w is sample 64 * w + s."""


@dataclass(frozen=True, slots=True)
class Adder:
    """Where a graph adds two or three literals: `sum` is their parity, `carry` says two or more.

    `owner` is the node of a Circuit that it was made for.
    """

    inputs: tuple[int, ...]
    sum: int
    carry: int
    owner: Node | None = field(default=None, repr=False, compare=False)


Literals = tuple[NDArray[np.int64], NDArray[np.uint64]]
"""Variables, and all ones for each that is inverted."""

Wave = tuple[NDArray[np.int64], Literals, Literals]
"""The variables of all gates of one depth, and their operands."""


@dataclass(frozen=True, slots=True)
class Aig:
    """Named inputs and outputs over AND gates; gate k is variable 1 + len(inputs) + k.

    `literals` belong to the outputs. `owners[k]` is the node of a Circuit that gate k was made
    for; `adders` are known half and full adders, whose sum and carry are gates behind their
    inputs, each the output of one adder at most. Neither has influence on meaning, and both may
    be empty.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    literals: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    owners: tuple[Node | None, ...] = field(default=(), repr=False, compare=False)
    adders: tuple[Adder, ...] = field(default=(), repr=False, compare=False)
    _waves: tuple[Wave, ...] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def first_gate(self) -> int:
        """The variable of gate 0."""
        return 1 + len(self.inputs)

    @property
    def size(self) -> int:
        """The number of AND gates."""
        return len(self.left)

    def levels(self) -> NDArray[np.int64]:
        """The logic depth of each variable; 0 for the constant and the inputs."""
        level = [0] * (self.first_gate + self.size)
        for k, (a, b) in enumerate(zip(self.left, self.right, strict=True), self.first_gate):
            x, y = level[a >> 1], level[b >> 1]
            level[k] = (x if x > y else y) + 1
        return np.array(level, dtype=np.int64)

    def simulate_all(self, words: Words) -> Words:
        """The values of every variable, for one row of words for each input."""
        if words.shape[0] != len(self.inputs):
            raise IRError(f"{len(self.inputs)} inputs are simulated with {words.shape[0]} rows")
        values = np.zeros((self.first_gate + self.size, words.shape[1]), dtype=np.uint64)
        values[1 : self.first_gate] = words
        for gates, left, right in self._by_depth():
            values[gates] = _read(values, left) & _read(values, right)
        return values

    def _by_depth(self) -> tuple[Wave, ...]:
        """The gates in the order in which they are simulated, made once."""
        if self._waves is None:
            waves: list[Wave] = []
            left, right = np.array(self.left, dtype=np.int64), np.array(self.right, dtype=np.int64)
            level = self.levels()[self.first_gate :]
            order = np.argsort(level, kind="stable")
            starts = np.flatnonzero(np.diff(level[order], prepend=0))
            for gates in np.split(order, starts[1:]) if self.left else ():
                a, b = _literals(left[gates]), _literals(right[gates])
                waves.append((gates + self.first_gate, a, b))
            object.__setattr__(self, "_waves", tuple(waves))
        assert self._waves is not None
        return self._waves

    def simulate(self, words: Words) -> Words:
        """The values of the outputs, for one row of words for each input."""
        outputs = _literals(np.array(self.literals, dtype=np.int64))
        return _read(self.simulate_all(words), outputs)


def _literals(literals: NDArray[np.int64]) -> Literals:
    inverted = (literals & 1).astype(np.uint64) * np.uint64(0xFFFFFFFFFFFFFFFF)
    return literals >> 1, inverted[:, None]


def _read(values: Words, literals: Literals) -> Words:
    variables, inverted = literals
    result: Words = values[variables] ^ inverted
    return result


class AigBuilder:
    """Makes gates; equal gates become one, and constants vanish.

    An exclusive or is made of four ANDs, n = ab, p = a!n, q = b!n, !(!p!q): each is one NAND, so
    a full adder is nine NANDs and needs no inverter. p is a!b and q is b!a: both are known under
    these names too, so that a subtractor finds them.
    """

    def __init__(self, name: str, inputs: Sequence[str]) -> None:
        self.name = name
        self.inputs = tuple(inputs)
        self.first_gate = 1 + len(self.inputs)
        self.owner: Node | None = None
        self._left: list[int] = []
        self._right: list[int] = []
        self._owners: list[Node | None] = []
        self._known: dict[int, int] = {}
        self._xors: dict[int, int] = {}
        self._adders: list[Adder] = []

    def conj(self, a: int, b: int) -> int:
        """a and b"""
        if a > b:
            a, b = b, a
        if a <= TRUE:
            return b if a else FALSE
        if a ^ b <= 1:
            return a if a == b else FALSE
        key = a << 32 | b
        found = self._known.get(key)
        if found is None:
            found = self._gate(a, b)
            self._known[key] = found
        return found

    def disj(self, a: int, b: int) -> int:
        """a or b"""
        return self.conj(a ^ 1, b ^ 1) ^ 1

    def xor(self, a: int, b: int) -> int:
        """a exclusive or b"""
        if a <= TRUE or b <= TRUE:
            return a ^ b
        if a >> 1 == b >> 1:
            return (a ^ b) & 1
        flip = self._inverted(a) ^ self._inverted(b)
        a, b = a ^ self._inverted(a), b ^ self._inverted(b)
        if a > b:
            a, b = b, a
        key = a << 32 | b
        found = self._xors.get(key)
        if found is None:
            both = self.conj(a, b)
            only_a = self._named(a, b ^ 1, both ^ 1, a)
            only_b = self._named(a ^ 1, b, both ^ 1, b)
            found = self.disj(only_a, only_b)
            self._xors[key] = found
        return found ^ flip

    def majority(self, a: int, b: int, c: int) -> int:
        """Whether two of three hold; shares the exclusive ors of the sum bit a + b + c."""
        if min(a, b, c) <= TRUE:
            return self.cheap_majority(a, b, c)
        if self._inverted(a) and self._inverted(b):
            return self.majority(a ^ 1, b ^ 1, c ^ 1) ^ 1
        if a >> 1 == b >> 1:
            return a if a == b else c
        return self.disj(self.conj(a, b), self.conj(self.xor(a, b), c))

    def cheap_majority(self, a: int, b: int, c: int) -> int:
        """Whether two of three hold; for a carry whose sum bit nobody reads."""
        for x, y, z in ((a, b, c), (b, a, c), (c, a, b)):
            if x <= TRUE:
                return self.disj(y, z) if x else self.conj(y, z)
        return self.disj(self.conj(a, b), self.conj(c, self.disj(a, b)))

    def full_adder(self, a: int, b: int, c: int) -> tuple[int, int]:
        """The sum bit and the carry of a + b + c; the graph remembers that they are an adder."""
        total, carry = self.xor(self.xor(a, b), c), self.majority(a, b, c)
        inputs = tuple(x for x in (a, b, c) if x > TRUE)
        flip = len(inputs) == 2 and TRUE in (a, b, c)  # !(x + y + 1) is the half adder of !x, !y.
        self.known_adder(tuple(x ^ flip for x in inputs), total ^ flip, carry ^ flip)
        return total, carry

    def known_adder(self, inputs: tuple[int, ...], total: int, carry: int) -> None:
        """Remember that literals of this graph are the sum and the carry of two or three others."""
        first = 1 + max((x >> 1 for x in inputs), default=0)
        variables = {x >> 1 for x in inputs}
        real = len(inputs) in (2, 3) and len(variables) == len(inputs) and 0 not in variables
        if real and min(total, carry) >> 1 >= max(first, self.first_gate):
            self._adders.append(Adder(inputs, total, carry, self.owner))

    def mux(self, condition: int, then: int, other: int) -> int:
        """`then` where the condition holds, else `other`."""
        if then == other:
            return then
        if then == other ^ 1:
            return self.xor(condition, other)
        return self.disj(self.conj(condition, then), self.conj(condition ^ 1, other))

    def all(self, literals: Sequence[int]) -> int:
        """Whether all hold; true of none. A balanced tree."""
        row = list(literals)
        while len(row) > 1:
            rest = row[len(row) & ~1 :]
            row = [self.conj(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)] + rest
        return row[0] if row else TRUE

    def any(self, literals: Sequence[int]) -> int:
        """Whether one holds; false of none."""
        return self.all([x ^ 1 for x in literals]) ^ 1

    def finish(self, outputs: Sequence[tuple[str, int]]) -> Aig:
        """The graph of what the outputs reach, renumbered without gaps."""
        first = self.first_gate
        used = bytearray(len(self._left))
        for _, literal in outputs:
            if literal >> 1 >= first:
                used[(literal >> 1) - first] = 1
        for k in range(len(used) - 1, -1, -1):
            if used[k]:
                for x in (self._left[k] >> 1, self._right[k] >> 1):
                    if x >= first:
                        used[x - first] = 1
        kept = [k for k in range(len(used)) if used[k]]
        new = list(range(first)) + [0] * len(used)
        for place, k in enumerate(kept):
            new[first + k] = first + place

        def renamed(x: int) -> int:
            return new[x >> 1] << 1 | x & 1

        return Aig(
            self.name,
            self.inputs,
            tuple(name for name, _ in outputs),
            tuple(renamed(x) for _, x in outputs),
            tuple(renamed(self._left[k]) for k in kept),
            tuple(renamed(self._right[k]) for k in kept),
            tuple(self._owners[k] for k in kept),
            tuple(
                Adder(tuple(map(renamed, a.inputs)), renamed(a.sum), renamed(a.carry), a.owner)
                for a in self._kept_adders(used)
            ),
        )

    def _kept_adders(self, used: bytearray) -> list[Adder]:
        """The adders whose literals all stay, without those whose outputs another one has."""
        found, taken = [], set[int]()
        for adder in self._adders:
            ends = {adder.sum >> 1, adder.carry >> 1}
            places = [x >> 1 for x in (*adder.inputs, adder.sum, adder.carry)]
            real = all(v < self.first_gate or used[v - self.first_gate] for v in places)
            if real and len(ends) == 2 and not ends & taken:
                taken |= ends
                found.append(adder)
        return found

    def _inverted(self, a: int) -> int:
        """Whether a literal needs an inverter, where every gate is a NAND."""
        return (a & 1) ^ (a >> 1 >= self.first_gate)

    def _gate(self, a: int, b: int) -> int:
        self._left.append(a)
        self._right.append(b)
        self._owners.append(self.owner)
        return (self.first_gate + len(self._left) - 1) << 1

    def _named(self, a: int, b: int, c: int, d: int) -> int:
        """The gate a and b if it is known, else c and d, known from now on as a and b too."""
        key = (a << 32 | b) if a < b else (b << 32 | a)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self.conj(c, d)
        return found


def copy_into(g: AigBuilder, aig: Aig, inputs: Mapping[str, int]) -> list[int]:
    """Build the gates of a graph on given literals of its inputs; the literals of its outputs."""
    new = [FALSE] + [inputs[name] for name in aig.inputs] + [FALSE] * aig.size
    for k, (a, b) in enumerate(zip(aig.left, aig.right, strict=True), aig.first_gate):
        new[k] = g.conj(new[a >> 1] ^ a & 1, new[b >> 1] ^ b & 1)
    return [new[x >> 1] ^ x & 1 for x in aig.literals]


def without_unread_state(aig: Aig) -> Aig:
    """The graph less the register bits (`Q:x` with `D:x`) that no output depends on."""
    first, driver = aig.first_gate, dict(zip(aig.outputs, aig.literals, strict=True))
    names = [name for name in aig.outputs if not name.startswith("D:")]
    stack = [driver[name] >> 1 for name in names]
    seen: set[int] = set()
    while stack:
        variable = stack.pop()
        if variable in seen:
            continue
        seen.add(variable)
        if variable >= first:
            stack += (aig.left[variable - first] >> 1, aig.right[variable - first] >> 1)
        elif variable and aig.inputs[variable - 1].startswith("Q:"):
            stack.append(driver["D:" + aig.inputs[variable - 1][2:]] >> 1)
    kept = {
        name: i for i, name in enumerate(aig.inputs, 1) if i in seen or not name.startswith("Q:")
    }
    g = AigBuilder(aig.name, list(kept))
    new = {0: 0} | {old: 2 * i for i, old in enumerate(kept.values(), 1)}
    for k, (a, b) in enumerate(zip(aig.left, aig.right, strict=True)):
        if first + k in seen:
            g.owner = aig.owners[k] if aig.owners else None
            new[first + k] = g.conj(new[a >> 1] ^ a & 1, new[b >> 1] ^ b & 1)
    for adder in aig.adders:
        if adder.sum >> 1 in seen and adder.carry >> 1 in seen:
            g.owner = adder.owner
            inputs = tuple(new[x >> 1] ^ x & 1 for x in adder.inputs)
            ends = (new[x >> 1] ^ x & 1 for x in (adder.sum, adder.carry))
            g.known_adder(inputs, *ends)
    outputs = [
        (name, new[x >> 1] ^ x & 1)
        for name, x in zip(aig.outputs, aig.literals, strict=True)
        if not name.startswith("D:") or "Q:" + name[2:] in kept
    ]
    return g.finish(outputs)


def pack(bits: NDArray[Any]) -> Words:
    """Rows of words from 0/1 samples of shape (samples, signals); the last word is zero-filled."""
    samples, signals = bits.shape
    count = -(-samples // 64)
    padded = np.zeros((signals, count * 64), dtype=np.uint8)
    padded[:, :samples] = bits.T
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def unpack(words: Words, samples: int) -> NDArray[np.uint8]:
    """The 0/1 samples of shape (samples, signals) that `pack` made."""
    raw = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    return np.unpackbits(raw, axis=1, bitorder="little")[:, :samples].T


def random_words(signals: int, count: int, seed: int = 1) -> Words:
    """Pseudo-random words, one row for each signal; the same for the same seed."""
    return np.random.default_rng(seed).integers(
        0, 1 << 64, size=(signals, count), dtype=np.uint64, endpoint=False
    )
