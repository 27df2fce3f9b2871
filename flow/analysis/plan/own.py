"""Our own arrays beside the constant that the paper's area was fitted to: cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flow.analysis.plan.partition import Partition, Slice
from flow.tech.lpu import Constants

Cells = Callable[[int, int], tuple[int, Mapping[str, int]]]
"""For neurons of so many inputs, in an array of so many: ports of one, and its cells by kind."""
TRANSISTORS = {
    "fa": "area.full_adder", "ha": "area.half_adder", "xor": "area.xor", "or": "area.gate",
    "andnot": "area.gate", "dff": "area.flipflop",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class OwnArray:
    """One matrix in our own cells: of each weight, ports, full adders, transistors, and areas
    (um2) at the paper's density and in the cells of a library."""

    name: str
    inputs: int
    outputs: int
    weights: int
    ports: float
    full_adders: float
    transistors: float
    area: float
    cell_area: float


@dataclass(frozen=True, slots=True)
class Own:
    """Arrays of the fullest chip; `technology` names the cells of `cell_area`."""

    technology: str
    arrays: tuple[OwnArray, ...]

    @property
    def whole(self) -> OwnArray:
        """All arrays of the chip as one."""
        weights = sum(array.weights for array in self.arrays)

        def mean(name: str) -> float:
            found = sum(array.weights * getattr(array, name) for array in self.arrays)
            return float(found / weights)

        return OwnArray(
            "chip", 0, 0, weights, mean("ports"), mean("full_adders"), mean("transistors"),
            mean("area"), mean("cell_area"),
        )  # fmt: skip

    def times(self, constants: Constants) -> float:
        """How many times the calibrated area of a weight ours is, at the same density."""
        return self.whole.area / constants["area.hardwired"]


def own_arrays(
    part: Partition, constants: Constants, cells: Cells, areas: Mapping[str, float], technology: str
) -> Own:
    """Every matrix of a chip in our own cells, of areas (um2) in a technology by kind."""
    arrays = tuple(_array(piece, constants, cells, areas) for piece in part.slices)
    return Own(technology, arrays)


def _array(
    piece: Slice, constants: Constants, cells: Cells, areas: Mapping[str, float]
) -> OwnArray:
    ports, counts = cells(piece.inputs, piece.outputs)
    transistors = sum(constants[TRANSISTORS[kind]] * count for kind, count in counts.items())
    each = transistors / piece.inputs
    return OwnArray(
        piece.name, piece.inputs, piece.outputs, piece.weights, ports / piece.inputs,
        counts.get("fa", 0) / piece.inputs, each, each / constants["area.density"],
        sum(areas[kind] * count for kind, count in counts.items()) / piece.inputs,
    )  # fmt: skip
