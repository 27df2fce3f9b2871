"""The chain of proofs from the Circuit over its Verilog and every synthesis step to the netlist.

Neighbours share most of their inner points, so SAT sweeping proves each link in seconds where a
proof of the two ends does not end.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from flow.backends.aiger import read_aiger
from flow.backends.bitblast import bitblast, bits_of, inside
from flow.backends.emission import Emission
from flow.backends.netlist_text import read_verilog_netlist
from flow.errors import ToolFailed, ToolNotFound, ToolTimedOut
from flow.ir.aig import Aig, without_unread_state
from flow.ir.circuit import Circuit
from flow.ir.netlist import CLOCK, netlist_aig
from flow.progress import Progress, counted, silent
from flow.tech.technology import Technology
from flow.tools.yosys import yosys
from flow.verify.mutants import mutate_graph, unrefused
from flow.verify.prove import Outcome, prove_graphs
from flow.verify.verdict import Verdict, tool_verdict


@dataclass(frozen=True, slots=True)
class Link:
    """Two neighbouring graphs; `assume` says for which inputs they must be equal."""

    check: str
    left: Aig
    right: Aig
    assume: Aig | None = None


def prove_chain(
    circuit: Circuit,
    emission: Emission,
    technology: Technology | None = None,
    *,
    steps: Sequence[tuple[str, Path]] = (),
    netlist: str | None = None,
    held: Sequence[str] = (),
    timeout_s: float = 300.0,
    seed: int = 1,
    workers: int = 2,
    progress: Progress = silent,
) -> tuple[Verdict, ...]:
    """A verdict for each link: Verilog = Circuit, each pair of steps, last step = netlist text.

    `steps` are the AIGER files of a synthesis, the first of which is the Circuit's own; `netlist`
    is the mapped Verilog, and `held` names its flip-flops in order. The limit holds for all links
    together. Each link is tried on a mutant first: CheckFailed where that is not refused.
    """
    deadline = time.monotonic() + timeout_s
    makers: list[tuple[str, Callable[[], Link]]] = [
        ("Verilog = circuit", lambda: verilog_link(circuit, emission, timeout_s)),
        *_step_links(circuit, emission, steps),
    ]
    if netlist is not None and technology is not None and steps:
        makers.append(
            ("netlist = mapped graph", lambda: netlist_link(netlist, technology, steps[-1], held))
        )

    def one(item: tuple[int, tuple[str, Callable[[], Link]]]) -> Verdict:
        k, (check, make) = item
        return prove_link(check, make, deadline, seed + k, emission)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        ended = counted(makers, "links proved", progress)
        return tuple(v for _, v in zip(ended, pool.map(one, enumerate(makers)), strict=True))


def prove_link(
    check: str, make: Callable[[], Link], deadline: float, seed: int, emission: Emission
) -> Verdict:
    """A verdict on one link, a mutant of which must be refused first: else CheckFailed."""
    begin = time.monotonic()
    if begin >= deadline:
        return Verdict(check, "not checked", "the time limit was reached before", 0.0)
    try:
        link = make()
    except (ToolNotFound, ToolTimedOut) as error:
        return tool_verdict(check, error, begin)
    mutant = mutate_graph(link.right, seed, link.assume)
    sentinel = "no sentinel: no change of the graph shows"
    if mutant is not None:
        outcome = prove_graphs(
            link.left, mutant.graph, assume=link.assume, timeout_s=max(1.0, deadline - begin)
        )
        if (late := unrefused(outcome.status, check, mutant.change, begin)) is not None:
            return late
        sentinel = f"refused a mutant with {mutant.change}"
    outcome = prove_graphs(
        link.left,
        link.right,
        assume=link.assume,
        timeout_s=max(1.0, deadline - time.monotonic()),
    )
    seconds = time.monotonic() - begin
    if outcome.status == "disproved":
        return Verdict(check, "disproved", counterexample(link, outcome, emission), seconds)
    gates = f"{link.left.size} and {link.right.size} gates"
    return Verdict(check, outcome.status, f"{outcome.method}, {gates}; {sentinel}", seconds)


def verilog_link(circuit: Circuit, emission: Emission, timeout_s: float = 300.0) -> Link:
    """What Yosys reads from the emitted Verilog, and the Circuit's own graph."""
    ours = without_unread_state(bitblast(circuit, emission))
    read = verilog_graph(emission, timeout_s)
    return Link(
        "Verilog = circuit", restricted(read, ours.outputs), ours, inside(circuit, emission)
    )


