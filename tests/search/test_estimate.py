"""The estimate of areas: exact on single gates, and in the order of the mapped areas."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from flow.errors import ToolNotFound
from flow.pipeline.mapped_areas import MappedAreas
from flow.search.estimate import RATIO, AreaEstimate, agreement, cell_areas
from flow.search.space import Space
from flow.search.start import random_genomes
from flow.tech.registry import load

INV, NAND, NOR, AND, OR = 228420, 247860, 399500, 433500, 563530


@pytest.fixture(scope="module")
def estimate():
    return AreaEstimate(load("egfet"))


def _one_neuron(masks, powers, bias, tournament=False):
    """Class 1 where a neuron of one bit shows 1."""
    space = Space(len(masks), (1,), 2, hidden_bits=2, tournament=tournament)
    genome = np.zeros(space.genes, np.int64)
    hidden, scores = space.layers(genome)
    hidden.masks[0, 0], hidden.powers[0, 0], hidden.bias[0, 0] = masks, powers, bias
    hidden.bits[0, 0], hidden.alive[0, 0] = 1, 1
    scores.masks[0, 1, 0] = 1
    return space, genome


@pytest.mark.parametrize(
    ("masks", "powers", "bias", "area", "gates"),
    [
        ((1, 0), (0, 0), 0, 0, 0),  # a wire
        ((8, 0), (-1, 0), 8, INV, 0),  # x < 8, as 8 - x >= 1
        ((1, 1), (0, 0), -1, AND, 1),
        ((1, 1), (0, 0), 0, OR, 1),
        ((1, 1), (-1, -1), 1, NOR, 1),
        ((1, 1), (-1, -1), 2, NAND, 1),
        ((15, 0), (0, 0), -11, AND, 1),  # x >= 12
        ((15, 0), (0, 0), -15, 0, 0),  # never
        ((15, 0), (0, 0), 1, 0, 0),  # always
    ],
)
def test_single_gates_have_the_areas_of_their_cells(estimate, masks, powers, bias, area, gates):
    space, genome = _one_neuron(masks, powers, bias)
    assert estimate.counted(space, genome).tolist() == [[area, gates]]


def test_a_decision_that_ignores_all_that_differs_takes_no_gate(estimate):
    space, genome = _one_neuron((1, 1), (0, 0), -1, tournament=True)
    assert estimate.counted(space, genome).tolist() == [[AND, 1]]
    space.decision(genome)[1][...] = 1
    assert estimate.counted(space, genome).tolist() == [[0, 0]]


def test_cells_that_a_technology_lacks_are_made_of_others():
    assert cell_areas(load("egfet")) == tuple(1000 * a for a in (INV, NAND, NOR, AND, OR))
    cells = {k: c for k, c in load("egfet").cells.items() if k in ("NOR2X1", "INVX1")}

    class OnlyNor:
        def __init__(self):
            self.cells = cells

    made = NOR + 2 * INV  # an AND of inverted inputs
    assert cell_areas(OnlyNor()) == tuple(1000 * a for a in (INV, made + INV, NOR, made, NOR + INV))


def test_the_ratio_to_mapped_areas_follows_their_size(estimate):
    space = Space(4, (2,), 2)
    genomes = random_genomes(space, 60, np.random.default_rng(1))
    counted = estimate.counted(space, genomes)[:, 0]
    assert estimate.areas(space, genomes, np.zeros(0)).tolist() == counted.tolist()
    fitted = estimate.fit(space, genomes, counted * 3 // 2)
    assert fitted[:3].tolist() == [RATIO * 1.5] * 3
    assert estimate.areas(space, genomes, fitted).tolist() == (counted * 3 // 2).tolist()
    assert estimate.fit(space, genomes[:1], counted[:1]).tolist() == []


@pytest.mark.tool("yosys")
def test_candidates_stand_in_the_order_of_their_mapped_areas(estimate):
    space = Space(6, (3,), 3, hidden_bits=3, exponents=3, bias_bits=6, largest_shift=4)
    genomes = random_genomes(space, 40, np.random.default_rng(4))
    mapped = [cost.area for cost in MappedAreas(estimate.technology).genomes(space, genomes)]
    found = estimate.areas(space, genomes, np.zeros(0))
    assert spearmanr(found, mapped).statistic > 0.95


def test_agreement_is_the_rank_correlation():
    rng = np.random.default_rng(3)
    mapped = rng.integers(0, 40, 60)  # With equal ones among them.
    estimated = mapped + rng.integers(0, 15, 60)
    assert agreement(estimated, mapped) == round(spearmanr(estimated, mapped).statistic, 4)
    assert agreement(mapped * 3 + 1, mapped) == 1.0
    assert agreement(-mapped, mapped) == -1.0


@pytest.mark.parametrize("areas", [[], [1, 2], [5, 5, 5]])
def test_what_has_no_order_has_no_agreement(areas):
    assert agreement(np.arange(len(areas)), np.array(areas)) is None


def test_without_a_compiler_the_user_is_told_what_to_install(estimate, monkeypatch):
    monkeypatch.setattr("flow.search.estimate.compiled", lambda name: None)
    with pytest.raises(ToolNotFound) as caught:
        estimate.counted(*_one_neuron((1, 1), (0, 0), 0))
    assert caught.value.message == "the estimate of areas needs a C compiler"
    assert caught.value.hint == "install gcc or clang, or set CC to the path of a C compiler"
