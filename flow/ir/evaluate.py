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

AT_ONCE = 1 << 24
"""Values of all nodes, for all samples, that are held at once."""


def evaluate(circuit: Circuit, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """The outputs for a batch of samples.

    `inputs` has an integer array of shape (samples, lanes) for each input port; the result has
    the same for each output port. Raises IRError where a value lies outside its interval, or a
    port is missing.
    """
    order = list(circuit.walk())
    wide = any(node.range.width > SAFE_BITS for node in order)
    lanes = _columns(circuit, inputs, object if wide else np.int64)
    counts = {len(column) for column in lanes.values()}
    if not wide and len(counts) == 1 and 0 < max(counts) * len(order) <= AT_ONCE:
        found = _by_kind(circuit, lanes, max(counts))
        if found is not None:
            return found
    return _one_by_one(circuit, order, lanes, wide)


def _by_kind(
    circuit: Circuit, lanes: Mapping[Node, IntArray], samples: int
) -> dict[str, IntArray] | None:
    """One numpy operation for all nodes of one depth that are alike but for their operands.

    None where a value lies outside its interval, or a constant outside 64 bits.
    """
    order = list(circuit.walk())
    number = {node: i for i, node in enumerate(order)}
    values = np.empty((len(order), samples), dtype=np.int64)
    for lane, column in lanes.items():
        values[number[lane]] = column
    try:
        for first, rows, operands in circuit.kinds():
            values[rows] = order[first].evaluate(*[values[x] for x in operands])
    except OverflowError:
        return None
    low, high = np.minimum.reduce(values, axis=1), np.maximum.reduce(values, axis=1)
    ranges = [node.range for node in order]
    if (low < [r.lo for r in ranges]).any() or (high > [r.hi for r in ranges]).any():
        return None
    return {
        port.name: np.ascontiguousarray(values[[number[lane] for lane in port.lanes]].T)
        for port in circuit.outputs
    }


def _one_by_one(
    circuit: Circuit, order: list[Node], lanes: Mapping[Node, IntArray], wide: bool
) -> dict[str, IntArray]:
    """One numpy operation a node, and no value kept that is not read again: many samples."""
    dtype: Any = object if wide else np.int64
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
