"""Changes of a network that must not change its function, nor its circuit where only names do."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from flow.backends.netlist_text import netlist_verilog
from flow.backends.verilog import emit_verilog
from flow.ir import layers as ly
from flow.ir.circuit import Circuit
from flow.ir.evaluate import evaluate
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import fractions, tensor_type
from flow.passes.base import run_passes
from flow.passes.fold_layers import FoldLayers
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.synthesis import synthesise
from flow.tech.registry import load

ONE = fractions(1, ())
SEEDS = range(25)


class Perceptron:
    """Integer weights of two layers; `network` takes 4-bit inputs and gives a class."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        inputs, hidden, outputs = rng.integers(1, 6), rng.integers(1, 6), rng.integers(2, 5)
        self.w1, self.b1 = rng.integers(-9, 10, (inputs, hidden)), rng.integers(-30, 30, hidden)
        self.w2, self.b2 = rng.integers(-9, 10, (hidden, outputs)), rng.integers(-30, 30, outputs)
        self.x = rng.integers(0, 16, (200, inputs))
        self.rng = rng

    def network(self, names=("hidden", "act", "scores", "decision"), name="net", shift=0):
        hidden, act, scores, decision = names
        size = self.w1.shape[0]
        tensor = tensor_type((size,), 0, 15, Fraction(1))
        layers = [
            ly.Input("x", (), "", tensor, fractions(0, (size,))),
            ly.Dense(hidden, ("x",), "", self.w1 << shift, self.b1 << shift, ONE),
            ly.Relu(act, (hidden,), ""),
        ]
        if shift:
            back = fractions(Fraction(1, 1 << shift), ())
            bounds = (np.array(0), np.array(1 << 20))
            rounded = (fractions(0, ()), "floor", "saturate", *bounds, ONE)
            layers.append(ly.Requantize("back", (act,), "", back, *rounded))
            act = "back"
        layers += [
            ly.Dense(scores, (act,), "", self.w2, self.b2, ONE),
            ly.ArgMax(decision, (scores,), ""),
        ]
        return Network(name, tuple(layers), (scores, decision))


def circuit(network: Network) -> Circuit:
    return run_passes(LowerLayers().run(FoldLayers().run(network)), parse_pipeline("adders"))


def answers(network, x):
    """Scores and classes, of the network and of its optimised circuit; they must agree."""
    meant = list(evaluate_network(network, {"x": x}).values())
    found = list(evaluate(circuit(network), {"x": x}).values())
    assert [m.tolist() for m in meant] == [f.tolist() for f in found]
    return [m.tolist() for m in meant]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_hidden_neurons_does_not_matter(seed):
    p = Perceptron(seed)
    expected = answers(p.network(), p.x)
    order = p.rng.permutation(p.w1.shape[1])
    p.w1, p.b1, p.w2 = p.w1[:, order], p.b1[order], p.w2[order]
    assert answers(p.network(), p.x) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_inputs_may_be_permuted_with_their_weights(seed):
    p = Perceptron(seed)
    expected = answers(p.network(), p.x)
    order = p.rng.permutation(p.w1.shape[0])
    p.w1 = p.w1[order]
    assert answers(p.network(), p.x[:, order]) == expected


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shift", [1, 5])
def test_a_layer_may_be_scaled_up_and_down_again(seed, shift):
    p = Perceptron(seed)
    assert answers(p.network(shift=shift), p.x) == answers(p.network(), p.x)


@pytest.mark.parametrize("seed", SEEDS)
def test_scaling_all_scores_keeps_the_decision(seed):
    p = Perceptron(seed)
    scores, decision = answers(p.network(), p.x)
    p.w2, p.b2 = p.w2 << 3, p.b2 << 3
    assert answers(p.network(), p.x) == [(np.array(scores) << 3).tolist(), decision]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_neuron_without_weights_adds_nothing(seed):
    p = Perceptron(seed)
    before, expected = circuit(p.network()), answers(p.network(), p.x)
    p.w1 = np.insert(p.w1, 0, 0, axis=1)
    p.b1 = np.insert(p.b1, 0, 0)
    p.w2 = np.insert(p.w2, 0, 7, axis=0)
    assert answers(p.network(), p.x) == expected
    assert operations(circuit(p.network())) == operations(before)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_neuron_may_be_split_in_two_halves(seed):
    p = Perceptron(seed)
    expected = answers(p.network(), p.x)
    part = p.rng.integers(-4, 5, p.w2.shape[1])
    p.w1, p.b1 = np.c_[p.w1, p.w1[:, 0]], np.append(p.b1, p.b1[0])
    p.w2 = np.r_[p.w2, part[None]]
    p.w2[0] -= part
    assert answers(p.network(), p.x) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_inputs_without_weights_change_nothing(seed):
    p = Perceptron(seed)
    before, expected = circuit(p.network()), answers(p.network(), p.x)
    p.w1 = np.r_[p.w1, np.zeros((2, p.w1.shape[1]), dtype=int)]
    more = np.c_[p.x, p.rng.integers(0, 16, (len(p.x), 2))]
    assert answers(p.network(), more) == expected
    assert operations(circuit(p.network())) == operations(before)


NAMES = ("zebra", "always_2", "n1", "m")


@pytest.mark.parametrize("seed", range(3))
def test_names_of_layers_change_names_only(tmp_path, seed):
    p = Perceptron(seed)
    plain, named = circuit(p.network()), circuit(p.network(NAMES))
    texts, netlists = [], []
    for one in (plain, named):
        emission = emit_verilog(one)
        folder = tmp_path / str(len(texts))
        folder.mkdir()
        made = synthesise(one, load("egfet"), folder, emission=emission, effort="fast")
        texts.append(anonymous(next(iter(emission.files.values()))))
        netlists.append(netlist_verilog(made.netlist, load("egfet")))
    assert texts[0] == texts[1]
    assert netlists[0] == netlists[1]


def anonymous(verilog: str) -> str:
    """The text with every identifier replaced by its number of first use, comments left out.

    Long lines are broken by the length of names: breaks count as blanks.
    """
    seen: dict[str, str] = {}
    bare = re.sub(r"\s+", " ", re.sub(r"//[^\n]*", "", verilog))
    return re.sub(
        r"(?<![\w'])[a-z]\w*", lambda found: seen.setdefault(found[0], f"i{len(seen)}"), bare
    )


def operations(one: Circuit) -> int:
    return sum(1 for node in replace(one, origins={}).walk() if node.operands)
