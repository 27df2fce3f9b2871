"""The mapped netlist: instances of cells of a technology, joined by nets of one bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from flow.errors import IRError, ToolFailed, UsageError
from flow.ir.aig import FALSE, TRUE, Aig, AigBuilder
from flow.tech.function import BooleanFunction
from flow.tech.technology import Cell, Technology
from flow.tech.write_liberty import HELPER_BUFFER

CLOCK = "clk"
ZERO, ONE = "1'b0", "1'b1"
"""The two nets that are constants."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A named cell; `pins` has (pin, net) in the order of the cell: inputs, then outputs."""

    name: str
    cell: str
    pins: tuple[tuple[str, str], ...]

    def net(self, pin: str) -> str:
        """The net at a pin; IRError where the pin is open."""
        for name, net in self.pins:
            if name == pin:
                return net
        raise IRError(f"{self.cell} {self.name} has nothing at pin {pin}")

    def nets(self, pins: Sequence[str]) -> tuple[str, ...]:
        """The nets at those of the pins that are connected."""
        chosen = dict(self.pins)
        return tuple(chosen[pin] for pin in pins if pin in chosen)


@dataclass(frozen=True, slots=True)
class Bus:
    """A port of the module: its bits are `name`, or `name[0]` and up where there are more."""

    name: str
    width: int

    @property
    def bits(self) -> tuple[str, ...]:
        """The names of the bits, the lowest first."""
        if self.width == 1:
            return (self.name,)
        return tuple(f"{self.name}[{i}]" for i in range(self.width))


@dataclass(frozen=True, slots=True)
class Netlist:
    """Cells between ports. `drivers[i]` is the net of bit i of the outputs, all buses in a row.

    Instances come drivers before users, with flip-flops first. A net is a bit of an input, a
    constant, or driven by one instance.
    """

    name: str
    inputs: tuple[Bus, ...]
    outputs: tuple[Bus, ...]
    instances: tuple[Instance, ...]
    drivers: tuple[str, ...]

    @property
    def input_bits(self) -> tuple[str, ...]:
        """Names of the bits of all inputs."""
        return tuple(bit for bus in self.inputs for bit in bus.bits)

    @property
    def output_bits(self) -> tuple[str, ...]:
        """Names of the bits of all outputs."""
        return tuple(bit for bus in self.outputs for bit in bus.bits)

    def histogram(self) -> dict[str, int]:
        """How many instances there are of each cell, by name."""
        counts: dict[str, int] = {}
        for instance in self.instances:
            counts[instance.cell] = counts.get(instance.cell, 0) + 1
        return dict(sorted(counts.items()))

    def flipflops(self, technology: Technology) -> tuple[Instance, ...]:
        """The instances that hold state."""
        return tuple(i for i in self.instances if technology.cell(i.cell).kind == "flipflop")


def read_blif(text: str, technology: Technology, where: str = "blif") -> Netlist:
    """The combinational netlist in a BLIF file with `.gate` lines; each bit is a bus of its own.

    ABC's constants and buffers without a cell, and the helper buffer, become plain nets.
    Nets and instances get short names in topological order, so equal circuits give equal names.
    """
    inputs: list[str] = []
    outputs: list[str] = []
    same: dict[str, str] = {}
    gates: list[tuple[str, dict[str, str]]] = []
    name = "netlist"
    for statement in _statements(text):
        words, *rows = statement
        match words:
            case [".model", model, *_]:
                name = model
            case [".inputs", *bits]:
                inputs += bits
            case [".outputs", *bits]:
                outputs += bits
            case [".gate", "_const0_" | "_const1_" as cell, pin]:
                same[_pin(pin, where)[1]] = ONE if cell == "_const1_" else ZERO
            case [".barbuf", net, copy]:
                same[copy] = net
            case [".gate", cell, source, copy] if cell == HELPER_BUFFER:
                same[_pin(copy, where)[1]] = _pin(source, where)[1]
            case [".gate", cell, *pins]:
                gates.append((cell, dict(_pin(pin, where) for pin in pins)))
            case [".names", net] if rows in ([], [["1"]]):
                same[net] = ONE if rows else ZERO
            case [".names", net, copy] if rows == [["1", "1"]]:
                same[copy] = net
            case [".names", *nets]:
                raise ToolFailed(f"{nets[-1]} is a table in a mapped BLIF file", where=where)
            case [".end"] | [".default_input_arrival" | ".default_output_required", *_]:
                pass
            case _:
                raise ToolFailed(f"a BLIF line is not understood: {' '.join(words)!r}", where=where)
    cells = [_order_pins(cell, pins, technology) for cell, pins in gates]
    netlist = Netlist(
        name,
        tuple(Bus(bit, 1) for bit in inputs),
        tuple(Bus(bit, 1) for bit in outputs),
        tuple(Instance(f"u{k}", cell, pins) for k, (cell, pins) in enumerate(cells)),
        tuple(_resolve(bit, same) for bit in outputs),
    )
    return rename(_resolved(netlist, same), technology)


