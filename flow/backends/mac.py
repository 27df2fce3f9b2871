"""A multiply-accumulate accelerator for dense layers of bits: the rival of the TULIP array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flow.assets import asset
from flow.errors import UnsupportedModel, UsageError
from flow.ir.binary import INPUT, BinaryLayer, Neurons, Scores
from flow.ir.tensor import IntArray

RTL = ("mac_array.v", "mac_unit.v", "mac_add.v", "mac_count.v", "mac_total.v")


@dataclass(frozen=True, slots=True)
class MacShape:
    """`units` neurons at a time, `lanes` inputs of each in a clock; units divide lanes."""

    lanes: int = 32
    units: int = 16

    def __post_init__(self) -> None:
        if self.units < 1 or self.lanes < 4 or self.lanes % self.units:
            raise UsageError(
                f"{self.units} units of {self.lanes} lanes",
                hint="take at least four lanes, and units that divide them",
            )


@dataclass(frozen=True, slots=True)
class MacDesign:
    """Files by name, and the clocks of an image from `go` to `done`."""

    files: dict[str, str]
    clocks: int


def mac_design(layers: Sequence[BinaryLayer], inputs: int, shape: MacShape) -> MacDesign:
    """The accelerator of a network of dense layers of bits: RTL, kernels, program, and its top
    `mac_top`. UnsupportedModel names a layer of another kind."""
    lanes, units = shape.lanes, shape.units
    base = {INPUT: 0}
    place = -(-inputs // lanes)
    taken = [_plain(layer) for layer in layers]
    sums = max(-(-len(weights) // lanes) * lanes for weights, _ in taken).bit_length() + 1
    kernel: list[str] = []
    starts: list[str] = []
    program: list[str] = []
    clocks = 1
    for number, (layer, (weights, begin)) in enumerate(zip(layers, taken, strict=True)):
        count = weights.shape[1]
        steps, tiles = -(-len(weights) // lanes), -(-count // units)
        # An input that is not there is 0 and its weight 1: no count. A neuron that is not there
        # begins so low that its bit is 0, which is an input of the next layer that is not there.
        padded = np.ones((steps * lanes, tiles * units), dtype=np.int64)
        padded[: len(weights), :count] = weights > 0
        full = np.full(tiles * units, -(1 << (sums - 1)), dtype=np.int64)
        full[:count] = begin
        for tile in range(tiles):
            own = slice(tile * units, (tile + 1) * units)
            starts.append(_hex(_joined(full[own] % (1 << sums), sums), units * sums))
            for step in range(steps):
                part = padded[step * lanes : (step + 1) * lanes, own]
                kernel.append(_hex(_bits(part.T.ravel()), units * lanes))
        scores = isinstance(layer, Scores)
        fields = (int(scores), tiles, steps, base[layer.wiring.sources[0]], place)
        program.append(_hex(_joined(np.array(fields[::-1], dtype=object), 16), 68))
        base[number] = place
        place += -(-tiles * units // lanes)
        clocks += tiles * (steps + 1)
    most = 1 << 16
    if max(place, len(kernel), len(starts)) > most:
        raise UnsupportedModel(f"the network takes more than {most} words of a memory")
    top = _TOP.format(
        lanes=lanes, units=units, sums=sums, layers=len(program), activations=place,
        kernel=len(kernel), tiles=len(starts), last=lanes - 1, wide=units * sums - 1,
    )  # fmt: skip
    texts = {"kernel.hex": kernel, "start.hex": starts, "program.hex": program}
    files = {name: "".join(f"{line}\n" for line in lines) for name, lines in texts.items()}
    rtl = {name: asset("rtl", name).read_text() for name in RTL}
    return MacDesign({"mac_top.v": top, **rtl, **files}, clocks)


def _plain(layer: BinaryLayer) -> tuple[IntArray, IntArray]:
    """Weights (inputs, neurons) of -1 and 1, and where each sum begins."""
    plain = isinstance(layer, (Neurons, Scores)) and layer.wiring.straight
    if isinstance(layer, Neurons):
        plain = plain and not layer.integer and not layer.window
    if not plain or (isinstance(layer, (Scores, Neurons)) and (layer.weights == 0).any()):
        raise UnsupportedModel(
            f"{layer.name}: the multiply-accumulate units take dense layers of bits with weights "
            "-1 and 1, each of the whole layer before",
            hint="compare networks of such layers",
        )
    assert isinstance(layer, (Neurons, Scores))
    count = layer.weights.shape[1]
    begin = -layer.threshold if isinstance(layer, Neurons) else np.zeros(count, dtype=np.int64)
    return layer.weights, begin


def _bits(values: IntArray) -> int:
    """Bit k is values[k]."""
    return int.from_bytes(
        np.packbits(values.astype(np.uint8), bitorder="little").tobytes(), "little"
    )


def _joined(values: IntArray, width: int) -> int:
    """Numbers of so many bits as one, the first lowest."""
    return sum(int(v) << (k * width) for k, v in enumerate(values.tolist()))


def _hex(value: int, bits: int) -> str:
    return f"{value:0{-(-bits // 4)}x}"


_TOP = """\
// The accelerator with its memories; made by flow.
`default_nettype none

module mac_top (
    input  wire clk,
    input  wire reset,
    input  wire load,
    input  wire [15:0] address,
    input  wire [{last}:0] data,
    input  wire go,
    output wire valid,
    output wire [{wide}:0] sums,
    output wire done
);
    mac_array #(
        .LANES({lanes}), .UNITS({units}), .SUM({sums}), .LAYERS({layers}),
        .ACTIVATIONS({activations}), .KERNEL({kernel}), .TILES({tiles}),
        .KERNEL_FILE("kernel.hex"), .START_FILE("start.hex"), .PROGRAM_FILE("program.hex")
    ) array (
        .clk(clk), .reset(reset), .load(load), .address(address), .data(data), .go(go),
        .valid(valid), .sums(sums), .done(done)
    );
endmodule

`default_nettype wire
"""
