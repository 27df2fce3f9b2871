"""One call of a Keras layer, and what builds the source layers of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.hgq.weights import Branch
from flow.frontend.keras.calls import Call
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.steps import Step, gather, lay, reshape
from flow.frontend.source import SourceLayer
from flow.ir.tensor import IntArray

Shape = tuple[int, ...]
Built = tuple[tuple[SourceLayer, ...], Shape]
"""The source layers of one call (none where the layer changes nothing) and the result's shape."""


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One call of a layer: the name of its result, what it reads, and its weights by name.

    `output` is the number of the result among those of the call.
    """

    name: str
    place: str
    sources: tuple[str, ...]
    shapes: tuple[Shape, ...]
    weights: Callable[[Sequence[str]], Mapping[str, NDArray[np.float32]]]
    branch: Callable[[], Branch]
    call: Call = field(default_factory=Call)
    output: int = 0


Build = Callable[[Site], Built]
Plan = Callable[[Settings], Build]


def laid(site: Site, steps: Sequence[Step], shape: Shape) -> Built:
    """The chain of steps under the names of the call."""
    return lay(steps, site.name, site.sources, site.place), shape


def moved(indices: IntArray, shape: Shape, fill: float = 0.0) -> tuple[Step, ...]:
    """The step from a tensor of `shape` to its elements at flat `indices`, -1 being `fill`.

    A reshape where the order stays, nothing where all does.
    """
    count = int(np.prod(shape, dtype=np.int64))
    if indices.size == count and (indices.reshape(-1) == np.arange(count)).all():
        return () if indices.shape == shape else (reshape(indices.shape),)
    return (gather(np.ascontiguousarray(indices), fill),)


def places(shape: Shape) -> IntArray:
    """The flat index of every element of a tensor."""
    return np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.int64).reshape(shape)


def elementwise(steps: tuple[Step, ...]) -> Build:
    """A layer that is the same chain for every tensor and keeps its shape."""
    return lambda site: laid(site, steps, site.shapes[0])


def misfit(message: str, site: Site) -> UsageError:
    """The error of weights or shapes that do not belong together."""
    return UsageError(
        message, where=site.place, hint="give the weights and the configuration of one model"
    )


def check_shapes(
    arrays: Mapping[str, NDArray[Any]], expected: Mapping[str, Shape], site: Site
) -> None:
    """UsageError for a weight whose shape is not the expected one."""
    for name, array in arrays.items():
        if array.shape != expected[name]:
            raise misfit(
                f"the {name} has the shape {list(array.shape)}, not {list(expected[name])}", site
            )
