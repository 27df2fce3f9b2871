"""Masked sums, tournaments and gates as circuits: only the bits that are read have nodes."""

from itertools import product
from math import prod

import numpy as np
import pytest

from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.layers import Gates, Input, MaskedDense, Tournament
from flow.ir.network import Network, evaluate_network
from flow.ir.nodes import Bits, Select
from flow.ir.nodes import Input as Wire
from flow.ir.tensor import fractions, tensor_type
from flow.ir.text import print_circuit
from flow.passes.base import run_passes
from flow.passes.lower_approximate import _canonical, fields, gathered, runs
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipelines import CANONICAL

ONE = fractions(1, ())


def lowered(*layers, lo=0, hi=15, size=2):
    entry = Input("x", (), "", tensor_type((size,), lo, hi), fractions(0, (size,)))
    network = Network("net", (entry, *layers), (layers[-1].name,))
    circuit = run_passes(LowerLayers().run(network), CANONICAL)
    return print_circuit(circuit).split("\n", 2 + size)[-1]


@pytest.mark.parametrize(
    ("mask", "fields"),
    [(0, []), (1, [(0, 1)]), (0b1101, [(0, 1), (2, 2)]), (0b110, [(1, 2)]), (255, [(0, 8)])],
)
def test_the_runs_of_a_mask(mask, fields):
    assert runs(mask) == fields


def test_a_masked_product_is_fields_of_its_input():
    weights, masks = np.array([[-4], [3]]), np.array([[0b1011], [15]])
    layer = MaskedDense("y", ("x",), "", weights, masks, np.array([[0b111000], [-1]]),
                        np.array([2]), ONE)  # fmt: skip
    # Of -4 (x & 11), bits 3 to 5 stay: bits 1 and 3 of x.
    assert lowered(layer) == (
        "%2 = bits %0, 1, 1 : [0, 1]\n"
        "%3 = shr %0, 3 : [0, 1]\n"
        "%4 = linear (%2, %3, %1), (-8, -32, 3), 2 : [-38, 47] @ y acc 0\n"
        "in x = %0, %1\n"
        "out y = %4\n"
    )


def test_a_product_by_no_power_of_two_is_made_and_then_cut():
    layer = MaskedDense("y", ("x",), "", np.array([[5], [0]]), np.array([[15], [15]]),
                        np.array([[0b1110000], [-1]]), np.array([0]), ONE)  # fmt: skip
    assert lowered(layer) == (
        "%2 = linear (%0), (5), 0 : [0, 75]\n"
        "%3 = shr %2, 4 : [0, 4]\n"
        "%4 = shl %3, 4 : [0, 64] @ y acc 0\n"
        "in x = %0, %1\n"
        "out y = %4\n"
    )


def test_a_winner_carries_the_bits_that_later_comparators_read():
    layer = Tournament("y", ("x",), "", ((0, 1, 0b1100), (3, 2, 0b1001)))
    # The first comparator reads bits 2 and 3, its winner is carried as bits 0 and 3.
    text = lowered(layer, size=3)
    assert text == (
        "%3 = shr %0, 2 : [0, 3]\n"
        "%4 = shr %1, 2 : [0, 3]\n"
        "%5 = compare %3, %4, lt : [0, 1]\n"
        "%6 = bits %1, 0, 1 : [0, 1]\n"
        "%7 = shr %1, 3 : [0, 1]\n"
        "%8 = concat (%6, %7), (1, 1) : [0, 3]\n"
        "%9 = bits %0, 0, 1 : [0, 1]\n"
        "%10 = shr %0, 3 : [0, 1]\n"
        "%11 = concat (%9, %10), (1, 1) : [0, 3]\n"
        "%12 = select %5, %8, %11 : [0, 3]\n"
        "%13 = bits %2, 0, 1 : [0, 1]\n"
        "%14 = shr %2, 3 : [0, 1]\n"
        "%15 = concat (%13, %14), (1, 1) : [0, 3]\n"
        "%16 = compare %12, %15, lt : [0, 1]\n"
        "%17 = const 2 : [2, 2]\n"
        "%18 = select %16, %17, %5 : [0, 2] @ y index 0\n"
        "in x = %0, %1, %2\n"
        "out y = %18\n"
    )


