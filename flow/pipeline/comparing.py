"""Comparison of two levels of a design on the same samples, with == only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flow.errors import Mismatch


def require_equal(what: str, got: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise Mismatch with the first sample, port and lane that differ."""
    for port, values in expected.items():
        wrong = np.argwhere(np.asarray(got[port]) != np.asarray(values))
        if len(wrong):
            sample, lane = (int(i) for i in wrong[0])
            raise Mismatch(
                f"{what} gives {got[port][sample, lane]} where the network means "
                f"{values[sample, lane]}",
                where=f"sample {sample}, {port}[{lane}]; {len(wrong)} values differ in all",
                hint="this is a bug of flow: nothing was written; please report it",
            )
