"""Synthesis of a Circuit onto the cells of a technology: ABC, step by step, the best netlist wins.

Every step leaves its graph as an AIGER file, so that neighbouring steps can be proved equal.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from flow.analysis.timing import timing_of
from flow.backends.aiger import read_aiger, write_aiger
from flow.backends.bitblast import bitblast, buses
from flow.backends.emission import Emission
from flow.backends.names import identifier
from flow.errors import IRError, ToolFailed, ToolNotFound, UsageError
from flow.ir.aig import Aig, without_unread_state
from flow.ir.circuit import Circuit
from flow.ir.netlist import Netlist, flipflop, read_blif, with_flipflops, without_buffers
from flow.mapping.adder_boxes import Cut, cut_out, put_in, with_boxes
from flow.pipeline.adder_forms import adder_forms
from flow.pipeline.points import Objective, Point, cost
from flow.pipeline.variants import EFFORTS, EVERY, LARGEST_WHOLE, PLAIN, Effort, Variant
from flow.pipeline.variants import without_buffers as unbuffered
from flow.progress import Progress, counted, silent
from flow.tech.technology import Cell, Technology
from flow.tech.write_liberty import liberty_text
from flow.tools.abc import abc

SECONDS_A_GATE = 5e-3
"""What a script may take on a large graph: some tens of times what it needs on an idle core."""
USER = "user"
"""The name of a script of the user's own."""


@dataclass(frozen=True, slots=True)
class Portable:
    """The best script that leaves all to ABC, adders too, and what came of it."""

    point: Point
    script: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Synthesis:
    """A mapped circuit and how it came about.

    `steps` are the AIGER files in order, from our own graph (`graph`) to the graph of the mapped
    cells; `graph` is the first of them with the circuit's nodes as owners. `points` has the cell
    area (um2, without flip-flops) and delay of each variant tried; `script` is the winner's, and
    `portable` the best for others to run; None where none was tried.
    """

    netlist: Netlist
    graph: Aig
    steps: tuple[tuple[str, Path], ...]
    points: tuple[Point, ...]
    variant: str
    script: tuple[str, ...]
    log: str
    portable: Portable | None = None
    held: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def areas(self) -> tuple[tuple[str, float], ...]:
        """The cell area (um2, without flip-flops) of each variant that was tried."""
        return tuple((point.script, point.size) for point in self.points)


def synthesise(
    circuit: Circuit,
    technology: Technology,
    folder: Path,
    *,
    emission: Emission | None = None,
    objective: Objective = "area",
    effort: str = "normal",
    script: Sequence[str] | None = None,
    timeout_s: float = 300.0,
    workers: int = 2,
    progress: Progress = silent,
) -> Synthesis:
    """Map a circuit onto a technology; AIGER files go below `folder`, which must exist.

    With `emission`, ports and registers have its names and its handshake. `script` replaces the
    variants of `effort` ("fast", "normal", "high") by one list of ABC commands that ends in a
    mapping. `timeout_s` is for each script; a large graph has more. UsageError where the
    technology cannot hold the circuit, ToolFailed where no variant ends.
    """
    efforts = EFFORTS[objective]
    if script is None and effort not in efforts:
        raise UsageError(f"no effort {effort!r}", hint="it is one of " + ", ".join(efforts))
    check_technology(technology)
    graph = without_unread_state(bitblast(circuit, emission))
    timeout_s = max(timeout_s, SECONDS_A_GATE * graph.size)
    held = tuple(name[2:] for name in graph.inputs if name.startswith("Q:"))
    if held:
        flipflop(technology)
    inputs, outputs = buses(circuit, emission)
    with tempfile.TemporaryDirectory(prefix="flow-synthesis-") as scratch:
        place = Path(scratch)
        liberty = _liberty(technology)
        (place / "cells.lib").write_text(liberty)
        if script is not None:
            jobs = [_Job(USER, _user(script), graph, None)]
        else:
            jobs = _jobs(graph, technology, liberty, efforts[effort])
            if efforts[effort].quick:
                trees = without_unread_state(bitblast(circuit, emission, quick=True))
                if trees != graph:
                    found = _jobs(trees, technology, liberty, efforts[effort])
                    jobs += [replace(job, name=f"prefix-{job.name}") for job in found]
        with ThreadPoolExecutor(max(1, workers)) as pool:
            ended = counted(jobs, "scripts tried", progress)
            timed = EVERY if script is not None else efforts[effort].timed
            running = pool.map(lambda j: _attempt(j, place, technology, timed, timeout_s), jobs)
            tried = [found for _, found in zip(ended, running, strict=True)]
        done = [t for t in tried if isinstance(t, _Attempt)]
        failed = [t for t in tried if isinstance(t, ToolFailed)]
        if not done:
            raise failed[0]
        best = min(done, key=lambda t: cost(t.point, objective))
        alone = [t for t in done if t.job.cut is None and t.job.graph is graph]
        first = min(alone, key=lambda t: cost(t.point, objective), default=None)
        steps = _keep(best, folder)
    top = emission.top if emission is not None else identifier(circuit.name)
    core = replace(best.core, name=top)
    return Synthesis(
        with_flipflops(core, technology, inputs, outputs),
        best.job.graph,
        steps,
        tuple(t.point for t in done),
        best.job.name,
        best.job.variant.commands,
        best.log,
        Portable(first.point, first.job.variant.commands) if first else None,
        held,
        tuple(f"a script failed: {error.message}" for error in failed),
    )


