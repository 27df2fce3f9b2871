"""Rounds of trimming in C, as `trim_gates.py` has them in Python: equal choices, much faster."""

from __future__ import annotations

import ctypes
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import ToolError
from flow.ir.aig import Aig, Words, pack
from flow.passes.approximate.gates import GateFacts, remade, simulated
from flow.tools.compiler import available, shared_library


@cache
def kernel() -> ctypes.CDLL | None:
    """The functions of trim_gates.c, compiled for this machine; None without a compiler."""
    if not available():
        return None
    text = Path(__file__).with_name("trim_gates.c").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="flow-trim-") as folder:
        try:
            return ctypes.CDLL(str(shared_library(text, Path(folder), "trim_gates")))
        except ToolError:
            return None


class CompiledTrimming:
    """A graph with its values on the training data, while gates give way to other signals."""

    def __init__(self, graph: Aig, facts: GateFacts) -> None:
        assert facts.labels is not None
        self._start = graph
        self._values = np.ascontiguousarray(simulated(graph, facts))
        none = np.zeros((graph.first_gate, 2), np.int32)
        gates = np.array([graph.left, graph.right], dtype=np.int32).T.reshape(-1, 2)
        self._operands = np.concatenate([none, gates])
        self._outputs = np.array(graph.literals, dtype=np.int32)
        self._alive = np.ones(len(self._values), np.uint8)
        self._instead = np.full(len(self._values), -1, np.int32)
        bits = np.asarray(facts.labels)[:, None] >> np.arange(len(self._outputs)) & 1
        self._wanted = np.ascontiguousarray(pack(bits.astype(np.uint8)))
        self._full: Words = pack(np.ones((facts.count, 1), np.uint8))[0]
        outputs = self._outputs.astype(np.int64)
        inverted = np.where(outputs & 1, np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0))
        wrong = self._values[outputs >> 1] ^ inverted[:, None] ^ self._wanted
        right = self._full & ~np.bitwise_or.reduce(wrong, axis=0)
        self.correct = int(np.bitwise_count(right).sum())

    def round(self, rate: Fraction, floor: int, near: bool = False) -> bool:
        """Visit every gate once, those that save most first; whether one was replaced. With
        `near` nothing but constants and what a gate is made of takes its place."""
        library, correct = kernel(), ctypes.c_int64(0)
        assert library is not None
        status = library.trim_round(
            self._start.first_gate, *self._values.shape, len(self._outputs),
            _pointer(self._operands), _pointer(self._outputs), _pointer(self._alive),
            _pointer(self._values), _pointer(self._wanted), _pointer(self._full),
            ctypes.c_int64(rate.numerator), ctypes.c_int64(rate.denominator),
            ctypes.c_int64(floor), near, _pointer(self._instead), ctypes.byref(correct),
        )  # fmt: skip
        if status < 0:
            raise MemoryError
        self.correct = correct.value
        return bool(status)

    def graph(self) -> Aig:
        """The graph as it is now."""
        places = np.flatnonzero(self._instead >= 0)
        instead = dict(zip(places.tolist(), self._instead[places].tolist(), strict=True))
        return remade(self._start, instead, range(len(self._outputs)))


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
