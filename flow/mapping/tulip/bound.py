"""Lower bounds on the steps of a neuron, for every schedule of full and half adders on a PE.

The class: any network of full and half adders that counts N products and the bits of a constant,
each in its column of binary weight, and whose answer is the carry of the top column. Adding is two
evaluations, the carry and, a step later or more, the sum that needs it; an adder whose sum nobody
reads is one. Nothing is said of networks that are not made of adders.

1. Evaluations. A column with m bits has at least m // 2 adders: each takes at most three bits out
   and gives one back, and in the end at most one is left. Each adder of column j gives a bit to
   column j + 1. With m(0) = N + 1 and m(j + 1) = m(j) // 2 + 1, where the one is the constant's
   bit, column j has at least m(j) // 2 adders, by induction; one of them, the last, needs no sum.
   So there are at least sum over j of 2 * (m(j) // 2) - 1 evaluations, at four in a step.
2. Dependence. Let t be the step in which the last adder of column 0 starts. Its carry is read by
   an adder of column 1 in step t + 1 or later, and so on: the answer is known in step
   t + levels - 1 at the earliest. `counted(u)` is an upper bound on the external bits below an
   adder that starts in step u. Bits that came in steps u - 1 and u are operands of it themselves,
   for a sum needs two steps; with d of them there are 3 - d others, sums that started in step
   u - 2 or before. With d = 3 there are 3 bits; with d = 2 one sum: 2 + counted(u - 2); with d < 2
   no more than d and all that came by step u - 2, two in a step. All N + 1 bits are below the last
   adder of column 0, so counted(t) >= N + 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from flow.mapping.tulip.machine import EXTERNALS, PAIRS


@dataclass(frozen=True, slots=True)
class Bound:
    """Steps below which no schedule comes: by the evaluations, and by the dependences."""

    evaluations: int
    by_evaluations: int
    by_dependences: int

    @property
    def steps(self) -> int:
        """The larger of both."""
        return max(self.by_evaluations, self.by_dependences)


def count_bound(inputs: int) -> Bound:
    """The bounds for one neuron of so many inputs (at least 1), with its comparison."""
    levels = inputs.bit_length()
    evaluations, bits = 0, inputs + 1
    for _ in range(levels):
        evaluations += 2 * (bits // 2) - 1
        bits = bits // 2 + 1
    per_step = 2 * PAIRS
    return Bound(
        evaluations, -(-evaluations // per_step), first_last_adder(inputs + 1) + levels - 1
    )


def first_last_adder(bits: int) -> int:
    """The first step in which an adder can have that many external bits below it."""
    counted = [0, EXTERNALS, 3]
    while counted[-1] < bits:
        step = len(counted)
        before = EXTERNALS * (step - 2)
        counted.append(max(3, 2 + counted[step - 2], 1 + before))
    return next(step for step, most in enumerate(counted) if most >= bits)
