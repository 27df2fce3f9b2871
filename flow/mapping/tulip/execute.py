"""A plan on its array, exactly: what every element holds after every step, and the answers.

The order is that of the hardware: layers, tiles, positions, segments, steps. Samples lie side by
side in 64-bit words, so thousands run at once; a batch of the array is as many as it has columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flow.ir.tensor import IntArray
from flow.mapping.tulip.elements import Elements, Words
from flow.mapping.tulip.kernels import Tile
from flow.mapping.tulip.plan import Plan, Planned
from flow.mapping.tulip.shape import Descriptor

FULL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True, slots=True)
class Run:
    """One segment at one position of one tile: what the sequencer does between two starts."""

    layer: int
    tile: int
    position: int
    segment: int
    last: bool
    ends_tile: bool


Watch = Callable[[Run, Elements], None]
"""Called after each step of the elements."""


def runs(plan: Plan) -> Iterator[Run]:
    """Every run of a batch, in order."""
    for number, layer in enumerate(plan.layers):
        for tile in range(layer.tiles):
            for position in range(layer.positions):
                for segment in range(len(layer.descriptors)):
                    last = segment == len(layer.descriptors) - 1
                    ends = last and position == layer.positions - 1
                    yield Run(number, tile, position, segment, last, ends)


def taken(descriptor: Descriptor, position: int, tile: int) -> Iterator[tuple[int | None, int]]:
    """Word address (None outside the image) and place in the word of everything that is taken."""
    d = descriptor
    oy, ox = divmod(position, d.out_cols)
    y0, x0 = d.start_y + oy * d.stride_y, d.start_x + ox * d.stride_x
    at = d.origin + oy * d.position_y + ox * d.position_x + (tile if d.flags & 2 else 0)
    for row in range(d.rows):
        for tap in range(d.taps):
            y, x = y0 + row * d.dilation_y, x0 + tap * d.dilation_x
            inside = 0 <= y < d.height and 0 <= x < d.width
            place = at + row * d.row_step + tap * d.tap_step
            for word in range(d.tap_words):
                items = d.last_items if word == d.tap_words - 1 else d.full_items
                for item in range(items):
                    yield (place + word if inside else None), item


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Sums of the last layer (samples, classes), and the class of the largest of each sample."""

    scores: IntArray
    classes: IntArray


def host_scores(plan: Plan, counts: IntArray) -> npt.NDArray[Any]:
    """The network's scores (samples, classes) of the counts that the array gives, exact."""
    factors, summands = (np.array(row, dtype=object) for row in plan.host)
    scores: npt.NDArray[Any] = counts.astype(object) * factors + summands
    return scores


