"""The exact and-inverter graph of a genome, made in C: what synthesis starts from in a search."""

from __future__ import annotations

import ctypes

import numpy as np

from flow.errors import ToolNotFound
from flow.ir.aig import Aig
from flow.ir.tensor import IntArray
from flow.search.kernel import compiled, plan_of, pointer
from flow.search.space import Space

ROOM = 1 << 12
"""Gates that there is room for at first."""


def genome_graph(space: Space, genome: IntArray) -> Aig:
    """The graph of a genome: bit b of input i is `x_i_b`, bit b of the class `class_b`.

    ToolNotFound where there is no C compiler.
    """
    kernel = compiled("area")
    if kernel is None:
        raise ToolNotFound(
            "the graphs of candidates need a C compiler",
            hint="install gcc or clang, or set CC to the path of a C compiler",
        )
    kernel.flow_graph.restype = ctypes.c_int64
    row = np.ascontiguousarray(space.canonical(genome)[0], dtype=np.int32)
    plan = np.append(plan_of(space), np.int32(space.hidden_bits))
    outputs = np.zeros(17, np.int32)
    size, gates = ROOM + 1, np.zeros((0, 2), np.int32)
    while size > len(gates):
        gates = np.empty((max(ROOM, size), 2), np.int32)
        size = kernel.flow_graph(
            pointer(row), pointer(plan), pointer(gates), ctypes.c_int64(len(gates)),
            pointer(outputs),
        )  # fmt: skip
        if size < 0:
            raise MemoryError
    left, right = gates[:size].T.tolist()
    names = [f"x_{i}_{b}" for i in range(space.inputs) for b in range(space.input_bits)]
    count = int(outputs[16])
    return Aig(
        "classifier", tuple(names), tuple(f"class_{b}" for b in range(count)),
        tuple(outputs[:count].tolist()), tuple(left), tuple(right),
    )  # fmt: skip
