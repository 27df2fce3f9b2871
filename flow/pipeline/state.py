"""What the stages of a build hand on to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from flow.pipeline.config import BuildConfig

if TYPE_CHECKING:  # The rooms behind these names are loaded by the stages that need them.
    from flow.backends.emission import Emission
    from flow.frontend.data import Samples
    from flow.frontend.source import SourceModel
    from flow.ir.circuit import Circuit
    from flow.ir.network import Network
    from flow.pipeline.measures import Measures
    from flow.pipeline.synthesis import Synthesis
    from flow.report.record import Record
    from flow.tech.technology import Technology
    from flow.verify.verdict import Verdict


T = TypeVar("T")


@dataclass(frozen=True)
class Recipe:
    """What a target is made of, apart from the stages: the choices that differ between targets.

    `passes` are pipeline texts as for `flow opt`, of which the one of least mapped area is taken
    (the first for large circuits); `defaults` are values of BuildConfig that the
    target prefers; `tech` names its technology; `interval` is its usual time between two
    samples in ms.
    """

    name: str
    summary: str
    tech: str
    passes: tuple[str, ...]
    interval: float
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PassStep:
    """One pass that was run: its text, whether it promises equality, and both circuits."""

    text: str
    exact: bool
    before: Circuit
    after: Circuit


@dataclass(frozen=True)
class State:
    """Everything that is known of a build so far; a stage returns a fuller one."""

    config: BuildConfig
    recipe: Recipe
    source: SourceModel | None = None
    samples: Samples | None = None
    network: Network | None = None
    notes: tuple[str, ...] = ()
    lowered: Circuit | None = None
    circuit: Circuit | None = None
    steps: tuple[PassStep, ...] = ()
    emission: Emission | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)
    technology: Technology | None = None
    synthesis: Synthesis | None = None
    verdicts: tuple[Verdict, ...] = ()
    measures: Measures | None = None
    report: Record | None = None
    tools: Mapping[str, str] = field(default_factory=dict)


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
