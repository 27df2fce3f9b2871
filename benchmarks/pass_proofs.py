"""Proofs that every exact pass keeps every output of small networks, with three mutants each.

    python benchmarks/pass_proofs.py [--networks N] [--seed N]

Half of the networks are perceptrons of at most 16 inputs of 4 bits and 10 neurons a layer, half
have layers of any kind. Every named pipeline runs on each (without the minute-long searches), and
each step is proved by algebra, by all of up to 20 input bits, or by SAT sweeping, whose cut points
are the nodes that both sides share. A network has 60 s of processor time, a solver 60 s by the
clock; what is not decided then has timed out. The record goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from typing import Any

from common import ROOT
from records import kept, opened

sys.path.insert(0, str(ROOT / "tests"))

from soak_networks import network, perceptron

from flow.errors import CheckFailed, UnsupportedModel
from flow.ir.circuit import Circuit
from flow.ir.network import Network
from flow.ir.text import print_circuit
from flow.passes.base import PassManager, Step
from flow.passes.fold_layers import FoldLayers
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipeline_text import parse_pipeline
from flow.passes.pipelines import PIPELINES
from flow.verify.passes import prove_pass

SECONDS = 60.0
MUTANTS = 3
LINES = tuple(
    f"{name},balance-adders,pipeline{{stages=2}}" if name == "adders" else name
    for name in PIPELINES
    if "searched" not in name
)


def small(number: int) -> Network | None:
    """The network of that number; None where it is larger than a small one."""
    if number % 2 == 0:
        return perceptron(number)
    made = network(number, widest=4)
    lanes = sum(layer.tensor.size for layer in made.inputs)
    return made if lanes <= 16 else None


def prove_network(circuit: Circuit, seed: int) -> Counter[str]:
    """Steps by verdict and method, and mutants that were refused, of all pipelines."""
    found: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    begin = spent()

    def observe(step: Step) -> None:
        key = (step.name, print_circuit(step.before))
        if not step.applied.exact or key in seen:
            return
        seen.add(key)
        left = SECONDS - (spent() - begin)
        if left < 1:
            found["timed out"] += 1
            return
        try:
            verdict = prove_pass(
                step.name, step.before, step.after, seed=seed, timeout_s=SECONDS, mutants=MUTANTS
            )
        except CheckFailed as error:
            # A mutant that the time did not suffice for is no mutant that was found equal.
            late = "'timed out'" in (error.hint or "")
            found["mutant timed out" if late else "mutant found equal"] += 1
            return
        found[verdict.status] += 1
        method, _, mutants = verdict.detail.partition("; ")
        if verdict.status == "proved":
            found[f"by {method}"] += 1
            found["mutants refused"] += _refused(mutants)
            found[f"pass {step.applied.name}"] += 1

    for line in LINES:
        PassManager(parse_pipeline(line), [observe]).run(circuit)
    return found


def spent() -> float:
    """Processor seconds of this process and of the solvers that it started."""
    return sum(os.times()[:4])


def _refused(text: str) -> int:
    """How many mutants `refused a mutant`, `refused 3 mutants` or another text speaks of."""
    words = text.split()
    if words[:1] != ["refused"]:
        return 0
    return 1 if words[1] == "a" else int(words[1])


def main(words: list[str]) -> int:
    """The command line; 1 where a pass is disproved or a mutant found equal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(words)
    record: dict[str, Any] = {"networks": 0, "next": 0, "counts": {}, "bad": []}
    record |= opened("pass_proofs", given.seed)
    while record["networks"] < given.networks:
        number = 1000 * given.seed + record["next"]
        record["next"] += 1
        made = small(number)
        if made is None:
            continue
        try:
            circuit = LowerLayers().run(FoldLayers().run(made))
        except UnsupportedModel:
            continue
        start = time.perf_counter()
        found = prove_network(circuit, number)
        record["networks"] += 1
        if found["disproved"] or found["mutant found equal"]:
            record["bad"].append({"network": number, **found})
        record["counts"] = dict(sorted((Counter(record["counts"]) + found).items()))
        kept("pass_proofs", record)
        took = time.perf_counter() - start
        sys.stderr.write(f"network {number}: {dict(found)}, {took:.0f} s\n")
    return int(bool(record["bad"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
