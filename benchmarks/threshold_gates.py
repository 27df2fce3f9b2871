"""Threshold gates of ordinary designs, and of binarised networks, as the flash target maps them."""

from __future__ import annotations

from collections.abc import Iterator

from cases import Options
from common import ROOT, Row

CIRCUITS = ROOT.parent / "shared" / "circuits"
"""Test circuits of others, which are not part of the project."""

PUBLISHED: dict[str, tuple[int, int]] = {
    "c6288": (1424, 1102),
    "c7552": (950, 713),
    "s13207": (1257, 1049),
    "s15850": (1630, 1356),
    "b14": (2680, 2218),
}
"""Gates of at most 8 inputs, and of any fan-in after collapsing: Lee and Jiang, 2021."""


def gates(options: Options) -> Iterator[list[Row]]:
    """Gates of at most 8 inputs, and of any fan-in, beside the published counts."""
    for name, (mapped, collapsed) in PUBLISHED.items():
        if options.only in name:
            yield [
                Row(f"{name}: {what}", None, "gates", "Lee and Jiang 2021", figure)
                for what, figure in (("K = 8", mapped), ("fan-in free", collapsed))
            ]


def binarized(options: Options) -> Iterator[list[Row]]:
    """Seconds from a file of threshold neurons to a mapped, proved netlist."""
    for width in (16,) if options.quick else (16, 32, 64, 128):
        name = f"binarized_dnn_{width}_3"
        if options.only in name:
            yield [Row(name, None, "s", reach="at most 60" if width == 128 else "")]
