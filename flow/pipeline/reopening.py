"""A build folder becomes a design again, from its files alone and without trust in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from flow.assets import asset
from flow.backends.axis import with_axis
from flow.backends.bench import bench_files
from flow.backends.bitblast import bitblast
from flow.backends.emission import Emission, VerilogPort
from flow.backends.folded import emit_folded
from flow.backends.names import MODULES
from flow.backends.vectors import LAYOUT, PROBE, Sides, layout
from flow.backends.verilog import emit_verilog
from flow.backends.weight_store import Triple, with_store
from flow.errors import UsageError
from flow.frontend.files.guards import parse_json, read_bytes
from flow.frontend.files.npy import parse_npy
from flow.ir.aig import without_unread_state
from flow.ir.circuit import Circuit
from flow.ir.network import Network
from flow.ir.network_text import parse_network
from flow.ir.text import parse_circuit
from flow.passes.base import pass_text
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.cells import HELD, TECHNOLOGY
from flow.pipeline.folding import Folding, reopen_folding
from flow.pipeline.lanes import lane_scales
from flow.pipeline.luts import PART
from flow.pipeline.reading import read_text
from flow.pipeline.state import PassStep
from flow.tech.liberty import read_liberty
from flow.tech.part import Part
from flow.tech.parts import load_part
from flow.tech.technology import Technology

WORDS = r'\$(?!signed\b)\w*|[`\\"]\w*'
"""Calls of system tasks, directives, escaped names and texts: our own Verilog has none."""
TASKS = r"[$`]\w*"
"""System tasks and directives: a netlist of FPGA primitives has none."""
_TRIPLES: Mapping[tuple[bool, bool], Triple] = {
    (False, False): "none", (True, False): "weights", (False, True): "control", (True, True): "all",
}  # fmt: skip
LOWER, OPTIMISE, SYNTHESISE = "02-lower", "03-optimise", "06-synthesise"


@dataclass(frozen=True)
class Design:
    """What stands in a build folder; `passes` lead from the lowered circuit to `circuit`.

    `emission` has the ports that the circuit must have and the Verilog that stands in the folder.
    `inputs` and `expected` are the vectors, (samples, lanes) by port of the circuit; `probes` are
    further inputs of the benches with what is expected of them, if there are any.
    """

    folder: Path
    network: Network
    passes: tuple[PassStep, ...]
    circuit: Circuit
    emission: Emission
    inputs: Mapping[str, Any]
    expected: Mapping[str, Any]
    folding: Folding | None = None
    probes: Sides | None = None

    @property
    def samples(self) -> int:
        """How many vectors there are."""
        return _count((self.inputs, self.expected))

    @property
    def probe_count(self) -> int:
        """How many probes there are."""
        return 0 if self.probes is None else _count(self.probes)


@dataclass(frozen=True)
class Mapped:
    """The mapped netlist as text, the graphs on the way to it, and its flip-flops in order."""

    technology: Technology
    steps: tuple[tuple[str, Path], ...]
    netlist: str
    held: tuple[str, ...]


def reopen(folder: Path) -> Design:
    """The design of a folder that has been through the stage `emit`.

    UsageError or IRError that names the file where one cannot be read.
    """
    place = folder / "01-import" / "network.json"
    network = parse_network(read_text(place), "01-import/network.json")
    circuit = _circuit(folder, f"{OPTIMISE}/circuit.flow")
    folding = reopen_folding(folder / OPTIMISE, network)
    made = _emission(folder, circuit, folding)
    emission = replace(made, files={path: read_text(folder / path) for path in made.files})
    return Design(
        folder,
        network,
        _passes(folder) if folding is None else folding.steps,
        circuit,
        emission,
        read_vectors(folder, "vectors/inputs.npy", emission.inputs),
        read_vectors(folder, "vectors/expected.npy", emission.outputs),
        folding,
        _probes(folder, emission),
    )


def reopen_mapped(design: Design) -> Mapped:
    """What the stage `synthesise` has left in the folder."""
    own = design.folder / SYNTHESISE
    files = sorted(own.glob("[0-9][0-9]-*.aig"))
    if not files:
        raise UsageError("the graphs of the synthesis are missing", where=SYNTHESISE)
    graph = without_unread_state(bitblast(design.circuit, design.emission))
    held = tuple(name[2:] for name in graph.inputs if name.startswith("Q:"))
    if (own / HELD).is_file():
        held = tuple(read_text(own / HELD).split())
    return Mapped(
        read_liberty(own / TECHNOLOGY),
        tuple((file.stem[3:], file) for file in files),
        read_text(design.folder / "netlist" / f"{design.emission.top}.v"),
        held,
    )


def family(folder: Path) -> Part | None:
    """The FPGA family that the circuit of a folder was mapped onto; None where it was cells."""
    place = folder / SYNTHESISE / PART
    return load_part(read_text(place).strip()) if place.is_file() else None


def foreign(design: Design, seed: int) -> str | None:
    """Why the folder's benches must not be run, or None.

    They are programs, so they run only where they are what `flow` writes, and where the Verilog
    calls no system task.
    """
    wanted = bench_files(design.emission, design.samples, seed, design.probe_count)
    store = design.emission.store
    if read_text(design.folder / LAYOUT) != layout_text(design):
        return f"{LAYOUT} does not fit the circuit and its vectors"
    there = {
        PurePosixPath("tb", path.relative_to(design.folder / "tb").as_posix())
        for path in (design.folder / "tb").rglob("*")
    }
    for path in sorted(there | set(wanted)):
        if path not in there:
            return f"{path} is missing"
        if path not in wanted or (design.folder / path).is_dir():
            return f"{path} is not what flow writes, and it is a program"
        if read_text(design.folder / path) != wanted[path]:
            return f"{path} is not what flow writes, and it is a program"
    # The netlist of an FPGA is Yosys' text: it has parameters with quotes, and escaped names.
    words = {"rtl": WORDS, "netlist": WORDS if family(design.folder) is None else TASKS}
    for part, wrong in words.items():
        for file in sorted((design.folder / part).glob("*.v")):
            text = read_text(file)
            if part == "rtl" and text == _shipped(file.name):
                continue
            # That of a chip has the escaped names of its hierarchy.
            chip = part == "netlist" and store is not None and file.name == f"{store.top}.v"
            if found := _task(text, TASKS if chip else wrong):
                return f"{part}/{file.name} holds {found!r}, which a circuit does not need"
    return None


def _shipped(name: str) -> str | None:
    """The text of a module of the library, which needs no look."""
    if name.removesuffix(".v") not in MODULES:
        return None
    return asset("rtl", name).read_text(encoding="utf-8")


def layout_text(design: Design) -> str:
    """What vectors/layout.json must be."""
    scales = lane_scales(design.network)
    return layout(design.emission, design.samples, scales, design.probe_count)


def _task(text: str, wrong: str) -> str | None:
    """A system task, directive or other word outside comments that must not be there."""
    # A text or an escaped name may hold what would begin a comment.
    words = r'("(?:[^"\\\n]|\\.)*"|\\\S+)|/\*.*?\*/|//[^\n]*|`default_nettype (?:none|wire)\n'
    code = re.sub(words, lambda match: match[1] or " ", text, flags=re.S)
    found = re.search(wrong, code)
    return found[0] if found else None


def _circuit(folder: Path, name: str) -> Circuit:
    return parse_circuit(read_text(folder / name), name)


def _passes(folder: Path) -> tuple[PassStep, ...]:
    lines = read_text(folder / OPTIMISE / "passes.txt").splitlines()
    before, steps = _circuit(folder, f"{LOWER}/circuit.flow"), []
    for i, item in enumerate(parse_pipeline(lines[0] if lines else ""), 1):
        after = _circuit(folder, f"{OPTIMISE}/{i:02d}-{item.name}.flow")
        steps.append(PassStep(pass_text(item), item.exact, before, after))
        before = after
    return tuple(steps)


def _emission(folder: Path, circuit: Circuit, folding: Folding | None) -> Emission:
    """What the circuit becomes with the handshake and the wrapper that the layout speaks of."""
    said = _said(folder)
    if folding is not None:
        made = emit_folded(folding.folded)
    else:
        made = emit_verilog(circuit, handshake=said.get("handshake") is True)
    if isinstance(store := said.get("store"), dict):
        copies = store.get("tmr_weights") is True, store.get("tmr_control") is True
        return with_store(made, made.inputs[-1].source, _TRIPLES[copies])
    return with_axis(made) if said.get("axis") is not None else made


def _said(folder: Path) -> dict[str, Any]:
    """What stands in the layout; nothing where it is no table."""
    data = parse_json(read_bytes(folder / LAYOUT), str(LAYOUT))
    return data if isinstance(data, dict) else {}


def _probes(folder: Path, emission: Emission) -> Sides | None:
    """The probes of which the layout speaks."""
    if not _said(folder).get("probes"):
        return None
    return (
        read_vectors(folder, f"vectors/{PROBE}inputs.npy", emission.inputs),
        read_vectors(folder, f"vectors/{PROBE}expected.npy", emission.outputs),
    )


def _count(sides: Sides) -> int:
    return max((len(x) for side in sides for x in side.values()), default=0)


def read_vectors(folder: Path, name: str, ports: Sequence[VerilogPort]) -> dict[str, Any]:
    """Arrays (samples, lanes) by port, from a file of vectors/; UsageError where it has others."""
    array = parse_npy(read_bytes(folder / name), name)
    lanes = sum(len(port.lanes) for port in ports)
    if array.ndim != 2 or array.shape[1] != lanes or array.dtype.kind not in "iU":
        raise UsageError(f"the vectors are not integers of {lanes} lanes", where=name)
    if array.dtype.kind == "U":
        try:
            array = np.array([[int(x) for x in row] for row in array], dtype=object)
        except ValueError as error:
            raise UsageError("a vector is no integer", where=name) from error
        array = array.reshape(-1, lanes)
    ends = np.cumsum([len(port.lanes) for port in ports])[:-1]
    return {
        port.source: part for port, part in zip(ports, np.split(array, ends, axis=1), strict=True)
    }
