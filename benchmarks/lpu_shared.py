"""A matrix of weights as adders shared by all its rows, mapped onto cells: a rival of neurons."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from cases import Options
from mapped import cached, key_of

from flow.backends.bitblast import bitblast, buses
from flow.errors import ToolFailed
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.nodes import Add, Input, Linear, Sub
from flow.passes.pipelines import ADDERS
from flow.pipeline.neuron_cells import map_cells
from flow.tech.technology import Technology
from flow.tech.write_liberty import liberty_text

LARGEST = 1_000_000
"""Gates above which a matrix is not mapped."""


def shift_add(
    matrix: np.ndarray, bits: int, technology: Technology, options: Options
) -> dict[str, Any]:
    """um2, seconds to map, adders, seconds to find them; or what failed."""
    key = key_of("shift-add", str(matrix.tolist()), str(bits), liberty_text(technology))

    def work() -> dict[str, Any]:
        begin = time.perf_counter()
        circuit = _circuit(matrix, bits)
        for item in ADDERS:
            circuit = item.run(circuit)
        solved = time.perf_counter() - begin
        x = np.random.default_rng(7).integers(-(1 << bits - 1), 1 << bits - 1, (4, len(matrix)))
        if not np.array_equal(evaluate(circuit, {"x": x})["y"], x @ matrix.T):
            raise SystemExit("shared adders give another product: no size of them counts")
        adders = sum(isinstance(node, Add | Sub) for node in circuit.walk())
        graph = bitblast(circuit)
        if graph.size > LARGEST:
            return {"failed": f"{adders} adders in {solved:.0f} s; not mapped: {graph.size} gates "
                    f"are above {LARGEST}"}  # fmt: skip
        try:
            found = map_cells(graph, *buses(circuit, None), technology,
                              timeout_s=options.timeout_s)  # fmt: skip
        except ToolFailed as error:
            return {"failed": f"timed out: {adders} adders, {error.message}"}
        return {"um2": found.area, "seconds": found.seconds, "adders": adders, "solved": solved,
                "proof": "checked on samples"}  # fmt: skip

    return cached(key, work)


def _circuit(matrix: np.ndarray, bits: int) -> Circuit:
    intern = Builder()
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    xs = tuple(intern(Input("x", i, low, high)) for i in range(matrix.shape[1]))
    ys = tuple(intern(Linear(xs, tuple(row), 0)) for row in matrix.tolist())
    return Circuit("matrix", (Port("x", xs),), (Port("y", ys),))
