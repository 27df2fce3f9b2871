"""Synthesis of a Circuit onto the cells of a technology: ABC, step by step, smallest area wins.

Every step leaves its graph as an AIGER file, so that neighbouring steps can be proved equal.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from flow.backends.aiger import read_aiger, write_aiger
from flow.backends.bitblast import bitblast, buses
from flow.backends.emission import Emission
from flow.backends.names import identifier
from flow.errors import ToolFailed, ToolNotFound, UsageError
from flow.ir.aig import Aig, without_unread_state
from flow.ir.circuit import Circuit
from flow.ir.netlist import Netlist, flipflop, read_blif, with_flipflops
from flow.tech.technology import Technology
from flow.tech.write_liberty import liberty_text
from flow.tools.abc import abc


@dataclass(frozen=True, slots=True)
class Variant:
    """A script: named steps, each one or more ABC commands; those from `map` on have cells.

    It runs on graphs of at most `largest` gates.
    """

    name: str
    steps: tuple[tuple[str, str], ...]
    largest: int = 1_000_000

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands, a step each."""
        return tuple(command for _, command in self.steps)


def _variant(name: str, *commands: str, largest: int = 1_000_000) -> Variant:
    steps = [("sweep", "strash; ifraig; scorr"), *(c.split(":", 1) for c in commands)]
    return Variant(name, tuple((step, command.strip()) for step, command in steps), largest)


_MAP, _CHOICES = "map: amap -m", "map: strash; dch -f; amap -m"
_RESUB = "orchestrate: orchestrate; strash"

PLAIN = _variant("plain", _MAP)
CHOICES = _variant("choices", _CHOICES, largest=60_000)
REWRITE = _variant("rewrite", "dc2: dc2; dc2; strash", _CHOICES, largest=3_000)
TWICE = _variant("twice", _CHOICES, "remap: strash; dch -f; amap -m", largest=4_000)
RESUB = _variant("resub", _RESUB, _RESUB, _CHOICES, largest=4_000)
CARES = _variant(
    "cares", _RESUB, _CHOICES, "dontcare: mfs3 -a -e -M 300 -C 100", largest=600
)  # fmt: skip
SWEEPER = _variant("sweeper", _MAP, "dontcare: mfs3 -a -e -C 1000", largest=400)
DEEP = _variant("deep", "deepsyn: &get -n; &deepsyn -I 2 -J 5; &put; strash", _CHOICES,
                "dontcare: mfs3 -a -e -M 300 -C 100", largest=400)  # fmt: skip

EFFORTS: Mapping[str, tuple[Variant, ...]] = {
    "fast": (PLAIN, CHOICES),
    "normal": (PLAIN, CHOICES, REWRITE, TWICE, RESUB, CARES),
    "high": (
        PLAIN, CHOICES, REWRITE, TWICE, replace(RESUB, largest=20_000),
        replace(CARES, largest=2_000), replace(SWEEPER, largest=1_000),
        replace(DEEP, largest=2_000),
    ),
}  # fmt: skip
"""Which variants are tried; the first of equal area wins."""


