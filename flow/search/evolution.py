"""The generations of a search: accuracy by counting, area by estimate, by synthesis on the front.

A step depends on the state before it, the seed and the number of the generation alone. Whole
numbers decide throughout, so any number of workers gives the same states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray
from flow.search.costs import Cost, MappedArea
from flow.search.executors import Executor
from flow.search.fitness import Fitness
from flow.search.nsga2 import (
    Ranked,
    distinct,
    first_front,
    hypervolume,
    parents,
    select,
    spread,
)
from flow.search.space import Space
from flow.search.start import first_population
from flow.search.variation import children, mutated

PART = 250
"""Genomes that one task counts. Neurons that several genomes of it share are computed once."""
LOOKS = 3
"""How often in a generation the front is looked at for candidates that are only estimated."""
SAMPLES = 512
"""The latest mapped candidates, on which the estimate stands."""


class Estimator(Protocol):
    """Says what area a candidate may have, from others that were mapped."""

    def fit(self, space: Space, genomes: IntArray, areas: IntArray) -> NDArray[np.float64]:
        """The coefficients that describe mapped genomes (P, genes) of known areas (P,) best."""
        ...

    def areas(self, space: Space, genomes: IntArray, coefficients: NDArray[np.float64]) -> IntArray:
        """The estimated areas (P,) in um2, whole numbers; without coefficients a first guess."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What is searched: the space, samples x (N, inputs) with labels y (N,); `key` names them."""

    space: Space
    x: IntArray
    y: IntArray
    key: str

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and self.key == other.key


@dataclass(frozen=True, slots=True)
class Plan:
    """How it is searched. `bound` is the share of samples that a candidate may lose against the
    most accurate one known; `mapped` candidates at most are synthesised in one generation;
    every `refit` generations the estimate is made anew."""

    population: int
    seed: int
    bound: float
    mapped: int
    refit: int


