"""Words of the chip's sequencer: one pass over a vector, or one step of its control.

A pass takes `outer` times `inner` pairs of operands a and b, multiplies and adds the inner ones,
and writes each sum, shifted and saturated. The sequencer is rtl/lpu_control.v, the lane that takes
the passes rtl/lpu_lane.v.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from flow.errors import InternalError

FIELD = 16
"""Bits of a field of a word."""
FIELDS = 22
SHIFT_BITS, EPSILON_BITS = 8, 48
WIRED_BITS = SHIFT_BITS + EPSILON_BITS
"""Bits of a word that depend on weights, in a table of their own."""


class Op(IntEnum):
    """What a word does."""

    END = 0
    PASS = 1
    APPLY = 2
    ROOT = 3
    DIVIDE = 4
    ASKED = 5
    GREEDY = 6
    POINT = 7
    TAKE = 8


class A(IntEnum):
    """Where the first operand of a pass comes from."""

    SCRATCH = 0
    EMBEDDING = 1
    ARRAY = 2
    LITERAL = 3


class B(IntEnum):
    """Where the second operand of a pass comes from."""

    ONE = 0
    SCRATCH = 1
    FACTORS = 2
    INVERSE = 3
    HEAT = 4
    CACHE = 5
    TURN = 6


class Post(IntEnum):
    """What becomes of a shifted sum."""

    NONE = 0
    LOOKUP = 1
    EXPONENTIAL = 2


class To(IntEnum):
    """Where a result goes."""

    NOWHERE = 0
    SCRATCH = 1
    CACHE = 2
    PLANES = 3


def literal(value: int, stride: int = 0) -> int:
    """The field `epsilon` of a pass: an operand of 32 bits, and what an expert is multiplied by."""
    return value & 0xFFFFFFFF | stride << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word of the sequencer; `of` is the number of the program's instruction that it is part of.

    Addresses advance by `*_inner` and `*_outer`. `below` takes the difference from the largest so
    far for operand a; `seen_*` count positions 0 .. position; `odd` is the second of a turned
    pair; `track`, `total` and `draw` say what is kept of the results, `keep` that it goes on from
    what an earlier pass has kept. With a `window` above 0, only that many of the last positions
    count. TAKE makes the place of the largest the expert, or with `track` its value; `pick_*` add
    the expert to an address (times the `stride`) or to the number of the array. An operand LITERAL
    is the epsilon below the stride.
    """

    op: Op
    of: int = -1
    a: A = A.SCRATCH
    below: bool = False
    b: B = B.ONE
    odd: bool = False
    seen_outer: bool = False
    seen_inner: bool = False
    post: Post = Post.NONE
    to: To = To.NOWHERE
    track: bool = False
    total: bool = False
    draw: bool = False
    keep: bool = False
    window: int = 0
    pick_a: bool = False
    pick_b: bool = False
    pick_d: bool = False
    pick_array: bool = False
    outer: int = 0
    inner: int = 1
    a_base: int = 0
    a_inner: int = 0
    a_outer: int = 0
    b_base: int = 0
    b_inner: int = 0
    b_outer: int = 0
    d_base: int = 0
    d_outer: int = 0
    shift: int = 0
    bits: int = 32
    lookup: int = 0
    lookup_bits: int = 0
    phase: int = 0
    array: int = 0
    epsilon: int = 0

    @property
    def fixed(self) -> int:
        """The word without what depends on weights."""
        return replace(self, shift=0, epsilon=0).encode()

    @property
    def wired(self) -> int:
        """What depends on weights: the shift below the epsilon."""
        self.encode()
        return self.shift | self.epsilon << SHIFT_BITS

    def encode(self) -> int:
        """The word as a number of FIELDS fields; InternalError where a value has no room."""
        flags = (
            self.op | self.a << 4 | self.below << 6 | self.b << 7 | self.odd << 10
            | self.seen_outer << 11 | self.seen_inner << 12 | self.post << 13
        )  # fmt: skip
        kept = (
            self.to | self.track << 2 | self.total << 3 | self.draw << 4 | self.keep << 5
            | (self.window > 0) << 6 | self.pick_a << 7 | self.pick_b << 8 | self.pick_d << 9
            | self.pick_array << 10
        )  # fmt: skip
        parts = (
            (flags, 1), (kept, 1), (self.outer, 1), (self.inner, 1),
            (self.a_base, 2), (self.a_inner, 1), (self.a_outer, 1),
            (self.b_base, 2), (self.b_inner, 1), (self.b_outer, 1),
            (self.d_base, 2), (self.d_outer, 1), (self.shift | self.bits << 8, 1),
            (self.lookup, 1), (self.lookup_bits | self.phase << 8, 1), (self.array, 1),
            (self.epsilon, 3),
        )  # fmt: skip
        word = place = 0
        for value, fields in parts:
            if not 0 <= value < 1 << FIELD * fields:
                raise InternalError(f"{value} does not fit a word of the sequencer: {self}")
            word |= value << FIELD * place
            place += fields
        assert place == FIELDS
        return word
