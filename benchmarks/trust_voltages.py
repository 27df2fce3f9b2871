"""Flash cells whose threshold voltages scatter, in networks trained with and without faults.

A part of `benchmarks/trust.py`: the circuits of the part `printed`, mapped onto threshold gates of
at most five inputs, each a flash cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from cases import Options
from common import Row
from trust_training import PLAIN, PRINTED, TOGETHER, perceptron_folder

from flow.backends.bitblast import bitblast
from flow.ir.aig import pack
from flow.ir.design import Design
from flow.ir.threshold import ThresholdNetlist
from flow.mapping.flash.spread import voltage_spread
from flow.pipeline.faulting import Subject, open_subject
from flow.pipeline.threshold_mapping import map_design, prove_mapping
from flow.tech.flash_cell import flash_cell
from flow.train.export import TEST

COPIES = 200
SIGMAS_MV = (10.0, 20.0, 40.0, 80.0)
MOST_INPUTS = 5


@dataclass(frozen=True)
class _Cells:
    subject: Subject
    netlist: ThresholdNetlist
    proved: bool


def voltages(options: Options) -> Iterator[list[Row]]:
    """Wrong cells and the accuracy that is left, a row for each spread."""
    for name in [n for n in PRINTED if options.only in n][: 1 if options.quick else None]:
        folders = {what: perceptron_folder(name, what, options) for what in ("", "all")}
        if None in folders.values():
            continue
        known = {what: _cells(folder) for what, folder in folders.items() if folder}
        yield [row for sigma in SIGMAS_MV for row in _rows(name, known, sigma)]


def _rows(name: str, known: dict[str, _Cells], sigma: float) -> list[Row]:
    share, right = {}, {}
    for what, cells in known.items():
        subject, names = cells.subject, cells.netlist.inputs
        place = {bit: k for k, bit in enumerate(subject.netlist.input_bits)}
        words = pack(subject.bits[:, [place[bit] for bit in names]])
        found = voltage_spread(cells.netlist, words, sigma, COPIES)
        order = [cells.netlist.outputs.index(bit) for bit in subject.netlist.output_bits]
        share[what] = 100 * found.share
        answered = subject.judge.right(np.ascontiguousarray(found.answers[:, order]))
        right[what] = 100 * float(answered.mean()) / subject.judge.samples
    sizes = ", ".join(f"{cells.netlist.size}" for cells in known.values())
    proved = all(cells.proved for cells in known.values())
    said = f"{COPIES} copies, {sizes} cells, " + ("proved equal" if proved else "not proved")
    if sigma == flash_cell().sigma_mv:
        said += ", the spread of the technology"
    return [
        Row(f"voltages, {name}, sigma {sigma:g} mV, wrong cells, {TOGETHER}", share["all"], "%",
            PLAIN, share[""], note=said),
        Row(f"voltages, {name}, sigma {sigma:g} mV, accuracy, {TOGETHER}", right["all"], "%",
            PLAIN, right[""]),
    ]  # fmt: skip


@cache
def _cells(folder: Path) -> _Cells:
    subject = open_subject(folder, folder.parent / "model" / TEST)
    design = Design(bitblast(subject.design.circuit, subject.design.emission))
    netlist = map_design(design, MOST_INPUTS, "fast").netlist
    verdict = prove_mapping(design, netlist, 120.0, 1)
    return _Cells(subject, netlist, verdict.status == "proved")
