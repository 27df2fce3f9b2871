"""A circuit cut into levels that take turns: buffers between them, plain logic around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np

from flow.ir.circuit import Circuit
from flow.ir.evaluate import evaluate
from flow.ir.nodes import Const


class AnyLevel(Protocol):
    """What every kind of level has.

    `between` has the ports a (results of the level) and, if there are any, b (lanes `carried` of
    the buffer); its y are the lanes of the next buffer. `layers` are those whose sums it computes.
    """

    @property
    def between(self) -> Circuit:
        """The logic behind the level."""

    @property
    def carried(self) -> tuple[int, ...]:
        """Lanes of the buffer that go by the level."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names."""


L = TypeVar("L", bound=AnyLevel)


@dataclass(frozen=True)
class Levelled(Generic[L]):
    """A circuit that takes a sample every `interval` clocks.

    `entry` gives the first buffer from the inputs; `outputs` say for each lane of each output
    port which lane of the last buffer it is, or what constant.
    """

    part_names: ClassVar[tuple[str, ...]]
    """The fields of a level that are circuits."""

    circuit: Circuit
    interval: int
    entry: Circuit
    levels: tuple[L, ...]
    outputs: tuple[tuple[int | Const, ...], ...]

    @property
    def latency(self) -> int:
        """Clock edges from the one that takes a sample to the one that gives its result."""
        return self.interval * len(self.levels) + 1

    @property
    def parts(self) -> dict[str, Circuit]:
        """The combinational parts by name."""
        found = {"entry": self.entry}
        for i, level in enumerate(self.levels):
            found |= {f"{name}{i}": getattr(level, name) for name in self.part_names}
        return found

    def improved(self, better: Callable[[str, Circuit], Circuit]) -> Self:
        """The same with another circuit for each part."""
        made = {name: better(name, part) for name, part in self.parts.items()}
        levels: list[Any] = [
            replace(level, **{name: made[f"{name}{i}"] for name in self.part_names})  # type: ignore[type-var]
            for i, level in enumerate(self.levels)
        ]
        return replace(self, entry=made["entry"], levels=tuple(levels))

    def answers(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs for input vectors (samples, lanes) by port, level by level."""
        buffer = evaluate(self.entry, inputs)["y"]
        for level in self.levels:
            given = {"a": self.results(level, buffer)}
            if level.carried:
                given["b"] = buffer[:, list(level.carried)]
            buffer = evaluate(level.between, given)["y"]
        columns = np.concatenate([buffer, np.zeros((len(buffer), 1), buffer.dtype)], 1)
        found = {}
        for port, lanes in zip(self.circuit.outputs, self.outputs, strict=True):
            values = columns[:, [x if isinstance(x, int) else -1 for x in lanes]]
            fixed = [0 if isinstance(x, int) else x.value for x in lanes]
            found[port.name] = values + np.array(fixed, dtype=values.dtype)
        return found

    def results(self, level: L, buffer: Any) -> Any:
        """What a level gives for a buffer (samples, lanes): (samples, results)."""
        raise NotImplementedError
