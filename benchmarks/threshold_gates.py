"""Threshold gates of ordinary designs, and of binarised networks, as the flash target maps them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from cases import Options
from common import ROOT, Row

from flow.errors import FlowError
from flow.frontend.circuits.read import read_circuit
from flow.ir.design import Design
from flow.pipeline.threshold_mapping import map_design
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
    what = f"{name}: gates, {'any fan-in' if limit is None else f'fan-in at most {limit}'}"
    row = Row(what, None, "gates", RIVAL, figure, f"at most {figure}")
    path = CIRCUITS / f"{name}.blif"
    if not path.is_file():
        row.note = "the circuit is not here"
        return row
    try:
        design = read_circuit(path)
        assert isinstance(design, Design)
        begin = time.perf_counter()
        netlist = map_design(design, limit, "fast" if options.quick else "normal").netlist
        took = time.perf_counter() - begin
        verdict = prove_threshold(design.graph, netlist, timeout_s=options.timeout_s)
    except FlowError as error:
        row.note = error.message
        return row
    row.value = netlist.size
    row.met = netlist.size <= figure and netlist.widest <= (limit or netlist.widest)
    row.met = row.met and verdict.status == "proved"
    row.note = (
        f"{netlist.depth} levels, largest fan-in {netlist.widest}, {verdict.status}, "
        f"mapped in {took:.0f} s"
    )
    return row


def binarized(options: Options) -> Iterator[list[Row]]:
    """Seconds from a file of threshold neurons to a mapped, proved netlist."""
    for width in (16,) if options.quick else (16, 32, 64, 128):
        name = f"binarized_dnn_{width}_3"
        if options.only in name:
            yield [Row(name, None, "s", reach="at most 60" if width == 128 else "")]
