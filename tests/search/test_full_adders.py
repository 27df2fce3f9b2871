"""Full adders by the count of the papers, against one written down column by column."""

import numpy as np

from flow.search.full_adders import full_adders
from flow.search.space import Space


def _by_columns(space, genome):
    """The same count for one genome, bit by bit."""
    total = 0
    for g in space.layers(space.canonical(genome)):
        for masks, weights, bias in zip(g.masks[0], g.weights()[0], g.bias[0], strict=True):
            if not masks.any():
                continue
            widths = []
            for sign in (1, -1):
                terms = [
                    int(m * abs(w)) for m, w in zip(masks, weights, strict=True) if w * sign > 0
                ]
                terms.append(max(0, sign * int(bias)))
                columns = [sum(t >> c & 1 for t in terms) for c in range(60)]
                for c in range(59):
                    while columns[c] >= 3:
                        adders = columns[c] // 3
                        columns[c] -= 2 * adders
                        columns[c + 1] += adders
                        total += adders
                widths.append(sum(terms).bit_length())
            total += max(widths) + 1
    return total


def test_the_count_is_that_of_the_papers_without_their_three_slips():
    space = Space(6, (3,), 3, hidden_bits=4, exponents=4)
    rng = np.random.default_rng(3)
    genomes = rng.integers(space.lower, space.upper + 1, size=(20, space.genes))
    assert full_adders(space, genomes).tolist() == [_by_columns(space, g) for g in genomes]


def test_three_bits_in_a_column_are_one_adder_and_the_subtraction():
    space = Space(3, (), 2, input_bits=1, exponents=0, bias_bits=1)
    genome = np.zeros(space.genes, np.int64)
    space.layers(genome)[0].masks[0, 0] = 1
    # One full adder, and a subtraction of width 2 + 1; the other score is constant.
    assert full_adders(space, genome).tolist() == [1 + 3]