def _pin(text: str, where: str) -> tuple[str, str]:
    pin, equals, net = text.partition("=")
    if not equals:
        raise ToolFailed(f"a BLIF pin is not understood: {text!r}", where=where)
    return pin, net


def _statements(text: str) -> list[list[list[str]]]:
    """The words of each line that begins with a dot, and of the rows below it."""
    found: list[list[list[str]]] = []
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split("#", 1)[0].split()
        if words and (words[0].startswith(".") or not found):
            found.append([words])
        elif words:
            found[-1].append(words)
    return found


def _resolve(net: str, same: Mapping[str, str]) -> str:
    while net in same:
        net = same[net]
    return net


def _resolved(netlist: Netlist, same: Mapping[str, str]) -> Netlist:
    return replace(
        netlist,
        instances=tuple(
            replace(i, pins=tuple((pin, _resolve(net, same)) for pin, net in i.pins))
            for i in netlist.instances
        ),
    )


def without_buffers(netlist: Netlist, technology: Technology) -> Netlist:
    """The netlist with a wire for each cell whose one output is its one input."""
    kept, same = [], dict[str, str]()
    for instance in netlist.instances:
        cell = technology.cell(instance.cell)
        ends = (*cell.inputs, *cell.outputs)
        if cell.kind == "combinational" and len(ends) == 2 and cell.truth_table(ends[1]) == 0b10:
            same[instance.net(ends[1])] = instance.net(ends[0])
        else:
            kept.append(instance)
    if not same:
        return netlist
    bare = replace(
        netlist,
        instances=tuple(kept),
        drivers=tuple(_resolve(net, same) for net in netlist.drivers),
    )
    return rename(_resolved(bare, same), technology)


def _order_pins(
    name: str, pins: Mapping[str, str], technology: Technology
) -> tuple[str, tuple[tuple[str, str], ...]]:
    cell = technology.cell(name)
    return name, tuple((pin, pins[pin]) for pin in (*cell.inputs, *cell.outputs) if pin in pins)


def rename(netlist: Netlist, technology: Technology) -> Netlist:
    """The netlist in topological order, with nets n1, n2, ... and instances u1, u2, ..."""
    ordered = topological(netlist, technology)
    taken = {bus.name for bus in (*netlist.inputs, *netlist.outputs)}
    wire, unit = _prefix("n", taken), _prefix("u", taken)
    new = {bit: bit for bit in (*netlist.input_bits, ZERO, ONE)}
    given = len(new) - 1
    for instance in ordered:
        for net in instance.nets(technology.cell(instance.cell).outputs):
            new[net] = f"{wire}{len(new) - given}"
    return replace(
        netlist,
        instances=tuple(
            Instance(f"{unit}{k}", i.cell, tuple((pin, _known(new, net)) for pin, net in i.pins))
            for k, i in enumerate(ordered, 1)
        ),
        drivers=tuple(_known(new, net) for net in netlist.drivers),
    )


def _prefix(letter: str, taken: set[str]) -> str:
    """The letter, with as many underscores as keep it apart from the names of the ports."""
    while any(name[: len(letter)] == letter and name[len(letter) :].isdigit() for name in taken):
        letter += "_"
    return letter


def _known(names: Mapping[str, str], net: str) -> str:
    if net not in names:
        raise IRError(f"nothing drives net {net}")
    return names[net]


def topological(netlist: Netlist, technology: Technology) -> tuple[Instance, ...]:
    """The instances, flip-flops first, then drivers before users; IRError on a loop."""
    first = [i for i in netlist.instances if technology.cell(i.cell).kind == "flipflop"]
    ready = {*netlist.input_bits, ZERO, ONE}
    driver: dict[str, Instance] = {}
    for instance in netlist.instances:
        for net in instance.nets(technology.cell(instance.cell).outputs):
            if net in driver or net in ready:
                raise IRError(f"two instances drive net {net}")
            driver[net] = instance
    for instance in first:
        ready.update(instance.nets(technology.cell(instance.cell).outputs))
    ordered, done, waiting_for = list(first), {i.name for i in first}, set[str]()
    for root in netlist.instances:
        stack = [root]
        while stack:
            instance = stack[-1]
            if instance.name in done:
                stack.pop()
                continue
            cell = technology.cell(instance.cell)
            missing = [net for net in instance.nets(cell.inputs) if net not in ready]
            if not missing:
                stack.pop()
                done.add(instance.name)
                ready.update(instance.nets(cell.outputs))
                ordered.append(instance)
                continue
            if instance.name in waiting_for:
                raise IRError(f"{instance.cell} {instance.name} is part of a loop")
            waiting_for.add(instance.name)
            for net in reversed(missing):
                if net not in driver:
                    raise IRError(f"nothing drives net {net}")
                stack.append(driver[net])
    return tuple(ordered)


