"""How large a model becomes where every multiplication has hardware of its own."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from flow.errors import UnsupportedModel
from flow.frontend.exact.workbench import alive
from flow.frontend.shapes import source_shapes
from flow.frontend.source import SourceConv, SourceDense, SourceLayer, SourceModel, SourceTableSum

LIMIT = 3_000_000
"""Multiplications by constants that one fully parallel circuit may have."""
_SHARE = 0.05
"""Layers with less than this share of the limit are not named."""


@dataclass(frozen=True, slots=True)
class Unrolled:
    """A layer, its weights that are not 0, and the positions that each of them meets."""

    layer: SourceLayer
    weights: int
    positions: int

    @property
    def multiplications(self) -> int:
        """Weights times positions."""
        return self.weights * self.positions


def unrolled(model: SourceModel) -> tuple[Unrolled, ...]:
    """Every layer with weights, in order; a table of HGQ-LUT counts as a weight.

    Positions in the padding are counted. ValueError where the layers do not meet.
    """
    shapes = source_shapes(model)
    rows = []
    for layer in alive(model):
        positions = prod(shapes[layer.name][:-1])
        match layer:
            case SourceDense(kernel=kernel) | SourceConv(kernel=kernel):
                rows.append(Unrolled(layer, int(np.count_nonzero(kernel.values)), positions))
            case SourceTableSum(tables=tables):
                count = sum(table is not None for row in tables for table in row)
                rows.append(Unrolled(layer, count, positions))
    return tuple(rows)


def refuse_too_large(
    model: SourceModel, limit: int = LIMIT, of: str = "a fully parallel circuit"
) -> None:
    """UnsupportedModel where what is built would have more multiplications."""
    try:
        rows = unrolled(model)
    except ValueError:
        return  # Layers that do not meet are an obstacle of their own.
    total = sum(row.multiplications for row in rows)
    if total <= limit:
        return
    raise UnsupportedModel(
        f"{model.name} would have {total:,} multiplications side by side, and {limit:,} "
        f"are the limit of {of}",
        hint="prune weights to 0, or train on fewer positions (smaller images, larger strides); "
        "flow eval answers as the integer network at any size",
        obstacles=tuple(
            f"{row.layer.place}: {row.multiplications:,} multiplications: "
            f"{row.weights:,} weights that are not 0, at {row.positions:,} "
            f"{'position' if row.positions == 1 else 'positions'}"
            for row in rows
            if row.multiplications >= _SHARE * limit
        ),
    )
