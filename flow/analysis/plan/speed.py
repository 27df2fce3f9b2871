"""Time of a pipeline stage, and tokens a second against the length of the context."""

from __future__ import annotations

from dataclasses import dataclass

from flow.analysis.plan.partition import Partition
from flow.analysis.plan.shape import ModelShape
from flow.tech.lpu import Constants


@dataclass(frozen=True, slots=True)
class Traffic:
    """Elements on one link for a token and a layer; the busier of both kinds of links counts."""

    column: int
    row: int

    @property
    def most(self) -> int:
        """Elements on the busiest link."""
        return max(self.column, self.row)


@dataclass(frozen=True, slots=True)
class Stage:
    """Parts of a pipeline stage at a context (tokens), ns; `beyond` says that no figure is known
    there: the stall is held at the last one."""

    context: int
    links: float
    projection: float
    non_linear: float
    attention: float
    stall: float
    beyond: bool

    @property
    def time(self) -> float:
        """The whole stage, ns."""
        return self.links + self.projection + self.non_linear + self.attention + self.stall

    @property
    def tokens(self) -> float:
        """Tokens a second."""
        return 1e9 / self.time


def traffic(shape: ModelShape, part: Partition) -> Traffic:
    """Reductions and gathers of a layer: Q, K, V, O and X_o in a column, X_o in a row, Y on all."""
    share = -(-shape.hidden // part.rows)
    heads = (2 * part.query_heads + 2 * part.kv_heads) * shape.head_dim
    column = heads + share + shape.hidden if part.rows > 1 else 0
    row = share + shape.hidden if part.columns > 1 else 0
    return Traffic(column, row)


def cached(shape: ModelShape, part: Partition) -> float:
    """Elements of K that a chip holds for a token: its column's heads, a token on one row only."""
    return shape.layers * part.kv_heads * shape.head_dim / part.rows


def stage(shape: ModelShape, part: Partition, constants: Constants, context: int) -> Stage:
    """A stage at a context; all layers attend to all of it."""
    elements = traffic(shape, part).most * shape.layers
    links = (
        elements * constants["speed.element_bytes"] / constants["speed.link"]
        * constants["speed.link_factor"]
    )  # fmt: skip
    held = cached(shape, part) * context
    attention = constants["speed.attention"] * held
    first, last = constants["speed.stall_from"], constants["speed.stall_to"]
    share = constants["speed.stall"] * min(1.0, max(0.0, (held - first) / (last - first)))
    projection = constants["speed.projection"] / constants["speed.clock"]
    non_linear = constants["speed.non_linear"] / constants["speed.clock"]
    attention /= constants["speed.clock"]
    busy = links + projection + non_linear + attention
    return Stage(
        context, links, projection, non_linear, attention, busy * share / (1 - share), held > last
    )


def in_flight(shape: ModelShape, constants: Constants) -> int:
    """Tokens in the pipeline at once, one in each stage: the largest batch."""
    return round(shape.layers * constants["speed.stages"])
