"""Part of the benchmark of language models: the chip of stories260K, built, run and folded."""

from __future__ import annotations

import json
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from cases import Options
from common import ROOT, Row

from flow.backends.lpu import emit_lpu
from flow.frontend.language.llama import greedy
from flow.ir.language_meaning import told
from flow.mapping.lpu.assemble import assemble
from flow.mapping.lpu.clocks import token_clocks
from flow.pipeline.build import build
from flow.pipeline.config import BuildConfig
from flow.pipeline.language import Language
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
    """The chip: build, Verilator, its story beside the integer and the float model, folding."""
    if options.report or not MODEL.is_file():
        return
    yield from _chip()


def _chip() -> Iterable[list[Row]]:
    place = Path(tempfile.mkdtemp(prefix="flow-lpu-"))
    kept = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(place / "cache")
    try:
        yield from _measured(place)
    finally:
        if kept is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = kept
        shutil.rmtree(place, ignore_errors=True)


def _measured(place: Path) -> Iterable[list[Row]]:
    busy = _processor()
    done = build(BuildConfig(model=MODEL, target="lpu"), LPU, place / "out")
    busy = _processor() - busy
    seconds = dict(done.seconds)
    made = done.state.lpu
    assert made is not None
    language = made.language
    good = all(verdict.good for verdict in done.state.verdicts)
    whole = sum(seconds.values())
    yield [
        Row("stories260K: build of the chip", whole, "s", reach="at most 900", met=whole <= 900,
            note=f"{seconds['simulate']:.0f} s of it Verilator, linters and stories; "
            f"{os.getloadavg()[2]:.0f} processes wanted the {os.cpu_count()} processors"),
        Row("stories260K: processor time of that build", busy, "s",
            note="of the build and all its programs"),
        Row("stories260K: checks of the chip that hold", float(good), "of all",
            note="; ".join(f"{v.check}: {v.detail}" for v in done.state.verdicts)),
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
    same = _agree(chip.said, model)
    real = list(islice(greedy(language.source, chip.prompt), TOKENS))
    near = _agree(chip.said, real)
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
    yield from _folded(language)


def speed(folder: Path) -> Row:
    """Tokens for each second of the one processor that the chip's program takes."""
    chip = open_chip(folder, RunOptions(PROMPT, TOKENS))
    busy = _processor()
    for _ in chip.told():
        pass
    busy = _processor() - busy
    tokens = len(chip.prompt) - 1 + len(chip.said)
    return Row(
        "stories260K in Verilator, a second of processor time",
        tokens / busy,
        "tokens",
        note=f"{tokens} tokens in {busy:.1f} s",
    )


def _verified(folder: Path) -> list[Row]:
    """The checks of a finished chip, from its folder alone."""
    busy, begin = _processor(), time.perf_counter()
    verdicts = verify(folder)
    seconds, busy = time.perf_counter() - begin, _processor() - busy
    return [
        Row("stories260K: flow verify of the chip", seconds, "s",
            note="; ".join(f"{v.check}: {v.status}, {v.detail}" for v in verdicts),
            met=all(v.status == "passed" for v in verdicts), reach="every check passes"),
        Row("stories260K: processor time of flow verify", busy, "s",
            note="with all its programs"),
    ]  # fmt: skip


def _processor() -> float:
    """Seconds of processor time of this process and of those that it has ended."""
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in each)


def _agree(one: list[int], other: list[int]) -> int:
    """Tokens until two texts differ."""
    return next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
                min(len(one), len(other)))  # fmt: skip


def _folded(language: Language) -> Iterable[list[Row]]:
    for rows in FOLDS:
        made = assemble(language.program, rows)
        blocks = [array_block(array) for array in emit_lpu(made).arrays]
        note = f"{rows} neurons on the cells of one"
        yield [
            Row(f"stories260K: arrays, rows {rows}", sum(b.area_um2 for b in blocks) / 1e6, "mm2",
                note=note),
            Row(f"stories260K: clocks of a token, rows {rows}",
                float(token_clocks(made, POSITION)), "clocks", note=f"{note}; position 256"),
        ]  # fmt: skip
