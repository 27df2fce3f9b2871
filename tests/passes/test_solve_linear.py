"""Shared adder graphs: reduction before the solver, tiles, groups, and determinism."""

import os
import random
import subprocess
import sys
from itertools import combinations, pairwise, product
from pathlib import Path
from types import SimpleNamespace

import pytest

from flow.analysis.cost import cost
from flow.errors import PassError, UsageError
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.interval import IntRange
from flow.ir.nodes import FullAdder, Input, Linear, Register, Shl
from flow.ir.text import print_circuit
from flow.passes import solve_linear
from flow.passes.base import check_exact, run_passes
from flow.passes.expand_linear import ExpandLinear
from flow.passes.linear.csd import csd, digit_count, minimal_forms
from flow.passes.linear.group import group_rows
from flow.passes.linear.program import Program, Ref
from flow.passes.linear.solver import Options, _stage, solve
from flow.passes.linear.tiles import tiles, work
from flow.passes.pipeline_text import parse_pipeline
from flow.passes.solve_linear import SolveLinear


def layer(rows, columns, bits, seed=0, density=1.0):
    """A dense layer of random coefficients over inputs of 4 bits."""
    chance = random.Random(seed)
    intern = Builder()
    x = tuple(intern(Input("x", i, 0, 15)) for i in range(columns))
    y = []
    for _ in range(rows):
        kept = [i for i in range(columns) if chance.random() < density]
        high = 1 << (bits - 1)
        weights = tuple(chance.randint(-high, high - 1) for _ in kept)
        y.append(intern(Linear(tuple(x[i] for i in kept), weights, chance.randint(-9, 9))))
    return Circuit("layer", (Port("x", x),), (Port("y", tuple(y)),))


def of_rows(*rows, bias=None):
    """A circuit with given coefficient rows over inputs of 4 bits."""
    x = tuple(Input("x", i, 0, 15) for i in range(len(rows[0])))
    bias = bias or [0] * len(rows)
    y = tuple(Linear(x, tuple(row), b) for row, b in zip(rows, bias, strict=True))
    return Circuit("rows", (Port("x", x),), (Port("y", y),))


def solved(circuit, **options):
    return run_passes(circuit, [SolveLinear(**options)], check_exact(40))


def adders(circuit):
    return cost(circuit).adders


def test_rows_that_are_multiples_of_one_another_cost_one_graph():
    assert adders(solved(of_rows([3, 5]))) == 3
    assert adders(solved(of_rows([3, 5], [12, 20], [6, 10]))) == 3


def test_a_negated_row_costs_no_negation_where_it_has_a_bias():
    after = solved(of_rows([3, 5], [-3, -5], bias=[0, 7]))
    assert cost(after).nodes == {
        "input": 2, "const": 1, "add": 2, "sub": 2, "shl": 2, "bits": 1
    }  # fmt: skip


def test_a_zero_row_is_its_bias_and_a_power_of_two_is_wiring():
    after = solved(of_rows([0, 0], [0, 8], bias=[5, 0]))
    assert cost(after).nodes == {"input": 2, "const": 1, "shl": 1}


def test_columns_that_are_multiples_of_one_another_are_added_first():
    # (3, 6), (5, 10), (7, 14): one sum x + 2y, and one graph for 3, 5 and 7.
    assert adders(solved(of_rows([3, 6], [5, 10], [7, 14]))) == 4


def test_equal_matrices_over_equal_intervals_are_solved_once():
    rows = ([3, 5, 7], [1, -5, 9])
    x = tuple(Input("x", i, 0, 15) for i in range(6))
    y = tuple(Linear(x[k : k + 3], tuple(row), 0) for k in (0, 3) for row in rows)
    after = solved(Circuit("twice", (Port("x", x),), (Port("y", y),)))
    one = solved(of_rows(*rows))
    assert adders(after) == 2 * adders(one)


def test_a_large_matrix_is_cut_into_tiles_and_stays_exact():
    circuit = layer(60, 60, 8)
    weights = [dict(enumerate(row.coefficients)) for row in circuit.outputs[0].lanes]
    assert work(weights) > 7000
    parts = tiles(weights, 60)
    assert [(len(r), len(c)) for r, c in parts] == [(60, 20), (60, 20), (60, 20)]
    assert adders(solved(circuit)) < 0.8 * adders(run_passes(circuit, [ExpandLinear()]))


def test_a_small_matrix_is_not_cut():
    assert tiles([{0: 3, 1: 5}], 2) == [(range(1), range(2))]


