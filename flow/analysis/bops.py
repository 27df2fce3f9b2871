"""Bit operations of a layer: what its products and sums cost, whatever the technology.

The measure of Baskin et al., "UNIQ: Uniform Noise Injection for Non-Uniform Quantization of Neural
Networks", ACM TOCS 2021, as Campos et al. use it for trigger networks (ACM TRETS 17(3), 2024).
"""

from __future__ import annotations

from math import log2


def bit_operations(
    fan_in: int, products: int, weight_bits: int, activation_bits: int, pruned: float = 0.0
) -> float:
    """Bit operations of a layer whose sums have `fan_in` terms each, `products` of them in all.

    Each product costs `weight_bits` * `activation_bits`, and its sum both widths and
    log2(fan_in). Products by the share `pruned` of weights, those that are 0, cost their sum only.
    """
    product = (1 - pruned) * weight_bits * activation_bits
    return products * (product + weight_bits + activation_bits + log2(max(1, fan_in)))
