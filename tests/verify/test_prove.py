"""Two graphs are proved equal, or an input is found that shows the difference."""

from dataclasses import replace

import numpy as np
import pytest
from designs_mapped import network
from hypothesis import given
from strategies import circuits

from flow.backends.bitblast import bitblast
from flow.errors import IRError
from flow.ir.aig import unpack
from flow.ir.circuit import Circuit, Port
from flow.ir.nodes import Add, Const, Input, Linear, Lookup, Mul, Node, Relu, Shl, Sub
from flow.verify.prove import every_part, every_sample, prove_circuits, prove_graphs


def single(node: Node, *inputs: Input) -> Circuit:
    return Circuit("pair", (Port("x", inputs),), (Port("y", (node,)),))


def wide(count: int) -> tuple[Input, ...]:
    return tuple(Input("x", i, -128, 127) for i in range(count))


@given(circuits(max_width=16))
def test_any_circuit_equals_itself(circuit):
    verdict = prove_circuits(circuit, circuit)
    assert (verdict.status, verdict.detail) == ("proved", "algebra")


def test_few_inputs_are_all_simulated():
    x = Input("x", 0, -8, 7)
    squares = Lookup(x, -8, tuple(v * v for v in range(-8, 8)))
    verdict = prove_circuits(single(Mul(x, x), x), single(squares, x))
    assert (verdict.status, verdict.detail) == ("proved", "exhaustive simulation")


@pytest.mark.tool("abc")
def test_many_inputs_are_swept():
    a, b, c = wide(3)
    left = single(Add(Add(a, b), c), a, b, c)
    right = single(Add(Add(c, b), a), a, b, c)
    outcome = prove_graphs(bitblast(left), bitblast(right))
    assert (outcome.status, outcome.method) == ("proved", "SAT sweeping")


def test_rows_of_equal_coefficients_need_no_sweep():
    a, b, c = wide(3)
    left = single(Add(Add(a, b), Shl(c, 3)), a, b, c)
    right = single(Sub(Linear((c, b, a), (9, 1, 1), 0), c), a, b, c)
    verdict = prove_circuits(left, right)
    assert (verdict.status, verdict.detail) == ("proved", "algebra")


def test_twenty_bits_are_simulated_in_parts_and_a_difference_in_the_last_is_found():
    a, b = Input("x", 0, -512, 511), Input("x", 1, 0, 511)
    square = single(Mul(Add(a, b), Add(a, b)), a, b)
    parts = single(Add(Add(Mul(a, a), Mul(b, b)), Mul(Shl(a, 1), b)), a, b)
    verdict = prove_circuits(square, parts)
    assert (verdict.status, verdict.detail) == ("proved", "exhaustive simulation")
    rare = Sub(Add(a, b), Relu(Sub(Add(a, b), Const(1021))))
    verdict = prove_circuits(single(Add(a, b), a, b), single(rare, a, b))
    assert (verdict.status, verdict.detail) == (
        "disproved", "x = [511, 511]: expected y = [1022], got [1021]"
    )  # fmt: skip


def test_a_difference_comes_with_its_input_and_both_answers():
    x = Input("x", 0, -8, 7)
    verdict = prove_circuits(single(Relu(x), x), single(Add(Relu(x), Const(1)), x))
    assert verdict.status == "disproved"
    assert verdict.detail == "x = [0]: expected y = [0], got [1]"


@pytest.mark.tool("abc")
def test_a_rare_difference_is_found_by_sweeping():
    lanes = tuple(Input("x", i, 0, 255) for i in range(4))
    total = Linear(lanes, (1, 1, 1, 1), 0)
    rare = Relu(Sub(total, Const(1019)))
    left, right = single(total, *lanes), single(Sub(total, Mul(rare, Const(1))), *lanes)
    verdict = prove_circuits(left, right)
    assert verdict.detail == "x = [255, 255, 255, 255]: expected y = [1020], got [1019]"


def test_what_lies_outside_the_intervals_does_not_count():
    x = Input("x", 0, 0, 9)
    verdict = prove_circuits(single(x, x), single(Sub(x, Relu(Sub(x, Const(9)))), x))
    assert verdict.status == "proved"


@pytest.mark.tool("abc")
def test_a_hard_proof_ends_at_its_limit():
    a, b = Input("x", 0, 0, 2**14), Input("x", 1, 0, 2**14)
    left = single(Mul(Add(a, b), Add(a, b)), a, b)
    right = single(Add(Add(Mul(a, a), Mul(b, b)), Mul(Mul(a, Const(2)), b)), a, b)
    verdict = prove_circuits(left, right, timeout_s=2)
    assert (verdict.status, verdict.detail) == ("timed out", "SAT sweeping")


def test_other_outputs_are_refused():
    graph = bitblast(network())
    other = replace(graph, outputs=("a", "b"))
    with pytest.raises(IRError, match=r"^two graphs to compare differ in output a$"):
        prove_graphs(graph, other)


def test_every_part_together_is_every_sample():
    parts = [unpack(words, 1 << 16) for words in every_part(18)]
    values = (np.concatenate(parts).astype(np.int64) << np.arange(18)).sum(axis=1)
    assert np.array_equal(np.sort(values), np.arange(1 << 18))


@pytest.mark.parametrize("bits", [1, 3, 6, 9])
def test_every_sample_occurs(bits):
    table = unpack(every_sample(bits), max(64, 1 << bits))
    values = (table.astype(np.int64) << np.arange(bits)).sum(axis=1)
    assert sorted(set(values.tolist())) == list(range(1 << bits))
