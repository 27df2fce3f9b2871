"""Sizes and widths of layers searched together for one float model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flow.analysis.bops import bit_operations
from flow.errors import UsageError
from flow.frontend.quantisation.calibrate import with_coded_inputs
from flow.frontend.quantisation.cut import can_shrink, shrunk
from flow.frontend.quantisation.equalise import following
from flow.frontend.source import SourceModel
from flow.pipeline.realising import Realised, Realiser
from flow.pipeline.sensitivity import LayerFacts
from flow.progress import Progress
from flow.report.codesign import Design, LayerWidths
from flow.search.sizes import Field, Genome, Predict, evolve, front
from flow.train.predictor import accuracy_predictor

Pair = tuple[Design, Realised]


def sized_designs(
    realiser: Realiser,
    layers: Sequence[LayerFacts],
    known: Sequence[Pair],
    widths: tuple[int, int],
    trained: int,
    progress: Progress,
) -> list[Pair]:
    """Designs of the front of accuracy and bit operations with smaller layers, the cheapest first.

    Evolution starts from the widths of the designs that are `known`, at sizes full, three quarters
    and half. UsageError where no layer can shrink.
    """
    inputs = realiser.parts.fit.inputs
    plain, data = with_coded_inputs(realiser.source, realiser.options, inputs)
    able = can_shrink(plain)
    if not able:
        raise UsageError("--sizes: no layer of the model can shrink", hint="leave --sizes out")
    before = _before(plain, able, layers)
    field = Field(
        tuple(x.outputs for x in layers), tuple(x.name not in able for x in layers),
        tuple(x.fixed for x in layers), widths,
    )  # fmt: skip
    made: dict[Genome, Realised] = {}

    def train(genome: Genome) -> float:
        progress("networks of other sizes", len(made), trained)
        sizes = {x.name: n for x, n in zip(layers, genome.outputs, strict=True) if x.name in able}
        source = shrunk(plain, sizes, data)
        own = replace(realiser, source=source, teacher=realiser.teacher or realiser.source)
        pairs = zip(layers, genome.weight_bits, genome.read_bits, strict=True)
        made[genome] = own.realise({x.name: (w, a) for x, w, a in pairs})
        return made[genome].chosen

    def cost(genome: Genome) -> float:
        return _costs(layers, before, genome)[0]

    def learn(features: Sequence[Sequence[float]], accuracies: Sequence[float]) -> Predict:
        return accuracy_predictor(features, accuracies, realiser.retraining.seed)

    start = _start(field, known)
    accuracies = evolve(
        field, start, trained, train, cost, learn, realiser.retraining.seed
    )  # fmt: skip
    best = front([(cost(g), a, g) for g, a in accuracies.items()])
    return [(_design(layers, before, g, made[g]), made[g]) for g in best]


def _before(
    plain: SourceModel, able: Sequence[str], layers: Sequence[LayerFacts]
) -> list[int | None]:
    """For each layer the place of the one whose size sets its inputs, if one may shrink."""
    places = {x.name: i for i, x in enumerate(layers)}
    found: list[int | None] = [None] * len(layers)
    for name in able:
        pair = following(plain, name, bounded=True)
        assert pair is not None
        found[places[pair[1].name]] = places[name]
    return found


def _start(field: Field, known: Sequence[Pair]) -> list[Genome]:
    genomes = []
    for share in (1.0, 0.75, 0.5):
        for design, _ in known:
            outputs = tuple(
                n if fixed else max(1, round(share * n))
                for n, fixed in zip(field.outputs, field.fixed, strict=True)
            )
            weights = tuple(w.weight_bits for w in design.widths)
            genomes.append(Genome(outputs, weights, tuple(w.read_bits for w in design.widths)))
    # Few are trained before the predictor learns: each share takes its turn.
    count = max(1, len(known))
    return [genomes[s * count + i] for i in range(count) for s in range(3)]


def _costs(
    layers: Sequence[LayerFacts], before: Sequence[int | None], genome: Genome
) -> tuple[float, float]:
    """Bit operations, and bits of all weights."""
    bops = bits = 0.0
    for i, x in enumerate(layers):
        above = before[i]
        share = 1.0 if above is None else genome.outputs[above] / layers[above].outputs
        own = genome.outputs[i] / x.outputs
        fan_in, part = round(x.fan_in * share), share * own
        w, a = genome.weight_bits[i], genome.read_bits[i]
        bops += bit_operations(fan_in, round(x.products * part), w, a, x.pruned)
        bits += w * round(x.size * part)
    return bops, bits


def _design(
    layers: Sequence[LayerFacts], before: Sequence[int | None], genome: Genome, made: Realised
) -> Design:
    bops, bits = _costs(layers, before, genome)
    rows = zip(layers, genome.outputs, genome.weight_bits, genome.read_bits, strict=True)
    widths = tuple(LayerWidths(x.name, n, w, a) for x, n, w, a in rows)
    return Design("sized", widths, 0.0, bops, bits, made.area, made.rounded, made.accuracy)
