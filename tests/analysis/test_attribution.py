"""Every cell has a layer, and layers add up to the whole."""

from math import fsum

import pytest
from designs import STAGED
from designs_mapped import EGFET, mapped, network

from flow.analysis.area import area_of
from flow.analysis.attribution import attribute, totals
from flow.analysis.layers import layer_of

pytestmark = pytest.mark.tool("abc")


def test_layers_that_synthesis_merges_still_add_up(tmp_path):
    """At normal effort a small graph is restructured as a whole: a layer may have no cell left."""
    circuit = network()
    _, made = mapped(circuit, tmp_path, effort="normal")
    layers = attribute(made.netlist, EGFET, made.graph, layer_of(circuit))
    assert len(layers) == len(made.netlist.instances)
    assert {"dense_1", "argmax"} <= set(layers) <= {"dense_1", "dense_2", "argmax"}
    area = area_of(made.netlist, EGFET)
    shares = totals(layers, area.by_instance)
    assert sum(shares.values()) == area.um2
    assert shares["dense_1"] > shares["argmax"]


def test_cells_of_a_network_are_shared_out_among_its_layers(tmp_path):
    circuit = network()
    _, made = mapped(circuit, tmp_path, effort="fast")
    layers = attribute(made.netlist, EGFET, made.graph, layer_of(circuit))
    assert len(layers) == len(made.netlist.instances)
    assert set(layers) == {"dense_1", "dense_2", "argmax"}
    area = area_of(made.netlist, EGFET)
    shares = totals(layers, area.by_instance)
    assert sum(shares.values()) == area.um2
    assert shares["dense_1"] > shares["argmax"]


def test_flipflops_belong_to_what_they_take(tmp_path):
    _, made = mapped(STAGED, tmp_path)
    layers = attribute(made.netlist, EGFET, made.graph, layer_of(STAGED), made.held)
    cells = [i.cell for i in made.netlist.instances]
    assert {layer for cell, layer in zip(cells, layers, strict=True) if cell == "DFFX1"} <= {
        "dense_1", "other",
    }  # fmt: skip


def test_the_same_netlist_is_attributed_the_same_way(tmp_path):
    circuit = network()
    _, made = mapped(circuit, tmp_path)
    once = attribute(made.netlist, EGFET, made.graph, layer_of(circuit))
    assert once == attribute(made.netlist, EGFET, made.graph, layer_of(circuit))


def test_totals_add_up_exactly_though_floats_round():
    amounts = [0.1] * 7 + [0.2, 0.3, 1e-17, 3e9]
    layers = ["a", "b", "c", "a", "b", "c", "a", "b", "c", "a", "b"]
    sums = totals(layers, amounts)
    assert list(sums) == ["a", "b", "c"]
    assert fsum(sums.values()) == fsum(amounts)
    assert totals([], []) == {}