def test_sparse_rows_of_one_layer_are_solved_together():
    circuit = layer(12, 16, 4, density=0.4)
    groups = group_rows(circuit.outputs[0].lanes)
    assert [len(group.rows) for group in groups] == [12]
    solved(circuit)


def test_positions_of_a_convolution_stay_in_small_groups():
    x = tuple(Input("x", i, 0, 15) for i in range(400))
    rows = [Linear(x[i : i + 30], (c,) * 30, 0) for i in range(0, 360, 10) for c in (3, 5)]
    groups = group_rows(rows)
    assert sum(len(group.rows) for group in groups) == 72
    assert max(len(group.columns) for group in groups) <= 120


def test_positions_of_a_large_convolution_stay_apart():
    x = tuple(Input("x", i, 0, 15) for i in range(4000))
    rows = [Linear(x[i : i + 30], (c,) * 30, 0) for i in range(0, 3600, 10) for c in (3, 5, 7)]
    groups = group_rows(rows)
    assert {(len(group.rows), len(group.columns)) for group in groups} == {(3, 30)}


def test_coefficients_beyond_the_solver_are_expanded():
    after = solved(of_rows([(1 << 40) + 1, 3], [3, -(1 << 30) - 1]))
    assert not any(isinstance(node, Linear) for node in after.walk())


def test_rows_behind_registers_are_solved():
    x = tuple(Input("x", i, 0, 15) for i in range(2))
    first = tuple(Register(Linear(x, row, 1)) for row in ((3, 5), (-7, 9)))
    second = Linear(first, (5, 3), 2)
    solved(Circuit("deep", (Port("x", x),), (Port("y", (second,)),)))


def test_shifted_operands_become_coefficients():
    x = tuple(Input("x", i, 0, 15) for i in range(2))
    row = Linear((Shl(x[0], 1), x[1]), (1, 2), 0)
    after = solved(Circuit("shifted", (Port("x", x),), (Port("y", (row,)),)))
    assert cost(after).nodes == {"input": 2, "add": 1, "shl": 1}


@pytest.mark.parametrize("method", ["wmc", "mc", "wmc-dc", "mc-pdc", "dummy", "bits"])
def test_every_method_is_exact(method):
    solved(layer(6, 6, 5), method=method, hard_dc=1, decompose_dc=0)


def test_an_unknown_effort_is_refused():
    with pytest.raises(UsageError, match=r"^solve-linear: effort is 'best', not normal or high$"):
        solved(layer(2, 2, 4), method="bits", effort="best")


def test_the_method_that_counts_bits_takes_the_fewest_full_adders():
    rest = parse_pipeline("simplify,merge-sums,compressor-trees")
    adders = {
        method: cost(run_passes(layer(12, 12, 8), (SolveLinear(method=method), *rest))).full_adders
        for method in ("mc", "wmc", "bits")
    }
    assert adders["bits"] < min(adders["mc"], adders["wmc"])


def test_an_unknown_method_is_refused():
    with pytest.raises(UsageError) as caught:
        solved(layer(2, 2, 4), method="best")
    assert caught.value.show() == (
        "error: solve-linear: there is no method 'best'\n"
        "  hint: the methods are wmc, mc, wmc-dc, mc-dc, wmc-pdc, mc-pdc, dummy, bits"
    )


def test_a_wrong_adder_graph_is_caught():
    program = Program(2, ((Ref(0), Ref(1, 1)),), (Ref(2), None))
    program.check([{0: 1, 1: 2}, {}])
    with pytest.raises(PassError, match=r"^the adder graph of row 0 computes another row$"):
        program.check([{0: 1, 1: 3}, {}])
    with pytest.raises(PassError, match=r"^the adder graph of row 1 computes another row$"):
        program.check([{0: 1, 1: 2}, {1: 1}])


def test_the_solver_returns_the_program_of_a_matrix():
    program = solve([{0: 1, 1: 1}, {0: 1, 1: -1}], [IntRange(0, 15)] * 2, Options("wmc", -1, -1))
    assert (program.inputs, len(program.sums), len(program.outputs)) == (2, 2, 2)


def test_csd_digits_add_up_and_are_never_neighbours():
    for value in range(-1100, 1100):
        digits = csd(value)
        assert sum(sign << position for position, sign in digits) == value
        positions = [position for position, _ in digits]
        assert all(b - a >= 2 for a, b in pairwise(positions))
        assert digit_count(value) == len(digits)


