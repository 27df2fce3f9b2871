"""A network of bits on the array: regions, descriptors, micro-programs, kernels of every tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from flow.errors import UnsupportedModel
from flow.ir.binary import INPUT, BinaryLayer, Neurons, OrPool, Scores
from flow.ir.tensor import IntArray
from flow.mapping.tulip.allocate import program
from flow.mapping.tulip.kernels import (
    Host,
    Tile,
    count_kernels,
    mac_kernels,
    score_terms,
    sum_terms,
)
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

WIDEST = 62
"""Bits of a sum of the MACs at most."""
MOST = 1 << 15
"""Words of a memory that a field of 16 bits can address, whatever the sign."""


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
    first addresses the descriptors hold. `host` has a factor and a summand for each class, which
    make the network's scores of the counts that the array gives.
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
    host: Host

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
        self.host: Host = ((1,), (0,))

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
            last.argmax, int(last.weights.shape[-1]), self.host,
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
        if isinstance(layer, Scores) or layer.integer:
            return self._mac_kernels(layer, np.concatenate(streams))
        return count_kernels(layer, np.concatenate(streams), self.shape.rows, self.masks)

    def _mac_kernels(
        self, layer: Neurons | Scores, order: IntArray
    ) -> tuple[tuple[Tile, ...], IntArray, int]:
        if isinstance(layer, Scores):
            terms = score_terms(layer)
            self.host = terms.host
        else:
            terms = sum_terms(layer, self.bounds)
        self.s_bits = max(self.s_bits, terms.most.bit_length() + 2)
        self.w_bits = max(self.w_bits, int(np.abs(terms.weights).max()).bit_length() + 1)
        if self.s_bits > WIDEST:
            raise UnsupportedModel(f"sums of {self.s_bits} bits are too wide for the MACs")
        # A neuron that is not there never fires, and is below every class.
        low = -(1 << self.s_bits - 1) if isinstance(layer, Scores) else -1
        return mac_kernels(terms, order, self.shape.macs, low), terms.classes, 0

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
