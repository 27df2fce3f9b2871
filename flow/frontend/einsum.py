"""An einsum of one activation with one constant kernel, as permutations and a dense layer.

The axes of both operands fall into four kinds: free (activation and output), shared (both operands
and output), summed (not in the output) and new (kernel and output). Without a shared axis the sum
is a dense layer over the free axes; with one it is a convolution of window 1 in groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.frontend.keras.steps import Obstacle, Step, affine, lay
from flow.frontend.source import (
    SourceConv,
    SourceDense,
    SourceGather,
    SourceLayer,
    SourceReshape,
    Weights,
)
from flow.ir.tensor import compact

Shape = tuple[int, ...]
Axes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Equation:
    """The axes of activation, kernel and output without the batch, each a letter or `...0`."""

    activation: Axes
    kernel: Axes
    output: Axes

    @property
    def free(self) -> Axes:
        """Axes of the activation that stay and that the kernel lacks, in the output's order."""
        return tuple(a for a in self.output if a in self.activation and a not in self.kernel)

    @property
    def shared(self) -> Axes:
        """Axes of both operands that stay."""
        return tuple(a for a in self.output if a in self.activation and a in self.kernel)

    @property
    def new(self) -> Axes:
        """Axes of the kernel alone."""
        return tuple(a for a in self.output if a not in self.activation)

    @property
    def summed(self) -> Axes:
        """Axes of the activation that do not stay."""
        return tuple(a for a in self.activation if a not in self.output)


def read_equation(text: str, rank: int) -> Equation:
    """The equation for an activation of `rank` axes without the batch, the batch being the first.

    Obstacle for anything but one activation and one kernel with distinct axes each.
    """
    compacted = "".join(text.split())
    left, arrow, right = compacted.partition("->")
    operands = left.split(",")
    if not arrow or len(operands) != 2:
        raise Obstacle(f"the equation {text!r}; write it as 'ab,bc->ac'")
    if "..." in operands[1]:
        raise Obstacle(f"the equation {text!r} has '...' in the kernel; name its axes")
    dots = rank + 1 - len(operands[0].replace("...", ""))
    activation, kernel, output = (_axes(part, dots, text) for part in (*operands, right))
    for axes in (activation, kernel, output):
        if len(set(axes)) != len(axes):
            raise Obstacle(f"an axis twice in one part of the equation {text!r}; use it once")
    if len(activation) != rank + 1:
        raise Obstacle(f"the equation {text!r} does not fit a tensor of {rank + 1} axes")
    batch = activation[0]
    if not output or output[0] != batch or batch in kernel:
        raise Obstacle(f"the equation {text!r} moves or sums the batch; keep it in front")
    known = set(activation) | set(kernel)
    lost = [a for a in output if a not in known] + [
        a for a in kernel if a not in activation and a not in output
    ]
    if lost:
        raise Obstacle(f"the axis {lost[0]!r} of the equation {text!r} is in one part only")
    return Equation(activation[1:], kernel, output[1:])


def lay_einsum(
    equation: str,
    input_shape: Shape,
    kernel: Weights,
    bias: Weights | None,
    name: str,
    sources: tuple[str, ...],
    place: str,
) -> tuple[tuple[SourceLayer, ...], Shape]:
    """The layers of output = einsum(equation, x, kernel) + bias, and the shape of the output.

    Shapes are without the batch, which the equation has in front, as in Keras' EinsumDense. The
    bias broadcasts from the last axis of the output. Obstacle where the equation or a shape does
    not fit.
    """
    parts = read_equation(equation, len(input_shape))
    sizes = _sizes(parts, input_shape, kernel.values.shape, equation)
    output = tuple(sizes[a] for a in parts.output)
    free, shared, new, summed = (
        tuple(sizes[a] for a in axes)
        for axes in (parts.free, parts.shared, parts.new, parts.summed)
    )
    order = parts.free + parts.shared + parts.summed
    groups, inputs, filters = math.prod(shared), math.prod(summed), math.prod(new)
    places = free or (1,)
    if groups > 1:
        places = (math.prod(free),)
    flat = _matrix(kernel, parts, sizes)
    inner, outer = _split_bias(bias, output, parts, sizes)
    moved = (*places, groups * inputs) if free or groups > 1 else (groups * inputs,)
    steps = [_permuted(parts.activation, order, input_shape, moved)]
    if groups > 1:
        steps.append(_grouped(flat, inner, groups))
    else:
        steps.append(
            Step(lambda name, sources, place: SourceDense(name, sources, place, flat, inner))
        )
    made = (*moved[:-1], groups * filters)
    laid = parts.free + parts.shared + parts.new
    steps.append(_permuted(laid, parts.output, tuple(sizes[a] for a in laid), output, made))
    if outer is not None:
        steps.append(affine(np.float64(1.0), np.asarray(outer, np.float64)))
    return lay([s for s in steps if s is not None], name, sources, place), output


