"""The flash converter in front of a printed classifier's input, with only what its bits need.

A comparator at each threshold t tells whether the input is at least t; the encoder ORs the
levels in which a bit is 1. A comparator whose crossing changes no bit that the classifier reads,
or no answer of it, is left out, and so are the gates of bits that are not read. The cost model is
that of F. Afentaki et al., IEEE Embedded Systems Letters 2024.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class FlashParts:
    """Area (um2) and power (mW) of a comparator and of a gate of the encoder."""

    title: str
    technology: str
    voltage: float
    source: str
    cell: str
    comparator_um2: float
    comparator_mw: float
    gate_um2: float
    gate_mw: float


@dataclass(frozen=True, slots=True)
class Converter:
    """The converter of one input of `bits` bits: the thresholds of its comparators, its gates."""

    bits: int
    thresholds: tuple[int, ...]
    gates: int

    def area_um2(self, parts: FlashParts) -> float:
        """um2 of comparators and gates."""
        return len(self.thresholds) * parts.comparator_um2 + self.gates * parts.gate_um2

    def power_mw(self, parts: FlashParts, gate_mw: float | None = None) -> float:
        """mW of comparators and gates; `gate_mw` is a gate's at another supply."""
        gate = parts.gate_mw if gate_mw is None else gate_mw
        return len(self.thresholds) * parts.comparator_mw + self.gates * gate


@cache
def flash_parts() -> FlashParts:
    """The parts of EGFET at 1 V."""
    text = files("flow.tech").joinpath("data", "flash_adc.toml").read_text("utf-8")
    facts = tomllib.loads(text)
    comparator, gate = facts["comparator"], facts["gate"]
    return FlashParts(
        facts["title"], facts["technology"], facts["voltage"], facts["source"], gate["cell"],
        comparator["area_um2"], comparator["power_mw"], gate["area_um2"], gate["power_mw"],
    )  # fmt: skip


def converter(bits: int, read: int, levels: Sequence[int] | None = None) -> Converter:
    """What an input of `bits` bits needs where only the bits of the mask `read` are read.

    `levels` are the thresholds whose crossing can change an answer, where they are known. Between
    two of them every level gets the code of the lower one.
    """
    mask = read & ((1 << bits) - 1)
    thresholds = tuple(t for t in range(1, 1 << bits) if (t & mask) != ((t - 1) & mask))
    if levels is not None:
        thresholds = tuple(t for t in thresholds if t in levels)
    return Converter(bits, thresholds, _gates(bits, mask, thresholds))


def conventional(bits: int) -> Converter:
    """A whole converter as the model counts it: a comparator for each level, 0 among them."""
    levels = tuple(range(1 << bits))
    return Converter(bits, levels, _gates(bits, (1 << bits) - 1, levels))


def _gates(bits: int, mask: int, levels: tuple[int, ...]) -> int:
    """OR gates of two inputs: for each bit read, one less than the levels in which it is 1."""
    ones = [sum(level >> b & 1 for level in levels) for b in range(bits) if mask >> b & 1]
    return sum(max(0, count - 1) for count in ones)
