"""Part of the benchmark of language models: small gpt-oss models of random weights as integers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from cases import Options
from common import ROOT, Row
from lpu_chip import agreed, checks, fresh_place

from flow.backends.lpu import emit_lpu
from flow.frontend.language.llama import drawn, logits
from flow.frontend.language.measures import nearness
from flow.frontend.language.program import real_scores
from flow.ir.language_instructions import Apply
from flow.ir.language_meaning import answers, told
from flow.mapping.lpu.assemble import assemble
from flow.mapping.lpu.clocks import token_clocks
from flow.pipeline.build import build
from flow.pipeline.config import BuildConfig
from flow.pipeline.language import Language, LanguageOptions, import_language
from flow.pipeline.lpu import array_block
from flow.pipeline.running import RunOptions, open_chip
from flow.targets.lpu import LPU

SCRIPT = ROOT / "examples" / "lpu" / "make_gpt_oss.py"
SEEDS = 3
TEXTS, HELD_SEED = 16, 1000
PROMPT, TOKENS = "the", 24
OPTIONS = LanguageOptions(rounding="nearest")
NOTE = "random weights, 2 of 4 experts; texts that the float model draws, by another seed"


def experts(options: Options) -> Iterable[list[Row]]:
    """The example's models: integers beside floats, and what picked experts cost."""
    if options.report:
        return
    found = []
    for seed in range(1 if options.quick else SEEDS):
        with tempfile.TemporaryDirectory() as scratch:
            found.append(import_language(_made(Path(scratch), seed), OPTIONS))
    yield accuracy(found)
    yield chips(found[0])
    with fresh_place() as place:
        yield built(place)


def _made(scratch: Path, seed: int) -> Path:
    folder = scratch / "tiny"
    subprocess.run([sys.executable, SCRIPT, folder, "--seed", str(seed)], check=True)
    return folder


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


def built(place: Path) -> list[Row]:
    """The example's chip, checked and run as a user does."""
    config = BuildConfig(model=_made(place, 0), target="lpu", rounding=OPTIONS.rounding)
    seconds = time.perf_counter()
    done = build(config, LPU, place / "out")
    seconds = time.perf_counter() - seconds
    assert done.state.lpu is not None
    chip = open_chip(place / "out", RunOptions(PROMPT, TOKENS))
    for _ in chip.told():
        pass
    model = list(islice(told(done.state.lpu.language.program, chip.prompt), len(chip.said)))
    return [
        checks("gpt-oss", done),
        Row("gpt-oss: build of the chip", seconds, "s", note="the script's 36 320 weights"),
        Row("gpt-oss: tokens of the chip as the integer model's",
            float(agreed(chip.said, model)), f"of {len(model)}", reach="all",
            met=agreed(chip.said, model) == len(model) > 0,
            note=f"{len(chip.prompt)} tokens of a prompt before them; a text ends where the "
            "model ends it, or with its positions"),
    ]  # fmt: skip
