"""Energy and clocks of each layer of BinaryNet (CIFAR-10) and of a binary AlexNet.

Weights, activations and thresholds are random: only the shapes are those of the networks. What a
product takes is measured at a fan-in of 1152, one 3 x 3 window of 128 channels, and taken for every
layer. First layers, of integers, and the last, of scores, are left out on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from cases import Options
from common import Row
from designs import SEED
from threshold_energy import RUNS, TECHNOLOGY, Job, element, mac_unit, totals

from flow.mapping.tulip.plan import neuron_program
from flow.tech.flash_cell import flash_cell
from flow.tech.registry import load

Shape = tuple[str, int, int, int]
"""Name, inputs of a neuron, neurons, positions."""

BINARYNET: tuple[Shape, ...] = (
    ("conv2", 9 * 128, 128, 32 * 32), ("conv3", 9 * 128, 256, 16 * 16),
    ("conv4", 9 * 256, 256, 16 * 16), ("conv5", 9 * 256, 512, 8 * 8),
    ("conv6", 9 * 512, 512, 8 * 8), ("fc1", 8192, 1024, 1), ("fc2", 1024, 1024, 1),
)  # fmt: skip
"""Courbariaux et al., 2016 (arXiv 1602.02830)."""
ALEXNET: tuple[Shape, ...] = (
    ("conv2", 25 * 96, 256, 27 * 27), ("conv3", 9 * 256, 384, 13 * 13),
    ("conv4", 9 * 384, 384, 13 * 13), ("conv5", 9 * 384, 256, 13 * 13),
    ("fc6", 9216, 4096, 1), ("fc7", 4096, 4096, 1),
)  # fmt: skip
"""Krizhevsky et al., 2012, without groups, as in Rastegari et al., 2016 (arXiv 1603.05279)."""
MEASURED = 1152
ELEMENTS = 256


def shapes(options: Options) -> Iterator[list[Row]]:
    """Energy of each layer with mixed-signal neurons beside MAC units of bits."""
    technology = load(TECHNOLOGY)
    random = np.random.default_rng(SEED)
    bits = [random.integers(0, 2, (RUNS, MEASURED)) for _ in range(2)]
    job = Job(bits[0], bits[1], random.integers(540, 613, RUNS), 1)
    found, _ = totals(
        technology, {"window": job}, {1: mac_unit(technology, 1)}, element(technology)
    )
    mixed = found.gates - flash_cell().ratios.power * found.cells
    steps = len(neuron_program(MEASURED // 2, MEASURED.bit_length(), False, True))
    for network, layers in (("BinaryNet", BINARYNET), ("AlexNet", ALEXNET)):
        for name, inputs, neurons, positions in layers:
            products = inputs * neurons * positions
            share = products / MEASURED / 1e3
            clocks = -(-neurons * positions // ELEMENTS) * steps * inputs / MEASURED
            work = f"{2 * products / 1e6:.0f} MOp, {clocks / 1e3:.0f} k clocks"
            note = f"{work} of {ELEMENTS} elements, weights random"
            what = f"energy: {network} {name}, mixed-signal neurons"
            rival = share * found.macs[1]
            yield [Row(what, share * mixed, "uJ", "MAC units of bits", rival, note=note)]
