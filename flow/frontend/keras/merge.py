"""Keras layers that merge several tensors, with the broadcasting that they allow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from flow.frontend.files import guards
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Shape, Site, laid, misfit, places
from flow.frontend.keras.steps import (
    Chain,
    Obstacle,
    Step,
    affine,
    concat,
    gather,
    product,
    reshape,
    total,
)
from flow.frontend.source import SourcePool

Pool = Literal["max", "average", "sum"]

MERGES = frozenset({
    "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate",
})  # fmt: skip
"""Layers that read several tensors."""


def plan_merge(settings: Settings) -> Build:
    """Add, Subtract, Multiply, Average, Maximum and Minimum."""
    settings.allow()
    kind = settings.kind

    def build(site: Site) -> Built:
        if len(site.sources) < 2 or (kind == "Subtract" and len(site.sources) > 2):
            raise misfit("it needs two tensors", site)
        return merged(kind, site)

    return build


def merged(kind: str, site: Site) -> Built:
    """The merge of all sources, brought to one shape."""
    chain = Chain()
    inputs, shape = broadcast(chain, site)
    COMBINE[kind](chain, inputs, shape)
    return laid(site, chain.steps, shape)


def broadcast(chain: Chain, site: Site) -> tuple[tuple[int, ...], Shape]:
    """Steps that bring all sources to one shape: the numbers of the results, and the shape."""
    shapes = site.shapes
    try:
        target = np.broadcast_shapes(*shapes)
    except ValueError:
        shown = " and ".join(str(list(shape)) for shape in shapes)
        raise Obstacle(f"tensors of the shapes {shown} are merged; use equal shapes") from None
    guards.check_shape(target, site.place)
    inputs = []
    for number, shape in enumerate(shapes):
        entry = -1 - number
        if shape != target:
            spread = np.ascontiguousarray(np.broadcast_to(places(shape), target))
            entry = chain.add(gather(spread, inputs=(entry,)))
        inputs.append(entry)
    return tuple(inputs), target


def _add(chain: Chain, inputs: tuple[int, ...], shape: Shape) -> None:
    chain.add(total(*inputs))


def _subtract(chain: Chain, inputs: tuple[int, ...], shape: Shape) -> None:
    negative = chain.add(affine(-1.0, 0.0, inputs[1:]))
    chain.add(total(inputs[0], negative))


def _multiply(chain: Chain, inputs: tuple[int, ...], shape: Shape) -> None:
    chain.add(product(*inputs))


def _average(chain: Chain, inputs: tuple[int, ...], shape: Shape) -> None:
    if len(inputs).bit_count() == 1:
        chain.add(total(*inputs), affine(1.0 / len(inputs), 0.0))
    else:
        _pooled(chain, inputs, shape, "average")


def _maximum(chain: Chain, inputs: tuple[int, ...], shape: Shape) -> None:
    _pooled(chain, inputs, shape, "max")


def _pooled(chain: Chain, inputs: tuple[int, ...], shape: Shape, kind: Pool) -> None:
    """All tensors as rows of one, and the largest or the mean of each column."""
    rows = [chain.add(reshape((1, math.prod(shape)), inputs=(i,))) for i in inputs]
    chain.add(concat(0, *rows), pool(kind, len(rows)), reshape(shape))


def _minimum(chain: Chain, inputs: tuple[int, ...], shape: Shape) -> None:
    negatives = tuple(chain.add(affine(-1.0, 0.0, (i,))) for i in inputs)
    _maximum(chain, negatives, shape)
    chain.add(affine(-1.0, 0.0))


def pool(kind: Pool, rows: int) -> Step:
    """The largest, mean or sum of each column of a matrix with `rows` rows."""
    return Step(
        lambda name, sources, place: SourcePool(
            name, sources, place, kind, (rows,), (1,), ((0, 0),)
        )
    )


COMBINE: Mapping[str, Callable[[Chain, tuple[int, ...], Shape], None]] = {
    "Add": _add, "Subtract": _subtract, "Multiply": _multiply, "Average": _average,
    "Maximum": _maximum, "Minimum": _minimum,
}  # fmt: skip
"""What each merge does with tensors of one shape: the steps that it adds to a chain."""


def plan_concatenate(settings: Settings) -> Build:
    """Concatenate, along any axis but the batch."""
    settings.allow("axis")
    axis = settings.get("axis", -1)
    if type(axis) is not int or axis == 0:
        raise Obstacle(f"axis={axis!r}; give the number of an axis behind the batch")
    return lambda site: joined(axis, site)


def joined(axis: int, site: Site) -> Built:
    """All sources along an axis, which counts the batch."""
    rank = len(site.shapes[0])
    at = axis - 1 if axis > 0 else axis + rank
    ranks = dict.fromkeys(len(shape) for shape in site.shapes)
    if len(ranks) > 1:
        raise misfit(f"the tensors have {' and '.join(map(str, ranks))} axes", site)
    if not 0 <= at < rank:
        raise misfit(f"axis {axis} of tensors of {rank} axes", site)
    if len({(*shape[:at], *shape[at + 1 :]) for shape in site.shapes}) > 1:
        where = "before the last axis" if at == rank - 1 else f"outside of axis {axis}"
        raise misfit(f"the tensors differ {where}", site)
    size = sum(shape[at] for shape in site.shapes)
    shape = (*site.shapes[0][:at], size, *site.shapes[0][at + 1 :])
    if len(site.sources) == 1:
        return (), shape
    return laid(site, (concat(-1 if at == rank - 1 else at),), shape)
