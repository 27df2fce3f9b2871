"""The compiled evaluator: the meaning of a Circuit at the speed of the machine's vectors."""

from __future__ import annotations

import ctypes
import shutil
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.backends.c import emit_c, lane_bits
from flow.errors import InternalError, IRError
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import IntArray
from flow.tools.compiler import shared_library

FLAGS = ("-O1", "-fwrapv")
"""-O1: straight-line vector code gains nothing above it, and compiles fastest."""

THREADS = 2
SMALLEST_SHARE = 4096
"""Samples below which another thread costs more than it saves."""

_SIGNED = (np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.int32), np.dtype(np.int64))


def supported(circuit: Circuit) -> bool:
    """Whether every wire fits 64 bits; elsewhere use `flow.ir.evaluate.evaluate`."""
    return lane_bits(circuit) is not None


class CompiledCircuit:
    """A Circuit as a shared library in a folder of its own, gone when the context ends.

    Raises InternalError where the circuit is not `supported`, ToolError where there is no C
    compiler. One object may be used from several threads.
    """

    def __init__(self, circuit: Circuit, *, threads: int = THREADS) -> None:
        self._circuit = circuit
        self._threads = max(1, threads)
        text = emit_c(circuit)
        self._folder = Path(tempfile.mkdtemp(prefix="flow-compiled-"))
        self._library: ctypes.CDLL | None = None
        try:
            built = shared_library(text, self._folder, "circuit", arguments=FLAGS)
            self._library = ctypes.CDLL(str(built))
        except BaseException:
            self.close()
            raise
        self._library.flow_run.restype = ctypes.c_int
        self._library.flow_run.argtypes = (ctypes.c_longlong, *(3 * (ctypes.c_void_p,)))

    def __enter__(self) -> CompiledCircuit:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Unload the library and delete the folder: a search opens thousands."""
        library, self._library = self._library, None
        if library is not None and sys.platform != "win32":
            # ctypes offers no public way to unload; without it each library would stay in memory.
            import _ctypes

            _ctypes.dlclose(library._handle)
        shutil.rmtree(self._folder, ignore_errors=True)

    def evaluate(self, inputs: Mapping[str, IntArray]) -> dict[str, NDArray[np.int64]]:
        """The outputs for a batch of samples: what `flow.ir.evaluate.evaluate` returns.

        Row-major int8 to int64 arrays are read where they lie; others are converted first.
        Raises IRError where a value lies outside its interval, or a port is missing, and
        InternalError after `close`.
        """
        if self._library is None:
            raise InternalError(f"the compiled circuit {self._circuit.name!r} is closed")
        arrays = [_rows(port, inputs) for port in self._circuit.inputs]
        samples = arrays[0].shape[0] if arrays else 1
        if any(array.shape[0] != samples for array in arrays):
            raise IRError(f"the ports have {[array.shape[0] for array in arrays]} samples")
        results = [
            np.empty((samples, len(port.lanes)), dtype=np.int64) for port in self._circuit.outputs
        ]
        if samples:
            self._split(self._library.flow_run, arrays, results, samples)
        return {port.name: r for port, r in zip(self._circuit.outputs, results, strict=True)}

    def _split(
        self, run: Any, arrays: list[IntArray], results: list[IntArray], samples: int
    ) -> None:
        """Share the samples out over the threads; ctypes holds no lock while C runs."""
        shares = max(1, min(self._threads, samples // SMALLEST_SHARE))
        step = -(-samples // shares)
        ranges = [(first, min(samples, first + step)) for first in range(0, samples, step)]
        if len(ranges) == 1:
            codes = [_call(run, arrays, results, 0, samples)]
        else:
            with ThreadPoolExecutor(len(ranges)) as pool:
                codes = list(pool.map(lambda r: _call(run, arrays, results, *r), ranges))
        if 2 in codes:
            raise MemoryError
        if any(codes):
            _refuse(self._circuit, arrays)


def _call(run: Any, arrays: list[IntArray], results: list[IntArray], first: int, end: int) -> int:
    sizes = (ctypes.c_int * max(1, len(arrays)))(*(array.itemsize for array in arrays))
    code: int = run(
        end - first, _pointers(arrays, first), ctypes.byref(sizes), _pointers(results, first)
    )
    return code


def _rows(port: Port, inputs: Mapping[str, IntArray]) -> IntArray:
    if port.name not in inputs:
        raise IRError(f"no values for input port {port.name!r}")
    array = np.asarray(inputs[port.name])
    if array.ndim != 2 or array.shape[1] != len(port.lanes):
        raise IRError(f"port {port.name!r} takes (samples, {len(port.lanes)}), not {array.shape}")
    if array.dtype not in _SIGNED:
        array = array.astype(np.int64)
    return np.ascontiguousarray(array)


def _pointers(arrays: list[IntArray], first: int) -> Any:
    places = [a.ctypes.data + first * a.shape[1] * a.itemsize for a in arrays]
    return ctypes.byref((ctypes.c_void_p * max(1, len(places)))(*places))


def _refuse(circuit: Circuit, arrays: list[IntArray]) -> None:
    for port, array in zip(circuit.inputs, arrays, strict=True):
        for i, lane in enumerate(port.lanes):
            low, high = int(array[:, i].min()), int(array[:, i].max())
            if low < lane.range.lo or high > lane.range.hi:
                raise IRError(f"{lane.mnemonic} gave [{low}, {high}], outside {lane.range}")
    raise InternalError("the compiled circuit refused inputs that lie in their intervals")
