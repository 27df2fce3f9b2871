"""Schedules of neurons: steps beside their bound, registers, and what they compute."""

import numpy as np
import pytest

from flow.errors import UnsupportedModel
from flow.mapping.tulip.allocate import allocate, program
from flow.mapping.tulip.bound import count_bound, first_last_adder
from flow.mapping.tulip.elements import Elements, fires
from flow.mapping.tulip.machine import BANK, BANK_BITS, BANKS, WORD_BITS, Step, encode
from flow.mapping.tulip.operations import (
    add_program,
    and_program,
    compare_program,
    or_program,
    relu_program,
)
from flow.mapping.tulip.plan import neuron_program
from flow.mapping.tulip.schedule import Bit, Schedule, count_schedule

ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
ZERO = np.zeros(1, np.uint64)


def words(rng, count):
    return rng.integers(0, 1 << 32, (count, 2, 1)).astype(np.uint64) << np.uint64(31)


def lanes(values):
    return (values[..., None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)


def run(programs, products, rest, levels):
    """The answer of an element to products (words) and the constant `rest`."""
    element = Elements.cleared((1,))
    pairs = iter(products.reshape(-1, 2, 1))
    constants = iter(range(levels))
    for made in programs:
        for step in made.steps:
            e0 = e1 = ZERO
            if step.take:
                e0, e1 = next(pairs)
            if step.constant:
                e0 = ONES * np.uint64(rest >> next(constants) & 1) + ZERO
                e1 = ONES * np.uint64(rest >> levels & 1) + ZERO
            element.step(step, e0, e1)
    assert next(pairs, None) is None
    return element.neurons[0]


@pytest.mark.parametrize(
    ("inputs", "steps", "bound"),
    [(9, 10, 10), (27, 21, 20), (72, 46, 44), (144, 84, 81), (288, 156, 154), (512, 271, 267),
     (576, 302, 299), (1152, 592, 588)],
)  # fmt: skip
def test_a_neuron_takes_these_steps_with_its_comparison(inputs, steps, bound):
    made = neuron_program((inputs + 1) // 2, inputs.bit_length(), False, True)
    assert (len(made), count_bound(inputs).steps) == (steps, bound)
    assert steps <= 1.15 * bound
    assert made.live <= 16


def test_every_fan_in_keeps_within_fifteen_percent_of_its_bound():
    for inputs in range(9, 130):
        steps = count_schedule((inputs + 1) // 2, inputs.bit_length()).steps
        bound = count_bound(inputs).steps
        assert bound <= steps <= 1.15 * bound, inputs


def test_the_bound_of_nine_inputs_is_that_of_a_count_by_hand():
    # Ten bits enter column 0 at two in a step: five adders, the last one after two sums.
    assert first_last_adder(10) == 7
    # Columns of 10, 6, 4 and 3 bits have 5, 3, 2 and 1 adders; each column's last needs no sum.
    bound = count_bound(9)
    assert (bound.evaluations, bound.by_evaluations, bound.by_dependences) == (18, 5, 10)


@pytest.mark.parametrize("inputs", [1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 32, 63])
def test_the_answer_is_whether_the_count_reaches_the_threshold(inputs):
    rng = np.random.default_rng(inputs)
    levels = inputs.bit_length()
    made = neuron_program((inputs + 1) // 2, levels, False, True)
    for threshold in sorted({0, 1, inputs // 2, inputs, inputs + 1}):
        products = words(rng, (inputs + 1) // 2).reshape(-1, 1)
        products[inputs:] = 0
        got = run([made], products, (1 << levels) - threshold, levels)
        want = lanes(products).sum(axis=0) >= threshold
        assert (lanes(got) == want).all(), threshold


@pytest.mark.parametrize("chunks", [(3, 4), (8, 1, 6), (40, 40)])
def test_chunks_accumulate_to_the_same_count(chunks):
    pairs = sum(chunks)
    levels = (2 * pairs).bit_length()
    rng = np.random.default_rng(pairs)
    last = len(chunks) - 1
    made = [neuron_program(n, levels, k > 0, k == last) for k, n in enumerate(chunks)]
    for threshold in (0, pairs - 1, pairs, pairs + 1, 2 * pairs):
        products = words(rng, pairs).reshape(-1, 1)
        got = run(made, products, (1 << levels) - threshold, levels)
        assert (lanes(got) == (lanes(products).sum(axis=0) >= threshold)).all()


@pytest.mark.parametrize("pairs", [5, 36, 144])
def test_no_register_is_written_while_it_is_read_and_every_port_serves_once(pairs):
    schedule = count_schedule(pairs, (2 * pairs).bit_length())
    cells = allocate(schedule)
    for step in range(1, schedule.steps + 1):
        reads = [cells[b][0] for b in cells for use in b.uses if use == step > b.ready]
        writes = [cells[b][0] for b in cells if b.ready == step]
        live = [cells[b] for b in cells if b.ready < step <= b.last]
        for taken in (reads, writes, live):
            assert len(set(taken)) == len(taken), step
    assert max(address for _, address in cells.values()) < BANK_BITS
    made = program("count", schedule)
    for step in made.steps:
        banks = {s - BANK for p in step.pairs for s in p.operands if BANK <= s < BANK + BANKS}
        assert len(banks) <= BANKS


def test_a_spill_is_refused():
    crowd = tuple(Bit(k % 4, 1 + k // 4, [200 + k // 4]) for k in range(72))
    schedule = Schedule((), 300, crowd, ())
    with pytest.raises(UnsupportedModel) as error:
        allocate(schedule)
    assert error.value.message == "bank 0 has no register left in step 17 of 300"
    assert error.value.hint == "a neuron of so many inputs needs smaller chunks"


def test_every_threshold_is_that_of_the_weighted_sum():
    a, b, c, d = (np.array([n >> k & 1 for n in range(16)], np.uint64) for k in range(4))
    for threshold in range(8):
        want = 2 * a + b + c + d >= threshold
        got = fires(a, b, c, d, threshold) & np.uint64(1)
        assert (got == want).all(), threshold


def test_an_empty_step_is_a_word_of_zeros():
    assert encode(Step()) == 0
    assert encode(Step(end=True)) == 1 << (WORD_BITS - 1)


def word(bank, width, first=0):
    return [((bank + k) % BANKS, first + k // BANKS) for k in range(width)]


def put(element, cells, values):
    for k, (bank, address) in enumerate(cells):
        bits = [value >> k & 1 for value in values]
        element.banks[bank, address, 0] = sum(bit << lane for lane, bit in enumerate(bits))


def get(element, cells, count):
    return [
        sum(int(element.banks[b, a, 0] >> np.uint64(lane) & np.uint64(1)) << k
            for k, (b, a) in enumerate(cells))
        for lane in range(count)
    ]  # fmt: skip


def execute(element, made, constant=0):
    rest = constant
    for step in made.steps:
        e0 = ZERO
        if step.constant:
            e0, rest = (ONES if rest & 1 else np.uint64(0)) + ZERO, rest >> 1
        element.step(step, e0, ZERO)


def test_words_are_added_with_a_carry_and_a_sum_in_each_step():
    a, b, out = word(0, 5), word(1, 5, 4), word(0, 6)
    x, y = [0, 31, 17, 5, 30], [0, 31, 14, 27, 1]
    element = Elements.cleared((1,))
    put(element, a, x)
    put(element, b, y)
    made = add_program(a, b, out)
    execute(element, made)
    assert get(element, out, 5) == [i + j for i, j in zip(x, y, strict=True)]
    assert len(made) == 8


def test_a_word_is_compared_with_a_constant_one_bit_in_a_step():
    element, cells = Elements.cleared((1,)), word(2, 4)
    put(element, cells, range(16))
    for threshold in range(1, 16):
        execute(element, compare_program(cells), 16 - threshold)
        got = [int(lane) for lane in lanes(element.neurons[0])[0, :16]]
        assert got == [int(value >= threshold) for value in range(16)]


def test_relu_keeps_what_reaches_the_threshold():
    for threshold in (1, 6, 15):
        element, cells, out = Elements.cleared((1,)), word(0, 4), word(1, 4, 8)
        put(element, cells, range(16))
        made = relu_program(cells, out, threshold)
        execute(element, made)
        assert get(element, out, 16) == [v if v >= threshold else 0 for v in range(16)]
        assert len(made) == 9


def test_gates_of_four_registers_take_one_step():
    cells = [(bank, 3) for bank in range(4)]
    for threshold, want in ((5, lambda v: v == 15), (1, lambda v: v > 0)):
        element = Elements.cleared((1,))
        put(element, cells, range(16))
        execute(element, and_program(cells, threshold))
        got = [int(lane) for lane in lanes(element.neurons[0])[0, :16]]
        assert got == [int(want(value)) for value in range(16)]


def test_pooling_takes_one_step_for_each_bit():
    element = Elements.cleared((1,))
    taps = [np.array([0b0011], np.uint64), np.array([0b0100], np.uint64), ZERO]
    for step, tap in zip(or_program(3).steps, taps, strict=True):
        assert step.own
        element.step(step, tap, ZERO)
    assert element.neurons[0, 0] == 0b0111
