"""A codesign from a float model and its data to a folder: sensitivities, widths, designs, files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from flow.errors import Mismatch, UsageError
from flow.frontend.exact.decisions import decided, share
from flow.frontend.files.data import Samples, split
from flow.frontend.float_model import evaluate_source
from flow.frontend.onnx.reader import read_onnx
from flow.frontend.onnx.write_qonnx import network_to_qonnx
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_integers, to_network
from flow.frontend.source import SourceModel
from flow.frontend.unquantised import unquantised
from flow.ir.network import Network, evaluate_network
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import quantise_options, read_samples, read_source
from flow.pipeline.realising import Parts, Realised, Realiser
from flow.pipeline.sensitivity import LayerFacts, Measure, sensitivities
from flow.pipeline.sizing import sized_designs
from flow.pipeline.writing import write_bytes, write_named_arrays, write_text
from flow.progress import Progress, silent
from flow.report.codesign import (
    Codesign,
    Design,
    Kind,
    LayerSensitivity,
    LayerWidths,
    codesign_to_html,
    to_json,
)
from flow.search.allocation import Choice, allocate
from flow.train.retrain import RetrainOptions

MODEL, PAGE, FACTS, CONFIG, TEST, BUILD = (
    "model.onnx", "codesign.html", "codesign.json", "flow.toml", "test.npz", "build",
)  # fmt: skip
PARTS = (1.0, 0.25, 0.0625)
"""Parts for which the losses of weights may count: retraining takes back more of them than of
what layers read."""
HELD, CHOSEN = 0.25, 0.25
"""Shares of the samples that are held out, and of the rest that choose the epoch."""
FEWEST = 40
_CONFIG = """\
# Widths found by flow codesign. The samples are those that it has never seen.
model = "model.onnx"
data = "test.npz"
head = "decision"
"""


@dataclass(frozen=True)
class CodesignOptions:
    """What is asked of a codesign: limits of resources by name, and how widths are found."""

    limits: Mapping[str, float]
    widths: tuple[int, int] = (2, 8)
    measure: Measure = "trace"
    epochs: int = 40
    distil: float = 0.0
    points: int = 5
    sizes: int = 0
    test: Path | None = None

    def __post_init__(self) -> None:
        low, high = self.widths
        if not 2 <= low <= high <= 16:
            raise UsageError(
                f"--widths {low}-{high} are no widths", hint="write two numbers from 2 to 16: 2-8"
            )
        if not self.limits:
            raise UsageError(
                "no limit is given", hint="give --bops 350k, --model-bits 20k or --area 50k"
            )
        for name in ("epochs", "points", "sizes"):
            if not 0 <= getattr(self, name) <= 10_000:
                raise UsageError(f"--{name} {getattr(self, name)} is not from 0 to 10000")
        if not 0 <= self.distil <= 1:
            raise UsageError(f"--distil {self.distil} is no share from 0 to 1")


@dataclass(frozen=True, slots=True, eq=False)
class Codesigned:
    """The designs, and the chosen one as an integer network that ends in its sums."""

    record: Codesign
    network: Network
    parts: Parts


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What is known of every layer before widths are chosen, and how a choice is made real."""

    layers: tuple[LayerFacts, ...]
    realiser: Realiser


def prepare(config: BuildConfig, options: CodesignOptions, progress: Progress = silent) -> Prepared:
    """The model and its samples, read, and the sensitivity of its layers.

    A model that its file quantises is taken without its quantisers, and teaches what comes of it.
    UsageError where the data have no labels.
    """
    given = read_source(config)
    source = unquantised(given)
    parts = _parts(config, options, source)
    asked = replace(quantise_options(config, parts.fit), head="decision")
    low, high = options.widths
    layers = sensitivities(
        source, asked, parts.fit.inputs, parts.fit.labels, range(low, high + 1),
        options.measure, config.seed, progress,
    )  # fmt: skip
    training = RetrainOptions(epochs=options.epochs, seed=config.seed)
    teacher = None if given is source else given
    return Prepared(layers, Realiser(source, asked, parts, training, options.distil, teacher))


