"""The scripts that synthesis tries for each objective and effort, and on how large a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Variant:
    """A script: named steps, each one or more ABC commands; those that map leave cells.

    It runs on graphs of at most `largest` gates, and with `whole` on no graph without its adders.
    """

    name: str
    steps: tuple[tuple[str, str], ...]
    largest: int = 1_000_000
    whole: bool = False

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands, a step each."""
        return tuple(command for _, command in self.steps)


def _variant(name: str, *commands: str, largest: int = 1_000_000, whole: bool = False) -> Variant:
    steps = [("sweep", "strash; ifraig; scorr"), *(c.split(":", 1) for c in commands)]
    return Variant(name, tuple((step, command.strip()) for step, command in steps), largest, whole)


_MAP, _CHOICES = "map: amap -m", "map: strash; dch -f; amap -m"
_RESUB = "orchestrate: orchestrate; strash"

_TRIM = (
    "trim: strash; balance -l; resub -K 6 -l; rewrite -l; resub -K 6 -N 2 -l; refactor -l; "
    "resub -K 8 -l; balance -l; resub -K 8 -N 2 -l; rewrite -l"
)
_TRIM_WIDE = (
    "wide: resub -K 10 -l; rewrite -z -l; resub -K 10 -N 2 -l; balance -l; resub -K 12 -l; "
    "refactor -z -l; resub -K 12 -N 2 -l; rewrite -z -l; balance -l"
)

PLAIN = _variant("plain", _MAP)
CHOICES = _variant("choices", _CHOICES, largest=60_000)
REWRITE = _variant("rewrite", "dc2: dc2; dc2; strash", _CHOICES, largest=30_000)
SQUEEZE = _variant("squeeze", _TRIM, _TRIM_WIDE, _CHOICES, largest=30_000)
TIGHT = _variant("tight", *3 * (_TRIM, _TRIM_WIDE, _CHOICES), largest=60_000)
TWICE = _variant("twice", _CHOICES, "remap: strash; dch -f; amap -m", largest=4_000)
RESUB = _variant("resub", _RESUB, _RESUB, _CHOICES, largest=4_000)
CARES = _variant(
    "cares", _RESUB, _CHOICES, "dontcare: mfs3 -a -e -M 300 -C 100", largest=600
)  # fmt: skip
SWEEPER = _variant("sweeper", _MAP, "dontcare: mfs3 -a -e -C 1000", largest=400)
DEEP = _variant("deep", "deepsyn: &get -n; &deepsyn -I 1 -J 1; &put; strash", _CHOICES,
                largest=2_000, whole=True)  # fmt: skip
DEEPER = _variant("deeper", "deepsyn: &get -n; &deepsyn -I 2 -J 5; &put; strash", _CHOICES,
                  "dontcare: mfs3 -a -e -M 300 -C 100", largest=3_000, whole=True)  # fmt: skip
_BUFFERS = "; buffer -c; upsize; dnsize"
_SIZES = f"map -B 0.9; topo{_BUFFERS}"
SPEED = _variant("speed", f"map: strash; dch -f; {_SIZES}", largest=60_000)
SHALLOW = _variant("shallow", "shallow: strash; dch -f; if -g -K 6; strash",
                   f"map: dch -f; {_SIZES}", largest=20_000)  # fmt: skip
TWOFOLD = _variant("twofold", "balance: &get -n; &st; &syn3; &syn3; &put; strash",
                   f"map: dch -f; {_SIZES}", largest=20_000)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Effort:
    """What is tried: scripts on the whole graph, and the same ones on what is left without adders.

    `sweeps` go into the choice of the form of each adder, as long as they make fewer than
    `moves`. Limits are numbers of gates and of moves, not seconds, so the outcome is the same on
    every machine. With `quick`, all is tried on graphs with trees of carries, too; `timed` is the
    number of gates up to which every mapped netlist is timed.
    """

    variants: tuple[Variant, ...]
    sweeps: int
    moves: int
    kinds: tuple[tuple[int, ...], ...]
    quick: bool = False
    timed: int = 5_000


def without_buffers(variant: Variant) -> Variant:
    """The script for a library that has no buffer, in which ABC cannot size cells."""
    steps = tuple((step, command.replace(_BUFFERS, "")) for step, command in variant.steps)
    return replace(variant, steps=steps)


AREA: Mapping[str, Effort] = {
    "fast": Effort((PLAIN, CHOICES), 20, 200_000, ((2, 3),)),
    "normal": Effort(
        (PLAIN, CHOICES, REWRITE, SQUEEZE, TWICE, RESUB, CARES, DEEP),
        100, 2_000_000, ((2, 3), (3,)),
    ),
    "high": Effort(
        (
            PLAIN, replace(CHOICES, largest=200_000), replace(REWRITE, largest=200_000),
            replace(SQUEEZE, largest=200_000), TIGHT, replace(TWICE, largest=20_000),
            replace(RESUB, largest=60_000), replace(CARES, largest=2_000),
            replace(SWEEPER, largest=1_000), replace(DEEP, largest=6_000), DEEPER,
        ),
        400, 10_000_000, ((2, 3), (3,)),
    ),
}  # fmt: skip
"""By the name of an effort. The first of equal area wins."""

EVERY = 1_000_000_000

DELAY: Mapping[str, Effort] = {
    "fast": Effort((PLAIN, SPEED), 20, 200_000, (), True, EVERY),
    "normal": Effort((PLAIN, SPEED, SHALLOW), 20, 200_000, (), True, EVERY),
    "high": Effort(
        (PLAIN, replace(SPEED, largest=200_000), replace(SHALLOW, largest=60_000), TWOFOLD),
        20, 200_000, (), True, EVERY,
    ),
}  # fmt: skip
"""Adders are left to the mapper, which knows which of their inputs come last."""

BALANCED: Mapping[str, Effort] = {
    "fast": Effort((PLAIN, SPEED), 20, 200_000, ((2, 3),), True, EVERY),
    "normal": Effort((PLAIN, CHOICES, SPEED), 100, 2_000_000, ((2, 3),), True, EVERY),
    "high": Effort(
        (
            PLAIN, replace(CHOICES, largest=200_000), replace(REWRITE, largest=200_000),
            replace(SPEED, largest=200_000), SHALLOW, TWOFOLD,
        ),
        400, 10_000_000, ((2, 3), (3,)), True, EVERY,
    ),
}  # fmt: skip

EFFORTS: Mapping[str, Mapping[str, Effort]] = {
    "area": AREA,
    "delay": DELAY,
    "balanced": BALANCED,
}
"""By objective, then by effort."""

LARGEST_WHOLE = 60_000
"""Gates above which the whole graph is not mapped where most of it are adders."""
