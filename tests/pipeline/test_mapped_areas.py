"""Mapped areas of many candidates: each as if it were alone, each once."""

import numpy as np
import pytest

from flow.backends.aiger import write_aiger
from flow.passes.base import run_passes
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipelines import COMPRESSED
from flow.pipeline.mapped_areas import SCRIPT, MappedAreas, graph_of, map_batch
from flow.pipeline.synthesis import synthesise
from flow.search.costs import Cost
from flow.search.graphs import genome_graph
from flow.search.space import Space
from flow.search.start import random_genomes
from flow.tech.registry import load
from flow.tech.write_liberty import liberty_text

SPACE = Space(5, (3,), 3, hidden_bits=2, exponents=2, bias_bits=6)
EGFET = load("egfet")

pytestmark = pytest.mark.tool("yosys")


@pytest.fixture(scope="module")
def genomes():
    return random_genomes(SPACE, 30, np.random.default_rng(8))


@pytest.fixture(scope="module")
def costs(genomes):
    return MappedAreas(EGFET).genomes(SPACE, genomes)


def test_a_candidate_costs_the_same_in_any_batch(genomes, costs):
    assert MappedAreas(EGFET).genomes(SPACE, genomes[::-1]) == costs[::-1]
    largest = max(range(30), key=lambda k: costs[k])
    assert MappedAreas(EGFET).genomes(SPACE, genomes[[largest]]) == [costs[largest]]
    assert costs[largest].area > 5_000_000


def test_the_cost_is_that_of_a_synthesis_by_the_same_script(genomes, costs, tmp_path):
    largest = max(range(30), key=lambda k: costs[k])
    network = SPACE.network(genomes[largest])
    circuit = run_passes(LowerLayers().run(network), COMPRESSED)
    found = synthesise(circuit, EGFET, tmp_path, script=[*SCRIPT[:-2], "; ".join(SCRIPT[-2:])])
    cells = found.netlist.histogram()
    leakage = sum(EGFET.cell(name).cell_leakage * n for name, n in cells.items())
    (cost,) = MappedAreas(EGFET).networks([network])
    assert cost == Cost(round(EGFET.area(cells)), round(1000 * leakage))


def test_equal_graphs_are_mapped_once_and_kept(genomes, costs, tmp_path, monkeypatch):
    place = tmp_path / "areas.txt"
    assert MappedAreas(EGFET, cache=place).genomes(SPACE, genomes) == costs
    lines = place.read_text().splitlines()
    graphs = {write_aiger(genome_graph(SPACE, genome)) for genome in genomes}
    assert len(lines) == len(graphs) < 30
    # A killed search may have left half a line.
    place.write_text(place.read_text() + "0123")

    def none(graphs, liberty):
        raise AssertionError("it is known")

    monkeypatch.setattr("flow.pipeline.mapped_areas.map_batch", none)
    assert MappedAreas(EGFET, cache=place).genomes(SPACE, genomes) == costs


def test_a_constant_costs_nothing():
    constant = graph_of(
        SPACE.network(np.clip(np.zeros(SPACE.genes, int), SPACE.lower, SPACE.upper))
    )
    liberty = liberty_text(EGFET, combinational_only=True, helper_buffer=True)
    (cells,) = map_batch([constant], liberty)
    assert set(cells) <= {"_const0_", "_const1_"}
    assert MappedAreas(EGFET).graphs([constant, constant]) == [Cost(0, 0)] * 2
