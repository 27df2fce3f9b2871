"""A matrix of weights as adders shared by all its rows, mapped onto cells: a rival of neurons."""

from __future__ import annotations

import time
from multiprocessing import get_context
from queue import Empty
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
    return cached(key, lambda: _limited(matrix, bits, technology, options.timeout_s))


def _limited(
    matrix: np.ndarray, bits: int, technology: Technology, timeout_s: float
) -> dict[str, Any]:
    """The work in a process of its own, which is ended after some seconds."""
    found: Any = get_context("spawn").Queue()
    process = get_context("spawn").Process(
        target=_work, args=(found, matrix, bits, technology, timeout_s), daemon=True
    )
    process.start()
    try:
        answer: dict[str, Any] = found.get(timeout=timeout_s)
    except Empty:
        answer = {"failed": f"timed out after {timeout_s:.0f} s"}
    process.kill()
    process.join()
    return answer


def _work(
    answer: Any, matrix: np.ndarray, bits: int, technology: Technology, timeout_s: float
) -> None:
    begin = time.perf_counter()
    circuit = _circuit(matrix, bits)
    for item in ADDERS:
        circuit = item.run(circuit)
    solved = time.perf_counter() - begin
    x = np.random.default_rng(7).integers(-(1 << bits - 1), 1 << bits - 1, (4, len(matrix)))
    if not np.array_equal(evaluate(circuit, {"x": x})["y"], x @ matrix.T):
        answer.put({"failed": "shared adders give another product: no size of them counts"})
        return
    adders = sum(isinstance(node, Add | Sub) for node in circuit.walk())
    graph = bitblast(circuit)
    if graph.size > LARGEST:
        answer.put({"failed": f"timed out: {adders} adders in {solved:.0f} s; {graph.size} gates "
                    f"are not mapped, above {LARGEST}"})  # fmt: skip
        return
    try:
        found = map_cells(graph, *buses(circuit, None), technology, timeout_s=timeout_s)
    except ToolFailed as error:
        answer.put({"failed": f"timed out: {adders} adders, {error.message}"})
        return
    answer.put({"um2": found.area, "seconds": found.seconds, "adders": adders, "solved": solved,
                "proof": "checked on samples"})  # fmt: skip


def _circuit(matrix: np.ndarray, bits: int) -> Circuit:
    intern = Builder()
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    xs = tuple(intern(Input("x", i, low, high)) for i in range(matrix.shape[1]))
    ys = tuple(intern(Linear(xs, tuple(row), 0)) for row in matrix.tolist())
    return Circuit("matrix", (Port("x", xs),), (Port("y", ys),))