@dataclass(frozen=True, slots=True, eq=False)
class Archive:
    """Candidates that no other dominates, all of them mapped: the true front so far."""

    genomes: IntArray
    errors: IntArray
    areas: IntArray
    leakage: IntArray

    def joined(self, other: Archive) -> Archive:
        """The front of both, by errors; of equal ones the first."""
        whole = Archive(*(
            np.concatenate([getattr(self, name), getattr(other, name)])
            for name in ("genomes", "errors", "areas", "leakage")
        ))  # fmt: skip
        kept = first_front(np.stack([whole.errors, whole.areas], axis=1))
        kept = kept[np.argsort(whole.errors[kept], kind="stable")]
        return whole.at(kept)

    def at(self, places: IntArray) -> Archive:
        """The candidates of those places."""
        return Archive(
            self.genomes[places], self.errors[places], self.areas[places], self.leakage[places]
        )


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Everything that a search knows after a generation.

    `areas` are mapped where `mapped` is true, else estimated. `sample_*` are the latest mapped
    candidates, `reference` the corner (errors, area) that hypervolumes are measured from, and
    `history` the hypervolume after each generation as a share of that corner's rectangle.
    `rounds` of local search have followed; `explored` and `seen` are keys of what they looked at.
    """

    generation: int
    genomes: IntArray
    errors: IntArray
    areas: IntArray
    mapped: NDArray[np.bool_]
    archive: Archive
    sample_genomes: IntArray
    sample_areas: IntArray
    coefficients: NDArray[np.float64]
    reference: tuple[int, int]
    history: tuple[float, ...]
    rounds: int = 0
    explored: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    seen: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))


@dataclass(frozen=True)
class Engine:
    """The problem, the plan, and who does the work."""

    problem: Problem
    plan: Plan
    area: MappedArea
    estimator: Estimator
    executor: Executor

    def start(self, seeds: Sequence[IntArray] = ()) -> State:
        """Generation 0: seeds, changed seeds and random classifiers."""
        space = self.problem.space
        rng = self._stream(0)
        genomes = first_population(space, 2 * self.plan.population, seeds, rng)
        genomes = genomes[distinct(space.canonical(genomes))]
        none = np.zeros(0, np.int64)
        empty = np.zeros((0, space.genes), np.int32)
        errors = self.errors(genomes)
        coefficients = np.zeros(0)
        areas = self.estimates(genomes, coefficients)
        state = State(
            0, genomes, errors, areas, np.zeros(len(genomes), bool),
            Archive(empty, none, none, none), empty, none, coefficients, (1, 1), (),
        )  # fmt: skip
        # The first candidates tell the estimate what a square micrometre is.
        first = np.flatnonzero(self._violation(errors, errors) == 0)
        chosen = first[
            np.linspace(0, len(first) - 1, min(len(first), 2 * self.plan.mapped)).astype(int)
        ]
        state = self._map(state, np.unique(chosen))
        state = self._refitted(state)
        majority = int(np.bincount(self.problem.y).max())
        reference = (len(self.problem.y) - majority + 1, 2 * int(state.sample_areas.max()) + 1)
        state = replace(state, reference=reference)
        return self._survivors(self._synthesised(state))

    def step(self, state: State) -> State:
        """The next generation."""
        space, plan = self.problem.space, self.plan
        rng = self._stream(state.generation + 1)
        ranked = _rank(state, self._violation(state.errors, state.errors))
        chosen = parents(ranked, 2 * plan.population, rng)
        rows = ranked.places[chosen]
        born = children(space, state.genomes[rows[::2]], state.genomes[rows[1::2]], rng)
        born = self._new(state, born, rng)
        errors = self.errors(born)
        areas = self.estimates(born, state.coefficients)
        grown = replace(
            state,
            generation=state.generation + 1,
            # Children come first: of equals the younger stays, so that neutral changes add up.
            # The archive comes last: where an estimate that was too small has driven one of it
            # out, or local search has found it, it lives again.
            genomes=np.concatenate([born, state.genomes, state.archive.genomes]),
            errors=np.concatenate([errors, state.errors, state.archive.errors]),
            areas=np.concatenate([areas, state.areas, state.archive.areas]),
            mapped=np.concatenate(
                [np.zeros(len(born), bool), state.mapped, np.ones(len(state.archive.areas), bool)]
            ),
        )
        grown = self._survivors(self._synthesised(grown))
        if grown.generation % plan.refit == 0:
            grown = self._refitted(grown)
        return grown

    def errors(self, genomes: IntArray) -> IntArray:
        """How many samples each genome (P, genes) gets wrong."""
        parts = [
            (self.problem, genomes[k : k + PART].astype(np.int32))
            for k in range(0, len(genomes), PART)
        ]
        counts = self.executor.map(count_correct, parts)
        return len(self.problem.y) - np.concatenate([np.zeros(0, np.int64), *counts])

    def estimates(self, genomes: IntArray, coefficients: NDArray[np.float64]) -> IntArray:
        """The estimated areas of genomes (P, genes) in um2."""
        parts = [
            (self.estimator, self.problem.space, genomes[k : k + PART], coefficients)
            for k in range(0, len(genomes), PART)
        ]
        areas = self.executor.map(_estimated, parts)
        return np.concatenate([np.zeros(0, np.int64), *areas])

    def _stream(self, generation: int) -> np.random.Generator:
        """Chance has a stream of its own in each generation: a search can go on anywhere."""
        return np.random.default_rng([self.plan.seed, generation])

    def _violation(self, errors: IntArray, known: IntArray) -> IntArray:
        """By how many errors each candidate misses the bound."""
        best = int(known.min(initial=len(self.problem.y)))
        allowed = best + int(self.plan.bound * len(self.problem.y))
        result: IntArray = np.maximum(0, errors - allowed)
        return result

    def _new(self, state: State, born: IntArray, rng: np.random.Generator) -> IntArray:
        """The children less those that mean what another one means; such are changed once more."""
        space = self.problem.space
        known = {row.tobytes() for row in space.canonical(state.genomes)}

        def fresh(genomes: IntArray) -> IntArray:
            meaning = space.canonical(genomes)
            first = np.zeros(len(genomes), bool)
            first[distinct(meaning)] = True
            return np.array(
                [f and row.tobytes() not in known for f, row in zip(first, meaning, strict=True)]
            )

        again = ~fresh(born)
        born = born.copy()
        born[again] = mutated(space, born[again], rng)
        result: IntArray = born[fresh(born)]
        return result

    def _synthesised(self, state: State) -> State:
        """The state with mapped areas on its front, as far as `plan.mapped` reaches."""
        left = self.plan.mapped
        for _ in range(LOOKS):
            violation = self._violation(state.errors, state.errors)
            allowed = np.flatnonzero(violation == 0)
            objectives = np.stack([state.errors, state.areas], axis=1)[allowed]
            front = allowed[first_front(objectives)]
            waiting = front[~state.mapped[front]]
            if not len(waiting) or not left:
                break
            if len(waiting) > left:
                waiting = waiting[np.linspace(0, len(waiting) - 1, left).astype(int)]
            left -= len(waiting)
            state = self._map(state, waiting)
        return state

    def _map(self, state: State, places: IntArray) -> State:
        """The state with the areas of some candidates synthesised; they join the archive."""
        costs: list[Cost] = self.area.genomes(self.problem.space, state.genomes[places])
        areas, mapped = state.areas.copy(), state.mapped.copy()
        areas[places] = [cost.area for cost in costs]
        mapped[places] = True
        leakage = np.array([cost.leakage for cost in costs], dtype=np.int64)
        found = Archive(state.genomes[places], state.errors[places], areas[places], leakage)
        return replace(
            state,
            areas=areas,
            mapped=mapped,
            archive=state.archive.joined(found),
            sample_genomes=np.concatenate([state.sample_genomes, found.genomes])[-SAMPLES:],
            sample_areas=np.concatenate([state.sample_areas, found.areas])[-SAMPLES:],
        )

    def _refitted(self, state: State) -> State:
        """The state with an estimate from all mapped candidates that are remembered."""
        space = self.problem.space
        coefficients = self.estimator.fit(space, state.sample_genomes, state.sample_areas)
        fresh = self.estimates(state.genomes, coefficients)
        areas = np.where(state.mapped, state.areas, fresh)
        return replace(state, areas=areas, coefficients=coefficients)

    def _survivors(self, state: State) -> State:
        """The best of a state: the next population, and its front in the history."""
        objectives = np.stack([state.errors, state.areas], axis=1)
        order = spread(objectives)
        violation = self._violation(state.errors, state.errors)
        lone = order[: len(distinct(objectives))]
        keep = self.plan.population
        ranked = select(objectives[lone], violation[lone], min(keep, len(lone)))
        places = lone[ranked.places]
        places = np.concatenate([places, order[len(lone) :][: keep - len(places)]])
        archive = state.archive
        volume = hypervolume(np.stack([archive.errors, archive.areas], axis=1), state.reference)
        share = volume / (state.reference[0] * state.reference[1])
        return replace(
            state,
            genomes=state.genomes[places],
            errors=state.errors[places],
            areas=state.areas[places],
            mapped=state.mapped[places],
            history=(*state.history, share),
        )


def _rank(state: State, violation: IntArray) -> Ranked:
    objectives = np.stack([state.errors, state.areas], axis=1)
    return select(objectives, violation, len(objectives))


def count_correct(problem: Problem, genomes: IntArray) -> NDArray[np.int64]:
    """How many samples of the problem each genome classifies right: the work of one task."""
    found: NDArray[np.int64] = _prepared(problem)(genomes)
    return found


def _estimated(
    estimator: Estimator, space: Space, genomes: IntArray, coefficients: NDArray[np.float64]
) -> IntArray:
    return estimator.areas(space, genomes, coefficients)


@cache
def _prepared(problem: Problem) -> Any:
    return Fitness(problem.space, problem.x, problem.y)
