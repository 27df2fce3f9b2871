"""The mapped netlist on every vector by flow's own simulator, where it is too large for Icarus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flow.analysis.activity import Simulator
from flow.backends.netlist_text import read_verilog_netlist
from flow.errors import FlowError
from flow.ir.aig import unpack
from flow.ir.netlist import CLOCK, Netlist
from flow.tech.technology import Technology
from flow.verify.layout import Layout, read_layout
from flow.verify.simulate import simulate_netlist
from flow.verify.verdict import Verdict

MOST_CELLS = 60_000
"""Cells beyond which Icarus needs minutes for compiling alone."""
CHECK = "netlist by the functions of its cells"
STEADY = {"in_valid": 1, "out_ready": 1, "rst": 0}
"""The handshake while a sample enters in every clock."""


def check_cells(folder: Path, technology: Callable[[], Technology]) -> Verdict:
    """The netlist of a build folder on its vectors: in Icarus, or here where it is too large."""
    top = read_layout(folder).top
    text = (folder / "netlist" / f"{top}.v").read_text(encoding="utf-8")
    if text.count(" (.") <= MOST_CELLS:
        return simulate_netlist(folder)
    try:
        cells = technology()
    except FlowError as error:
        return Verdict(CHECK, "failed", error.message, 0.0)
    return simulate_cells(folder, text, cells)


def simulate_cells(folder: Path, text: str, technology: Technology) -> Verdict:
    """The netlist in a text on all vectors of a folder, a sample a clock, each cell by its
    function in the library; two-valued, registers begin with 0."""
    begin = time.monotonic()
    layout = read_layout(folder)
    if not layout.samples:
        return Verdict(CHECK, "not checked", "there are no samples", 0.0)
    try:
        netlist = read_verilog_netlist(text, technology)
        simulator = Simulator(netlist, technology)
        bits, latency = _stimulus(folder, netlist, clocked=bool(simulator.flipflops))
        values = simulator.stream(bits)
    except FlowError as error:
        return Verdict(CHECK, "failed", error.message, time.monotonic() - begin)
    rows = values[[simulator.index[net] for net in netlist.drivers]]
    found = unpack(rows, len(bits))[latency:]
    detail = _difference(folder, layout, netlist, found)
    good = f"{layout.extent(layout.words)}, {len(netlist.instances)} cells"
    return Verdict(
        CHECK, "failed" if detail else "passed", detail or good, time.monotonic() - begin
    )


def _stimulus(folder: Path, netlist: Netlist, *, clocked: bool) -> tuple[NDArray[np.uint8], int]:
    """The vectors as bits, the last one held until all have come out; the latency."""
    data = json.loads((folder / "vectors" / "layout.json").read_text(encoding="utf-8"))
    latency = int(data["latency"])
    words = _words(folder, "inputs", int(data["inputs"]["width"]))
    place = {port["name"]: (port["offset"], port["width"]) for port in data["inputs"]["ports"]}
    columns = []
    for bus in netlist.inputs:
        if bus.name in place:
            offset, width = place[bus.name]
            columns.append(words[:, offset : offset + width])
        elif bus.name != CLOCK or not clocked:
            columns.append(np.full((len(words), 1), STEADY[bus.name], dtype=np.uint8))
    bits = np.concatenate(columns, axis=1)
    return np.concatenate([bits, np.repeat(bits[-1:], latency, axis=0)]), latency


def _words(folder: Path, name: str, width: int) -> NDArray[np.uint8]:
    """The words of a file of vectors/ as bits, the lowest first."""
    lines = (folder / "vectors" / f"{name}.hex").read_text(encoding="utf-8").split()
    size = -(-width // 8)
    rows = [np.frombuffer(int(line, 16).to_bytes(size, "little"), dtype=np.uint8) for line in lines]
    return np.unpackbits(np.array(rows), axis=1, bitorder="little")[:, :width]


def _difference(folder: Path, layout: Layout, netlist: Netlist, found: NDArray[np.uint8]) -> str:
    """What is wrong first; nothing where every answer and its valid bit are right."""
    wanted = _words(folder, "expected", layout.width)
    at: dict[str, slice] = {}
    begin = 0
    for bus in netlist.outputs:
        at[bus.name] = slice(begin, begin + bus.width)
        begin += bus.width
    answers = np.concatenate([found[:, at[port["name"]]] for port in layout.outputs], axis=1)
    if "out_valid" in at and not found[:, at["out_valid"]].all():
        return "an answer is not said to be valid"
    wrong = np.flatnonzero((answers != wanted).any(axis=1))
    if not wrong.size:
        return ""
    first = int(wrong[0])
    pair = (_text(row[first]) for row in (wanted, answers))
    own = int((wrong < layout.samples).sum())
    probes = f" and {len(wrong) - own} of {layout.probes} probes" if layout.probes else ""
    more = f"; {own} of {layout.samples} samples{probes} are wrong"
    return f"{layout.title(first)}, {layout.difference(*pair)}{more}"


def _text(bits: NDArray[np.uint8]) -> str:
    return f"{int.from_bytes(np.packbits(bits, bitorder='little').tobytes(), 'little'):x}"
