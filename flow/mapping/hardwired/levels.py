"""A circuit whose weighted sums are hardwired neurons: level by level, a bit of each input a clock.

The cut is that of folding with one step: a level reads a buffer, its neurons give all sums of a
layer after as many clocks as their inputs have bits, and what lies between two levels is plain
logic. Biases are part of the constants that the wires carry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flow.errors import UnsupportedModel
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port, lane_width
from flow.ir.nodes import Input, Linear, Node
from flow.mapping.folding import Level, computed, fold
from flow.mapping.hardwired.embedding import Wiring, base_for, embed, regions
from flow.mapping.hardwired.embedding import evaluate as wired_sums
from flow.mapping.levelled import Levelled

MOST_REGIONS = 8
"""Magnitudes that the weights of a layer may have, zero left out: those of four bits."""


@dataclass(frozen=True, eq=False)
class WiredLevel:
    """One level: `wiring` reads lanes `reads` of a buffer, lowest bits first, for the sums
    `weights` (a row a neuron) times what is read, and `biases`.

    `between` has the ports a (the sums) and, if there are any, b (lanes `carried` of the buffer);
    its y are the lanes of the next buffer. `layers` are those whose sums these are.
    """

    weights: NDArray[np.int64]
    biases: NDArray[np.int64]
    wiring: Wiring
    reads: tuple[int, ...]
    between: Circuit
    carried: tuple[int, ...]
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Wired(Levelled[WiredLevel]):
    """A circuit whose levels take as many clocks each as inputs have bits."""

    part_names: ClassVar[tuple[str, ...]] = ("between",)

    def results(self, level: WiredLevel, buffer: Any) -> Any:
        """The sums of a level, from the wires."""
        return wired_sums(level.wiring, buffer[:, list(level.reads)].astype(np.int64))


def hardwire(circuit: Circuit, layers: Mapping[str, int]) -> Wired:
    """A lowered circuit with the sums of weighted layers (named as `fold` has them) as neurons.

    UsageError where no layer has sums, UnsupportedModel where weights have too many magnitudes.
    """
    folded = fold(circuit, layers, 1, least=1)
    cut = [_level(level) for level in folded.levels]
    bits = max(
        _signed(node)
        for sums, _ in cut
        for linear in sums
        for node in linear.terms
        if isinstance(node, Input)
    )
    levels = tuple(
        _wired(level, sums, between, max(2, bits))
        for level, (sums, between) in zip(folded.levels, cut, strict=True)
    )
    return Wired(circuit, max(2, bits), folded.entry, levels, folded.outputs)


def _signed(node: Node) -> int:
    """Bits of a value in two's complement."""
    return lane_width(node) + (not node.range.signed)


def _level(level: Level) -> tuple[tuple[Linear, ...], Circuit]:
    """The sums of a level, and what makes the next buffer of them."""
    (made,) = level.element.outputs
    sums = tuple(
        node
        for node in level.element.walk()
        if isinstance(node, Linear)
        and any(isinstance(term, Input) for term in node.terms)
        and all(isinstance(term, Input) or _fixed(term) for term in node.terms)
    )
    intern = Builder()
    known: dict[Node, Node] = {
        node: intern(Input("a", k, node.range.lo, node.range.hi)) for k, node in enumerate(sums)
    }
    ends = computed(made.lanes, known, intern)
    ports = [Port("a", tuple(known[node] for node in sums))]
    given: dict[Node, Node] = {}
    for port in level.between.inputs:
        if port.name == "a":
            chosen = [ends[lane] for _, lane in level.taken]
            given |= dict(zip(port.lanes, chosen, strict=True))
        else:
            given |= {lane: intern(lane) for lane in port.lanes}
            ports.append(port)
    (after,) = level.between.outputs
    output = Port("y", computed(after.lanes, given, intern))
    return sums, Circuit(level.between.name, tuple(ports), (output,))


def _wired(level: Level, sums: tuple[Linear, ...], between: Circuit, bits: int) -> WiredLevel:
    lanes = list(
        dict.fromkeys(x.index for node in sums for x in node.terms if isinstance(x, Input))
    )
    place = {lane: k for k, lane in enumerate(lanes)}
    weights = np.zeros((len(sums), len(lanes)), np.int64)
    biases = np.array([node.bias for node in sums], object)
    for row, node in enumerate(sums):
        for term, coefficient in zip(node.terms, node.coefficients, strict=True):
            if isinstance(term, Input):
                weights[row, place[term.index]] += coefficient
            else:
                biases[row] += coefficient * term.range.lo
    reads = tuple(level.reads[lane] for lane in lanes)
    wiring = wire_rows(weights, biases, bits, ", ".join(level.layers))
    return WiredLevel(
        weights, biases.astype(np.int64), wiring, reads, between, level.carried, level.layers
    )


def wire_rows(
    weights: NDArray[np.int64], biases: NDArray[Any], bits: int, name: str = "layer"
) -> Wiring:
    """Neurons `[neurons, inputs]` with biases, for inputs of so many bits in two's complement.

    `evaluate` of the wires is `weights @ x + biases`. UnsupportedModel, with the layer's name,
    for weights of more magnitudes than those of four bits.
    """
    magnitudes = regions(weights) or (1,)
    if len(magnitudes) > MOST_REGIONS:
        raise UnsupportedModel(
            f"the weights of {name} have {len(magnitudes)} magnitudes",
            hint=f"at most {MOST_REGIONS} are hardwired: give --weight-bits 4",
        )
    base = base_for(weights, bits, magnitudes=magnitudes)
    if not any(base.ports):
        base = replace(base, ports=(1, *base.ports[1:]))
    wiring = embed(weights, base)
    constants = [int(c) + int(b) for c, b in zip(wiring.constants, biases, strict=True)]
    least = max((max(c, ~c).bit_length() for c in constants), default=0)
    wide = replace(base, least=max(1, least))
    return replace(wiring, base=wide, constants=np.array(constants, np.int64))


def _fixed(node: Node) -> bool:
    """Whether a value is always the same."""
    return node.range.lo == node.range.hi
