"""What runs inside the simulator around an array: sets it up, streams images and kernels.

Copied beside the test of every array; needs cocotb only.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Bench:
    """Widths of the ports and numbers of words, from the plan of the array."""

    cols: int
    data: int
    score_bits: int
    macs: int
    kernel_bits: int
    answers: int
    argmax: bool
    batch_words: int
    patience: int


def read(name: str) -> list[int]:
    """The words of a file of hexadecimal lines."""
    return [int(line, 16) for line in (ROOT / name).read_text().split()]


def mask(bits: int) -> int:
    """So many ones."""
    return (1 << bits) - 1


async def run(dut: Any, bench: Bench, offer: float = 1.0, batches: int | None = None) -> None:
    """Every sample of vectors/, or the first batches; AssertionError at the first difference."""
    expected = read("vectors/expected.hex")
    expected = expected[: int(os.environ.get("FLOW_SAMPLES", len(expected)))]
    if batches is not None:
        expected = expected[: batches * bench.cols]
    whole = -(-len(expected) // bench.cols)
    for name in ("config_shift", "config_write", "image_write", "image_last", "kernel_valid"):
        getattr(dut, name).value = 0
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    for line in read("mem/config.hex"):
        dut.config_data.value = line & mask(32)
        dut.config_address.value = line >> 32 & mask(16)
        dut.config_memory.value = line >> 48 & 3
        dut.config_shift.value = line >> 52 & 1
        dut.config_write.value = line >> 53 & 1
        await FallingEdge(dut.clk)
    dut.config_shift.value = 0
    dut.config_write.value = 0
    images = read("vectors/images.hex")[: whole * bench.batch_words]
    tasks = [
        cocotb.start_soon(stream_images(dut, bench, images)),
        cocotb.start_soon(stream_kernels(dut, bench, read("mem/kernels.hex") * whole, offer)),
    ]
    await compare(dut, bench, expected)
    for task in tasks:
        task.cancel()


async def stream_images(dut: Any, bench: Bench, lines: list[int]) -> None:
    """Write word after word while there is a free half."""
    for line in lines:
        while not int(dut.image_ready.value):
            dut.image_write.value = 0
            dut.image_last.value = 0
            await FallingEdge(dut.clk)
        word = line & mask(bench.data)
        dut.image_data.value = word & mask(len(dut.image_data))
        dut.pixel_data.value = word & mask(len(dut.pixel_data))
        dut.image_address.value = line >> bench.data & mask(16)
        dut.image_sample.value = line >> bench.data + 16 & mask(16)
        dut.image_pixel.value = line >> bench.data + 32 & 1
        dut.image_last.value = line >> bench.data + 33 & 1
        dut.image_write.value = 1
        await FallingEdge(dut.clk)
    dut.image_write.value = 0
    dut.image_last.value = 0


async def stream_kernels(dut: Any, bench: Bench, words: list[int], offer: float) -> None:
    """Offer word after word, each clock with this probability."""
    rng = random.Random(1)
    for word in words:
        while rng.random() >= offer:
            dut.kernel_valid.value = 0
            await FallingEdge(dut.clk)
        dut.kernel_data.value = word & mask(bench.kernel_bits)
        dut.kernel_last.value = word >> bench.kernel_bits & 1
        dut.kernel_valid.value = 1
        # What is ready before the rising edge is taken at it.
        while not int(dut.kernel_ready.value):
            await FallingEdge(dut.clk)
        await FallingEdge(dut.clk)
    dut.kernel_valid.value = 0


async def compare(dut: Any, bench: Bench, expected: list[int]) -> None:
    """Hold the answers of every batch against the expected ones."""
    taken, idle = 0, 0
    got = [0] * bench.cols
    while taken < len(expected):
        await FallingEdge(dut.clk)
        idle += 1
        assert idle < 10 * bench.patience, f"STALL after {taken} of {len(expected)} samples"
        if dut.scores_valid.value == 1 and not bench.argmax:
            base = int(dut.scores_base.value)
            scores, each = int(dut.scores.value), bench.macs * bench.score_bits
            for col in range(bench.cols):
                mine = scores >> each * col & mask(each)
                got[col] |= mine << base * bench.score_bits
        if dut.finished.value != 1:
            continue
        for col in range(min(bench.cols, len(expected) - taken)):
            answer = got[col] & mask(bench.answers)
            if bench.argmax:
                answer = int(dut.classes.value) >> 16 * col & mask(16)
            want = expected[taken]
            assert answer == want, f"MISMATCH sample {taken} expected {want:x} got {answer:x}"
            taken += 1
        got, idle = [0] * bench.cols, 0
