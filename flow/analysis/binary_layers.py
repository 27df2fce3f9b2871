"""The binary layers of a Network whose hidden values are bits: weights, fan-ins and thresholds."""

from __future__ import annotations

from flow.ir.binary import ABSENT, INPUT, BinaryLayer, Neurons, OrPool, Scores, Wiring

__all__ = ["ABSENT", "INPUT", "BinaryLayer", "Neurons", "OrPool", "Scores", "Wiring"]
