"""Sentinel mutants: graphs, netlists and Verilog with one fault that some input shows."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from flow.errors import CheckFailed
from flow.ir.aig import Aig
from flow.ir.netlist import Instance, Netlist
from flow.tech.technology import Technology
from flow.verify.prove import make_miter, samples, witness
from flow.verify.verdict import Verdict

TRIES = 200


@dataclass(frozen=True, slots=True)
class Mutant:
    """A graph that differs from the original on a known input, and what was changed in it."""

    graph: Aig
    change: str


def mutate_graph(aig: Aig, seed: int, assume: Aig | None = None) -> Mutant | None:
    """The graph with one gate or output changed so that simulation sees it.

    None where no change of TRIES shows: a graph without outputs, or one that never matters.
    """
    rng = random.Random(seed)
    for mutant in _changes(aig, rng):
        miter = make_miter(aig, mutant.graph, assume)
        if witness(miter, samples(len(miter.inputs))) is not None:
            return mutant
    return None


def _changes(aig: Aig, rng: random.Random) -> Iterator[Mutant]:
    for _ in range(TRIES):
        if aig.size and rng.random() < 0.9:
            k = rng.randrange(aig.size)
            left, right = list(aig.left), list(aig.right)
            side = rng.choice((left, right))
            side[k] ^= 1
            graph = replace(aig, left=tuple(left), right=tuple(right))
            yield Mutant(graph, f"an operand of gate {k} inverted")
        elif aig.outputs:
            k = rng.randrange(len(aig.outputs))
            literals = list(aig.literals)
            literals[k] ^= 1
            yield Mutant(
                replace(aig, literals=tuple(literals)), f"output {aig.outputs[k]} inverted"
            )
        else:
            return


def mutate_netlist(
    netlist: Netlist, technology: Technology, seed: int
) -> Iterator[tuple[Netlist, str]]:
    """Yield netlists with one cell replaced by another of as many pins; some may be equal."""
    rng = random.Random(seed)
    gates = [
        k
        for k, i in enumerate(netlist.instances)
        if technology.cell(i.cell).kind == "combinational"
    ]
    for _ in range(TRIES if gates else 0):
        k = rng.choice(gates)
        old = netlist.instances[k]
        cell = technology.cell(old.cell)
        others = [
            other
            for _, other in sorted(technology.cells.items())
            if other.kind == "combinational"
            and len(other.inputs) == len(cell.inputs)
            and len(other.outputs) == len(cell.outputs) == 1
            and other.truth_table(other.outputs[0]) != cell.truth_table(cell.outputs[0])
        ]
        if not others:
            continue
        new = rng.choice(others)
        nets = [old.net(pin) for pin in (*cell.inputs, *cell.outputs)]
        pins = tuple(zip((*new.inputs, *new.outputs), nets, strict=True))
        instances = list(netlist.instances)
        instances[k] = Instance(old.name, new.name, pins)
        yield (
            replace(netlist, instances=tuple(instances)),
            f"{old.name}: {new.name} for {cell.name}",
        )


_OPERATORS = {" + ": " - ", " - ": " + ", " < ": " <= ", " <= ": " < ", " == ": " != ",
              " & ": " | ", " | ": " & "}  # fmt: skip


def mutate_verilog(text: str, seed: int) -> Iterator[tuple[str, str]]:
    """Yield texts of a module with one constant or operator of an expression changed."""
    rng = random.Random(seed)
    lines = text.splitlines()
    places = [
        (k, found.start(), found.group())
        for k, line in enumerate(lines)
        if re.match(r"\s*(wire|assign)\b.*=", line)
        for found in re.finditer(
            r"(?<=d)\d+|" + "|".join(map(re.escape, _OPERATORS)), line.split("//")[0]
        )
        if not line.split("//")[0][: found.start()].endswith("=")
    ]
    rng.shuffle(places)
    for k, start, old in places:
        new = _OPERATORS.get(old) or str(int(old) ^ 1)
        changed = lines[k][:start] + new + lines[k][start + len(old) :]
        yield (
            "\n".join([*lines[:k], changed, *lines[k + 1 :]]) + "\n",
            f"line {k + 1}: {old} to {new}",
        )


def unrefused(status: str, check: str, change: str, begin: float) -> Verdict | None:
    """None where a proof refused its mutant, a verdict of the check where it had no time to.

    CheckFailed where the proof accepts the mutant: then the proof itself counts for nothing.
    `begin` is when the check began, by time.monotonic().
    """
    if status == "disproved":
        return None
    if status == "timed out":
        detail = f"a mutant was not refused in time: {change}"
        return Verdict(check, "timed out", detail, time.monotonic() - begin)
    raise CheckFailed(
        f"the proof of {check!r} did not refuse a mutant",
        where=change,
        hint=f"the answer was {status!r}: report this, the checks cannot be trusted",
    )
