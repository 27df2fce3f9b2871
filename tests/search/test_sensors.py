"""The converters of a candidate's inputs count into its area."""

import numpy as np
import pytest

from flow.search.costs import Cost
from flow.search.sensors import SensorAreas, SensorEstimate, converter_costs
from flow.search.space import Space
from flow.tech.flash_adc import converter, flash_parts

SPACE = Space(inputs=3, hidden=(2,), classes=2, hidden_bits=2, exponents=2, bias_bits=6)


def genome(neurons, outputs=(0, 1)):
    """Neurons as (masks, bias, bits); class 1 reads those of `outputs`."""
    found = np.zeros((1, SPACE.genes), np.int64)
    first, last = SPACE.layers(found)
    first.bits[...] = 1
    for row, (masks, bias, bits) in enumerate(neurons):
        first.alive[0, row] = 1
        first.masks[0, row] = masks
        first.bias[0, row] = bias
        first.bits[0, row] = bits
    for row in outputs:
        last.masks[0, 1, row] = 1
    return found


def um2(comparators, gates):
    return round(comparators * flash_parts().comparator_um2 + gates * flash_parts().gate_um2)


def test_a_neuron_of_one_input_needs_the_thresholds_at_which_it_changes():
    # max(0, min(1, x - 10)): one threshold, 11.
    assert converter_costs(SPACE, genome([([15, 0, 0], -10, 1)], (0,)))[0].area == um2(1, 0)
    # x - 10 from 0 to 3: thresholds 11, 12, 13, of which bits 3, 2, 1, 0 are in 3, 2, 0, 2.
    wide = converter_costs(SPACE, genome([([15, 0, 0], -10, 2)], (0,)))[0]
    assert wide.area == um2(3, 2 + 1 + 0 + 1)
    assert wide.leakage == 3 * 46067 + 4 * 19964


def test_a_neuron_of_several_inputs_needs_the_bits_that_it_reads():
    area = converter_costs(SPACE, genome([([8, 0, 12], -1, 1)], (0,)))[0].area
    wanted = [converter(4, 8), converter(4, 12)]
    assert area == um2(sum(len(c.thresholds) for c in wanted), sum(c.gates for c in wanted))


def test_neurons_share_the_comparators_of_an_input():
    both = genome([([15, 0, 0], -10, 1), ([15, 0, 0], -3, 1)])
    assert converter_costs(SPACE, both)[0].area == um2(2, 0)  # 4 = 0100 and 11 = 1011
    dead = both.copy()
    SPACE.layers(dead)[0].alive[0, 1] = 0
    assert converter_costs(SPACE, dead)[0].area == um2(1, 0)


class Fixed:
    """Circuits of 1000 um2, and an estimate that hands on what it was fitted to."""

    def genomes(self, space, genomes):
        return [Cost(1000, 10)] * len(genomes)

    def networks(self, networks):
        return [Cost(1000, 10)] * len(networks)

    def fit(self, space, genomes, areas):
        return np.array(areas, dtype=np.float64)

    def areas(self, space, genomes, coefficients):
        return np.asarray(coefficients, dtype=np.int64)


def test_costs_and_estimates_have_the_converters_on_top():
    genomes = np.concatenate([genome([([15, 0, 0], -10, 1)], (0,)), genome([([8, 0, 8], -1, 1)])])
    costs = SensorAreas(Fixed()).genomes(SPACE, genomes)
    assert [cost.area for cost in costs] == [1000 + um2(1, 0), 1000 + um2(2, 0)]
    assert costs[0].leakage == 10 + 46067
    networks = [SPACE.network(genome) for genome in genomes]
    assert SensorAreas(Fixed()).networks(networks) == costs
    estimate = SensorEstimate(Fixed())
    mapped = np.array([cost.area for cost in costs])
    coefficients = estimate.fit(SPACE, genomes, mapped)
    assert coefficients.tolist() == [1000.0, 1000.0]
    assert estimate.areas(SPACE, genomes, coefficients).tolist() == mapped.tolist()


@pytest.mark.parametrize("bits", [1, 3, 5])
def test_the_bits_of_an_input_are_those_of_the_space(bits):
    space = Space(inputs=1, hidden=(1,), classes=2, input_bits=bits)
    found = np.zeros((1, space.genes), np.int64)
    first, last = space.layers(found)
    first.masks[...], first.alive[...], first.bits[...] = (1 << bits) - 1, 1, 8
    last.masks[...] = 1
    whole = converter(bits, (1 << bits) - 1)
    assert converter_costs(space, found)[0].area == um2(len(whole.thresholds), whole.gates)