def codesign(
    config: BuildConfig, options: CodesignOptions, progress: Progress = silent
) -> Codesigned:
    """The widths of least expected loss within the limits, retrained; and others beside it.

    UsageError where the data have no labels, or no widths keep the limits.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        ready = prepare(config, options, progress)
        layers, realiser = ready.layers, ready.realiser
        found = _designs(realiser, layers, options, progress)
        if options.sizes:
            known = [pair for pair in found if pair[0].kind != "uniform"]
            sized = sized_designs(realiser, layers, known, options.widths, options.sizes, progress)
            found = _within(found[0], sized, options.limits) + found[1:] + sized
    source, parts = realiser.source, realiser.parts
    record = Codesign(
        source.name, reference(realiser.given, parts.held),
        {"fit": len(parts.fit), "choose": len(parts.choose), "held out": len(parts.held)},
        options.limits, tuple(_sensitivity(x) for x in layers), tuple(d for d, _ in found),
    )  # fmt: skip
    chosen = replace(found[0][1].ready, decision=False)
    return Codesigned(record, to_integers(chosen).network, parts)


def write_codesign(found: Codesigned, out: Path) -> None:
    """The folder: a QONNX file, its test samples, flow.toml, all figures, and their page.

    Mismatch where the file, read back, does not answer as the network does.
    """
    known = {MODEL, PAGE, FACTS, CONFIG, TEST, BUILD}
    if out.exists() and not out.is_dir():
        raise UsageError("the output path is a file", where=str(out), hint="name a folder with -o")
    strange = sorted(p.name for p in out.iterdir() if p.name not in known) if out.is_dir() else []
    if strange:
        raise UsageError(
            f"the output folder holds {strange[0]!r}, which no codesign has written",
            where=str(out),
            hint="name another folder with -o",
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the output cannot be written: {error.strerror}", where=str(out)
        ) from error
    write_bytes(out / MODEL, network_to_qonnx(found.network))
    _same(found.network, out / MODEL)
    held = found.parts.held
    arrays = list(held.inputs.values())
    names = ["x"] if len(arrays) == 1 else [f"x{i}" for i in range(len(arrays))]
    labelled = {**dict(zip(names, arrays, strict=True)), "y": np.asarray(held.labels)}
    write_named_arrays(out / TEST, labelled)
    write_text(out / CONFIG, _CONFIG)
    write_text(out / FACTS, to_json(found.record))
    write_text(out / PAGE, codesign_to_html(found.record))


def reference(source: SourceModel, samples: Samples) -> float:
    """The share of samples that the given model decides as labelled."""
    answers = decided(source, evaluate_source(source, samples.inputs))
    return share(answers, np.asarray(samples.labels))


def _parts(config: BuildConfig, options: CodesignOptions, source: SourceModel) -> Parts:
    samples = read_samples(source, config.data)
    if samples is None or samples.labels is None:
        raise UsageError(
            "codesign needs samples with labels",
            hint="give them with --data: an .npz with x and y, or a .csv with the label last",
        )
    if len(samples) < FEWEST:
        raise UsageError(f"{len(samples)} samples are too few: codesign needs {FEWEST}")
    held = read_samples(source, options.test)
    if held is None:
        samples, held = split(samples, HELD, config.seed)
    elif held.labels is None:
        raise UsageError("the samples of --test have no labels")
    fit, choose = split(samples, CHOSEN, config.seed)
    return Parts(fit, choose, held)


def widths_of(
    layers: Sequence[LayerFacts], choices: Sequence[Choice]
) -> dict[str, tuple[int, int]]:
    """The widths of each layer by its name."""
    pairs = zip(layers, choices, strict=True)
    return {x.name: (c.weight_bits, c.activation_bits) for x, c in pairs}


def _budgets(layers: Sequence[LayerFacts], options: CodesignOptions) -> list[dict[str, float]]:
    """Limits from the narrowest to the widest designs, at equal ratios, of the first resource."""
    name = next(iter(options.limits))

    def total(pick: Callable[..., Choice]) -> float:
        return sum(pick(x.choices, key=lambda c: c.costs[name]).costs[name] for x in layers)

    low, high = total(min), total(max)
    ratios = np.linspace(0.12, 0.75, options.points).tolist()
    return [{name: low * (high / low) ** r} for r in ratios]


def _designs(
    realiser: Realiser, layers: Sequence[LayerFacts], options: CodesignOptions, progress: Progress
) -> list[tuple[Design, Realised]]:
    """The design within the limits, then those of other budgets: mixed widths, then uniform.

    At each budget every part of `PARTS` weighs the losses of the weights, and what decides best
    on the samples that choose is taken; of equals that of the least expected loss.
    """
    made: dict[tuple[tuple[int, int], ...], Realised] = {}
    budgets = [dict(options.limits), *_budgets(layers, options)]
    tries = PARTS if options.epochs else PARTS[:1]

    def best(candidates: Sequence[tuple[Choice, ...]]) -> tuple[Choice, ...]:
        for choices in candidates:
            if _key(choices) not in made:
                progress("designs", len(made))
                made[_key(choices)] = realiser.realise(widths_of(layers, choices))
        return max(candidates, key=lambda c: (made[_key(c)].chosen, -sum(x.loss for x in c)))

    mixed = [
        best([allocate([x.choices for x in layers], limits, part) for part in tries])
        for limits in budgets
    ]
    even = [
        best(found) for limits in budgets if (found := _uniform(layers, options, limits, tries))
    ]
    chosen = best([mixed[0], *even[:1]])
    kinds: list[tuple[Kind, tuple[Choice, ...]]] = [("chosen", chosen)]
    kinds += [("mixed", c) for c in _distinct(mixed) if _key(c) != _key(chosen)]
    kinds += [("uniform", c) for c in _distinct(even)]
    return [(design_of(k, layers, c, made[_key(c)]), made[_key(c)]) for k, c in kinds]


def _uniform(
    layers: Sequence[LayerFacts],
    options: CodesignOptions,
    limits: Mapping[str, float],
    tries: Sequence[float],
) -> list[tuple[Choice, ...]]:
    """The pairs of widths for all layers with the least loss within limits, for each part."""
    low, high = options.widths
    pairs = [(w, a) for w in range(low, high + 1) for a in range(low, high + 1)]
    every = [tuple(choice_of(x, w, a) for x in layers) for w, a in pairs]
    within = [
        choices
        for choices in every
        if all(sum(c.costs[n] for c in choices) <= limit for n, limit in limits.items())
    ]
    if not within:
        return []
    return [min(within, key=lambda choices: sum(c.weighed(p) for c in choices)) for p in tries]


def _within(
    first: tuple[Design, Realised],
    others: Sequence[tuple[Design, Realised]],
    limits: Mapping[str, float],
) -> list[tuple[Design, Realised]]:
    """What decides best on the samples that choose, within the limits, as the chosen design; of
    equals that of the fewest bit operations."""
    fits = [(d, r) for d, r in others if all(getattr(d, n) <= x for n, x in limits.items())]
    best = max([first, *fits], key=lambda pair: (pair[1].chosen, -pair[0].bops))
    if best is first:
        return [first]
    return [(replace(best[0], kind="chosen"), best[1]), (replace(first[0], kind="mixed"), first[1])]


def _key(choices: Sequence[Choice]) -> tuple[tuple[int, int], ...]:
    return tuple((c.weight_bits, c.activation_bits) for c in choices)


def _distinct(found: Sequence[tuple[Choice, ...]]) -> list[tuple[Choice, ...]]:
    """Each once, in the order of its first."""
    known = {_key(one): one for one in reversed(found)}
    return list(reversed(known.values()))


def choice_of(layer: LayerFacts, weight_bits: int, read_bits: int) -> Choice:
    """The choice of a layer with these widths; an input keeps its own."""
    reads = read_bits if layer.fixed is None else layer.fixed
    wanted = weight_bits, reads
    return next(c for c in layer.choices if (c.weight_bits, c.activation_bits) == wanted)


def design_of(
    kind: Kind, layers: Sequence[LayerFacts], choices: Sequence[Choice], made: Realised
) -> Design:
    """What a choice for each layer costs, and what it decides."""
    widths = tuple(
        LayerWidths(x.name, x.outputs, c.weight_bits, c.activation_bits)
        for x, c in zip(layers, choices, strict=True)
    )
    return Design(
        kind, widths, sum(c.loss for c in choices),
        sum(c.costs["bops"] for c in choices), sum(c.costs["model_bits"] for c in choices),
        made.area, made.rounded, made.accuracy,
    )  # fmt: skip


def _sensitivity(layer: LayerFacts) -> LayerSensitivity:
    read = layer.read_trace
    return LayerSensitivity(
        layer.name, layer.size, layer.weight_trace.value, layer.weight_trace.vectors,
        None if read is None else read.value, 0 if read is None else read.vectors,
    )  # fmt: skip


def _same(network: Network, path: Path) -> None:
    """Mismatch unless the file answers as the network to random integers at its inputs."""
    again = to_network(read_onnx(path), QuantiseOptions(head="logits")).network
    random = np.random.default_rng(0)
    first, second = {}, {}
    for a, b in zip(network.inputs, again.inputs, strict=True):
        lo, hi = a.tensor.lo.astype(np.int64), a.tensor.hi.astype(np.int64)
        first[a.name] = random.integers(lo, hi, (64, *lo.shape), endpoint=True)
        second[b.name] = first[a.name]
    wanted = evaluate_network(network, first)[network.outputs[0]]
    found = evaluate_network(again, second)[again.outputs[0]]
    if wanted.shape != found.shape or (wanted != found).any():
        raise Mismatch("the QONNX file, read back, does not answer as the network", where=str(path))
