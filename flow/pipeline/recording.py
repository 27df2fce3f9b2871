"""Everything that is known of a build becomes the Record that reports show."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace

from flow import __version__
from flow.analysis.cost import adder_bits
from flow.analysis.latency import latency
from flow.analysis.layers import layer_of
from flow.analysis.timing import Hop
from flow.ir.circuit import Circuit
from flow.ir.layers import Conv, Dense, Layer
from flow.ir.network import Network
from flow.ir.nodes import Const
from flow.pipeline.accuracy import accuracy
from flow.pipeline.folding import Folding
from flow.pipeline.measures import Measures
from flow.pipeline.provenance import command_line
from flow.pipeline.sensing import sensors
from flow.pipeline.state import State, have
from flow.pipeline.supplies import supplies
from flow.report.record import (
    Accuracy,
    Area,
    CellCount,
    Check,
    Fact,
    Fpga,
    Latency,
    LayerRow,
    PathStep,
    Power,
    PowerSource,
    Primitive,
    Record,
    Summary,
    Technology,
    TimeUnit,
    Timing,
    WidthCount,
)
from flow.report.tuning import Tried, Tuning
from flow.tech.power_sources import sources

UNITS: tuple[tuple[TimeUnit, float], ...] = (("ms", 1e6), ("us", 1e3), ("ns", 1.0))
"""Units of time with their length in ns, the longest first."""


def record(state: State) -> Record:
    """The report of a build that went through all stages."""
    circuit, network = have(state.circuit), have(state.network)
    measures = state.measures
    emission = have(state.emission)
    power = None if measures is None else _power(state, measures)
    front = None if power is None else sensors(state, power.total_mw)
    return Record(
        summary=summary(state, _technology(state)),
        accuracy=measured_accuracy(state),
        area=None if measures is None else _area(measures),
        power=power,
        timing=None if measures is None else _timing(measures),
        latency=Latency(emission.latency, emission.initiation_interval),
        sources=() if power is None else _sources(state, power),
        layers=_layers(network, _adders(circuit, state.folding), measures),
        widths=_widths(circuit),
        checks=tuple(Check(v.check, v.status, v.detail) for v in state.verdicts),
        notes=(*state.notes, *state.target.notes),
        provenance=_provenance(state),
        fpga=_fpga(state),
        quantisation=state.quantisation,
        tuning=_tuning(state),
        sensors=front,
        supplies=supplies(state, None if front is None else front.power_mw) if power else (),
    )


def _tuning(state: State) -> Tuning:
    """Every point that was tried; those of the synthesis come last."""
    config, fabric = state.config, state.circuit_recipe.fabric
    stages = latency(have(state.circuit))
    built = f"{state.passes}, {stages} stages" if stages else state.passes
    points = [(trial.passes, point, False) for trial in state.trials for point in trial.points]
    if (made := state.synthesis) is not None:
        points += [(built, point, point.script == made.variant) for point in made.points]
    tried = (
        Tried(passes, point.script, point.size, point.delay_ns, chosen)
        for passes, point, chosen in points
    )
    return Tuning(config.objective, config.effort, fabric.unit, tuple(tried))


def _technology(state: State) -> Technology:
    made = state.target
    return Technology(made.title, made.voltage, made.corner, made.source)


def summary(state: State, technology: Technology) -> Summary:
    """What was built, from what, with what."""
    decides = have(state.network).layers[-1].decides
    return Summary(
        model_name=have(state.config.model).name,
        model_sha256=have(state.source).sha256,
        task="classification" if decides else "regression or logits",
        target=state.recipe.name,
        technology=technology,
        flow_version=__version__,
        tools=tuple(Fact(name, text) for name, text in sorted(state.tools.items())),
        seed=state.config.seed,
        command=command_line(state.config),
    )


def measured_accuracy(state: State) -> Accuracy | None:
    """How well it decides on the samples; None without labels."""
    if state.samples is None:
        return None
    return accuracy(have(state.source), have(state.network), state.samples, state.given_expected)


def _area(measures: Measures) -> Area:
    area = measures.area
    cells = (CellCount(n, count, area.by_cell[n]) for n, count in sorted(area.cells.items()))
    return Area(area.um2, area.nand2, tuple(cells))


def _fpga(state: State) -> Fpga | None:
    if (found := state.fpga) is None:
        return None
    cells = have(state.luts).cells
    return Fpga(
        **{name.name: getattr(found, name.name) for name in fields(found)},
        primitives=tuple(Primitive(name, count) for name, count in cells.items()),
    )


def _power(state: State, measures: Measures) -> Power:
    interval = state.config.period or (state.config.interval or state.circuit_recipe.interval) * 1e6
    unit, length = next((u for u in UNITS if interval >= u[1]), UNITS[-1])
    found = measures.power
    return Power(
        leakage_mw=found.leakage,
        switching_mw=found.internal + found.switching + found.inputs,
        how="vectors" if state.samples is not None else "vectorless",
        clock_period=interval / length,
        clock_unit=unit,
        vectors=len(state.samples) if state.samples is not None else 0,
    )


def _timing(measures: Measures) -> Timing:
    found = measures.timing
    unit, length = next((u for u in UNITS if found.delay_ns >= u[1]), UNITS[-1])
    names = dict(zip(measures.instances, measures.layers, strict=True))

    def step(hop: Hop) -> PathStep:
        return PathStep(hop.net, hop.cell, names[hop.instance], hop.arrival_ns / length)

    path = tuple(step(hop) for hop in found.path)
    return Timing(found.delay_ns / length, unit, path, found.method)


def _sources(state: State, power: Power) -> tuple[PowerSource, ...]:
    """Printed batteries and harvesters; a circuit for silicon has a supply of its own."""
    if not state.circuit_recipe.printed_power:
        return ()
    rows = []
    for source in sources():
        drives = power.total_mw <= source.limit_mw
        detail = "" if drives else f"{power.total_mw / source.limit_mw:.1f} times its power"
        rows.append(PowerSource(source.title, source.limit_mw, drives, detail))
    return tuple(rows)


def _adders(circuit: Circuit, folding: Folding | None) -> Counter[str]:
    """Adders by layer; those that steps share count once, for the first layer of their level."""
    if folding is None:
        return Counter(owner for node, owner in layer_of(circuit).items() if adder_bits(node))
    adders: Counter[str] = Counter()
    for level in folding.folded.levels:
        for part in (level.element, level.between):
            adders[level.layers[0]] += sum(1 for node in part.walk() if adder_bits(node))
    return adders


def _layers(
    network: Network, adders: Counter[str], measures: Measures | None
) -> tuple[LayerRow, ...]:
    known = measures is not None
    shares = measures.by_layer() if measures is not None else {}
    rows = []
    for layer in network.layers:
        cells, area, power = shares.pop(layer.name, (0, 0.0, 0.0))
        count = adders.pop(layer.name, 0)
        row = layer_row(network, layer, count, cells, area, power)
        rows.append(row if known else replace(row, area_um2=None, power_mw=None))
    for left in dict.fromkeys((*shares, *adders)):
        cells, area, power = shares.get(left, (0, 0.0, 0.0))
        other = LayerRow(f"({left})", "", (), 0, 0, 0, adders[left], cells, area, power)
        rows.append(other if known else replace(other, area_um2=None, power_mw=None))
    return tuple(rows)


def layer_row(
    network: Network,
    layer: Layer,
    adders: int | None = None,
    cells: int = 0,
    area: float | None = None,
    power: float | None = None,
) -> LayerRow:
    """The facts of a layer, beside what it costs."""
    tensor = network.types[layer.name]
    weights = weight_bits = 0
    if isinstance(layer, (Conv, Dense)):
        weights = int(layer.weights.size)
        hi, lo = int(layer.weights.max(initial=0)), int(layer.weights.min(initial=0))
        weight_bits = max(hi, ~lo).bit_length() + 1
    widest = max(r.width for r in tensor.ranges())
    return LayerRow(
        layer.name, layer.kind, tensor.shape, weights, weight_bits, widest, adders, cells, area,
        power,
    )  # fmt: skip


def _widths(circuit: Circuit) -> tuple[WidthCount, ...]:
    count = Counter(n.range.width for n in circuit.walk() if not isinstance(n, Const))
    return tuple(WidthCount(bits, count[bits]) for bits in sorted(count))


def _provenance(state: State) -> tuple[Fact, ...]:
    synthesis, luts = state.synthesis, state.luts
    facts = [Fact("format of the model", have(state.source).format)]
    if synthesis is not None:
        facts += [
            Fact("synthesis script", "; ".join(synthesis.script)),
            Fact("gates of the circuit's own graph", str(synthesis.graph.size)),
        ]
    if luts is not None:
        facts.append(Fact("synthesis script", "; ".join(luts.script)))
    if state.samples is not None:
        facts.append(Fact("sha256 of the data", state.samples.sha256))
    return tuple(facts)
