"""A small search with a counted area: the same whoever works, and it goes on where it stopped."""

import json

import numpy as np
import pytest

from flow.errors import UsageError
from flow.search.checkpoint import STATE, load_state, npz_bytes, save_state
from flow.search.costs import Cost
from flow.search.evolution import Archive, Engine, Plan, Problem
from flow.search.executors import Serial
from flow.search.neighbours import neighbours
from flow.search.refine import points, polish
from flow.search.space import Space
from flow.search.start import first_population, random_genomes
from flow.search.variation import children

SPACE = Space(4, (4, 3), 3, hidden_bits=2, exponents=2, bias_bits=7, largest_shift=3)
TOURNAMENT = Space(3, (2,), 4, hidden_bits=2, exponents=1, bias_bits=6, tournament=True)
IDENTITY = {"specification": "a", "seed": 1}


def _bits(space, genomes):
    masks = [g.masks for g in space.layers(space.canonical(genomes))]
    return sum(np.bitwise_count(m.astype(np.uint32)).sum(axis=(1, 2)).astype(int) for m in masks)


class CountedArea:
    """Both the mapped area and its estimate; the estimate is blind to small ones."""

    def genomes(self, space, genomes):
        return [Cost(int(bits) * 100, int(bits)) for bits in _bits(space, genomes)]

    def networks(self, networks):
        raise NotImplementedError

    def fit(self, space, genomes, areas):
        return np.array([float(len(areas))])

    def areas(self, space, genomes, coefficients):
        return (_bits(space, genomes) // 3 * 300).astype(np.int64)


class Backwards(Serial):
    """Does the last task first, as a cluster may."""

    width = 3

    def map(self, task, items):
        return [task(*item) for item in items[::-1]][::-1]


def _engine(executor=None, population=24):
    rng = np.random.default_rng(5)
    x = rng.integers(0, 16, size=(120, 4)).astype(np.uint8)
    y = (x[:, 0] > 7).astype(np.int64) + (x[:, 1] + x[:, 2] > 20)
    area = CountedArea()
    plan = Plan(population, seed=3, bound=0.3, mapped=6, refit=2)
    return Engine(Problem(SPACE, x, y, "here"), plan, area, area, executor or Serial())


def _run(engine, state, generations):
    for _ in range(generations):
        state = engine.step(state)
    return state


def _bytes(state):
    archive = state.archive
    return npz_bytes({
        "genomes": state.genomes, "areas": state.areas, "front": archive.genomes,
        "history": np.array(state.history), "explored": state.explored,
    })  # fmt: skip


def test_a_search_is_the_same_whoever_works():
    first, second = (_run(e, e.start(), 5) for e in (_engine(), _engine(Backwards())))
    assert _bytes(first) == _bytes(second)
    assert _bytes(polish(_engine(), first)) == _bytes(polish(_engine(Backwards()), second))


def test_the_front_only_gets_better_and_holds_what_was_mapped():
    engine = _engine()
    state = _run(engine, engine.start(), 8)
    assert list(state.history) == sorted(state.history)
    assert state.history[-1] > state.history[0]
    archive = state.archive
    assert (np.diff(archive.errors) > 0).all()
    assert (np.diff(archive.areas) < 0).all()
    assert archive.areas.tolist() == (100 * _bits(SPACE, archive.genomes)).tolist()
    assert archive.errors.tolist() == engine.errors(archive.genomes).tolist()
    assert len(state.genomes) == 24
    assert state.areas[state.mapped].tolist() == (
        (100 * _bits(SPACE, state.genomes[state.mapped])).tolist()
    )


def test_local_search_ends_where_no_neighbour_is_better():
    engine = _engine()
    state = _run(engine, engine.start(), 3)
    before, rounds = state, 0
    while (after := polish(engine, state)) is not state:
        state, rounds = after, rounds + 1
    assert state.rounds == rounds > 1
    joined = before.archive.joined(state.archive)
    assert joined.areas.tolist() == state.archive.areas.tolist()
    assert state.archive.areas.max() < before.archive.areas.max()
    found = points(state, engine)
    assert [p.area for p in found] == sorted(p.area for p in found)
    assert [120 - p.train for p in found] == state.archive.errors[::-1].tolist()


def test_the_archive_keeps_the_first_of_equal_candidates():
    def of(genome, errors, area):
        return Archive(
            np.array([[genome]]), np.array([errors]), np.array([area]), np.array([genome])
        )

    whole = of(1, 5, 10).joined(of(2, 5, 10)).joined(of(3, 4, 11)).joined(of(4, 6, 12))
    assert whole.genomes.tolist() == [[3], [1]]


def test_a_search_goes_on_from_its_folder_as_if_it_had_not_stopped(tmp_path):
    engine = _engine()
    whole = _run(engine, engine.start(), 6)
    part = _run(engine, engine.start(), 2)
    save_state(tmp_path, part, IDENTITY)
    # A killed search may have begun to write the next state.
    (tmp_path / "state-000003-0000.npz").write_bytes(b"PK")
    (tmp_path / ".state.json.new").write_text("{")
    held = load_state(tmp_path, IDENTITY)
    assert _bytes(held) == _bytes(part)
    assert _bytes(_run(engine, held, 4)) == _bytes(whole)
    save_state(tmp_path, whole, IDENTITY)
    assert sorted(path.name for path in tmp_path.glob("state*")) == [
        "state-000006-0000.npz", "state.json",
    ]  # fmt: skip


def test_a_folder_of_another_search_is_refused(tmp_path):
    assert load_state(tmp_path, IDENTITY) is None
    engine = _engine()
    save_state(tmp_path, engine.start(), IDENTITY)
    with pytest.raises(UsageError) as caught:
        load_state(tmp_path, {"specification": "b", "seed": 2})
    assert caught.value.show() == (
        "error: the output folder holds another search\n"
        f"  at {tmp_path}\n"
        "  hint: name another folder with -o, or give the same specification, data and seed: "
        "specification, seed differ"
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f | {"format": "flow-search-state 0"}, "another format"),
        (lambda f: f | {"sha256": "0"}, "the hash of its arrays is another one"),
        (lambda f: f | {"reference": [1]}, "list index out of range"),
        (lambda f: {"format": f["format"]}, "'arrays'"),
    ],
)
def test_a_damaged_state_is_told(tmp_path, damage, message):
    engine = _engine()
    save_state(tmp_path, engine.start(), IDENTITY)
    place = tmp_path / STATE
    place.write_text(json.dumps(damage(json.loads(place.read_text()))))
    with pytest.raises(UsageError) as caught:
        load_state(tmp_path, IDENTITY)
    assert caught.value.show() == (
        f"error: the state of the search cannot be read: {message}\n"
        f"  at {place}\n"
        "  hint: remove the folder, or name another one with -o"
    )


