"""What is known of a tensor of a SourceModel before it has integers: its grid, sign, narrowness."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

import numpy as np

from flow.frontend.exact.rational import common_divisor, hull_divisor, rational
from flow.frontend.float_layers import pool_counts
from flow.frontend.functions import alpha, clip_ends
from flow.frontend.quantisation.rewire import named, only_reader
from flow.frontend.shapes import source_shapes
from flow.frontend.source import (
    Quantiser,
    SourceActivation,
    SourceAdd,
    SourceAffine,
    SourceConcat,
    SourceConv,
    SourceDense,
    SourceGather,
    SourceInput,
    SourceLayer,
    SourceModel,
    SourceMultiply,
    SourcePool,
    SourceQuantise,
    SourceReshape,
    SourceTableSum,
)
from flow.ir.tensor import compact


def unit(model: SourceModel, name: str) -> Fraction:
    """A rational of which every value of the tensor is a multiple, up to its offset."""
    layer = named(model, name)
    match layer:
        case SourceQuantise(quantiser=quantiser):
            return hull_divisor(rational(quantiser.step))
        case SourceDense(kernel=kernel) | SourceConv(kernel=kernel) if kernel.step is not None:
            return unit(model, layer.sources[0]) * hull_divisor(rational(kernel.step))
        case SourceAffine(multiplier=multiplier):
            return unit(model, layer.sources[0]) * hull_divisor(rational(multiplier))
        case SourceTableSum(step=step):
            return hull_divisor(rational(step))
        case SourcePool(pool="average"):
            return unit(model, layer.sources[0]) / _counts(model, layer)
        case SourceMultiply():
            product = Fraction(1)
            for source in layer.sources:
                product *= unit(model, source)
            return product
        case SourceActivation():
            return unit(model, layer.sources[0]) * _slope(layer)
        case SourceInput():
            return Fraction(1)
        case _:
            return common_divisor(*(unit(model, s) for s in layer.sources))


def _counts(model: SourceModel, layer: SourcePool) -> int:
    counts = pool_counts(layer, source_shapes(model)[layer.sources[0]])
    return lcm(*{int(n) for n in counts.ravel().tolist()})


def _slope(layer: SourceActivation) -> Fraction:
    if layer.function == "leaky_relu":
        return common_divisor(Fraction(1), Fraction(alpha(layer.parameters)))
    ends = clip_ends(layer.function, layer.parameters)
    return Fraction(1) if ends is None else ends[0]


def read_quantisers(model: SourceModel, name: str) -> list[tuple[Quantiser | None, str]]:
    """The quantisers that narrow a tensor with the tensors before them; None where none does."""
    layer = named(model, name)
    if isinstance(layer, SourceQuantise):
        return [(layer.quantiser, layer.sources[0])]
    if not narrow(model, name):
        return [(None, name)]
    return [found for source in layer.sources for found in read_quantisers(model, source)]


def quantiser_bits(q: Quantiser) -> int:
    """Bits of a wire that holds every integer of the quantiser."""
    low, high = int(np.min(q.lo)), int(np.max(q.hi))
    return max(high, ~low).bit_length() + (low < 0)


def narrow(model: SourceModel, name: str) -> bool:
    """Whether the tensor has the few bits of a quantiser."""
    layer = named(model, name)
    match layer:
        case SourceQuantise():
            return True
        case SourceReshape() | SourceConcat() | SourceGather() | SourcePool(pool="max"):
            return all(narrow(model, s) for s in layer.sources)
        case SourceActivation(function="relu"):
            return narrow(model, layer.sources[0])
        case SourceAffine(multiplier=multiplier):
            # A factor for all elements is a matter of the scale, and an offset of the next sums.
            return compact(multiplier).ndim == 0 and narrow(model, layer.sources[0])
        case _:
            return False


def unsigned(model: SourceModel, name: str) -> bool:
    """Whether no value of the tensor is negative, whatever the data."""
    layer = named(model, name)
    match layer:
        case SourceActivation(
            function="relu"
            | "sigmoid"
            | "hard_sigmoid"
            | "abs"
            | "square"
            | "exponential"
            | "softplus"
            | "sqrt"
            | "squareplus"
            | "sparse_plus"
        ):
            return True
        case SourceAffine(multiplier=m, offset=b):
            return bool((m >= 0).all() and (b >= 0).all()) and unsigned(model, layer.sources[0])
        case SourceGather(fill=fill) if fill < 0:
            return False
        case SourceQuantise(quantiser=q):
            return bool((q.lo if isinstance(q.lo, int) else q.lo.min()) >= 0)
        case (
            SourceReshape()
            | SourceConcat()
            | SourceAdd()
            | SourcePool()
            | SourceGather()
            | SourceMultiply()
        ):
            return all(unsigned(model, s) for s in layer.sources)
        case _:
            return False


def biased(model: SourceModel, name: str) -> SourceDense | SourceConv | None:
    """The layer whose bias shifts this tensor and no other, if there is one."""
    layer: SourceLayer = named(model, name)
    if name in model.outputs:
        return None
    while _moves(layer):
        above = layer.sources[0]
        if only_reader(model, above) is None:
            return None
        layer = named(model, above)
    if not isinstance(layer, SourceDense | SourceConv):
        return None
    return layer if layer.bias is None or layer.bias.step is None else None


def _moves(layer: SourceLayer) -> bool:
    """Whether adding a number before the layer is adding it behind, where that is not below 0."""
    match layer:
        case SourceActivation(function="relu", parameters=()) | SourceReshape():
            return True
        case SourcePool(pool="max"):
            return True
        case SourceGather(indices=indices):
            return bool((indices >= 0).all())
        case _:
            return False