def map_graph(
    graph: Aig,
    technology: Technology,
    variants: Sequence[Variant],
    *,
    objective: Objective = "area",
    timeout_s: float = 300.0,
) -> tuple[Netlist, Point]:
    """The best netlist of a graph as it is, without flip-flops; each bit is a bus of its own.

    A graph that is too large for all scripts is mapped by the plain one.

    ToolFailed where no script ends.
    """
    check_technology(technology)
    if not has_buffer(technology):
        variants = tuple(map(unbuffered, variants))
    with tempfile.TemporaryDirectory(prefix="flow-mapping-") as scratch:
        place = Path(scratch)
        (place / "cells.lib").write_text(_liberty(technology))
        jobs = [_Job(v.name, v, graph, None) for v in variants if graph.size <= v.largest]
        jobs = jobs or [_Job(PLAIN.name, PLAIN, graph, None)]
        tried = [_attempt(job, place, technology, EVERY, timeout_s) for job in jobs]
    done = [t for t in tried if isinstance(t, _Attempt)]
    if not done:
        raise next(t for t in tried if isinstance(t, ToolFailed))
    best = min(done, key=lambda t: cost(t.point, objective))
    return best.core, best.point


def check_technology(technology: Technology) -> None:
    """UsageError unless the combinational cells can make every function: NAND or NOR and so on."""
    tables = {
        (len(cell.inputs), cell.truth_table(cell.outputs[0]))
        for cell in technology.cells.values()
        if cell.kind == "combinational"
        and not cell.dont_use
        and len(cell.inputs) <= 2
        and len(cell.outputs) == 1
    }
    inverter = (1, 0b01) in tables
    if (2, 0b0111) in tables or (2, 0b0001) in tables:
        return
    if inverter and ((2, 0b1000) in tables or (2, 0b1110) in tables):
        return
    raise UsageError(
        f"technology {technology.name} has no complete set of gates",
        hint="it needs a two-input NAND or NOR, or an inverter with a two-input AND or OR",
    )


def _liberty(technology: Technology) -> str:
    # Without a buffer in the library, ABC's mfs3 and &nf end with a segmentation fault.
    return liberty_text(technology, combinational_only=True, helper_buffer=True)


@dataclass(frozen=True, slots=True)
class _Job:
    """A script to run on the whole graph, or on what is left when adders are cut out."""

    name: str
    variant: Variant
    graph: Aig
    cut: Cut | None


@dataclass(frozen=True, slots=True)
class _Attempt:
    job: _Job
    core: Netlist
    point: Point
    log: str
    files: tuple[Path, ...]


_KINDS = {(2, 3): "adders", (3,): "full-adders", (2,): "half-adders"}