def test_a_tournament_of_signed_numbers_compares_their_signs():
    layer = Tournament("y", ("x",), "", ((0, 1, -4),))
    assert lowered(layer, lo=-8, hi=7) == (
        "%2 = shr %0, 2 : [-2, 1]\n"
        "%3 = shr %1, 2 : [-2, 1]\n"
        "%4 = compare %2, %3, lt : [0, 1] @ y index 0\n"
        "in x = %0, %1\n"
        "out y = %4\n"
    )


def test_gates_are_ands_of_single_bits():
    layer = Gates("y", ("x",), "", (4, 4), ((2, 11),), ((18, 7), (1,)), ONE)
    assert lowered(layer) == (
        "%2 = bits %1, 0, 1 : [0, 1]\n"
        "%3 = const 0 : [0, 0]\n"
        "%4 = compare %2, %3, eq : [0, 1]\n"
        "%5 = bits %0, 0, 1 : [0, 1]\n"
        "%6 = and %4, %5 : [0, 1]\n"
        "%7 = bits %0, 2, 1 : [0, 1]\n"
        "%8 = compare %7, %3, eq : [0, 1]\n"
        "%9 = concat (%6, %8), (1, 1) : [0, 3] @ y word 0\n"
        "%10 = const 1 : [1, 1]\n"
        "in x = %0, %1\n"
        "out y = %9, %10\n"
    )


def equals_its_network(network, lows, highs):
    """Every input of few values, or many random ones."""
    circuit = LowerLayers().run(network)
    spans = [range(lo, hi + 1) for lo, hi in zip(lows, highs, strict=True)]
    if prod(map(len, spans)) <= 4096:
        values = np.array(list(product(*spans)))
    else:
        values = np.random.default_rng(0).integers(lows, np.array(highs) + 1, (500, len(lows)))
    wanted = evaluate_network(network, {"x": values})["y"]
    assert np.array_equal(evaluate(circuit, {"x": values})["y"], wanted.reshape(len(values), -1))


def entry(lows, highs):
    tensor = tensor_type((len(lows),), np.array(lows), np.array(highs))
    return Input("x", (), "", tensor, fractions(0, (len(lows),)))


def test_tournaments_of_elements_of_several_widths_are_those_of_their_networks():
    for seed in range(40):
        require_tournament(seed)


def require_tournament(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 5))
    signed = seed % 2
    lows = [int(rng.integers(-9, 1)) * signed for _ in range(count)]
    highs = [int(rng.choice([1, 3, 6, 15])) for _ in range(count)]
    rounds, alive = [], list(range(count))
    while len(alive) > 1:
        left, right = alive.pop(0), alive.pop(0)
        mask = int(rng.integers(-12, 0)) if rng.random() < 0.3 else int(rng.integers(0, 40))
        rounds.append((left, right, mask))
        alive.append(count + len(rounds) - 1)
    layer = Tournament("y", ("x",), "", tuple(rounds))
    equals_its_network(Network("net", (entry(lows, highs), layer), ("y",)), lows, highs)


@pytest.mark.parametrize(
    ("mask", "lines"),
    [
        # All bits of the wider element are read, those above it are not there: nothing is cut.
        (15, ["%2 = compare %0, %1, lt : [0, 1] @ y index 0"]),
        (31, ["%2 = compare %0, %1, lt : [0, 1] @ y index 0"]),
        (3, ["%2 = bits %1, 0, 2 : [0, 3]", "%3 = compare %0, %2, lt : [0, 1] @ y index 0"]),
    ],
)
def test_bits_above_the_widest_element_are_not_there(mask, lines):
    network = Network("net", (entry([0, 0], [3, 15]), Tournament("y", ("x",), "", ((0, 1, mask),))),
                      ("y",))  # fmt: skip
    text = print_circuit(run_passes(LowerLayers().run(network), CANONICAL)).splitlines()
    assert text[4:-2] == lines


def test_masked_sums_are_those_of_their_networks():
    for seed in range(20):
        require_masked_sums(seed)


