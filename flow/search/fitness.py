"""The fitness of a whole population: how many samples each genome classifies as its label says.

Everything is integer and exact, so any order of work, any machine, any number of threads and any
of the ways to count gives the same as `evaluate_network(space.network(genome))`, sample by sample.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.ir.tensor import IntArray
from flow.search.compiled_count import Compiled, compilable
from flow.search.device import Device, gpu
from flow.search.matrices import Matrices
from flow.search.space import Space


class Counter(Protocol):
    """A way to count, made from samples in the order of their labels."""

    def correct(self, genomes: IntArray) -> NDArray[np.int64]:
        """The number of samples that each genome (P, genes) puts into their class."""
        ...

    def classes(self, genomes: IntArray) -> NDArray[np.int16]:
        """The class (P, N) of every sample."""
        ...


Way = Callable[[Space, IntArray, IntArray], Counter]


def best_way(space: Space) -> Way:
    """The fastest way to count on this machine; all of them give the same."""
    xp = gpu()
    if xp is not None:
        return partial(Device, xp=xp)
    return Compiled if compilable(space) else Matrices


def evaluate(
    space: Space, genomes: IntArray, x: IntArray, y: IntArray, threads: int = 1
) -> NDArray[np.int64]:
    """How many of the samples x (N, inputs) each of the genomes (P, genes) puts into class y (N,).

    UsageError where an input or a label is out of its range.
    """
    return Fitness(space, x, y, threads)(genomes)


def predict(space: Space, genomes: IntArray, x: IntArray) -> NDArray[np.int16]:
    """The classes (P, N) of the samples x (N, inputs)."""
    x = np.asarray(x)
    return Fitness(space, x, np.zeros(len(x), np.int64)).predict(genomes)


class Fitness:
    """A data set, made ready for many populations: call it with genomes (P, genes).

    x (N, inputs) are the integers of the inputs, y (N,) labels from 0 on. Counts on a GPU where
    CuPy finds one, in C where there is a compiler, else by products of matrices; or the one `way`.
    """

    def __init__(
        self, space: Space, x: IntArray, y: IntArray, threads: int = 1, way: Way | None = None
    ) -> None:
        x, y = np.asarray(x), np.asarray(y)
        if x.ndim != 2 or x.shape[1] != space.inputs or y.shape != x.shape[:1]:
            raise UsageError(
                f"samples of shape {x.shape} with labels of shape {y.shape}",
                hint=f"the search space has {space.inputs} inputs",
            )
        if x.size and not (x.min() >= 0 and x.max() < 1 << space.input_bits):
            raise UsageError(
                f"an input outside [0, {(1 << space.input_bits) - 1}]",
                hint=f"the search space reads {space.input_bits} bits",
            )
        if y.size and not (y.min() >= 0 and y.max() < space.classes):
            raise UsageError(
                f"a label outside [0, {space.classes - 1}]",
                hint=f"the search space has {space.classes} classes",
            )
        self.space = space
        self.threads = max(1, threads)
        self._order = np.argsort(y, kind="stable")
        labels, inputs = y[self._order], x[self._order].T
        self._counter = (way or best_way(space))(space, inputs, labels)

    def __call__(self, genomes: IntArray) -> NDArray[np.int64]:
        """The number of samples that each genome puts into their class."""
        parts = self._parts(np.atleast_2d(genomes), self._counter.correct)
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def predict(self, genomes: IntArray) -> NDArray[np.int16]:
        """The class (P, N) of every sample, in the order of the samples."""
        genomes = np.atleast_2d(genomes)
        found = np.zeros((len(genomes), len(self._order)), np.int16)
        if len(genomes):
            found[:, self._order] = np.concatenate(self._parts(genomes, self._counter.classes))
        return found

    def _parts(
        self, genomes: IntArray, work: Callable[[IntArray], NDArray[Any]]
    ) -> list[NDArray[Any]]:
        """The work on equal parts of the population, a thread each."""
        if self.threads == 1 or len(genomes) < 2:
            return [work(genomes)]
        with _one_thread_each(), ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(work, np.array_split(genomes, min(self.threads, len(genomes)))))


def _one_thread_each() -> AbstractContextManager[Any]:
    """Keeps the matrix library from starting threads of its own, where that can be told to it."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits
