"""Binary convolutional networks as QONNX writes them, through the frontend to binary layers."""

import numpy as np
import pytest

from flow.analysis.binary_layers import binary_inputs, binary_layers, evaluate_binary
from flow.ir.network import evaluate_network
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import import_model

DOMAIN = "onnx.brevitas"


def written(order: str, pad: int, bits: bool) -> bytes:
    """Two convolutions and a dense layer over 2 x 8 x 8; order of pool, normalisation and sign."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    nodes, constants = [], [numpy_helper.from_array(np.float32(1), "one")]

    def constant(name, values):
        constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def node(operator, inputs, output, domain="", **attributes):
        nodes.append(
            helper.make_node(operator, inputs, [output], f"{output}_n", domain=domain, **attributes)
        )
        return output

    if bits:
        x = node("BipolarQuant", ["x", "one"], "xq", DOMAIN)
    else:
        sizes = [constant("zero", 0.0), constant("bits", 4.0)]
        options = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
        x = node("Quant", ["x", "one", *sizes], "xq", DOMAIN, **options)
    channels = 2
    for k, filters in enumerate((4, 5)):
        values = constant(f"w{k}", random.normal(size=(filters, channels, 3, 3)))
        weights = node("BipolarQuant", [values, "one"], f"wq{k}", DOMAIN)
        x = node("Conv", [x, weights], f"c{k}", kernel_shape=[3, 3], pads=[pad] * 4)
        for step in order:
            if step == "n":
                ends = {
                    "g": random.normal(size=filters),
                    "b": random.normal(size=filters),
                    "m": 3 * random.normal(size=filters),
                    "v": random.uniform(1, 9, filters),
                }
                given = [constant(f"{name}{k}", value) for name, value in ends.items()]
                x = node("BatchNormalization", [x, *given], f"n{k}")
            elif step == "s":
                x = node("BipolarQuant", [x, "one"], f"s{k}", DOMAIN)
            elif k == 0:
                x = node("MaxPool", [x], "p", kernel_shape=[2, 2], strides=[2, 2])
        channels = filters
    x = node("Flatten", [x], "flat")
    values = constant("wd", random.normal(size=(80 if pad else 5, 3)))
    node("MatMul", [x, node("BipolarQuant", [values, "one"], "wdq", DOMAIN)], "y")
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 2, 8, 8]), ("y", [1, 3]))
    ]
    graph = helper.make_graph(nodes, "cnv", ports[:1], ports[1:], constants)
    opsets = [helper.make_opsetid("", 11), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=6).SerializeToString()


@pytest.mark.parametrize("order", ["nsp", "pns"])
@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize("bits", [True, False])
def test_a_convolutional_network_answers_as_its_layers(tmp_path, order, pad, bits):
    path = tmp_path / "cnv.onnx"
    path.write_bytes(written(order, pad, bits))
    network = import_model(BuildConfig(model=path), faithful=True).network
    layers = binary_layers(network)
    sizes = [(8, 8, 4), (4, 4, 4), (4, 4, 5)] if pad else [(6, 6, 4), (3, 3, 4), (1, 1, 5)]
    assert [(layer.kind, layer.shape) for layer in layers] == [
        ("neurons", sizes[0]), ("pool", sizes[1]), ("neurons", sizes[2]), ("scores", (3,)),
    ]  # fmt: skip
    (entry,) = network.inputs
    ends = entry.tensor.lo.astype(np.int64), entry.tensor.hi.astype(np.int64) + 1
    inputs = {entry.name: np.random.default_rng(1).integers(*ends, (200, *entry.tensor.shape))}
    expected = evaluate_network(network, inputs)[network.outputs[0]]
    assert evaluate_binary(layers, binary_inputs(network, inputs))[-1].tolist() == expected.tolist()
