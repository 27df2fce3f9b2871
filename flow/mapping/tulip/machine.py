"""The processing element of the array: its limits, and the control word of one step.

A PE has four [2,1,1,1;T] neurons, in two pairs. A neuron is a clocked cell: what it answers in
step s can be read from step s + 1 on. In one step, for all elements alike:

* each pair fetches three operands, each of any source: a constant, one of the two external bits,
  the read port of a bank, the last answer of a neuron. Its carry neuron sees them at once, its
  sum neuron one step later, when the carry is known: so a full adder starts in each step of each
  pair, and no operand is read twice;
* each of the four 16-bit banks has one read port and one write port, which takes the last answer
  of any neuron. What is written in step s can be read from step s + 1 on;
* two external bits come in, each the product of an activation and a weight. Two full adders in a
  step lessen the number of bits by two, so more could not be summed for long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

BANKS = 4
BANK_BITS = 16
PAIRS = 2
EXTERNALS = 2
THRESHOLD_BITS = 3
SOURCE_BITS = 4

ZERO, ONE, E0, E1 = 0, 1, 2, 3
BANK, NEURON = 4, 8
"""Sources of an operand; of bank b: BANK + b, of neuron n: NEURON + n."""
SOURCES = 12

A_ZERO, A_E1, A_R3, A_SUM = 0, 1, 2, 3
"""What the input of weight 2 of a carry neuron sees; A_SUM is the answer of its sum neuron."""
A_NOT_CARRY, A_CARRY, A_ONE = 1, 2, 3
"""The same of a sum neuron, beside A_ZERO."""

OR, MAJORITY, PARITY, AND = 1, 2, 3, 5
"""Thresholds: of 2a+b+c+d >= 1, of a carry, of a sum with a = not carry, of an AND of four."""


@dataclass(frozen=True, slots=True)
class PairStep:
    """What a pair does: three sources; then weight-2 input, threshold and enable of each neuron."""

    operands: tuple[int, int, int] = (ZERO, ZERO, ZERO)
    carry_a: int = A_ZERO
    carry_t: int = 0
    carry: bool = False
    sum_a: int = A_ZERO
    sum_t: int = 0
    sum: bool = False


@dataclass(frozen=True, slots=True)
class BankStep:
    """The address a bank is read at; where, of which neuron and whether it is written."""

    read: int = 0
    address: int = 0
    neuron: int = 0
    write: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One control word: two pairs, four banks, and where the external bits come from.

    `take` advances both streams, of activations and of weights; `constant` takes only the next
    word of weights, with activations of 1; `own` gives each element the bit of its own channel.
    """

    pairs: tuple[PairStep, PairStep] = (PairStep(), PairStep())
    banks: tuple[BankStep, ...] = (BankStep(),) * BANKS
    take: bool = False
    constant: bool = False
    own: bool = False
    end: bool = False


PAIR_FIELDS = (
    ("x", SOURCE_BITS), ("y", SOURCE_BITS), ("z", SOURCE_BITS), ("carry_a", 2),
    ("carry_t", THRESHOLD_BITS), ("carry", 1), ("sum_a", 2), ("sum_t", THRESHOLD_BITS), ("sum", 1),
)  # fmt: skip
"""Fields of a pair, from bit 0."""
BANK_FIELDS = (("read", 4), ("address", 4), ("neuron", 2), ("write", 1))
"""Fields of a bank, from bit 0."""
FLAGS = ("take", "constant", "own", "end")
PAIR_BITS = sum(width for _, width in PAIR_FIELDS)
BANK_STEP_BITS = sum(width for _, width in BANK_FIELDS)
WORD_BITS = PAIRS * PAIR_BITS + BANKS * BANK_STEP_BITS + len(FLAGS)
"""Bits of a control word: pair 0 from bit 0, pair 1, the banks, the flags."""


def encode(step: Step) -> int:
    """The control word of a step."""
    fields: list[tuple[int, int]] = []
    for pair in step.pairs:
        values = (
            *pair.operands, pair.carry_a, pair.carry_t, pair.carry,
            pair.sum_a, pair.sum_t, pair.sum,
        )  # fmt: skip
        fields += [(int(v), w) for v, (_, w) in zip(values, PAIR_FIELDS, strict=True)]
    for bank in step.banks:
        row = (bank.read, bank.address, bank.neuron, bank.write)
        fields += [(int(v), w) for v, (_, w) in zip(row, BANK_FIELDS, strict=True)]
    fields += [(int(getattr(step, name)), 1) for name in FLAGS]
    word = place = 0
    for value, width in fields:
        word |= value << place
        place += width
    return word


def quiet(steps: Iterable[Step]) -> tuple[Step, ...]:
    """The same steps, with what nothing looks at as it was in the step before: so that no
    multiplexer turns for nothing."""
    found, before = [], Step()
    for step in steps:
        both = zip(step.pairs, before.pairs, strict=True)
        first, second = (_quiet_pair(now, old) for now, old in both)
        seen = {s - BANK for p in step.pairs if p.carry for s in p.operands if BANK <= s < NEURON}
        if any(p.carry and p.carry_a == A_R3 for p in step.pairs):
            seen.add(3)
        ports = zip(step.banks, before.banks, strict=True)
        banks = tuple(_quiet_bank(now, old, k in seen) for k, (now, old) in enumerate(ports))
        before = replace(step, pairs=(first, second), banks=banks)
        found.append(before)
    return tuple(found)


def _quiet_pair(now: PairStep, old: PairStep) -> PairStep:
    if not now.carry:
        now = replace(now, operands=old.operands, carry_a=old.carry_a, carry_t=old.carry_t)
    return now if now.sum else replace(now, sum_a=old.sum_a, sum_t=old.sum_t)


def _quiet_bank(now: BankStep, old: BankStep, seen: bool) -> BankStep:
    if not seen:
        now = replace(now, read=old.read)
    return now if now.write else replace(now, address=old.address, neuron=old.neuron)


@dataclass(frozen=True, slots=True)
class Program:
    """A micro-program: its steps, and the most bits that it keeps in the banks at one time. Its
    `words` are those of the quiet steps."""

    name: str
    steps: tuple[Step, ...]
    live: int = 0
    words: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(encode(step) for step in quiet(self.steps)))

    def __len__(self) -> int:
        return len(self.steps)
