"""The area of every bespoke multiplier x * w under a technology, measured in one ABC process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flow.backends.aiger import write_aiger
from flow.backends.bitblast import bitblast
from flow.ir.circuit import Circuit, Port
from flow.ir.interval import unsigned
from flow.ir.nodes import Input, Linear
from flow.passes.base import run_passes
from flow.passes.pipelines import COMPRESSED
from flow.pipeline.mapped_areas import cost_of, map_batch
from flow.tech.technology import Technology
from flow.tech.write_liberty import liberty_text

LARGEST = 128
"""The largest magnitude of a weight of 8 bits. A sign costs nothing: products of either sign
are summed apart."""


@dataclass(frozen=True, slots=True)
class MeasuredAreas:
    """Areas (um2) by input bits, then by magnitude of the weight, from 0 to LARGEST."""

    areas: Mapping[int, tuple[float, ...]]

    def area(self, weight: int, input_bits: int) -> float:
        """The cell area (um2) of x * weight; KeyError for input bits that were not measured."""
        return self.areas[input_bits][abs(weight)]


def multiplier_areas(technology: Technology, input_bits: tuple[int, ...] = (4,)) -> MeasuredAreas:
    """Map every multiplier of a weight of 8 bits by unsigned inputs of each width.

    Even weights and powers of two are wires behind an odd one, and are not mapped again.
    """
    odd = range(3, LARGEST, 2)
    liberty = liberty_text(technology, combinational_only=True, helper_buffer=True)
    table = {}
    for bits in input_bits:
        cells = map_batch([_graph(w, bits) for w in odd], liberty)
        mapped = {w: float(cost_of(c, technology).area) for w, c in zip(odd, cells, strict=True)}
        table[bits] = tuple(mapped.get(w // (w & -w) if w else 0, 0.0) for w in range(LARGEST + 1))
    return MeasuredAreas(table)


def _graph(weight: int, bits: int) -> bytes:
    x = Input("x", 0, 0, unsigned(bits).hi)
    product = Linear((x,), (weight,), 0)
    circuit = Circuit(f"times_{weight}", (Port("x", (x,)),), (Port("y", (product,)),))
    return write_aiger(bitblast(run_passes(circuit, COMPRESSED)))
