"""What a build counts as the decision of a network."""

import numpy as np

from flow.frontend.files.data import Samples
from flow.frontend.source import SourceModel
from flow.ir.gate_layer import Gates
from flow.ir.layers import ArgMax, Input
from flow.ir.network import Network, evaluate_network
from flow.ir.tensor import fractions, tensor_type
from flow.pipeline.accuracy import accuracy

ENTRY = Input("x", (), "here", tensor_type((2,), 0, 1, 1), fractions(0, (2,)))
SAMPLES = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
LABELS = np.array([0, 2, 1, 3])


def share(last):
    network = Network("net", (ENTRY, last), (last.name,))
    answers = evaluate_network(network, {"x": SAMPLES})
    samples = Samples({"x": SAMPLES.astype(float)}, LABELS, ("a", "b", "c", "d"), (), "")
    source = SourceModel("net", "flow search", (), (), "", samples.classes)
    return accuracy(source, network, samples, answers).circuit


def test_one_word_of_gates_is_the_index_of_a_class():
    word = Gates("y", ("x",), "here", (1, 1), (), ((2, 4),), fractions(1, (1,)))
    assert word.decides
    assert share(word) == 1.0


def test_several_words_of_gates_are_scores():
    scores = Gates("y", ("x",), "here", (1, 1), (), ((3,), (2,)), fractions(1, (2,)))
    assert not scores.decides
    assert share(scores) == 0.5


def test_an_argmax_is_the_index_of_a_class():
    assert ArgMax("y", ("x",), "here").decides
    assert share(ArgMax("y", ("x",), "here")) == 0.25
