"""What the soak draws beside the networks: passes with their options, and options of backends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flow.passes.pipelines import PIPELINES
from flow.pipeline.variants import CHOICES, PLAIN, RESUB, REWRITE, TWICE

TECHNOLOGIES = ("egfet", "egfet@0.6", "cnt_tft", "generic_cmos", "sky130")
SCRIPTS = {v.name: v.commands for v in (PLAIN, CHOICES, REWRITE, TWICE, RESUB)}
STEPS = (
    "simplify", "share", "round-first", "narrow", "conjunctions", "fold-comparisons",
    "fold-tables", "offset-tables", "merge-sums",
)  # fmt: skip
"""Passes that may stand anywhere before the last."""
NAMED = tuple(name for name in PIPELINES if "searched" not in name and name != "canonical")
"""The pipelines that end without linear rows, in less than a minute."""


@dataclass(frozen=True)
class Options:
    """Of one block: registers as a pipeline text, the interface, and how it is mapped."""

    registers: str = ""
    handshake: bool = False
    axis: bool = False
    technology: str = "egfet"
    objective: str = "area"
    effort: str = "fast"
    script: str = ""
    gates_in_icarus: bool = True
    header: tuple[str, str, int, str] = ("", "", 0, "")

    def names(self) -> Iterator[str]:
        """Each option as a word."""
        yield self.registers or "combinational"
        yield from ["handshake"] * self.handshake + ["axis"] * self.axis
        yield self.technology
        yield f"script {self.script}" if self.script else f"{self.effort} for {self.objective}"


def block_options(rng: np.random.Generator) -> Options:
    """Half of the blocks have registers; one in eight has the stream wrapper."""
    registers = ""
    if rng.random() < 0.5:
        what = _pick(rng, ["stages", "stages", "every"])
        registers = f"pipeline{{{what}={int(rng.integers(1, 6))}}}"
    handshake = bool(registers) and rng.random() < 0.6
    axis = rng.random() < 0.125 and (handshake or not registers)
    model = _pick(rng, ["", "net.onnx", "a\nmodule b; endmodule", "\\x `y $finish */ é"])
    return Options(
        registers, handshake, axis, _pick(rng, TECHNOLOGIES),
        _pick(rng, ["area", "area", "delay", "balanced"]),
        "fast" if rng.random() < 0.97 else "normal",
        # One script of synthesis in most blocks: trying all of them takes most of the time.
        _pick(rng, list(SCRIPTS)) if rng.random() < 0.85 else "",
        # An event-driven simulation of cells takes as long as all else together.
        rng.random() < 0.3,
        (model, "flow build", int(rng.integers(0, 9)), "0"),
    )  # fmt: skip


def passes_of(rng: np.random.Generator) -> str:
    """A named pipeline, or passes in any order that end in one which expands all linear rows."""
    if rng.random() < 0.4:
        return _pick(rng, NAMED)
    steps = [_pick(rng, STEPS) for _ in range(int(rng.integers(0, 6)))]
    steps += [_step(rng)] * int(rng.integers(0, 2))
    last = _pick(rng, [
        "expand-linear", "expand-linear{split-signs=true}", "compressor-trees",
        "compressor-trees{final=add}", "carry-chains",
    ])  # fmt: skip
    after = [_pick(rng, ["simplify", "share", "narrow", f"balance-adders{_depth(rng)}"])
             for _ in range(int(rng.integers(0, 3)))]  # fmt: skip
    return ",".join([*steps, last, *after])


def _step(rng: np.random.Generator) -> str:
    """A pass with options."""
    if rng.random() < 0.3:
        return f"pack-bits{{size={int(rng.integers(2, 9))}}}"
    method = _pick(rng, ["mc", "bits"])
    dc = f",hard-dc={int(rng.integers(0, 4))}" if rng.random() < 0.4 else ""
    return f"solve-linear{{method={method}{dc}}}"


def _depth(rng: np.random.Generator) -> str:
    return f"{{max-depth={int(rng.integers(1, 6))}}}" if rng.random() < 0.5 else ""


def _pick(rng: np.random.Generator, values):
    return values[int(rng.integers(0, len(values)))]
