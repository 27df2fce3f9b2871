"""Bits of a schedule onto four banks of 16, by colouring their intervals; then control words.

A bit whose every reader sees it on its neuron needs no register. Any other lies in a bank from the
step after its neuron answered. Two that are read in one step, or written in one step, lie in
different banks; two that live at one time in different registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flow.errors import InternalError, UnsupportedModel
from flow.mapping.tulip.machine import (
    A_E1,
    A_NOT_CARRY,
    A_ZERO,
    BANK,
    BANK_BITS,
    BANKS,
    E0,
    MAJORITY,
    NEURON,
    PARITY,
    BankStep,
    PairStep,
    Program,
    Step,
)
from flow.mapping.tulip.schedule import Bit, Operand, Schedule

Cell = tuple[int, int]


def allocate(schedule: Schedule) -> dict[Bit, Cell]:
    """Bank and address of every stored bit; UnsupportedModel where the banks are too small."""
    bits = sorted((b for b in schedule.bits if b.stored), key=lambda b: (b.ready, -b.last))
    reads: dict[int, list[Bit]] = {}
    writes: dict[int, list[Bit]] = {}
    for bit in bits:
        for step in bit.uses:
            if step > bit.ready:
                reads.setdefault(step, []).append(bit)
        if bit.ready > 0:
            writes.setdefault(bit.ready, []).append(bit)
    rivals: dict[Bit, set[Bit]] = {bit: set() for bit in bits}
    for group in (*reads.values(), *writes.values()):
        for one in group:
            rivals[one].update(other for other in group if other is not one)
    banks = _colour(bits, rivals)
    return _addresses(bits, banks, schedule.steps)


def _colour(bits: Sequence[Bit], rivals: dict[Bit, set[Bit]]) -> dict[Bit, int]:
    """A bank for every bit, different from its rivals'; the most constrained first."""
    banks = {bit: bit.cell[0] for bit in bits if bit.cell is not None}
    order = {bit: k for k, bit in enumerate(bits)}
    left = [bit for bit in bits if bit.cell is None]
    forbidden: dict[Bit, set[int]] = {
        bit: {banks[r] for r in rivals[bit] if r in banks} for bit in left
    }
    load = [0] * BANKS
    # Choices run forward in time; where one bit finds no bank, a rival of it moves.
    for bit in left:
        if len(forbidden[bit]) == BANKS and not _move(bit, rivals, banks, forbidden):
            raise InternalError("no bank is free of conflicts for a bit of the schedule")
        free = [b for b in range(BANKS) if b not in forbidden[bit]]
        bank = min(free, key=lambda b: (load[b], b))
        load[bank] += 1
        _set(bit, bank, rivals, banks, forbidden, order)
    return banks


def _set(
    bit: Bit,
    bank: int,
    rivals: dict[Bit, set[Bit]],
    banks: dict[Bit, int],
    forbidden: dict[Bit, set[int]],
    order: dict[Bit, int],
) -> None:
    banks[bit] = bank
    for other in sorted(rivals[bit], key=lambda b: order[b]):
        if other in forbidden:
            forbidden[other] = {banks[r] for r in rivals[other] if r in banks}


def _move(
    bit: Bit,
    rivals: dict[Bit, set[Bit]],
    banks: dict[Bit, int],
    forbidden: dict[Bit, set[int]],
) -> bool:
    """Free a bank for the bit by moving the one rival that holds it; whether that was possible."""
    for bank in range(BANKS):
        holders = [r for r in rivals[bit] if banks.get(r) == bank]
        if len(holders) != 1 or holders[0].cell is not None:
            continue
        holder = holders[0]
        taken = {banks[r] for r in rivals[holder] if r in banks}
        for other in range(BANKS):
            if other != bank and other not in taken:
                banks[holder] = other
                for near in rivals[holder]:
                    if near in forbidden:
                        forbidden[near] = {banks[r] for r in rivals[near] if r in banks}
                return len(forbidden[bit]) < BANKS
    return False


def _addresses(bits: Sequence[Bit], banks: dict[Bit, int], steps: int) -> dict[Bit, Cell]:
    """The lowest free address of its bank for every bit; some are fixed."""
    cells = {bit: bit.cell for bit in bits if bit.cell is not None}
    fixed: dict[Cell, list[Bit]] = {}
    for bit, cell in cells.items():
        fixed.setdefault(cell, []).append(bit)
    until = {(bank, address): 0 for bank in range(BANKS) for address in range(BANK_BITS)}
    for bit in bits:  # in the order in which they are written
        if bit in cells:
            continue
        for address in range(BANK_BITS):
            cell = (banks[bit], address)
            kept = any(
                other.ready < bit.last and bit.ready < other.last for other in fixed.get(cell, ())
            )
            if until[cell] <= bit.ready and not kept:
                break
        else:
            raise UnsupportedModel(
                f"bank {banks[bit]} has no register left in step {bit.ready} of {steps}",
                hint="a neuron of so many inputs needs smaller chunks",
            )
        cells[bit] = cell
        until[cell] = bit.last
    return cells


def program(name: str, schedule: Schedule) -> Program:
    """The control words of a schedule, with its registers."""
    cells = allocate(schedule)
    steps = [Step() for _ in range(schedule.steps)]

    def source(operand: Operand, step: int) -> int:
        if not isinstance(operand, Bit):
            return operand
        return NEURON + operand.neuron if operand.ready == step else BANK + cells[operand][0]

    for adder in schedule.adders:
        now = adder.step - 1
        sources = tuple(source(operand, adder.step) for operand in adder.operands)
        assert len(sources) == 3
        pair = replace(
            steps[now].pairs[adder.pair],
            operands=sources,
            carry=True,
            carry_t=MAJORITY,
            carry_a=A_E1 if adder.top else A_ZERO,
        )
        leaf = E0 in adder.operands and not adder.constant
        steps[now] = replace(
            _with_pair(steps[now], adder.pair, pair),
            take=steps[now].take or leaf,
            constant=steps[now].constant or adder.constant,
        )
        if adder.total is not None:
            after = replace(
                steps[now + 1].pairs[adder.pair], sum=True, sum_a=A_NOT_CARRY, sum_t=PARITY
            )
            steps[now + 1] = _with_pair(steps[now + 1], adder.pair, after)
    for bit, (bank, address) in cells.items():
        for use in bit.uses:
            if use > bit.ready:
                steps[use - 1] = _with_bank(steps[use - 1], bank, read=address)
        if bit.ready > 0:
            steps[bit.ready - 1] = _with_bank(
                steps[bit.ready - 1], bank, address=address, neuron=bit.neuron, write=True
            )
    steps[-1] = replace(steps[-1], end=True)
    live = max(
        (sum(1 for b in cells if b.ready < s <= b.last) for s in range(1, schedule.steps + 1)),
        default=0,
    )
    return Program(name, tuple(steps), live)


def _with_pair(step: Step, index: int, pair: PairStep) -> Step:
    first, second = step.pairs
    return replace(step, pairs=(pair, second) if index == 0 else (first, pair))


def _with_bank(step: Step, index: int, **fields: int) -> Step:
    bank: BankStep = replace(step.banks[index], **fields)  # type: ignore[arg-type]
    banks = step.banks
    return replace(step, banks=(*banks[:index], bank, *banks[index + 1 :]))
