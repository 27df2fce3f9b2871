"""Upsets of every flip-flop in every clock of sequential circuits, and whether any hangs.

A part of `benchmarks/trust.py`. The time per upset and clock stands beside a simulation of one
machine at a time by the same program.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from pathlib import Path

from cases import Options
from common import HERE, Row
from printed_sets import SETS

from flow.analysis.upsets import upsets
from flow.cli.main import run
from flow.pipeline.reopening import reopen
from flow.pipeline.upsetting import drive_of, read_design, study_upsets
from flow.train.baseline import fit_perceptron
from flow.train.export import build_files

ALONE = 3
"""Upsets that are simulated one at a time for the comparison."""
MOST_SECONDS = 600
FOLDED = ("--target", "fpga", "--tech", "ecp5", "--ii", "3")
CELLS = ("--target", "asic", "--stages", "4")
DESIGNS = {
    "folded, seeds, 3 clocks a sample": ("seeds", FOLDED),
    "pipelined, vertebral_2c, 4 stages": ("vertebral_2c", CELLS),
    "pipelined, mammographic, 4 stages": ("mammographic", CELLS),
}
PLACES = 20_000
"""Flip-flops times clocks that are all tried; of more, a sample."""


def sequential(options: Options) -> Iterator[list[Row]]:
    """Shares of upsets that do harm, none that hangs, and the time."""
    for name, (source, words) in list(DESIGNS.items())[: 1 if options.quick else None]:
        if options.only not in name:
            continue
        folder = _emitted(source, words, name)
        if folder is None:
            continue
        start = time.perf_counter()
        found = study_upsets(folder, PLACES).found
        took = time.perf_counter() - start
        opened = reopen(folder)
        design, drive = read_design(opened), drive_of(opened)
        begin = time.perf_counter()
        upsets(design, drive)
        ours = (time.perf_counter() - begin) / found.count
        one = {key: bits[:1] for key, bits in drive.items()}
        begin = time.perf_counter()
        for seed in range(ALONE):
            upsets(design, one, 1, seed)
        alone = (time.perf_counter() - begin) / ALONE
        hangs, lasting = int(found.hangs.sum()), int(found.lasting.sum())
        note = (
            f"{len(found.flipflops)} flip-flops, {found.clocks} clocks, {found.samples} samples, "
            f"{len(found.places)} of {found.total} places, {design.graph.size} gates"
        )
        yield [
            Row(f"upsets, {name}, wrong answer", 100 * found.share(found.wrong), "%", note=note),
            Row(f"upsets, {name}, that hang or stay wrong", hangs + lasting, "", reach="0",
                met=hangs + lasting == 0, note=f"{found.count} upsets, each watched for "
                f"{found.watched} clocks"),
            Row(f"upsets, {name}, seconds of the whole study", took, "s",
                reach=f"at most {MOST_SECONDS}", met=took <= MOST_SECONDS),
            Row(f"upsets, {name}, time per upset", 1e6 * ours, "us",
                "the same, one upset and one sample at a time", 1e6 * alone, "at most 1/50",
                alone >= 50 * ours),
        ]  # fmt: skip


def _emitted(source: str, words: tuple[str, ...], name: str) -> Path | None:
    """The Verilog of a small perceptron in that form, kept in the cache."""
    key = "".join(c if c.isalnum() else "-" for c in name)
    place = HERE / "cache" / f"upsets-{key}"
    model, folder = place / "model", place / "build"
    if not folder.is_dir():
        data = SETS[source].load()
        net = fit_perceptron(data, data.x_fit, data.y_fit, 3, 8)
        model.mkdir(parents=True, exist_ok=True)
        for file, content in build_files(net, data).items():
            (model / file).write_bytes(content)
        build = ["build", "--config", str(model / "flow.toml"), "-o", str(folder), *words]
        with contextlib.redirect_stdout(io.StringIO()):
            if run([*build, "--effort", "fast", "--simulator", "none", "--to", "emit", "--json"]):
                return None
    return folder
