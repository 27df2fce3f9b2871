"""What `flow faults --upsets` simulates of each kind of build: the design, and what drives it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flow.analysis.upsets import SAMPLES, Setting
from flow.assets import asset
from flow.backends import lpu, tulip
from flow.backends.emission import Store
from flow.backends.names import MODULES
from flow.errors import UsageError
from flow.frontend.files.guards import read_bytes
from flow.frontend.files.npy import parse_npy
from flow.ir.design import Design as Logic
from flow.ir.network_text import parse_network
from flow.ir.tensor import IntArray
from flow.mapping.tulip.plan import Plan
from flow.pipeline.folder import read_manifest
from flow.pipeline.lanes import split_inputs
from flow.pipeline.reading import read_text
from flow.pipeline.reopening import Design
from flow.pipeline.tulip import array_inputs, array_of, plan_network
from flow.pipeline.upset_reading import GATE, read_chip

Drive = dict[str, NDArray[np.uint8]]
QUARTER = 16
"""Clocks of a quarter of a bit of the serial port."""
_SEEN = re.compile(r"out_token\[")


@dataclass(frozen=True, slots=True)
class Subject:
    """A design, the bits (samples,) of its data inputs, and what else its study needs."""

    name: str
    design: Logic
    drive: Drive
    setting: Setting


def circuit_drive(opened: Design, samples: int = SAMPLES) -> Drive:
    """The bits of every data input for the first vectors of the folder."""
    found: Drive = {}
    for port in opened.emission.inputs:
        values = np.asarray(opened.inputs[port.source])[:samples]
        for i, lane in enumerate(port.lanes):
            for bit in range(lane.width):
                name = port.name if port.width == 1 else f"{port.name}[{lane.offset + bit}]"
                found[name] = ((values[:, i] >> bit) & 1).astype(np.uint8)
    return found


def store_subject(opened: Design, store: Store) -> Subject:
    """The chip around a circuit: its weights are loaded by the serial port, which then rests."""
    (port,) = (p for p in opened.emission.inputs if p.name == store.port)
    weights = np.asarray(opened.inputs[port.source])
    same = np.flatnonzero((weights == weights[0]).all(axis=1))[:SAMPLES]
    drive = {
        name: bits[same]
        for name, bits in circuit_drive(opened, len(weights)).items()
        if name.partition("[")[0] != store.port
    }
    word = sum(
        (int(value) & ((1 << lane.width) - 1)) << lane.offset
        for lane, value in zip(port.lanes, weights[0].tolist(), strict=True)
    )
    loading = tuple(i2c_write(store.address, word.to_bytes(store.bytes, "little")))
    design, _ = read_chip(_texts(opened.folder), store.top)
    return Subject(store.top, design, drive, Setting(loading=loading))


def i2c_write(address: int, data: bytes) -> Iterator[tuple[int, Mapping[str, int]]]:
    """A write of `data` from byte address 0, as clocks and levels of both lines."""

    def level(scl: int, sda: int, quarters: int = 1) -> tuple[int, Mapping[str, int]]:
        return QUARTER * quarters, {"scl": scl, "sda": sda}

    yield level(1, 1, 4)
    yield level(1, 0)
    yield level(0, 0)
    for byte in (address << 1, 0, 0, *data):
        # The ninth bit is the acknowledgement: the controller lets go of the line.
        for bit in [*(byte >> place & 1 for place in range(7, -1, -1)), 1]:
            yield level(0, bit)
            yield level(1, bit, 2)
            yield level(0, bit)
    yield level(0, 0)
    yield level(1, 0)
    yield level(1, 1, 8)


def language_subject(folder: Path) -> Subject:
    """The chip of a language model, told the first token of a text over and over and asked what
    follows."""
    texts = _texts(folder)
    tables = {f"{file.stem}_table": _hex(file) for file in sorted((folder / "mem").glob("*.hex"))}
    if "words_table" in tables:
        tables["word_table"] = tables.pop("words_table")
    own = [name for name in texts if name not in (*lpu.MODULES, lpu.TOP, GATE)]
    design, memories = read_chip(texts, lpu.TOP, ("lpu_memory", "lpu_table"), tables, own)
    drive = {
        f"{port}[{k}]": np.array([value >> k & 1], dtype=np.uint8)
        for port, value in (("in_token", 1), ("heat", 0), ("seed", 1))
        for k in range(32)
    }
    setting = Setting(
        memories, answers=lambda name: _SEEN.match(name) is not None, from_answer=True
    )
    return Subject(lpu.TOP, design, drive, setting)


def array_subject(folder: Path) -> Subject:
    """The array with a host that sets it up and gives it its first batch over and over."""
    place = "01-import/network.json"
    network = parse_network(read_text(folder / place), place)
    plan = plan_network(network, array_of(read_manifest(folder))).plan
    lanes = parse_npy(read_bytes(folder / "vectors/inputs.npy"), "vectors/inputs.npy")
    inputs = array_inputs(network, split_inputs(network, lanes[: plan.shape.cols]))
    texts = _texts(folder)
    tops = [name for name in texts if name not in tulip.MODULES]
    if len(tops) != 1:
        raise UsageError("the folder has no top module of an array", where="rtl")
    return hosted_array(plan, inputs, texts, tops[0])


def hosted_array(plan: Plan, inputs: IntArray, texts: Mapping[str, str], top: str) -> Subject:
    """An array of these texts by module, and its host with one batch of inputs (samples, lanes)."""
    text = asset("sim", "tulip_host.v").read_text(encoding="utf-8")
    table, host = text.split("\nmodule tulip_host #", 1)
    tables = {
        "host.lines": list(tulip.config_words(plan)),
        "host.images": list(tulip.image_lines(plan, inputs)),
        "host.kernels": list(tulip.kernel_words(plan)),
    }
    sizes = {name: len(rows) for name, rows in tables.items()}
    whole = {
        **texts, "tulip_host_table": table, "tulip_host": f"module tulip_host #{host}",
        "hosted": _hosted(plan, top, sizes),
    }  # fmt: skip
    boxes = ("tulip_memory", "tulip_host_table")
    design, memories = read_chip(whole, "hosted", boxes, tables)
    setting = Setting(
        memories, answers=lambda name: name.startswith("answer["),
        struck=lambda name: name.startswith("array."), from_answer=True,
    )  # fmt: skip
    return Subject(top, design, {}, setting)


def _hosted(plan: Plan, top: str, sizes: Mapping[str, int]) -> str:
    """The array and its host as one module, which tells the answers of all samples."""
    p, data = tulip.rtl_parameters(plan), max(plan.shape.rows, plan.x_bits)
    pins = {
        "config_shift": 1, "config_data": 32, "config_write": 1, "config_memory": 2,
        "config_address": 16, "image_ready": 1, "image_write": 1, "image_pixel": 1,
        "image_sample": 16, "image_address": 16, "image_data": p["ROWS"],
        "pixel_data": p["XBITS"], "image_last": 1, "kernel_ready": 1, "kernel_valid": 1,
        "kernel_last": 1, "kernel_data": p["KBITS"],
    }  # fmt: skip
    each = p["MROWS"] * p["SBITS"]
    groups = -(-plan.answers // p["MROWS"])
    wires = "".join(f"    wire [{bits - 1}:0] {pin};\n" for pin, bits in pins.items())
    joined = "".join(f", .{pin}({pin})" for pin in pins)
    got = "".join(
        f"        if (scores_valid && scores_base == {g * p['MROWS']}) "
        f"got[{(c * groups + g) * each}+:{each}] <= scores[{c * each}+:{each}];\n"
        for c in range(p["COLS"])
        for g in range(groups)
    )
    room = p["COLS"] * groups * each
    answer = ("classes", 16 * p["COLS"]) if plan.argmax else ("got", room)
    sizing = ", ".join(
        f".{name}({value})"
        for name, value in (
            ("ROWS", p["ROWS"]), ("XBITS", p["XBITS"]), ("KBITS", p["KBITS"]), ("DATA", data),
            ("CONFIGS", sizes["host.lines"]), ("IMAGES", sizes["host.images"]),
            ("KERNELS", sizes["host.kernels"]),
        )
    )  # fmt: skip
    return f"""module hosted (
    input wire clk, input wire rst, output wire out_valid, output wire [{answer[1] - 1}:0] answer
);
{wires}    wire scores_valid, busy;
    wire [15:0] scores_base;
    wire [{p["COLS"] * each - 1}:0] scores;
    wire [{16 * p["COLS"] - 1}:0] classes;
    reg [{room - 1}:0] got;
    always @(posedge clk) begin
{got}    end
    assign answer = {answer[0]};
    {top} array (
        .clk(clk), .rst(rst){joined}, .scores_valid(scores_valid), .scores_base(scores_base),
        .scores(scores), .finished(out_valid), .classes(classes), .busy(busy)
    );
    tulip_host #({sizing}) host (.clk(clk), .rst(rst){joined});
endmodule
"""


def _texts(folder: Path) -> dict[str, str]:
    """The Verilog of a folder by module, those of our library from there."""
    found = {}
    for file in sorted((folder / "rtl").glob("*.v")):
        own = file.stem in MODULES
        found[file.stem] = asset("rtl", file.name).read_text() if own else read_text(file)
    return found


def _hex(path: Path) -> list[int]:
    try:
        return [int(word, 16) for word in read_text(path).split()]
    except ValueError as error:
        raise UsageError("a line is no hexadecimal number", where=f"mem/{path.name}") from error
