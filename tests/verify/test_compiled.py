"""The compiled evaluator answers what `evaluate` answers, and refuses what it refuses."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import circuits, input_values, random_circuit

from flow.errors import InternalError, IRError, ToolNotFound
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.nodes import (
    NODE_TYPES,
    Add,
    Bits,
    Clamp,
    Compare,
    Const,
    Input,
    Linear,
    Lookup,
    Mul,
    Register,
    Relu,
    Select,
    Shr,
    Signed,
    Sub,
)
from flow.verify.compiled import CompiledCircuit, supported

pytestmark = pytest.mark.tool("compiler")


def assert_equal(circuit: Circuit, inputs) -> None:
    expected = evaluate(circuit, inputs)
    with CompiledCircuit(circuit) as compiled:
        got = compiled.evaluate(inputs)
    assert list(got) == list(expected)
    for name, values in expected.items():
        assert got[name].shape == values.shape
        assert got[name].dtype == np.int64
        np.testing.assert_array_equal(got[name], values.astype(np.int64))


def network(widths: tuple[int, ...], seed: int = 1) -> Circuit:
    """Dense layers of random 4-bit weights, each but the last with relu, shift and clamp."""
    chance, intern = np.random.default_rng(seed), Builder()
    inputs = Port("x", tuple(intern(Input("x", i, -32, 31)) for i in range(widths[0])))
    lanes = inputs.lanes
    for layer, width in enumerate(widths[1:], 1):
        rows = chance.integers(-8, 8, (width, len(lanes))).tolist()
        nodes = [intern(Linear(lanes, tuple(row), 3 * i)) for i, row in enumerate(rows)]
        if layer < len(widths) - 1:
            nodes = [intern(Clamp(intern(Shr(intern(Relu(x)), 4)), 0, 31)) for x in nodes]
        lanes = tuple(nodes)
    return Circuit("network", (inputs,), (Port("y", lanes),))


@given(circuit=circuits(max_width=63), seed=st.integers(0, 99), samples=st.integers(0, 150))
def test_random_circuits_mean_the_same(circuit, seed, samples):
    assert supported(circuit)
    assert_equal(circuit, input_values(circuit, samples, seed))


@pytest.mark.parametrize("width", [8, 16, 32, 63])
def test_circuits_that_fill_their_lanes_mean_the_same(width):
    circuit = random_circuit(width, nodes=300, max_width=width, stages=1)
    assert_equal(circuit, input_values(circuit, 1000, width))


@pytest.mark.parametrize("kind", NODE_TYPES)
def test_each_operation_alone_means_the_same(kind):
    for width in (7, 30):
        circuit = random_circuit(3, kinds=(kind, Bits, Const), nodes=40, max_width=width)
        assert_equal(circuit, input_values(circuit, 200))


def test_the_ends_of_64_bits_are_exact():
    lo, hi = -(1 << 63), (1 << 63) - 1
    intern = Builder()
    x = intern(Input("x", 0, lo, hi))
    half = intern(Shr(x, 1))
    lanes = (
        x,
        intern(Relu(x)),
        intern(Clamp(x, lo + 1, hi - 1)),
        intern(Signed(x, 3)),
        intern(Bits(x, 60, 4)),
        intern(Sub(half, intern(Const(1 << 62)))),
        intern(Compare(x, half, "le")),
        intern(Select(intern(Compare(x, half, "lt")), half, x)),
        intern(Const(lo)),
        intern(Shr(x, 99)),
    )
    circuit = Circuit("ends", (Port("x", (x,)),), (Port("y", lanes),))
    values = np.array([[lo], [lo + 1], [-1], [0], [1], [hi - 1], [hi]], dtype=np.int64)
    with CompiledCircuit(circuit) as compiled:
        got = compiled.evaluate({"x": values})["y"]
    expected = evaluate(circuit, {"x": values.astype(object)})["y"]
    assert got.tolist() == expected.tolist()


@pytest.mark.parametrize("samples", [1, 31, 33, 8191, 8192, 20_001])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_samples_are_shared_out_without_loss(samples, threads):
    circuit = network((5, 4, 3))
    values = np.random.default_rng(samples).integers(-32, 32, (samples, 5))
    with CompiledCircuit(circuit, threads=threads) as compiled:
        got = compiled.evaluate({"x": values})["y"]
    np.testing.assert_array_equal(got, evaluate(circuit, {"x": values})["y"])


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", ">i4", "uint8", "f8", "O"])
def test_any_layout_of_the_inputs_is_read(dtype):
    circuit = network((6, 4))
    values = np.random.default_rng(0).integers(0, 32, (500, 12))
    expected = evaluate(circuit, {"x": values[::2, ::2]})["y"]
    with CompiledCircuit(circuit) as compiled:
        got = compiled.evaluate({"x": values.astype(dtype)[::2, ::2]})["y"]
        np.testing.assert_array_equal(got, expected)
        fortran = np.asfortranarray(values[::2, ::2].astype(dtype))
        np.testing.assert_array_equal(compiled.evaluate({"x": fortran})["y"], expected)


def test_a_wide_network_of_many_functions_means_the_same():
    circuit = network((16, 64, 32, 32, 5))
    values = np.random.default_rng(5).integers(-32, 32, (3000, 16))
    assert_equal(circuit, {"x": values})
    assert np.unique(evaluate(circuit, {"x": values})["y"]).size > 100


def test_a_large_lookup_means_the_same():
    intern = Builder()
    x = intern(Input("x", 0, -3000, 3000))
    table = tuple((i * i) % 1009 - 500 for i in range(6003))
    circuit = Circuit("table", (Port("x", (x,)),), (Port("y", (intern(Lookup(x, -3001, table)),)),))
    assert_equal(circuit, {"x": np.arange(-3000, 3001).reshape(-1, 1)})


def test_constants_alone_need_no_input():
    intern = Builder()
    circuit = Circuit("nothing", (), (Port("y", (intern(Const(-7)), intern(Const(900)))),))
    assert_equal(circuit, {})


def test_a_register_passes_its_value():
    intern = Builder()
    x = intern(Input("x", 0, 0, 9))
    circuit = Circuit("delay", (Port("x", (x,)),), (Port("y", (intern(Register(x)),)),))
    assert_equal(circuit, {"x": np.array([[1], [9]])})


@pytest.mark.parametrize(("lane", "value"), [(0, 10), (1, -3), (1, 266)])
def test_a_value_outside_its_interval_is_refused_as_evaluate_refuses_it(lane, value):
    intern = Builder()
    a, b = intern(Input("x", 0, 0, 9)), intern(Input("x", 1, -2, 9))
    circuit = Circuit("sum", (Port("x", (a, b)),), (Port("y", (intern(Add(a, b)),)),))
    values = np.zeros((9000, 2), dtype=np.int64)
    values[8999, lane] = value
    with pytest.raises(IRError) as expected:
        evaluate(circuit, {"x": values})
    with CompiledCircuit(circuit) as compiled, pytest.raises(IRError) as got:
        compiled.evaluate({"x": values})
    assert got.value.message == expected.value.message


def test_missing_ports_and_wrong_shapes_are_refused():
    with CompiledCircuit(network((3, 2))) as compiled:
        with pytest.raises(IRError, match=r"^no values for input port 'x'$"):
            compiled.evaluate({})
        with pytest.raises(IRError, match=r"^port 'x' takes \(samples, 3\), not \(4, 2\)$"):
            compiled.evaluate({"x": np.zeros((4, 2), dtype=np.int64)})


def test_ports_with_different_numbers_of_samples_are_refused():
    intern = Builder()
    a, b = intern(Input("a", 0, 0, 9)), intern(Input("b", 0, 0, 9))
    circuit = Circuit("sum", (Port("a", (a,)), Port("b", (b,))), (Port("y", (intern(Add(a, b)),)),))
    inputs = {"a": np.zeros((4, 1), dtype=np.int64), "b": np.zeros((5, 1), dtype=np.int64)}
    message = r"^the ports have \[4, 5\] samples$"
    with CompiledCircuit(circuit) as compiled, pytest.raises(IRError, match=message):
        compiled.evaluate(inputs)


def test_more_than_64_bits_are_not_supported():
    intern = Builder()
    x = intern(Input("x", 0, 0, 1 << 40))
    circuit = Circuit("wide", (Port("x", (x,)),), (Port("y", (intern(Mul(x, x)),)),))
    assert not supported(circuit)
    with pytest.raises(InternalError, match="has wires of more than 64 bits"):
        CompiledCircuit(circuit)


def test_the_folder_and_the_library_go_with_the_context():
    with CompiledCircuit(network((3, 2))) as compiled:
        folder = compiled._folder
        assert (folder / "circuit.c").is_file()
        assert str(folder) in Path("/proc/self/maps").read_text()
    assert not folder.exists()
    assert str(folder) not in Path("/proc/self/maps").read_text()
    with pytest.raises(InternalError, match=r"^the compiled circuit 'network' is closed$"):
        compiled.evaluate({"x": np.zeros((1, 3), dtype=np.int64)})


def test_a_compiler_that_is_missing_is_named_and_leaves_nothing_behind(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(ToolNotFound):
        CompiledCircuit(network((3, 2)))
    assert list(tmp_path.iterdir()) == []
