"""Ways to add one bit in a technology, one for each choice of which nets are inverted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from flow.ir.netlist import Instance
from flow.tech.technology import Cell, Technology

INPUTS, SUM, CARRY = ("a", "b", "c"), "s", "d"
PARITY = {2: 0b0110, 3: 0b10010110}
MAJORITY = {2: 0b1000, 3: 0b11101000}

Polarity = tuple[int, ...]
"""Which nets are inverted: the two or three inputs, the sum, the carry."""


@dataclass(frozen=True, slots=True)
class Form:
    """Instances over the nets a, b (c), s and d, and others of their own.

    The nets hold what is added, the sum and the carry, inverted where `polarity` says so.
    """

    polarity: Polarity
    area: float
    instances: tuple[Instance, ...]

    @property
    def inputs(self) -> int:
        """How many bits it adds."""
        return len(self.polarity) - 2


def cell_forms(technology: Technology) -> tuple[Form, ...]:
    """The cells of a library whose outputs are a sum and a carry, known by their truth tables.

    Pins may have any names, order and inversions. Of cells that do the same, the smallest.
    """
    found = [
        form
        for name, cell in sorted(technology.cells.items())
        if cell.kind == "combinational" and not cell.dont_use and len(cell.inputs) in PARITY
        for form in _of_cell(name, cell)
    ]
    return best(found)


def _of_cell(name: str, cell: Cell) -> list[Form]:
    """Every way in which a cell is an adder."""
    count = len(cell.inputs)
    every = (1 << (1 << count)) - 1
    known = [pin for pin in cell.outputs if pin in cell.functions]
    tables = {pin: cell.truth_table(pin) for pin in known}
    found = []
    for total in (pin for pin in known if tables[pin] in (PARITY[count], PARITY[count] ^ every)):
        for carry in known:
            for mask in range(1 << count):
                want = inverted_inputs(MAJORITY[count], count, mask)
                if tables[carry] not in (want, want ^ every):
                    continue
                flips = tuple(mask >> k & 1 for k in range(count))
                odd = sum(flips) & 1 ^ (tables[total] != PARITY[count])
                pins = [*zip(cell.inputs, INPUTS, strict=False), (total, SUM), (carry, CARRY)]
                order = dict(pins)
                instance = Instance("u", name, tuple((p, order[p]) for p in
                                    (*cell.inputs, *cell.outputs) if p in order))  # fmt: skip
                polarity = (*flips, odd, int(tables[carry] != want))
                found.append(Form(polarity, cell.area, (instance,)))
    return found


def inverted_inputs(table: int, count: int, mask: int) -> int:
    """The truth table of a function of `count` inputs whose inputs in the mask are inverted."""
    return sum(1 << state for state in range(1 << count) if table >> (state ^ mask) & 1)


def best(forms: Iterable[Form]) -> tuple[Form, ...]:
    """The smallest form for each polarity, in order; what permuted or all inverted pins give, too.

    A sum and a majority of three are self-dual: with all nets inverted they are the same function.
    """
    chosen: dict[Polarity, Form] = {}
    for form in forms:
        for other in _relatives(form):
            old = chosen.get(other.polarity)
            if old is None or other.area < old.area:
                chosen[other.polarity] = other
    return tuple(chosen[polarity] for polarity in sorted(chosen))


def _relatives(form: Form) -> list[Form]:
    found = []
    for order in permutations(range(form.inputs)):
        inputs = tuple(form.polarity[k] for k in order)
        new = {INPUTS[old]: INPUTS[k] for k, old in enumerate(order)}
        instances = tuple(
            Instance(i.name, i.cell, tuple((pin, new.get(net, net)) for pin, net in i.pins))
            for i in form.instances
        )
        polarity = (*inputs, *form.polarity[form.inputs :])
        found.append(Form(polarity, form.area, instances))
        if form.inputs == 3:
            found.append(Form(tuple(1 - x for x in polarity), form.area, instances))
    return found


def without_dominated(forms: Sequence[Form], inverter: float) -> tuple[Form, ...]:
    """The forms that are smaller than every other one with inverters at the nets that differ."""

    def reach(form: Form, other: Form) -> float:
        return form.area + inverter * sum(
            x != y for x, y in zip(form.polarity, other.polarity, strict=True)
        )

    return tuple(
        form
        for form in forms
        if not any(other is not form and reach(other, form) <= form.area for other in forms)
    )


def by_inputs(forms: Iterable[Form]) -> Mapping[int, tuple[Form, ...]]:
    """The forms of two and those of three inputs."""
    rows = tuple(forms)
    return {
        count: found for count in PARITY if (found := tuple(f for f in rows if f.inputs == count))
    }
