"""Jet taggers searched from given ones: pruned, narrowed and taught again, beside the original.

The given tagger teaches: its quantisers are taken off, jets moved a little at random are labelled
by its decisions, and `flow codesign` searches widths and sizes of layers on these. Half of the real
jets choose a design by their true labels; the other half is seen by nothing and measures it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from cases import Options
from common import HERE, Row
from designs import SHARED, step_sizes
from detector_designs import MODELS, Given, checked, read_network
from detector_fabric import PASSES, piped, sizes
from threadpoolctl import threadpool_limits

from flow.errors import FlowError
from flow.frontend.exact.decisions import decided
from flow.frontend.files.data import encode
from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.quantise import to_integers
from flow.frontend.read import read_model
from flow.frontend.source import SourceInput, SourceModel
from flow.ir.network import Network, evaluate_network
from flow.pipeline.codesigning import CodesignOptions, design_of, prepare, widths_of
from flow.pipeline.config import BuildConfig
from flow.pipeline.realising import Realised
from flow.pipeline.sizing import sized_designs
from flow.progress import silent
from flow.report.codesign import Design, widths_text
from flow.search.allocation import allocate
from flow.tech.parts import load_part

SEARCHED = {
    "qkeras_jet_3layer": "gqtwz",
    "hgq2_jsc_openml val0.768_ebops7229": "gqwzt",
    "da4ml_jsc_hgq1 acc76.86": "gqwzt",
}
"""Taggers of MODELS, with the order of their classes."""
COPIES, MOVED = 16, 0.3
"""Jets of each real one, and how far they are moved, in standard deviations of each feature."""
LIMITS = (0.15, 0.3, 0.45, 0.6, 0.75)
"""Areas asked for, between those of the narrowest and the widest widths, at equal ratios."""
SIZED, EPOCHS, DISTIL, INPUT_BITS = 24, 20, 0.9, 8
LOST = 0.005
"""Accuracy that may be lost on the jets that choose; those that measure have the last word."""
STAGES, SLACK = 5, 10
FOLDER = HERE / "cache" / "detector-search"


@dataclass(frozen=True)
class Jets:
    """Real jets with labels in the order of a tagger's classes."""

    x: Any
    y: Any


def search(options: Options) -> Iterator[list[Row]]:
    """Look-up tables times the time through the pipeline, against the given tagger's."""
    if options.report:
        return
    ratios = []
    for name, file, weights in MODELS:
        path = SHARED / file
        if name not in SEARCHED or options.only not in name or not path.is_file():
            continue
        try:
            with threadpool_limits(1):
                row = _searched(name, path, SHARED / weights if weights else None, options)
        except FlowError as error:
            row = Row(f"searched tagger, from {name}", None, "", note=error.message)
        if row.ratio and row.met:
            ratios.append((row.ratio, name))
        row.met = None
        yield [row]
        print(f"... {name}", file=sys.stderr, flush=True)
    if ratios:
        best, name = min(ratios)
        yield [
            Row("searched tagger, the best: area x delay", best, "", "the original", 1.0,
                "at most 0.7 at no more than 0.5 points lost", best <= 0.7, note=f"from {name}")
        ]  # fmt: skip


