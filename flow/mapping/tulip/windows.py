"""How a layer walks over the image memory: regions of activations, and boxes of a window.

A region holds the activations of a source: positions in row-major order, at each `words` words of
`rows` channels, the rest of the last word 0. Integers of the input lie one in a word instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flow.errors import UnsupportedModel
from flow.ir.binary import ABSENT, Neurons, OrPool, Scores
from flow.ir.tensor import IntArray

CHUNK = 1536
"""Products of one micro-program; a neuron of more is summed in chunks."""


@dataclass(frozen=True, slots=True)
class Region:
    """Activations in the memory of every sample: `height` x `width` positions of channels."""

    base: int
    height: int
    width: int
    channels: int
    rows: int
    pixels: bool = False

    @property
    def words(self) -> int:
        """Words of a position."""
        return self.channels if self.pixels else -(-self.channels // self.rows)

    @property
    def size(self) -> int:
        """Words of the region."""
        return self.height * self.width * self.words

    @property
    def flat(self) -> Region:
        """The same in one row of positions."""
        return Region(self.base, 1, self.height * self.width, self.channels, self.rows, self.pixels)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A window over a region: `index` (rows, taps, channels) gives the row of the weights, or -1.

    `start`, `stride` and `dilation` are (y, x), `counts` the positions of the result.
    """

    region: Region
    index: IntArray
    counts: tuple[int, int]
    start: tuple[int, int] = (0, 0)
    stride: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a window: ranges of rows, taps and words of a tap, and how words are taken."""

    rows: range
    taps: range
    words: range
    full: int
    last: int

    @property
    def items(self) -> int:
        """Pairs, or integers, or bits, of the box."""
        words = self.full * (len(self.words) - 1) + self.last
        return len(self.rows) * len(self.taps) * words


def boxes(view: View, each: int, limit: int | None) -> Iterator[Box]:
    """The window in as few boxes as the limit of items allows; `each` activations are an item."""
    region = view.region
    rows, taps = view.index.shape[:2]
    full = 1 if region.pixels else region.rows // each
    rest = region.channels - (region.words - 1) * region.rows
    last = 1 if region.pixels else -(-rest // each)
    whole = (range(rows), range(taps), range(region.words))
    tap = full * (region.words - 1) + last
    if limit is None or rows * taps * tap <= limit:
        yield Box(*whole, full, last)
    elif taps * tap <= limit:
        for part in _parts(rows, limit // (taps * tap)):
            yield Box(part, *whole[1:], full, last)
    else:
        for row in range(rows):
            yield from _row_boxes(range(row, row + 1), taps, region.words, (full, last), limit)


def _row_boxes(
    row: range, taps: int, words: int, items: tuple[int, int], limit: int
) -> Iterator[Box]:
    full, last = items
    tap = full * (words - 1) + last
    if tap <= limit:
        for part in _parts(taps, limit // tap):
            yield Box(row, part, range(words), full, last)
        return
    for at in range(taps):
        for part in _parts(words, limit // full):
            yield Box(row, range(at, at + 1), part, full, last if part.stop == words else full)


def _parts(count: int, size: int) -> Iterator[range]:
    for begin in range(0, count, size):
        yield range(begin, min(count, begin + size))


def stream(view: View, box: Box, each: int) -> IntArray:
    """The row of the weights of everything that a box takes, in order; -1 where there is none."""
    region = view.region
    found = []
    channel_rows = 1 if region.pixels else region.rows
    index = np.full((*view.index.shape[:2], region.words * channel_rows), -1, dtype=np.int64)
    index[:, :, : view.index.shape[2]] = view.index
    for row in box.rows:
        for tap in box.taps:
            for word in box.words:
                items = box.last if word == box.words[-1] else box.full
                begin = word * channel_rows
                found.append(index[row, tap, begin : begin + items * each])
    return np.concatenate(found)


def dense_views(
    layer: Neurons | Scores, regions: Sequence[Region], sizes: Sequence[int]
) -> tuple[View, ...]:
    """A view of the whole of each source, in any order; more, where bits are read repeatedly."""
    indices = layer.wiring.indices.reshape(-1)
    views: list[View] = []
    for times in _occurrences(indices):
        inverse = np.full(sum(sizes), -1, dtype=np.int64)
        inverse[indices[times]] = times
        begin = 0
        for region, size in zip(regions, sizes, strict=True):
            flat, mine = region.flat, inverse[begin : begin + size]
            begin += size
            if (mine >= 0).any():
                index = mine.reshape(1, flat.width, flat.channels)
                _append(views, View(flat, index, (1, 1)))
    return tuple(views)


def _append(views: list[View], view: View) -> None:
    """Add a view; what lies right behind the last one in memory is one with it."""
    after = view.region
    if views:
        last = views[-1].region
        joined = last.base + last.size == after.base and last.channels == after.channels
        if joined and not (last.pixels or after.pixels):
            whole = Region(last.base, 1, last.width + after.width, last.channels, last.rows)
            index = np.concatenate([views[-1].index, view.index], axis=1)
            views[-1] = View(whole, index, (1, 1))
            return
    views.append(view)


def _occurrences(values: IntArray) -> Iterator[IntArray]:
    """Places of the first occurrence of each value other than ABSENT, of the second, and so on."""
    places = np.flatnonzero(values != ABSENT)
    while len(places):
        _, first = np.unique(values[places], return_index=True)
        yield np.sort(places[first])
        places = np.delete(places, first)


def window_views(
    layer: Neurons | OrPool, regions: Sequence[Region], sizes: Sequence[int]
) -> tuple[View, ...]:
    """A view of each source under a sliding window; every position has the same channels."""
    indices, grid, margins = _cropped(layer, layer.wiring.indices)
    channels = indices.shape[-1]
    views, begin = [], 0
    axes = len(layer.window)
    window, strides = _two(layer.window, 1), _two(layer.strides, 1)
    dilation = _two(layer.dilation if isinstance(layer, Neurons) else (1,) * axes, 1)
    counts = _two(layer.shape[:-1], 1)
    for region, size in zip(regions, sizes, strict=True):
        mine = (indices >= begin) & (indices < begin + size)
        picked = np.where(mine, indices - begin, ABSENT).reshape(-1, channels)
        begin += size
        places = np.arange(len(picked))[:, None] * region.channels
        channel = np.where(picked != ABSENT, picked - places, ABSENT)
        same = bool((channel == channel[:1]).all()) and grid == (region.height, region.width)
        if not same or (channel >= region.channels).any() or (channel < ABSENT).any():
            raise UnsupportedModel(
                "a window slides over activations that were moved between positions",
                where=layer.name,
                hint="a convolution or pooling needs its source as it is, but for its border",
            )
        taps = np.arange(window[0] * window[1]).reshape(*window, 1) * channels
        start = (-margins[0], -margins[1])
        for times in _occurrences(channel[0]):
            of = np.full(region.channels, -1, dtype=np.int64)
            of[channel[0][times]] = times
            index = np.where(of >= 0, taps + of, -1)
            views.append(View(region, index, counts, start, strides, dilation))
    return tuple(views)


def grid_of(layer: Neurons | OrPool) -> tuple[int, int]:
    """Height and width of what a window slides over, without an absent border."""
    return _cropped(layer, layer.wiring.indices)[1]


def _two(values: Sequence[int], fill: int) -> tuple[int, int]:
    """Of one axis or two, (y, x)."""
    y, x = ((fill, *values) if len(values) == 1 else values)[:2]
    return int(y), int(x)


def _cropped(
    layer: Neurons | OrPool, indices: IntArray
) -> tuple[IntArray, tuple[int, int], tuple[int, int]]:
    """Indices (height, width, channels) without an absent border; the size; the margins before."""
    axes = len(layer.window)
    if axes not in (1, 2):
        raise UnsupportedModel(
            f"a window over {axes} axes", where=layer.name, hint="the array has one and two axes"
        )
    grid = indices.reshape((1, *indices.shape) if axes == 1 else indices.shape)
    margins = [before for before, _ in layer.padding]
    present = (grid != ABSENT).any(axis=-1)
    ys, xs = np.flatnonzero(present.any(axis=1)), np.flatnonzero(present.any(axis=0))
    if not len(ys):
        raise UnsupportedModel("a window over nothing", where=layer.name)
    inner = grid[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
    before_y, before_x = (0, margins[0]) if axes == 1 else (margins[0], margins[1])
    size = (int(inner.shape[0]), int(inner.shape[1]))
    return inner, size, (before_y + int(ys[0]), before_x + int(xs[0]))
