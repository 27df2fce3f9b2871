"""What the stages of a build hand on to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from flow.pipeline.config import BuildConfig
from flow.progress import Progress, silent

if TYPE_CHECKING:  # The rooms behind these names are loaded by the stages that need them.
    from flow.backends.emission import Emission
    from flow.frontend.files.data import Samples
    from flow.frontend.source import SourceModel
    from flow.ir.circuit import Circuit
    from flow.ir.network import Network
    from flow.pipeline.lut_measures import LutMeasures
    from flow.pipeline.lut_synthesis import LutSynthesis
    from flow.pipeline.measures import Measures
    from flow.pipeline.points import Point
    from flow.pipeline.synthesis import Synthesis
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


@dataclass(frozen=True)
class Recipe:
    """What a target is made of, apart from the stages: the choices that differ between targets.

    `fabric` is what it maps onto, `tech` names its technology. `passes` are pipeline texts as
    for `flow opt`, of which the one of least mapped size is taken (the first for large
    circuits), `high_passes` more of them for high effort, and `quick_passes` those of another
    objective than the area; `defaults` are values of BuildConfig that the target prefers;
    `interval` is its usual time between two samples in ms; `printed_power` says that printed
    batteries and harvesters are its sources of power.
    """

    name: str
    summary: str
    fabric: Fabric
    tech: str
    passes: tuple[str, ...]
    interval: float
    quick_passes: tuple[str, ...]
    high_passes: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    printed_power: bool = False


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
    notes: tuple[str, ...] = ()
    quantisation: tuple[QuantisedLayer, ...] = ()
    lowered: Circuit | None = None
    circuit: Circuit | None = None
    steps: tuple[PassStep, ...] = ()
    passes: str = ""
    trials: tuple[Trial, ...] = ()
    emission: Emission | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)
    technology: Technology | Part | None = None
    synthesis: Synthesis | None = None
    luts: LutSynthesis | None = None
    verdicts: tuple[Verdict, ...] = ()
    measures: Measures | None = None
    fpga: LutMeasures | None = None
    report: Record | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = silent

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
