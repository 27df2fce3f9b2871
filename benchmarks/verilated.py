"""A circuit's Verilog as a program of Verilator, which answers to a batch of samples.

Vectors are packed before the clock of the measurement starts, and unpacked after it has stopped.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from flow.backends.verilog import emit_verilog
from flow.ir.circuit import Circuit
from flow.passes.base import run_passes
from flow.passes.pipeline_text import parse_pipeline
from flow.tools.process import Command, run
from flow.tools.verilator import build

THREADS = 2
_BENCH = """#include "Vtop.h"
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

int main(int, char** argv) {
    const size_t samples = std::stoul(argv[1]), threads = %(threads)d;
    std::vector<char> in(samples * %(in)d), out(samples * %(out)d);
    FILE* file = std::fopen("in.bin", "rb");
    if (!file || std::fread(in.data(), 1, in.size(), file) != in.size()) return 1;
    std::fclose(file);
    std::vector<std::unique_ptr<VerilatedContext>> contexts(threads);
    std::vector<std::unique_ptr<Vtop>> tops(threads);
    for (size_t t = 0; t < threads; ++t) {
        contexts[t] = std::make_unique<VerilatedContext>();
        tops[t] = std::make_unique<Vtop>(contexts[t].get());
    }
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> running;
    for (size_t t = 0; t < threads; ++t)
        running.emplace_back([&, t] {
            Vtop& top = *tops[t];
            for (size_t i = samples * t / threads; i < samples * (t + 1) / threads; ++i) {
                std::memcpy(&top.%(x)s, &in[i * %(in)d], %(in)d);
                top.eval();
                std::memcpy(&out[i * %(out)d], &top.%(y)s, %(out)d);
            }
        });
    for (auto& thread : running) thread.join();
    const std::chrono::duration<double> used = std::chrono::steady_clock::now() - start;
    std::printf("seconds %%.9f\\n", used.count());
    file = std::fopen("out.bin", "wb");
    std::fwrite(out.data(), 1, out.size(), file);
    std::fclose(file);
}
"""


class Verilated:
    """The program in a folder of its own, gone when the context ends; ToolError as of Verilator."""

    def __init__(self, circuit: Circuit, timeout_s: float) -> None:
        emission = emit_verilog(run_passes(circuit, parse_pipeline("adders")))
        self._ports = [
            next(p for p in emission.ports if p.direction == d) for d in ("input", "output")
        ]
        self._timeout_s = timeout_s
        self._folder = tempfile.TemporaryDirectory(prefix="flow-verilated-")
        place = Path(self._folder.name)
        emission.write(place)
        sizes = [_bytes(sum(lane.width for lane in port.lanes)) for port in self._ports]
        names = [port.name for port in self._ports]
        (place / "bench.cpp").write_text(
            _BENCH % {"threads": THREADS, "in": sizes[0], "out": sizes[1], "x": names[0],
                      "y": names[1]}
        )  # fmt: skip
        files = [str(path) for path in sorted(emission.files) if path.suffix == ".v"]
        arguments = [
            *("--prefix", "Vtop", "-O3", "--x-assign", "fast", "--x-initial", "fast"),
            *("-CFLAGS", "-O2 -march=native", "-MAKEFLAGS", "OPT_FAST=-O2 OPT_SLOW=-O1"),
            # One file: the wheel's makefile cannot use the precompiled header of several.
            *("-Wno-fatal", "-Wno-lint", "--output-split", "0"),
        ]
        try:
            build([*files, "bench.cpp"], emission.top, "made", place, timeout_s, arguments)
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> Verilated:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def run(self, x: NDArray[np.int64]) -> tuple[NDArray[np.int64], float]:
        """The outputs for integer samples of shape (samples, lanes), and the seconds it took."""
        place = Path(self._folder.name)
        source, result = self._ports
        bits = np.concatenate(
            [x[:, [i]] >> np.arange(lane.width) & 1 for i, lane in enumerate(source.lanes)], 1
        ).astype(np.uint8)
        bits = np.pad(bits, ((0, 0), (0, 8 * _bytes(bits.shape[1]) - bits.shape[1])))
        (place / "in.bin").write_bytes(np.packbits(bits, 1, bitorder="little").tobytes())
        command = (str(place / "made" / "Vtop"), str(len(x)))
        log = run(Command(command, cwd=place, timeout_s=self._timeout_s, name="Verilator")).log
        raw = np.frombuffer((place / "out.bin").read_bytes(), np.uint8).reshape(len(x), -1)
        found = np.unpackbits(raw, axis=1, bitorder="little").astype(np.int64)
        columns, at = [], 0
        for lane in result.lanes:
            word = found[:, at : at + lane.width] @ (1 << np.arange(lane.width, dtype=np.int64))
            negative = lane.range.signed and lane.width > 0
            columns.append(word - ((word >> lane.width - 1) << lane.width) if negative else word)
            at += lane.width
        return np.stack(columns, 1), float(log.split("seconds ")[1].split()[0])


def _bytes(bits: int) -> int:
    """The bytes of a port's C++ type: 1, 2, 4, 8, or as many words of four as it takes."""
    return next((size for size in (1, 2, 4, 8) if bits <= 8 * size), -(-bits // 32) * 4)
