"""What a report says, as data: every figure of a build, with where it comes from.

Counts add up exactly. Areas and powers of parts add up to their totals within one part in a
million, which leaves room for the order of float additions and for nothing else. A record that
does not add up cannot be made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal

from flow.errors import InternalError
from flow.report.quantisation import QuantisedLayer
from flow.report.tuning import Tuning

SCHEMA = "flow-report 1"
TOLERANCE = 1e-6

Status = Literal["proved", "passed", "disproved", "failed", "timed out", "not checked"]
"""proved: for every input. passed: on every vector tried. disproved: a counterexample is known."""

How = Literal["vectors", "vectorless"]
TimeUnit = Literal["ps", "ns", "us", "ms", "s"]


@dataclass(frozen=True, slots=True)
class Fact:
    """A named word: a tool and its version, a file and its hash."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Technology:
    """What the circuit is mapped to. `source` says where the cell figures were published."""

    name: str
    voltage_v: float | None
    corner: str
    source: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What was built, from what, with what."""

    model_name: str
    model_sha256: str
    task: str
    target: str
    technology: Technology
    flow_version: str
    tools: tuple[Fact, ...]
    seed: int
    command: str


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The metric of the float model (if known), the integer network, and the circuit.

    `confusion[i][j]` counts the samples of class i that the circuit calls j; empty where there
    are no classes.
    """

    metric: str
    samples: int
    framework: float | None
    network: float
    circuit: float
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        size = len(self.classes)
        if not self.confusion:
            return
        if len(self.confusion) != size or any(len(row) != size for row in self.confusion):
            raise InternalError(f"the confusion matrix is not {size} by {size}")
        if any(n < 0 for row in self.confusion for n in row):
            raise InternalError("the confusion matrix has a negative count")
        _exact("the confusion matrix", (sum(row) for row in self.confusion), self.samples)
        right = sum(self.confusion[i][i] for i in range(size))
        if self.metric == "accuracy" and abs(self.circuit * self.samples - right) > 0.5e-3:
            raise InternalError(
                f"the accuracy {self.circuit} is not {right} of {self.samples} samples"
            )


@dataclass(frozen=True, slots=True)
class CellCount:
    """All cells of one type; `area_um2` is that of all of them, None where cells have none."""

    name: str
    count: int
    area_um2: float | None


