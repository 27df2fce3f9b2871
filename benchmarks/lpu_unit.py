"""Parts of the benchmark of language models: the chip of stories260K, built, run and folded."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from cases import Options
from common import ROOT, Row
from lpu_chip import agreed, checks, fresh_place, processor_seconds

from flow.backends.lpu import emit_lpu
from flow.frontend.language.llama import greedy
from flow.ir.language_meaning import told
from flow.mapping.lpu.assemble import assemble
from flow.mapping.lpu.clocks import token_clocks
from flow.pipeline.build import build
from flow.pipeline.config import BuildConfig
from flow.pipeline.lpu import array_block
from flow.pipeline.running import RunOptions, open_chip
from flow.pipeline.verifying import verify
from flow.targets.lpu import LPU

MODEL = ROOT.parent / "shared" / "models" / "stories260K" / "stories260K.bin"
PROMPT = "Once upon a time"
TOKENS = 200
FOLDS = (1, 2, 4, 8)
POSITION = 255


def unit(options: Options) -> Iterable[list[Row]]:
    """The chip: build, Verilator, its story beside the integer and the float model."""
    if options.report or not MODEL.is_file():
        return
    with fresh_place() as place:
        yield from _measured(place)


def folded(options: Options) -> Iterable[list[Row]]:
    """The same chip with cells that neurons share: built and run whole, for each number of rows."""
    if options.report or not MODEL.is_file():
        return
    for rows in FOLDS[:2] if options.quick else FOLDS:
        if options.only in f"rows {rows}":
            with fresh_place() as place:
                yield _folded(rows, place)


def _measured(place: Path) -> Iterable[list[Row]]:
    busy = processor_seconds()
    done = build(BuildConfig(model=MODEL, target="lpu"), LPU, place / "out")
    busy = processor_seconds() - busy
    seconds = dict(done.seconds)
    made = done.state.lpu
    assert made is not None
    language = made.language
    whole = sum(seconds.values())
    yield [
        Row("stories260K: build of the chip", whole, "s", reach="at most 900", met=whole <= 900,
            note=f"{seconds['simulate']:.0f} s of it Verilator, linters and stories; "
            f"{os.getloadavg()[2]:.0f} processes wanted the {os.cpu_count()} processors"),
        Row("stories260K: processor time of that build", busy, "s",
            note="of the build and all its programs"),
        checks("stories260K", done),
    ]  # fmt: skip
    facts = json.loads((place / "out" / "chip.json").read_text())
    area = sum(block["area_um2"] for block in facts["blocks"]) / 1e6
    weights = sum(block["weights"] for block in facts["blocks"])
    arrays = sum(block["area_um2"] for block in facts["blocks"] if block["weights"])
    yield [
        Row("stories260K: cells of the chip", area, "mm2", note="sky130, memories not in it"),
        Row("stories260K: cells of an array for a weight", arrays / weights, "um2",
            note=f"{weights} weights, readout of the arrays with them"),
    ]  # fmt: skip
    chip = open_chip(place / "out", RunOptions(PROMPT, TOKENS))
    begin = time.perf_counter()
    text = chip.begin + "".join(chip.told())
    rate = (len(chip.prompt) - 1 + len(chip.said)) / (time.perf_counter() - begin)
    model = list(islice(told(language.program, chip.prompt), TOKENS))
    same = agreed(chip.said, model)
    real = list(islice(greedy(language.source, chip.prompt), TOKENS))
    near = agreed(chip.said, real)
    yield [
        Row("stories260K in Verilator", rate, "tokens/s", reach="at least 1", met=rate >= 1,
            note=f"{TOKENS} tokens after {PROMPT!r}, the program's start with them; "
            f"{os.getloadavg()[2]:.0f} processes wanted the {os.cpu_count()} processors"),
        Row("stories260K: tokens of the chip as the integer model's", float(same), "of 200",
            reach="all", met=same == TOKENS == len(model),
            note=f"it says: {' '.join(text.split())}"),
        Row("stories260K: tokens of the chip before it leaves the float model's story",
            float(near), "of 200"),
    ]  # fmt: skip

    yield [speed(place / "out")]
    yield _verified(place / "out")


def speed(folder: Path) -> Row:
    """Tokens for each second of the one processor that the chip's program takes."""
    chip = open_chip(folder, RunOptions(PROMPT, TOKENS))
    busy = processor_seconds()
    for _ in chip.told():
        pass
    busy = processor_seconds() - busy
    tokens = len(chip.prompt) - 1 + len(chip.said)
    return Row(
        "stories260K in Verilator, a second of processor time",
        tokens / busy,
        "tokens",
        note=f"{tokens} tokens in {busy:.1f} s",
    )


def _verified(folder: Path) -> list[Row]:
    """The checks of a finished chip, from its folder alone."""
    busy, begin = processor_seconds(), time.perf_counter()
    verdicts = verify(folder)
    seconds, busy = time.perf_counter() - begin, processor_seconds() - busy
    return [
        Row("stories260K: flow verify of the chip", seconds, "s",
            note="; ".join(f"{v.check}: {v.status}, {v.detail}" for v in verdicts),
            met=all(v.status == "passed" for v in verdicts), reach="every check passes"),
        Row("stories260K: processor time of flow verify", busy, "s",
            note="with all its programs"),
    ]  # fmt: skip


def _folded(rows: int, place: Path) -> list[Row]:
    done = build(BuildConfig(model=MODEL, target="lpu", rows=rows), LPU, place / "out")
    made = done.state.lpu
    assert made is not None
    program = made.language.program
    chip = open_chip(place / "out", RunOptions(PROMPT, TOKENS))
    for _ in chip.told():
        pass
    same = agreed(chip.said, list(islice(told(program, chip.prompt), TOKENS)))
    folded_chip = assemble(program, rows)
    area = sum(array_block(array).area_um2 for array in emit_lpu(folded_chip).arrays) / 1e6
    clocks = float(token_clocks(folded_chip, POSITION))
    what = f"stories260K, rows {rows}"
    note = "cells for each neuron" if rows == 1 else f"{rows} neurons on the cells of one"
    return [
        checks(what, done),
        Row(f"{what}: tokens of the chip as the integer model's", float(same), f"of {TOKENS}",
            reach="all", met=same == TOKENS, note=f"in {chip.clocks} clocks"),
        Row(f"stories260K: arrays, rows {rows}", area, "mm2", note=note),
        Row(f"stories260K: clocks of a token, rows {rows}", clocks, "clocks",
            note=f"{note}; position {POSITION + 1}"),
    ]  # fmt: skip
