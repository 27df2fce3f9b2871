"""Faults replayed by another simulator: Icarus Verilog on the netlist, with the faults wired in."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flow.analysis.fault_simulation import FaultSimulator
from flow.analysis.stuck_at import Faults
from flow.backends.netlist_text import cell_models, netlist_verilog
from flow.backends.tester import hex_words
from flow.errors import ToolFailed
from flow.ir.aig import pack, unpack
from flow.ir.netlist import Instance, Netlist
from flow.tech.technology import Technology
from flow.tools.icarus import compile_verilog, simulate

Bits = NDArray[np.uint8]
TOP = "Replay"
"""Names here begin with a capital letter, as those of a netlist never do."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What Icarus saw: for each fault in order the first vector that shows it, -1 where none does;
    `clean` says that without any fault every answer was right."""

    first: tuple[int, ...]
    clean: bool


def replay(
    netlist: Netlist,
    technology: Technology,
    faults: Faults,
    chosen: Sequence[tuple[int, int]],
    vectors: Bits,
    answers: Bits,
    timeout_s: float = 600.0,
) -> Replayed:
    """Run vectors on the netlist with each of the chosen faults (line, stuck value) wired in."""
    with tempfile.TemporaryDirectory(prefix="flow-replay-") as scratch:
        place = Path(scratch)
        (place / "faulty.v").write_text(with_faults(netlist, technology, faults, chosen))
        (place / "cells.v").write_text(cell_models(netlist.histogram(), technology))
        (place / "in.hex").write_text(hex_words(vectors))
        (place / "out.hex").write_text(hex_words(answers))
        (place / "bench.v").write_text(_bench(netlist, len(chosen), len(vectors)))
        files = ["bench.v", "faulty.v", "cells.v"]
        compile_verilog(files, TOP, "replay.vvp", cwd=place, timeout_s=timeout_s)
        log = simulate("replay.vvp", cwd=place, timeout_s=timeout_s).log
    found = {int(k): int(v) for k, v in re.findall(r"^fault (\d+) (-?\d+)$", log, re.MULTILINE)}
    if sorted(found) != list(range(len(chosen) + 1)):
        raise ToolFailed("the replay of faults did not end", log=log[-2000:])
    return Replayed(tuple(found[k] for k in range(1, len(chosen) + 1)), found[0] == -1)


def first_shown(faults: Faults, numbers: Sequence[int], vectors: Bits) -> list[int]:
    """The first vector that shows each of those classes by our own simulator, -1 where none."""
    simulator = FaultSimulator(faults.gates, pack(vectors))
    shows = unpack(simulator.detected([faults.classes[k] for k in numbers]), len(vectors))
    return [int(row.argmax()) if row.any() else -1 for row in shows.T]


def with_faults(
    netlist: Netlist, technology: Technology, faults: Faults, chosen: Sequence[tuple[int, int]]
) -> str:
    """The netlist as Verilog with one more input `Fault`: k wires the k-th chosen fault in."""
    stems: dict[str, list[tuple[int, int]]] = {}
    branches: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for number, (k, value) in enumerate(chosen, 1):
        line = faults.lines[k]
        if line.branch:
            branches.setdefault((line.place, line.pin), []).append((number, value))
        else:
            stems.setdefault(line.net, []).append((number, value))
    given = set(netlist.input_bits)
    seen = {net: f"Stuck_{i}" for i, net in enumerate(stems)}
    raw = {net: net if net in given else f"Raw_{i}" for i, net in enumerate(stems)}
    wires: list[str] = []
    assigns: list[str] = []
    for net, own in stems.items():
        wires.append(seen[net])
        assigns.append(f"    assign {seen[net]} = {_choice(own, raw[net])};")
    instances: list[Instance] = []
    for k, instance in enumerate(netlist.instances):
        outputs = technology.cell(instance.cell).outputs
        pins = []
        for pin, net in instance.pins:
            if pin in outputs:
                pins.append((pin, raw.get(net, net)))
                continue
            own_net = seen.get(net, net)
            if (k, pin) in branches:
                name = f"Branch_{len(wires)}"
                wires.append(name)
                assigns.append(f"    assign {name} = {_choice(branches[k, pin], own_net)};")
                own_net = name
            pins.append((pin, own_net))
        instances.append(replace(instance, pins=tuple(pins)))
    drivers = tuple(seen.get(net, net) for net in netlist.drivers)
    text = netlist_verilog(
        replace(netlist, instances=tuple(instances), drivers=drivers), technology
    )
    text = text.replace("(\n", "(\n    input  wire [31:0] Fault,\n", 1)
    declared = "".join(f"    wire {name};\n" for name in wires)
    text = text.replace("\n);\n", f"\n);\n{declared}", 1)
    return text.replace("\nendmodule", "\n" + "\n".join(assigns) + "\nendmodule", 1)


def _choice(own: Sequence[tuple[int, int]], net: str) -> str:
    return "".join(f"Fault == {number} ? 1'b{value} : " for number, value in own) + net


def _bench(netlist: Netlist, faults: int, vectors: int) -> str:
    """Applies every vector under each fault until one shows it."""
    ins = sum(bus.width for bus in netlist.inputs)
    outs = sum(bus.width for bus in netlist.outputs)
    ports, base = [], 0
    for bus in netlist.inputs:
        ports.append(f".{bus.name}(In[{base + bus.width - 1}:{base}])")
        base += bus.width
    base = 0
    for bus in netlist.outputs:
        ports.append(f".{bus.name}(Out[{base + bus.width - 1}:{base}])")
        base += bus.width
    return f"""module {TOP};
    reg [{ins - 1}:0] In;
    reg [{ins - 1}:0] Ins [0:{vectors - 1}];
    reg [{outs - 1}:0] Outs [0:{vectors - 1}];
    reg [31:0] Fault;
    wire [{outs - 1}:0] Out;
    integer k;
    integer v;
    integer first;
    {netlist.name} Dut (.Fault(Fault), {", ".join(ports)});
    initial begin
        $readmemh("in.hex", Ins);
        $readmemh("out.hex", Outs);
        for (k = 0; k <= {faults}; k = k + 1) begin
            Fault = k;
            first = -1;
            for (v = 0; v < {vectors} && first < 0; v = v + 1) begin
                In = Ins[v];
                #1;
                if (Out !== Outs[v]) first = v;
            end
            $display("fault %0d %0d", k, first);
        end
        $finish;
    end
endmodule
"""
