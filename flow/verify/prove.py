"""Proves two graphs or two Circuits equal for every input that lies in its interval."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from flow.backends.aiger import write_aiger
from flow.backends.bitblast import bitblast, inside
from flow.errors import IRError, ToolFailed
from flow.ir.aig import FALSE, TRUE, Aig, AigBuilder, Words, copy_into, random_words
from flow.ir.circuit import Circuit, Port, lane_width
from flow.ir.evaluate import evaluate
from flow.tools.abc import abc
from flow.verify.algebra import equal_by_algebra
from flow.verify.verdict import Verdict

EXHAUSTIVE_BITS = 20
"""Graphs of at most so many inputs are proved by simulating every input."""

PART_BITS = 16
"""Of so many inputs every value is simulated at once, the others are constant meanwhile."""

RANDOM_WORDS = 64
"""Words of random samples that are simulated before a proof is tried."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a proof found; a counterexample has a value for each input bit."""

    status: Literal["proved", "disproved", "timed out"]
    method: str
    counterexample: Mapping[str, int] = field(default_factory=dict)


def prove_graphs(
    left: Aig, right: Aig, *, assume: Aig | None = None, timeout_s: float = 60.0
) -> Outcome:
    """Whether two graphs have equal outputs wherever `assume` holds; signals match by name.

    In order: structural hashing, simulation, exhaustive simulation of few inputs, SAT sweeping
    (Mishchenko et al., "FRAIGs", 2005) in ABC. IRError where the outputs have other names.
    """
    miter = make_miter(left, right, assume)
    if miter.literals[0] == FALSE:
        return Outcome("proved", "structure")
    few = len(miter.inputs) <= EXHAUSTIVE_BITS
    for words in every_part(len(miter.inputs)) if few else [samples(len(miter.inputs))]:
        found = witness(miter, words)
        if found is not None:
            return Outcome("disproved", "simulation", found)
    if few:
        return Outcome("proved", "exhaustive simulation")
    return _sweep(miter, timeout_s)


def make_miter(left: Aig, right: Aig, assume: Aig | None = None) -> Aig:
    """One output: whether some output differs while `assume` holds."""
    if sorted(left.outputs) != sorted(right.outputs):
        one = set(left.outputs) ^ set(right.outputs)
        raise IRError(f"two graphs to compare differ in output {min(one)}")
    graphs = [left, right] + ([assume] if assume is not None else [])
    inputs = list(dict.fromkeys(name for graph in graphs for name in graph.inputs))
    g = AigBuilder("miter", inputs)
    literal = {name: 2 * i for i, name in enumerate(inputs, 1)}
    ours = dict(zip(left.outputs, copy_into(g, left, literal), strict=True))
    theirs = dict(zip(right.outputs, copy_into(g, right, literal), strict=True))
    valid = copy_into(g, assume, literal)[0] if assume is not None else TRUE
    differs = [g.xor(ours[name], theirs[name]) for name in left.outputs]
    return g.finish([("differs", g.conj(valid, g.any(differs)))])


