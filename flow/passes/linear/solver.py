"""The multiplierless matrix-vector solver of alkaid, as a function from matrix to program.

Two stages: rows as differences of one another along a spanning tree, then repeated extraction
of two-term subexpressions over signed digits (C. Sun et al., "da4ml: Distributed Arithmetic for
Real-time Neural Networks on FPGAs", arXiv:2507.04535). Each result is checked against the
matrix, so that an error of the library cannot pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flow.errors import PassError
from flow.ir.interval import IntRange
from flow.passes.linear.matrix import Row
from flow.passes.linear.program import Program, Ref

COEFFICIENT_BITS = 22
"""Coefficients of more bits are outside what the solver computes exactly."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the solver chooses; see SolveLinear."""

    method: str
    hard_dc: int
    decompose_dc: int


def solve(rows: Sequence[Row], ranges: Sequence[IntRange], options: Options) -> Program:
    """The adder graph of a matrix given by rows; `ranges` holds the interval of each column.

    Coefficients have at most COEFFICIENT_BITS bits.
    """
    from alkaid._binary import cmvm_solve

    kernel = np.zeros((len(ranges), len(rows)), dtype=np.float32)
    for j, row in enumerate(rows):
        for i, c in row.items():
            kernel[i, j] = c
    stages = cmvm_solve(
        kernel,
        method0=options.method,
        hard_dc=options.hard_dc,
        decompose_dc=options.decompose_dc,
        search_all_decompose_dc=options.decompose_dc == -2,
        qintervals=[(float(r.lo), float(r.hi), 1.0) for r in ranges],
        latencies=[0.0] * len(ranges),
    )
    sums: list[tuple[Ref, Ref]] = []
    values: list[Ref | None] = [Ref(i) for i in range(len(ranges))]
    for stage in stages:
        values = _stage(stage, values, sums, len(ranges))
    program = Program(len(ranges), tuple(sums), tuple(values))
    program.check(rows)
    return program


def _stage(
    stage: Any, inputs: list[Ref | None], sums: list[tuple[Ref, Ref]], first: int
) -> list[Ref | None]:
    """Append the sums of one stage of a solution; the references to its outputs."""
    values: list[Ref | None] = []
    for op in stage.ops:
        # Codes of the operations: -1 input, -2 negation, 0 addition, 1 subtraction.
        match op.opcode:
            case -1:
                values.append(_moved(inputs[op.data[0]], stage.inp_shifts[op.data[0]], False))
            case -2:
                values.append(_moved(values[op.addr[0]], 0, True))
            case 0 | 1:
                a = values[op.addr[0]]
                b = _moved(values[op.addr[1]], op.data[0], op.opcode == 1)
                if a is None or b is None:
                    values.append(b if a is None else a)
                else:
                    sums.append((a, b))
                    values.append(Ref(first + len(sums) - 1))
            case code:
                raise PassError(f"the solver returned an operation with code {code}")
    return [
        None if index < 0 else _moved(values[index], shift, negative)
        for index, shift, negative in zip(
            stage.out_idxs, stage.out_shifts, stage.out_negs, strict=True
        )
    ]


def _moved(ref: Ref | None, shift: int, negative: bool) -> Ref | None:
    if ref is None:
        return None
    return Ref(ref.index, ref.shift + shift, ref.minus ^ bool(negative))
