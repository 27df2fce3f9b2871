"""A mapped netlist with flash cells as Verilog: cells of the library, and one `tl_ff` for each
flash cell; and back."""

from __future__ import annotations

import re

from flow.backends.netlist_text import netlist_verilog, read_verilog_netlist
from flow.ir.netlist import Netlist
from flow.ir.threshold import ThresholdGate
from flow.mapping.flash.netlist import LATCH, cell_name
from flow.tech.technology import Technology

_LOGIC = re.compile(r"^ *(FLASH_[0-9_]+T\d+) (\w+) \((.*), \.D\((\w+)\)\);$")
_LATCH = re.compile(
    rf"^ *(FLASH_[0-9_]+T\d+){LATCH} (\w+) \(\.CLK\((\w+)\), \.D\((\w+)\), \.Q\((.+)\)\);$"
)
_PIN = re.compile(r"\.I\d+\(([^()]*)\)")
_CELL = re.compile(
    r"^ *tl_ff #\(\.N\((\d+)\), \.WEIGHTS\(\{(.*)\}\), \.T\((\d+)\)\) (\w+) "
    r"\(\.clk\((\w+)\), \.x\(\{(.*)\}\), \.q\((.+)\)\);$"
)


def flash_verilog(netlist: Netlist, technology: Technology) -> str:
    """The netlist of `flash_netlist` as one Verilog-2005 module; needs rtl/tl_ff.v."""
    logic: dict[str, tuple[str, str]] = {}
    for line in netlist_verilog(netlist, technology).splitlines():
        if found := _LOGIC.match(line):
            logic[found[4]] = (found[1], found[3])
    lines = []
    for line in netlist_verilog(netlist, technology).splitlines():
        if found := _LATCH.match(line):
            name, pins = logic[found[4]]
            lines.append(_instance(name, found[2], found[3], _PIN.findall(pins), found[5]))
        elif not _LOGIC.match(line) and not _inner(line, logic):
            lines.append(line)
    return "\n".join(lines) + "\n"


def read_flash_verilog(text: str, technology: Technology) -> Netlist:
    """The netlist in a text of `flash_verilog`; ToolFailed where it is not one."""
    lines = []
    for line in text.splitlines():
        found = _CELL.match(line)
        if not found:
            lines.append(line)
            continue
        weights = [int(w.partition("d")[2]) for w in reversed(found[2].split(", "))]
        gate = ThresholdGate(tuple(weights), int(found[3]))
        nets = list(reversed(found[6].split(", ")))
        pins = ", ".join(f".I{i}({net})" for i, net in enumerate(nets))
        name, data = cell_name(gate), f"{found[4]}_d"
        lines.append(f"    {name} {found[4]}_f ({pins}, .D({data}));")
        lines.append(
            f"    {name}{LATCH} {found[4]} (.CLK({found[5]}), .D({data}), .Q({found[7]}));"
        )
    return read_verilog_netlist("\n".join(lines), technology)


def _inner(line: str, logic: dict[str, tuple[str, str]]) -> bool:
    """Whether a line declares the wire inside of a cell."""
    words = line.split()
    return len(words) == 2 and words[0] == "wire" and words[1].rstrip(";") in logic


def _instance(name: str, unit: str, clock: str, nets: list[str], output: str) -> str:
    *_, threshold = name.split("_")
    weights = name.split("_")[1:-1]
    sizes = ", ".join(f"8'd{w}" for w in reversed(weights))
    inputs = ", ".join(reversed(nets))
    return (
        f"    tl_ff #(.N({len(nets)}), .WEIGHTS({{{sizes}}}), .T({threshold[1:]})) {unit} "
        f"(.clk({clock}), .x({{{inputs}}}), .q({output}));"
    )
