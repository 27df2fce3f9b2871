"""What a pass is, and the manager that runs passes and shows each step to its observers."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from flow.analysis.vectors import sample
from flow.errors import IRError, PassError
from flow.ir.circuit import Circuit
from flow.ir.evaluate import evaluate
from flow.ir.spec import check
from flow.ir.text import print_circuit


class Pass(Protocol):
    """Rewrites a circuit: a frozen dataclass whose fields are its options.

    A pass receives a valid circuit and returns a valid circuit. `exact` passes keep every
    output for every input.
    """

    name: ClassVar[str]
    exact: ClassVar[bool]

    def run(self, circuit: Circuit) -> Circuit:
        """The rewritten circuit."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One pass that was run: the circuit before and after it, and the seconds it took.

    `index` counts from 1.
    """

    index: int
    applied: Pass
    before: Circuit
    after: Circuit
    seconds: float

    @property
    def name(self) -> str:
        """The pass with its options, as in a pipeline text."""
        return pass_text(self.applied)


Observer = Callable[[Step], None]
"""Sees every step; raises FlowError to stop."""


@dataclass(frozen=True, slots=True)
class PassManager:
    """Runs passes in order and checks the circuit before and after each.

    Raises PassError where a pass returns a malformed circuit or changes a port.
    """

    passes: Sequence[Pass]
    observers: Sequence[Observer] = ()

    def run(self, circuit: Circuit) -> Circuit:
        """The circuit after all passes."""
        with uncollected():
            return self._run(circuit)

    def _run(self, circuit: Circuit) -> Circuit:
        check(circuit)
        for index, step in enumerate(self.passes, 1):
            start = time.perf_counter()
            after = step.run(circuit)
            seconds = time.perf_counter() - start
            _check_step(pass_text(step), circuit, after)
            for observe in self.observers:
                observe(Step(index, step, circuit, after, seconds))
            circuit = after
        return circuit


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the search for cycles of references, a quarter of the time of passes: nodes have
    none, and what passes make is freed as soon as nothing names it."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _check_step(name: str, before: Circuit, after: Circuit) -> None:
    try:
        check(after, set(before.walk()))
    except IRError as error:
        raise PassError(f"{name} made a malformed circuit: {error.message}") from error
    if after.inputs != before.inputs:
        raise PassError(f"{name} changed the input ports")
    if _shape(after) != _shape(before):
        raise PassError(f"{name} changed the output ports")


def _shape(circuit: Circuit) -> list[tuple[str, int]]:
    return [(port.name, len(port.lanes)) for port in circuit.outputs]


def option_names(kind: type[Pass]) -> tuple[str, ...]:
    """Names of the options of a pass as a user writes them: `max-depth` for `max_depth`."""
    return tuple(f.name.replace("_", "-") for f in fields(kind))  # type: ignore[arg-type]


def pass_text(item: Pass) -> str:
    """A pass as text, with the options that differ from their defaults: `pipeline{every=2}`."""
    plain = type(item)()
    changed = [
        (option, getattr(item, option.replace("-", "_")))
        for option in option_names(type(item))
        if getattr(item, option.replace("-", "_")) != getattr(plain, option.replace("-", "_"))
    ]
    if not changed:
        return item.name
    return f"{item.name}{{{','.join(f'{option}={_value(v)}' for option, v in changed)}}}"


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def show_steps(write: Callable[[str], None]) -> Observer:
    """An observer that writes a line for each pass: nodes before and after, and seconds."""

    def observe(step: Step) -> None:
        before, after = (sum(1 for _ in c.walk()) for c in (step.before, step.after))
        write(f"{step.index:02d} {step.name}: {before} -> {after} nodes, {step.seconds:.3f} s")

    return observe


def show_circuits(write: Callable[[str], None]) -> Observer:
    """An observer that writes the text form after each pass."""
    return lambda step: write(f"# after {step.index:02d} {step.name}\n{print_circuit(step.after)}")


def dump_circuits(folder: Path) -> Observer:
    """An observer that leaves `NN-name.flow` in a folder after each pass."""

    def observe(step: Step) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{step.index:02d}-{step.applied.name}.flow"
        path.write_text(print_circuit(step.after), encoding="utf-8")

    return observe


def check_exact(samples: int = 64, seed: int = 0) -> Observer:
    """An observer that raises PassError where an exact pass changes an output.

    It compares `evaluate` on corner vectors and on `samples` seeded random vectors.
    """

    # The circuit seen last with its answers: it is the one before the next pass, and passes
    # keep the inputs.
    last: list[tuple[Circuit, dict[str, NDArray[Any]], dict[str, NDArray[Any]]]] = []

    def observe(step: Step) -> None:
        if not step.applied.exact:
            return
        known = last.pop() if last else None
        if known and known[0] is step.before:
            _, vectors, expected = known
        else:
            vectors = sample(step.before, samples, seed)
            expected = evaluate(step.before, vectors)
        got = evaluate(step.after, vectors)
        last.append((step.after, vectors, got))
        for port in step.before.outputs:
            wrong = np.argwhere(expected[port.name] != got[port.name])
            if len(wrong):
                row, lane = (int(i) for i in wrong[0])
                raise PassError(
                    f"{step.name} changed {port.name}[{lane}] from "
                    f"{int(expected[port.name][row, lane])} to {int(got[port.name][row, lane])}",
                    where=_vector(vectors, row),
                )

    return observe


def _vector(vectors: dict[str, NDArray[Any]], row: int) -> str:
    return ", ".join(f"{name} = {[int(v) for v in array[row]]}" for name, array in vectors.items())


def run_passes(circuit: Circuit, passes: Iterable[Pass], *observers: Observer) -> Circuit:
    """The circuit after some passes: the manager in one call."""
    return PassManager(tuple(passes), observers).run(circuit)
