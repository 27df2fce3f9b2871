"""Training of binary networks: signs and slopes, exact integers, and files that mean the same."""

import numpy as np
import pytest

from flow.analysis.binary_layers import binary_inputs, binary_layers, evaluate_binary
from flow.ir.network import evaluate_network
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import import_model
from flow.train.binary import BinaryOptions, train_binary
from flow.train.binary_estimators import ESTIMATORS, levels, slope, weight_slope
from flow.train.binary_export import binary_files
from flow.train.dataset import prepare
from flow.train.table import bundled


def test_signs_are_those_of_the_weights_or_of_their_sine():
    weights = np.array([-0.3, -0.0, 0.0, 0.1, 0.2, 0.6], np.float32)
    assert levels("ste", weights, False).tolist() == [-1, 1, 1, 1, 1, 1]
    assert levels("reste", weights, True).tolist() == [0, 0, 0, 0, 0, 1]
    # sin(20 w): sin(-6) = 0.28, sin(2) = 0.91, sin(4) = -0.76, sin(12) = -0.54
    assert levels("biper", weights, False).tolist() == [1, 1, 1, 1, -1, -1]
    assert levels("biper", weights, True).tolist() == [0, 0, 0, 1, -1, -1]


def test_slopes_are_those_of_the_papers():
    x = np.array([-2.0, -1.2, -0.5, 0.05, 1.0, 1.5], np.float32)
    assert slope("ste", x, 0.5).tolist() == [0, 0, 1, 1, 1, 0]
    assert slope("biper", x, 0.5).tolist() == [0, 0, 1, 1, 1, 0]
    # At the start the power is 1; at the end 1/3, whose slope is |x|**(-2/3) / 3.
    assert slope("reste", x, 0.0).tolist() == [0, 1, 1, 1, 1, 1]
    end = slope("reste", x, 1.0).tolist()
    assert end == pytest.approx([0, 1.2 ** (-2 / 3) / 3, 0.5 ** (-2 / 3) / 3, 0.1 ** (-2 / 3),
                                 1 / 3, 1.5 ** (-2 / 3) / 3], rel=1e-5)  # fmt: skip
    around = weight_slope("biper", np.array([0.0, np.pi / 20], np.float32), 0.0)
    assert around.tolist() == pytest.approx([20, -20])


@pytest.fixture(scope="module")
def digits():
    return prepare(bundled("digits"), 3)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("ternary", [False, True])
def test_a_trained_network_is_the_same_in_its_file_and_as_binary_layers(
    digits, tmp_path, estimator, ternary
):
    options = BinaryOptions((24, 16), 3, estimator, ternary, epochs=6, rate=0.01)
    net = train_binary(digits.x_fit, digits.y_fit, options)
    assert net.accuracy(digits.x_test, digits.y_test) > 0.4
    allowed = {-1, 0, 1} if ternary else {-1, 1}
    assert {int(v) for w in net.weights for v in np.unique(w)} == allowed
    for name, content in binary_files(net, digits).items():
        (tmp_path / name).write_bytes(content)
    network = import_model(BuildConfig(model=tmp_path / "model.onnx"), faithful=True).network
    inputs = {network.inputs[0].name: digits.x_test.astype(np.int64)}
    scores = evaluate_network(network, inputs)[network.outputs[0]]
    real = scores * network.types[network.outputs[0]].scale
    assert real.tolist() == net.scores(digits.x_test).tolist()
    layers = binary_layers(network)
    assert [layer.shape for layer in layers] == [(24,), (16,), (10,)]
    answers = evaluate_binary(layers, binary_inputs(network, inputs))[-1]
    assert answers.tolist() == scores.tolist()


def test_equal_seeds_give_equal_networks_and_files(digits):
    options = BinaryOptions((8,), 3, "reste", epochs=2, seed=4)
    nets = [train_binary(digits.x_train, digits.y_train, options) for _ in range(2)]
    assert binary_files(nets[0], digits) == binary_files(nets[1], digits)
