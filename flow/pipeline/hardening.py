"""Hardening of a mapped netlist: which cells get three copies, by what their faults cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.ir.netlist import Netlist
from flow.mapping.hardening import Hardened, Region, RegionFinder, triplicate
from flow.mapping.voters import voter_of
from flow.pipeline.fault_harm import Harm, harm_of
from flow.pipeline.judging import Judge
from flow.progress import Progress, silent
from flow.tech.technology import Technology

HINT = "write 25% (of the area), cells=20 (the worst), registers or all"


@dataclass(frozen=True, slots=True)
class Hardening:
    """Which cells are tripled: all, the registers, or the worst within an area or a number."""

    kind: Literal["all", "registers", "area", "cells"]
    limit: float = 0.0

    @property
    def measured(self) -> bool:
        """Whether faults must be simulated to choose."""
        return self.kind in ("area", "cells")


def parse_hardening(text: str) -> Hardening:
    """A hardening from `25%`, `cells=20`, `registers` or `all`; UsageError where it is none."""
    if text in ("all", "registers"):
        return Hardening("all" if text == "all" else "registers")
    if found := re.fullmatch(r"(\d{1,3}(?:\.\d{1,3})?)%", text):
        return Hardening("area", float(found[1]) / 100)
    if found := re.fullmatch(r"cells=([1-9]\d{0,6})", text):
        return Hardening("cells", float(found[1]))
    raise UsageError(f"--harden {text} is no hardening", hint=HINT)


class Hardener:
    """Hardens one netlist, again and again; what its faults cost is simulated once."""

    def __init__(
        self,
        netlist: Netlist,
        technology: Technology,
        bits: NDArray[np.uint8],
        judge: Judge | None,
        progress: Progress = silent,
    ) -> None:
        self.netlist, self.technology = netlist, technology
        self.bits, self.judge, self.progress = bits, judge, progress
        self.voter = voter_of(technology)
        self._finder: RegionFinder | None = None

    def run(self, wanted: Hardening) -> Hardened:
        """The hardened netlist. UsageError where there are no registers to triple."""
        return triplicate(self.netlist, self.technology, self._region(wanted), self.voter)

    def _region(self, wanted: Hardening) -> Sequence[int]:
        if wanted.kind == "all":
            return range(len(self.netlist.instances))
        if wanted.kind == "registers":
            kinds = [self.technology.cell(i.cell).kind for i in self.netlist.instances]
            found = [k for k, kind in enumerate(kinds) if kind == "flipflop"]
            if not found:
                raise UsageError(
                    "--harden registers: the circuit has no registers", hint=HINT
                )  # fmt: skip
            return found
        if self._finder is None:
            self._finder = self._measured()
        if wanted.kind == "cells":
            return self._finder.within(lambda region: len(region.cells), wanted.limit).cells
        area = self.technology.area(self.netlist.histogram())
        return self._finder.within(_area, wanted.limit * area).cells

    def _measured(self) -> RegionFinder:
        assert self.judge is not None, "the harm of faults is measured on samples"
        harm = harm_of(
            self.netlist, self.technology, self.bits, self.judge, progress=self.progress
        )  # fmt: skip
        by_cell, ends = harm_by_cell(harm, len(self.netlist.instances))
        return RegionFinder(self.netlist, self.technology, self.voter, by_cell, ends)


def _area(region: Region) -> float:
    return region.area


def harm_by_cell(harm: Harm, cells: int) -> tuple[list[float], list[tuple[float, float]]]:
    """The harm of the faults at each cell, and of those its outputs stuck at 0 and at 1.

    A fault counts for nothing up to 2.5 points and whole from 7.5 on, because other samples see
    it a little better or worse; and its loss over 1000 points, so that among equal regions the
    one that loses less is taken.
    """
    total = [0.0] * cells
    ends = [[0.0, 0.0] for _ in range(cells)]
    counts = np.clip((harm.loss - 2.5) / 5, 0, 1) + np.maximum(harm.loss, 0) / 1e3
    for one, count in zip(harm.faults.classes, counts.tolist(), strict=True):
        for k, value in one.members:
            line = harm.faults.lines[k]
            if line.place >= 0:
                total[line.place] += count
                if not line.branch:
                    ends[line.place][value] += count
    return total, [(a, b) for a, b in ends]


def harmful_count(harm: Harm) -> int:
    """How many faults cost more than 5 points."""
    pairs = zip(harm.faults.classes, harm.harmful.tolist(), strict=True)
    return sum(len(one.members) for one, bad in pairs if bad)


def mean_loss(harm: Harm) -> float:
    """The mean loss of a fault in points, gains counted as nothing."""
    losses = np.maximum(harm.loss, 0)
    sizes = np.array([len(one.members) for one in harm.faults.classes])
    return float((losses * sizes).sum() / max(1, sizes.sum()))


def harden_netlist(
    netlist: Netlist,
    technology: Technology,
    text: str,
    samples: Callable[[], tuple[NDArray[np.uint8], Judge]],
    progress: Progress = silent,
) -> Hardened:
    """The netlist hardened as the option says; `samples` are asked for where faults are measured.

    UsageError where the circuit holds state and the option needs faults to be simulated.
    """
    wanted = parse_hardening(text)
    if wanted.measured and netlist.flipflops(technology):
        raise UsageError(
            f"--harden {text} needs a combinational circuit, and this one has registers",
            hint="write registers or all, or build without stages",
        )
    bits, judge = samples() if wanted.measured else (np.zeros((0, 0), np.uint8), None)
    return Hardener(netlist, technology, bits, judge, progress).run(wanted)


def hardening_note(text: str, made: Hardened, area: float) -> str:
    """One line on what was hardened; `area` is that over the plain circuit's."""
    return (
        f"hardened ({text}): {made.tripled} cells in three copies, {made.voters} voters, "
        f"{100 * area:+.1f} % of area"
    )
