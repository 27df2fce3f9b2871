"""The integer bits that values need, as trace_minmax of HGQ 2 (arXiv 2405.00645) finds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flow.frontend.source import SourceModel, SourceQuantise, Trace
from flow.ir.tensor import IntArray

EPSILON = np.float32(1e-7)
NO_BITS = 32
"""Integer bits of an element whose quantiser has no bits in total."""


def traces(model: SourceModel) -> tuple[Trace, ...]:
    """The traces of the quantisers of a model, each key once."""
    found = [x.quantiser.trace for x in model.layers if isinstance(x, SourceQuantise)]
    return tuple({t.key: t for t in found if t is not None}.values())


def integer_bits(
    largest: NDArray[np.float32], fraction: IntArray | None, width: IntArray | None
) -> NDArray[np.float32]:
    """The integer bits of a magnitude, with the fraction bits or all bits but the sign given.

    In float32 but for the logarithm, whose float32 value differs between the backends of Keras: of
    a power of two some find one bit too many, which holds nothing.
    """
    if width is None:
        assert fraction is not None
        with np.errstate(divide="ignore"):
            return _ceil_log2(largest + np.exp2(-fraction.astype(np.float32)))
    room = np.float32(1) - np.exp2(-width.astype(np.float32)) + EPSILON
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = _ceil_log2((largest + EPSILON) / room)
    return np.where(width > 0, needed, np.float32(NO_BITS))


def _ceil_log2(x: NDArray[np.float32]) -> NDArray[np.float32]:
    mantissa, exponent = np.frexp(x)
    return np.where(mantissa == 0.5, exponent - 1, exponent).astype(np.float32)
