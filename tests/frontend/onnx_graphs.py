"""ONNX graphs made by hand, and how the tests read and check them."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from flow.errors import FlowError, UnsupportedModel
from flow.frontend.float_model import evaluate_source
from flow.frontend.onnx.reader import read_onnx
from flow.frontend.source import (
    SourceInput,
)

RNG = np.random.default_rng(11)
F = np.float32


def weights(*shape):
    return RNG.normal(0, 1, shape).astype(F)


def node(op, inputs, output, **attributes):
    outputs = [output] if isinstance(output, str) else output
    return helper.make_node(op, inputs.split(), outputs, **attributes)


def model(nodes, constants, inputs=(("x", [None, 4]),), outputs=("y",), opset=21, **options):
    """A model file's bytes; `None` leaves the batch open."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()],
        **options,
    )
    domains = {n.domain for n in nodes} - {""}
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in sorted(domains))]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def saved(tmp_path, proto, name="m.onnx"):
    path = tmp_path / name
    path.write_bytes(proto if isinstance(proto, bytes) else proto.SerializeToString())
    return path


def check(tmp_path, proto, shapes=None, batch=5):
    """Read the model, compare each output with the reference, and return what was read."""
    source = read_onnx(saved(tmp_path, proto))
    shapes = shapes or {x.name: x.shape for x in source.layers if isinstance(x, SourceInput)}
    inputs = {n: weights(batch, *s) for n, s in shapes.items()}
    wanted = ReferenceEvaluator(proto).run(None, inputs)
    values = evaluate_source(source, inputs)
    for name, want in zip(source.outputs, wanted, strict=True):
        got = values[name]
        assert got.shape == (want.shape if want.ndim > 1 else (*want.shape, 1))
        np.testing.assert_allclose(got, want.reshape(got.shape), rtol=1e-5, atol=1e-5)
    return source


def kinds(source):
    return [type(layer).__name__.removeprefix("Source") for layer in source.layers]


def refused(tmp_path, proto) -> str:
    with pytest.raises(FlowError) as caught:
        read_onnx(saved(tmp_path, proto))
    return caught.value.show()


def obstacles(tmp_path, proto) -> list[str]:
    with pytest.raises(UnsupportedModel) as caught:
        read_onnx(saved(tmp_path, proto))
    return list(caught.value.obstacles)


W34 = {"W": weights(4, 3), "c": weights(3)}

QONNX = "qonnx.custom_op.general"


def quantiser(inputs, output, **attributes):
    return node("Quant", inputs, output, domain=QONNX, **attributes)
