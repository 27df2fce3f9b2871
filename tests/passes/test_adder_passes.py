"""Balanced sums, compressor trees and pipelines: their size, depth and registers."""

import random
from itertools import product

import pytest

from flow.analysis.cost import arrivals, cost
from flow.analysis.latency import latency
from flow.errors import UsageError
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.nodes import Add, FullAdder, Input, Linear, Lookup, Mul, Register, Shl
from flow.passes.balance_adders import BalanceAdders
from flow.passes.base import check_exact, run_passes
from flow.passes.compressor_trees import CompressorTrees
from flow.passes.linear.form import least_depth
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
    # Eight bits of weight one: four full adders in column 0, three in column 1 and so on.
    after = run_passes(row([1] * 8, 0, 0, 1), [CompressorTrees("ripple")], check_exact())
    assert cost(after).full_adders == 8
    assert cost(after).adders == 0


def test_trees_of_additions_are_compressed_on_request():
    after = run_passes(chain(5), [CompressorTrees("ripple", sums=True)], check_exact())
    assert cost(after).adders == 0
    assert cost(run_passes(chain(5), [CompressorTrees("ripple")])).adders == 4


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
