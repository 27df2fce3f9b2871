"""Einsum, Shrink and graphs without weights in ONNX files."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from flow.errors import UnsupportedModel
from flow.frontend.float_model import evaluate_source
from flow.frontend.onnx.reader import read_onnx

RNG = np.random.default_rng(7)


def read(path, nodes, inputs, out, constants=()):
    """The model of a graph; `inputs` and `out` are shapes without the batch."""
    float_ = TensorProto.FLOAT
    given = [
        helper.make_tensor_value_info(f"x{i}", float_, ["N", *s]) for i, s in enumerate(inputs)
    ]
    result = helper.make_tensor_value_info("y", float_, ["N", *out])
    stored = [numpy_helper.from_array(a.astype(np.float32), n) for n, a in dict(constants).items()]
    graph = helper.make_graph(nodes, "g", given, [result], stored)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path / "m.onnx")
    return read_onnx(path / "m.onnx")


def einsum(equation, *names):
    return helper.make_node("Einsum", names, ["y"], equation=equation)


@pytest.mark.parametrize(
    ("equation", "x", "w"),
    [
        ("bij,jk->bik", (3, 4), (4, 5)), ("bij,ik->bkj", (3, 4), (3, 5)),
        ("bijk,jkl->bil", (2, 3, 4), (3, 4, 5)), ("bi,ijk->bkj", (3,), (3, 2, 4)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("swapped", [False, True])
def test_a_tensor_and_a_constant(tmp_path, equation, x, w, swapped):
    left, right, out = equation.replace("->", ",").split(",")
    kernel, data = RNG.normal(size=w).astype(np.float32), RNG.normal(size=(6, *x))
    wanted = np.einsum(equation, data, kernel.astype(np.float64))
    written = f"{right},{left}->{out}" if swapped else equation
    names = ("w", "x0") if swapped else ("x0", "w")
    net = read(tmp_path, [einsum(written, *names)], [x], wanted.shape[1:], {"w": kernel})
    found = evaluate_source(net, {"x0": data})[net.outputs[0]]
    assert np.allclose(found.reshape(wanted.shape), wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("equation", "a", "b"),
    [
        ("bij,bkj->bik", (3, 4), (5, 4)), ("bhij,bhjk->bhik", (2, 3, 4), (2, 4, 5)),
        ("bij,bji->bi", (3, 4), (4, 3)), ("bijh,bkjh->bhik", (3, 4, 2), (5, 4, 2)),
    ],
)  # fmt: skip
def test_two_tensors(tmp_path, equation, a, b):
    data = [RNG.normal(size=(6, *s)) for s in (a, b)]
    wanted = np.einsum(equation, *data)
    net = read(tmp_path, [einsum(equation, "x0", "x1")], [a, b], wanted.shape[1:])
    found = evaluate_source(net, {"x0": data[0], "x1": data[1]})[net.outputs[0]]
    assert np.allclose(found.reshape(wanted.shape), wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("equation", "said"),
    [
        ("bij,bjk->ik", "the equation 'bij,bjk->ik'; keep the batch as the first letter"),
        ("bij,cjk->bik", "the equation 'bij,cjk->bik' mixes samples; use one batch letter"),
        ("bii,bik->bik", "the equation 'bii,bik->bik' repeats a letter in an operand; use Gather"),
        ("bij,bkl->bil", "the equation 'bij,bkl->bil'; write it as MatMul and ReduceSum"),
        ("...ij,bjk->bik", "the equation '...ij,bjk->bik'; write it as MatMul"),
    ],
)
def test_what_is_no_matrix_product_is_refused(tmp_path, equation, said):
    with pytest.raises(UnsupportedModel) as error:
        read(tmp_path, [einsum(equation, "x0", "x1")], [(3, 3), (3, 3)], (3, 3))
    assert error.value.obstacles == (f"Einsum node 'y': {said}",)


@pytest.mark.parametrize(("bias", "wanted"), [(0.5, [-1.5, 0, 0, 2.5]), (0.0, [-2, 0, 0, 3])])
def test_shrinks(tmp_path, bias, wanted):
    node = helper.make_node("Shrink", ["x0"], ["y"], bias=bias, lambd=0.5)
    net = read(tmp_path, [node], [(4,)], (4,))
    found = evaluate_source(net, {"x0": np.array([[-2.0, -0.25, 0.5, 3.0]])})[net.outputs[0]]
    assert found.tolist() == [wanted]


def test_a_graph_without_weights_is_read(tmp_path):
    node = helper.make_node("Transpose", ["x0"], ["y"], perm=[0, 2, 1])
    net = read(tmp_path, [node], [(2, 3)], (3, 2))
    x = RNG.normal(size=(4, 2, 3))
    found = evaluate_source(net, {"x0": x})[net.outputs[0]]
    assert (found == x.transpose(0, 2, 1)).all()
