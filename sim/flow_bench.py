"""What runs inside the simulator: applies vectors/ to a design through cocotb, and compares.

Copied beside the test of every generated circuit; needs cocotb only.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

VECTORS = Path(__file__).resolve().parent.parent / "vectors"


class Vectors:
    """The words of both sides, with the layout that says where ports and lanes lie."""

    def __init__(self, folder: Path = VECTORS) -> None:
        self.layout: dict[str, Any] = json.loads((folder / "layout.json").read_text())
        self.inputs = [int(line, 16) for line in (folder / "inputs.hex").read_text().split()]
        self.expected = [int(line, 16) for line in (folder / "expected.hex").read_text().split()]
        words = self.layout["samples"] + self.layout["probes"]
        counts = {len(self.inputs), len(self.expected), words}
        assert len(counts) == 1, f"vectors/ is damaged: {sorted(counts)} samples"
        # FLOW_SAMPLES=N ends after the first N: samples come first, then probes.
        self.inputs = self.inputs[: int(os.environ.get("FLOW_SAMPLES", len(self.inputs)))]

    def drive(self, dut: Any, word: int) -> None:
        """Put one word on the input ports."""
        for port in self.layout["inputs"]["ports"]:
            value = word >> port["offset"] & ((1 << port["width"]) - 1)
            getattr(dut, port["name"]).value = value

    def beat(self, side: str, word: int) -> int:
        """A word as the tdata of a stream: every lane an element, extended by its sign."""
        bits = self.layout["axis"][side]["bits"]
        data = index = 0
        for port in self.layout[side]["ports"]:
            for lane in port["lanes"]:
                raw = word >> port["offset"] + lane["offset"] & ((1 << lane["width"]) - 1)
                data |= (number(raw, lane) & ((1 << bits) - 1)) << index * bits
                index += 1
        return data

    def title(self, index: int) -> str:
        """What a word is: sample 3, or probe 7."""
        own = self.layout["samples"]
        return f"sample {index}" if index < own else f"probe {index - own}"

    def compare_beat(self, result: tuple[str, ...], sample: int, last: int) -> None:
        """Hold the bits of tdata and tlast against a sample. AssertionError as for `compare`."""
        bits = self.layout["axis"]["outputs"]["bits"]
        data = self.beat("outputs", self.expected[sample])
        lanes = [lane for port in self.layout["outputs"]["ports"] for lane in port["lanes"]]
        for k, lane in enumerate(lanes):
            field = result[0][::-1][k * bits : (k + 1) * bits][::-1]
            want = f"{data >> k * bits & ((1 << bits) - 1):0{bits}b}"
            if field != want:
                place = f"{self.title(sample)}, lane {lane['name']}"
                said = f"MISMATCH {place}: expected {want}, got {field}"
                raise AssertionError(said)
        if result[1] != str(last):
            said = f"MISMATCH {self.title(sample)}: expected tlast {last}, got {result[1]}"
            raise AssertionError(said)

    def compare(self, dut: Any, sample: int) -> None:
        """Hold the output ports against a sample. AssertionError names the first wrong lane."""
        for port in self.layout["outputs"]["ports"]:
            want = self.expected[sample] >> port["offset"] & ((1 << port["width"]) - 1)
            # The text is the same for a bus and for a port of one bit, whose types differ.
            got = str(getattr(dut, port["name"]).value)
            if got != f"{want:0{port['width']}b}":
                self._complain(port, sample, want, got)

    def _complain(self, port: dict[str, Any], sample: int, want: int, got: str) -> None:
        for i, lane in enumerate(port["lanes"]):
            low, width = lane["offset"], lane["width"]
            field = got[len(got) - low - width : len(got) - low]
            value = want >> low & ((1 << width) - 1)
            if field != f"{value:0{width}b}":
                shown = number(int(field, 2), lane) if set(field) <= {"0", "1"} else field
                raise AssertionError(
                    f"MISMATCH {self.title(sample)}, port {port['name']}, lane {i}: "
                    f"expected {number(value, lane)}, got {shown}"
                )


def number(bits: int, lane: dict[str, Any]) -> int:
    """The integer that the bits of a lane stand for."""
    return bits - (bits >> (lane["width"] - 1) << lane["width"]) if lane["signed"] else bits


async def combinational(dut: Any) -> None:
    """A word, a moment, a comparison."""
    vectors = Vectors()
    for sample, word in enumerate(vectors.inputs):
        vectors.drive(dut, word)
        await Timer(10, "ns")
        vectors.compare(dut, sample)


async def clocked(dut: Any) -> None:
    """A word every clock; its result `latency` clocks later."""
    vectors = Vectors()
    latency = vectors.layout["latency"]
    Clock(dut.clk, 10, "ns").start()
    await FallingEdge(dut.clk)
    for cycle in range(len(vectors.inputs) + latency):
        if cycle < len(vectors.inputs):
            vectors.drive(dut, vectors.inputs[cycle])
        if cycle >= latency:
            await Timer(1, "ns")
            vectors.compare(dut, cycle - latency)
        await FallingEdge(dut.clk)


async def handshake(dut: Any, seed: int, offer: float, take: float) -> None:
    """Words come with probability `offer` a clock, results are taken with probability `take`."""
    vectors = Vectors()
    chance = random.Random(seed)
    total, latency = len(vectors.inputs), vectors.layout["latency"]
    Clock(dut.clk, 10, "ns").start()
    dut.rst.value, dut.in_valid.value, dut.out_ready.value = 1, 0, 0
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    sent = taken = idle = waited = 0
    offered = False
    while idle <= latency + 4:
        if not offered and sent < total and chance.random() < offer:
            offered = True
            vectors.drive(dut, vectors.inputs[sent])
        dut.in_valid.value = int(offered)
        ready = chance.random() < take
        dut.out_ready.value = int(ready)
        await Timer(1, "ns")  # What stands now is what the rising edge will see.
        waited += 1
        if ready and dut.out_valid.value == 1:
            assert taken < total, f"SURPLUS result after sample {total - 1}"
            vectors.compare(dut, taken)
            taken, waited = taken + 1, 0
        if offered and dut.in_ready.value == 1:
            sent, offered, waited = sent + 1, False, 0
        idle += taken == total
        assert waited < 1000 + latency, f"STALL after {taken} of {total} samples"
        await FallingEdge(dut.clk)


async def axis(dut: Any, seed: int, offer: float, take: float) -> int:
    """Samples as beats of AXI4-Stream, as for `handshake`; gives the clocks from first to last.

    Also holds the wrapper to the rules of the stream: a result that waits stays as it is, and
    tlast goes along with its sample.
    """
    vectors = Vectors()
    chance = random.Random(seed)
    latency = vectors.layout["axis"]["latency"]
    total = len(vectors.inputs)
    beats = [vectors.beat("inputs", word) for word in vectors.inputs]
    lasts = [int(chance.random() < 0.25) for _ in beats]
    Clock(dut.aclk, 10, "ns").start()
    dut.aresetn.value, dut.s_axis_tvalid.value, dut.m_axis_tready.value = 0, 0, 0
    for _ in range(3):
        await FallingEdge(dut.aclk)
    assert dut.m_axis_tvalid.value == 0, "m_axis_tvalid is not 0 in reset"
    dut.aresetn.value = 1
    sent = taken = idle = waited = clocks = 0
    offered = False
    waiting: tuple[str, ...] = ()
    while idle <= latency + 4:
        if not offered and sent < total and chance.random() < offer:
            offered = True
            dut.s_axis_tdata.value, dut.s_axis_tlast.value = beats[sent], lasts[sent]
        dut.s_axis_tvalid.value = int(offered)
        ready = chance.random() < take
        dut.m_axis_tready.value = int(ready)
        await Timer(1, "ns")  # What stands now is what the rising edge will see.
        waited, clocks = waited + 1, clocks + (taken < total)
        valid = dut.m_axis_tvalid.value == 1
        result = (str(dut.m_axis_tdata.value), str(dut.m_axis_tlast.value)) if valid else ()
        assert not waiting or result == waiting, f"result {taken} changed while it waited"
        waiting = () if ready else result
        if ready and valid:
            assert taken < total, f"SURPLUS result after sample {total - 1}"
            vectors.compare_beat(result, taken, lasts[taken])
            taken, waited = taken + 1, 0
        if offered and dut.s_axis_tready.value == 1:
            sent, offered, waited = sent + 1, False, 0
        idle += taken == total
        assert waited < 1000 + latency, f"STALL after {taken} of {total} samples"
        await FallingEdge(dut.aclk)
    return clocks


def full_rate(clocks: int) -> None:
    """Hold the clocks of a run without stalls against the rate of the circuit."""
    vectors = Vectors()
    interval = vectors.layout["initiation_interval"]
    most = len(vectors.inputs) * interval + vectors.layout["axis"]["latency"]
    assert clocks <= most, f"STALL: {clocks} clocks, at full rate it would take {most}"
