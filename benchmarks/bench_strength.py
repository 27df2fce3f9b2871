"""How many netlist mutants the emitted bench kills, of those that some input shows.

    python benchmarks/bench_strength.py [--mutants N] [--seed N] [--confirm N]

Five printed perceptrons of benchmarks/cache, as the faults use. A mutant is a mapped netlist with
one cell replaced by another, one pin on another net, or one pin at a constant. Whether it is
equivalent is not guessed: some input shows it, or SAT proves that none does; those that are not
decided in 60 s count as survivors. All vectors run at once on the mutant; of each design some
mutants are confirmed by the emitted bench itself, plain and cocotb, in Icarus Verilog.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from cases import Options
from records import kept, opened
from trust_circuits import Circuit, circuits

from flow.analysis.fault_simulation import FaultSimulator
from flow.analysis.stuck_at import gates_of
from flow.backends.emission import write_files
from flow.backends.netlist_text import cell_models, netlist_verilog
from flow.backends.vectors import vector_files
from flow.ir.aig import pack, random_words, unpack
from flow.ir.evaluate import evaluate
from flow.ir.netlist import Instance, Netlist, netlist_aig
from flow.pipeline.faulting import Subject
from flow.pipeline.measures import stimulus
from flow.tech.technology import Technology
from flow.verify.mutants import mutate_netlist
from flow.verify.probes import probe_inputs
from flow.verify.prove import prove_graphs
from flow.verify.simulate import simulate_cocotb, simulate_netlist

NAMES = ("balance_scale", "vertebral_2c", "seeds", "mammographic", "breast_cancer")
PROBES = 2000
WIDE = 64
"""Words of random inputs that show most mutants which the bench does not."""


def mutants(netlist: Netlist, technology: Technology, seed: int) -> Iterator[tuple[Netlist, str]]:
    """Netlists with one change, without end; a third each of cells, nets and constants."""
    rng = random.Random(seed)
    while True:
        if rng.random() < 1 / 3:
            yield next(mutate_netlist(netlist, technology, rng.randrange(1 << 30)))
            continue
        k = rng.randrange(len(netlist.instances))
        old = netlist.instances[k]
        cell = technology.cell(old.cell)
        pin = rng.choice(cell.inputs)
        before = [
            net
            for instance in netlist.instances[:k]
            for p, net in instance.pins
            if p in technology.cell(instance.cell).outputs
        ] + list(netlist.input_bits)
        net = rng.choice(("1'b0", "1'b1")) if rng.random() < 0.5 else rng.choice(before)
        if net == old.net(pin):
            continue
        pins = tuple((p, net if p == pin else n) for p, n in old.pins)
        instances = list(netlist.instances)
        instances[k] = Instance(old.name, old.cell, pins)
        yield replace(netlist, instances=tuple(instances)), f"{old.name}.{pin} on {net}"


def strength(one: Circuit, count: int, seed: int, confirm: int) -> dict[str, object]:
    """The shares of one design, and how many mutants were confirmed by its bench."""
    subject = one.subject()
    circuit, emission = subject.design.circuit, subject.design.emission
    netlist, technology = subject.netlist, subject.technology
    own = {port: np.asarray(values) for port, values in subject.design.inputs.items()}
    probes = probe_inputs(circuit, own, PROBES, seed)
    names = [bus.name for bus in netlist.inputs]
    plain, more = (stimulus(emission, names, values) for values in (own, probes))
    sets = {"own": pack(plain), "probes": pack(more), "wide": random_words(plain.shape[1], WIDE, 5)}
    valid = {"own": len(plain), "probes": len(more), "wide": 64 * WIDE}
    good = _answers(netlist, technology, sets)
    graph = netlist_aig(netlist, technology)
    found = {"equivalent": 0, "undecided": 0, "own": 0, "both": 0, "mutants": 0}
    kill: list[Netlist] = []
    live: list[Netlist] = []
    for mutant, _ in mutants(netlist, technology, seed):
        if found["mutants"] == count:
            break
        bad = _answers(mutant, technology, sets)
        shown = {
            name: bool(unpack(np.bitwise_or.reduce(bad[name] ^ good[name], axis=0)[None],
                              valid[name]).any())
            for name in sets
        }  # fmt: skip
        if not any(shown.values()):
            outcome = prove_graphs(graph, netlist_aig(mutant, technology), timeout_s=60)
            if outcome.status == "proved":
                found["equivalent"] += 1
                continue
            found["undecided"] += outcome.status == "timed out"
        found["mutants"] += 1
        found["own"] += shown["own"]
        found["both"] += shown["own"] or shown["probes"]
        (kill if shown["own"] or shown["probes"] else live).append(mutant)
    agree = _confirmed(one, subject, own, probes, kill[:confirm], live[: confirm // 2])
    return {**found, "samples": len(plain), "probes": len(more), **agree}


def _answers(netlist: Netlist, technology: Technology, sets: dict) -> dict:
    gates = gates_of(netlist, technology)
    return {name: FaultSimulator(gates, words).outputs for name, words in sets.items()}


def _confirmed(
    one: Circuit, subject: Subject, own: dict, probes: dict, kill: list[Netlist],
    live: list[Netlist],
) -> dict[str, int]:  # fmt: skip
    """Mutants that the emitted bench judges as the simulation at once did."""
    emission, technology = subject.design.emission, subject.technology
    inputs = {port: np.concatenate([own[port], probes[port]]) for port in own}
    expected = evaluate(subject.design.circuit, inputs)
    asked = agree = 0
    for k, (mutant, failed) in enumerate([*((m, True) for m in kill), *((m, False) for m in live)]):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "build"
            shutil.copytree(one.folder, folder)
            write_files(vector_files(emission, inputs, expected), folder)
            bench = folder / "tb" / f"tb_{emission.top}.v"
            count = len(next(iter(own.values())))
            total = len(next(iter(inputs.values())))
            bench.write_text(_longer(bench.read_text(), count, total))
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


def _longer(bench: str, old: int, new: int) -> str:
    """The bench with memories for so many samples."""
    found = bench.replace(f"SAMPLES = {old}", f"SAMPLES = {new}")
    return found.replace(f"[0:{old - 1}]", f"[0:{new - 1}]")


def main(words: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--mutants", type=int, default=200, help="of each design")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--confirm", type=int, default=6, help="mutants that the bench runs on")
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
