"""Part of the benchmark of language models: small gpt-oss models of random weights as integers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from cases import Options
from common import ROOT, Row

from flow.backends.lpu import emit_lpu
from flow.frontend.language.llama import drawn, logits
from flow.frontend.language.measures import nearness
from flow.frontend.language.program import real_scores
from flow.ir.language import Apply
from flow.ir.language_meaning import answers
from flow.mapping.lpu.assemble import assemble
from flow.mapping.lpu.clocks import token_clocks
from flow.pipeline.language import Language, LanguageOptions, import_language
from flow.pipeline.lpu import array_block

SCRIPT = ROOT / "examples" / "lpu" / "make_gpt_oss.py"
SEEDS = 3
TEXTS, HELD_SEED = 16, 1000
NOTE = "random weights, 2 of 4 experts; texts that the float model draws, by another seed"


def experts(options: Options) -> Iterable[list[Row]]:
    """The example's models: integers beside floats, and what picked experts cost."""
    if options.report:
        return
    found = []
    for seed in range(1 if options.quick else SEEDS):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "tiny"
            subprocess.run([sys.executable, SCRIPT, folder, "--seed", str(seed)], check=True)
            found.append(import_language(folder, LanguageOptions(rounding="nearest")))
    yield accuracy(found)
    yield chips(found[0])


def accuracy(languages: list[Language]) -> list[Row]:
    """Means over models."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for language in languages:
        texts = drawn(language.source, TEXTS, language.program.positions, HELD_SEED)
        scores = real_scores(language.program, answers(language.program, texts))
        for name, model in (
            ("the float model of the same codes", language.coded.real),
            ("the float model", language.source),
        ):
            near = nearness(logits(model, texts), scores)
            pairs.setdefault(name, []).append((near.agreement, near.divergence))
    rows = []
    for name, values in pairs.items():
        agreement, divergence = np.mean(values, axis=0).tolist()
        note = f"{NOTE}; mean of {len(values)} models"
        rows += [
            Row(f"gpt-oss: agreement, integers beside {name}", agreement, "of argmax", note=note),
            Row(f"gpt-oss: divergence, integers beside {name}", divergence, "nats", note=note),
        ]
    return rows


def chips(language: Language) -> list[Row]:
    """Clocks of a token where two experts answer, and where all four do."""
    program = language.program
    last = program.positions - 1
    made = assemble(program)
    mm2 = sum(array_block(array).area_um2 for array in emit_lpu(made).arrays) / 1e6
    weights = sum(array.weights.size for array in program.arrays)
    once = [one for one in program.instructions if isinstance(one, Apply) and one.picks]
    slots = 1 + max(one.slot for one in once)
    first = next(n for n, one in enumerate(program.instructions) if one is once[0])
    end = next(
        n for n, one in enumerate(program.instructions)
        if isinstance(one, Apply) and one.picks and one.slot == 1 and n > first
    )  # fmt: skip
    # The instructions of one slot of one layer, as often as experts more would answer.
    more = program.instructions[first:end] * (program.experts("picks") - slots)
    layers = sum(1 for one in once if one.array.endswith("x0_down") and one.slot == 0)
    full = replace(program, instructions=(*more * layers, *program.instructions))
    every = token_clocks(assemble(full), last)
    return [
        Row("gpt-oss: clocks of a token at the last position", token_clocks(made, last), "clocks",
            "all experts answer", every, note=NOTE),
        Row("gpt-oss: area of the arrays, every expert's", mm2, "mm2",
            note=f"{weights} weights, cell by cell in sky130"),
    ]  # fmt: skip
