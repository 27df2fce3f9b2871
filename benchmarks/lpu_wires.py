"""Part of the benchmark of language models: the area of one neuron in cells, in every form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from cases import Options
from common import Row
from designs import SEED
from lpu_shared import shift_add
from mapped import cached, key_of

from flow.backends.hardwired import neuron_text
from flow.errors import UsageError
from flow.frontend.language.codes import BLOCK, VALUES
from flow.frontend.language.row_codes import integers
from flow.mapping.hardwired import mac
from flow.mapping.hardwired.bits import Netlist
from flow.mapping.hardwired.embedding import base_for, clocks, embed, regions
from flow.mapping.hardwired.neuron import (
    adder_tree,
    answers,
    cell_embedding,
    hardwired,
    shared,
    sub_neurons,
    words,
)
from flow.pipeline.neuron_cells import SWEEPS, map_neuron, prove_cells, prove_verilog
from flow.pipeline.variants import AREA
from flow.tech.debian import debian, load_debian
from flow.tech.registry import load
from flow.tech.technology import Technology
from flow.tech.write_liberty import liberty_text

SIZES = (64, 256, 1024, 2880)
MATRICES = (64, 256)
BITS = 8
REACH = {64: 8.5, 2880: 10.0}
LIMIT_S = 60.0
TREE, COMPRESSOR, MULTIPLES = (
    "cell embedding, adder tree", "cell embedding, one compressor", "shift-add, tripling shared",
)  # fmt: skip
ROM = "ROM-fed MAC"
Form = Callable[[Sequence[int], int], Netlist]
FORMS: dict[str, Form] = {
    TREE: adder_tree, COMPRESSOR: cell_embedding, MULTIPLES: shared,
}  # fmt: skip
CODES = ("ternary", "int4", "mxfp4")
CODED = 1024
"""Inputs of the neurons of these."""


@dataclass(frozen=True)
class Found:
    """What mapping one form found: um2, seconds, and the words of the proof."""

    um2: float
    seconds: float
    proof: str


def libraries() -> list[Technology]:
    """sky130, and OSU's where it is installed."""
    found = [load("sky130")]
    if (osu := debian("osu018")) is not None:
        try:
            found.append(load_debian(osu))
        except UsageError:
            return found
    return found


def neurons(options: Options) -> Iterable[list[Row]]:
    """Area for each weight of one neuron, hardwired and in rival forms, all by one script."""
    usual, *others = libraries()
    sizes = SIZES[:2] if options.quick else SIZES
    for size in sizes:
        yield _forms(usual, size, FORMS, options)
    if not options.quick:
        yield synthesis(usual, options)
    yield [_matrix(usual, MATRICES[0], options)]
    if options.quick:
        return
    yield from codes(usual, options)
    for technology in others:
        for size in (SIZES[0], SIZES[-1]):
            yield _forms(technology, size, {TREE: adder_tree}, options)
        yield synthesis(technology, options)
    yield [_matrix(usual, MATRICES[1], options)]


def _forms(
    technology: Technology, size: int, forms: Mapping[str, Form], options: Options
) -> list[Row]:
    weights, ours = _fp4(size)
    mine = measured(ours, technology, options)
    rows = []
    for name, form in forms.items():
        rival = form(weights[0].tolist(), BITS)
        _same(answers(rival, words(_inputs(size), BITS)), _inputs(size) @ weights[0])
        theirs = measured(rival, technology, options, prove=size <= SIZES[0])
        bound = REACH.get(size) if name == TREE else None
        rows.append(_beside(technology, size, mine, name, theirs, 1, bound))
    if forms is FORMS:
        rom = _rom(weights, technology, options)
        rows.append(_beside(technology, size, mine, ROM, rom, size, None))
    return rows


