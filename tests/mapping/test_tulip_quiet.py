"""Quiet steps of the array: what nothing looks at does not change, and all else stays as it is."""

from itertools import pairwise

import numpy as np

from flow.mapping.tulip.elements import Elements
from flow.mapping.tulip.machine import BANK, BankStep, PairStep, Step, encode, quiet
from flow.mapping.tulip.operations import or_program
from flow.mapping.tulip.plan import neuron_program


def test_an_idle_step_keeps_every_field_but_the_enables():
    busy = Step(
        (PairStep((BANK, 3, 4), 1, 2, True, 1, 3, True), PairStep()),
        (BankStep(5, 6, 1, True), BankStep(), BankStep(), BankStep()),
    )
    (first, second) = quiet((busy, Step()))
    assert first == busy
    assert second.pairs[0] == PairStep((BANK, 3, 4), 1, 2, False, 1, 3, False)
    assert second.banks[0] == BankStep(5, 6, 1, False)


def test_quiet_steps_leave_the_same_bits_everywhere_and_change_fewer_fields():
    random = np.random.default_rng(2)
    for program in (neuron_program(37, 7, False, True), neuron_program(20, 8, True, False),
                    or_program(9)):  # fmt: skip
        loud, still = Elements.cleared((1,)), Elements.cleared((1,))
        steps = quiet(program.steps)
        assert program.words == tuple(encode(step) for step in steps)
        for one, other in zip(program.steps, steps, strict=True):
            e = random.integers(0, 1 << 64, (2, 1), np.uint64)
            loud.step(one, *e)
            still.step(other, *e)
            for name in ("neurons", "held", "banks"):
                assert (getattr(loud, name) == getattr(still, name)).all()
        turns = [
            sum((encode(a) ^ encode(b)).bit_count() for a, b in pairwise(given))
            for given in (program.steps, steps)
        ]
        assert turns[1] < turns[0] or program.name.startswith("or")
