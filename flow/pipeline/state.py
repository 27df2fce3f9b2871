"""What the stages of a build hand on to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from flow.errors import UsageError
from flow.pipeline.config import BuildConfig
from flow.progress import Progress, silent

if TYPE_CHECKING:  # The rooms behind these names are loaded by the stages that need them.
    from flow.backends.emission import Emission
    from flow.frontend.files.data import Samples
    from flow.frontend.source import SourceModel
    from flow.ir.circuit import Circuit
    from flow.ir.design import Design
    from flow.ir.network import Network
    from flow.ir.threshold import ThresholdNetlist
    from flow.mapping.hardwired.levels import Wired
    from flow.passes.free_weights import Freed
    from flow.pipeline.chip import ChipMeasures
    from flow.pipeline.flash_result import FlashResult
    from flow.pipeline.folding import Folding
    from flow.pipeline.hls import HlsProject
    from flow.pipeline.importing import Most
    from flow.pipeline.lpu import LpuBuild
    from flow.pipeline.lut_measures import LutMeasures
    from flow.pipeline.lut_synthesis import LutSynthesis
    from flow.pipeline.measures import Measures
    from flow.pipeline.points import Point
    from flow.pipeline.synthesis import Synthesis
    from flow.pipeline.threshold_mapping import ThresholdTrial
    from flow.pipeline.tulip import TulipBuild
    from flow.report.quantisation import QuantisedLayer
    from flow.report.record import Record
    from flow.tech.part import Part
    from flow.tech.technology import Technology
    from flow.verify.verdict import Verdict


T = TypeVar("T")


class Fabric(Protocol):
    """What a circuit is mapped onto: the cells of a library, or the look-up tables of an FPGA.

    `unit` is what `size` counts, `largest` the gates of a graph beyond which no sizes are
    compared, `tools` the programs that it uses beside those of every build.
    """

    @property
    def unit(self) -> str:
        """What `size` counts, for a reader."""
        ...

    @property
    def largest(self) -> int:
        """Gates beyond which sizes take too long to compare."""
        ...

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the modules of flow.tools that it uses beside those of every build."""
        ...

    def choose(self, config: BuildConfig, usual: str) -> Technology | Part:
        """The technology that the options name, else the usual one; UsageError where unknown."""
        ...

    def points(
        self, circuit: Circuit, technology: Technology | Part, config: BuildConfig
    ) -> tuple[Point, ...]:
        """Size and delay of the circuit by quick mappings for the objective of the options."""
        ...

    def delay(
        self,
        circuit: Circuit,
        emission: Emission,
        technology: Technology | Part,
        config: BuildConfig,
    ) -> float:
        """The longest path of the mapped circuit in ns, by the estimate that chooses stages."""
        ...

    def synthesise(self, state: State, out: Path, own: Path) -> State:
        """The state with the mapped circuit; its netlist goes below `out`."""
        ...

    def prove(self, state: State, out: Path) -> tuple[Verdict, ...]:
        """A verdict for each link from the circuit to its netlist, and for each pass."""
        ...

    def measure(self, state: State, out: Path, own: Path) -> tuple[State, tuple[Verdict, ...]]:
        """The state with all figures, and the verdicts on netlist and timing."""
        ...


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a target is made of: its stages in order, and the choices that differ between targets.

    `defaults` are values of BuildConfig that the target prefers, `stores` the ways in which what
    it builds may hold its weights. More multiplications than `most` are refused (a number, and of
    what it is the limit); None is what one fully parallel circuit may have.
    """

    name: str
    summary: str
    stages: tuple[Stage, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    stores: tuple[str, ...] = ("constants",)
    most: Most | None = None

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the modules of flow.tools that its builds use."""
        raise NotImplementedError

    def choose(self, config: BuildConfig) -> Technology | Part | None:
        """What is built for; None where no technology is. UsageError at options of others."""
        raise NotImplementedError

    def suited(self, config: BuildConfig) -> Recipe:
        """The recipe for the model that is named, where a target has one for each kind."""
        return self


HLS_OPTIONS = ("hls_backend", "reuse", "strategy")
"""Choices of BuildConfig that only projects for HLS have."""