def every_sample(bits: int) -> Words:
    """All inputs of so many bits; where they are fewer than 64, some come again."""
    count = max(1, (1 << bits) // 64)
    index = np.arange(count * 64, dtype=np.uint64).reshape(count, 64)
    places = np.arange(64, dtype=np.uint64)
    one = np.uint64(1)
    rows = [
        np.bitwise_or.reduce(((index >> np.uint64(i)) & one) << places, axis=1) for i in range(bits)
    ]
    return np.array(rows, dtype=np.uint64).reshape(bits, count)


def every_part(bits: int) -> Iterator[Words]:
    """All inputs of so many bits, those of the first PART_BITS bits at once."""
    low = every_sample(min(bits, PART_BITS))
    high = max(0, bits - PART_BITS)
    for k in range(1 << high):
        rows = [
            np.full((1, low.shape[1]), 0xFFFFFFFFFFFFFFFF * (k >> i & 1), dtype=np.uint64)
            for i in range(high)
        ]
        yield np.concatenate([low, *rows])


def samples(bits: int) -> Words:
    """Random samples, a third of them mostly zeros and a third mostly ones."""
    even, a, b = (random_words(bits, RANDOM_WORDS, seed) for seed in (1, 2, 3))
    c = random_words(bits, RANDOM_WORDS, 4)
    return np.concatenate([even, even & a & b, even | c | b], axis=1)


def witness(miter: Aig, words: Words) -> dict[str, int] | None:
    """The values of the inputs at the first sample where the miter's output is 1."""
    row = miter.simulate(words)[0]
    hits = np.flatnonzero(row)
    if not hits.size:
        return None
    word = int(row[hits[0]])
    place = np.uint64((word & -word).bit_length() - 1)
    column = (words[:, hits[0]] >> place) & np.uint64(1)
    return {name: int(bit) for name, bit in zip(miter.inputs, column, strict=True)}


def _sweep(miter: Aig, timeout_s: float) -> Outcome:
    """Prove the miter's output constant false by ABC, and replay a counterexample."""
    with tempfile.TemporaryDirectory(prefix="flow-prove-") as scratch:
        place = Path(scratch)
        (place / "miter.aig").write_bytes(write_aiger(miter))
        script = ["read_aiger miter.aig", "strash", "ifraig", "iprove", "write_cex -n cex.txt"]
        begin = time.monotonic()
        try:
            log = abc(script, cwd=place, timeout_s=timeout_s).log
        except ToolFailed:
            if time.monotonic() - begin < timeout_s:
                raise
            return Outcome("timed out", "SAT sweeping")
        if re.search(r"^UNSATISFIABLE\b", log, re.MULTILINE):
            return Outcome("proved", "SAT sweeping")
        if not re.search(r"^SATISFIABLE\b", log, re.MULTILINE):
            return Outcome("timed out", "SAT sweeping")
        text = (place / "cex.txt").read_text()
    values = {name: int(bit) for name, bit in re.findall(r"^(\S+?)@0=([01])$", text, re.MULTILINE)}
    sample = np.array([[values.get(name, 0)] for name in miter.inputs], dtype=np.uint64)
    found = witness(miter, sample)
    if found is None:
        raise ToolFailed("ABC gave a counterexample that is none", log=log[-2000:])
    return Outcome("disproved", "SAT sweeping", found)


def prove_circuits(before: Circuit, after: Circuit, timeout_s: float = 60.0) -> Verdict:
    """Whether two circuits mean the same for every input; registers count as wires.

    The detail of a disproof is the first input found, with what each side answers.
    """
    begin = time.monotonic()
    check = f"{before.name} means the same before and after"
    outcome = _compare(before, after, timeout_s)
    detail = outcome.method
    if outcome.status == "disproved":
        lanes = lanes_of(before.inputs, outcome.counterexample)
        detail = difference(before, after, lanes)
    return Verdict(check, outcome.status, detail, time.monotonic() - begin)


def _compare(before: Circuit, after: Circuit, timeout_s: float) -> Outcome:
    if equal_by_algebra(before, after):
        return Outcome("proved", "algebra")
    assume = inside(transparent(before))
    graphs = _aligned(transparent(before), transparent(after))
    return prove_graphs(*graphs, assume=assume, timeout_s=timeout_s)


def _aligned(before: Circuit, after: Circuit) -> tuple[Aig, Aig]:
    """The graphs of both with lanes of equal width, though one may know narrower intervals."""
    sides = (before, after)
    lanes = [[lane for port in circuit.outputs for lane in port.lanes] for circuit in sides]
    if [(p.name, len(p.lanes)) for p in before.outputs] != [
        (p.name, len(p.lanes)) for p in after.outputs
    ]:
        raise IRError(f"{before.name} and {after.name} have different outputs")
    width = [max(lane_width(x) for x in pair) + 1 for pair in zip(*lanes, strict=True)]
    graphs = []
    for circuit, own in zip(sides, lanes, strict=True):
        aig = bitblast(circuit)
        at, names, literals = 0, [], []
        for k, lane in enumerate(own):
            bits = list(aig.literals[at : at + lane_width(lane)])
            at += len(bits)
            bits += [bits[-1] if lane.range.signed else FALSE] * (width[k] - len(bits))
            names += [f"lane {k} bit {i}" for i in range(width[k])]
            literals += bits
        graphs.append(replace(aig, outputs=tuple(names), literals=tuple(literals)))
    return graphs[0], graphs[1]


def transparent(circuit: Circuit) -> Circuit:
    """The circuit without its registers: over a stream of samples it means the same."""
    from flow.ir.builder import rebuild
    from flow.ir.nodes import Register

    return rebuild(circuit, lambda node, _: node.x if isinstance(node, Register) else node)


def lanes_of(ports: tuple[Port, ...], bits: Mapping[str, int]) -> dict[str, list[int]]:
    """The numbers on the lanes of some ports, from the values of their bits."""
    values: dict[str, list[int]] = {}
    for port in ports:
        at, lanes = 0, []
        for lane in port.lanes:
            width = lane_width(lane)
            names = (
                [port.name] if port.width == 1 else [f"{port.name}[{at + i}]" for i in range(width)]
            )
            value = sum(bits.get(name, 0) << i for i, name in enumerate(names))
            if lane.range.signed and value >> (width - 1):
                value -= 1 << width
            lanes.append(value)
            at += width
        values[port.name] = lanes
    return values


def difference(before: Circuit, after: Circuit, lanes: Mapping[str, list[int]]) -> str:
    """What two circuits answer to one input, as one line."""
    arrays = {name: np.array([row]) for name, row in lanes.items()}
    expected, got = evaluate(before, arrays), evaluate(after, arrays)
    given = ", ".join(f"{name} = {row}" for name, row in lanes.items())
    for name in expected:
        if not np.array_equal(expected[name], got[name]):
            wanted, found = expected[name][0].tolist(), got[name][0].tolist()
            return f"{given}: expected {name} = {wanted}, got {found}"
    return given
