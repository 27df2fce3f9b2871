"""The corpus: what is written by hand for a kind, then cuts and flips of a whole file, 300 each."""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from hostile import circuit_cases, keras_cases, language_cases, onnx_cases, own_cases
from hostile.arena import ANY, REFUSED, Case
from hostile.mutate import cuts, flips, mutant
from hostile.wholes import whole

COUNT = 300
"""Inputs of each kind."""
SEED = 8
HAND = {
    **keras_cases.CASES, **onnx_cases.CASES, **language_cases.CASES, **circuit_cases.CASES,
    **own_cases.CASES,
}  # fmt: skip
KINDS = tuple(HAND)
"""Every kind of input, in the order of the campaign."""
FAILS = (0, 2, 3, 5)
"""`flow verify` ends with 5 where a file is not what the build wrote."""


def by_hand(kind: str) -> Iterator[Case]:
    """The cases of a kind that were written by hand."""
    base = replace(whole(kind), codes=REFUSED)
    return (replace(case, tools=case.tools or base.tools, kind=kind) for case in HAND[kind](base))


def damaged(kind: str) -> Iterator[Case]:
    """Cuts of the whole file, then flips of its bits and mutants, without an end."""
    base = whole(kind)
    name, data = next(iter(base.files.items()))
    seed = SEED + zlib.crc32(kind.encode())
    codes = FAILS if kind == "manifest" else ANY
    chance = random.Random(seed)
    mutants = ((f"mutant {n}", mutant(data, chance)) for n in itertools.count())
    for told, changed in itertools.chain(cuts(data), flips(data, 90, seed), mutants):
        yield replace(base, name=told, files={**base.files, name: changed}, codes=codes)


def corpus(kind: str) -> Iterator[Case]:
    """At least COUNT cases of a kind."""
    hand = list(by_hand(kind))
    yield from hand
    yield from itertools.islice(damaged(kind), max(0, COUNT - len(hand)))


def sample(kinds: Sequence[str] = KINDS) -> Iterator[Case]:
    """Three cases by hand of each kind, the first among them, and a damaged file."""
    for kind in kinds:
        hand = [case for case in by_hand(kind) if not (kind == "verilog" and slow(case))]
        yield from hand[:: max(1, -(-len(hand) // 3))]
        yield from itertools.islice(damaged(kind), 80, 81)


def slow(case: Case) -> bool:
    """Whether a case of Verilog runs into a limit of Yosys."""
    words = ("explode", "of itself", "16 M", "4096", "2^30", "never ends", "without end", "deep")
    return any(word in case.name for word in words)
