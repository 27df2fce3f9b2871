"""Roundings below rectifiers, and tables whose entries are stored with another offset."""

import random
from math import gcd

import pytest

from flow.ir.circuit import Circuit, Origin, Port
from flow.ir.nodes import Add, Bits, Const, Input, Linear, Lookup, Relu, Shr
from flow.ir.text import print_circuit
from flow.passes.base import check_exact, run_passes
from flow.passes.offset_tables import OffsetTables, best_offset
from flow.passes.round_first import RoundFirst
from flow.verify.algebra import equal_by_algebra
from flow.verify.passes import mutate_circuit

X = Input("x", 0, -9, 9)


def circuit(*outputs, origins=None):
    return Circuit("c", (Port("x", (X,)),), (Port("y", outputs),), origins or {})


def rounded(constant, shift, factor=1, width=0, row=None):
    relu = Relu(row or Linear((X,), (3,), 1))
    total = Add(relu, Const(constant)) if factor == 1 else Linear((relu,), (factor,), constant)
    return Bits(total, shift, width) if width else Shr(total, shift)


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
@pytest.mark.parametrize("shift", [1, 2, 3])
@pytest.mark.parametrize("width", [0, 2])
def test_a_rounding_goes_below_its_rectifier_and_algebra_proves_it(factor, shift, width):
    for constant in range(1, 1 << shift):
        before = circuit(rounded(constant, shift, factor, width))
        # Every input is tried: there are 19.
        after = run_passes(before, (RoundFirst(),), check_exact(200))
        kinds = {type(node) for node in after.walk()}
        assert Add not in kinds, print_circuit(after)
        assert equal_by_algebra(before, after)
        mutant = mutate_circuit(after, constant)
        assert mutant is None or not equal_by_algebra(before, mutant)


def test_what_is_no_rounding_of_a_rectifier_alone_stays():
    twice = rounded(2, 2)
    for outputs in (
        (rounded(4, 2),),  # Below zero the sum would be 1.
        (rounded(-1, 2),),
        (rounded(3, 2, factor=-1),),
        (rounded(2, 2, row=Linear((X,), (1,), 7)),),  # The sum would have no sign to rectify.
        (twice, twice.x),  # Something else reads the sum.
        (rounded(2, 2, row=Shr(X, 1)),),  # No row that could take the constant.
    ):
        before = circuit(*outputs)
        after = run_passes(before, (RoundFirst(),), check_exact(200))
        assert print_circuit(after) == print_circuit(before)


def test_algebra_does_not_take_a_constant_of_the_whole_step_for_a_rounding():
    row = Linear((X,), (3,), 1)
    wrong = Shr(Relu(Linear((X,), (3,), 5)), 2)
    assert not equal_by_algebra(circuit(Shr(Add(Relu(row), Const(4)), 2)), circuit(wrong))


def test_a_rectifier_whose_value_changed_loses_its_name_and_the_result_keeps_its_own():
    out = rounded(2, 2)
    relu = out.x.a
    origins = {relu: Origin("act", "act", 0), out: Origin("q", "act", 0)}
    after = RoundFirst().run(circuit(out, origins=origins))
    assert list(after.origins.values()) == [Origin("q", "act", 0)]


def test_an_offset_keeps_the_width_and_is_zero_for_one_value():
    assert best_offset((5, 5, 5, 5)) == 0
    # 0 to 3 have two bits and no room: the least entry becomes 0.
    assert best_offset((-4, 0, 4, 8)) == 4
    # From 0 to 5 or from 1 to 6 it takes 52 or 47 nodes and adders, from 2 to 7 it takes 46.
    assert best_offset((4, 4, 5, 0, 3, 5, 4, 1)) == 2


@pytest.mark.parametrize("coefficient", [1, -3])
def test_a_table_that_is_an_output_too_stays(coefficient):
    table = Lookup(X, -9, tuple(k * k - 7 for k in range(-9, 10)))
    row = Linear((table, X), (coefficient, 1), 0)
    alone = run_passes(circuit(row), (OffsetTables(),), check_exact(200))
    (found,) = (node for node in alone.walk() if isinstance(node, Lookup))
    assert min(found.table) >= 0
    assert max(found.table).bit_length() == max(k * k for k in range(10)).bit_length()
    read = circuit(row, table)
    assert print_circuit(OffsetTables().run(read)) == print_circuit(read)


def test_an_offset_keeps_the_width_of_the_entries():
    rng = random.Random(0)
    for _ in range(200):
        step, low = rng.choice([1, 2, 3, 7]), rng.randrange(-40, 40)
        table = tuple(low + step * rng.randrange(12) for _ in range(rng.choice([2, 5, 8, 16])))
        added = best_offset(table)
        if len(set(table)) == 1:
            assert added == 0
            continue
        unit = gcd(*(t - min(table) for t in table))
        levels = [(t - min(table)) // unit for t in table]
        moved = [t + added for t in table]
        assert min(moved) >= 0
        assert all(t % unit == 0 for t in moved)
        assert (max(moved) // unit).bit_length() == max(levels).bit_length()