def synthesis(technology: Technology, options: Options) -> list[Row]:
    """The time of the largest neuron, and the proof of its Verilog."""
    neuron = _fp4(SIZES[-1])[1]
    found = measured(neuron, technology, options)
    what = f"synthesis: one neuron of {SIZES[-1]} inputs onto {technology.name}"
    rows = [
        Row(what, found.seconds, "s", reach="under 60 s", met=found.seconds < LIMIT_S,
            note=found.proof),
    ]  # fmt: skip
    if technology.name == "sky130":
        verdict = cached(key_of("verilog", neuron_text(neuron)), lambda: _verilog(neuron, options))
        rows.append(
            Row(f"synthesis: proof of the Verilog of {SIZES[-1]} inputs", verdict.get("seconds"),
                "s", note=verdict.get("proof", "not measured yet"))
        )  # fmt: skip
    return rows


def codes(technology: Technology, options: Options) -> Iterable[list[Row]]:
    """Neurons of other codes, each beside its cell embedding."""
    size = CODED
    for code in CODES:
        weights, note = _coded(code, size)
        base = base_for(weights, BITS, magnitudes=regions(weights))
        ours = hardwired(base)
        x = _inputs(size)
        _same(answers(ours, clocks(embed(weights, base), 0, x)), x @ weights[0])
        rival = adder_tree(weights[0].tolist(), BITS)
        mine = measured(ours, technology, options)
        theirs = measured(rival, technology, options, prove=False)
        row = _beside(technology, size, mine, TREE, theirs, 1, None)
        rows = [replace(row, what=f"{row.what}, {code}", note=f"{row.note}; {note}")]
        if code == "mxfp4":
            blocks = measured(_blocked(weights[0]), technology, options)
            name = "mxfp4 as sub-neurons of 32"
            what = f"neuron: um2 a weight, {size} inputs, mxfp4 in regions, beside sub-neurons"
            rows.append(
                replace(_beside(technology, size, mine, name, blocks, BITS, None), what=what)
            )
        yield rows


def measured(
    neuron: Netlist, technology: Technology, options: Options, prove: bool = True
) -> Found:
    """A form in cells, once; with `prove`, proved equal to its netlist."""
    script = json.dumps([variant.commands for variant in AREA["fast"].variants])
    liberty = liberty_text(technology)
    key = key_of("neuron", repr(neuron), liberty, script, str(SWEEPS), str(prove))

    def work() -> dict[str, Any]:
        found = map_neuron(neuron, technology, timeout_s=options.timeout_s)
        proof = "not proved, checked on samples"
        if prove:
            verdict = prove_cells(found, technology, options.timeout_s)
            proof = f"{verdict.status} by {verdict.detail}, {verdict.seconds:.0f} s"
        cells = found.netlist.histogram()
        top = sorted(cells.items(), key=lambda item: -item[1])[:2]
        counted = ", ".join(f"{count} {cell}" for cell, count in top)
        return {"um2": found.area, "seconds": found.seconds,
                "proof": f"{proof}; {sum(cells.values())} cells, {counted}"}  # fmt: skip

    row = cached(key, work)
    if "um2" not in row:
        raise SystemExit(f"a neuron was not mapped: {row}")
    return Found(**row)


def _beside(
    technology: Technology, size: int, ours: Found, name: str, theirs: Found, rival_clocks: int,
    bound: float | None,
) -> Row:  # fmt: skip
    ratio = theirs.um2 / ours.um2
    times = theirs.um2 * rival_clocks / (ours.um2 * BITS)
    where = "" if technology.name == "sky130" else f" {technology.name},"
    return Row(
        what=f"neuron: um2 a weight, {size} inputs,{where} beside {name}",
        value=ours.um2 / size,
        unit="um2",
        rival=name,
        rival_value=theirs.um2 / size,
        reach=f"{bound:g} times smaller" if bound else "",
        met=ratio >= bound if bound else None,
        note=f"{_times(ratio)}; {BITS} clocks beside {rival_clocks}; area times clocks "
        f"{_times(times)}",
    )


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times smaller" if ratio >= 1 else f"{1 / ratio:.2f} times larger"


