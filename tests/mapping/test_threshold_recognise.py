"""Threshold functions are recognised: counted, told from others, and given small weights."""

import ctypes
import math
import random
from collections import Counter
from itertools import combinations_with_replacement, pairwise

import numpy as np
import pytest

from flow.errors import UsageError
from flow.ir.threshold import ThresholdGate
from flow.mapping.threshold.collapse import merge_ratio, merged
from flow.mapping.threshold.native import compiled
from flow.mapping.threshold.recognise import canonical, recognise

COUNTS = {0: 2, 1: 4, 2: 14, 3: 104, 4: 1882, 5: 94_572, 6: 15_028_134}
"""Threshold functions of at most n inputs: sequence A000609 of the OEIS."""
CLASSES = {1: 1, 2: 2, 3: 5, 4: 17, 5: 92, 6: 994}
"""Those that need exactly n inputs, up to their order and inversions."""
LARGEST_WEIGHT = {1: 1, 2: 1, 3: 2, 4: 3, 5: 5, 6: 9}


def flags(table, inputs):
    return np.array([table >> m & 1 for m in range(1 << inputs)], dtype=bool)


def orbit(groups):
    """How many functions a class has: by orders of unequal inputs, and by inversions."""
    sizes = Counter(groups).values()
    orders = math.factorial(len(groups)) // math.prod(map(math.factorial, sizes))
    return orders << len(groups)


def functions_of(classes, inputs):
    """Functions of at most so many inputs, from the sizes of the classes of exactly n."""
    exactly = {n: sum(map(orbit, found)) for n, found in classes.items()}
    return 2 + sum(math.comb(inputs, n) * exactly[n] for n in exactly if n <= inputs)


@pytest.mark.parametrize("inputs", [0, 1, 2, 3])
def test_every_function_of_three_inputs_is_told(inputs):
    found = [recognise(table, inputs) for table in range(1 << (1 << inputs))]
    assert sum(gate is not None for gate in found) == COUNTS[inputs]
    for table, gate in enumerate(found):
        assert gate is None or gate.table() == table


@pytest.mark.tool("compiler")
def test_the_functions_of_four_inputs_are_counted_by_the_mapper_and_found_by_the_recogniser():
    is_threshold = compiled("cover").is_threshold
    words = (ctypes.c_uint64 * 4)()
    found = []
    for table in range(1 << 16):
        for k in range(4):
            words[k] = table * 0x0001000100010001
        if is_threshold(words, 4):
            found.append(table)
    assert len(found) == COUNTS[4]
    chosen = random.Random(1).sample(found, 150)
    assert all(recognise(table, 4).table() == table for table in chosen)
    others = random.Random(2).sample(sorted(set(range(1 << 16)) - set(found)), 150)
    assert all(recognise(table, 4) is None for table in others)


def classes_by_weights(inputs, cap):
    """The canonical groups of all functions of falling weights up to a cap, of all inputs."""
    found = {}
    for rising in combinations_with_replacement(range(1, cap + 1), inputs):
        weights = rising[::-1]
        sums = np.zeros(1, dtype=np.int64)
        for w in weights:
            sums = np.concatenate([sums, sums + w])
        for threshold in range(1, sum(weights) + 1):
            key = np.packbits(sums >= threshold).tobytes()
            if key not in found:
                found[key] = canonical(sums >= threshold)
    return {form.table: form.groups for form in found.values() if len(form.groups) == inputs}


def test_classes_up_to_four_inputs_and_their_largest_weights_are_those_published():
    classes = {n: classes_by_weights(n, LARGEST_WEIGHT[n]) for n in range(1, 5)}
    assert {n: len(found) for n, found in classes.items()} == {n: CLASSES[n] for n in classes}
    sizes = {n: list(found.values()) for n, found in classes.items()}
    assert [functions_of(sizes, n) for n in range(1, 5)] == [COUNTS[n] for n in range(1, 5)]
    for n, found in classes.items():
        tables = [int.from_bytes(raw, "little") for raw in found]
        assert max(max(recognise(t, n).weights) for t in tables) == LARGEST_WEIGHT[n]


