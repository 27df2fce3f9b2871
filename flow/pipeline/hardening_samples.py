"""The samples on which a build measures the harm of faults, to choose what is hardened."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flow.ir.netlist import Netlist
from flow.pipeline.fault_harm import coded_samples, judged
from flow.pipeline.judging import Judge
from flow.pipeline.state import State, have
from flow.tech.technology import Technology


def hardening_samples(
    state: State, netlist: Netlist, technology: Technology
) -> tuple[NDArray[np.uint8], Judge]:
    """Those of --calibrate where they have labels, else those of --data, else random vectors.

    Without labels, what the circuit answers without faults is right.
    """
    network, emission = have(state.network), have(state.emission)
    samples = state.samples
    labels = None if samples is None else samples.labels
    inputs = state.given_inputs
    if state.config.calibrate is not None:
        classes = None if samples is None else samples.classes
        coded, known = coded_samples(network, emission, state.config.calibrate, classes)
        if known is not None:
            inputs, labels = coded, known
    return judged(network, emission, netlist, technology, inputs, labels)