def _axes(part: str, dots: int, text: str) -> Axes:
    before, found, after = part.partition("...")
    letters = before + after
    if (letters and not letters.isalpha()) or dots < 0:
        raise Obstacle(f"the equation {text!r} does not fit the tensor, or is none")
    middle = tuple(f"...{i}" for i in range(dots)) if found else ()
    return (*before, *middle, *after)


def _sizes(parts: Equation, activation: Shape, kernel: Shape, equation: str) -> Mapping[str, int]:
    sizes = dict(zip(parts.activation, activation, strict=True))
    if len(kernel) != len(parts.kernel):
        raise Obstacle(f"a kernel of shape {list(kernel)} does not fit the equation {equation!r}")
    for axis, size in zip(parts.kernel, kernel, strict=True):
        if sizes.setdefault(axis, size) != size:
            raise Obstacle(
                f"a kernel of shape {list(kernel)} does not fit a tensor of shape "
                f"{list(activation)} in the equation {equation!r}"
            )
    return sizes


def _matrix(kernel: Weights, parts: Equation, sizes: Mapping[str, int]) -> Weights:
    """The kernel as (summed, shared * new), an axis that it lacks being repeated."""
    order = parts.summed + parts.shared + parts.new
    shape = tuple(sizes[a] for a in order)
    there = [a for a in order if a in parts.kernel]
    permuted = [parts.kernel.index(a) for a in there]
    slots = tuple(sizes[a] if a in parts.kernel else 1 for a in order)
    rows = math.prod(sizes[a] for a in parts.summed)
    columns = math.prod(sizes[a] for a in parts.shared + parts.new)

    def place(array: NDArray[Any]) -> NDArray[Any]:
        whole = np.broadcast_to(array, kernel.values.shape).transpose(permuted)
        return np.broadcast_to(whole.reshape(slots), shape).reshape(rows, columns)

    return _mapped(kernel, place)


def _mapped(weights: Weights, place: Callable[[NDArray[Any]], NDArray[Any]]) -> Weights:
    step = weights.step
    if step is not None and step.ndim:
        step = compact(place(step))
    return Weights(np.ascontiguousarray(place(weights.values)), step)


def _split_bias(
    bias: Weights | None, output: Shape, parts: Equation, sizes: Mapping[str, int]
) -> tuple[Weights | None, NDArray[np.float64] | None]:
    """The bias as one of the dense layer if it does not differ along free axes, else as it is."""
    if bias is None:
        return None, None
    if bias.values.ndim > len(output):
        raise Obstacle(f"a bias of shape {list(bias.values.shape)} on a tensor {list(output)}")
    shape = (1,) * (len(output) - bias.values.ndim) + bias.values.shape
    differing = [a for a, n in zip(parts.output, shape, strict=True) if n > 1]
    if any(a in parts.free for a in differing):
        return None, bias.values
    kept = [i for i, a in enumerate(parts.output) if a not in parts.free]
    order = [parts.output.index(a) for a in parts.shared + parts.new]
    target = tuple(output[i] for i in order)

    def place(array: NDArray[Any]) -> NDArray[Any]:
        whole = np.broadcast_to(array, bias.values.shape).reshape(shape)
        small = whole.reshape(tuple(shape[i] for i in kept))
        ranks = [sorted(order).index(i) for i in order]
        return np.broadcast_to(small.transpose(ranks), target).reshape(-1)

    return _mapped(bias, place), None


def _permuted(
    axes: Axes, order: Axes, shape: Shape, target: Shape, held: Shape | None = None
) -> Step | None:
    """The elements of `shape` in another order of its axes, as `target`; None if that is nothing.

    `held` is the shape in which they come, if it is another.
    """
    indices = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    indices = indices.transpose([axes.index(a) for a in order])
    if (indices.reshape(-1) == np.arange(indices.size)).all():
        if target == (held or shape):
            return None
        return Step(lambda name, sources, place: SourceReshape(name, sources, place, target))
    gathered = indices.reshape(target)
    return Step(lambda name, sources, place: SourceGather(name, sources, place, gathered))


def _grouped(flat: Weights, bias: Weights | None, groups: int) -> Step:
    """A convolution of window 1 whose channels are the groups times the inputs."""
    shape = flat.values.shape
    kernel = _mapped(flat, lambda array: np.broadcast_to(array, shape)[np.newaxis])
    return Step(
        lambda name, sources, place: SourceConv(
            name, sources, place, kernel, bias, (1,), ((0, 0),), (1,), groups
        )
    )
