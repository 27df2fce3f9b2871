"""The scripts that synthesis tries at each effort, and on how large a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Variant:
    """A script: named steps, each one or more ABC commands; those from `map` on have cells.

    It runs on graphs of at most `largest` gates.
    """

    name: str
    steps: tuple[tuple[str, str], ...]
    largest: int = 1_000_000

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands, a step each."""
        return tuple(command for _, command in self.steps)


def _variant(name: str, *commands: str, largest: int = 1_000_000) -> Variant:
    steps = [("sweep", "strash; ifraig; scorr"), *(c.split(":", 1) for c in commands)]
    return Variant(name, tuple((step, command.strip()) for step, command in steps), largest)


_MAP, _CHOICES = "map: amap -m", "map: strash; dch -f; amap -m"
_RESUB = "orchestrate: orchestrate; strash"

PLAIN = _variant("plain", _MAP)
CHOICES = _variant("choices", _CHOICES, largest=60_000)
REWRITE = _variant("rewrite", "dc2: dc2; dc2; strash", _CHOICES, largest=10_000)
TWICE = _variant("twice", _CHOICES, "remap: strash; dch -f; amap -m", largest=4_000)
RESUB = _variant("resub", _RESUB, _RESUB, _CHOICES, largest=4_000)
CARES = _variant(
    "cares", _RESUB, _CHOICES, "dontcare: mfs3 -a -e -M 300 -C 100", largest=600
)  # fmt: skip
SWEEPER = _variant("sweeper", _MAP, "dontcare: mfs3 -a -e -C 1000", largest=400)
DEEP = _variant("deep", "deepsyn: &get -n; &deepsyn -I 2 -J 5; &put; strash", _CHOICES,
                "dontcare: mfs3 -a -e -M 300 -C 100", largest=400)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Effort:
    """What is tried: scripts on the whole graph, and the same ones on what is left without adders.

    `sweeps` go into the choice of the form of each adder, as long as they make fewer than
    `moves`. Limits are numbers of gates and of moves, not seconds, so the outcome is the same on
    every machine.
    """

    variants: tuple[Variant, ...]
    sweeps: int
    moves: int
    kinds: tuple[tuple[int, ...], ...]


EFFORTS: Mapping[str, Effort] = {
    "fast": Effort((PLAIN, CHOICES), 20, 200_000, ((2, 3),)),
    "normal": Effort(
        (PLAIN, CHOICES, REWRITE, TWICE, RESUB, CARES), 100, 2_000_000, ((2, 3), (3,))
    ),
    "high": Effort(
        (
            PLAIN, replace(CHOICES, largest=200_000), replace(REWRITE, largest=200_000),
            replace(TWICE, largest=20_000), replace(RESUB, largest=60_000),
            replace(CARES, largest=2_000), replace(SWEEPER, largest=1_000),
            replace(DEEP, largest=2_000),
        ),
        400, 10_000_000, ((2, 3), (3,)),
    ),
}  # fmt: skip
"""By name. The first of equal area wins."""

LARGEST_WHOLE = 60_000
"""Gates above which the whole graph is not mapped where most of it are adders."""