def host_counts(plan: Plan, scores: npt.NDArray[Any]) -> IntArray:
    """The counts that the array must give for scores (samples, classes) of the network."""
    factors, summands = (np.array(row, dtype=object) for row in plan.host)
    safe = np.where(factors == 0, 1, factors)
    counts = np.where(factors == 0, 0, (np.asarray(scores, dtype=object) - summands) // safe)
    return counts.astype(np.int64)


class Execution:
    """The state of an array that works through a plan; `elements` is carried on between batches."""

    def __init__(self, plan: Plan, samples: int) -> None:
        self.plan, self.samples = plan, samples
        self.words = -(-samples // 64)
        rows = plan.shape.rows
        self.elements = Elements.cleared((rows, self.words))
        self.bits: Words = np.zeros((plan.image_words, rows, self.words), np.uint64)
        self.pixels: IntArray = np.zeros((plan.inputs.size, samples), np.int64)
        last = plan.layers[-1]
        self.scores: IntArray = np.zeros((samples, last.tiles * plan.shape.macs), np.int64)
        self.sums: IntArray = np.zeros((samples, plan.shape.macs), np.int64)

    def load(self, inputs: IntArray) -> None:
        """Put the input (samples, elements) into the memory."""
        if self.plan.inputs.pixels:
            self.pixels = np.ascontiguousarray(inputs.T)
        else:
            words = image_words(self.plan, inputs)
            self.bits[: words.shape[1]] = _packed(words.transpose(1, 2, 0), self.words)

    def run(self, inputs: IntArray, watch: Watch | None = None) -> Answers:
        """The answers to inputs (samples, elements)."""
        self.load(inputs)
        for run in runs(self.plan):
            layer = self.plan.layers[run.layer]
            if layer.kind in ("mac", "scores"):
                self._mac(layer, run)
            else:
                self._count(layer, run, watch)
        scores = self.scores[:, : self.plan.answers]
        return Answers(scores, np.argmax(scores, axis=1))

    def _count(self, layer: Planned, run: Run, watch: Watch | None) -> None:
        descriptor, program = layer.descriptors[run.segment], layer.programs[run.segment]
        rows = self.plan.shape.rows
        operands = self._operands(descriptor, run)
        tile = layer.kernels[run.tile] if layer.kernels else None
        leaf = descriptor.leaf_base
        constants = self._constants(layer, tile, run)
        constant = 0
        zero = np.zeros((rows, self.words), np.uint64)
        for step in program.steps:
            e0 = e1 = zero
            if step.own:
                channels = next(operands)
                e0 = zero if channels is None else channels
            elif step.take:
                pair = next(operands)
                if pair is not None:
                    assert tile is not None
                    e0, e1 = self._products(tile, leaf, pair)
                leaf += 1
            elif step.constant:
                e0, e1 = (_spread(constants[constant, :, k]) for k in (0, 1))
                constant += 1
            self.elements.step(step, e0, e1)
            if watch is not None:
                watch(run, self.elements)
        if run.last:
            place = descriptor.out_base + run.position * descriptor.out_words + run.tile
            self.bits[place] = self.elements.neurons[0]

    def _operands(self, descriptor: Descriptor, run: Run) -> Iterator[Words | None]:
        own = descriptor.flags & 2
        for address, item in taken(descriptor, run.position, run.tile):
            if address is None:
                yield None
            else:
                word = self.bits[address]
                yield word if own else word[2 * item : 2 * item + 2]

    def _products(self, tile: Tile, leaf: int, pair: Words) -> tuple[Words, Words]:
        weights = tile.leaves[leaf]
        found = []
        for k in (0, 1):
            product = pair[k][None, :] ^ _spread(1 - weights[:, k])
            if self.plan.masks:
                product = product & _spread(tile.masks[leaf][:, k])
            found.append(product)
        return found[0], found[1]

    def _constants(self, layer: Planned, tile: Tile | None, run: Run) -> npt.NDArray[Any]:
        if tile is None:
            return np.zeros((0, 0, 2), np.uint8)
        constants: npt.NDArray[Any] = tile.constants[self._class(layer, run)]
        return constants

    def _class(self, layer: Planned, run: Run) -> int:
        return int(layer.classes[run.position]) if len(layer.classes) > 1 else 0

    def _mac(self, layer: Planned, run: Run) -> None:
        descriptor, tile = layer.descriptors[run.segment], layer.kernels[run.tile]
        macs, rows = self.plan.shape.macs, self.plan.shape.rows
        if run.segment == 0:
            biases = tile.constants[self._class(layer, run)]
            self.sums = np.broadcast_to(biases, (self.samples, macs))
        order = [
            None if address is None else (address, item)
            for address, item in taken(descriptor, run.position, run.tile)
        ]
        operands = np.zeros((self.samples, len(order)), np.int64)
        inside = [k for k, place in enumerate(order) if place is not None]
        places = [place for place in order if place is not None]
        addresses = np.array([place[0] for place in places], np.int64)
        if layer.kind == "mac":
            operands[:, inside] = self.pixels[addresses].T
        else:
            items = np.array([place[1] for place in places], np.int64)
            operands[:, inside] = _unpacked(self.bits[addresses, items], self.samples).T
        begin = descriptor.leaf_base
        self.sums = self.sums + operands @ tile.leaves[begin : begin + len(order)]
        if not run.last:
            return
        sums = self.sums
        if layer.kind == "scores":
            self.scores[:, run.tile * macs : (run.tile + 1) * macs] = sums
            return
        place = descriptor.out_base + run.position * descriptor.out_words
        word, lane = divmod(run.tile, rows // macs)
        if lane == 0:
            self.bits[place + word] = 0
        fired = _packed((sums >= 0).T.astype(np.uint8), self.words)
        self.bits[place + word, lane * macs : (lane + 1) * macs] = fired


def image_words(plan: Plan, inputs: IntArray) -> npt.NDArray[np.uint8]:
    """The input bits (samples, elements) as the words of its region (samples, words, rows)."""
    region = plan.inputs
    given = np.asarray(inputs).reshape(len(inputs), -1, region.channels)
    padded = np.zeros((*given.shape[:2], region.words * region.rows), np.uint8)
    padded[:, :, : region.channels] = given
    return padded.reshape(len(inputs), -1, region.rows)


def _spread(bits: npt.NDArray[Any]) -> Words:
    """All ones where a bit is 1, as a column for all samples."""
    words: Words = np.where(bits != 0, FULL, np.uint64(0))[:, None]
    return words


def _packed(bits: npt.NDArray[Any], words: int) -> Words:
    """Bits (..., samples) as words of 64 samples, the first at bit 0."""
    room = np.zeros((*bits.shape[:-1], words * 64), np.uint8)
    room[..., : bits.shape[-1]] = bits
    packed = np.packbits(room, axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view(np.uint64)


def _unpacked(words: Words, samples: int) -> npt.NDArray[np.uint8]:
    """The bits (..., samples) of words of 64 samples."""
    as_bytes = np.ascontiguousarray(words).view(np.uint8)
    return np.unpackbits(as_bytes, axis=-1, bitorder="little")[..., :samples]
