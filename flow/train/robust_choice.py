"""How strong regularisers are: chosen on samples that are kept back, with faults and without.

Strong faults in training cost accuracy where there are none, the more so the smaller a network is.
So a few mixtures are trained on most samples and judged on the others, as printed circuits are
used: some whole, some with stuck or spread weights.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flow.progress import Progress, silent
from flow.train.dataset import ByteArray
from flow.train.robust import RobustOptions, options_for, train_robust
from flow.train.table import IntArray
from flow.train.weight_faults import accuracies

STRENGTHS = ((0.15, 0.3), (0.1, 0.1), (0.05, 0.1), (0.02, 0.05))
"""Shares of stuck weights, and spreads, that are tried together."""
KEPT = 4
"""One sample of so many is kept back."""
STUCK, SPREAD, DRAWS = 0.1, 0.3, 20


def choose_options(
    names: str,
    levels: ByteArray,
    y: IntArray,
    classes: int,
    input_bits: int,
    options: RobustOptions,
    progress: Progress = silent,
) -> RobustOptions:
    """The options of regularisers by name, like `options_for`, with the strengths that do best.

    Sizes, bits, steps and seed are those of `options`. What counts is the mean of the accuracy on
    the samples kept back without faults, and with each kind of fault that is named. UsageError
    where there is no such regulariser.
    """
    named = options_for(names, options.hidden)
    first = replace(
        options, quantisation=named.quantisation, faults=named.faults,
        variability=named.variability,
    )  # fmt: skip
    tried = list(
        dict.fromkeys(
            replace(
                first, faults=share if named.faults else 0.0,
                variability=spread if named.variability else 0.0,
            )
            for share, spread in STRENGTHS
        )
    )  # fmt: skip
    if len(tried) == 1 or len(y) < 2 * KEPT:
        return first
    kept = np.zeros(len(y), dtype=bool)
    kept[np.random.default_rng(options.seed).permutation(len(y))[: len(y) // KEPT]] = True
    scores = []
    for number, each in enumerate(tried):
        progress("mixtures of regularisers", number, len(tried))
        net = train_robust(levels[~kept], y[~kept], classes, input_bits, each)
        held = levels[kept], y[kept]
        found = [accuracies(net, *held, draws=1).mean()]
        if named.faults:
            found.append(accuracies(net, *held, share=STUCK, draws=DRAWS).mean())
        if named.variability:
            found.append(accuracies(net, *held, sigma=SPREAD, draws=DRAWS).mean())
        scores.append(float(np.mean(found)))
    return tried[int(np.argmax(scores))]
