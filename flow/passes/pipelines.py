"""Named pipelines of passes on circuits, with the reason where an order matters."""

from __future__ import annotations

from collections.abc import Mapping

from flow.passes.base import Pass
from flow.passes.simplify import Simplify
from flow.passes.solve_linear import SolveLinear

CANONICAL: tuple[Pass, ...] = (Simplify(),)
"""The same function in fewer nodes; linear rows stay as they are."""

ADDERS: tuple[Pass, ...] = (
    # Drops zero coefficients and constant terms, so that equal rows look equal to the solver.
    Simplify(),
    SolveLinear(),
    # Moves the biases into comparisons and removes negations that met a sum.
    Simplify(),
)
"""Linear rows as shared adders: the usual way to hardware."""

PIPELINES: Mapping[str, tuple[Pass, ...]] = {"canonical": CANONICAL, "adders": ADDERS}
"""By the name that stands for them in a pipeline text."""
