"""Which linear rows are solved together."""

from __future__ import annotations

import random

from flow.ir.nodes import Input, Linear
from flow.passes.linear.group import group_rows


def test_positions_of_a_large_convolution_are_one_matrix_in_any_order_of_terms():
    rng = random.Random(0)
    kernel = [[rng.randint(-99, 99) for _ in range(25)] for _ in range(8)]
    rows = []
    for place in range(120):
        lanes = [Input("x", 25 * place + i, 0, 7) for i in range(25)]
        order = rng.sample(range(25), 25)
        for coefficients in rng.sample(kernel, 8):
            rows.append(
                Linear(tuple(lanes[i] for i in order), tuple(coefficients[i] for i in order), 0)
            )
    found = {
        tuple(
            tuple(dict(zip(row.terms, row.coefficients, strict=True))[x] for x in group.columns)
            for row in group.rows
        )
        for group in group_rows(rows)
    }
    assert len(found) == 1
