"""Upsets of every flip-flop in every clock of sequential circuits, and whether any hangs.

A part of `benchmarks/trust.py`. The time per upset and clock stands beside a simulation of one
machine at a time by the same program.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from cases import Options
from common import HERE, Row
from designs import SHARED
from printed_sets import SETS

from flow.analysis.upsets import upsets
from flow.cli.main import run
from flow.pipeline.upsetting import UpsetStudy, study_upsets, subject_of
from flow.train.baseline import fit_perceptron
from flow.train.export import build_files

ALONE = 3
"""Upsets that are simulated one at a time for the comparison."""
MOST_SECONDS = 600
FOLDED = ("--target", "fpga", "--tech", "ecp5", "--ii", "3")
CELLS = ("--target", "asic", "--stages", "4")
STORE = ("--target", "asic", "--weights", "registers", "--tmr")
SIZES = (4, 6, 1, 2, 1, 16, 12)
"""Of the language chip: hidden, inner, layers, heads, KV heads, vocabulary, positions."""
BINARY = "keras_binary_3layer/KERAS_3layer_binary_smaller"
LOADED = "loaded weights"
"""In the names of designs whose upsets stay until somebody loads them again."""
PLACES = 20_000
"""Flip-flops times clocks that are all tried; of more, a sample."""


def sequential(options: Options) -> Iterator[list[Row]]:
    """Shares of upsets that do harm, none that hangs, and the time."""
    for name, make in list(DESIGNS.items())[: 1 if options.quick else None]:
        if options.only not in name or options.report:
            continue
        folder = make(HERE / "cache" / f"upsets-{''.join(c if c.isalnum() else '-' for c in name)}")
        if folder is None:
            continue
        start = time.perf_counter()
        study = study_upsets(folder, PLACES)
        took = time.perf_counter() - start
        yield [*_shares(name, study, took), *([] if study.cells else _speed(name, folder))]


def _shares(name: str, study: UpsetStudy, took: float) -> list[Row]:
    found, cells = study.found, study.cells
    hangs, lasting = int(found.hangs.sum()), int(found.lasting.sum())
    note = (
        f"{len(found.flipflops)} flip-flops, {found.clocks} clocks, {found.samples} samples, "
        f"{len(found.places)} of {found.total} places"
    )
    watched = f"{found.count} upsets, each watched for {found.watched} clocks"
    rows = [Row(f"upsets, {name}, wrong answer", 100 * found.share(found.wrong), "%", note=note)]
    if LOADED in name or cells is not None:
        rows += [
            Row(f"upsets, {name}, that hang", hangs, "", reach="0", met=hangs == 0, note=watched),
            Row(f"upsets, {name}, that stay wrong", lasting, ""),
        ]  # fmt: skip
    else:
        rows.append(
            Row(f"upsets, {name}, that hang or stay wrong", hangs + lasting, "", reach="0",
                met=hangs + lasting == 0, note=watched)
        )  # fmt: skip
    rows.append(
        Row(f"upsets, {name}, seconds of the whole study", took, "s",
            reach=f"at most {MOST_SECONDS}", met=took <= MOST_SECONDS)
    )  # fmt: skip
    if cells is not None:
        note = f"{len(cells.places)} of {cells.total} places, {len(cells.flipflops)} bits"
        hangs = int(cells.hangs.sum())
        rows += [
            Row(f"upsets, {name}, bits of memories, wrong answer",
                100 * cells.share(cells.wrong), "%", note=note),
            Row(f"upsets, {name}, bits of memories, that hang", hangs, "", reach="0",
                met=hangs == 0),
        ]  # fmt: skip
    return rows


def _speed(name: str, folder: Path) -> list[Row]:
    """Time per upset beside the same program with one machine at a time."""
    subject = subject_of(folder)
    design, drive, setting = subject.design, subject.drive, subject.setting
    begin = time.perf_counter()
    many = upsets(design, drive, PLACES, setting=setting)
    ours = (time.perf_counter() - begin) / many.count
    one = {key: bits[:1] for key, bits in drive.items()}
    begin = time.perf_counter()
    for seed in range(ALONE):
        upsets(design, one, 1, seed, setting=setting)
    alone = (time.perf_counter() - begin) / ALONE
    return [
        Row(f"upsets, {name}, time per upset", 1e6 * ours, "us",
            "the same, one upset and one sample at a time", 1e6 * alone, "at most 1/50",
            alone >= 50 * ours),
    ]  # fmt: skip


def _circuit(source: str, words: tuple[str, ...], place: Path) -> Path | None:
    """The Verilog of a small perceptron in that form, kept in the cache."""
    model = place / "model"
    if not model.is_dir():
        data = SETS[source].load()
        net = fit_perceptron(data, data.x_fit, data.y_fit, 3, 8)
        model.mkdir(parents=True, exist_ok=True)
        for file, content in build_files(net, data).items():
            (model / file).write_bytes(content)
    more = ("--config", str(model / "flow.toml"), *words, "--effort", "fast", "--to", "emit")
    return _built(place / "build", more)


def _language(place: Path) -> Path | None:
    """A chip of a tiny language model with weights by chance."""
    place.mkdir(parents=True, exist_ok=True)
    file = place / "tiny.bin"
    file.write_bytes(tiny_model(SIZES))
    words = (str(file), "--target", "lpu", "--rounding", "nearest", "--rows", "2")
    return _built(place / "build", (*words, "--effort", "fast"))


def _array(place: Path) -> Path | None:
    """The array with a binary network of three layers, which is among the shared models."""
    model = SHARED / BINARY
    if not model.with_suffix(".json").is_file():
        return None
    weights = model.with_name(f"{model.name}_weights.h5")
    words = (str(model.with_suffix(".json")), "--weights", str(weights), "--target", "tulip")
    return _built(place / "build", words)


def _built(folder: Path, words: tuple[str, ...]) -> Path | None:
    if not folder.is_dir():
        with contextlib.redirect_stdout(io.StringIO()):
            if run(["build", *words, "-o", str(folder), "--simulator", "none", "--json"]):
                return None
    return folder


def tiny_model(sizes: tuple[int, ...]) -> bytes:
    """A model in the form of llama2.c (Karpathy, 2023) with weights by chance."""
    hidden, inner, layers, heads, kv_heads, vocabulary, positions = sizes
    keys = hidden // heads * kv_heads
    counts = (
        vocabulary * hidden, layers * hidden, layers * hidden * hidden, layers * keys * hidden,
        layers * keys * hidden, layers * hidden * hidden, layers * hidden, layers * inner * hidden,
        layers * hidden * inner, layers * inner * hidden, hidden, positions * hidden // heads,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    parts = [rng.normal(k in (1, 6, 10), 0.4, n) for k, n in enumerate(counts)]
    return np.array(sizes, dtype="<i4").tobytes() + np.concatenate(parts).astype("<f4").tobytes()


DESIGNS: dict[str, Callable[[Path], Path | None]] = {
    "folded, seeds, 3 clocks a sample": partial(_circuit, "seeds", FOLDED),
    "pipelined, vertebral_2c, 4 stages": partial(_circuit, "vertebral_2c", CELLS),
    "pipelined, mammographic, 4 stages": partial(_circuit, "mammographic", CELLS),
    f"chip with {LOADED}, mammographic": partial(_circuit, "mammographic", (*STORE, "none")),
    f"chip with {LOADED} in three copies, mammographic": partial(
        _circuit, "mammographic", (*STORE, "all")
    ),
    "language chip, 1 layer": _language,
    "array, binary network of 3 layers": _array,
}
