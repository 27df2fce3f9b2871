"""What a mapped netlist needs of its inputs: the bits it reads, the levels it tells apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flow.analysis.activity import Simulator
from flow.ir.netlist import Netlist
from flow.tech.technology import Technology

MOST_BITS = 14
"""As many bits of other inputs are tried in all their states; with more, nothing is found out."""


def bits_read(netlist: Netlist) -> dict[str, int]:
    """A mask for each input bus: bit i is 1 where a cell or an output reads bit i."""
    used = _used(netlist)
    return {
        bus.name: sum(1 << i for i, bit in enumerate(bus.bits) if bit in used)
        for bus in netlist.inputs
    }


def levels_told_apart(
    netlist: Netlist, technology: Technology, lane: Sequence[str]
) -> tuple[int, ...] | None:
    """The thresholds t of an unsigned input at which crossing from t - 1 to t can change an output.

    `lane` names the input's bits, the lowest first; the other inputs take every state. None where
    they have more than MOST_BITS bits that are read, and for a netlist that holds state.
    """
    if netlist.flipflops(technology):
        return None
    used = _used(netlist)
    others = [bit for bit in netlist.input_bits if bit in used and bit not in lane]
    if len(others) > MOST_BITS:
        return None
    states = _all_states(len(others))
    shared = dict(zip(others, states, strict=True))
    words = states.shape[1]
    simulator = Simulator(netlist, technology)
    rows = [simulator.index[net] for net in netlist.drivers]
    mask = np.uint64((1 << (1 << len(others))) - 1) if len(others) < 6 else ~np.uint64(0)
    found, before = [], None
    for level in range(1 << len(lane)):
        bits = {
            bit: np.full(words, ~np.uint64(0) if level >> i & 1 else np.uint64(0))
            for i, bit in enumerate(lane)
        }
        answer = simulator.run({**shared, **bits})[rows] & mask
        if before is not None and (answer != before).any():
            found.append(level)
        before = answer
    return tuple(found)


def _used(netlist: Netlist) -> set[str]:
    used = {net for instance in netlist.instances for _, net in instance.pins}
    used.update(netlist.drivers)
    return used


def _all_states(count: int) -> NDArray[np.uint64]:
    """Words (count, words) in which every state of so many bits stands once, the first in bit 0."""
    words = max(1, (1 << count) // 64)
    places = np.arange(words, dtype=np.uint64)
    rows = np.zeros((count, words), dtype=np.uint64)
    for i in range(count):
        if i < 6:
            rows[i] = sum(1 << s for s in range(64) if s >> i & 1)
        else:
            rows[i] = np.where(places >> np.uint64(i - 6) & np.uint64(1), ~np.uint64(0), 0)
    return rows
