"""Registered designs with and without flash cells in one library: area, power and delay."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from math import exp, log
from pathlib import Path

import numpy as np
from cases import Options
from common import HERE, ROOT, Row

from flow.errors import FlowError
from flow.frontend.circuits.read import read_circuit
from flow.ir.aig import Aig
from flow.ir.arithmetic_nodes import Linear
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.design import Design
from flow.ir.netlist import netlist_aig
from flow.ir.nodes import Compare, Const, Input, Node
from flow.ir.threshold import ThresholdNetlist
from flow.passes.base import PassManager
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.flash import design_of
from flow.pipeline.flash_result import FlashResult, flash_result
from flow.pipeline.variants import CHOICES
from flow.tech.flash_cell import flash_cell
from flow.tech.registry import load
from flow.verify.prove import prove_graphs

CIRCUITS = ROOT.parent / "shared" / "circuits"
"""Test circuits of others, which are not part of the project."""
SAMPLES = 256
REACH = {"area saved": 20, "power saved": 25}
RANKS = "plain,pipeline{every=1}"
"""A rank of registers behind every adder, as a design of high throughput has."""
LAYERS = "plain,pipeline{stages=3}"

DESIGNS: dict[str, tuple[str, str]] = {
    "s13207": ("s13207.blif", ""),
    "s15850": ("s15850.blif", ""),
    "binarized_dnn_16_3, a rank behind each adder": ("binarized_dnn_16_3_16.th", RANKS),
    "binarized_dnn_16_3, a rank behind each layer": ("binarized_dnn_16_3_16.th", LAYERS),
    "b14": ("b14.blif", ""),
    "binarized_dnn_32_3, a rank behind each adder": ("binarized_dnn_32_3_16.th", RANKS),
}
"""File, and passes of a network's circuit. All of them count in the means."""
SAVED = ("area saved", "power saved", "power saved without energy inside at clock edges")


def flash(options: Options) -> Iterator[list[Row]]:
    """Area, power, delay and share of flip-flops of each design, and the means of all designs."""
    path = HERE / "results" / "threshold.json"
    old = json.loads(path.read_text()) if path.is_file() else []
    known: dict[str, float | None] = {row["what"]: row["value"] for row in old}
    for name, (file, passes) in DESIGNS.items():
        if options.report or options.only not in name:
            continue
        rows = _measured(name, CIRCUITS / file, passes, options)
        known |= {row.what: row.value for row in rows}
        yield [*rows, *_means(known)]
        if options.quick:
            return


def _means(known: Mapping[str, float | None]) -> list[Row]:
    """A row for each kind of saving that is known of every design."""
    rows = []
    for what in SAVED:
        values = [known.get(_what(name, what)) for name in DESIGNS]
        kept = [1 - value / 100 for value in values if value is not None]
        if len(kept) < len(DESIGNS):
            continue
        mean = 100 * (1 - exp(sum(map(log, kept)) / len(kept)))
        row = Row(f"flash cells: {what}, geometric mean of {len(kept)} designs", mean, "%")
        if what in REACH:
            row.reach, row.met = f"at least {REACH[what]} %", mean >= REACH[what]
        rows.append(row)
    return rows


def _what(name: str, what: str) -> str:
    return f"flash cells, {name}: {what}"


def _unclocked(result: FlashResult) -> float:
    """The power saved where what a clock edge takes inside a flip-flop is not counted."""
    each, found = result.clock_pj / result.period_ns, result.absorption
    before = result.gates_only.power_mw - each * found.flipflops
    kept = found.flipflops - flash_cell().ratios.power * len(found.cells)
    return 1 - (result.with_cells.power_mw - each * kept) / before


def _measured(name: str, path: Path, passes: str, options: Options) -> list[Row]:
    row = Row(_what(name, SAVED[0]), None, "%")
    if not path.is_file():
        row.note = "the circuit is not here"
        return [row]
    begin = time.perf_counter()
    try:
        graph, inputs = _graph(path, passes)
        bits = None
        if passes:
            bits = np.random.default_rng(1).integers(0, 2, (SAMPLES, inputs))
        result = flash_result(graph, load("sky130"), bits=bits, variants=(CHOICES,))
        mapped = netlist_aig(result.netlist, result.technology, result.held)
        proof = prove_graphs(graph, mapped, timeout_s=options.timeout_s).status
    except FlowError as error:
        row.note = error.message
        return [row]
    took = time.perf_counter() - begin
    before, after, cells = result.gates_only, result.with_cells, result.absorption
    row.value = 100 * result.saved_area
    row.note = (
        f"{before.area_um2:.0f} to {after.area_um2:.0f} um2, {proof}, "
        f"each cell by its own equivalent {result.sized_um2:.0f} um2, in {took:.0f} s"
    )
    power = f"{before.power_mw:.3g} to {after.power_mw:.3g} mW, {result.activity}"
    count = f"{len(cells.cells)} of {cells.flipflops}"
    return [
        row,
        Row(_what(name, SAVED[1]), 100 * result.saved_power, "%", note=power),
        Row(_what(name, SAVED[2]), 100 * _unclocked(result), "%"),
        Row(_what(name, "longest path"), after.delay_ns, "ns", "gates alone", before.delay_ns),
        Row(_what(name, "flip-flops absorbed"), 100 * cells.share, "%", note=count),
    ]


def _graph(path: Path, passes: str) -> tuple[Aig, int]:
    found = read_circuit(path)
    if isinstance(found, Design):
        return found.graph, len(found.inputs)
    circuit = PassManager(parse_pipeline(passes)).run(circuit_of(found))
    return design_of(circuit).graph, len(found.inputs)


def circuit_of(netlist: ThresholdNetlist) -> Circuit:
    """The neurons of a combinational netlist as sums and comparisons of a Circuit."""
    intern = Builder()
    signals: list[Node] = [intern(Input("x", i, 0, 1)) for i in range(len(netlist.inputs))]
    for placed in netlist.gates:
        terms = tuple(signals[x] for x in placed.inputs)
        total = intern(Linear(terms, placed.gate.weights, -placed.gate.threshold))
        signals.append(intern(Compare(intern(Const(0)), total, "le")))
    lanes = tuple(signals[x] for x in netlist.drivers)
    inputs = Port("x", tuple(signals[: len(netlist.inputs)]))
    return Circuit("neurons", (inputs,), (Port("y", lanes),))