@dataclass(frozen=True, slots=True)
class Area:
    """Mapped cells. `nand2` is the area in NAND2 equivalents."""

    um2: float | None
    nand2: float | None
    cells: tuple[CellCount, ...]

    def __post_init__(self) -> None:
        _close("the areas of the cell types", (c.area_um2 for c in self.cells), self.um2)

    @property
    def cm2(self) -> float | None:
        """Square centimetres."""
        return None if self.um2 is None else self.um2 / 1e8

    @property
    def count(self) -> int:
        """Cells of all types."""
        return sum(cell.count for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Power:
    """Milliwatts at a clock period; `vectors` is the number of samples simulated, else 0."""

    leakage_mw: float
    switching_mw: float
    how: How
    clock_period: float | None
    clock_unit: TimeUnit
    vectors: int = 0

    @property
    def total_mw(self) -> float:
        """Leakage and switching."""
        return self.leakage_mw + self.switching_mw


@dataclass(frozen=True, slots=True)
class PathStep:
    """A net on the critical path, the cell that drives it, and when it is stable."""

    net: str
    cell: str
    layer: str
    arrival: float


@dataclass(frozen=True, slots=True)
class Timing:
    """The critical path as `tool` sees it; `arrival` of a step is in the same unit as `delay`."""

    delay: float
    unit: TimeUnit
    path: tuple[PathStep, ...]
    tool: str

    def __post_init__(self) -> None:
        arrivals = [step.arrival for step in self.path]
        if arrivals != sorted(arrivals):
            raise InternalError("the critical path goes back in time")
        if arrivals and not _near(arrivals[-1], self.delay):
            raise InternalError(
                f"the critical path ends at {arrivals[-1]}, the delay is {self.delay}"
            )


@dataclass(frozen=True, slots=True)
class Primitive:
    """All cells of one type in an FPGA."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Fpga:
    """A circuit in an FPGA: its primitives, and how fast it may be clocked.

    `estimate_ns` is the longest path by `estimate_by`; `fmax_mhz` is what place and route found,
    None without it. `counted_by` and `route` say what found the figures, or why it did not;
    `limit` says where the longest path lies.
    """

    luts: int
    flipflops: int
    carries: int
    muxes: int
    dsps: int
    primitives: tuple[Primitive, ...]
    counted_by: str
    estimate_ns: float
    estimate_by: str
    fmax_mhz: float | None
    route: str
    limit: str


@dataclass(frozen=True, slots=True)
class Latency:
    """Clock cycles from input to answer (0 is combinational), and between two inputs."""

    cycles: int
    interval: int


@dataclass(frozen=True, slots=True)
class PowerSource:
    """A battery or harvester, and whether it can drive the circuit; `detail` says why not."""

    name: str
    limit_mw: float
    drives: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SensorRow:
    """The converter of one element of an input, of `bits` bits, of which the circuit reads some."""

    name: str
    bits: int
    bits_read: int
    comparators: int
    gates: int
    area_um2: float
    power_mw: float


@dataclass(frozen=True, slots=True)
class Sensors:
    """The converters in front of the circuit, beside whole ones for all inputs (`whole_`).

    `source` is where their figures come from; `supply` the title of the weakest source of power
    that drives circuit and converters together, empty where none does.
    """

    title: str
    rows: tuple[SensorRow, ...]
    area_um2: float
    power_mw: float
    whole_area_um2: float
    whole_power_mw: float
    supply: str
    source: str

    def __post_init__(self) -> None:
        _close("the areas of the converters", (r.area_um2 for r in self.rows), self.area_um2)
        _close("the powers of the converters", (r.power_mw for r in self.rows), self.power_mw)


@dataclass(frozen=True, slots=True)
class Supply:
    """The circuit at a supply: its power, its longest path beside the time between two samples,
    and the weakest source that drives it, alone and with its converters; empty where none does."""

    voltage: float
    power_mw: float
    delay_ms: float
    period_ms: float
    in_time: bool
    source: str
    source_with_sensors: str


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A layer's share. Cells that belong to no layer stand in a row of their own.

    `weight_bits` and `activation_bits` are the widest of the layer, 0 where it has none; `adders`
    are None where another compiler makes them.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    weights: int
    weight_bits: int
    activation_bits: int
    adders: int | None
    cells: int
    area_um2: float | None
    power_mw: float | None


@dataclass(frozen=True, slots=True)
class WidthCount:
    """How many wires of the circuit have so many bits."""

    bits: int
    wires: int


@dataclass(frozen=True, slots=True)
class Check:
    """A comparison of two levels of the design, and how it ended."""

    check: str
    status: Status
    detail: str


@dataclass(frozen=True, slots=True)
class Record:
    """The whole report. None where a build has no such figure; raises InternalError on bad sums."""

    summary: Summary
    accuracy: Accuracy | None
    area: Area | None
    power: Power | None
    timing: Timing | None
    latency: Latency | None
    sources: tuple[PowerSource, ...]
    layers: tuple[LayerRow, ...]
    widths: tuple[WidthCount, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    provenance: tuple[Fact, ...] = ()
    fpga: Fpga | None = None
    quantisation: tuple[QuantisedLayer, ...] = ()
    tuning: Tuning | None = None
    sensors: Sensors | None = None
    supplies: tuple[Supply, ...] = ()

    def __post_init__(self) -> None:
        _refuse_strange_numbers(self, "report")
        if self.layers:
            if self.area is not None:
                _exact("the cells of the layers", (r.cells for r in self.layers), self.area.count)
                _close("the areas of the layers", (r.area_um2 for r in self.layers), self.area.um2)
            if self.power is not None:
                powers = (row.power_mw for row in self.layers)
                _close("the powers of the layers", powers, self.power.total_mw)
        for source in self.sources:
            needed = math.inf if self.power is None else self.power.total_mw * (1 - TOLERANCE)
            if source.drives and source.limit_mw < needed:
                raise InternalError(f"{source.name!r} cannot drive the circuit, but is said to")
        bits = [width.bits for width in self.widths]
        if bits != sorted(set(bits)):
            raise InternalError("the widths are not in rising order")

    @property
    def source(self) -> PowerSource | None:
        """The weakest source that can drive the circuit."""
        return min((s for s in self.sources if s.drives), key=lambda s: s.limit_mw, default=None)

    @property
    def verdict(self) -> str:
        """All checks in a sentence; begins with `failed` where one went wrong."""
        states = [check.status for check in self.checks]
        wrong = states.count("failed") + states.count("disproved")
        open_ = states.count("not checked") + states.count("timed out")
        if wrong:
            return f"failed: {wrong} of {len(states)} checks"
        if not states or open_ == len(states):
            return "nothing checked"
        if open_:
            return f"{len(states) - open_} of {len(states)} checks hold, {open_} not decided"
        return "every check holds"


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12)


def _exact(what: str, parts: Iterable[int], total: int) -> None:
    found = sum(parts)
    if found != total:
        raise InternalError(f"{what} add up to {found}, not {total}")


def _close(what: str, parts: Iterable[float | None], total: float | None) -> None:
    values = list(parts)
    known = [v for v in values if v is not None]
    if not values or (total is None and not known):
        return
    if total is None or len(known) < len(values):
        raise InternalError(f"{what} are known in part only")
    found = math.fsum(known)
    if not _near(found, total):
        raise InternalError(f"{what} add up to {found:.12g}, not {total:.12g}")


def _refuse_strange_numbers(value: object, where: str) -> None:
    """Raise InternalError at a number that is not finite, or negative where none may be."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InternalError(f"{where} is {value}")
    if isinstance(value, tuple):
        for i, item in enumerate(value):
            _refuse_strange_numbers(item, f"{where}[{i}]")
    elif hasattr(value, "__dataclass_fields__"):
        for f in fields(value):  # type: ignore[arg-type]
            item = getattr(value, f.name)
            _refuse_strange_numbers(item, f"{where}.{f.name}")
            measured = f.name.endswith(("_um2", "_mw", "count", "cells", "wires", "um2"))
            if measured and isinstance(item, (int, float)) and item < 0:
                raise InternalError(f"{where}.{f.name} is {item}")
