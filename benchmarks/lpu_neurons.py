"""Parts of the benchmark of language models: area of a neuron, wires of an array, FP4 models."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from cases import Options
from common import ROOT, Row
from designs import SEED

from flow.backends.hardwired import array_files
from flow.frontend.language.coded_models import calibrated_model, coded_model
from flow.frontend.language.codes import VALUES
from flow.frontend.language.llama import greedy, logits, sampled
from flow.frontend.language.llama2c import read_llama2c
from flow.frontend.language.measures import nearness, perplexity
from flow.mapping.hardwired.bits import Netlist
from flow.mapping.hardwired.embedding import base_for, clocks, embed
from flow.mapping.hardwired.neuron import (
    adder_tree,
    answers,
    cell_embedding,
    hardwired,
    shared,
    words,
)
from flow.tech.registry import load

SIZES = (64, 256, 1024, 2880)
BITS = 8
REACH = {64: 8.5, 2880: 10.0}
CELLS = {"fa": "fa", "ha": "ha", "xor": "xor2", "or": "or2", "andnot": "and2", "dff": "dfxtp"}
"""Cells of sky130; in `andnot` the second input is a signal that an array inverts once."""
RIVALS: dict[str, Callable[[Sequence[int], int], Netlist]] = {
    "cell embedding, adder tree": adder_tree,
    "cell embedding, one compressor": cell_embedding,
    "shift-add, tripling shared": shared,
}
STORY = 257
CALIBRATION = 6
"""Drawn stories that the weights are calibrated on; none is the story that is measured."""


def area(netlist: Netlist) -> float:
    """um2 of the cells, as they are, in sky130."""
    cells = load("sky130").cells
    return sum(
        count * cells[f"sky130_fd_sc_hd__{CELLS[kind]}_1"].area
        for kind, count in netlist.counts().items()
    )


def neurons(options: Options) -> Iterable[list[Row]]:
    """Area for each weight of one neuron, hardwired and in rival forms, checked on samples."""
    for size in SIZES[:2] if options.quick else SIZES:
        rng = np.random.default_rng(SEED)
        weights = rng.choice(VALUES["fp4"], (1, size)).astype(np.int8)
        x = rng.integers(-(1 << BITS - 1), 1 << BITS - 1, (8, size))
        expected = x @ weights[0].astype(np.int64)
        base = base_for(weights, BITS)
        start = time.perf_counter()
        ours = hardwired(base)
        took = time.perf_counter() - start
        agree(answers(ours, clocks(embed(weights, base), 0, x)), expected)
        rows = []
        for name, form in RIVALS.items():
            rival = form(weights[0].tolist(), BITS)
            agree(answers(rival, words(x, BITS)), expected)
            bound = REACH.get(size) if form is adder_tree else None
            ratio = area(rival) / area(ours)
            rows.append(
                Row(
                    what=f"neuron: um2 a weight, {size} inputs, beside {name}",
                    value=area(ours) / size,
                    unit="um2",
                    rival=name,
                    rival_value=area(rival) / size,
                    reach=f"{bound:g} times smaller" if bound else "",
                    met=ratio >= bound if bound else None,
                    note=f"{ratio:.2f} times smaller; {BITS} clocks beside 1",
                )
            )
        rows.append(Row(f"neuron: netlist of {size} inputs", took, "s"))
        yield rows


def agree(found: np.ndarray, expected: np.ndarray) -> None:
    """A size counts only for a circuit that is right."""
    if found.tolist() != expected.tolist():
        raise SystemExit("a neuron gives another sum: no size of it counts")


def arrays(options: Options) -> Iterable[list[Row]]:
    """Time to write a whole array as Verilog: cells once, wires for each neuron."""
    size = 256 if options.quick else 2880
    weights = np.random.default_rng(SEED).choice(VALUES["fp4"], (size, size)).astype(np.int8)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        base = base_for(weights, BITS)
        written = 0
        for name, lines in array_files(embed(weights, base), size).items():
            with (Path(folder) / name).open("w") as file:
                file.writelines(lines)
            written += (Path(folder) / name).stat().st_size
        took = time.perf_counter() - start
    ports = sum(base.ports) / size
    note = f"one process; {written / 1e6:.0f} MB; {ports:.2f} ports an input"
    what = f"array: Verilog of {size} x {size}"
    yield [Row(what, took, "s", reach="under 120 s", met=took < 120, note=note)]


def models(options: Options) -> Iterable[list[Row]]:
    """stories260K with FP4 weights, one scale a neuron, on its own greedy story."""
    path = ROOT.parent / "shared" / "models" / "stories260K" / "stories260K.bin"
    if options.report or not path.is_file():
        return
    model = read_llama2c(path)
    story = [1, *islice(greedy(model, [1]), STORY - 1)]
    reference = logits(model, story[:-1])
    drawn = [[1, *islice(sampled(model, [1], seed), 255)] for seed in range(CALIBRATION)]
    note = "weights only, classifier too; embedding and activations float"
    forms = {
        "FP4, least squares": coded_model(model, "fp4"),
        "FP4, calibrated on drawn stories": calibrated_model(model, "fp4", drawn),
        "MXFP4 blocks": coded_model(model, "mxfp4"),
        "4-bit integers, least squares": coded_model(model, "int4"),
    }
    for name, found in forms.items():
        answered = logits(found.real, story[:-1])
        near = nearness(reference, answered)
        ours = name.startswith("FP4")
        yield [
            Row(f"stories260K: agreement, {name}", near.agreement, "of argmax",
                reach="at least 0.90" if ours else "",
                met=near.agreement >= 0.9 if ours else None, note=note),
            Row(f"stories260K: divergence, {name}", near.divergence, "nats", note=note),
            Row(f"stories260K: perplexity, {name}", perplexity(answered, story), "",
                "float", perplexity(reference, story), note=note),
        ]  # fmt: skip
