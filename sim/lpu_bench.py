"""cocotb test of a language chip: what every instruction writes for the first tokens.

Copied beside the chip as tb/test_chip.py; needs cocotb only.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

ROOT = Path(__file__).resolve().parent.parent


@cocotb.test()
async def first_tokens(dut: Any) -> None:
    """Every vector and cache line, and the token that follows, of each token."""
    bench = json.loads((ROOT / "vectors" / "layers.json").read_text(encoding="utf-8"))
    tokens = bench["tokens"][: int(os.environ.get("FLOW_SAMPLES", len(bench["tokens"])))]
    for name in ("in_valid", "in_token", "in_first", "in_ask", "heat", "out_ready"):
        getattr(dut, name).value = 0
    dut.seed.value = 1
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    for _ in range(4):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    memory: dict[tuple[int, int], int] = {}
    for position, token in enumerate(tokens):
        dut.in_token.value = token
        dut.in_first.value = int(position == 0)
        dut.in_ask.value = 1
        dut.in_valid.value = 1
        while not dut.in_ready.value:
            await FallingEdge(dut.clk)
        written: list[tuple[int, int, int, int]] = []
        while True:
            await FallingEdge(dut.clk)
            dut.in_valid.value = 0
            if kind := int(dut.seen_write.value):
                word, address = int(dut.seen_word.value), int(dut.seen_address.value)
                written.append((word, kind, address, dut.seen_value.value.to_signed()))
            if dut.out_valid.value:
                break
        _compare(bench, position, written, memory)
        said = int(dut.out_token.value)
        wanted = bench["answers"][position]
        assert said == wanted, f"MISMATCH token {position}: says {said}, the model {wanted}"
        dut.out_ready.value = 1
        await FallingEdge(dut.clk)
        dut.out_ready.value = 0


def _compare(
    bench: dict[str, Any],
    position: int,
    written: list[tuple[int, int, int, int]],
    memory: dict[tuple[int, int], int],
) -> None:
    """What each instruction leaves, in the order of the program."""
    at = 0
    for number, step in enumerate(bench["steps"][position]):
        while at < len(written) and bench["of"][written[at][0]] == number:
            _, kind, address, value = written[at]
            memory[kind, address] = value
            at += 1
        for k, wanted in enumerate(step["values"]):
            have = memory.get((step["memory"], step["base"] + k))
            assert have == wanted, (
                f"MISMATCH token {position}, instruction {number} ({step['op']}): "
                f"{step['name']}[{k}] is {have}, the model gives {wanted}"
            )
