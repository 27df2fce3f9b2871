"""What runs inside the simulator: loads the weights of a chip by I2C, and upsets its registers.

Copied beside the test of a chip with weight registers; needs cocotb only.
"""

from __future__ import annotations

import os
import random
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer
from flow_bench import Vectors
from i2c_controller import I2cController

CLOCK_NS = 10
COPIES = ("copy_a", "triple.copy_b", "triple.copy_c")
COUNTERS = 0x8000
MOST = 255
"""Where a counter stops."""


class Chip:
    """A chip under test: its vectors, its serial port, its registers."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.vectors = Vectors()
        self.store: dict[str, Any] = self.vectors.layout["store"]
        self.bus = I2cController(dut, self.store["address"])
        ports = self.vectors.layout["inputs"]["ports"]
        (self.port,) = (p for p in ports if p["name"] == self.store["port"])
        self.others = [p for p in ports if p["name"] != self.store["port"]]

    async def reset(self) -> None:
        """Clock and reset; the data inputs are 0."""
        Clock(self.dut.clk, CLOCK_NS, "ns").start()
        self.dut.rst.value = 1
        self.apply(0)
        if self.vectors.layout["handshake"]:
            self.dut.in_valid.value, self.dut.out_ready.value = 1, 1
        for _ in range(4):
            await FallingEdge(self.dut.clk)
        self.dut.rst.value = 0
        await FallingEdge(self.dut.clk)

    def weights(self, sample: int) -> list[int]:
        """The bytes of the weights of a sample."""
        word = self.vectors.inputs[sample] >> self.port["offset"]
        word &= (1 << self.port["width"]) - 1
        return list(word.to_bytes(self.store["bytes"], "little"))

    def apply(self, word: int) -> None:
        """Put the data of a vector on the ports."""
        for port in self.others:
            value = word >> port["offset"] & ((1 << port["width"]) - 1)
            getattr(self.dut, port["name"]).value = value

    async def check(self, sample: int) -> None:
        """The answer to a sample, with the weights that are loaded."""
        self.apply(self.vectors.inputs[sample])
        for _ in range(self.vectors.layout["latency"] + 1):
            await FallingEdge(self.dut.clk)
        await Timer(1, "ns")
        self.vectors.compare(self.dut, sample)

    def held(self, path: str) -> Any:
        """A register, or one of its copies, by its path below the top."""
        place = self.dut
        for name in path.split("."):
            base, _, index = name.rstrip("]").partition("[")
            place = getattr(place, base)[int(index)] if index else getattr(place, base)
        return place


async def load(dut: Any, sets: int, samples: int) -> None:
    """Load up to `sets` sets of weights by I2C; read each back; compare the samples it has."""
    sets = min(sets, int(os.environ.get("FLOW_SETS", sets)))
    chip = Chip(dut)
    await chip.reset()
    assert not await chip.bus.knock(chip.store["address"] ^ 1), "a wrong address is answered"
    groups: dict[tuple[int, ...], list[int]] = {}
    for sample in range(len(chip.vectors.inputs)):
        groups.setdefault(tuple(chip.weights(sample)), []).append(sample)
    # The first set is the model's own; the last ones are far from it.
    chosen = list(groups)[:1] + list(groups)[1:][-(sets - 1) :] if sets > 1 else list(groups)[:1]
    for weights in chosen:
        await chip.bus.write(0, weights)
        found = await chip.bus.read(0, len(weights))
        assert found == list(weights), "the weights are not read back as they were written"
        for sample in groups[weights][:samples]:
            await chip.check(sample)
    at = len(chosen[-1]) // 2
    await chip.bus.write(at, [chosen[-1][at] ^ 255])
    found = await chip.bus.read(max(0, at - 1), min(3, len(chosen[-1]) - max(0, at - 1)))
    wanted = list(chosen[-1])
    wanted[at] ^= 255
    assert found == wanted[max(0, at - 1) :][: len(found)], "one byte alone is not written"


def slice_path(k: int) -> str:
    """The register of slice k of the bank."""
    return f"bank.slices[{k}].slice.bytes"


def registers(store: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Path, bits, and counter of every register in three copies; -1 is that of the control."""
    found = []
    if store["tmr_weights"]:
        size, total = store["bank"], store["bytes"]
        found += [
            (slice_path(k), 9 * min(size, total - size * k), k) for k in range(-(-total // size))
        ]
    if store["tmr_control"]:
        found += [("target.held", 35, -1), ("target.scl_filter.held", 6, -1)]
        found += [("target.sda_filter.held", 6, -1)]
        found += [("bank.counters.totals", 16 * store["counters"], -1)]
    return found


async def single_upsets(dut: Any, seed: int, most: int) -> None:
    """Upset every bit of every copy, or `most` of them: one clock repairs it, nothing sees it."""
    chip = Chip(dut)
    await chip.reset()
    await chip.bus.write(0, chip.weights(0))
    chip.apply(chip.vectors.inputs[0])
    places = [
        (path, copy, bit, counter)
        for path, bits, counter in registers(chip.store)
        for copy in COPIES
        for bit in range(bits)
    ]
    most = int(os.environ.get("FLOW_UPSETS", most))
    if len(places) > most:
        places = random.Random(seed).sample(places, most)
    for _ in range(chip.vectors.layout["latency"] + 8):
        await FallingEdge(dut.clk)
    await chip.bus.write(COUNTERS, [0])
    for _ in range(16):
        await FallingEdge(dut.clk)
    count = [0] * chip.store["counters"]
    for path, copy, bit, counter in places:
        register = chip.held(f"{path}.{copy}").q
        steady = int(chip.held(path).q.value)
        weights = int(chip.held("bank").weights.value)
        was = int(register.value)
        register.value = was ^ 1 << bit
        await Timer(1, "ns")
        assert int(register.value) == was ^ 1 << bit, f"{path}.{copy}[{bit}] was not upset"
        assert int(chip.held(path).q.value) == steady, f"{path}.{copy}[{bit}]: the vote is wrong"
        assert int(chip.held("bank").weights.value) == weights
        chip.vectors.compare(dut, 0)
        await FallingEdge(dut.clk)
        if path != "bank.counters.totals":
            now = int(register.value)
            assert now == int(chip.held(path).q.value), f"{path}.{copy}[{bit}] is not repaired"
        chip.vectors.compare(dut, 0)
        count[counter] += 1
    read = await chip.bus.read(COUNTERS + 2 * chip.store["first_counter"], 2 * len(count))
    assert read[1::2] == [0] * len(count), f"bytes were lost: {read[1::2]}"
    assert read[0::2] == [min(MOST, n) for n in count], f"counted {read[0::2]}, not {count}"
    assert await chip.bus.read(0, chip.store["bytes"]) == chip.weights(0)
    dut._log.info(f"{len(places)} upsets injected, all repaired, none escaped")


async def double_upsets(dut: Any, seed: int, most: int) -> None:
    """Upset one bit in two copies at once: the byte is lost, which is counted and reported."""
    chip = Chip(dut)
    await chip.reset()
    weights = chip.weights(0)
    await chip.bus.write(0, weights)
    await chip.bus.write(COUNTERS, [0])
    chance = random.Random(seed)
    bits = 9 * chip.store["bytes"]
    banks = -(-chip.store["bytes"] // chip.store["bank"])
    lost, wanted = [0] * banks, list(weights)
    for place in chance.sample(range(bits), min(most, bits)):
        await FallingEdge(dut.clk)
        number, bit = divmod(place, 9 * chip.store["bank"])
        for copy in chance.sample(COPIES, 2):
            register = chip.held(f"{slice_path(number)}.{copy}").q
            register.value = int(register.value) ^ 1 << bit
        await FallingEdge(dut.clk)
        await FallingEdge(dut.clk)
        lost[number] += 1
        if place % 9 < 8:  # Bit 8 is the parity itself.
            wanted[place // 9] ^= 1 << place % 9
    read = await chip.bus.read(COUNTERS, 2 * banks)
    assert read[1::2] == [min(MOST, n) for n in lost], f"counted {read[1::2]}, not {lost}"
    assert await chip.bus.read(0, len(weights)) == wanted
    await chip.bus.write(0, weights)
    assert await chip.bus.read(0, len(weights)) == weights


async def upsets_in_transfer(dut: Any, seed: int, count: int) -> None:
    """Every few clocks another bit of the control is upset while `count` bytes are written."""
    import cocotb

    chip = Chip(dut)
    await chip.reset()
    await chip.bus.write(0, chip.weights(0))
    chance = random.Random(seed)
    paths = [(path, bits) for path, bits, _ in registers(chip.store) if path.startswith("target")]
    done = False

    async def strike() -> None:
        while not done:
            await FallingEdge(dut.clk)
            path, bits = chance.choice(paths)
            register = chip.held(f"{path}.{chance.choice(COPIES)}").q
            register.value = int(register.value) ^ 1 << chance.randrange(bits)

    striker = cocotb.start_soon(strike())
    data = [chance.randrange(256) for _ in range(min(count, chip.store["bytes"]))]
    await chip.bus.write(0, data)
    assert await chip.bus.read(0, len(data)) == data, "a transfer was disturbed"
    done = True
    await striker
