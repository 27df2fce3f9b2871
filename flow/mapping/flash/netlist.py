"""A design with flash cells as a mapped netlist, and the same with the equivalent of each cell.

In the netlist a flash cell is two instances: its function, which takes no time and no area, and
behind it a flip-flop that has the cell's area and delay. Everything that reads netlists reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flow.ir.netlist import CLOCK, Bus, Instance, Netlist, flipflop, rename, topological
from flow.ir.threshold import ThresholdGate
from flow.mapping.flash.absorb import FlashFlipFlop
from flow.tech.technology import Arc, Cell, Storage, Table, Technology

FLASH = "FLASH"
"""What the name of every flash cell begins with."""

LATCH = "Q"
"""What the name of a cell's second instance ends with."""

EQUAL = "e:"


@dataclass(frozen=True, slots=True)
class CellModel:
    """A flash cell in a library, by its static CMOS equivalent: its gates, then a flip-flop.

    `equivalent` are its gates, with inputs x0.. and the output y; `equivalent_um2` is the area of
    both, `logic_ns` the delay of the gates. `area_um2` is the cell's own, `saved_delay` the share
    of gates' and flip-flop's delay that it saves, `capacitance` that of its inputs, pF.
    """

    gate: ThresholdGate
    equivalent: Netlist
    equivalent_um2: float
    logic_ns: float
    area_um2: float
    saved_delay: float
    capacitance: tuple[float, ...]


def cell_name(gate: ThresholdGate) -> str:
    """The name of a gate's cell: its weights, then its threshold."""
    return "_".join([FLASH, *map(str, gate.weights), f"T{gate.threshold}"])


def with_cells(
    technology: Technology,
    models: Mapping[ThresholdGate, CellModel],
) -> Technology:
    """The library with the two instances of each flash cell."""
    cells = dict(technology.cells)
    for model in models.values():
        for cell in _pair(technology, model):
            cells[cell.name] = cell
    return replace(technology, cells=cells)


def flash_netlist(
    core: Netlist,
    cells: Sequence[FlashFlipFlop],
    technology: Technology,
    inputs: Sequence[Bus],
    outputs: Sequence[Bus],
) -> Netlist:
    """The netlist of a mapped rest (`core`) and its cells; `technology` has both.

    Flip-flops come in the order of the inputs `Q:x` of the core.
    """
    by_name = {cell.name: cell for cell in cells}
    drivers = dict(zip(core.output_bits, core.drivers, strict=True))
    first, behind = [], []
    for bit in _held(core):
        cell = by_name.get(bit[2:])
        if cell is None:
            first.append(_plain(bit, drivers["D:" + bit[2:]], technology))
            continue
        name, data = cell_name(cell.gate), f"t:{bit}"
        pins = [(f"I{i}", drivers.get(x, x)) for i, x in enumerate(cell.inputs)]
        behind.append(Instance(f"t:{bit}", name, (*pins, ("D", data))))
        ends = (("CLK", CLOCK), ("D", data), ("Q", bit))
        first.append(Instance(f"f:{bit}", name + LATCH, ends))
    whole = _joined(core, [*first, *core.instances, *behind], inputs, outputs)
    return rename(whole, technology)


def equivalent_netlist(
    core: Netlist,
    cells: Sequence[FlashFlipFlop],
    models: Mapping[ThresholdGate, CellModel],
    technology: Technology,
    inputs: Sequence[Bus],
    outputs: Sequence[Bus],
) -> Netlist:
    """The same with each cell's static CMOS equivalent; names of their instances begin with EQUAL.

    It is for measures: its names are no Verilog.
    """
    by_name = {cell.name: cell for cell in cells}
    drivers = dict(zip(core.output_bits, core.drivers, strict=True))
    instances = []
    for bit in _held(core):
        cell = by_name.get(bit[2:])
        if cell is None:
            instances.append(_plain(bit, drivers["D:" + bit[2:]], technology))
            continue
        logic = models[cell.gate].equivalent
        net = {f"x{i}": drivers.get(x, x) for i, x in enumerate(cell.inputs)}
        for unit in logic.instances:
            pins = tuple((pin, net.get(n, f"{EQUAL}{bit}:{n}")) for pin, n in unit.pins)
            instances.append(Instance(f"{EQUAL}{bit}:{unit.name}", unit.cell, pins))
        data = logic.drivers[0]
        instances.append(_plain(bit, net.get(data, f"{EQUAL}{bit}:{data}"), technology, EQUAL))
    whole = _joined(core, [*instances, *core.instances], inputs, outputs)
    return replace(whole, instances=topological(whole, technology))


