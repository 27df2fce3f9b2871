"""One neuron onto the cells of a library: adders as the library's own, ABC for what is left."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flow.backends.hardwired import neuron_text, register_names
from flow.ir.aig import Aig, without_unread_state
from flow.ir.netlist import CLOCK, Bus, Netlist, netlist_aig, with_flipflops
from flow.mapping.adder_boxes import cut_out, with_boxes
from flow.mapping.hardwired import bits
from flow.mapping.hardwired.graph import graph
from flow.pipeline.adder_forms import adder_forms
from flow.pipeline.synthesis import inverter_area, map_graph
from flow.pipeline.variants import AREA, Variant
from flow.tech.technology import Technology
from flow.tech.write_liberty import liberty_text
from flow.verify.chain import graph_of, renamed
from flow.verify.mutants import mutate_graph, unrefused
from flow.verify.prove import prove_graphs
from flow.verify.verdict import Verdict

SWEEPS = 10
"""Sweeps over the choice of the form of each adder; their time grows with the adders."""


@dataclass(frozen=True, slots=True)
class MappedNeuron:
    """A neuron in cells: area (um2) with flip-flops, and the seconds that mapping took.

    `graph` is what the cells must be equal to, its registers cut; `held` names the flip-flops.
    """

    netlist: Netlist
    area: float
    seconds: float
    graph: Aig
    held: tuple[str, ...]


def map_neuron(
    neuron: bits.Netlist,
    technology: Technology,
    *,
    variants: Sequence[Variant] = AREA["fast"].variants,
    timeout_s: float = 300.0,
) -> MappedNeuron:
    """The smallest that one of the scripts gives; what they map is the neuron without its adders.

    UsageError for a library that lacks a gate or a flip-flop, ToolFailed where ABC does not end.
    """
    inputs = [Bus(name, len(nets)) for name, nets in neuron.inputs.items()]
    outputs = [Bus("y", len(neuron.output))]
    return map_cells(
        graph(neuron), inputs, outputs, technology, variants=variants, timeout_s=timeout_s
    )


def map_cells(
    whole: Aig,
    inputs: Sequence[Bus],
    outputs: Sequence[Bus],
    technology: Technology,
    *,
    variants: Sequence[Variant] = AREA["fast"].variants,
    timeout_s: float = 300.0,
) -> MappedNeuron:
    """The same of any graph between its ports, registers cut at `Q:` and `D:`."""
    begin = time.monotonic()
    whole = without_unread_state(whole)
    held = tuple(name[2:] for name in whole.inputs if name.startswith("Q:"))
    inverter = inverter_area(technology)
    if whole.adders and inverter is not None:
        liberty = liberty_text(technology, combinational_only=True, helper_buffer=True)
        cut = cut_out(whole, adder_forms(technology, liberty, inverter), inverter, SWEEPS)
        core, _ = map_graph(cut.core, technology, variants, timeout_s=timeout_s)
        core = with_boxes(cut, core, technology)
    else:
        core, _ = map_graph(whole, technology, variants, timeout_s=timeout_s)
    clock = [Bus(CLOCK, 1)] if held else []
    found = with_flipflops(core, technology, [*clock, *inputs], outputs)
    area = technology.area(found.histogram())
    return MappedNeuron(found, area, time.monotonic() - begin, whole, held)


def prove_cells(mapped: MappedNeuron, technology: Technology, timeout_s: float = 300.0) -> Verdict:
    """Whether the cells are the neuron, for every input and state; a mutant goes first.

    CheckFailed where the mutant is not refused.
    """
    cells = netlist_aig(mapped.netlist, technology, mapped.held)
    return _prove("cells = neuron", mapped.graph, cells, timeout_s)


def prove_verilog(neuron: bits.Netlist, timeout_s: float = 300.0) -> Verdict:
    """The same of the text of the neuron, as Yosys reads it."""
    names = register_names(neuron)
    with tempfile.TemporaryDirectory(prefix="flow-neuron-") as scratch:
        place = Path(scratch)
        (place / "neuron.v").write_text(neuron_text(neuron))
        read = ["read_verilog neuron.v", f"hierarchy -check -top {neuron.name}"]
        raw, wires = graph_of(read, place, timeout_s, clocked=bool(names))
    latches = {latch: names[wire] for latch, _, wire in wires if wire in names}
    ours = without_unread_state(graph(neuron))
    theirs = without_unread_state(renamed(raw, latches))
    return _prove("Verilog = neuron", ours, theirs, timeout_s)


def _prove(check: str, left: Aig, right: Aig, timeout_s: float) -> Verdict:
    begin = time.monotonic()
    mutant = mutate_graph(right, seed=1)
    sentinel = "no change of the graph shows"
    if mutant is not None:
        outcome = prove_graphs(left, mutant.graph, timeout_s=timeout_s)
        if (late := unrefused(outcome.status, check, mutant.change, begin)) is not None:
            return late
        sentinel = f"refused a mutant with {mutant.change}"
    outcome = prove_graphs(left, right, timeout_s=timeout_s)
    detail = f"{outcome.method}, {left.size} and {right.size} gates; {sentinel}"
    return Verdict(check, outcome.status, detail, time.monotonic() - begin)
