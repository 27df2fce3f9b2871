"""Short micro-programs: max-pooling, comparison, addition and ReLU of words, as evaluations."""

from __future__ import annotations

from collections.abc import Sequence

from flow.mapping.tulip.machine import (
    A_NOT_CARRY,
    A_R3,
    AND,
    BANK,
    E0,
    MAJORITY,
    NEURON,
    ONE,
    OR,
    PARITY,
    ZERO,
    BankStep,
    PairStep,
    Program,
    Step,
)

Cell = tuple[int, int]
"""Bank and address of a bit of a word; words lie with bit 0 first."""


def or_program(taps: int) -> Program:
    """The OR of `taps` bits of the element's own channel, one in a step: max-pooling of bits."""
    first = PairStep((E0, ZERO, ZERO), carry=True, carry_t=OR)
    later = PairStep((E0, NEURON, ZERO), carry=True, carry_t=OR)
    steps = [
        Step((later if tap else first, PairStep()), take=True, own=True, end=tap == taps - 1)
        for tap in range(taps)
    ]
    return Program(f"or_{taps}", tuple(steps))


def compare_program(bits: Sequence[Cell]) -> Program:
    """[word + K >= 2**bits], K a bit in each step: the last answer of neuron 0."""
    steps = []
    for index, (bank, address) in enumerate(bits):
        before = NEURON if index else ZERO
        pair = PairStep((BANK + bank, E0, before), carry=True, carry_t=MAJORITY)
        step = Step((pair, PairStep()), constant=True, end=index == len(bits) - 1)
        steps.append(_reading(step, {bank: address}))
    return Program(f"compare_{len(bits)}", tuple(steps))


def add_program(a: Sequence[Cell], b: Sequence[Cell], out: Sequence[Cell]) -> Program:
    """out = a + b, a carry and the sum before it in each step.

    Bits of equal weight of `a` and `b` lie in different banks; `out` has one bit more than `a`,
    and its bit j may take the place of bit j of `a` or `b`. len(a) + 3 steps.
    """
    count = len(a)
    steps = []
    for index in range(count + 3):
        pair, reads = PairStep(), {}
        if index < count:
            reads = dict((a[index], b[index]))
            before = NEURON if index else ZERO
            pair = PairStep(
                (BANK + a[index][0], BANK + b[index][0], before), carry=True, carry_t=MAJORITY
            )
        elif index == count:  # The carry passes the sum neuron: sum of the carry and nothing.
            pair = PairStep((NEURON, ZERO, ZERO), carry=True, carry_t=MAJORITY)
        if 1 <= index <= count + 1:
            pair = PairStep(
                pair.operands, 0, pair.carry_t, pair.carry, A_NOT_CARRY, PARITY, sum=True
            )
        step = _reading(Step((pair, PairStep()), end=index == count + 2), reads)
        steps.append(_writing(step, 1, out[index - 2]) if index >= 2 else step)
    return Program(f"add_{count}", tuple(steps))


def relu_program(word: Sequence[Cell], out: Sequence[Cell], threshold: int) -> Program:
    """out = word where word >= threshold, else 0: the comparison, then an AND for each bit.

    The threshold is constant; `out` may be `word`. 2 * len(word) + 1 steps.
    """
    count = len(word)
    least = (1 << count) - threshold
    steps = []
    for index, (bank, address) in enumerate(word):
        bit = ONE if least >> index & 1 else ZERO
        before = NEURON if index else ZERO
        pair = PairStep((BANK + bank, bit, before), carry=True, carry_t=MAJORITY)
        steps.append(_reading(Step((pair, PairStep())), {bank: address}))
    for index in range(count + 1):
        step = Step()
        if index < count:
            bank, address = word[index]
            pair = PairStep((BANK + bank, NEURON, ZERO), carry=True, carry_t=MAJORITY)
            step = _reading(Step((PairStep(), pair)), {bank: address})
        if index:
            step = _writing(step, 2, out[index - 1])
        steps.append(step)
    steps[-1] = Step(steps[-1].pairs, steps[-1].banks, end=True)
    return Program(f"relu_{count}", tuple(steps))


def and_program(cells: Sequence[Cell], threshold: int = AND) -> Program:
    """The AND of four bits in the four banks in one step; with OR as threshold their OR."""
    reads = dict(cells)
    pair = PairStep((BANK, BANK + 1, BANK + 2), carry_a=A_R3, carry=True, carry_t=threshold)
    return Program("gate_4", (_reading(Step((pair, PairStep()), end=True), reads),))


def _reading(step: Step, reads: dict[int, int]) -> Step:
    banks = [
        BankStep(reads.get(index, old.read), old.address, old.neuron, old.write)
        for index, old in enumerate(step.banks)
    ]
    return Step(step.pairs, tuple(banks), step.take, step.constant, step.own, step.end)


def _writing(step: Step, neuron: int, cell: Cell) -> Step:
    banks = [
        BankStep(old.read, cell[1], neuron, True) if index == cell[0] else old
        for index, old in enumerate(step.banks)
    ]
    return Step(step.pairs, tuple(banks), step.take, step.constant, step.own, step.end)