def _matrix(technology: Technology, size: int, options: Options) -> Row:
    """Shift-add with sums shared across all neurons of a square matrix."""
    ours = measured(_fp4(size)[1], technology, options)
    name = "shift-add, sums shared by all neurons"
    matrix = np.random.default_rng(SEED).choice(VALUES["fp4"], (size, size)).astype(np.int64)
    found = shift_add(matrix, BITS, technology, options)
    if "um2" not in found:
        return Row(f"neuron: um2 a weight, {size} inputs, beside {name}", ours.um2 / size, "um2",
                   name, None, note=found["failed"])  # fmt: skip
    theirs = Found(found["um2"] / size, found["seconds"], "")
    row = _beside(technology, size, ours, name, theirs, 1, None)
    more = (f"{size} neurons at once; {found['adders']} adders, {found['solved']:.0f} s to find "
            f"them; {found['proof']}")  # fmt: skip
    return replace(row, note=f"{row.note}; {more}")


def _fp4(size: int) -> tuple[np.ndarray, Netlist]:
    weights = np.random.default_rng(SEED).choice(VALUES["fp4"], (1, size)).astype(np.int64)
    base = base_for(weights, BITS)
    ours = hardwired(base)
    x = _inputs(size)
    _same(answers(ours, clocks(embed(weights, base), 0, x)), x @ weights[0])
    return weights, ours


def _rom(weights: np.ndarray, technology: Technology, options: Options) -> Found:
    size = weights.shape[1]
    rival = mac.rom_mac(weights[0].tolist(), BITS)
    x = _inputs(size)
    if size == SIZES[0]:
        _same(answers(rival, mac.clocks(x, BITS)), x @ weights[0])
    _same(answers(rival, mac.products(x[0], BITS)), x[0] * weights[0])
    return measured(rival, technology, options, prove=size <= SIZES[0])


def _coded(code: str, size: int) -> tuple[np.ndarray, str]:
    """Random weights; MXFP4 from normal ones, whose blocks have scales of their own."""
    rng = np.random.default_rng(SEED)
    if code != "mxfp4":
        values = VALUES["ternary" if code == "ternary" else "int4"]
        return rng.choice(values, (1, size)).astype(np.int64), f"values {values[0]} to {values[-1]}"
    drawn = rng.standard_normal((1, size)).astype(np.float32)
    weights, _ = integers((drawn,), "float", "mxfp4")
    own = regions(weights)
    return weights.astype(np.int64), f"blocks of 32, exact: {len(own)} regions up to {own[-1]}"


def _blocked(weights: np.ndarray) -> Netlist:
    """The same MXFP4 weights as a compressor for each 32 inputs."""
    bases, shifts = [], []
    for row in weights.reshape(-1, BLOCK):
        low = min((int(v & -v).bit_length() - 1 for v in np.abs(row) if v), default=0)
        # The odd part of E2M1 reaches 3, so values below a scale's own are at most 12 of it.
        shift = max(0, min(low, int(np.abs(row).max()).bit_length() - 4))
        part = (row >> shift)[None, :]
        bases.append(base_for(part, BITS, magnitudes=regions(part)))
        shifts.append(shift)
    return sub_neurons(bases, shifts, BITS)


def _inputs(size: int) -> np.ndarray:
    low, high = -(1 << BITS - 1), 1 << BITS - 1
    return np.random.default_rng(SEED + size).integers(low, high, (8, size))


def _verilog(neuron: Netlist, options: Options) -> dict[str, Any]:
    verdict = prove_verilog(neuron, options.timeout_s)
    return {"seconds": verdict.seconds, "proof": f"{verdict.status} by {verdict.detail}"}


def _same(found: np.ndarray, expected: np.ndarray) -> None:
    """A size counts only for a circuit that is right."""
    if found.tolist() != expected.tolist():
        raise SystemExit("a neuron gives another sum: no size of it counts")
