"""Which layer of the network each mapped cell serves, so that area and power add up by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import fsum

import numpy as np

from flow.analysis.activity import Simulator
from flow.ir.aig import Aig, random_words
from flow.ir.netlist import Netlist
from flow.ir.nodes import Node
from flow.tech.technology import Technology

SIGNATURE_WORDS = 16
OTHER = "other"
"""The layer of what belongs to none: handshake, and cells without any neighbour that does."""


def attribute(
    netlist: Netlist,
    technology: Technology,
    graph: Aig,
    layers: Mapping[Node, str],
    held: Sequence[str] = (),
) -> tuple[str, ...]:
    """The layer of each instance, in order.

    A net whose values on 1024 random samples equal those of a gate of the circuit's own graph,
    or their complement, has the layer of that gate's node. A cell that makes no such net goes
    with those that read it, else with those it reads. A flip-flop goes with what it takes.
    `held` names the flip-flops as `graph` does.
    """
    words = random_words(len(graph.inputs), SIGNATURE_WORDS)
    drawn = dict(zip(graph.inputs, words, strict=True))
    values = graph.simulate_all(words)
    known: dict[bytes, str] = {}
    for k, owner in enumerate(graph.owners):
        layer = layers.get(owner) if owner is not None else None
        if layer is not None:
            known.setdefault(_signature(values[graph.first_gate + k]), layer)
    simulator = Simulator(netlist, technology)
    inputs = {bit: drawn[bit] for bit in netlist.input_bits if bit in drawn}
    for name, (instance, cell) in zip(held, simulator.flipflops, strict=True):
        inputs[instance.nets(cell.outputs)[0]] = drawn["Q:" + name]
    nets = simulator.run(inputs)
    found: list[str | None] = []
    for instance, cell in zip(netlist.instances, simulator.cells, strict=True):
        outputs = instance.nets(cell.outputs)
        if cell.kind == "flipflop" and cell.storage is not None:
            outputs = instance.nets([(cell.storage.data or "").strip()])
        rows = [nets[simulator.index[net]] for net in outputs]
        names = [layer for row in rows if (layer := known.get(_signature(row))) is not None]
        found.append(names[0] if names else None)
    return _spread(netlist, simulator, found)


def _signature(row: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> bytes:
    """The values, complemented where the first one is 1."""
    return (~row if int(row[0]) & 1 else row).tobytes()


def _spread(netlist: Netlist, simulator: Simulator, found: Sequence[str | None]) -> tuple[str, ...]:
    """Fill the gaps: backwards from readers, then forwards from drivers."""
    layer = list(found)
    driver: dict[str, int] = {}
    reads: list[tuple[str, ...]] = []
    for k, (instance, cell) in enumerate(zip(netlist.instances, simulator.cells, strict=True)):
        reads.append(instance.nets(cell.inputs))
        for net in instance.nets(cell.outputs):
            driver[net] = k
    readers: list[Counter[str]] = [Counter() for _ in layer]
    for k in range(len(layer) - 1, -1, -1):
        if layer[k] is None and readers[k]:
            layer[k] = _commonest(readers[k])
        name = layer[k]
        if name is not None:
            for net in reads[k]:
                if net in driver and driver[net] != k:
                    readers[driver[net]][name] += 1
    for k, nets in enumerate(reads):
        if layer[k] is None:
            around = Counter(
                name for net in nets if net in driver and (name := layer[driver[net]]) is not None
            )
            layer[k] = _commonest(around) if around else OTHER
    return tuple(name or OTHER for name in layer)


def _commonest(names: Counter[str]) -> str:
    return min(names, key=lambda name: (-names[name], name))


def totals(layers: Sequence[str], amounts: Sequence[float]) -> dict[str, float]:
    """The sum of the amounts for each layer, in order of first appearance.

    Exact: the `math.fsum` of the result is that of the amounts. What rounding leaves goes to
    the largest layer.
    """
    parts: dict[str, list[float]] = {}
    for layer, amount in zip(layers, amounts, strict=True):
        parts.setdefault(layer, []).append(amount)
    sums = {layer: fsum(own) for layer, own in parts.items()}
    if not sums:
        return sums
    whole, largest = fsum(amounts), max(sums, key=lambda layer: abs(sums[layer]))
    sums[largest] = fsum([whole, *(-x for layer, x in sums.items() if layer != largest)])
    return sums
