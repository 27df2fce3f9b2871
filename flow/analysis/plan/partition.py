"""A model over a grid of chips, each linked to all others of its row and of its column."""

from __future__ import annotations

from dataclasses import dataclass

from flow.analysis.plan.shape import ModelShape
from flow.errors import UsageError
from flow.tech.lpu import Constants

MOST_SIDE = 64
"""The longest row and column that is tried."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A matrix as one chip holds it: `count` pieces of `inputs` x `outputs`, in `layers` layers."""

    name: str
    inputs: int
    outputs: int
    count: int
    layers: int

    @property
    def weights(self) -> int:
        """All weights of these pieces."""
        return self.inputs * self.outputs * self.count * self.layers


@dataclass(frozen=True, slots=True)
class Partition:
    """What the fullest chip of a grid of `rows` x `columns` holds, heads by columns."""

    rows: int
    columns: int
    query_heads: int
    kv_heads: int
    slices: tuple[Slice, ...]

    @property
    def chips(self) -> int:
        """Chips of the grid."""
        return self.rows * self.columns

    @property
    def links(self) -> int:
        """Links of a chip."""
        return self.rows - 1 + self.columns - 1

    @property
    def weights(self) -> int:
        """Weights of the fullest chip, whose array all chips share."""
        return sum(piece.weights for piece in self.slices)


def partition(shape: ModelShape, rows: int, columns: int) -> Partition:
    """Heads over columns, inputs of a head over rows, experts and classifier over all chips.

    After section 4 of the ASPLOS '26 paper; what does not divide is rounded up. An expert is
    whole unless there are fewer experts than chips.
    """
    chips = rows * columns
    queries = _up(shape.heads, columns)
    keys = _up(shape.kv_heads, columns)
    share = _up(shape.hidden, rows)
    sharing = max(1, chips // shape.experts)
    experts, inner = _up(shape.experts, chips), _up(shape.inner, sharing)
    every = shape.layers
    pieces = [
        Slice("queries", share, queries * shape.head_dim, 1, every),
        Slice("keys and values", share, keys * shape.head_dim, 2, every),
        Slice("attention output", queries * shape.head_dim, share, 1, every),
        Slice("up and gate", shape.hidden, inner, 2 * experts, every),
        Slice("down", inner, shape.hidden, experts, every),
        Slice("classifier", shape.hidden, _up(shape.vocabulary, chips), 1, 1),
    ]
    if shape.router:
        pieces.insert(3, Slice("router", shape.hidden, shape.experts, 1, every))
    return Partition(rows, columns, queries, keys, tuple(pieces))


def chip_area(constants: Constants, part: Partition) -> dict[str, float]:
    """Area of a chip by block, mm2."""
    blocks = ("array", "vector engine", "control", "attention buffer", "links", "HBM PHY")
    areas = (
        part.weights * constants["area.hardwired"] / 1e6,
        constants["area.vector_engine"],
        constants["area.control"],
        constants["chip.buffer_mb"] * constants["area.buffer"],
        part.links * constants["area.link"],
        constants["chip.hbm_stacks"] * constants["area.hbm_phy"],
    )
    return dict(zip(blocks, areas, strict=True))


def fitting(shape: ModelShape, constants: Constants) -> Partition:
    """The grid of the fewest chips that fit the largest die, as square as can be.

    UsageError where no grid of up to MOST_SIDE x MOST_SIDE holds the model.
    """
    sizes = [
        (rows * columns, columns - rows, rows, columns)
        for rows in range(1, MOST_SIDE + 1)
        for columns in range(rows, min(MOST_SIDE, shape.heads) + 1)
    ]
    for _, _, rows, columns in sorted(sizes):
        found = partition(shape, rows, columns)
        if sum(chip_area(constants, found).values()) <= constants["area.die"]:
            return found
    raise UsageError(
        f"no grid of up to {MOST_SIDE} x {MOST_SIDE} chips of {constants['area.die']:g} mm2 "
        "holds the model",
        hint="give --grid, or other constants: area.die, area.hardwired",
    )


def _up(count: int, among: int) -> int:
    return -(-count // among)
