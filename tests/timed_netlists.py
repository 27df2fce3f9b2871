"""A netlist of SKY130 in which one net is read in many places, and a path goes through it."""

from __future__ import annotations

from cell_netlists import instance

from flow.ir.netlist import Bus, Netlist
from flow.tech.registry import load

SKY = load("sky130")
CELL = "sky130_fd_sc_hd__{}_1"


def fan_out(readers, chain=20):
    """A flip-flop and an inverter before so many NANDs, some of which a chain of NORs reads."""

    def cell(name, kind, *nets):
        return instance(name, CELL.format(kind), *nets, technology=SKY)

    made = [cell("f0", "dfxtp", "clk", "d", "q"), cell("i0", "inv", "q", "nq")]
    made += [cell(f"g{k}", "nand2", "nq", f"a[{k}]", f"y{k}") for k in range(readers + 1)]
    last = "y0"
    for k in range(1, min(chain, readers + 1)):
        made.append(cell(f"h{k}", "nor2", last, f"y{k}", f"z{k}"))
        last = f"z{k}"
    made.append(cell("f1", "dfxtp", "clk", last, "r"))
    outputs = ["r", *(f"y{k}" for k in range(readers + 1))]
    first = [unit for unit in made if unit.cell == CELL.format("dfxtp")]
    rest = [unit for unit in made if unit.cell != CELL.format("dfxtp")]
    return Netlist(
        "fan_out",
        (Bus("clk", 1), Bus("a", readers + 1), Bus("d", 1)),
        (Bus("o", len(outputs)),),
        (*first, *rest),
        tuple(outputs),
    )