@pytest.mark.campaign
def test_classes_of_five_and_six_inputs_and_their_largest_weights_are_those_published():
    classes = {n: classes_by_weights(n, LARGEST_WEIGHT[n]) for n in range(1, 7)}
    assert {n: len(found) for n, found in classes.items()} == CLASSES
    sizes = {n: list(found.values()) for n, found in classes.items()}
    assert [functions_of(sizes, n) for n in range(1, 7)] == [COUNTS[n] for n in range(1, 7)]
    for n in (5, 6):
        for raw in classes[n]:
            table = int.from_bytes(raw, "little")
            assert recognise(table, n).table() == table
        assert (
            max(max(recognise(int.from_bytes(raw, "little"), n).weights) for raw in classes[n])
            == LARGEST_WEIGHT[n]
        )


@pytest.mark.parametrize(
    ("inputs", "holds"),
    [
        (2, lambda x: x[0] != x[1]),
        (4, lambda x: (x[0] and x[1]) or (x[2] and x[3])),
        (3, lambda x: (x[0] and x[1]) or (not x[0] and x[2])),
        (9, lambda x: sum(x) % 2 == 1),
    ],
    ids=["exclusive or", "two products", "multiplexer", "parity of nine"],
)
def test_functions_that_no_weights_part_are_refused(inputs, holds):
    points = ([m >> i & 1 for i in range(inputs)] for m in range(1 << inputs))
    table = sum(bool(holds(x)) << m for m, x in enumerate(points))
    assert recognise(table, inputs) is None


def test_the_weights_are_the_smallest():
    # x0 and not x1, or x0 and not x2
    assert recognise(ThresholdGate((2, -1, -1), 1).table(), 3) == ThresholdGate((2, -1, -1), 1)
    assert recognise(ThresholdGate((9, 4, 4, 5, 0), 11).table(), 5) == ThresholdGate(
        (2, 1, 1, 1, 0), 3
    )
    assert recognise(0, 3) == ThresholdGate((0, 0, 0), 1)
    assert recognise(255, 3) == ThresholdGate((0, 0, 0), 0)


@pytest.mark.parametrize("seed", range(8))
def test_random_gates_are_found_again(seed):
    rng = random.Random(seed)
    inputs = 5 + seed if seed < 6 else 12
    gate = ThresholdGate(tuple(rng.randint(-7, 7) for _ in range(inputs)), rng.randint(-4, 8))
    found = recognise(gate.table(), inputs)
    assert found is not None
    assert found.table() == gate.table()


def test_functions_of_one_class_have_one_form():
    one = canonical(flags(ThresholdGate((3, -1, 2, 1), 2).table(), 4))
    other = canonical(flags(ThresholdGate((1, 2, 3, 1), 3).table(), 4))
    assert (one.table, one.groups) == (other.table, other.groups)
    assert all(a <= b for a, b in pairwise(one.groups))


def test_tables_of_too_many_inputs_are_refused():
    with pytest.raises(UsageError) as error:
        recognise(0, 17)
    assert error.value.message == "a table of 17 inputs is not looked at"


def test_the_published_collapse_finds_the_ratio_that_is_right_and_no_other():
    lower, upper = ThresholdGate((4, 3), 5), ThresholdGate((2, 1), 3)
    assert merge_ratio(lower, (1,), 2, 3) == (1, 3)

    def composed(a, b, c):
        return upper.answer((lower.answer((a, b)), c))

    points = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    right, wrong = ThresholdGate((4, 3, 3), 8), ThresholdGate((4, 3, 1), 6)
    assert [right.answer(p) for p in points] == [composed(*p) for p in points]
    assert [wrong.answer(p) for p in points] != [composed(*p) for p in points]
    gate = merged(((0, 1), lower), 2, ((2, 3), upper), None)
    assert gate == ((0, 1, 3), ThresholdGate((1, 1, 1), 3))


def test_gates_whose_merged_function_is_no_threshold_function_stay_apart():
    # (a and b) or (c and d): c and d is read by a weight that a and b would need too.
    both = ((0, 1), ThresholdGate((1, 1), 2))
    either = ((2, 3, 4), ThresholdGate((2, 1, 1), 2))
    assert merged(both, 2, either, None) is None
    assert merge_ratio(both[1], (1, 1), 2, 2) is None