def _held(core: Netlist) -> list[str]:
    return [bit for bit in core.input_bits if bit.startswith("Q:")]


def _plain(bit: str, data: str, technology: Technology, prefix: str = "f:") -> Instance:
    cell, pin, clock, output = flipflop(technology)
    pins = {pin: data, clock: CLOCK, output: bit}
    return Instance(
        f"{prefix}{bit}", cell.name, tuple((p, pins[p]) for p in (*cell.inputs, output))
    )


def _joined(
    core: Netlist, instances: Sequence[Instance], inputs: Sequence[Bus], outputs: Sequence[Bus]
) -> Netlist:
    drivers = dict(zip(core.output_bits, core.drivers, strict=True))
    ports = tuple(drivers[bit] for bus in outputs for bit in bus.bits)
    return Netlist(core.name, tuple(inputs), tuple(outputs), tuple(instances), ports)


def _pair(technology: Technology, model: CellModel) -> tuple[Cell, Cell]:
    """The function without time and area, and the flip-flop with those of the cell."""
    base, _, clock, output = flipflop(technology)
    kept = 1 - model.saved_delay
    arcs = [arc for arc in base.arcs if (arc.related, arc.output) == (clock, output)]
    tables = [t for arc in base.arcs for t in (arc.rise, arc.fall) if t is not None]
    zero = Table((min((t.slews[0] for t in tables), default=0.0),), (0.0,), ((0.0,),))
    pins = tuple(f"I{i}" for i in range(model.gate.fan_in))
    name = cell_name(model.gate)
    logic = Cell(
        name, 0.0, pins, ("D",), {"D": _expression(model.gate)}, (0.0,), 0.0,
        dict(zip(pins, model.capacitance, strict=True)),
        arcs=tuple(Arc(pin, "D", "positive_unate", zero, zero) for pin in pins),
    )  # fmt: skip
    held = replace(
        base,
        name=name + LATCH,
        area=model.area_um2,
        inputs=("CLK", "D"),
        outputs=("Q",),
        functions={"Q": "IQ"},
        storage=Storage("IQ", "IQN", "D", "CLK"),
        leakage=(0.0,),
        cell_leakage=0.0,
        capacitance={"CLK": base.capacitance[clock], "D": 0.0},
        energy={},
        arcs=tuple(_later(arc, model.logic_ns, kept) for arc in arcs),
        max_capacitance={"Q": base.max_capacitance[output]} if base.max_capacitance else {},
        dont_use=True,
    )
    return replace(logic, dont_use=True), held


def _later(arc: Arc, more_ns: float, scale: float) -> Arc:
    def changed(table: Table | None) -> Table | None:
        if table is None:
            return None
        rows = tuple(tuple(scale * (x + more_ns) for x in row) for row in table.values)
        return Table(table.slews, table.loads, rows)

    return replace(arc, related="CLK", output="Q", rise=changed(arc.rise), fall=changed(arc.fall))


def _expression(gate: ThresholdGate) -> str:
    """The function as a Liberty expression: a product for each minimal true point."""
    products = [
        "&".join(f"I{i}" for i, bit in enumerate(bits) if bit) for bits in gate.minimal_true()
    ]
    return "|".join(f"({product})" for product in sorted(products))
