"""When a neuron's adders run: a counting tree, evaluated depth first, on the pairs of an element.

A neuron of N inputs is [p + K >= 2**levels] with p the number of products that are 1 and
K = 2**levels - T. The products enter pair 0, two in a step, with the sum of two steps before; the
carries of each column are added three at a time as soon as there are three, so that no column
keeps more than a few bits. The comparison is the last carry of every column: it takes the bit of
K in the column as its third operand, and needs no sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flow.mapping.tulip.machine import BANKS, E0, E1, PAIRS, ZERO


@dataclass(slots=True, eq=False)
class Bit:
    """A bit of the tree: its neuron answers in step `ready`; it is read in the steps `uses`.

    `cell` is where it must lie (bank, address), where that is fixed; `until` is a step up to which
    it must be kept.
    """

    neuron: int
    ready: int
    uses: list[int] = field(default_factory=list)
    cell: tuple[int, int] | None = None
    until: int = 0

    @property
    def stored(self) -> bool:
        """Whether it is read later than straight from its neuron, or was there before."""
        return self.last > self.ready

    @property
    def last(self) -> int:
        """The step of its last reading, or up to which it is kept."""
        return max([self.until, *self.uses])


Operand = Bit | int
"""A bit of the tree, or a source: E0, E1, ZERO."""


@dataclass(frozen=True, slots=True, eq=False)
class Adder:
    """An adder of a column that starts in `step` on `pair`; without `total` only its carry counts.

    `constant` says that E0 is the constant's bit; `top` that E1 decides where it is 1.
    """

    step: int
    pair: int
    column: int
    operands: tuple[Operand, Operand, Operand]
    carry: Bit
    total: Bit | None
    constant: bool = False
    top: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """The adders in order of their steps, the steps they take, and the bits that they leave."""

    adders: tuple[Adder, ...]
    steps: int
    entering: tuple[Bit, ...]
    kept: tuple[Bit, ...]

    @property
    def bits(self) -> tuple[Bit, ...]:
        """Every bit, those that entered first."""
        made = [b for a in self.adders for b in (a.carry, a.total) if b is not None]
        return (*self.entering, *made)


def home(column: int) -> tuple[int, int]:
    """Bank and address where the bit of a column lies between two chunks of a neuron."""
    return column % BANKS, 15 - column // BANKS


def count_schedule(
    pairs: int, levels: int, *, resumes: bool = False, finishes: bool = True
) -> Schedule:
    """The schedule of a neuron with `pairs` * 2 products, of which at most 2**levels - 1 are 1.

    With `resumes` it goes on from the counts that an earlier chunk left; unless it `finishes`, it
    leaves its counts, one bit a column, to the next.
    """
    return _Scheduler(pairs, levels, resumes, finishes).run()


class _Scheduler:
    """Adders are placed step by step; a column is a list of bits that wait."""

    def __init__(self, pairs: int, levels: int, resumes: bool, finishes: bool) -> None:
        self.pairs, self.levels, self.finishes = pairs, levels, finishes
        self.adders: list[Adder] = []
        self.waiting: list[list[Bit]] = [[] for _ in range(levels + 1)]
        entering = [Bit(0, 0, cell=home(j)) for j in range(levels)] if resumes else []
        self.entering = tuple(entering)
        self.chain: dict[int, Bit] = {1: entering[0]} if entering else {}
        for column, bit in enumerate(entering[1:], start=1):
            self.waiting[column].append(bit)
        self.reads: dict[int, int] = {}
        # Bits that each column will have had, before the last adder's carry comes from below.
        self.to_come = [0] * (levels + 1)
        coming = pairs
        for column in range(1, levels + 1):
            here = coming + (1 if entering and column < levels else 0)
            self.to_come[column] = coming
            # What is left for the last adder is one bit, or none where none came; two, where it
            # has no bit of the constant.
            coming = here // 2 if finishes else max(0, here - 1) // 2
        self.done = [False] * levels
        self.carry: Bit | None = None

    def run(self) -> Schedule:
        """Place adders until the last column has its last carry."""
        step = 1
        while not all(self.done):
            for pair in range(PAIRS):
                if pair == 0 and step <= self.pairs:
                    self._leaf(step)
                elif not self._last(step, pair):
                    self._inner(step, pair)
            step += 1
        kept: list[Bit] = []
        if not self.finishes:
            kept = [self.waiting[column][0] for column in range(self.levels)]
            step = max(step, max(bit.ready for bit in kept) + 1)
            for column, bit in enumerate(kept):
                bit.until, bit.cell = step, home(column)
        return Schedule(tuple(self.adders), step - 1, self.entering, tuple(kept))

    def _leaf(self, step: int) -> None:
        before = self.chain.pop(step, None)
        self._add(step, 0, 0, (E0, E1, before if before is not None else ZERO))

    def _add(
        self,
        step: int,
        pair: int,
        column: int,
        operands: tuple[Operand, Operand, Operand],
        last: bool = False,
    ) -> Bit:
        for bit in operands:
            if isinstance(bit, Bit):
                bit.uses.append(step)
                if step > bit.ready:
                    self.reads[step] = self.reads.get(step, 0) + 1
        carry = Bit(2 * pair, step + 1)
        compares = last and self.finishes
        total = None if compares else Bit(2 * pair + 1, step + 2)
        top = compares and column == self.levels - 1
        self.adders.append(Adder(step, pair, column, operands, carry, total, compares, top))
        if not last and column + 1 < self.levels:
            self.waiting[column + 1].append(carry)
            self.to_come[column + 1] -= 1
        if total is not None:
            leaf = pair == 0 and operands[0] == E0 and not last
            if leaf and step + 2 <= self.pairs:
                self.chain[step + 2] = total
            else:
                self.waiting[column].append(total)
        return carry

    def _ready(self, step: int, column: int) -> list[Bit]:
        """Bits of a column that can be read, those that need no port of a bank first."""
        return sorted((b for b in self.waiting[column] if b.ready <= step), key=lambda b: -b.ready)

    def _ports(self, step: int, bits: Sequence[Bit]) -> bool:
        stored = sum(1 for bit in bits if step > bit.ready)
        return self.reads.get(step, 0) + stored <= BANKS

    def _last(self, step: int, pair: int) -> bool:
        """The last adder of the lowest open column, on pair 0, once all its bits are there."""
        column = next((j for j, done in enumerate(self.done) if not done), self.levels)
        if pair != 0 or column == self.levels or step <= self.pairs:
            return False
        bits = list(self.waiting[column])
        if self.to_come[column] > 0 or any(b.ready > step for b in bits):
            return False
        if len(bits) + (column > 0) > (2 if self.finishes else 3):
            return False
        if column > 0:
            assert self.carry is not None
            bits.append(self.carry)
        late = self.carry is not None and self.carry.ready > step
        if late or not self._ports(step, bits):
            return False
        self.waiting[column].clear()
        constant: list[Operand] = [E0] if self.finishes else []
        first, second, third = [*constant, *bits, ZERO, ZERO][:3]
        self.carry = self._add(step, pair, column, (first, second, third), last=True)
        self.done[column] = True
        return True

    def _inner(self, step: int, pair: int) -> None:
        """An adder of the lowest column with three bits; else of one that must come down to one."""
        found: tuple[int, list[Bit]] | None = None
        for column in range(self.levels):
            if self.done[column]:
                continue
            bits = self._ready(step, column)
            if len(bits) >= 3 and self._ports(step, bits[:3]):
                found = (column, bits[:3])
                break
        if found is None and self.finishes:
            for column in range(1, self.levels):
                if self.done[column] or self.to_come[column] or len(self.waiting[column]) != 2:
                    continue
                bits = self._ready(step, column)
                if len(bits) == 2 and self._ports(step, bits):
                    found = (column, bits)
                    break
        if found is None:
            return
        column, bits = found
        for bit in bits:
            self.waiting[column].remove(bit)
        third: Operand = bits[2] if len(bits) > 2 else ZERO
        self._add(step, pair, column, (bits[0], bits[1], third))
