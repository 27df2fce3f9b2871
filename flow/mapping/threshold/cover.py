"""Covers an and-inverter graph with threshold gates of few inputs, by the functions of cover.c."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import InternalError, UsageError
from flow.ir.aig import Aig
from flow.ir.design import Design
from flow.ir.threshold import (
    FlipFlop,
    PlacedGate,
    ThresholdGate,
    ThresholdNetlist,
    constant_gate,
)
from flow.mapping.threshold.native import compiled
from flow.mapping.threshold.recognise import recognise

MOST_INPUTS = 8
"""The largest cut whose function fits the tables of cover.c."""


@dataclass(frozen=True)
class CoverOptions:
    """Inputs of a gate at most; cuts kept at a node; passes by area flow, then by exact area."""

    limit: int = MOST_INPUTS
    keep: int = 16
    flows: int = 3
    exacts: int = 3


def cover(design: Design, options: CoverOptions | None = None) -> ThresholdNetlist:
    """The design as threshold gates of at most `limit` inputs, few of them.

    UsageError where the limit is not 2 to MOST_INPUTS, ToolNotFound without a C compiler.
    """
    options = options or CoverOptions()
    if not 2 <= options.limit <= MOST_INPUTS:
        raise UsageError(
            f"gates of at most {options.limit} inputs cannot be chosen",
            hint=f"the most inputs of a gate are 2 to {MOST_INPUTS}",
        )
    return assemble(design, _chosen(design.graph, options))


Chosen = tuple[int, tuple[int, ...], int]
"""A variable of the graph, the variables it is a function of, and the table of that function."""


def _chosen(aig: Aig, options: CoverOptions) -> list[Chosen]:
    left, right = np.array(aig.left, dtype=np.int32), np.array(aig.right, dtype=np.int32)
    roots = np.array([x >> 1 for x in aig.literals], dtype=np.int32)
    counts = np.zeros(aig.size, dtype=np.int32)
    leaves = np.zeros((aig.size, MOST_INPUTS), dtype=np.int32)
    tables = np.zeros((aig.size, 4), dtype=np.uint64)
    compiled("cover").cover(
        len(aig.inputs), aig.size, _at(left), _at(right), len(roots), _at(roots), options.limit,
        options.keep, options.flows, options.exacts, _at(counts), _at(leaves), _at(tables),
    )  # fmt: skip
    found = []
    for k in np.flatnonzero(counts):
        count = int(counts[k])
        whole = int.from_bytes(tables[k].astype("<u8").tobytes(), "little")
        table = whole & (1 << (1 << count)) - 1
        found.append((aig.first_gate + int(k), tuple(leaves[k, :count].tolist()), table))
    return found


def _at(array: NDArray[Any]) -> Any:
    import ctypes

    return ctypes.c_void_p(array.ctypes.data)


def assemble(design: Design, chosen: Sequence[Chosen]) -> ThresholdNetlist:
    """The netlist of the chosen functions, which are threshold functions of chosen variables.

    A gate that only outputs read, and all inverted, answers the opposite; where outputs read
    both, one more gate inverts.
    """
    aig = design.graph
    gates = {variable: (_gate(table, leaves), leaves) for variable, leaves, table in chosen}
    wanted: dict[int, set[int]] = {}
    for literal in aig.literals:
        wanted.setdefault(literal >> 1, set()).add(literal & 1)
    opposite = {v for v, phases in wanted.items() if phases == {1} and v in gates}
    number = {v: v - 1 for v in range(1, aig.first_gate)}
    placed: list[PlacedGate] = []

    def place(gate: ThresholdGate, inputs: Sequence[int]) -> int:
        placed.append(PlacedGate(gate, tuple(inputs)))
        return len(aig.inputs) + len(placed) - 1

    for variable, (gate, leaves) in sorted(gates.items()):
        for k, leaf in enumerate(leaves):
            if leaf in opposite:
                gate = gate.with_inverted_input(k)
        gate = gate.inverted() if variable in opposite else gate
        number[variable] = place(gate, [number[leaf] for leaf in leaves])
    ends: dict[int, int] = {}
    for literal in dict.fromkeys(aig.literals):
        variable = literal >> 1
        if variable == 0:
            ends[literal] = place(constant_gate(literal), ())
        elif literal & 1 and variable not in opposite:
            ends[literal] = place(ThresholdGate((-1,), 0), (number[variable],))
        else:
            ends[literal] = number[variable]
    return named(design, placed, [ends[literal] for literal in aig.literals])


def named(design: Design, placed: Sequence[PlacedGate], ends: Sequence[int]) -> ThresholdNetlist:
    """The netlist of these gates with the names of the design; `ends` drive its outputs."""
    count = len(design.outputs)
    first: Mapping[str, int] = design.initial
    return ThresholdNetlist(
        design.graph.name,
        design.inputs,
        tuple(
            FlipFlop(name, data, first.get(name))
            for name, data in zip(design.flipflops, ends[count:], strict=True)
        ),
        tuple(placed),
        design.outputs,
        tuple(ends[:count]),
    )


def _gate(table: int, leaves: Sequence[int]) -> ThresholdGate:
    gate = recognise(table, len(leaves))
    if gate is None:
        raise InternalError(
            "a cut was chosen whose function is no threshold function",
            where=f"table {table:#x} of {len(leaves)} inputs",
            hint="report this with the design",
        )
    return gate