@dataclass(frozen=True, kw_only=True)
class CircuitRecipe(Recipe):
    """A target that is a circuit of our own, mapped onto a fabric.

    `fabric` is what it maps onto, `tech` names its technology. `passes` are pipeline texts as
    for `flow opt`, of which the one of least mapped size is taken (the first for large
    circuits), `high_passes` more of them for high effort, and `quick_passes` those of another
    objective than the area; `interval` is its usual time between two samples in ms;
    `printed_power` says that printed batteries and harvesters are its sources of power.
    """

    fabric: Fabric
    tech: str
    passes: tuple[str, ...]
    interval: float
    quick_passes: tuple[str, ...]
    high_passes: tuple[str, ...] = ()
    printed_power: bool = False

    @property
    def tools(self) -> tuple[str, ...]:
        """The programs of every circuit, and those of the fabric."""
        return ("abc", "icarus", "verilator", "yosys", *self.fabric.tools)

    def choose(self, config: BuildConfig) -> Technology | Part:
        """The technology of the fabric that the options name, else the usual one."""
        for name in HLS_OPTIONS:
            if getattr(config, name) != getattr(BuildConfig, name):
                raise UsageError(
                    f"--{name.replace('_', '-')} is for projects for HLS, "
                    f"the target {self.name} is a circuit",
                    hint="leave it out, or build with --target hls",
                )
        return self.fabric.choose(config, self.tech)


@dataclass(frozen=True)
class PassStep:
    """One pass that was run: its text, whether it promises equality, and both circuits."""

    text: str
    exact: bool
    before: Circuit
    after: Circuit


@dataclass(frozen=True)
class Trial:
    """A pipeline of passes that was tried, and what its circuit costs by each quick script."""

    passes: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class State:
    """Everything that is known of a build so far; a stage returns a fuller one."""

    config: BuildConfig
    recipe: Recipe
    source: SourceModel | None = None
    samples: Samples | None = None
    network: Network | None = None
    freed: Freed | None = None
    notes: tuple[str, ...] = ()
    quantisation: tuple[QuantisedLayer, ...] = ()
    lowered: Circuit | None = None
    circuit: Circuit | None = None
    folding: Folding | None = None
    steps: tuple[PassStep, ...] = ()
    passes: str = ""
    trials: tuple[Trial, ...] = ()
    emission: Emission | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)
    probes: int = 0
    technology: Technology | Part | None = None
    synthesis: Synthesis | None = None
    luts: LutSynthesis | None = None
    verdicts: tuple[Verdict, ...] = ()
    measures: Measures | None = None
    chip: ChipMeasures | None = None
    fpga: LutMeasures | None = None
    hls: HlsProject | None = None
    tulip: TulipBuild | None = None
    lpu: LpuBuild | None = None
    wired: Wired | None = None
    design: Design | None = None
    neurons: ThresholdNetlist | None = None
    threshold: ThresholdNetlist | None = None
    threshold_trials: tuple[ThresholdTrial, ...] = ()
    flash: FlashResult | None = None
    report: Record | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = silent

    @property
    def given_inputs(self) -> Mapping[str, Any]:
        """`inputs` for the user's samples alone, with the weights of the model."""
        return self._given(self.inputs)

    @property
    def given_expected(self) -> Mapping[str, Any]:
        """`expected` for the user's samples alone."""
        return self._given(self.expected)

    def _given(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.samples is None:
            return values
        return {port: rows[: len(self.samples)] for port, rows in values.items()}

    @property
    def circuit_recipe(self) -> CircuitRecipe:
        """The recipe, in the stages that only circuits go through."""
        assert isinstance(self.recipe, CircuitRecipe), "this stage is one of circuits"
        return self.recipe

    @property
    def target(self) -> Technology | Part:
        """The technology, which the stage `import` has chosen."""
        assert self.technology is not None, "no technology has been chosen yet"
        return self.technology


class Stage(Protocol):
    """One step of a build: the same state gives the same state and the same files."""

    @property
    def name(self) -> str:
        """The word for --from and --to."""
        ...

    def run(self, state: State, out: Path, own: Path) -> State:
        """The fuller state. Products go below `out`, the stage's own record below `own`."""
        ...

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """What `run` would give, from the stage's folder of an earlier, equal build."""
        ...


def have(value: T | None) -> T:
    """The value of a field that an earlier stage has filled."""
    assert value is not None, "a stage ran before the one that it stands on"
    return value