def _searched(name: str, path: Path, weights: Path | None, options: Options) -> Row:
    given = read_model(path, weights)
    entry = next(x for x in given.layers if isinstance(x, SourceInput))
    chooses, measures = (_jets(part, SEARCHED[name]) for part in ("train", "test"))
    original = read_network(path, weights)
    need, known = (_share(original, jets) for jets in (chooses, measures))
    made = _designs(given, entry.name, path, weights, chooses)
    fits = [(d, r) for d, r in made if r.accuracy >= need - LOST]
    if not fits:
        most = max(r.accuracy for _, r in made)
        why = f"none reaches {need - LOST:.1%} on the jets that choose, the best {most:.1%}"
        return Row(f"searched tagger, from {name}", None, "", note=why)
    design, found = min(fits, key=lambda pair: pair[0].area)
    reached = _share(found.network, measures)
    # The original gives its sums, not their decision.
    sums = to_integers(replace(found.ready, decision=False)).network
    own, theirs = (
        _product(Given(name, path, network), options.timeout_s) for network in (sums, original)
    )
    outputs = "-".join(str(w.outputs) for w in design.widths)
    note = (
        f"{found.accuracy:.1%} of the jets that choose, the original {need:.1%}; {reached:.1%} of "
        f"{len(measures.y)} jets that nothing has seen, the original {known:.1%}; "
        f"{widths_text(design.widths)} outputs {outputs}; {own[0]} LUTs at {own[1]:.2f} ns beside "
        f"{theirs[0]} at {theirs[1]:.2f} ns, both in {STAGES} cycles"
    )
    value, other = (luts * STAGES * ns * 1e-3 for luts, ns in (own, theirs))
    return Row(
        f"searched tagger, from {name}: area x delay", value, "kLUT ns", "the given tagger", other,
        met=reached >= known - LOST, note=note,
    )  # fmt: skip


def _designs(
    given: SourceModel, entry: str, path: Path, weights: Path | None, jets: Jets
) -> list[tuple[Design, Realised]]:
    """Widths within each of LIMITS, and smaller networks that evolve from them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    x = np.concatenate([jets.x] * COPIES).astype(np.float64)
    x += MOVED * jets.x.std(axis=0) * rng.normal(size=x.shape)
    y = decided(given, evaluate_source(given, {entry: x}))[:, 0]
    fit, test = FOLDER / "fit.npz", FOLDER / "test.npz"
    np.savez(fit, x=x, y=y)
    np.savez(test, x=jets.x, y=jets.y)
    asked = CodesignOptions({"area": 1.0}, epochs=EPOCHS, distil=DISTIL, test=test)
    config = BuildConfig(model=path, weights=weights, data=fit, input_bits=INPUT_BITS)
    ready = prepare(config, asked)
    layers = ready.layers
    low, high = (sum(end(c.costs["area"] for c in x.choices) for x in layers) for end in (min, max))
    made = []
    for part in LIMITS:
        limits = {"area": low * (high / low) ** part}
        choices = allocate([x.choices for x in layers], limits, 0.25)
        realised = ready.realiser.realise(widths_of(layers, choices))
        made.append((design_of("mixed", layers, choices, realised), realised))
    return made + sized_designs(ready.realiser, layers, made, (2, 8), SIZED, silent)


def _jets(part: str, classes: str) -> Jets:
    jets = np.load(SHARED.parent / "datasets" / "jets_hlf.npz", allow_pickle=False)
    order = np.array([classes.index(str(name)) for name in jets["class_names"]])
    return Jets(jets[f"x_{part}"].astype(np.float64), order[jets[f"y_{part}"]])


def _share(network: Network, jets: Jets) -> float:
    """The share of jets that an integer network decides as labelled."""
    (port,) = network.inputs
    answers = evaluate_network(network, {port.name: encode(port, jets.x)})
    (name,) = network.outputs
    found = answers[name].reshape(len(jets.y), -1)
    if found.shape[1] == 1:
        return float((found[:, 0] == jets.y).mean())
    chosen = (found * step_sizes(network.types[name])).argmax(axis=1)
    return float((chosen == jets.y).mean())


def _product(model: Given, timeout_s: float) -> tuple[int, float]:
    """Look-up tables, and the estimated ns of a stage, in a pipeline of STAGES."""
    part = load_part("xilinx")
    design = piped(model, PASSES, STAGES, SLACK, part.name)
    if bad := checked(design, model.network, timeout_s):
        raise AssertionError(bad)
    size = sizes(design, part, timeout_s)
    return size["luts"], size["ns"]
