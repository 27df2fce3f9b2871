"""A network of bits on the array: regions, descriptors, micro-programs, kernels of every tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from flow.errors import UnsupportedModel
from flow.ir.binary import INPUT, BinaryLayer, Neurons, OrPool, Scores
from flow.ir.tensor import IntArray
from flow.mapping.tulip.allocate import program
from flow.mapping.tulip.machine import Program
from flow.mapping.tulip.operations import or_program
from flow.mapping.tulip.schedule import count_schedule
from flow.mapping.tulip.shape import (
    CLASSES,
    KERNEL,
    LAST,
    MAC,
    OWN,
    PIXELS,
    RESUMED,
    SCORES,
    SINGLE,
    STOP,
    ArrayShape,
    Descriptor,
)
from flow.mapping.tulip.windows import (
    CHUNK,
    Box,
    Region,
    View,
    boxes,
    dense_views,
    grid_of,
    stream,
    window_views,
)

MOST = 1 << 15
"""Words of a memory that a field of 16 bits can address, whatever the sign."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """The kernel of a tile: of bits `leaves` and `masks` (words, rows, 2), or of the MACs integers
    (taps, macs); `constants` (classes, words, rows, 2), or biases (classes, macs)."""

    leaves: npt.NDArray[Any]
    masks: npt.NDArray[Any]
    constants: npt.NDArray[Any]

    @property
    def words(self) -> int:
        """Words of the kernel memory."""
        classes, each = self.constants.shape[:2]
        return int(len(self.leaves) + classes * each)


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """A layer on the array: its segments, one program each, its tiles and their kernels.

    `steps` are those of all segments at one position; `kind` is count, pool, mac or scores.
    """

    name: str
    kind: str
    descriptors: tuple[Descriptor, ...]
    programs: tuple[Program, ...]
    tiles: int
    positions: int
    steps: int
    inputs: int
    neurons: int
    kernels: tuple[Tile, ...]
    classes: IntArray

    @property
    def kernel_words(self) -> int:
        """Words of the kernel of one tile; 0 where it has none."""
        return self.kernels[0].words if self.kernels else 0


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A whole network: layers, memories and widths; what the RTL is made for.

    `class_offsets` is the memory of classes, `programs` the distinct ones in their order, whose
    first addresses the descriptors hold.
    """

    shape: ArrayShape
    layers: tuple[Planned, ...]
    programs: tuple[Program, ...]
    class_offsets: tuple[int, ...]
    inputs: Region
    image_words: int
    masks: bool
    x_bits: int
    w_bits: int
    s_bits: int
    argmax: bool
    answers: int

    @property
    def descriptors(self) -> tuple[Descriptor, ...]:
        """Those of all layers."""
        return tuple(d for layer in self.layers for d in layer.descriptors)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """Every kernel in the order in which the array asks for them."""
        return tuple(tile for layer in self.layers for tile in layer.kernels)

    @property
    def kernel_bits(self) -> int:
        """Bits of a kernel word."""
        bits = 2 * self.shape.rows * (2 if self.masks else 1)
        return max(bits, self.shape.macs * self.w_bits, self.s_bits)


@lru_cache(maxsize=256)
def neuron_program(pairs: int, levels: int, resumes: bool, finishes: bool) -> Program:
    """The micro-program of a chunk of a neuron; of the whole where it does not resume."""
    name = f"count_{2 * pairs}_{levels}"
    name += ("_resumed" if resumes else "") + ("" if finishes else "_kept")
    schedule = count_schedule(pairs, levels, resumes=resumes, finishes=finishes)
    return program(name, schedule)


def make_plan(
    layers: Sequence[BinaryLayer],
    inputs: int,
    bounds: tuple[int, int] = (0, 1),
    shape: ArrayShape | None = None,
) -> Plan:
    """The network of these layers on the array; the last one gives scores.

    `inputs` is the number of elements of the input, `bounds` its least and largest integer.
    UnsupportedModel where a layer does not fit, with the layer and the reason.
    """
    shape = shape or ArrayShape()
    if not layers or not isinstance(layers[-1], Scores):
        raise UnsupportedModel(
            "the network does not end in scores of classes",
            hint="the array gives scores or their argmax; end the model in a dense layer",
        )
    grid = _input_grid(layers, inputs)
    planner = _Planner(layers, grid, bounds, shape, masks=False)
    plan = planner.plan()
    if planner.needs_masks:
        plan = _Planner(layers, grid, bounds, shape, masks=True).plan()
    return plan


