"""The meaning of a Circuit: every backend, simulator and netlist is compared with this."""

from __future__ import annotations

from collections.abc import Mapping
from operator import neg
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

AT_ONCE = 1 << 24
"""Values of all nodes, for all samples, that are held at once."""


def evaluate(circuit: Circuit, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """The outputs for a batch of samples.

    `inputs` has an integer array of shape (samples, lanes) for each input port; the result has
    the same for each output port. Raises IRError where a value lies outside its interval, or a
    port is missing.
    """
    lanes = _columns(circuit, inputs)
    counts = {len(column) for column in lanes.values()}
    if len(counts) == 1 and 0 < max(counts) * sum(1 for _ in circuit.walk()) <= AT_ONCE:
        found = _by_kind(circuit, lanes, max(counts))
        if found is not None:
            return found
    return _one_by_one(circuit, lanes)


def _by_kind(
    circuit: Circuit, lanes: Mapping[Node, IntArray], samples: int
) -> dict[str, IntArray] | None:
    """One numpy operation for all nodes of one depth that are alike but for their operands.

    None where a value lies outside its interval, or where 62 bits may be too few.
    """
    order, known = tuple(circuit.walk()), circuit.kinds()
    if max(*known.high, *map(neg, known.low)) >> (SAFE_BITS - 1):
        return None
    values = np.empty((len(order), samples), dtype=np.int64)
    try:
        for lane, column in lanes.items():
            values[known.number[lane]] = column
        for first, rows, operands in known.kinds:
            values[rows] = order[first].evaluate(*[values[x] for x in operands])
    except OverflowError:
        return None
    low, high = np.minimum.reduce(values, axis=1), np.maximum.reduce(values, axis=1)
    if (low < known.low).any() or (high > known.high).any():
        return None
    return {
        port.name: np.ascontiguousarray(values[[known.number[lane] for lane in port.lanes]].T)
        for port in circuit.outputs
    }


def _one_by_one(circuit: Circuit, lanes: Mapping[Node, IntArray]) -> dict[str, IntArray]:
    """One numpy operation a node, and no value kept that is not read again: many samples."""
    order = tuple(circuit.walk())
    wide = any(node.range.width > SAFE_BITS for node in order)
    dtype: Any = object if wide else np.int64
    last_use = {x: i for i, node in enumerate(order) for x in node.operands}
    kept = {lane for port in circuit.outputs for lane in port.lanes}
    values: dict[Node, Any] = {}
    samples = next(iter(lanes.values())).shape[0] if lanes else 1
    for i, node in enumerate(order):
        if isinstance(node, Input):
            value = lanes[node].astype(dtype)
        else:
            value = node.evaluate(*(values[x] for x in node.operands))
            if wide and isinstance(value, np.ndarray):
                value = value.astype(object)  # Comparisons give int64, which a shift may overflow.
        low, high = _ends(value, node)
        if low < node.range.lo or high > node.range.hi:
            raise IRError(f"{node.mnemonic} gave [{low}, {high}], outside {node.range}")
        values[node] = value
        for x in node.operands:
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


def _columns(circuit: Circuit, inputs: Mapping[str, IntArray]) -> dict[Node, IntArray]:
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
            columns[lane] = array[:, i]
    return columns
