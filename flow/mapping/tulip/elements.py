"""What processing elements do in a step, exactly: any number of them, 64 samples in a word.

Every bit of an element is an array of unsigned 64-bit words; all operations are bitwise, so a
word holds the same bit of 64 elements that differ only in their activations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flow.mapping.tulip.machine import (
    A_CARRY,
    A_E1,
    A_NOT_CARRY,
    A_ONE,
    A_R3,
    A_SUM,
    A_ZERO,
    BANK,
    BANK_BITS,
    BANKS,
    E0,
    E1,
    NEURON,
    ONE,
    PAIRS,
    ZERO,
    Step,
)

Words = npt.NDArray[np.uint64]


def fires(a: Words, b: Words, c: Words, d: Words, threshold: int) -> Words:
    """[2a + b + c + d >= threshold], bit by bit."""
    found: Words = np.zeros_like(b)
    match threshold:
        case 0:
            found = ~found
        case 1:
            found = a | b | c | d
        case 2:
            found = a | (b & c) | ((b | c) & d)
        case 3:
            found = (a & (b | c | d)) | (b & c & d)
        case 4:
            found = a & ((b & c) | ((b | c) & d))
        case 5:
            found = a & b & c & d
    return found


@dataclass(slots=True)
class Elements:
    """The registers of elements: `neurons` (4, *shape), `held` (2, 3, *shape), `banks`."""

    neurons: Words
    held: Words
    banks: Words

    @classmethod
    def cleared(cls, shape: tuple[int, ...]) -> Elements:
        """Elements with every bit 0."""
        return cls(
            np.zeros((2 * PAIRS, *shape), np.uint64),
            np.zeros((PAIRS, 3, *shape), np.uint64),
            np.zeros((BANKS, BANK_BITS, *shape), np.uint64),
        )

    def step(self, word: Step, e0: Words, e1: Words) -> None:
        """The registers after a step with these external bits, which broadcast to the shape."""
        shape = self.neurons.shape[1:]
        zero = np.zeros(shape, np.uint64)
        sources: dict[int, Any] = {ZERO: zero, ONE: ~zero, E0: e0, E1: e1}
        for index, bank in enumerate(word.banks):
            sources[BANK + index] = self.banks[index, bank.read]
        for index in range(2 * PAIRS):
            sources[NEURON + index] = self.neurons[index]
        answers: list[tuple[int, Words]] = []
        fetched: list[tuple[int, list[Words]]] = []
        for index, pair in enumerate(word.pairs):
            carry, total = self.neurons[2 * index], self.neurons[2 * index + 1]
            if pair.carry:
                seen = [np.broadcast_to(sources[s], shape) for s in pair.operands]
                a = {A_ZERO: zero, A_E1: e1, A_R3: sources[BANK + 3], A_SUM: total}[pair.carry_a]
                b, c, d = seen
                answers.append((2 * index, fires(a, b, c, d, pair.carry_t)))
                fetched.append((index, seen))
            if pair.sum:
                a = {A_ZERO: zero, A_NOT_CARRY: ~carry, A_CARRY: carry, A_ONE: ~zero}[pair.sum_a]
                b, c, d = self.held[index]
                answers.append((2 * index + 1, fires(a, b, c, d, pair.sum_t)))
        # The operands are views of what changes below.
        for index, operands in fetched:
            for place, operand in enumerate(operands):
                self.held[index, place] = operand
        for index, bank in enumerate(word.banks):
            if bank.write:
                self.banks[index, bank.address] = self.neurons[bank.neuron]
        for neuron, answer in answers:
            self.neurons[neuron] = answer