def _input_grid(layers: Sequence[BinaryLayer], size: int) -> tuple[int, int, int]:
    """Height, width and channels of the input, as the first window sees it; else one position."""
    for layer in layers:
        if layer.wiring.sources == (INPUT,) and not isinstance(layer, Scores) and layer.window:
            height, width = grid_of(layer)
            if size % (height * width) == 0:
                return height, width, size // (height * width)
    return 1, 1, size


class _Planner:
    def __init__(
        self,
        layers: Sequence[BinaryLayer],
        inputs: tuple[int, int, int],
        bounds: tuple[int, int],
        shape: ArrayShape,
        masks: bool,
    ) -> None:
        self.layers, self.shape, self.bounds = layers, shape, bounds
        pixels = any(isinstance(layer, Neurons) and layer.integer for layer in layers)
        self.inputs = Region(0, *inputs, shape.rows, pixels)
        self.end = 0 if pixels else self.inputs.size
        self.regions: list[Region] = []
        self.programs: list[Program] = []
        self.starts: dict[str, int] = {}
        self.offsets: list[int] = []
        self.segments = 0
        self.masks, self.needs_masks = masks, False
        self.s_bits = self.w_bits = 2

    def plan(self) -> Plan:
        planned = []
        for number, layer in enumerate(self.layers):
            try:
                planned.append(self._layer(number, layer))
            except UnsupportedModel as error:
                error.where = error.where or layer.name
                raise
        lo, hi = self.bounds if self.inputs.pixels else (0, 1)
        x_bits = max(lo.bit_length(), hi.bit_length()) + 1
        last = self.layers[-1]
        assert isinstance(last, Scores)
        s_bits = max(self.s_bits, x_bits + self.w_bits + 1)
        return Plan(
            self.shape, tuple(planned), tuple(self.programs), tuple(self.offsets), self.inputs,
            max(1, self.end), self.masks, x_bits, self.w_bits, s_bits,
            last.argmax, int(last.weights.shape[-1]),
        )  # fmt: skip

    def _size(self, source: int) -> int:
        if source == INPUT:
            region = self.inputs
            return region.height * region.width * region.channels
        return int(np.prod(self.layers[source].shape))

    def _views(self, layer: BinaryLayer) -> tuple[View, ...]:
        sizes = [self._size(s) for s in layer.wiring.sources]
        regions = [self.inputs if s == INPUT else self.regions[s] for s in layer.wiring.sources]
        integer = isinstance(layer, Neurons) and layer.integer
        if any(region.pixels != integer for region in regions):
            raise UnsupportedModel("bits and integers of the input are read by different layers")
        if isinstance(layer, Scores) or (isinstance(layer, Neurons) and not layer.window):
            return dense_views(layer, regions, sizes)
        return window_views(layer, regions, sizes)

    def _layer(self, number: int, layer: BinaryLayer) -> Planned:
        views = self._views(layer)
        kind = {"pool": "pool", "scores": "scores"}.get(layer.kind, "count")
        if isinstance(layer, Neurons) and layer.integer:
            kind = "mac"
        each = {"count": 2, "pool": self.shape.rows}.get(kind, 1)
        limit = CHUNK // 2 if kind == "count" else None
        parts = [(view, box) for view in views for box in boxes(view, each, limit)]
        if kind == "pool":
            parts = [(v, Box(b.rows, b.taps, range(1), 1, 1)) for v, b in parts]
        if isinstance(layer, Neurons) and kind == "count":
            absent = any(bool((view.index < 0).any()) for view in views)
            self.needs_masks |= absent or bool((layer.weights == 0).any())
        own = np.arange(views[0].region.channels)
        if kind == "pool" and (len(views) > 1 or (views[0].index[0, 0] != own).any()):
            raise UnsupportedModel("pooling of channels that were moved, or of several sources")
        filters = int(layer.shape[-1]) if kind != "scores" else _classes(layer)
        height, width = views[0].counts
        region = Region(self.end, height, width, filters, self.shape.rows)
        self.regions.append(region)
        if kind != "scores":
            self.end += region.size
        if self.end >= MOST:
            raise UnsupportedModel(
                f"activations take {self.end} words of {self.shape.rows} bits, "
                f"and the memory of a sample has {MOST}"
            )
        streams = [stream(view, box, each) for view, box in parts] if kind != "pool" else []
        kernels, classes, levels = self._kernels(layer, kind, streams)
        programs = self._programs(kind, [box.items for _, box in parts], levels)
        descriptors = self._descriptors(kind, parts, programs, region, kernels, classes)
        if number == len(self.layers) - 1:
            descriptors[-1] = replace(descriptors[-1], flags=descriptors[-1].flags | STOP)
        self.segments += len(descriptors)
        items = sum(box.items for _, box in parts)
        steps = sum(map(len, programs)) if programs else items + self.shape.macs
        per = self.shape.macs if kind in ("mac", "scores") else self.shape.rows
        return Planned(
            layer.name, kind, tuple(descriptors), tuple(programs), -(-filters // per),
            height * width, steps, _inputs(layer), filters, kernels, classes,
        )  # fmt: skip

    def _programs(self, kind: str, items: list[int], levels: int) -> list[Program]:
        if kind == "pool":
            found = [or_program(items[0])]
        elif kind == "count":
            last = len(items) - 1
            found = [neuron_program(n, levels, k > 0, k == last) for k, n in enumerate(items)]
        else:
            found = []
        for made in found:
            if made.name not in self.starts:
                self.starts[made.name] = sum(map(len, self.programs))
                self.programs.append(made)
        return found

    def _kernels(
        self, layer: BinaryLayer, kind: str, streams: list[IntArray]
    ) -> tuple[tuple[Tile, ...], IntArray, int]:
        """The kernels of the tiles, the class of every position, the levels of the count."""
        nothing = np.zeros(0, np.int64)
        if isinstance(layer, OrPool):
            return (), nothing, 0
        if isinstance(layer, Scores) or kind == "mac":
            return self._mac_kernels(layer, np.concatenate(streams))
        assert isinstance(layer, Neurons)
        filters, rows = int(layer.weights.shape[-1]), self.shape.rows
        tiles = -(-filters // rows)
        weights = np.zeros((layer.weights.size // filters + 1, tiles * rows), np.int8)
        weights[:-1, :filters] = layer.weights.reshape(-1, filters)
        taken = weights[np.concatenate(streams)].reshape(-1, 2, tiles, rows)
        taken = taken.transpose(2, 0, 3, 1)
        # A bit that is not there is 0, and so is its product where the weight is +1.
        leaves = (taken >= 0) if not self.masks else (taken > 0)
        thresholds = np.asarray(layer.threshold, dtype=np.int64).reshape(-1, filters)
        kinds, classes = _distinct(thresholds)
        levels = max(1, int(np.max(layer.fan_in))).bit_length()
        rest = (1 << levels) - np.pad(
            kinds, ((0, 0), (0, tiles * rows - filters)), constant_values=1 << levels
        )
        rest = rest.reshape(len(kinds), tiles, rows).transpose(1, 0, 2)
        constants = np.zeros((tiles, len(kinds), levels, rows, 2), np.uint8)
        for level in range(levels):
            constants[:, :, level, :, 0] = rest >> level & 1
        constants[:, :, levels - 1, :, 1] = rest >> levels & 1
        masks = (taken != 0).astype(np.uint8)
        made = tuple(Tile(leaves[t].astype(np.uint8), masks[t], constants[t]) for t in range(tiles))
        return made, classes, levels

    def _mac_kernels(
        self, layer: Neurons | Scores, order: IntArray
    ) -> tuple[tuple[Tile, ...], IntArray, int]:
        if isinstance(layer, Scores):
            count = layer.weights.shape[-1]
            factors = np.broadcast_to(np.asarray(layer.multiplier, dtype=object), (count,))
            given = np.asarray(layer.weights, dtype=object) * factors
            negative = np.asarray((layer.weights < 0).sum(axis=0), dtype=object)
            biases = (np.asarray(layer.offset, dtype=object) + factors * negative)[None]
            biases, classes = np.asarray(biases, dtype=object), np.zeros(1, np.int64)
        else:
            given = np.asarray(layer.weights, dtype=object)
            given = given.reshape(-1, given.shape[-1])
            lo, hi = self.bounds
            sums = [np.abs(given).sum(axis=0) * max(abs(lo), abs(hi), 1)]
            most = int(max(sums[0])) + 1
            rows = np.asarray(layer.threshold, dtype=object).reshape(-1, given.shape[-1])
            # Beyond what a sum can be, one threshold is as good as another.
            kinds, classes = _distinct(np.clip(rows, -most, most).astype(np.int64))
            biases = -kinds.astype(object)
        reach = np.abs(given).sum(axis=0) * max(abs(self.bounds[0]), abs(self.bounds[1]), 1)
        most = int(max(np.abs(biases).max(axis=0) + reach))
        self.s_bits = max(self.s_bits, most.bit_length() + 2)
        self.w_bits = max(self.w_bits, int(np.abs(given).max()).bit_length() + 1)
        if self.s_bits > 62:
            raise UnsupportedModel(f"sums of {self.s_bits} bits are too wide for the MACs")
        macs = self.shape.macs
        filters = given.shape[-1]
        tiles = -(-filters // macs)
        padded = np.zeros((len(given) + 1, tiles * macs), np.int64)
        padded[:-1, :filters] = given.astype(np.int64)
        taken = padded[order].reshape(-1, tiles, macs).transpose(1, 0, 2)
        # A neuron that is not there never fires, and is below every class.
        low = -(1 << self.s_bits - 1) if isinstance(layer, Scores) else -1
        full = np.full((len(biases), tiles * macs), low, dtype=np.int64)
        full[:, :filters] = biases.astype(np.int64)
        full = full.reshape(len(biases), tiles, macs).transpose(1, 0, 2)
        made = tuple(
            Tile(taken[t], np.zeros((0, macs, 2), np.uint8), full[t]) for t in range(tiles)
        )
        return made, classes, 0

    def _descriptors(
        self,
        kind: str,
        parts: list[tuple[View, Box]],
        programs: list[Program],
        region: Region,
        kernels: tuple[Tile, ...],
        classes: IntArray,
    ) -> list[Descriptor]:
        flags = {"count": 0, "pool": OWN, "mac": MAC | PIXELS, "scores": MAC | SCORES}[kind]
        flags |= (KERNEL if kernels else 0) | (SINGLE if len(parts) == 1 else 0)
        leaves = sum(box.items for _, box in parts)
        class_base = 0
        if len(classes) and classes.max() > 0:
            each = kernels[0].constants.shape[1]
            flags, class_base = flags | CLASSES, len(self.offsets)
            self.offsets += [int(c) * each for c in classes]
        per = self.shape.macs if kind in ("mac", "scores") else self.shape.rows
        found, begin = [], 0
        for k, (view, box) in enumerate(parts):
            source = view.region
            line = source.width * source.words
            y = view.start[0] + box.rows.start * view.dilation[0]
            x = view.start[1] + box.taps.start * view.dilation[1]
            found.append(
                Descriptor(
                    flags=flags | (LAST if k == len(parts) - 1 else 0) | (RESUMED if k else 0),
                    program=self.starts[programs[k].name] if programs else 0,
                    height=source.height,
                    width=source.width,
                    origin=source.base + y * line + x * source.words + box.words.start,
                    rows=len(box.rows),
                    taps=len(box.taps),
                    tap_words=len(box.words),
                    last_items=box.last,
                    full_items=box.full,
                    stride_y=view.stride[0],
                    stride_x=view.stride[1],
                    start_y=y,
                    start_x=x,
                    dilation_y=view.dilation[0],
                    dilation_x=view.dilation[1],
                    position_y=view.stride[0] * line,
                    position_x=view.stride[1] * source.words,
                    row_step=view.dilation[0] * line,
                    tap_step=view.dilation[1] * source.words,
                    out_rows=region.height,
                    out_cols=region.width,
                    out_base=region.base,
                    out_words=region.words,
                    leaf_base=begin,
                    constant_base=leaves,
                    class_base=class_base,
                    tiles=-(-region.channels // per),
                    first_segment=self.segments,
                )
            )
            begin += box.items
        return found


def _classes(layer: BinaryLayer) -> int:
    assert isinstance(layer, Scores)
    return int(layer.weights.shape[-1])


def _inputs(layer: BinaryLayer) -> int:
    if isinstance(layer, OrPool):
        return int(np.prod(layer.window))
    return int(np.prod(layer.weights.shape[:-1]))


def _distinct(rows: IntArray) -> tuple[IntArray, IntArray]:
    """The distinct rows in order of their first place, and for each row its number."""
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rows[first[order]], rank[inverse.reshape(-1)]
