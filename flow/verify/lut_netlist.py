"""Checks a netlist of FPGA primitives against the circuit, by the cell models that Yosys ships."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from flow.backends.bitblast import bitblast, inside
from flow.backends.emission import Emission
from flow.errors import ToolFailed, ToolNotFound, ToolTimedOut
from flow.ir.aig import FALSE, TRUE, Aig, AigBuilder, copy_into, random_words, without_unread_state
from flow.ir.circuit import Circuit
from flow.tools.yosys import yosys
from flow.verify.chain import (
    Link,
    Wire,
    graph_of,
    prove_link,
    read_verilog,
    register_names,
    renamed,
    restricted,
)
from flow.verify.simulate import simulate_mapped
from flow.verify.verdict import Verdict, tool_verdict

CHECK = "netlist = circuit"
CYCLES = 32
"""Clocks of 64 samples in which registers are seen to go along."""
ZERO, ONE = "always 0", "always 1"
_CONSTANTS = {f"D:{ZERO}": FALSE, f"D:{ONE}": TRUE}


def prove_luts(
    circuit: Circuit,
    emission: Emission,
    netlist: str,
    models: Sequence[str],
    *,
    timeout_s: float,
    seed: int,
) -> Verdict:
    """Whether the primitives compute the circuit, register for register.

    Registers that synthesis has merged are proved equal by induction: while they hold the same,
    they take the same. Those that it has dropped may hold anything. `not checked` where a flip-flop
    cannot be paired. A mutant is refused first.
    """
    begin = time.monotonic()
    if timeout_s <= 0:
        return Verdict(CHECK, "not checked", "the time limit was reached before", 0.0)
    try:
        link = lut_link(circuit, emission, netlist, models, timeout_s)
    except (ToolNotFound, ToolTimedOut) as error:
        return tool_verdict(CHECK, error, begin)
    except ToolFailed as error:
        why = error.log.strip().splitlines()[-1:]
        detail = ": ".join(["the netlist cannot be paired", error.message, *why])
        return Verdict(CHECK, "not checked", detail, time.monotonic() - begin)
    return prove_link(CHECK, lambda: link, begin + timeout_s, seed, emission)


def lut_link(
    circuit: Circuit, emission: Emission, netlist: str, models: Sequence[str], timeout_s: float
) -> Link:
    """The graph of the primitives, and the circuit's own. ToolFailed where a register is lost."""
    ours = without_unread_state(bitblast(circuit, emission))
    with tempfile.TemporaryDirectory(prefix="flow-luts-") as scratch:
        place = Path(scratch)
        (place / "netlist.v").write_text(netlist, encoding="utf-8")
        read = _read(emission.top, models)
        raw, wires = graph_of(read, place, timeout_s, clocked=emission.clocked)
    before, names = read_verilog(emission, timeout_s) if emission.clocked else (raw, ())
    register = register_names(emission, names)
    found = renamed(raw, _paired(register, names, wires))
    strange = sorted(set(found.inputs) - set(ours.inputs))
    if any(name.startswith("Q:") for name in strange):
        raise ToolFailed("a flip-flop of the netlist is no register of the circuit")
    kept = {name[2:] for name in found.inputs if name.startswith("Q:")}
    merged = _merged(renamed(before, register), kept)
    there = [x for x in ours.outputs if x[:2] != "D:" or x[2:] in kept or x[2:] in merged]
    return Link(
        CHECK,
        restricted(_with_copies(found, merged), there),
        restricted(_joined(ours, merged), there),
        inside(circuit, emission),
    )


def _merged(verilog: Aig, kept: set[str]) -> dict[str, str]:
    """For those registers missing in the netlist: the one there that went along, or a constant.

    Seen in CYCLES clocks from a state of zeros; the proof then takes it as its induction
    hypothesis.
    """
    held = [name[2:] for name in verilog.inputs if name.startswith("Q:")]
    missing = [name for name in held if name not in kept]
    if not missing:
        return {}
    seed = random_words(len(verilog.inputs), CYCLES, 7)
    output = {name: i for i, name in enumerate(verilog.outputs)}
    state = {name: np.zeros(1, dtype=np.uint64) for name in held}
    traces: dict[str, list[int]] = {name: [] for name in held}
    for cycle in range(CYCLES):
        rows = [
            state[name[2:]] if name.startswith("Q:") else seed[i, cycle : cycle + 1]
            for i, name in enumerate(verilog.inputs)
        ]
        result = verilog.simulate(np.array(rows, dtype=np.uint64))
        state = {name: result[output[f"D:{name}"]] for name in held}
        for name in held:
            traces[name].append(int(state[name][0]))
    every = (1 << 64) - 1
    half = CYCLES // 2  # Before, a register may still hold what it held at power-up.
    first = {(0,) * half: ZERO, (every,) * half: ONE}
    for name in held:
        if name in kept:
            first.setdefault(tuple(traces[name][half:]), name)
    pairs = ((name, first.get(tuple(traces[name][half:]))) for name in missing)
    return {name: other for name, other in pairs if other is not None}


def _with_copies(aig: Aig, merged: Mapping[str, str]) -> Aig:
    """The graph with what a kept register takes as what the merged ones take, too."""
    literal = dict(zip(aig.outputs, aig.literals, strict=True)) | _CONSTANTS
    more = {f"D:{name}": literal[f"D:{kept}"] for name, kept in merged.items()}
    return replace(aig, outputs=(*aig.outputs, *more), literals=(*aig.literals, *more.values()))


def _joined(aig: Aig, merged: Mapping[str, str]) -> Aig:
    """The graph in which a merged register holds what the kept one holds."""
    gone = {f"Q:{name}": f"Q:{kept}" for name, kept in merged.items()}
    g = AigBuilder(aig.name, [name for name in aig.inputs if name not in gone])
    literal = {name: 2 * i for i, name in enumerate(g.inputs, 1)}
    literal |= {name.replace("D:", "Q:"): value for name, value in _CONSTANTS.items()}
    literal |= {name: literal[kept] for name, kept in gone.items()}
    return g.finish(list(zip(aig.outputs, copy_into(g, aig, literal), strict=True)))


def _paired(
    register: Mapping[str, str], before: Sequence[Wire], wires: Sequence[Wire]
) -> dict[str, str]:
    """The register that each latch is: synthesis keeps one of the names that its wires had."""
    known = {(bit, wire): register[latch] for latch, bit, wire in before if latch in register}
    names: dict[str, str] = {}
    for latch, bit, wire in wires:
        if (bit, wire) in known:
            names.setdefault(latch, known[bit, wire])
    return names


def simulate_luts(
    folder: Path, top: str, models: Sequence[str], timeout_s: float = 600.0
) -> Verdict:
    """The plain bench around the netlist of an output folder, in Icarus.

    Yosys joins the netlist with its cell models first: Icarus 11 cannot read all of these.
    """

    def sources(scratch: Path) -> list[Path | str]:
        shutil.copyfile(folder / "netlist" / f"{top}.v", scratch / "netlist.v")
        script = [*_read(top, models), "proc", "write_verilog -noattr joined.v"]
        yosys(script, cwd=scratch, timeout_s=timeout_s)
        return [scratch / "joined.v"]

    return simulate_mapped(folder, sources, timeout_s)


def _read(top: str, models: Sequence[str]) -> list[str]:
    return [
        # Deferred, so that the large memories among the models are never built.
        *(f"read_verilog -defer -D NO_INCLUDES +/{model}" for model in models),
        "read_verilog netlist.v",
        f"hierarchy -check -top {top}",
    ]
