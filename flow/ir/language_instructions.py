"""Instructions of a language program: what each one writes, of vectors, arrays, tables and caches.

Names in capitals are numbers of `flow.ir.language`; `>>` rounds halves up, and every result
saturates to the range of the vector that it is written to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Embed:
    """to = embedding[token]"""

    op: ClassVar[str] = "embed"
    to: str


@dataclass(frozen=True, slots=True)
class Apply:
    """to[j] = sum over i of weights[j, i] * source[i]; the source is INT8. Nothing saturates.

    With `picks`, the array is the one that stands picks[slot] places after `array`.
    """

    op: ClassVar[str] = "apply"
    to: str
    source: str
    array: str
    picks: str = ""
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """to[i] = source[i] * table[i] >> shift

    With `picks`, the table has a part of the length of `to` for each expert, and picks[slot] names
    the part.
    """

    op: ClassVar[str] = "scale"
    to: str
    source: str
    table: str
    shift: int
    picks: str = ""
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Offset:
    """to[i] = source[i] + table[i] >> shift; `picks` as in Scale."""

    op: ClassVar[str] = "offset"
    to: str
    source: str
    table: str
    shift: int
    picks: str = ""
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Add:
    """to[i] = one[i] + other[i]"""

    op: ClassVar[str] = "add"
    to: str
    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Multiply:
    """to[i] = one[i] * other[i] >> shift"""

    op: ClassVar[str] = "multiply"
    to: str
    one: str
    other: str
    shift: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """to[i] = table[index + n / 2], index = source[i] >> shift, held in -n / 2 .. n / 2 - 1.

    n is the length of the table, a power of two.
    """

    op: ClassVar[str] = "lookup"
    to: str
    source: str
    table: str
    shift: int


@dataclass(frozen=True, slots=True)
class Normalise:
    """RMSNorm. root = floor(sqrt(sum of source[i]**2 + epsilon)), inverse = floor(2**INVERSE /
    root), unit[i] = source[i] * inverse >> INVERSE - UNIT, to[i] = unit[i] * table[i] >> shift.

    epsilon is at least 1, so that root is; as |source[i]| <= root + 1, unit has UNIT + 2 bits.
    """

    op: ClassVar[str] = "normalise"
    to: str
    source: str
    table: str
    shift: int
    epsilon: int


@dataclass(frozen=True, slots=True)
class Rotate:
    """Pairs of neighbours (a, b) of each head, turned by the position:
    (a * cos - b * sin >> shift, a * sin + b * cos >> shift); the shift is TURN or more.

    Pair p of a head has the angle of column p of cosines and sines `[positions, head size / 2]`.
    """

    op: ClassVar[str] = "rotate"
    to: str
    source: str
    shift: int


@dataclass(frozen=True, slots=True)
class Store:
    """cache[position] = source, which is INT8."""

    op: ClassVar[str] = "store"
    cache: str
    source: str


@dataclass(frozen=True, slots=True)
class Attend:
    """Attention of each query head h over positions 0 .. position; its keys and values are those
    of KV head g = h // (heads / KV heads).

    score[t] = sum over d of queries[h, d] * keys[t, g, d], top = max of score,
    share[t] = exponential(top - score[t] at the slope table[h], shift), total = sum of share,
    to[h, d] = (sum over t of share[t] * values[t, g, d]) * floor(2**SHARE / total)
    >> SHARE - FINER. An exponential of x at a slope: e = x * slope >> shift (FRACTION fraction
    bits), exponentials[e % 2**FRACTION] / 2**(e / 2**FRACTION), both divisions rounded down.
    With `sinks`, a table of the heads, sinks[h] * 2**rise is one more score, whose value is zero.
    With a `window` above 0, positions are the last `window` of them only.
    """

    op: ClassVar[str] = "attend"
    to: str
    queries: str
    keys: str
    values: str
    table: str
    shift: int
    sinks: str = ""
    rise: int = 0
    window: int = 0


@dataclass(frozen=True, slots=True)
class Select:
    """to[j] = the place of the j-th largest of source; of equals the first one is the larger."""

    op: ClassVar[str] = "select"
    to: str
    source: str


@dataclass(frozen=True, slots=True)
class Weigh:
    """share[j] = exponential(source[picks[0]] - source[picks[j]] at the slope table[0], shift),
    total = sum of share, to[j] = share[j] * floor(2**SHARE / total) >> SHARE - UNIT."""

    op: ClassVar[str] = "weigh"
    to: str
    source: str
    picks: str
    table: str
    shift: int


@dataclass(frozen=True, slots=True)
class Mix:
    """to[i] = source[i] * weights[slot] >> shift"""

    op: ClassVar[str] = "mix"
    to: str
    source: str
    weights: str
    slot: int
    shift: int


@dataclass(frozen=True, slots=True)
class Choose:
    """The next token: the first of the largest, or drawn.

    Drawn: share[i] = exponential(top - source[i] at the slope heat', shift), total = their sum;
    random is advanced (xorshift32) before each draw, point = random * total / 2**32 rounded down,
    and the token is the first whose running sum of shares is above the point. At a temperature of
    c hundredths, heat' = (heat * 100 + c / 2) / c rounded down, and at most 2**WORD - 1.
    """

    op: ClassVar[str] = "choose"
    source: str
    heat: int
    shift: int


Instruction = (
    Embed | Apply | Scale | Offset | Add | Multiply | Lookup | Normalise | Rotate | Store | Attend
    | Select | Weigh | Mix | Choose
)  # fmt: skip