SCRIPT = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from test_solve_linear import layer, print_circuit, SolveLinear
print(hashlib.sha256(print_circuit(SolveLinear().run(layer(24, 24, 5))).encode()).hexdigest())
"""


def test_the_result_does_not_depend_on_the_number_of_threads():
    here = Path(__file__).resolve().parent
    seen = set()
    for threads in ("1", "2", "4"):
        path = os.pathsep.join([str(here.parents[1]), os.environ.get("PYTHONPATH", "")])
        variables = os.environ | {"OMP_NUM_THREADS": threads, "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(here)],
            env=variables, capture_output=True, text=True, check=True,
        )  # fmt: skip
        seen.add(done.stdout)
    assert len(seen) == 1
    assert print_circuit(SolveLinear().run(layer(4, 4, 4))) == print_circuit(
        SolveLinear().run(layer(4, 4, 4))
    )


def test_a_search_shares_more_and_finds_the_same_again():
    circuit = layer(6, 6, 6, seed=8)
    counts = []
    for name in ("heaps", "searched", "searched"):
        made = run_passes(circuit, parse_pipeline(name), check_exact(40))
        counts.append(sum(isinstance(node, FullAdder) for node in made.walk()))
    assert counts[1] == counts[2] < counts[0]


@pytest.mark.parametrize("value", [0, 1, -1, 3, -6, 11, 23, 45, -77, 1 << 20])
def test_minimal_forms_are_all_of_the_fewest_digits(value):
    forms = minimal_forms(value)
    count, places = digit_count(value), range(abs(value).bit_length() + 1)
    assert forms[0] == csd(value)
    assert len(set(forms)) == len(forms)
    if value < 100:
        every = {
            tuple(zip(kept, signs, strict=True))
            for kept in combinations(places, count)
            for signs in product((-1, 1), repeat=count)
            if sum(sign << place for place, sign in zip(kept, signs, strict=True)) == value
        }
        assert set(forms) == every


def stage(ops, outputs, shifts=None):
    """A stage of a solution: operations (code, operands, shift), outputs (place, shift, sign)."""
    return SimpleNamespace(
        ops=[SimpleNamespace(opcode=c, addr=a, data=(d,)) for c, a, d in ops],
        inp_shifts=shifts or [0] * 9,
        out_idxs=[i for i, _, _ in outputs],
        out_shifts=[k for _, k, _ in outputs],
        out_negs=[minus for _, _, minus in outputs],
    )


def test_an_operand_that_is_zero_leaves_the_other():
    ops = [(-1, (), 0), (-1, (), 1), (0, (0, 1), 2), (1, (1, 0), 3), (1, (1, 1), 0), (-2, (1,), 0)]
    sums = []
    outputs = [(2, 0, False), (3, 1, True), (-1, 0, False), (4, 0, False), (5, 2, False)]
    found = _stage(stage(ops, outputs), [Ref(7), None], sums, 9)
    # x + 0 << 2 is x; 0 - (x << 3) is -x << 3, of which the opposite twice is wanted.
    assert found == [Ref(7), Ref(7, 4), None, None, None]
    assert sums == []
    found = _stage(stage(ops, outputs, [1, 0]), [Ref(7), Ref(5, 2, True)], sums, 9)
    assert sums == [
        (Ref(7, 1), Ref(5, 4, True)),
        (Ref(5, 2, True), Ref(7, 4, True)),
        (Ref(5, 2, True), Ref(5, 2)),
    ]
    assert found == [Ref(9), Ref(10, 1, True), None, Ref(11), Ref(5, 4)]


def test_an_operation_that_is_not_known_is_refused():
    with pytest.raises(PassError, match=r"^the solver returned an operation with code 5$"):
        _stage(stage([(5, (), 0)], []), [], [], 0)


@pytest.mark.parametrize(
    ("rows", "columns", "effort", "tries", "moves"),
    [
        (2, 2, "normal", 8, 0),
        (2, 2, "high", 8, "all"),
        (30, 12, "high", 8, "share"),
        (30, 12, "normal", 3, 0),
        (60, 20, "normal", 1, 0),
    ],
)
def test_the_search_takes_a_move_for_each_digit_of_small_matrices_and_fewer_of_large_ones(
    monkeypatch, rows, columns, effort, tries, moves
):
    seen = []

    def extract(matrix, ranges, tried, moved):
        seen.append((work(matrix), tried, moved))
        return solve(matrix, ranges, Options("wmc", -1, -1))

    monkeypatch.setattr(solve_linear, "extract", extract)
    solved(layer(rows, columns, 8), method="bits", effort=effort)
    for digits, tried, moved in seen:
        assert (digits <= 400) == (rows == 2)
        assert tried == tries
        wanted = {"all": digits, "share": 160_000 // digits}
        assert moved == wanted.get(moves, moves)
    assert seen
