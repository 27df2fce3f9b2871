"""The array and its memories as numbers, and the descriptor that tells the sequencer of a layer."""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass, fields

from flow.errors import UsageError


@dataclass(frozen=True, slots=True)
class ArrayShape:
    """`rows` neurons by `cols` samples at a time; `macs` neurons by `cols` samples in the MACs.

    UsageError where rows is no multiple of twice macs, or macs is no power of two above 1.
    """

    rows: int = 32
    cols: int = 8
    macs: int = 4

    def __post_init__(self) -> None:
        lanes = self.rows // self.macs if self.macs > 1 else 0
        whole = lanes * self.macs == self.rows and lanes > 1
        if not whole or self.macs & (self.macs - 1) or lanes & (lanes - 1) or self.cols < 1:
            raise UsageError(
                f"an array of {self.rows} x {self.cols} with {self.macs} rows of MACs",
                hint="take powers of two: rows at least twice the rows of MACs, and those above 1",
            )

    @property
    def lanes(self) -> int:
        """Writes of the MACs that fill a word of the image memory."""
        return self.rows // self.macs

    @property
    def pairs(self) -> int:
        """Pairs of activations in a word."""
        return self.rows // 2


_SHAPE = re.compile(r"(\d{1,4})x(\d{1,4})(?:x(\d{1,4}))?", re.ASCII)
MOST_ROWS, MOST_COLS = 256, 64


def parse_shape(text: str) -> ArrayShape:
    """An array from ROWSxCOLS, or ROWSxCOLSxMACS with rows of MACs, an eighth of the rows else.

    UsageError where it is none, or has more than 256 rows or 64 columns.
    """
    found = _SHAPE.fullmatch(text)
    if not found or int(found[1]) > MOST_ROWS or int(found[2]) > MOST_COLS:
        raise UsageError(
            f"{text!r} is no array of up to {MOST_ROWS} x {MOST_COLS} elements",
            hint="write 32x8 for 32 neurons of 8 samples at a time, 32x8x4 for 4 rows of MACs",
        )
    rows, cols = int(found[1]), int(found[2])
    return ArrayShape(rows, cols, int(found[3]) if found[3] else max(2, rows // 8))


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One segment of a layer for rtl/tulip_control.v: fields of 16 bits, in their order.

    Addresses are words. A window has `rows` rows of `taps` places of `tap_words` words; of each
    word `full_items` pairs (or integers, or bits) are taken, of the last of a place `last_items`.
    `position_*` are steps of the address from one result to the next, `row_step` and `tap_step`
    those within a window, which begins at `start_*` and at the address `origin`.
    """

    flags: int
    program: int
    height: int
    width: int
    origin: int
    rows: int
    taps: int
    tap_words: int
    last_items: int
    full_items: int
    stride_y: int
    stride_x: int
    start_y: int
    start_x: int
    dilation_y: int
    dilation_x: int
    position_y: int
    position_x: int
    row_step: int
    tap_step: int
    out_rows: int
    out_cols: int
    out_base: int
    out_words: int
    leaf_base: int
    constant_base: int
    class_base: int
    tiles: int
    first_segment: int

    @property
    def word(self) -> int:
        """The fields from bit 0, each of 16 bits, two's complement."""
        return sum((value & 0xFFFF) << 16 * k for k, value in enumerate(astuple(self)))

    @property
    def items(self) -> int:
        """What is taken in one window."""
        last = self.full_items * (self.tap_words - 1) + self.last_items
        return self.rows * self.taps * last


FIELDS = len(fields(Descriptor))
MAC, OWN, PIXELS, SCORES, LAST, STOP, CLASSES, KERNEL, SINGLE, RESUMED = (1 << k for k in range(10))
"""Flags of a descriptor: see rtl/tulip_control.v."""
