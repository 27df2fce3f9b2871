"""Adders cut out of a graph: a mapper takes the rest, then both are put together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flow.errors import IRError
from flow.ir.aig import FALSE, Adder, Aig, AigBuilder
from flow.ir.netlist import Bus, Instance, Netlist, rename
from flow.mapping.adder_forms import CARRY, INPUTS, SUM, Form
from flow.mapping.adder_polarity import choose_forms
from flow.tech.technology import Technology


@dataclass(frozen=True, slots=True)
class Box:
    """One adder in the form it has. `pins` are the bits of the core's ports at a, b (and c).

    The inputs `sum` and `carry` of the core are what is at s and d.
    """

    form: Form
    pins: tuple[str, ...]
    sum: str
    carry: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A graph without its boxes: `core` has their outputs as inputs, and takes their inputs out.

    `inputs` and `outputs` are those of the whole; they come first in those of the core.
    """

    core: Aig
    boxes: tuple[Box, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def cut_out(
    graph: Aig, forms: Mapping[int, Sequence[Form]], inverter: float, sweeps: int = 20
) -> Cut:
    """The graph without its adders of as many inputs as there are forms for.

    Adders stay gates where only one of their outputs is read, or another gate reads what is
    inside them. `inverter` is the area of one.
    """
    adders = _worthy(graph, _lone(graph, [a for a in graph.adders if len(a.inputs) in forms]))
    chosen = choose_forms(graph, adders, forms, inverter, sweeps)
    names: dict[int, tuple[str, int]] = {}  # variable: input of the core, and its inversion
    for k, (adder, form) in enumerate(zip(adders, chosen, strict=True)):
        *_, total, carry = form.polarity
        names[adder.sum >> 1] = f"S:{k}", adder.sum & 1 ^ total
        names[adder.carry >> 1] = f"C:{k}", adder.carry & 1 ^ carry
    g = AigBuilder(graph.name, [*graph.inputs, *(name for name, _ in names.values())])
    place = {name: 2 * i for i, name in enumerate(g.inputs, 1)}
    new = list(range(0, 2 * graph.first_gate, 2)) + [FALSE] * graph.size
    for variable, (name, inverted) in names.items():
        new[variable] = place[name] ^ inverted
    for k, (a, b) in enumerate(zip(graph.left, graph.right, strict=True), graph.first_gate):
        if k not in names:
            g.owner = graph.owners[k - graph.first_gate] if graph.owners else None
            new[k] = g.conj(new[a >> 1] ^ a & 1, new[b >> 1] ^ b & 1)
    outputs = [
        (name, new[x >> 1] ^ x & 1) for name, x in zip(graph.outputs, graph.literals, strict=True)
    ]
    wires = {literal: name for name, literal in place.items()}
    boxes = []
    for k, (adder, form) in enumerate(zip(adders, chosen, strict=True)):
        pins = []
        for x, inverted in zip(adder.inputs, form.polarity, strict=False):
            literal = new[x >> 1] ^ x & 1 ^ inverted
            if literal not in wires:
                wires[literal] = f"A:{len(outputs) - len(graph.outputs)}"
                outputs.append((wires[literal], literal))
            pins.append(wires[literal])
        boxes.append(Box(form, tuple(pins), f"S:{k}", f"C:{k}"))
    return Cut(g.finish(outputs), tuple(boxes), graph.inputs, graph.outputs)


def _lone(graph: Aig, adders: Sequence[Adder]) -> list[Adder]:
    """The adders whose gates, but for the sum and the carry, are read by their own gates alone."""
    first = graph.first_gate
    readers = [0] * (first + graph.size)
    for x in (*graph.left, *graph.right, *graph.literals):
        readers[x >> 1] += 1
    found = []
    for adder in adders:
        inputs = {x >> 1 for x in adder.inputs}
        inside: dict[int, int] = {}  # gate: how many of the adder's own gates read it
        stack = [adder.sum >> 1, adder.carry >> 1]
        seen = set(stack)
        while stack:
            gate = stack.pop() - first
            for x in (graph.left[gate] >> 1, graph.right[gate] >> 1):
                if x in inputs or x < first:
                    continue
                inside[x] = inside.get(x, 0) + 1
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
        ends = {adder.sum >> 1, adder.carry >> 1}
        if all(readers[gate] == own for gate, own in inside.items() if gate not in ends):
            found.append(adder)
    return found


def _worthy(graph: Aig, adders: Sequence[Adder]) -> list[Adder]:
    """The adders of which both outputs are read when none of them is made of gates."""
    first = graph.first_gate
    chosen = list(adders)
    while True:
        source = {x >> 1: k for k, adder in enumerate(chosen) for x in (adder.sum, adder.carry)}
        read = bytearray(first + graph.size)
        stack = [x >> 1 for x in graph.literals]
        while stack:
            variable = stack.pop()
            if read[variable]:
                continue
            read[variable] = 1
            if variable in source:
                stack += [x >> 1 for x in chosen[source[variable]].inputs]
            elif variable >= first:
                stack += (graph.left[variable - first] >> 1, graph.right[variable - first] >> 1)
        kept = [a for a in chosen if read[a.sum >> 1] and read[a.carry >> 1]]
        if len(kept) == len(chosen):
            return kept
        chosen = kept


def put_in(cut: Cut, core: Aig) -> Aig:
    """The whole graph with any graph of the core, every box as gates; IRError on a loop."""
    g = AigBuilder(core.name, cut.inputs)
    literal = {name: 2 * i for i, name in enumerate(g.inputs, 1)}
    number = {name: i for i, name in enumerate(core.inputs, 1)}
    known = {0: FALSE} | {number[name]: literal[name] for name in cut.inputs}
    box_of = {number[name]: box for box in cut.boxes for name in (box.sum, box.carry)}
    result = dict(zip(core.outputs, core.literals, strict=True))

    def operands(variable: int) -> list[int]:
        if variable >= core.first_gate:
            gate = variable - core.first_gate
            return [core.left[gate], core.right[gate]]
        pins = box_of[variable].pins
        return [result[pin] if pin in result else 2 * number[pin] for pin in pins]

    entered = set[int]()
    for root in (result[name] >> 1 for name in cut.outputs):
        stack = [root]
        while stack:
            variable = stack[-1]
            if variable in known:
                stack.pop()
                continue
            needed = operands(variable)
            missing = [x >> 1 for x in needed if x >> 1 not in known]
            if missing:
                if variable in entered:
                    raise IRError("an adder is part of a loop")
                entered.add(variable)
                stack += missing
                continue
            values = [known[x >> 1] ^ x & 1 for x in needed]
            if variable >= core.first_gate:
                known[variable] = g.conj(*values)
            else:
                box = box_of[variable]
                total, carry = _added(g, box.form, values)
                known[number[box.sum]], known[number[box.carry]] = total, carry
            stack.pop()
    return g.finish([(name, known[result[name] >> 1] ^ result[name] & 1) for name in cut.outputs])


def _added(g: AigBuilder, form: Form, values: Sequence[int]) -> tuple[int, int]:
    """What is at s and d for the literals at a, b (and c)."""
    a, b, *rest = (x ^ flip for x, flip in zip(values, form.polarity, strict=False))
    total, carry = g.full_adder(a, b, rest[0] if rest else FALSE)
    return total ^ form.polarity[-2], carry ^ form.polarity[-1]


def with_boxes(cut: Cut, core: Netlist, technology: Technology) -> Netlist:
    """The mapped core with the instances of the boxes; IRError where they make a loop."""
    drivers = dict(zip(core.output_bits, core.drivers, strict=True))
    instances = list(core.instances)
    for k, box in enumerate(cut.boxes):
        wired = zip(INPUTS, (drivers.get(pin, pin) for pin in box.pins), strict=False)
        nets = {**dict(wired), SUM: box.sum, CARRY: box.carry}
        for j, part in enumerate(box.form.instances):
            pins = tuple((pin, nets.get(net, f"B:{k}:{net}")) for pin, net in part.pins)
            instances.append(Instance(f"B:{k}:{j}", part.cell, pins))
    whole = replace(
        core,
        inputs=tuple(Bus(name, 1) for name in cut.inputs),
        outputs=tuple(Bus(name, 1) for name in cut.outputs),
        instances=tuple(instances),
        drivers=tuple(drivers[name] for name in cut.outputs),
    )
    return rename(whole, technology)
