"""Rows of weights as integers of few magnitudes, and the scale that makes each row real again."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.language.codes import BLOCK, VALUES, coded
from flow.frontend.language.rows import Block, Kind

Form = Literal["fp4", "mxfp4", "ternary", "int4"]
FORMS: tuple[Form, ...] = get_args(Form)
MOST_SPREAD = 16
"""Powers of two that the scales of one neuron's blocks may be apart."""
MOST_INTEGER = 1 << 15
_E2M1 = np.array(VALUES["mxfp4"][7:], np.int32)
_STORED = np.concatenate([_E2M1, -_E2M1])
"""Doubled E2M1 by its four bits (OCP Microscaling Formats 1.0, table 5)."""
SCALE_OF_NAN = 255
_BIAS = 128
"""Of scales in E8M0, whose bias is one less, for integers that are doubled."""


def integers(
    block: Block, kind: Kind, form: Form, first: int = 0
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Integers `[rows, inputs]` and a scale for each row (row 0 is neuron `first`).

    Integers of a file stay what they are. Blocks of MXFP4 with different scales stay exact: the
    smallest scale becomes that of the row. UsageError where that takes too many bits.
    """
    if kind == "integer":
        whole = block[0]
        if np.abs(whole.astype(np.float64)).max(initial=0) > MOST_INTEGER:
            raise UsageError(
                f"integer weights above {MOST_INTEGER} are not hardwired",
                hint="save floats to have them quantised",
            )
        return whole.astype(np.int32), np.ones(len(whole))
    if kind == "mxfp4":
        codes, stored = block
        if (nan := (stored == SCALE_OF_NAN).any(axis=1)).any():
            raise UsageError(
                f"a scale of neuron {first + int(np.argmax(nan))} is NaN",
                hint="the file is damaged",
            )
        return _aligned(*stored_values(codes, stored), first)
    matrix = block[0].astype(np.float32)
    found = coded(matrix, form)
    if form != "mxfp4":
        return found.integers.astype(np.int32), found.scales[:, 0]
    rows, inputs = matrix.shape
    exponents = np.log2(found.scales).astype(np.int64)
    padded = np.zeros((rows, exponents.shape[1] * BLOCK), np.int32)
    padded[:, :inputs] = found.integers
    aligned, scales = _aligned(padded.reshape(rows, -1, BLOCK), exponents, first)
    return aligned[:, :inputs], scales


def stored_values(
    codes: NDArray[np.uint8], scales: NDArray[np.uint8]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Doubled E2M1 `[..., blocks, 32]` of bytes `[..., blocks, 16]`, the lower half first, and the
    power of two of each block; a scale of 255, which is NaN, is up to the caller."""
    low, high = _STORED[codes & 15], _STORED[codes >> 4]
    values = np.stack([low, high], axis=-1).reshape(*codes.shape[:-1], BLOCK)
    return values, scales.astype(np.int64) - _BIAS


def _aligned(
    values: NDArray[np.int32], exponents: NDArray[np.int64], first: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Blocks `[rows, blocks, 32]` over one power of two for each row."""
    empty = np.all(values == 0, axis=2)
    lowest = np.where(empty, 1 << 20, exponents).min(axis=1)
    lowest = np.where(np.all(empty, axis=1), 0, lowest)
    shifts = np.where(empty, 0, exponents - lowest[:, None])
    if shifts.max(initial=0) > MOST_SPREAD:
        row = int(np.argmax(shifts.max(axis=1) > MOST_SPREAD))
        raise UsageError(
            f"the scales of neuron {first + row} are 2**{shifts[row].max()} apart",
            hint=f"at most 2**{MOST_SPREAD} is hardwired",
        )
    whole: NDArray[np.int32] = (values << shifts[:, :, None].astype(np.int32)).reshape(
        len(values), -1
    )
    return whole, np.exp2(lowest.astype(np.float64))
