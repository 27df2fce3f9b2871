"""A sequential design as logic: its graph with the flip-flops cut, and their first values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flow.errors import IRError
from flow.ir.aig import Aig

HELD, TAKEN = "Q:", "D:"
"""Before the name of a flip-flop: the input that it holds, and the output that it takes."""


@dataclass(frozen=True, slots=True)
class Design:
    """A graph whose inputs end with `Q:x` and whose outputs end with `D:x` for each flip-flop x.

    `initial` has the first value of the flip-flops that have one. All share one clock.
    """

    graph: Aig
    initial: Mapping[str, int] = field(default_factory=dict)

    @property
    def flipflops(self) -> tuple[str, ...]:
        """Names of the flip-flops, in order."""
        return tuple(x[2:] for x in self.graph.inputs if x.startswith(HELD))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs of the design itself."""
        return self.graph.inputs[: len(self.graph.inputs) - len(self.flipflops)]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs of the design itself."""
        return self.graph.outputs[: len(self.graph.outputs) - len(self.flipflops)]

    def check(self) -> None:
        """IRError unless inputs and outputs of flip-flops come last and in one order."""
        names = self.flipflops
        held = tuple(HELD + name for name in names)
        taken = tuple(TAKEN + name for name in names)
        if self.graph.inputs[len(self.inputs) :] != held:
            raise IRError(f"{self.graph.name}: what flip-flops hold does not come last")
        if self.graph.outputs[len(self.outputs) :] != taken:
            raise IRError(f"{self.graph.name}: what flip-flops take does not come last")
