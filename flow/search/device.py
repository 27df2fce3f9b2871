"""Counting on a GPU, through CuPy: products of matrices over bit planes, the same bit for bit.

CuPy has the functions of NumPy by their names, so the same lines count with either. Products are
in float32 where every partial sum is below 2**24, else in float64, which makes them exact in any
order; all that follows is whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray
from flow.search.matrices import EXACT32, winners
from flow.search.space import LayerGenes, Space

VALUES = 1 << 26
"""Values of the largest array of a block of genomes."""

_TRIED = ((4095, 1), (1, 4095))
"""Its product with itself takes all 24 bits; shorter formats, such as TF32, get it wrong."""


@cache
def gpu() -> Any | None:
    """CuPy, where it is installed and a product on its GPU is exact; else None."""
    if find_spec("cupy") is None:
        return None
    try:
        import cupy

        a = cupy.asarray(np.array(_TRIED, dtype=np.float32))
        found = cupy.asnumpy(cupy.matmul(a, a.T))
    except Exception:  # noqa: BLE001 - a driver or a library is missing, each in its own way
        return None
    return cupy if found.tolist() == (np.array(_TRIED) @ np.array(_TRIED).T).tolist() else None


class Device:
    """Samples in the order of their labels: inputs (inputs, N), labels (N,); `xp` is CuPy, or
    NumPy for the same without a GPU."""

    def __init__(self, space: Space, inputs: IntArray, labels: IntArray, xp: Any) -> None:
        self.space, self._xp, self._samples = space, xp, len(labels)
        self._labels = xp.asarray(np.asarray(labels, dtype=np.int64))
        self._inputs = xp.asarray(np.asarray(inputs, dtype=np.int32))

    def correct(self, genomes: IntArray) -> NDArray[np.int64]:
        """The number of samples that each genome (P, genes) puts into their class."""
        found = [(c == self._labels).sum(axis=1) for c in self._blocks(genomes)]
        return self._joined(found, np.zeros(0, np.int64))

    def classes(self, genomes: IntArray) -> NDArray[np.int16]:
        """The class (P, N) of every sample."""
        found = [c.astype(np.int16) for c in self._blocks(genomes)]
        return self._joined(found, np.zeros((0, self._samples), np.int16))

    def _joined(self, found: list[Any], none: NDArray[Any]) -> NDArray[Any]:
        host = getattr(self._xp, "asnumpy", np.asarray)
        return np.concatenate([none, *(host(a) for a in found)])

    def _blocks(self, genomes: IntArray) -> Iterator[Any]:
        """The classes (block, N) of some genomes after the other."""
        space = self.space
        widest = max(
            width * space.source_bits(layer) for layer, width in enumerate(space.widths[:-1])
        )
        largest = max(1, self._samples) * max(widest, 2 * space.classes)
        step = max(1, VALUES // largest)
        for start in range(0, len(genomes), step):
            yield self._classes(np.asarray(genomes[start : start + step]))

    def _classes(self, genomes: IntArray) -> Any:
        values = self._inputs[None]
        for place, genes in enumerate(self.space.layers(genomes)):
            values = self._layer(genes, values, self.space.source_bits(place))
        return self._decided(genomes, values)

    def _layer(self, genes: LayerGenes, values: Any, source_bits: int) -> Any:
        """What the neurons show (block, out, N), of what their sources do (block or 1, in, N)."""
        xp = self._xp
        bits = np.arange(source_bits)
        masks = genes.masks.astype(np.int64)[..., None] >> bits & 1
        weights = (masks * (genes.weights()[..., None] << bits)).reshape(*genes.bias.shape, -1)
        bias = genes.bias.astype(np.int64)
        peak = int((np.abs(weights).sum(axis=2) + np.abs(bias)).max(initial=0))
        kind = xp.float32 if peak < EXACT32 else xp.float64
        planes = values[:, :, None, :] >> xp.arange(source_bits)[:, None] & 1
        shape = len(values), weights.shape[2], self._samples
        planes = planes.reshape(shape).astype(kind)
        sums = xp.matmul(xp.asarray(weights).astype(kind), planes)
        sums = sums.astype(xp.int64) + xp.asarray(bias)[:, :, None]
        if genes.shifts is None or genes.bits is None or genes.alive is None:
            return sums
        tops = ((np.int64(1) << genes.bits.astype(np.int64)) - 1) * genes.alive.astype(np.int64)
        shifted = sums >> xp.asarray(genes.shifts.astype(np.int64))[:, :, None]
        return xp.clip(shifted, 0, xp.asarray(tops)[:, :, None]).astype(xp.int32)

    def _decided(self, genomes: IntArray, scores: Any) -> Any:
        """The classes (block, N) of scores (block, classes, N)."""
        xp, count = self._xp, self.space.classes
        if self.space.tournament:
            return winners(self.space, genomes, scores, xp)
        # No two are equal, so it is the first of the largest.
        places = xp.arange(count)[None, :, None]
        return (scores * count + (count - 1 - places)).argmax(axis=1)
