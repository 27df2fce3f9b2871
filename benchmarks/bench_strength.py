"""How many netlist mutants the emitted bench kills, of those that some input shows.

    python benchmarks/bench_strength.py [--mutants N] [--seed N] [--confirm N]

Five printed perceptrons of benchmarks/cache, as the faults use. A mutant is a mapped netlist with
one cell replaced by another, or one pin at a constant. Whether it is equivalent is not guessed:
some input shows it, or SAT proves that none does; those that are not decided count as survivors.
Samples and probes are those of a build without options. All vectors run at once on all mutants; of
each design some mutants are judged again by the emitted bench itself, plain and cocotb, in Icarus
Verilog, on a few samples and probes.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from cases import Options
from records import kept, opened
from trust_circuits import Circuit, circuits

from flow.analysis.fault_simulation import FaultSimulator
from flow.analysis.stuck_at import FaultClass, Faults, Gates, gates_of
from flow.backends.bench import bench_files
from flow.backends.emission import write_files
from flow.backends.netlist_text import cell_models, netlist_verilog
from flow.backends.vectors import vector_files
from flow.ir.aig import pack
from flow.ir.netlist import ONE, ZERO, Instance, Netlist
from flow.pipeline.config import BuildConfig
from flow.pipeline.faulting import Subject
from flow.pipeline.lanes import port_answers
from flow.pipeline.measures import stimulus
from flow.tech.technology import Technology
from flow.verify.atpg import vectors_for
from flow.verify.probes import Values, probe_inputs
from flow.verify.simulate import simulate_cocotb, simulate_netlist

PROBES, SEED = BuildConfig.probes, BuildConfig.seed + 1
"""Those of a build without options."""
FEW = 20
"""Samples, and probes, that the bench runs on a mutant."""
NAMES = ("balance_scale", "vertebral_2c", "seeds", "mammographic", "breast_cancer")


@dataclass(frozen=True)
class CellMutant:
    """A netlist with one other cell, and the truth tables that its nets get."""

    netlist: Netlist
    fault: FaultClass


def mutants(
    netlist: Netlist, technology: Technology, gates: Gates, count: int, seed: int
) -> list[CellMutant]:
    """Different changes of one cell: another cell of as many pins, or a pin at a constant."""
    rng = random.Random(seed)
    outputs: dict[int, list[int]] = {}
    for net, place in enumerate(gates.place):
        outputs.setdefault(place, []).append(net)
    kinds = [c for _, c in sorted(technology.cells.items()) if c.kind == "combinational"]
    found: dict[tuple[tuple[int, int], ...], CellMutant] = {}
    while len(found) < count:
        k = rng.randrange(len(netlist.instances))
        old = netlist.instances[k]
        cell = technology.cell(old.cell)
        if rng.random() < 0.5:
            pin = rng.randrange(len(cell.inputs))
            value = rng.randrange(2)
            name = cell.inputs[pin]
            pins = tuple((p, (ZERO, ONE)[value] if p == name else n) for p, n in old.pins)
            new = Instance(old.name, old.cell, pins)
            tables = [_held(gates.tables[net], len(cell.inputs), pin, value) for net in outputs[k]]
        else:
            others = [
                c for c in kinds
                if len(c.inputs) == len(cell.inputs) and len(c.outputs) == len(cell.outputs) == 1
            ]  # fmt: skip
            if not others:
                continue
            other = rng.choice(others)
            nets = [old.net(p) for p in (*cell.inputs, *cell.outputs)]
            pins = tuple(zip((*other.inputs, *other.outputs), nets, strict=True))
            new = Instance(old.name, other.name, pins)
            tables = [other.truth_table(other.outputs[0])]
        changes = tuple(
            (net, t) for net, t in zip(outputs[k], tables, strict=True) if t != gates.tables[net]
        )
        if changes and changes not in found:
            instances = (*netlist.instances[:k], new, *netlist.instances[k + 1 :])
            found[changes] = CellMutant(
                replace(netlist, instances=instances), FaultClass((), changes)
            )
    return list(found.values())


def _held(table: int, inputs: int, pin: int, value: int) -> int:
    """The truth table of so many variables with one of them held."""
    return sum((table >> ((s & ~(1 << pin)) | value << pin) & 1) << s for s in range(1 << inputs))


def strength(one: Circuit, count: int, seed: int, confirm: int) -> dict[str, object]:
    """The shares of one design, and how many mutants were confirmed by its bench."""
    subject = one.subject()
    circuit, emission = subject.design.circuit, subject.design.emission
    netlist, technology = subject.netlist, subject.technology
    own = {port: np.asarray(values) for port, values in subject.design.inputs.items()}
    answers = partial(port_answers, subject.design.network)
    begin = time.process_time()
    probes = probe_inputs(circuit, own, answers, PROBES, SEED)
    seconds = time.process_time() - begin
    names = [bus.name for bus in netlist.inputs]
    plain, more = (stimulus(emission, names, values) for values in (own, probes))
    gates = gates_of(netlist, technology)
    tried = mutants(netlist, technology, gates, count * 3 // 2, seed)
    decided = vectors_for(Faults(gates, (), tuple(m.fault for m in tried)), limit_s=600, seed=seed)
    equal = frozenset(decided.redundant)
    different = [m for k, m in enumerate(tried) if k not in equal][:count]
    seen = [_seen(gates, bits, different) for bits in (plain, more)]
    both = seen[0] | seen[1]
    some = {port: np.concatenate([own[port][:FEW], probes[port][:FEW]]) for port in own}
    late = _seen(gates, stimulus(emission, names, some), different)
    kill = [m.netlist for m, killed in zip(different, late, strict=True) if killed]
    live = [m.netlist for m, killed in zip(different, late, strict=True) if not killed]
    agree = _confirmed(one, subject, some, answers(some), kill[:confirm], live[: confirm // 2])
    return {
        "mutants": len(different),
        "equivalent": len(equal),
        "undecided": len(decided.undecided),
        "own": int(seen[0].sum()),
        "both": int(both.sum()),
        "samples": len(plain),
        "probes": len(more),
        "cells": len(netlist.instances),
        "seconds": round(seconds, 3),
        **agree,
    }


def _seen(gates: Gates, bits: np.ndarray, tried: list[CellMutant]) -> np.ndarray:
    """Which mutants some of the vectors show."""
    words = FaultSimulator(gates, pack(bits)).detected([m.fault for m in tried])
    valid = pack(np.ones((len(bits), 1), dtype=np.uint8))[0]
    return ((words & valid) != 0).any(axis=1)


def _confirmed(
    one: Circuit, subject: Subject, inputs: Values, expected: Values, kill: list[Netlist],
    live: list[Netlist],
) -> dict[str, int]:  # fmt: skip
    """Mutants that the emitted bench judges on some vectors as the simulation at once did."""
    emission, technology = subject.design.emission, subject.technology
    asked = agree = 0
    for k, (mutant, failed) in enumerate([*((m, True) for m in kill), *((m, False) for m in live)]):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "build"
            shutil.copytree(one.folder, folder)
            write_files(vector_files(emission, inputs, expected), folder)
            write_files(bench_files(emission, len(next(iter(inputs.values())))), folder)
            text = netlist_verilog(mutant, technology)
            models = cell_models(mutant.histogram(), technology)
            (folder / "netlist" / f"{emission.top}.v").write_text(text)
            (folder / "netlist" / "cells.v").write_text(models)
            if k % 3 == 0:  # The cocotb bench reads rtl/.
                (folder / "rtl" / f"{emission.top}.v").write_text(f"{text}\n{models}")
                verdict = simulate_cocotb(folder)
            else:
                verdict = simulate_netlist(folder)
        asked += 1
        agree += (verdict.status == "failed") == failed
    return {"asked": asked, "agree": agree}


def main(words: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--mutants", type=int, default=200, help="of each design")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--confirm", type=int, default=4, help="mutants that the bench runs on")
    parser.add_argument("--only", default="")
    given = parser.parse_args(words)
    record = {"designs": {}} | opened("bench_strength", given.seed)
    options = Options(given.only, False, 60.0, True)
    for one in circuits(options):
        if (
            one.name in NAMES
            and record["designs"].get(one.name, {}).get("mutants") != given.mutants
        ):
            found = strength(one, given.mutants, given.seed, given.confirm)
            record["designs"][one.name] = found
            kept("bench_strength", record)
            sys.stderr.write(f"{one.name}: {found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
