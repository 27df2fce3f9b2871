"""Local search on a front with synthesis in the loop, after the last generation.

Pareto local search (L. Paquete, M. Chiarandini, T. Stuetzle, "Pareto local optimum sets in the
biobjective traveling salesman problem", 2004): the neighbours of every point that has not been
looked at; those that promise most against the front are mapped, and the front takes what is
better. Training samples alone decide.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flow.ir.tensor import IntArray
from flow.search.evolution import Archive, Engine, State
from flow.search.front import Point
from flow.search.neighbours import neighbours
from flow.search.nsga2 import distinct

SHARE = 12
"""Candidates that are mapped for each point that is looked at."""
MOST = 768
"""Candidates that are mapped in one round at most."""
PATIENCE = 3
"""How often the neighbours of one point are looked at: each time others of them are mapped."""


def polish(engine: Engine, state: State) -> State:
    """One round of local search on the archive; the same state where nothing is left to do."""
    space, archive = engine.problem.space, state.archive
    keys = _keys(space.canonical(archive.genomes))
    looks = np.array([(state.explored == key).sum() for key in keys])
    fresh = np.flatnonzero(looks < PATIENCE)
    if not len(fresh):
        return state
    genomes, origins = _around(engine, archive, fresh)
    meaning = space.canonical(genomes)
    new = distinct(meaning)
    new = new[~np.isin(_keys(meaning[new]), state.seen)]
    genomes, origins = genomes[new], origins[new]
    errors = engine.errors(genomes)
    gain = _promise(engine, state, genomes, origins, errors)
    order = np.argsort(-gain, kind="stable")
    order = order[gain[order] > 0][: min(MOST, SHARE * len(fresh))]
    chosen = np.sort(order)
    state = replace(
        state,
        rounds=state.rounds + 1,
        explored=np.concatenate([state.explored, keys[fresh]]),
        seen=np.concatenate([state.seen, _keys(meaning[new][chosen])]),
    )
    if not len(chosen):
        return state
    costs = engine.area.genomes(space, genomes[chosen])
    areas = np.array([cost.area for cost in costs], dtype=np.int64)
    leakage = np.array([cost.leakage for cost in costs], dtype=np.int64)
    found = Archive(genomes[chosen], errors[chosen], areas, leakage)
    return replace(state, archive=archive.joined(found))


def _around(engine: Engine, archive: Archive, places: IntArray) -> tuple[IntArray, IntArray]:
    """The neighbours of points of the archive, and whose neighbour each is."""
    parts = engine.executor.map(
        neighbours, [(engine.problem.space, archive.genomes[place]) for place in places]
    )
    origins = np.repeat(places, [len(part) for part in parts])
    return np.concatenate(parts), origins


def _promise(
    engine: Engine, state: State, genomes: IntArray, origins: IntArray, errors: IntArray
) -> NDArray[np.float64]:
    """By which share each candidate would be below the front, if the estimate of its difference
    to its origin is right; not positive where it promises nothing."""
    archive = state.archive
    guess = engine.estimates(genomes, state.coefficients)
    start = engine.estimates(archive.genomes, state.coefficients)[origins]
    true = archive.areas[origins]
    # The share that a change saves is better known than the area itself.
    likely = true * np.minimum(2.0, (guess + 1.0) / (start + 1.0))
    # The area of the front at so many errors: the archive is sorted by errors.
    place = np.searchsorted(archive.errors, errors, side="right") - 1
    ceiling = np.where(place >= 0, archive.areas[np.maximum(place, 0)], 2 * archive.areas.max() + 1)
    worst = int(archive.errors.max())
    gain = (ceiling - likely) / np.maximum(1, ceiling)
    return np.where(errors <= worst, gain, -1.0)


def _keys(genomes: IntArray) -> NDArray[np.uint64]:
    """A number for each genome that no other one is likely to have."""
    rows = np.ascontiguousarray(genomes.astype("<i4"))
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def points(state: State, engine: Engine) -> list[Point]:
    """The archive as points of a front, by area; no sample of validation is counted yet."""
    archive, count = state.archive, len(engine.problem.y)
    guesses = engine.estimates(archive.genomes, state.coefficients)
    rows = zip(
        archive.genomes.tolist(), archive.errors.tolist(), archive.areas.tolist(),
        guesses.tolist(), archive.leakage.tolist(), strict=True,
    )  # fmt: skip
    found = [
        Point(tuple(genome), None, count - wrong, 0, area, guess, leakage)
        for genome, wrong, area, guess, leakage in rows
    ]
    return sorted(found, key=lambda p: (p.area, -p.train))
