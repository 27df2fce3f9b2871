"""Fault studies of build folders: every single stuck-at fault of the netlist on all samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flow.analysis.attribution import attribute
from flow.analysis.layers import neuron_of
from flow.analysis.stuck_at import FaultClass
from flow.backends.bitblast import bitblast
from flow.backends.netlist_text import read_verilog_netlist
from flow.errors import CheckFailed, UsageError
from flow.ir.aig import without_unread_state
from flow.ir.netlist import Netlist
from flow.pipeline.fault_harm import MARGIN, MOST_LINES, Harm, coded_samples, harm_of, judged
from flow.pipeline.folder import read_manifest
from flow.pipeline.judging import Judge
from flow.pipeline.reading import read_text
from flow.pipeline.reopening import Design, family, reopen, reopen_mapped
from flow.progress import Progress, silent
from flow.report.codec import from_json
from flow.report.faults import STEPS, FaultStudy, Neuron, Shares, Site
from flow.tech.technology import Technology

MOST_WORST = 20
INPUTS = "inputs"
"""The layer of what no cell drives."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A mapped circuit whose faults are studied, and samples with their judge.

    `owners` has the layer and the element (-1: none) of each instance; `bits` are the samples
    (samples, input bits).
    """

    design: Design
    technology: Technology
    netlist: Netlist
    owners: tuple[tuple[str, int], ...]
    bits: NDArray[np.uint8]
    judge: Judge

    @property
    def area(self) -> float:
        """um2 of all cells."""
        return self.technology.area(self.netlist.histogram())


def open_subject(folder: Path, data: Path | None = None) -> Subject:
    """The netlist of a build folder with the samples of a file, or with the folder's vectors.

    UsageError where the folder is no circuit of cells, or the file does not fit its network.
    """
    if "synthesise" not in (read_manifest(folder).get("stages") or ()):
        raise UsageError(
            "this build has no netlist",
            where=str(folder),
            hint="build it to its end, with --target printed or asic",
        )
    design = reopen(folder)
    if family(folder) is not None:
        raise UsageError(
            "the circuit is one of look-up tables",
            where=str(folder),
            hint="faults are those of cells: build with --target printed or asic",
        )
    mapped = reopen_mapped(design)
    netlist = read_verilog_netlist(mapped.netlist, mapped.technology)
    graph = without_unread_state(bitblast(design.circuit, design.emission))
    owners = attribute(
        netlist, mapped.technology, graph, neuron_of(design.circuit), mapped.held
    )  # fmt: skip
    bits, judge = samples_of(design, netlist, mapped.technology, data)
    return Subject(design, mapped.technology, netlist, tuple(map(owner, owners)), bits, judge)


def owner(name: str) -> tuple[str, int]:
    """The layer and the element in a text of `neuron_of`."""
    layer, _, index = name.partition(" ")
    return layer, int(index or -1)


def samples_of(
    design: Design, netlist: Netlist, technology: Technology, data: Path | None
) -> tuple[NDArray[np.uint8], Judge]:
    """The samples of a file, or the vectors of the folder, as bits; and what is right at each."""
    network, emission = design.network, design.emission
    if data is None:
        return judged(network, emission, netlist, technology, design.inputs, None)
    inputs, labels = coded_samples(network, emission, data, _classes(design.folder))
    return judged(network, emission, netlist, technology, inputs, labels)


def _classes(folder: Path) -> tuple[str, ...] | None:
    """The labels of the classes by the report of a build; None where it speaks of none."""
    place = folder / "report.json"
    accuracy = from_json(read_text(place), str(place)).accuracy if place.is_file() else None
    return accuracy.classes if accuracy is not None else None


def study(
    subject: Subject,
    *,
    most: int = MOST_LINES,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[FaultStudy, Harm]:
    """Everything that a report says on the faults of a circuit, and what each of them does."""
    if not len(subject.bits):
        raise CheckFailed("there are no samples to simulate", hint="give --data with samples")
    harm = harm_of(
        subject.netlist, subject.technology, subject.bits, subject.judge,
        most=most, seed=seed, progress=progress,
    )  # fmt: skip
    faults, netlist = harm.faults, subject.netlist
    tried = int(harm.tried.sum())
    places = [
        (INPUTS, -1) if line.place < 0 else subject.owners[line.place] for line in faults.lines
    ]
    cells = ["" if line.place < 0 else netlist.instances[line.place].cell for line in faults.lines]
    by_layer: dict[str, list[int]] = defaultdict(list)
    by_neuron: dict[tuple[str, int], list[int]] = defaultdict(list)
    by_kind: dict[str, list[int]] = {"inputs of the circuit": [], "cells": [], "branches": []}
    for k, (line, place) in enumerate(zip(faults.lines, places, strict=True)):
        by_layer[place[0]].append(k)
        by_neuron[place].append(k)
        kind = "branches" if line.branch else "inputs of the circuit" if line.place < 0 else "cells"
        by_kind[kind].append(k)
    table = _ByLine(harm)
    order = sorted(
        ((line, value) for line in range(len(faults.lines)) for value in (0, 1)),
        key=lambda fault: (-table.loss[fault], fault),
    )
    found = FaultStudy(
        name=netlist.name,
        technology=subject.technology.title,
        metric=subject.judge.metric,
        value=harm.base / harm.samples,
        samples=harm.samples,
        cells=len(netlist.instances),
        area=subject.area,
        lines=len(faults.lines),
        faults=faults.count,
        simulated=tried,
        classes=sum(any(harm.tried[x] for x in one.members) for one in faults.classes),
        margin=0.0 if tried == faults.count else MARGIN,
        all=table.shares("all", range(len(faults.lines))),
        kinds=tuple(table.shares(kind, own) for kind, own in by_kind.items() if own),
        layers=tuple(table.shares(layer, by_layer[layer]) for layer in sorted(by_layer)),
        neurons=tuple(
            Neuron(layer, index, table.shares(f"{layer} {index}".replace(" -1", ""), own))
            for (layer, index), own in sorted(by_neuron.items())
        ),
        worst=tuple(
            Site(str(faults.lines[k]), value, cells[k], *places[k], float(table.loss[k, value]))
            for k, value in order[:MOST_WORST]
            if table.loss[k, value] > 0
        ),
    )
    return found, harm


class _ByLine:
    """What each fault of each line does, where it was tried."""

    def __init__(self, harm: Harm) -> None:
        shape = (len(harm.faults.lines), 2)
        self.loss = np.zeros(shape)
        self.silent = np.zeros(shape, dtype=np.bool_)
        self.tried = harm.tried
        for one, loss, shows in zip(harm.faults.classes, harm.loss, harm.shows, strict=True):
            for line, value in one.members:
                self.loss[line, value] = loss
                self.silent[line, value] = not shows

    def shares(self, name: str, lines: Sequence[int]) -> Shares:
        """The shares of the tried faults of some lines."""
        rows = np.asarray(lines, dtype=np.int64)
        tried = self.tried[rows]
        loss, silent = self.loss[rows][tried], self.silent[rows][tried]
        count = max(1, loss.size)
        return Shares(
            name,
            int(loss.size),
            int(silent.sum()) / count,
            int((loss <= 0).sum()) / count,
            tuple(int((loss > step).sum()) / count for step in STEPS),
            float(np.maximum(loss, 0).sum()) / count,
        )


def fault_table(subject: Subject, harm: Harm) -> str:
    """Every fault as CSV: line, stuck at, class, cell, layer, neuron, samples right."""
    lines = ["line,pin,stuck,class,instance,cell,layer,neuron,shows,right"]
    rows: list[tuple[tuple[int, int], str]] = []
    classes: Sequence[FaultClass] = harm.faults.classes
    for number, one in enumerate(classes):
        facts = f"{int(harm.shows[number])},{int(harm.right[number])}"
        for k, value in one.members:
            if not harm.tried[k, value]:
                continue
            line = harm.faults.lines[k]
            layer, index = (INPUTS, -1) if line.place < 0 else subject.owners[line.place]
            unit = None if line.place < 0 else subject.netlist.instances[line.place]
            place = f"{unit.name},{unit.cell}" if unit else ","
            pin = line.pin if line.branch else ""
            rows.append(
                ((k, value), f"{line.net},{pin},{value},{number},{place},{layer},{index},{facts}")
            )
    return "\n".join([*lines, *(text for _, text in sorted(rows))]) + "\n"