@pytest.mark.parametrize("space", [SPACE, TOURNAMENT])
def test_children_and_neighbours_lie_within_the_bounds(space):
    rng = np.random.default_rng(2)
    mothers = random_genomes(space, 200, rng)
    born = children(space, mothers, mothers[::-1], rng)
    near = np.concatenate([neighbours(space, genome) for genome in born[:20]])
    for genomes in (mothers, born, near):
        assert (genomes >= space.lower).all()
        assert (genomes <= space.upper).all()
        assert genomes.dtype == np.int32
    changed = (born != mothers).any(axis=0)
    assert changed.all()
    again = np.random.default_rng(2)
    assert (random_genomes(space, 200, again) == mothers).all()


def test_a_neighbour_is_one_or_two_genes_away():
    genome = random_genomes(TOURNAMENT, 1, np.random.default_rng(0))[0]
    base = TOURNAMENT.canonical(genome)[0]
    away = (neighbours(TOURNAMENT, genome) != base).sum(axis=1)
    assert set(away.tolist()) <= {0, 1, 2}
    assert {1, 2} <= set(away.tolist())


def test_the_first_population_stands_on_its_seeds():
    rng = np.random.default_rng(1)
    seeds = random_genomes(SPACE, 3, rng)
    found = first_population(SPACE, 40, [*seeds, seeds[0]], rng)
    assert found.shape == (40, SPACE.genes)
    assert (found[:3] == seeds).all()