def flipflop(technology: Technology) -> tuple[Cell, str, str, str]:
    """The cheapest flip-flop with data and rising clock alone, with its data, clock, output pins.

    UsageError where the library has none.
    """
    for cell in technology.flipflops:
        store = cell.storage
        if store is None or cell.dont_use or store.data is None or store.clear or store.preset:
            continue
        outputs = [pin for pin in cell.outputs if cell.functions[pin].strip() == store.state]
        pins = {store.data.strip(), (store.clock or "").strip()}
        if pins == set(cell.inputs) and len(pins) == 2 and outputs:
            return cell, store.data.strip(), (store.clock or "").strip(), outputs[0]
    raise UsageError(
        f"technology {technology.name} has no flip-flop with data and a rising clock alone",
        hint="build a combinational circuit (no pipeline stages), or choose another technology",
    )


def with_flipflops(
    core: Netlist, technology: Technology, inputs: Sequence[Bus], outputs: Sequence[Bus]
) -> Netlist:
    """The core between its ports, with a flip-flop for each input `Q:x` and output `D:x`.

    The clock is the input bus `clk`, which `inputs` must have where there are flip-flops.
    """
    drivers = dict(zip(core.output_bits, core.drivers, strict=True))
    held = [bit for bit in core.input_bits if bit.startswith("Q:")]
    instances: list[Instance] = []
    if held:
        cell, data, clock, output = flipflop(technology)
        for bit in held:
            pins = {data: drivers["D:" + bit[2:]], clock: CLOCK, output: bit}
            ordered = tuple((pin, pins[pin]) for pin in (*cell.inputs, output))
            instances.append(Instance(f"f:{bit}", cell.name, ordered))
    ports = [bit for bus in outputs for bit in bus.bits]
    whole = Netlist(
        core.name,
        tuple(inputs),
        tuple(outputs),
        (*instances, *core.instances),
        tuple(drivers[bit] for bit in ports),
    )
    return rename(whole, technology)


def netlist_aig(netlist: Netlist, technology: Technology, held: Sequence[str] = ()) -> Aig:
    """The graph of a netlist, cell by cell; flip-flop k is cut at `Q:` and `D:` held[k].

    Inputs are the bits of the ports without the clock, then the flip-flops. Flip-flops of one
    name are copies, which hold the same as long as they take the same: IRError where what they
    take is not one gate of the graph.
    """
    cut = netlist.flipflops(technology)
    if len(held) != len(cut):
        raise IRError(f"{len(cut)} flip-flops have {len(held)} names")
    bits = [bit for bit in netlist.input_bits if not (cut and bit == CLOCK)]
    states = list(dict.fromkeys(held))
    g = AigBuilder(netlist.name, [*bits, *(f"Q:{name}" for name in states)])
    place = {name: k for k, name in enumerate(states, 1 + len(bits))}
    literal = {bit: 2 * i for i, bit in enumerate(bits, 1)} | {ZERO: FALSE, ONE: TRUE}
    for name, instance in zip(held, cut, strict=True):
        k = place[name]
        for pin, net in instance.pins:
            cell = technology.cell(instance.cell)
            if pin in cell.outputs:
                state = cell.storage.state if cell.storage else ""
                literal[net] = 2 * k ^ (cell.functions[pin].strip() != state)
    for instance in netlist.instances:
        cell = technology.cell(instance.cell)
        if cell.kind == "flipflop":
            continue
        pins = {pin: literal[net] for pin, net in instance.pins if pin in cell.inputs}
        for pin, net in instance.pins:
            if pin in cell.outputs:
                literal[net] = build(g, _compiled(cell.functions[pin]), pins)
    outputs = list(zip(netlist.output_bits, (literal[x] for x in netlist.drivers), strict=True))
    takes: dict[str, int] = {}
    for name, instance in zip(held, cut, strict=True):
        store = technology.cell(instance.cell).storage
        assert store is not None
        data = literal[instance.net((store.data or "").strip())]
        if takes.setdefault(name, data) != data:
            raise IRError(f"the copies of register {name} take different values")
    outputs += [(f"D:{name}", data) for name, data in takes.items()]
    return g.finish(outputs)


def build(g: AigBuilder, function: BooleanFunction, pins: Mapping[str, int]) -> int:
    """The literal of a Boolean function of literals."""
    stack: list[int] = []
    for step in function.steps:
        match step:
            case "!":
                stack.append(stack.pop() ^ 1)
            case "&" | "|" | "^":
                y, x = stack.pop(), stack.pop()
                make = g.conj if step == "&" else g.disj if step == "|" else g.xor
                stack.append(make(x, y))
            case "0" | "1":
                stack.append(TRUE if step == "1" else FALSE)
            case name:
                stack.append(pins[name])
    return stack[0]


@cache
def _compiled(text: str) -> BooleanFunction:
    from flow.tech.function import parse

    return parse(text)