def require_masked_sums(seed):
    rng = np.random.default_rng(seed)
    highs = [int(v) for v in rng.choice([1, 3, 7, 12], 3)]
    shape = (3, 2)
    keep = np.where(rng.random(shape) < 0.4, -1, rng.integers(0, 128, shape))
    layer = MaskedDense("y", ("x",), "", rng.integers(-9, 10, shape), rng.integers(0, 16, shape),
                        keep, rng.integers(-9, 10, 2), ONE)  # fmt: skip
    equals_its_network(Network("net", (entry([0] * 3, highs), layer), ("y",)), [0] * 3, highs)


WIRES = ((0, 15), (0, 9), (0, 1), (-8, 7), (-3, 2), (-1, 0))


def values(lo, hi, *nodes):
    """What the nodes give for every value of the wire x."""
    x = next(n for n in Circuit("c", (), (Port("y", nodes),)).walk() if isinstance(n, Wire))
    found = evaluate(Circuit("c", (Port("x", (x,)),), (Port("y", nodes),)),
                     {"x": np.arange(lo, hi + 1)[:, None]})  # fmt: skip
    return found["y"].astype(int).T


def same_order(a, b):
    return np.array_equal(np.sign(np.subtract.outer(a, a)), np.sign(np.subtract.outer(b, b)))


@pytest.mark.parametrize(("lo", "hi"), WIRES)
def test_gathered_bits_are_ordered_as_masked_values_and_lie_side_by_side(lo, hi):
    x = Wire("x", 0, lo, hi)
    for mask in range(-20, 40):
        made = gathered(x, mask, Builder())
        every = Circuit("c", (), (Port("y", (made,)),)).walk()
        cuts = [node for node in every if isinstance(node, Bits)]
        if lo >= 0:
            assert all(cut.low + cut.width <= x.range.width for cut in cuts)
            own = mask % (1 << x.range.width)
            assert made.range.hi < 1 << own.bit_count()
        if any(isinstance(node, Wire) for node in Circuit("c", (), (Port("y", (made,)),)).walk()):
            (found,) = values(lo, hi, made)
            assert same_order(found, np.arange(lo, hi + 1) & mask)


@pytest.mark.parametrize(("lo", "hi"), [(0, 15), (0, 9), (0, 1)])
def test_the_fields_of_a_mask_add_up_to_what_it_keeps(lo, hi):
    x = Wire("x", 0, lo, hi)
    for mask in range(1, 40):
        parts = fields(x, mask, Builder())
        assert sum(((1 << node.range.width) - 1) << low for node, low in parts) == (
            mask & (1 << x.range.width) - 1
        )
        if parts:
            found = values(lo, hi, *(node for node, _ in parts))
            total = sum(own << low for own, (_, low) in zip(found, parts, strict=True))
            assert np.array_equal(total, np.arange(lo, hi + 1) & mask)
    assert fields(x, 1 << x.range.width, Builder()) == []


@pytest.mark.parametrize("bounds", [((0, 15),), ((-8, 7),), ((-4, 3), (0, 7)), ((0, 3), (0, 1))])
def test_a_mask_becomes_the_least_that_orders_values_alike(bounds):
    row = [Wire("x", k, lo, hi) for k, (lo, hi) in enumerate(bounds)]
    every = np.unique(np.concatenate([np.arange(lo, hi + 1) for lo, hi in bounds]))
    for mask in range(64):
        least = next(m for m in range(64) if same_order(every & m, every & mask))
        whole = min(lo for lo, _ in bounds) >= 0 and same_order(every, every & mask)
        assert _canonical(mask, row) == (-1 if whole else least)
    assert [_canonical(mask, row) for mask in (-1, -4)] == [-1, -4]


def test_a_winner_carries_no_bit_that_nobody_reads():
    first, last = 0b1100, 0b0100
    layer = Tournament("y", ("x",), "", ((0, 1, first), (3, 2, last)))
    network = Network("net", (entry([0] * 3, [15] * 3), layer), ("y",))
    circuit = run_passes(LowerLayers().run(network), CANONICAL)
    # One bit of the winner, and the index.
    assert [n.range.width for n in circuit.walk() if isinstance(n, Select)] == [1, 2]