@dataclass(frozen=True, slots=True)
class Synthesis:
    """A mapped circuit and how it came about.

    `steps` are the AIGER files in order, from our own graph (`graph`) to the graph of the mapped
    cells; `graph` is the first of them with the circuit's nodes as owners. `areas` has the cell
    area (um2, without flip-flops) of each variant that was tried; `script` is the winner's.
    """

    netlist: Netlist
    graph: Aig
    steps: tuple[tuple[str, Path], ...]
    areas: tuple[tuple[str, float], ...]
    variant: str
    script: tuple[str, ...]
    log: str
    held: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def synthesise(
    circuit: Circuit,
    technology: Technology,
    folder: Path,
    *,
    emission: Emission | None = None,
    effort: str = "normal",
    script: Sequence[str] | None = None,
    timeout_s: float = 300.0,
    workers: int = 2,
) -> Synthesis:
    """Map a circuit onto a technology; AIGER files go below `folder`, which must exist.

    With `emission`, ports and registers have its names and its handshake. `script` replaces the
    variants of `effort` ("fast", "normal", "high") by one list of ABC commands that ends in a
    mapping. UsageError where the technology cannot hold the circuit, ToolFailed where no variant
    ends.
    """
    if script is None and effort not in EFFORTS:
        raise UsageError(f"no effort {effort!r}", hint="it is one of " + ", ".join(EFFORTS))
    check_technology(technology)
    graph = without_unread_state(bitblast(circuit, emission))
    held = tuple(name[2:] for name in graph.inputs if name.startswith("Q:"))
    if held:
        flipflop(technology)
    if script is not None:
        variants: tuple[Variant, ...] = (_user(script),)
    else:
        variants = tuple(v for v in EFFORTS[effort] if graph.size <= v.largest)
    inputs, outputs = buses(circuit, emission)
    with tempfile.TemporaryDirectory(prefix="flow-synthesis-") as scratch:
        place = Path(scratch)
        (place / "cells.lib").write_text(_liberty(technology))
        (place / "graph.aig").write_bytes(write_aiger(graph))
        with ThreadPoolExecutor(max(1, workers)) as pool:
            tried = list(pool.map(lambda v: _attempt(v, place, technology, timeout_s), variants))
        done = [t for t in tried if isinstance(t, _Attempt)]
        failed = [t for t in tried if isinstance(t, ToolFailed)]
        if not done:
            raise failed[0]
        best = min(done, key=lambda t: t.area)
        steps = _keep(best, graph, folder)
    top = emission.top if emission is not None else identifier(circuit.name)
    core = replace(best.core, name=top)
    return Synthesis(
        with_flipflops(core, technology, inputs, outputs),
        graph,
        steps,
        tuple((t.variant.name, t.area) for t in done),
        best.variant.name,
        best.variant.commands,
        best.log,
        held,
        tuple(f"a script failed: {error.message}" for error in failed),
    )


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
class _Attempt:
    variant: Variant
    core: Netlist
    area: float
    log: str
    files: tuple[Path, ...]


def _user(script: Sequence[str]) -> Variant:
    return Variant("user", tuple((command.split()[0].strip("&;"), command) for command in script))


def _attempt(
    variant: Variant, place: Path, technology: Technology, timeout_s: float
) -> _Attempt | ToolFailed:
    """Run one variant, or say why it failed: a bad script must not stop the others."""
    folder = place / variant.name
    folder.mkdir()
    files = [f"{variant.name}/{k:02d}-{step}.aig" for k, (step, _) in enumerate(variant.steps, 1)]
    lines = ["read_lib -w cells.lib", "read_aiger graph.aig"]
    for file, (_, command) in zip(files, variant.steps, strict=True):
        lines += [command, "backup", "strash", f"write_aiger -s {file}", "restore"]
    lines += [f"write_blif {variant.name}/mapped.blif"]
    try:
        completed = abc("\n".join(lines), cwd=place, timeout_s=timeout_s)
        blif = folder / "mapped.blif"
        if not blif.is_file() or not all((place / file).is_file() for file in files):
            raise ToolFailed("ABC wrote no netlist", log=completed.log[-2000:])
        core = read_blif(blif.read_text(), technology)
    except ToolNotFound:
        raise
    except ToolFailed as error:
        return ToolFailed(f"variant {variant.name}: {error.message}", log=error.log)
    return _Attempt(
        variant,
        core,
        technology.area(core.histogram()),
        completed.log,
        tuple(place / file for file in files),
    )


def _keep(best: _Attempt, graph: Aig, folder: Path) -> tuple[tuple[str, Path], ...]:
    """Write the winner's graphs below `folder`, without what ABC adds about date and place."""
    steps = [("graph", folder / "00-graph.aig")]
    steps[0][1].write_bytes(write_aiger(graph))
    for (step, _), file in zip(best.variant.steps, best.files, strict=True):
        place = folder / file.name
        place.write_bytes(write_aiger(read_aiger(file.read_bytes(), file.name)))
        steps.append((step, place))
    return tuple(steps)
