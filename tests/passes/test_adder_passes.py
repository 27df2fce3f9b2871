"""Balanced sums, compressor trees and pipelines: their size, depth and registers."""

import random
from itertools import product

import pytest

from flow.analysis.cost import arrivals, cost
from flow.analysis.latency import latency
from flow.errors import UsageError
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Origin, Port
from flow.ir.evaluate import evaluate
from flow.ir.nodes import (
    Add,
    Bits,
    FullAdder,
    Input,
    Linear,
    Lookup,
    Mul,
    Register,
    Shl,
    Signed,
    Sub,
)
from flow.passes.balance_adders import BalanceAdders
from flow.passes.base import check_exact, run_passes
from flow.passes.compressor_trees import CompressorTrees
from flow.passes.linear.form import least_depth
from flow.passes.merge_sums import MergeSums
from flow.passes.pipeline import Pipeline
from flow.passes.pipeline_text import parse_pipeline


def chain(count, width=4):
    intern = Builder()
    x = tuple(intern(Input("x", i, 0, (1 << width) - 1)) for i in range(count))
    total = x[0]
    for lane in x[1:]:
        total = intern(Add(total, lane))
    return Circuit("chain", (Port("x", x),), (Port("y", (total,)),))


def adder_depth(circuit):
    return max(arrivals(circuit, lambda node: float(isinstance(node, Add))).values())


@pytest.mark.parametrize(("count", "depth"), [(2, 1), (3, 2), (8, 3), (9, 4), (64, 6)])
def test_a_chain_becomes_a_tree_of_least_depth(count, depth):
    after = run_passes(chain(count), [BalanceAdders()], check_exact())
    assert adder_depth(after) == depth
    assert cost(after).adders == count - 1


def test_a_late_operand_is_added_last():
    circuit = chain(9)
    late = circuit.outputs[0].lanes[0]
    total = Add(Add(Add(late, late), circuit.inputs[0].lanes[0]), circuit.inputs[0].lanes[1])
    after = run_passes(
        Circuit("late", circuit.inputs, (Port("y", (total, late)),)),
        [BalanceAdders()],
        check_exact(),
    )
    assert adder_depth(after) == 4 + 2


def test_least_depth_is_that_of_the_best_tree():
    assert [least_depth(d) for d in ([], [3], [0] * 5, [4, 0, 0, 0], [4, 4])] == [0, 3, 3, 5, 5]


def row(weights, bias, low=0, high=3):
    x = tuple(Input("x", i, low, high) for i in range(len(weights)))
    return Circuit("row", (Port("x", x),), (Port("y", (Linear(x, tuple(weights), bias),)),))


@pytest.mark.parametrize("final", ["add", "ripple"])
@pytest.mark.parametrize(("low", "high"), [(0, 3), (-2, 1), (-3, 2)])
def test_compressor_trees_are_right_for_every_input(final, low, high):
    chance = random.Random(1)
    every = {"x": list(product(range(low, high + 1), repeat=3))}
    for _ in range(12):
        circuit = row([chance.randint(-7, 7) for _ in range(3)], chance.randint(-9, 9), low, high)
        after = run_passes(circuit, [CompressorTrees(final)])
        assert (evaluate(after, every)["y"] == evaluate(circuit, every)["y"]).all()
        assert after.outputs[0].width == circuit.outputs[0].width


def test_a_full_adder_removes_one_bit_and_the_tree_no_more_than_it_must():
    # Eight bits of weight one: three full adders and a half adder in column 0, one and one in
    # column 1, one half adder in column 2.
    after = run_passes(row([1] * 8, 0, 0, 1), [CompressorTrees()], check_exact())
    assert cost(after).full_adders == 7
    assert cost(after).adders == 0


def test_a_one_of_the_constant_takes_the_place_of_a_carry():
    # Two bits and one: a full adder, and the sum is three at most.
    after = run_passes(row([1, 1], 1, 0, 1), [CompressorTrees()], check_exact())
    assert (cost(after).full_adders, after.outputs[0].width) == (1, 2)


def test_bits_that_nobody_reads_are_not_computed():
    x = tuple(Input("x", i, 0, 255) for i in range(3))
    for reader in (Bits(Linear(x, (1, 1, 1), 0), 1, 2), Signed(Linear(x, (1, -1, 1), 0), 3)):
        circuit = Circuit("low", (Port("x", x),), (Port("y", (reader,)),))
        after = run_passes(circuit, [CompressorTrees()], check_exact())
        assert cost(after).full_adders == 1 + 2 + 2


def test_sums_that_only_one_sum_reads_are_merged():
    after = run_passes(chain(5), [MergeSums()], check_exact())
    assert cost(after).nodes == {"input": 5, "linear": 1}


def test_a_sum_that_is_read_twice_keeps_its_value_without_a_sign():
    x = tuple(Input("x", i, -8, 7) for i in range(3))
    shared = Sub(x[0], x[1])
    outputs = Add(shared, x[2]), Sub(x[2], Shl(shared, 2))
    circuit = Circuit("twice", (Port("x", x),), (Port("y", outputs),))
    after = run_passes(circuit, [MergeSums()], check_exact())
    first, second = after.outputs[0].lanes
    inner = first.terms[1]
    assert inner == second.terms[1]
    # x0 + 8 and 7 - x1 are the inputs with one bit, or all others, inverted.
    assert (inner.terms, inner.coefficients, inner.bias) == (x[:2], (1, -1), 15)
    assert (first.coefficients, first.bias) == ((1, 1), -15)
    assert (second.coefficients, second.bias) == ((1, -4), 60)


