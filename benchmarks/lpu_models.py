"""Part of the benchmark of language models: stories260K as codes, and as integers throughout."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice

import numpy as np
from cases import Options
from common import ROOT, Row

from flow.frontend.language.coded_models import calibrated_model, coded_model
from flow.frontend.language.llama import drawn, logits
from flow.frontend.language.llama2c import LlamaWeights
from flow.frontend.language.measures import nearness, perplexity
from flow.frontend.language.read import read_language
from flow.ir.language import Code
from flow.ir.language_meaning import told
from flow.pipeline.config import CodeRounding
from flow.pipeline.language import (
    Accuracy,
    LanguageOptions,
    accuracy,
    import_language,
    own_story,
)
from flow.pipeline.language_facts import read_text, windows

SHARED = ROOT.parent / "shared"
MODEL = SHARED / "models" / "stories260K" / "stories260K.bin"
TEXT = SHARED / "datasets_text" / "tinyshakespeare.txt"
STORY = 257
CALIBRATION = 6
"""Drawn stories that weights alone are calibrated on; none is the story that is measured."""
HELD = 8
"""Drawn stories that no model was taught or measured on."""
HELD_SEED = 1000
TOKENS = 200
FORMS: tuple[tuple[Code, CodeRounding], ...] = (
    ("fp4", "taught"), ("fp4", "nearest"), ("int4", "taught"), ("ternary", "taught"),
    ("mxfp4", "nearest"),
)  # fmt: skip


def models(options: Options) -> Iterable[list[Row]]:
    """stories260K with weights of few values, alone and in the integer model."""
    if options.report or not MODEL.is_file():
        return
    model = read_language(MODEL)
    for code, rounding in FORMS[:1] if options.quick else FORMS:
        if options.only in f"integer model {code} {rounding}":
            yield integers(model, code, rounding)
    if not options.quick and options.only in "weights alone":
        yield from weights(model)


def integers(model: LlamaWeights, code: Code, rounding: CodeRounding) -> list[Row]:
    """The integer model beside the float one on three kinds of text, and its own story."""
    start = time.process_time()
    language = import_language(MODEL, LanguageOptions(code, rounding))
    took = time.process_time() - start
    name = f"integer model, {code} {rounding}"
    held = drawn(model, HELD, STORY, HELD_SEED)
    texts = {
        "own greedy story": np.array(own_story(model, STORY)),
        "drawn stories": held,
        "tinyshakespeare": windows(language, read_text(language, TEXT)),
    }
    rows = []
    for text, tokens in texts.items():
        bound = 0.9 if (code, rounding, text) == ("fp4", "taught", "own greedy story") else None
        rows += _rows(f"{name}, {text}", accuracy(language, tokens), bound)
    start = time.process_time()
    story = list(islice(told(language.program, [1]), TOKENS))
    ran = time.process_time() - start
    float_story = own_story(model, TOKENS + 1)[1:]
    same = next((i for i, (a, b) in enumerate(zip(story, float_story, strict=True)) if a != b),
                TOKENS)  # fmt: skip
    rows += [
        Row(f"stories260K: {name}, tokens before its story leaves the float model's", same,
            "tokens"),
        Row(f"stories260K: {name}, {TOKENS} tokens in numpy", ran, "s of CPU",
            reach="under 60 s", met=ran < 60),
        Row(f"stories260K: {name}, from file to program", took, "s of CPU"),
    ]  # fmt: skip
    if code == "fp4" and rounding == "taught" and language.tokenizer is not None:
        rows[-3].note = language.tokenizer.decode([1, *story])
    return rows


def _rows(name: str, found: Accuracy, bound: float | None) -> list[Row]:
    agreement = found.nearness.agreement
    return [
        Row(f"stories260K: agreement, {name}", agreement, "of argmax",
            reach=f"at least {bound:.2f}" if bound else "",
            met=agreement >= bound if bound else None),
        Row(f"stories260K: divergence, {name}", found.nearness.divergence, "nats"),
        Row(f"stories260K: perplexity, {name}", found.perplexity, "", "float", found.reference),
    ]  # fmt: skip


def weights(model: LlamaWeights) -> Iterable[list[Row]]:
    """Weights alone as codes, everything else float, on the model's own story."""
    story = own_story(model, STORY)
    reference = logits(model, story[:-1])
    texts = drawn(model, CALIBRATION, STORY - 1, 0)
    note = "weights only, classifier too; embedding and activations float"
    forms = {
        "FP4, least squares": coded_model(model, "fp4"),
        "FP4, calibrated on drawn stories": calibrated_model(model, "fp4", texts.tolist()),
        "MXFP4 blocks": coded_model(model, "mxfp4"),
        "4-bit integers, least squares": coded_model(model, "int4"),
    }
    for name, found in forms.items():
        answered = logits(found.real, story[:-1])
        near = nearness(reference, answered)
        yield [
            Row(f"stories260K: agreement, {name}", near.agreement, "of argmax", note=note),
            Row(f"stories260K: divergence, {name}", near.divergence, "nats", note=note),
            Row(f"stories260K: perplexity, {name}", perplexity(answered, story), "",
                "float", perplexity(reference, story), note=note),
        ]  # fmt: skip