Wire = tuple[str, int, str]
"""A wire that a latch drives: the latch as `l0`, the bit of the wire, its name."""


def verilog_graph(emission: Emission, timeout_s: float = 300.0) -> Aig:
    """The graph that Yosys makes of the Verilog, each register cut at `Q:name` and `D:name`.

    ToolFailed where Yosys refuses the text, or a register has another clock than `clk`.
    """
    raw, wires = read_verilog(emission, timeout_s)
    return renamed(raw, register_names(emission, wires))


def read_verilog(emission: Emission, timeout_s: float = 300.0) -> tuple[Aig, tuple[Wire, ...]]:
    """The graph of the emitted Verilog with its latches cut, and every wire that one drives."""
    with tempfile.TemporaryDirectory(prefix="flow-chain-") as scratch:
        place = Path(scratch)
        emission.write(place)
        files = [str(path) for path in sorted(emission.files) if path.suffix == ".v"]
        read = [
            *(f"read_verilog {file}" for file in files),
            f"hierarchy -check -top {emission.top}",
        ]
        return graph_of(read, place, timeout_s, clocked=bool(_registers(emission)))


def graph_of(
    read: Sequence[str], place: Path, timeout_s: float, *, clocked: bool
) -> tuple[Aig, tuple[Wire, ...]]:
    """The graph of what the Yosys commands `read` leave, and every wire that a latch drives."""
    script = [
        *read,
        "proc -norom",
        "flatten",
        "opt_clean",
        "techmap",
        "opt_clean",
        # What is clocked must be clocked by the rising clk: AIGER does not say.
        "select -assert-none t:$_DFF_N_",
        *([f"select -assert-none t:$_DFF_P_ w:{CLOCK} %co1:+[C] %d"] if clocked else []),
        "aigmap",
        "write_aiger -symbols -vmap names.txt read.aig",
    ]
    yosys(script, cwd=place, timeout_s=timeout_s)
    raw = read_aiger((place / "read.aig").read_bytes(), "what Yosys reads")
    rows = [row.split() for row in (place / "names.txt").read_text().splitlines()]
    wires = [(f"l{r[1]}", int(r[2]), r[3]) for r in rows if len(r) == 4 and r[0] == "latch"]
    return raw, tuple(wires)


def register_names(emission: Emission, wires: Sequence[Wire]) -> dict[str, str]:
    """The register bit that each latch is, by the names that the emission gave."""
    wanted = _registers(emission)
    single = {name for name in wanted if "[" not in name}
    names: dict[str, str] = {}
    for latch, bit, wire in wires:
        name = wire if wire in single else f"{wire}[{bit}]"
        if name in wanted:
            names.setdefault(latch, wanted[name])
    return names


def _registers(emission: Emission) -> dict[str, str]:
    """Each bit of a register in the Verilog, and what it is called in the circuit's graph."""
    registers = [(name, width) for name, width in emission.registers if width]
    wanted = {bit: bit for name, width in registers for bit in bits_of(name, width)}
    if emission.handshake:
        text = "".join(str(text) for text in emission.files.values())
        found = re.search(r"^ *reg (?:\[\d+:0\] )?(valid\w*);", text, re.MULTILINE)
        valid = bits_of(found[1] if found else "valid", emission.latency)
        wanted |= dict(zip(valid, bits_of("valid", emission.latency), strict=True))
    return wanted


