"""Threshold gates of ordinary designs, and of binarised networks, as the flash target maps them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from cases import Options
from common import ROOT, Row

from flow.errors import FlowError
from flow.frontend.circuits.read import read_circuit
from flow.ir.design import Design
from flow.ir.threshold import ThresholdNetlist
from flow.pipeline.threshold_mapping import map_design, map_gates
from flow.verify.neurons import prove_neurons
from flow.verify.threshold import prove_threshold

CIRCUITS = ROOT.parent / "shared" / "circuits"
"""Test circuits of others, which are not part of the project."""
RIVAL = "Lee and Jiang 2021"

PUBLISHED: dict[str, tuple[int, int]] = {
    "c6288": (1424, 1102),
    "c7552": (950, 713),
    "s13207": (1257, 1049),
    "s15850": (1630, 1356),
    "b14": (2680, 2218),
}
"""Gates of at most 8 inputs, and of any fan-in after collapsing."""


def gates(options: Options) -> Iterator[list[Row]]:
    """Gates of at most 8 inputs, and of any fan-in, beside the published counts."""
    for name, figures in PUBLISHED.items():
        if options.report or options.only not in name:
            continue
        for limit, figure in zip((8, None), figures, strict=True):
            yield [_counted(name, limit, figure, options)]
        if options.quick:
            return


def _counted(name: str, limit: int | None, figure: int, options: Options) -> Row:
    what = f"{name}: gates, {_limit(limit)}"
    row = Row(what, None, "gates", RIVAL, figure, f"at most {figure}")
    path = CIRCUITS / f"{name}.blif"
    if not path.is_file():
        row.note = "the circuit is not here"
        return row
    try:
        design = read_circuit(path)
        assert isinstance(design, Design)
        begin = _processor_seconds()
        netlist = map_design(design, limit, "fast" if options.quick else "normal").netlist
        took = _processor_seconds() - begin
        verdict = prove_threshold(design.graph, netlist, timeout_s=options.timeout_s)
    except FlowError as error:
        row.note = error.message
        return row
    row.value = netlist.size
    row.met = netlist.size <= figure and netlist.widest <= (limit or netlist.widest)
    row.met = row.met and verdict.status == "proved"
    row.note = (
        f"{netlist.depth} levels, largest fan-in {netlist.widest}, {verdict.status}, "
        f"{took:.0f} s of a processor"
    )
    return row


def _processor_seconds() -> float:
    """What this process and those that it started have used."""
    return sum(os.times()[:4])


def binarized(options: Options) -> Iterator[list[Row]]:
    """Processor seconds (of one thread) from a file of neurons to a mapped, proved netlist."""
    for width in (16,) if options.quick else (16, 32, 64, 128):
        for limit in (None, 8):
            name = f"binarized_dnn_{width}_3: file to proved netlist, {_limit(limit)}"
            if options.only in name and not options.report:
                yield [_proved(name, width, limit, options)]


def _limit(limit: int | None) -> str:
    return "any fan-in" if limit is None else f"fan-in at most {limit}"


def _proved(name: str, width: int, limit: int | None, options: Options) -> Row:
    row = Row(name, None, "s", reach="at most 60 s" if width == 128 else "")
    path = CIRCUITS / f"binarized_dnn_{width}_3_16.th"
    if not path.is_file():
        row.note = "the circuit is not here"
        return row
    begin = time.perf_counter(), _processor_seconds()
    given = read_circuit(path)
    assert isinstance(given, ThresholdNetlist)
    netlist = map_gates(given, limit).netlist
    verdict = prove_neurons(given, netlist, timeout_s=options.timeout_s)
    row.value, wall = _processor_seconds() - begin[1], time.perf_counter() - begin[0]
    row.met = verdict.status == "proved" and row.value <= 60 if width == 128 else None
    row.note = (
        f"{given.size} gates given, {netlist.size} gates of at most {netlist.widest} inputs, "
        f"{verdict.status}, {wall:.0f} s on a machine with other work"
    )
    return row
