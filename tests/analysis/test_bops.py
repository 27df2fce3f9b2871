"""Bit operations of layers, against the published figures of a jet tagger."""

from flow.analysis.bops import bit_operations

TAGGER = ((16, 64), (64, 32), (32, 32), (32, 5))


def layers(weight_bits, reads):
    return [
        bit_operations(n, n * m, weight_bits, a) for (n, m), a in zip(TAGGER, reads, strict=True)
    ]


def test_the_tagger_has_4652832_bit_operations_at_32_bits():
    assert sum(layers(32, (32, 32, 32, 32))) == 4_652_832


def test_layers_of_the_tagger_have_the_published_bit_operations_at_narrow_widths():
    # Inputs of 16 bits, and activations of three bits more than the weights.
    assert layers(2, (16, 5, 5, 5)) == [55_296, 47_104, 22_528, 3_520]
    assert layers(4, (16, 7, 7, 7)) == [90_112, 92_160, 45_056, 7_040]
    assert layers(8, (16, 11, 11, 11)) == [159_744, 231_424, 114_688, 17_920]


def test_pruned_products_cost_their_sums_only():
    assert bit_operations(8, 8, 4, 4, pruned=1.0) == 8 * (4 + 4 + 3)
    assert bit_operations(8, 8, 4, 4, pruned=0.5) == 8 * (8 + 4 + 4 + 3)


def test_a_sum_of_one_term_has_no_additions():
    assert bit_operations(1, 3, 2, 5) == 3 * (10 + 7)
