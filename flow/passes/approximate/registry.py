"""Every approximation, in the order in which they make sense, and their text form."""

from __future__ import annotations

from flow.passes.approximate.coefficients import ReplaceCoefficients
from flow.passes.approximate.columns import TruncateColumns
from flow.passes.approximate.merge_signals import MergeSignals
from flow.passes.approximate.prune_gates import PruneGates
from flow.passes.approximate.significance import SkipInsignificant
from flow.passes.approximate.trim_gates import TrimGates
from flow.passes.pipeline_text import parse_items

AnyApproximation = (
    ReplaceCoefficients
    | SkipInsignificant
    | TruncateColumns
    | PruneGates
    | MergeSignals
    | TrimGates
)

NETWORK_APPROXIMATIONS = (
    ReplaceCoefficients,
    SkipInsignificant,
    TruncateColumns,
)
"""What changes the numbers of a network."""

GATE_APPROXIMATIONS = (PruneGates, MergeSignals, TrimGates)
"""What changes gates; these come after all others."""


def parse_approximations(text: str) -> tuple[AnyApproximation, ...]:
    """The approximations that a text names: `skip-insignificant{kept=1},trim-gates{lost=9}`.

    Raises UsageError that names the item, with the known names and the closest of them.
    """
    kinds: dict[str, type[AnyApproximation]] = {
        kind.name: kind for kind in (*NETWORK_APPROXIMATIONS, *GATE_APPROXIMATIONS)
    }
    return tuple(parse_items(text, kinds, "approximations"))
