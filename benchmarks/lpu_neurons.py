"""Part of the benchmark of language models: weights of few values against float."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from cases import Options
from common import ROOT, Row

from flow.frontend.language.coded_models import calibrated_model, coded_model
from flow.frontend.language.llama import greedy, logits, sampled
from flow.frontend.language.llama2c import read_llama2c
from flow.frontend.language.measures import nearness, perplexity

STORY = 257
CALIBRATION = 6
"""Drawn stories that the weights are calibrated on; none is the story that is measured."""


def models(options: Options) -> Iterable[list[Row]]:
    """stories260K with FP4 weights, one scale a neuron, on its own greedy story."""
    path = ROOT.parent / "shared" / "models" / "stories260K" / "stories260K.bin"
    if options.report or not path.is_file():
        return
    model = read_llama2c(path)
    story = [1, *islice(greedy(model, [1]), STORY - 1)]
    reference = logits(model, story[:-1])
    drawn = [[1, *islice(sampled(model, [1], seed), 255)] for seed in range(CALIBRATION)]
    note = "weights only, classifier too; embedding and activations float"
    forms = {
        "FP4, least squares": coded_model(model, "fp4"),
        "FP4, calibrated on drawn stories": calibrated_model(model, "fp4", drawn),
        "MXFP4 blocks": coded_model(model, "mxfp4"),
        "4-bit integers, least squares": coded_model(model, "int4"),
    }
    for name, found in forms.items():
        answered = logits(found.real, story[:-1])
        near = nearness(reference, answered)
        ours = name.startswith("FP4")
        yield [
            Row(f"stories260K: agreement, {name}", near.agreement, "of argmax",
                reach="at least 0.90" if ours else "",
                met=near.agreement >= 0.9 if ours else None, note=note),
            Row(f"stories260K: divergence, {name}", near.divergence, "nats", note=note),
            Row(f"stories260K: perplexity, {name}", perplexity(answered, story), "",
                "float", perplexity(reference, story), note=note),
        ]  # fmt: skip
