"""Points of a search after trimming: fewer gates, chosen by training and validation alone."""

from dataclasses import replace

import numpy as np
import pytest

from flow.pipeline.growing import Neurons
from flow.pipeline.mapped_areas import MappedAreas
from flow.pipeline.trimming import best_points, with_trimmed
from flow.search.conclude import count_right
from flow.search.executors import Processes, Serial
from flow.search.fitness import evaluate
from flow.search.front import Point, classifier
from flow.search.sensors import SensorAreas
from flow.search.space import Space
from flow.search.start import random_genomes
from flow.tech.registry import load
from flow.train.dataset import prepare
from flow.train.ensembles import Recipe
from flow.train.smearing import Smearing
from flow.train.table import Table

SPACE = Space(3, (3,), 4, hidden_bits=2, exponents=2, bias_bits=6)
SAMPLES = {"train": 90, "valid": 30}


@pytest.fixture(scope="module")
def data():
    x = np.random.default_rng(1).integers(0, 16, size=(120, 3)).astype(float)
    y = (x.sum(axis=1) // 12).astype(np.int64)
    return prepare(Table("t", ("a", "b", "c"), x, y, ("0", "1", "2", "3"), "0"))


@pytest.fixture(scope="module")
def points(data):
    genomes = random_genomes(SPACE, 40, np.random.default_rng(3))
    rights = evaluate(SPACE, genomes, data.x_train, data.y_train)
    valid = evaluate(SPACE, genomes, data.x_valid, data.y_valid)
    best = np.argsort(-rights, kind="stable")[:2]
    costs = MappedAreas(load("egfet")).genomes(SPACE, genomes[best])
    return [
        Point(tuple(genomes[k].tolist()), None, int(rights[k]), int(valid[k]), c.area, 0, c.leakage)
        for k, c in zip(best, costs, strict=True)
    ]


@pytest.mark.tool("yosys")
def test_trimmed_points_count_what_their_gates_answer(data, points):
    areas, recipes = (
        MappedAreas(load("egfet")),
        (Recipe("trees", 1, 5), Recipe("boosted", 1, 3), Neurons(2, 3)),
    )
    found = with_trimmed(SPACE, data, points, areas, Serial(), 0.1, 0, recipes)
    samples = {"train": len(data.y_train), "valid": len(data.y_valid)}
    assert found == best_points(found, samples)
    smaller = [p for p in found if p.gates is not None]
    assert {p.origin for p in smaller} & {recipe.name for recipe in recipes}
    for p in smaller:
        assert count_right(SPACE, p, data.x_train, data.y_train) == p.train
    # Converters are counted for the bits that gates read.
    (dearer,) = SensorAreas(areas).networks([classifier(SPACE, smaller[-1])])
    assert dearer.area > smaller[-1].area > 0
    work = Processes(2)
    try:
        assert with_trimmed(SPACE, data, points, areas, work, 0.1, 0, recipes) == found
    finally:
        work.close()


@pytest.mark.tool("yosys")
def test_cross_validated_ensembles_stand_beside_points_of_one_validation(data, points):
    areas, recipes = MappedAreas(load("egfet")), (Recipe("trees", 1, 5),)
    found = with_trimmed(SPACE, data, points[:1], areas, Serial(), 0.1, 0, recipes, folds=2)
    tried = [p for p in found if p.tried]
    fit = len(data.y_fit)
    assert {p.origin for p in tried} == {recipes[0].name}
    assert {p.tried for p in tried} == {4 * fit}
    assert all(0 < p.valid <= p.tried for p in tried)
    # A point of one validation part is there too, however good the others are.
    assert [p for p in found if not p.tried]
    again = with_trimmed(SPACE, data, points[:1], areas, Serial(), 0.1, 0, recipes, folds=2)
    assert again == found


@pytest.mark.tool("yosys")
def test_ensembles_of_made_samples_count_the_real_ones_alone(data, points):
    areas, recipes = MappedAreas(load("egfet")), (Recipe("trees", 3, 5),)
    made = Smearing(300, "linear")
    found = with_trimmed(SPACE, data, [], areas, Serial(), 0.1, 0, recipes, 2, made)
    assert found
    assert {p.tried for p in found} == {4 * len(data.y_fit)}
    for p in found:
        assert count_right(SPACE, p, data.x_train, data.y_train) == p.train
    assert found != with_trimmed(SPACE, data, [], areas, Serial(), 0.1, 0, recipes, 2)


def test_the_lower_of_both_accuracies_counts():
    point = Point((), None, 60, 20, 100, 0, 0)
    points = [
        point,
        replace(point, train=90, valid=15, area=200),
        replace(point, train=70, valid=24, area=300),
        replace(point, train=70, valid=30, area=300),
        replace(point, train=70, valid=29, area=400),
    ]
    assert best_points(points, SAMPLES) == [points[0], points[3]]
    # 216 of 300 in cross-validation are less than 30 of 30, but are of another kind.
    tried = replace(point, train=70, valid=216, tried=300, area=350)
    assert best_points([*points, tried], SAMPLES) == [points[0], points[3], tried]
    assert best_points(points, {"train": 90, "valid": 0}) == [points[0], points[1]]
