"""The meaning of a Circuit: every backend, simulator and netlist is compared with this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import IRError
from flow.ir.circuit import Circuit
from flow.ir.nodes import Input, Node

IntArray = NDArray[Any]
"""Integers: int64, or Python integers (dtype object) where 62 bits are too few."""

SAFE_BITS = 62
"""Wires of at most this width, and their sums of two, are computed in int64."""


def evaluate(circuit: Circuit, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """The outputs for a batch of samples.

    `inputs` has an integer array of shape (samples, lanes) for each input port; the result has
    the same for each output port. One numpy operation a node. Raises IRError where a value
    lies outside its interval, or a port is missing.
    """
    order = list(circuit.walk())
    wide = any(node.range.width > SAFE_BITS for node in order)
    dtype: Any = object if wide else np.int64
    lanes = _columns(circuit, inputs, dtype)
    last_use = {x: i for i, node in enumerate(order) for x in node.operands}
    kept = {lane for port in circuit.outputs for lane in port.lanes}
    values: dict[Node, Any] = {}
    samples = next(iter(lanes.values())).shape[0] if lanes else 1
    for i, node in enumerate(order):
        if isinstance(node, Input):
            value = lanes[node]
        else:
            value = node.evaluate(*(values[x] for x in node.operands))
            if wide and isinstance(value, np.ndarray):
                value = value.astype(object)  # Comparisons give int64, which a shift may overflow.
        low, high = _ends(value, node)
        if low < node.range.lo or high > node.range.hi:
            raise IRError(f"{node.mnemonic} gave [{low}, {high}], outside {node.range}")
        values[node] = value
        for x in node.operands:  # Free what is not read again: large nets, many samples.
            if last_use[x] == i and x not in kept:
                values.pop(x, None)
    return {
        port.name: np.stack(
            [np.broadcast_to(np.asarray(values[lane], dtype=dtype), (samples,))
             for lane in port.lanes],
            axis=1,
        )
        for port in circuit.outputs
    }  # fmt: skip


def _ends(value: Any, node: Node) -> tuple[int, int]:
    if isinstance(value, np.ndarray):
        if value.size == 0:
            return node.range.lo, node.range.hi
        # What .min() and .max() call, at half the time.
        return int(np.minimum.reduce(value)), int(np.maximum.reduce(value))
    return int(value), int(value)


def _columns(circuit: Circuit, inputs: Mapping[str, IntArray], dtype: Any) -> dict[Node, IntArray]:
    columns: dict[Node, IntArray] = {}
    for port in circuit.inputs:
        if port.name not in inputs:
            raise IRError(f"no values for input port {port.name!r}")
        array = np.asarray(inputs[port.name])
        if array.ndim != 2 or array.shape[1] != len(port.lanes):
            raise IRError(
                f"port {port.name!r} takes (samples, {len(port.lanes)}), not {array.shape}"
            )
        for i, lane in enumerate(port.lanes):
            columns[lane] = array[:, i].astype(dtype)
    return columns
