"""Every rung of the ladder agrees on every case, and a wrong rung is found and named."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
from frontend.source_models import random_exact_model
from hypothesis import HealthCheck, Phase, given, seed, settings
from ladder import Broken, Case, Ladder
from networks import array, networks

from flow.frontend.files.coding import encode
from flow.frontend.float_model import evaluate_source
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.ir import layers as ly
from flow.ir.builder import rebuild
from flow.ir.circuit import Circuit
from flow.ir.network import Network
from flow.ir.nodes import Add, Compare, Const
from flow.ir.rounding import ROUNDINGS
from flow.ir.tensor import fractions, tensor_type
from flow.verify.simulate import simulate_icarus, simulate_netlist, simulate_verilator

ONE = fractions(1, ())


def source(name, shape, lo, hi):
    return ly.Input(name, (), name, tensor_type(shape, lo, hi, Fraction(1)), fractions(0, shape))


def dense(name, below, weights, bias):
    return ly.Dense(name, (below,), name, np.array(weights), np.array(bias), ONE)


def one_neuron():
    layers = (
        source("x", (1,), -8, 7),
        dense("first", "x", [[-3]], [5]),
        ly.Relu("act", ("first",), ""),
        dense("second", "act", [[7]], [-9]),
    )
    return Network("one", layers, ("second",))


def degenerate():
    """Zero rows and columns, equal neurons, and scores that tie for every input."""
    layers = (
        source("x", (4,), 0, 15),
        dense("d", "x", [[0, 3, 3, 0], [0, -2, -2, 1], [0, 0, 0, 0], [0, 5, 5, -7]], [0, 1, 1, -4]),
        ly.Relu("r", ("d",), ""),
        dense("s", "r", [[9, 9, 0], [1, 1, 1], [1, 1, 1], [-2, -2, 3]], [2, 2, 2]),
        ly.ArgMax("y", ("s",), ""),
    )
    return Network("degenerate", layers, ("d", "y"))


def roundings(overflow):
    """Each rounding of sevenths, halves and negative multiples into a narrow interval."""
    made = [source("x", (3,), -40, 41)]
    multiplier = array([Fraction(1, 2), Fraction(-3, 7), Fraction(5, 4)], (3,))
    offset = array([Fraction(0), Fraction(1, 2), Fraction(-3, 8)], (3,))
    lo, hi = array([-8, -5, 0], (3,)), array([7, 6, 15], (3,))
    made += [
        ly.Requantize(r, ("x",), "", multiplier, offset, r, overflow, lo, hi, ONE)
        for r in ROUNDINGS
    ]
    return Network(overflow, tuple(made), ROUNDINGS)


def several_ports():
    layers = (
        source("a", (2, 2), -3, 4),
        source("b", (2, 2), 0, 9),
        ly.Add("sum", ("a", "b", "a"), ""),
        ly.Concat("joined", ("sum", "b"), "", 0),
        ly.Reshape("row", ("joined",), "", (8,)),
        ly.Lookup(
            "table",
            ("row",),
            "",
            (-6,),
            (tuple((7 * k) % 19 - 9 for k in range(24)),),
            np.array(0),
            ONE,
        ),
        ly.Affine("affine", ("table",), "", np.array(-3), np.array([*range(8)]), ONE),
        ly.AtLeast("far", ("affine",), "", np.array([0, 1, -1, 5, -20, 20, 99, -99])),
        ly.ArgMax("best", ("affine",), ""),
    )
    return Network("ports", layers, ("sum", "far", "best", "affine"))


def windowed():
    """Convolutions with groups, dilation and uneven padding; pooling, products and tables."""
    rng = np.random.default_rng(5)
    weights, deep = rng.integers(-7, 8, (2, 3, 2, 4)), rng.integers(-3, 4, (2, 2, 1, 4))
    square, two, none = ((1, 0), (0, 1)), (1, 1), ((0, 0), (0, 0))
    layers = (
        source("x", (3, 4, 2), -4, 3),
        ly.Conv("conv", ("x",), "", weights, np.array([1, -2, 0, 5]), (1, 2), square, two, 1, ONE),
        ly.Requantize("act", ("conv",), "", fractions(Fraction(1, 8), ()), fractions(0, ()),
                      "half_up", "saturate", np.array(-3), np.array(4), ONE),
        ly.Conv("deep", ("act",), "", deep, np.zeros(4, int), two, none, (2, 1), 4, ONE),
        ly.Pool("top", ("act",), "", "max", (2, 2), (1, 1), square),
        ly.Pool("total", ("act",), "", "sum", (3, 2), (2, 1), none),
        ly.Multiply("square", ("act", "top"), "", ONE),
        ly.Gather("some", ("act",), "", np.array([[3, -1, 0], [7, 7, 1]]), 2),
        ly.TableSum("tables", ("some",), "", (-3, -3, -4),
                    (((1, 2, 3, 4, 5, 4, 3, 2), None), (tuple(range(8)), (7, 1, 0, 3, 0, 0, 1, 2)),
                     ((0, 5, 1, 1, 2, 0, 9, 9, 9), (3, 1, 4, 1, 5, 9, 2, 6, 5))),
                    np.array([0, -4]), ONE),
    )  # fmt: skip
    return Network("windows", layers, ("deep", "top", "total", "square", "tables"))


def printed():
    """Masks, truncated products, activations of one bit and more, and comparators on some bits."""
    rng = np.random.default_rng(11)
    shape = (5, 4)
    weights = np.where(rng.random(shape) < 0.7, 1, -1) << rng.integers(0, 5, shape)
    masks, keep = rng.integers(0, 16, shape), np.full(shape, -1)
    weights[0], keep[0] = [5, -11, 13, -3], [0b111000, -1, 0b10110, 0]
    shift = np.array([Fraction(1, 8), Fraction(1, 2), Fraction(1, 16), Fraction(1, 64)])
    head = rng.integers(-9, 10, (4, 4))
    layers = (
        source("x", (5,), 0, 15),
        ly.MaskedDense("sums", ("x",), "", weights, masks, keep, np.array([-9, 3, 0, 64]), ONE),
        ly.Requantize("act", ("sums",), "", shift, fractions(0, ()), "floor", "saturate",
                      np.array(0), np.array([15, 7, 1, 1]), ONE),
        ly.MaskedDense("scores", ("act",), "", head, np.full((4, 4), 13), np.full((4, 4), -1),
                       np.array([0, -5, 7, 1]), ONE),
        ly.Tournament("y", ("scores",), "", ((3, 0, -4), (1, 2, 0b1010), (4, 5, -23))),
        ly.Tournament("exact", ("scores",), "", ((0, 1, -1), (2, 3, -1), (4, 5, -1))),
        # The bits of act are variables 1 to 4, 5 to 7, 8 and 9; the gates are 10 and 11.
        ly.Gates("logic", ("act",), "", (4, 3, 1, 1), ((4, 17), (21, 12)),
                 ((22, 3, 0), (19,), (1, 20)), ONE),
    )  # fmt: skip
    return Network("printed", layers, ("sums", "y", "exact", "logic"))


SPECIAL: Mapping[str, Network] = {
    "one": one_neuron(),
    "degenerate": degenerate(),
    "saturate": roundings("saturate"),
    "wrap": roundings("wrap"),
    "ports": several_ports(),
    "windows": windowed(),
    "printed": printed(),
}


@functools.cache
def drawn(block: int, count: int) -> tuple[Network, ...]:
    """Random networks of the strategy, the same for the same block."""
    found: list[Network] = []

    @seed(block)
    @settings(max_examples=count, phases=[Phase.generate], database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(networks(max_layers=6))
    def collect(network):
        found.append(network)

    collect()
    return tuple(found)


def random_cases(block: int, count: int = 30, samples: int = 60) -> tuple[Case, ...]:
    return tuple(
        Case.of(f"n{k}", network, samples, seed=k) for k, network in enumerate(drawn(block, count))
    )


def special_cases(samples: int = 60) -> tuple[Case, ...]:
    return tuple(Case.of(name, network, samples) for name, network in SPECIAL.items())


def model_case(name: str, number: int, samples: int = 60) -> Case:
    """A quantised source model against its own float64 meaning, which is exact."""
    rng = np.random.default_rng(number)
    model = random_exact_model(rng)
    x = rng.integers(-300, 300, (samples, *model.layers[0].shape)) / 64
    network = to_network(model, QuantiseOptions(exact_input=True), {"x": x}).network
    output = network.outputs[0]
    scale = network.types[output].scale
    real = evaluate_source(model, {"x": x})[model.outputs[0]]
    expected = np.frompyfunc(lambda v, s: Fraction(v) / s, 2, 1)(real, scale)
    return Case(name, network, {"x": encode(network.inputs[0], x)}, {output: expected})


PIPELINED = "adders,pipeline{stages=3}"

RUNGS = [
    "evaluate_network", "folded network", "lowered circuit",
    "pass 01 simplify", "pass 02 share", "pass 03 round-first", "pass 04 narrow",
    "pass 05 solve-linear", "pass 06 simplify", "pass 07 narrow", "pass 08 simplify",
    "pass 09 share",
    "text form", "compiled evaluator", "and-inverter graph", "Icarus Verilog", "Verilator",
    "netlist of egfet", "netlist text of egfet", "netlist of egfet in Icarus Verilog",
    "netlist of cnt_tft", "netlist text of cnt_tft", "netlist of cnt_tft in Icarus Verilog",
]  # fmt: skip


@pytest.mark.tool("verilator")
@pytest.mark.tool("icarus")
def test_networks_are_the_same_on_every_rung(tmp_path):
    cases = (*special_cases(), *random_cases(0, 15))
    assert list(Ladder(cases).climb(tmp_path)) == RUNGS


@pytest.mark.tool("icarus")
@pytest.mark.parametrize("handshake", [False, True])
def test_pipelined_networks_are_the_same_on_every_rung(tmp_path, handshake):
    cases = (*special_cases(40)[:2], *random_cases(2, 6, 40))
    rungs = Ladder(cases, PIPELINED, handshake=handshake, verilator=False).climb(tmp_path)
    assert "pass 10 pipeline{stages=3}" in rungs
    assert len(rungs) == len(RUNGS)


@pytest.mark.tool("icarus")
@pytest.mark.parametrize("passes", ["plain", "bespoke", "compressed"])
def test_every_named_pipeline_climbs_the_ladder(tmp_path, passes):
    Ladder(special_cases(40), passes, technologies=("egfet",), verilator=False).climb(tmp_path)


@pytest.mark.tool("icarus")
def test_quantised_source_models_are_the_same_on_every_rung(tmp_path):
    cases = tuple(model_case(f"m{k}", k) for k in range(12))
    Ladder(cases, technologies=("egfet",), verilator=False).climb(tmp_path)


@pytest.mark.campaign
@pytest.mark.tool("verilator")
@pytest.mark.tool("icarus")
@pytest.mark.parametrize("block", range(10, 20))
def test_many_networks_are_the_same_on_every_rung(tmp_path, block):
    passes = ("adders", PIPELINED, "plain", "compressed", "bespoke,pipeline{every=3}")[block % 5]
    cases = (*special_cases(80), *random_cases(block, 25, 80))
    Ladder(cases, passes, handshake=block % 2 == 1, effort="normal").climb(tmp_path)


def wrong_fold(network: Network) -> Network:
    layers = tuple(replace(x, bias=x.bias + 1) if x.name == "second" else x for x in network.layers)
    return Network(network.name, layers, network.outputs)


def wrong_circuit(circuit: Circuit) -> Circuit:
    """The result is one too large wherever an input is at its largest value."""

    def change(node, intern):
        return node

    moved = rebuild(circuit, change)
    lane = moved.inputs[0].lanes[0]
    full = Compare(lane, Const(lane.range.hi), "eq")
    port = moved.outputs[0]
    wrong = rebuild(
        replace(moved, outputs=(replace(port, lanes=(Add(port.lanes[0], full),)),)), change
    )
    return wrong


@dataclass(frozen=True)
class Mutant(Ladder):
    """A ladder with one wrong rung."""

    wrong: str = ""

    def fold(self, network):
        right = super().fold(network)
        return wrong_fold(right) if self.wrong == "folded network" else right

    def lower(self, network):
        right = super().lower(network)
        return wrong_circuit(right) if self.wrong == "lowered circuit" else right

    def apply(self, step, circuit):
        right = super().apply(step, circuit)
        return wrong_circuit(right) if self.wrong == f"pass 04 {step.name}" else right

    def text(self, circuit):
        right = super().text(circuit)
        return wrong_circuit(right) if self.wrong == "text form" else right

    def compiled(self, circuit, inputs):
        wrong = self.wrong == "compiled evaluator"
        return super().compiled(wrong_circuit(circuit) if wrong else circuit, inputs)

    def blast(self, circuit, emission):
        right = super().blast(circuit, emission)
        if self.wrong != "and-inverter graph":
            return right
        first, *others = right.literals
        return replace(right, literals=(first ^ 1, *others))

    def icarus(self, folder):
        return simulate_icarus(self._tampered(folder, "rtl", "Icarus Verilog"))

    def second(self, folder):
        return simulate_verilator(self._tampered(folder, "rtl", "Verilator"))

    def map(self, circuit, technology, folder, emission):
        wrong = self.wrong == f"netlist of {technology}"
        right = super().map(wrong_circuit(circuit) if wrong else circuit, technology, folder,
                            emission)  # fmt: skip
        return right

    def netlist_text(self, netlist, technology):
        right = super().netlist_text(netlist, technology)
        wrong = self.wrong == f"netlist text of {technology}"
        return right.replace(" NAND2X1 ", " NOR2X1 ", 1) if wrong else right

    def netlist_icarus(self, folder):
        name = next(w for w in ("egfet", "cnt_tft") if (folder / w).is_dir())
        name = "cnt_tft" if (folder / "cnt_tft").is_dir() else name
        wrong = f"netlist of {name} in Icarus Verilog"
        return simulate_netlist(self._tampered(folder, "netlist", wrong))

    def _tampered(self, folder, part, wrong):
        if self.wrong == wrong:
            path = folder / part / "ladder.v"
            path.write_text(_inverted(path.read_text()))
        return folder


def _inverted(text: str) -> str:
    """Verilog with the assignment of the first output inverted."""
    lines = text.splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.strip().startswith("assign one_y"))
    name, value = lines[at].split("= ", 1)
    lines[at] = f"{name}= ~{value}"
    return "".join(lines)


@pytest.mark.tool("icarus")
@pytest.mark.parametrize(
    ("rung", "message"),
    [
        ("folded network", "y[0] is 27, not 26, at x = [0]"),
        ("lowered circuit", "y[0] is -8, not -9, at x = [7]"),
        ("pass 04 narrow", "y[0] is -8, not -9, at x = [7]"),
        ("text form", "y[0] is -8, not -9, at x = [7]"),
        ("compiled evaluator", "y[0] is -8, not -9, at x = [7]"),
        ("and-inverter graph", "y[0] is 27, not 26, at x = [0]"),
        ("Icarus Verilog", "y[0] is -27, not 26, at x = [0]"),
        ("netlist of egfet", "y[0] is -8, not -9, at x = [7]"),
        ("netlist text of egfet", "y[0] is 24, not -9, at x = [2]"),
        ("netlist of egfet in Icarus Verilog", "y[0] is 27, not 26, at x = [0]"),
        ("netlist of cnt_tft", "y[0] is -8, not -9, at x = [7]"),
    ],
)
def test_a_wrong_rung_is_named_with_the_smallest_input(tmp_path, rung, message):
    case = Case.of("one", one_neuron(), 16)
    with pytest.raises(Broken) as caught:
        Mutant((case,), verilator=False, wrong=rung).climb(tmp_path)
    named = "pass 04 narrow" if rung.startswith("pass") else rung
    assert str(caught.value) == f"{named} differs in case one: {message}"


@pytest.mark.slow
@pytest.mark.tool("verilator")
def test_a_wrong_second_simulation_is_named(tmp_path):
    case = Case.of("one", one_neuron(), 16)
    with pytest.raises(
        Broken, match=r"^Verilator differs in case one: y\[0\] is -27, not 26, at x"
    ):
        Mutant((case,), wrong="Verilator").climb(tmp_path)


def test_a_wrong_reference_is_refused_at_the_first_rung(tmp_path):
    case = Case.of("one", one_neuron(), 16)
    wrong = replace(case, expected={"second": case.expected["second"] * -1})
    with pytest.raises(Broken) as caught:
        Ladder((wrong,)).climb(tmp_path)
    assert str(caught.value) == (
        "evaluate_network differs in case one: y[0] is 26, not -26, at x = [0]"
    )
