"""The judge of faulty answers: classes, scores to choose among, and agreement without labels."""

import numpy as np

from flow.backends.emission import Lane, VerilogPort
from flow.ir.aig import pack
from flow.ir.interval import IntRange
from flow.ir.layers import ArgMax, Dense, Input
from flow.ir.network import Network
from flow.ir.tensor import fractions, tensor_type
from flow.pipeline.fault_harm import sample_size
from flow.pipeline.judging import judge_of


def network(decides):
    none = fractions(0, (2,))
    layers = [
        Input("x", (), "", tensor_type((2,), -4, 3), none),
        Dense(
            "s", ("x",), "", np.eye(2, 3, dtype=np.int64), np.zeros(3, np.int64), fractions(1, (3,))
        ),
    ]
    layers += [ArgMax("y", ("s",), "")] if decides else []
    return Network("n", tuple(layers), ("y" if decides else "s",))


def port(*lanes):
    return (VerilogPort("y", "output", lanes, "y"),)


def test_a_class_is_right_where_all_its_bits_are():
    labels = np.array([0, 1, 2, 5])
    bits = np.array([[0, 0], [1, 0], [1, 1], [1, 0]], dtype=np.uint8)
    good = pack(np.array([[0, 0], [1, 0], [0, 1], [1, 0]], dtype=np.uint8))
    judge = judge_of(network(True), port(Lane(0, 2, IntRange(0, 2))), labels, good, 4)
    # The third answer is another class; the fourth label, 5, is none that two bits can say.
    assert (judge.metric, judge.right(np.stack([good, pack(bits)])).tolist()) == (
        "accuracy",
        [3, 2],
    )


def test_scores_are_chosen_among():
    lanes = [Lane(3 * k, 3, IntRange(-4, 3)) for k in range(3)]
    scores = np.array([[-1, 2, 0], [3, -4, 3], [-2, -3, -1]])
    bits = (scores[:, :, None] >> np.arange(3) & 1).reshape(3, 9).astype(np.uint8)
    answers = pack(bits)
    judge = judge_of(network(False), port(*lanes), np.array([1, 0, 2]), answers, 3)
    assert judge.right(answers[None]).tolist() == [3]
    worse = bits.copy()
    worse[0, 5] ^= 1  # the sign of the second score: 2 becomes -2
    assert judge.right(pack(worse)[None]).tolist() == [2]


def test_without_labels_the_answer_without_faults_is_right():
    good = pack(np.array([[0, 1], [1, 1], [0, 0]], dtype=np.uint8))
    other = pack(np.array([[0, 1], [1, 0], [0, 0]], dtype=np.uint8))
    judge = judge_of(network(True), port(Lane(0, 2, IntRange(0, 2))), None, good, 3)
    assert (judge.metric, judge.right(np.stack([good, other])).tolist()) == ("agreement", [3, 2])


def test_the_size_of_a_sample_is_that_of_the_formula():
    assert (sample_size(2000), sample_size(10**9)) == (1785, 16590)
