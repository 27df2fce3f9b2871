"""Every pass, in reading order."""

from __future__ import annotations

from flow.passes.base import Pass
from flow.passes.simplify import Simplify
from flow.passes.solve_linear import SolveLinear

PASSES: tuple[type[Pass], ...] = (Simplify, SolveLinear)
