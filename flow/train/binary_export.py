"""A binary perceptron as the files that `flow build` reads: QONNX, levels as CSV, a flow.toml."""

from __future__ import annotations

from typing import Any

import numpy as np

from flow.train.binary import BinaryNet
from flow.train.dataset import Dataset
from flow.train.export import CONFIG, FIT, TEST, levels_csv

MODEL = "model.onnx"
QONNX, OPSET, IR_VERSION = "qonnx.custom_op.general", 13, 8
_CONFIG = """\
# A binary network: every hidden value is a sign. Inputs are levels of {bits} bits.
model = "{model}"
data = "{test}"          # never seen in training
head = "decision"
"""


def binary_files(net: BinaryNet, data: Dataset) -> dict[str, bytes]:
    """The files of a folder, by name, from which `flow build --config flow.toml` starts."""
    config = _CONFIG.format(model=MODEL, test=TEST, bits=net.bits)
    return {
        MODEL: qonnx_bytes(net),
        FIT: levels_csv(data, data.x_fit, data.y_fit),
        TEST: levels_csv(data, data.x_test, data.y_test),
        CONFIG: config.encode(),
    }


def qonnx_bytes(net: BinaryNet) -> bytes:
    """The network as QONNX: levels in, scores out. A neuron is BipolarQuant(sum + 1/2 - threshold),
    which is never the sign of 0."""
    import onnx

    graph = _Graph()
    width = float(net.bits)
    here = graph.quant("x", "levels", width, signed=0, narrow=0)
    for i, (weights, bound) in enumerate(zip(net.weights[:-1], net.thresholds, strict=True)):
        product = graph.product(here, weights, f"hidden{i}")
        moved = graph.constant(f"hidden{i}_shift", 0.5 - bound)
        compared = graph.node("Add", [product, moved], f"hidden{i}_compared")
        here = graph.node("BipolarQuant", [compared, graph.one], f"hidden{i}_sign", QONNX)
    product = graph.product(here, net.weights[-1], "output")
    scores = graph.node("Add", [product, graph.constant("bias", net.bias)], "scores")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    made = helper.make_graph(
        graph.nodes, "binary",
        [helper.make_tensor_value_info("x", real, [1, len(net.weights[0])])],
        [helper.make_tensor_value_info(scores, real, [1, len(net.bias)])],
        graph.constants,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(QONNX, 1)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


class _Graph:
    """Nodes and constants of an ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.one = self.constant("one", 1.0)

    def constant(self, name: str, values: Any) -> str:
        """A float32 constant."""
        import onnx

        self.constants.append(onnx.numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def node(
        self, operator: str, inputs: list[str], output: str, domain: str = "", **attributes: Any
    ) -> str:
        """A node of one output, whose name is returned."""
        import onnx

        name = f"{operator}_{output}"
        made = onnx.helper.make_node(
            operator, inputs, [output], name=name, domain=domain, **attributes
        )
        self.nodes.append(made)
        return output

    def quant(self, x: str, output: str, bits: float, signed: int, narrow: int) -> str:
        """A Quant node of step 1."""
        sizes = [self.constant(f"{output}_zero", 0.0), self.constant(f"{output}_bits", bits)]
        return self.node(
            "Quant", [x, self.one, *sizes], output, QONNX,
            signed=signed, narrow=narrow, rounding_mode="FLOOR",
        )  # fmt: skip

    def product(self, x: str, weights: Any, name: str) -> str:
        """x @ weights of -1, 0 and 1."""
        values = self.constant(f"{name}_values", weights)
        if (weights == 0).any():
            kernel = self.quant(values, f"{name}_kernel", 2.0, signed=1, narrow=1)
        else:
            kernel = self.node("BipolarQuant", [values, self.one], f"{name}_kernel", QONNX)
        return self.node("MatMul", [x, kernel], f"{name}_product")
