"""Three timers agree on a small mapped netlist.

OpenSTA and ABC read the same tables in the same way: within one in a thousand. Our own analysis
holds a table at its border where they extend it, and starts inputs with the shortest slew of the
library where they start with none: within five in a hundred.
"""

import numpy as np
import pytest

from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Input, Linear
from flow.passes.base import run_passes
from flow.passes.pipeline import Pipeline
from flow.passes.pipelines import PIPELINES
from flow.pipeline.synthesis import synthesise
from flow.pipeline.timers import abc_timer, best_timer, opensta_timer, own_timer, read_stime
from flow.tech.debian import ROOT, debian, load_debian
from flow.tech.registry import load, technologies
from flow.tools import sta

pytestmark = pytest.mark.tool("yosys")


def matrix_circuit():
    weights = np.random.default_rng(1).integers(-8, 8, size=(3, 4))
    intern = Builder()
    x = tuple(intern(Input("x", i, -8, 7)) for i in range(4))
    y = tuple(intern(Linear(x, tuple(map(int, row)), 0)) for row in weights)
    circuit = Circuit("matrix", (Port("x", x),), (Port("y", y),))
    return run_passes(circuit, PIPELINES["adders"])


def technology(name):
    if name in technologies():
        return load(name)
    library = debian(name)
    if not (ROOT / library.file).is_file():
        pytest.skip(f"not checked: {library.package} is not installed")
    return load_debian(library)


def mapped(name, tmp_path, stages=0):
    circuit = matrix_circuit()
    if stages:
        circuit = Pipeline(stages=stages).run(circuit)
    cells = technology(name)
    return synthesise(circuit, cells, tmp_path, effort="fast").netlist, cells


@pytest.mark.parametrize("name", ["generic_cmos", "sky130", "osu018"])
def test_the_timers_agree_on_a_combinational_netlist(name, tmp_path):
    netlist, cells = mapped(name, tmp_path)
    ours, theirs = own_timer(netlist, cells, 100.0), abc_timer(netlist, cells, 100.0)
    assert ours.delay_ns == pytest.approx(theirs.delay_ns, rel=0.05)
    assert theirs.method.startswith("ABC ")
    assert theirs.method.endswith(", stime")
    if sta.available():
        best = opensta_timer(netlist, cells, 100.0)
        assert best.delay_ns == pytest.approx(theirs.delay_ns, rel=1e-3)
        assert best.path[-1].arrival_ns == best.delay_ns


@pytest.mark.tool("sta")
@pytest.mark.parametrize("name", ["generic_cmos", "sky130", "osu018"])
def test_opensta_adds_the_set_up_time_of_a_flip_flop(name, tmp_path):
    if not sta.available():
        pytest.skip("not checked: OpenSTA is not installed")
    netlist, cells = mapped(name, tmp_path, stages=2)
    ours, theirs = own_timer(netlist, cells, 100.0), best_timer(netlist, cells, 100.0)
    assert theirs.method == sta.version()
    paths = [hop for hop in theirs.path if hop.pin != "set-up"]
    assert paths[-1].arrival_ns == pytest.approx(ours.delay_ns, rel=0.1)
    assert theirs.delay_ns == theirs.path[-1].arrival_ns


def test_a_delay_of_abc_is_in_picoseconds_of_the_library():
    found = read_stime("Area = 1.0  Delay =  1234.5 ps  Cin = 1\n", load("generic_cmos"), "ABC")
    assert found.delay_ns == pytest.approx(1.2345)
    assert (found.path, found.method) == ((), "ABC")
