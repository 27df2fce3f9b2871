"""The target of threshold cells: what it takes, what it refuses, and its designs."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from flow.backends.bitblast import bitblast
from flow.errors import UsageError
from flow.frontend.circuits.read import is_circuit
from flow.ir.aig import Adder, Aig, without_unread_state
from flow.ir.circuit import Circuit
from flow.ir.design import HELD, TAKEN, Design
from flow.pipeline.config import BuildConfig
from flow.pipeline.state import HLS_OPTIONS, Recipe
from flow.pipeline.technology import choose_technology
from flow.tech.technology import Technology

FOREIGN = ("period", "latency", "axis", "tiny_tapeout", "readout", *HLS_OPTIONS)
"""Choices of BuildConfig that this target has no use for."""
MODELS_ONLY = ("data", "calibrate", "weights", "passes", "stages", "approximate", "loss", "pick")
"""Choices that a model needs, and a circuit has none of."""


@dataclass(frozen=True, kw_only=True)
class FlashRecipe(Recipe):
    """Threshold gates, and flip-flops with them as flash cells in a library of standard cells.

    `tech` is the usual library, `passes` the pipeline text of a network's circuit.
    """

    tech: str
    passes: str

    @property
    def tools(self) -> tuple[str, ...]:
        """ABC, Yosys and ngspice, and the compiler of the mapper."""
        return ("abc", "compiler", "ngspice", "yosys")

    def choose(self, config: BuildConfig) -> Technology:
        """The library around the cells. UsageError at options of other targets."""
        usual = {field.name: field.default for field in fields(BuildConfig)}
        of_models = MODELS_ONLY if is_circuit(config.model) else ()
        for name in (*FOREIGN, *of_models):
            if getattr(config, name) != usual[name]:
                why = "a circuit that is given" if name in of_models else f"the target {self.name}"
                raise UsageError(
                    f"--{name.replace('_', '-')} is not for {why}", hint="leave it out"
                )
        if config.fan_in == 1:
            raise UsageError(
                "--fan-in 1 leaves no gate", hint="the most inputs of a gate are 2 and more, or 0"
            )
        return choose_technology(config, self.tech)


def design_of(circuit: Circuit) -> Design:
    """The circuit as a design; its registers have no first value."""
    return cut_design(without_unread_state(bitblast(circuit)))


def cut_design(aig: Aig) -> Design:
    """The graph with its flip-flops behind the inputs and outputs, in one order."""
    held = [name for name in aig.inputs if name.startswith(HELD)]
    order = [name for name in aig.inputs if not name.startswith(HELD)] + held
    ends = [name for name in aig.outputs if not name.startswith(TAKEN)]
    ends += [TAKEN + name.removeprefix(HELD) for name in held]
    new = {0: 0} | {1 + aig.inputs.index(name): k for k, name in enumerate(order, 1)}
    driver = dict(zip(aig.outputs, aig.literals, strict=True))

    def moved(literal: int) -> int:
        return 2 * new.get(literal >> 1, literal >> 1) | literal & 1

    graph = replace(
        aig,
        inputs=tuple(order),
        outputs=tuple(ends),
        literals=tuple(moved(driver[name]) for name in ends),
        left=tuple(map(moved, aig.left)),
        right=tuple(map(moved, aig.right)),
        owners=(),
        adders=tuple(
            Adder(tuple(map(moved, x.inputs)), moved(x.sum), moved(x.carry)) for x in aig.adders
        ),
    )
    return Design(graph)