def renamed(aig: Aig, names: Mapping[str, str]) -> Aig:
    """The graph with its latches under other names."""

    def new(name: str) -> str:
        end, colon, latch = name.partition(":")
        return f"{end}:{names.get(latch, latch)}" if colon else name

    return replace(aig, inputs=tuple(map(new, aig.inputs)), outputs=tuple(map(new, aig.outputs)))


def restricted(aig: Aig, outputs: Sequence[str]) -> Aig:
    """The graph with those outputs alone; ToolFailed where one is missing."""
    literal = dict(zip(aig.outputs, aig.literals, strict=True))
    missing = [name for name in outputs if name not in literal]
    if missing:
        raise ToolFailed(f"output {missing[0]} of the circuit is not in {aig.name}")
    return replace(aig, outputs=tuple(outputs), literals=tuple(literal[x] for x in outputs))


def _step_links(
    circuit: Circuit, emission: Emission, steps: Sequence[tuple[str, Path]]
) -> list[tuple[str, Callable[[], Link]]]:
    """The Circuit against the first file, then each file against the next."""
    if not steps:
        return []

    def first() -> Link:
        ours = without_unread_state(bitblast(circuit, emission))
        return Link(f"circuit = {steps[0][0]}", ours, _load(steps[0][1]))

    makers: list[tuple[str, Callable[[], Link]]] = [(f"circuit = {steps[0][0]}", first)]
    for (name, file), (after, other) in pairwise(steps):
        check = f"{name} = {after}"

        def pair(check: str = check, file: Path = file, other: Path = other) -> Link:
            return Link(check, _load(file), _load(other))

        makers.append((check, pair))
    return makers


def netlist_link(
    text: str, technology: Technology, last: tuple[str, Path], held: Sequence[str]
) -> Link:
    """The cells that stand in the mapped Verilog, and the last graph of the synthesis."""
    netlist = read_verilog_netlist(text, technology)
    return Link("netlist = mapped graph", _load(last[1]), netlist_aig(netlist, technology, held))


def _load(file: Path) -> Aig:
    return read_aiger(file.read_bytes(), file.name)


def counterexample(link: Link, outcome: Outcome, emission: Emission) -> str:
    """One line: the ports' numbers at the input that shows the difference, and both answers."""
    bits = outcome.counterexample
    parts = []
    for port in emission.inputs:
        names = [port.name] if port.width == 1 else [f"{port.name}[{i}]" for i in range(port.width)]
        lanes = []
        for lane in port.lanes:
            own = names[lane.offset : lane.offset + lane.width]
            value = sum(bits.get(name, 0) << i for i, name in enumerate(own))
            lanes.append(
                value - (1 << lane.width) * (lane.range.signed and value >> lane.width - 1)
            )
        parts.append(f"{port.name} = {lanes}")
    data = {name for port in emission.inputs for name in (port.name,)}
    rest = [name for name in bits if name.split("[")[0] not in data and bits[name]]
    if rest:
        parts.append("with " + ", ".join(f"{name} = 1" for name in rest[:8]))
    left, right = _values(link.left, bits), _values(link.right, bits)
    wrong = [name for name in link.left.outputs if left[name] != right[name]]
    parts.append(
        "; ".join(
            f"{name} is {left[name]} in one and {right[name]} in the other" for name in wrong[:4]
        )
    )
    return ", ".join(parts)


def _values(aig: Aig, bits: Mapping[str, int]) -> dict[str, int]:
    import numpy as np

    words = np.array([[bits.get(name, 0)] for name in aig.inputs], dtype=np.uint64)
    row = aig.simulate(words.reshape(len(aig.inputs), 1))[:, 0] & np.uint64(1)
    return {name: int(bit) for name, bit in zip(aig.outputs, row, strict=True)}
