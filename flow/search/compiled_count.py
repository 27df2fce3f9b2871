"""Counting in C: the fastest way, where there is a compiler."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray
from flow.search.kernel import compiled, plan_of, pointer
from flow.search.space import Space

SIZE = 256
"""Samples of a chunk, as count.c has it."""


def compilable(space: Space) -> bool:
    """Whether there is a compiler, and every sum of every genome fits 31 bits."""
    largest = max(
        sources * (((1 << space.source_bits(layer)) - 1) << space.exponents)
        for layer, sources in enumerate(space.widths[:-1])
    )
    return largest + (1 << space.bias_bits) < 1 << 31 and compiled("count") is not None


class Compiled:
    """Samples in the order of their labels: inputs (inputs, N), labels (N,)."""

    def __init__(self, space: Space, inputs: IntArray, labels: IntArray) -> None:
        self.space = space
        self._samples = len(labels)
        chunks = -(-len(labels) // SIZE)
        padded = np.zeros((space.inputs, chunks * SIZE), np.int16)
        padded[:, : len(labels)] = inputs
        parts = padded.reshape(space.inputs, chunks, SIZE).transpose(1, 0, 2)
        self._inputs = np.ascontiguousarray(parts)
        self._labels = np.full(chunks * SIZE, -1, np.int32)
        self._labels[: len(labels)] = labels
        self._plan = plan_of(space)

    def correct(self, genomes: IntArray) -> NDArray[np.int64]:
        """The number of samples that each genome (P, genes) puts into their class."""
        return self._run(genomes, None)

    def classes(self, genomes: IntArray) -> NDArray[np.int16]:
        """The class (P, N) of every sample."""
        classes = np.zeros((len(genomes), len(self._labels)), np.int16)
        self._run(genomes, classes)
        return classes[:, : self._samples]

    def _run(self, genomes: IntArray, classes: NDArray[np.int16] | None) -> NDArray[np.int64]:
        genomes = np.ascontiguousarray(genomes, dtype=np.int32)
        correct = np.zeros(len(genomes), np.int64)
        kernel = compiled("count")
        assert kernel is not None
        failed = kernel.flow_count(
            pointer(genomes), ctypes.c_int64(len(genomes)), ctypes.c_int64(genomes.shape[1]),
            pointer(self._plan), pointer(self._inputs), pointer(self._labels),
            ctypes.c_int64(len(self._inputs)), pointer(correct),
            None if classes is None else pointer(classes),
        )  # fmt: skip
        if failed:
            raise MemoryError
        return correct