def _jobs(graph: Aig, technology: Technology, liberty: str, effort: Effort) -> list[_Job]:
    """Each script on the whole graph and on each core that is left of it."""
    if not has_buffer(technology):
        effort = replace(effort, variants=tuple(map(unbuffered, effort.variants)))
    cuts: list[tuple[str, Cut]] = []
    inverter = inverter_area(technology)
    if graph.adders and inverter is not None:
        forms = adder_forms(technology, liberty, inverter)
        sweeps = min(effort.sweeps, max(4, effort.moves // len(graph.adders)))
        for kinds in effort.kinds:
            chosen = {count: forms[count] for count in kinds if count in forms}
            cut = cut_out(graph, chosen, inverter, sweeps) if chosen else None
            if cut is not None and cut.boxes:
                cuts.append((_KINDS[kinds], cut))
    jobs = []
    if not cuts or graph.size <= LARGEST_WHOLE or 2 * cuts[0][1].core.size > graph.size:
        jobs = [_Job(v.name, v, graph, None) for v in effort.variants if graph.size <= v.largest]
    return jobs + [
        _Job(f"{kind}-{v.name}", v, graph, cut)
        for kind, cut in cuts
        for v in effort.variants
        if cut.core.size <= v.largest and not v.whole
    ]


def inverter_area(technology: Technology) -> float | None:
    """The area of the smallest inverter, um2; None where there is none."""
    return min((cell.area for cell in _of_one_input(technology, 0b01)), default=None)


def has_buffer(technology: Technology) -> bool:
    """Whether a cell hands its input on."""
    return bool(_of_one_input(technology, 0b10))


def _of_one_input(technology: Technology, table: int) -> list[Cell]:
    return [
        cell
        for cell in technology.cells.values()
        if cell.kind == "combinational"
        and not cell.dont_use
        and len(cell.inputs) == len(cell.outputs) == 1
        and cell.truth_table(cell.outputs[0]) == table
    ]


def _user(script: Sequence[str]) -> Variant:
    return Variant(USER, tuple((command.split()[0].strip("&;"), command) for command in script))


def _attempt(
    job: _Job, place: Path, technology: Technology, timed: int, timeout_s: float
) -> _Attempt | ToolFailed:
    """Run one script, or say why it failed: a bad script must not stop the others.

    Netlists of graphs with at most `timed` gates are timed.
    """
    folder = place / job.name
    folder.mkdir()
    (folder / "graph.aig").write_bytes(write_aiger(job.cut.core if job.cut else job.graph))
    names = [step for step, _ in job.variant.steps]
    files = [f"{job.name}/{k:02d}-{step}.aig" for k, step in enumerate(names, 1)]
    lines = ["read_lib -w cells.lib", f"read_aiger {job.name}/graph.aig"]
    for file, command in zip(files, job.variant.commands, strict=True):
        lines += [command, "backup", "strash", f"write_aiger -s {file}", "restore"]
    lines += [f"write_blif {job.name}/mapped.blif"]
    try:
        completed = abc("\n".join(lines), cwd=place, timeout_s=timeout_s)
        blif = folder / "mapped.blif"
        if not blif.is_file() or not all((place / file).is_file() for file in files):
            raise ToolFailed("ABC wrote no netlist", log=completed.log[-2000:])
        core = read_blif(blif.read_text(), technology)
        if job.name != USER:  # ABC puts a buffer between an input and an output.
            core = without_buffers(core, technology)
        if job.cut is not None:
            core = with_boxes(job.cut, core, technology)
    except ToolNotFound:
        raise
    except (ToolFailed, IRError) as error:
        log = error.log if isinstance(error, ToolFailed) else ""
        return ToolFailed(f"variant {job.name}: {error.message}", log=log)
    delay = timing_of(core, technology).delay_ns if job.graph.size <= timed else None
    return _Attempt(
        job,
        core,
        Point(job.name, technology.area(core.histogram()), delay),
        completed.log,
        tuple(place / file for file in files),
    )


def _keep(best: _Attempt, folder: Path) -> tuple[tuple[str, Path], ...]:
    """Write the winner's graphs below `folder`, without what ABC adds about date and place.

    They are whole graphs: adders that were cut out stand in them as gates.
    """
    cut = best.job.cut
    found = [("graph", folder / "00-graph.aig", best.job.graph)]
    for (step, _), file in zip(best.job.variant.steps, best.files, strict=True):
        read = read_aiger(file.read_bytes(), file.name)
        found.append((step, folder / file.name, put_in(cut, read) if cut else read))
    for _, file, whole in found:
        file.write_bytes(write_aiger(whole))
    return tuple((step, file) for step, file, _ in found)