def test_a_sum_read_with_a_minus_is_stored_negated():
    x = tuple(Input("x", i, 0, 7) for i in range(4))
    shared = Add(x[0], x[1])
    outputs = Sub(x[2], shared), Sub(x[3], shared)
    circuit = Circuit("minus", (Port("x", x),), (Port("y", outputs),))
    after = run_passes(circuit, [MergeSums()], check_exact())
    first, second = after.outputs[0].lanes
    inner = first.terms[1]
    assert (inner.coefficients, inner.bias) == ((-1, -1), 14)
    assert (first.coefficients, second.coefficients) == ((1, 1), (1, 1))


def test_an_inner_sum_of_another_value_gives_up_its_name():
    x = tuple(Input("x", i, -8, 7) for i in range(2))
    shared = Sub(x[0], x[1])
    outputs = Add(shared, x[0]), Add(shared, x[1])
    names = {shared: Origin("dense", "acc", 0), outputs[0]: Origin("dense", "acc", 1)}
    circuit = Circuit("named", (Port("x", x),), (Port("y", outputs),), names)
    after = run_passes(circuit, [MergeSums()], check_exact())
    assert after.origins == {after.outputs[0].lanes[0]: Origin("dense", "acc", 1)}


def test_a_table_behind_a_compressed_row_is_padded():
    circuit = row([1, 1, -1], 1)
    inner = circuit.outputs[0].lanes[0]
    table = Lookup(inner, -2, tuple(1 + i * i % 7 for i in range(10)))
    whole = Circuit("table", circuit.inputs, (Port("y", (table,)),))
    after = run_passes(whole, [CompressorTrees()], check_exact())
    assert after.outputs[0].lanes[0].table == (*[1] * 6, *table.table)


def test_compressor_trees_know_two_final_additions():
    with pytest.raises(UsageError, match=r"^compressor-trees: final is 'tree', not add or ripple$"):
        run_passes(chain(3), parse_pipeline("compressor-trees{final=tree}"))


@pytest.mark.parametrize("stages", [1, 2, 3, 7])
def test_a_pipeline_has_the_stages_asked_for(stages):
    after = run_passes(chain(8), [Pipeline(stages=stages)], check_exact())
    assert latency(after) == stages
    assert isinstance(after.outputs[0].lanes[0], Register)


def test_stages_are_cut_where_the_slowest_is_fastest():
    whole = cost(chain(9)).depth
    assert cost(run_passes(chain(9), [Pipeline(stages=2)])).depth <= 0.6 * whole


def test_no_block_is_slower_than_the_period():
    for period in (3.0, 4.0, 6.5, 100.0):
        after = run_passes(chain(20), [Pipeline(period=period)], check_exact())
        assert cost(after).depth <= period


def test_at_most_so_many_levels_lie_between_registers():
    after = run_passes(chain(20), [Pipeline(every=3)], check_exact())
    assert adder_depth(after) == 3
    assert latency(after) == 7


def test_a_cut_goes_where_few_bits_cross():
    # The eight inputs add up to one sum, which is then multiplied: registers on the sum.
    tree = run_passes(chain(8), [BalanceAdders()])
    total = tree.outputs[0].lanes[0]
    square = Mul(total, total)
    circuit = Circuit("square", tree.inputs, (Port("y", (square,)),))
    delays = {Add: 1.0, Mul: 3.0}
    after = Pipeline(stages=2).run_with(circuit, lambda node: delays.get(type(node), 0.0))
    assert cost(after).register_bits == total.range.width + square.range.width


def test_users_of_one_value_share_its_registers_and_shifts_are_laid_after_them():
    x = tuple(Input("x", i, 0, 15) for i in range(2))
    first = Add(x[0], x[1])
    y = (Add(first, Shl(x[0], 3)), Add(first, Shl(x[0], 1)))
    circuit = Circuit("shared", (Port("x", x),), (Port("y", y),))
    after = run_passes(circuit, [Pipeline(every=1)], check_exact())
    registers = [node for node in after.walk() if isinstance(node, Register)]
    assert sorted(node.range.width for node in registers) == [4, 5, 6, 8]


@pytest.mark.parametrize("options", ["", "{stages=0}", "{stages=2,every=1}"])
def test_a_pipeline_takes_one_option(options):
    with pytest.raises(UsageError) as caught:
        run_passes(chain(3), parse_pipeline(f"pipeline{options}"))
    assert caught.value.show() == (
        "error: pipeline takes one of the options stages, period and every, and it is positive\n"
        "  hint: write pipeline{stages=2}, pipeline{period=20} or pipeline{every=4}"
    )


def test_a_pipeline_is_not_pipelined_again():
    with pytest.raises(UsageError, match=r"^pipeline: the circuit has registers already$"):
        run_passes(chain(3), parse_pipeline("pipeline{stages=2},pipeline{stages=2}"))


def test_a_period_below_the_slowest_operation_is_refused():
    with pytest.raises(UsageError) as caught:
        run_passes(chain(3), [Pipeline(period=1.0)])
    assert caught.value.show() == (
        "error: pipeline: an operation takes 2.25, longer than the period 1\n"
        "  hint: choose a longer period, or expand the operation into smaller ones"
    )


def test_a_full_adder_counts_as_one_level():
    x = tuple(Input("x", i, 0, 1) for i in range(3))
    circuit = Circuit("bit", (Port("x", x),), (Port("y", (FullAdder(*x),)),))
    assert latency(run_passes(circuit, [Pipeline(every=1)])) == 1
