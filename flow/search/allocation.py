"""One choice for each layer, so that the losses add up to the least within limits.

The integer program of Yao et al., "HAWQ-V3: Dyadic Neural Network Quantization", ICML 2021: a
binary variable for each layer and choice, one choice a layer, a limit for each resource. HiGHS
solves it (Huangfu and Hall, Mathematical Programming Computation 10, 2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flow.errors import UsageError


@dataclass(frozen=True, slots=True)
class Choice:
    """Widths that a layer may have, what they lose, and what they take of each resource.

    `read_loss` is the part of the loss that comes of what the layer reads.
    """

    weight_bits: int
    activation_bits: int
    loss: float
    costs: Mapping[str, float]
    read_loss: float = 0.0

    def weighed(self, part: float) -> float:
        """The loss, of which that of the weights counts for this part."""
        return part * (self.loss - self.read_loss) + self.read_loss


def allocate(
    layers: Sequence[Sequence[Choice]], limits: Mapping[str, float], part: float = 1.0
) -> tuple[Choice, ...]:
    """The choice of each layer with the least sum of losses, no resource above its limit.

    The losses of weights count for `part`: retraining takes some of them back. Of equal sums any.
    UsageError where no choice keeps the limits.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    for name, limit in limits.items():
        least = sum(min(c.costs[name] for c in choices) for choices in layers)
        if least > limit:
            raise UsageError(
                f"no widths keep {name} at {limit:,.0f}: the narrowest take {least:,.0f}",
                hint="raise the limit, or allow narrower widths",
            )
    every = [c for choices in layers for c in choices]
    owner = np.repeat(np.arange(len(layers)), [len(choices) for choices in layers])
    one = (owner == np.arange(len(layers))[:, None]).astype(float)
    constraints = [LinearConstraint(one, 1, 1)]
    for name, limit in limits.items():
        # In units of the limit, so that the tolerance of the solver means the same for each.
        row = np.array([c.costs[name] for c in every])[None, :]
        constraints.append(LinearConstraint(row / (limit or 1.0), -np.inf, 1.0 if limit else 0.0))
    losses = np.array([c.weighed(part) for c in every])
    scale = float(np.abs(losses).max(initial=0.0)) or 1.0
    solved = milp(
        losses / scale, constraints=constraints, integrality=np.ones(len(every)),
        bounds=Bounds(0, 1), options={"mip_rel_gap": 0.0},
    )  # fmt: skip
    if solved.x is None:
        raise UsageError("no widths keep all limits together", hint="raise one of them")
    chosen = np.flatnonzero(solved.x > 0.5)
    return tuple(every[i] for i in chosen.tolist())
