"""A language model file becomes a language program, and how near that is to the float model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.language.byte_pairs import BytePairs
from flow.frontend.language.coded_models import CodedLlama, calibrated_model, coded_model
from flow.frontend.language.distil import Teaching, taught_model
from flow.frontend.language.llama import drawn, greedy, logits
from flow.frontend.language.llama2c import LlamaWeights
from flow.frontend.language.measures import Nearness, nearness, perplexity
from flow.frontend.language.program import language_program, real_scores
from flow.frontend.language.read import read_language, tokenizer_beside
from flow.frontend.language.tokenizer import Tokenizer
from flow.ir.language import Code, LanguageProgram
from flow.ir.language_meaning import answers
from flow.pipeline.config import BuildConfig, CodeRounding
from flow.progress import Progress, silent

MOST_TAUGHT = 1 << 20
"""Weights of a model that is taught unless something else is asked for."""
MOST_CALIBRATED = 1 << 22
TEXTS, TOKENS = 128, 256
"""Texts that the float model draws for teaching, and tokens of each."""
MEASURED = 8
"""Texts of them that steps of activations, and calibrated weights, are taken from."""
STORY = 256
"""Tokens of the model's own story on which nearness is measured."""


@dataclass(frozen=True, slots=True)
class LanguageOptions:
    """The code of weights, how they are rounded to it, the tokenizer, and the seed of texts."""

    code: Code = "fp4"
    rounding: CodeRounding = "auto"
    tokenizer: Path | None = None
    seed: int = 0


def options_of(config: BuildConfig) -> LanguageOptions:
    """What a configuration says of a language model."""
    return LanguageOptions(config.code, config.rounding, config.tokenizer, config.seed)


@dataclass(frozen=True, slots=True)
class Language:
    """A model as a program, its tokenizer where there is one, and where both came from."""

    source: LlamaWeights
    coded: CodedLlama
    program: LanguageProgram
    tokenizer: Tokenizer | BytePairs | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How near the program is to the float model on a text, and the perplexity of both."""

    nearness: Nearness
    perplexity: float
    reference: float


def import_language(path: Path, options: LanguageOptions, progress: Progress = silent) -> Language:
    """The program of a language model file; equal files and options give equal programs.

    UsageError for what is damaged, UnsupportedModel for what is no small Llama or gpt-oss.
    """
    progress("reading the language model")
    model = read_language(path)
    tokenizer = tokenizer_beside(path, model.shape.vocabulary, options.tokenizer)
    with _one_thread(), np.errstate(over="ignore", invalid="ignore"):
        coded, notes = _coded(model, options, progress)
        progress("measuring activations")
        texts = _drawn(model, MEASURED, options.seed + 1)
        program = language_program(coded, texts.tolist(), _name(path))
    if tokenizer is None:
        notes = (*notes, "no tokenizer lies beside the model: texts are given as tokens")
    return Language(model, coded, program, tokenizer, notes)


def own_story(model: LlamaWeights, tokens: int = STORY) -> list[int]:
    """The greedy story of the float model after the token that begins texts."""
    return [model.begin, *islice(greedy(model, [model.begin]), tokens - 1)]


def accuracy(language: Language, texts: Sequence[int] | NDArray[np.int64]) -> Accuracy:
    """How near the program is to the float model after each token of a text, or of rows of them."""
    found = np.asarray(texts, np.int64)
    read = found[..., :-1]
    with _one_thread(), np.errstate(over="ignore"):
        reference = logits(language.source, read)
        scores = real_scores(language.program, answers(language.program, read))
    return Accuracy(
        nearness(reference, scores), perplexity(scores, found), perplexity(reference, found)
    )


def _coded(
    model: LlamaWeights, options: LanguageOptions, progress: Progress
) -> tuple[CodedLlama, tuple[str, ...]]:
    rounding, code = options.rounding, options.code
    if rounding == "auto":
        rounding = _affordable(model)
        if code == "mxfp4":
            rounding = "nearest"
    elif rounding == "taught" and not model.plain:
        raise UsageError(
            "weights are taught to a plain Llama only",
            hint="experts, sinks, biases and YaRN go with nearest or calibrated",
        )
    elif code == "mxfp4" and rounding != "nearest":
        raise UsageError(
            f"mxfp4 weights are not {rounding}", hint="mxfp4 goes with the rounding nearest"
        )
    experts = any(layer.router is not None for layer in model.layers)
    exact = ("experts keep their MXFP4 weights exactly",) if experts else ()
    if rounding == "nearest":
        progress("rounding the weights")
        return coded_model(model, code), ("weights are rounded to the nearest code", *exact)
    progress("drawing texts from the float model")
    if rounding == "calibrated":
        texts = _drawn(model, MEASURED, options.seed)
        found = calibrated_model(model, code, texts.tolist())
        return found, (f"weights are calibrated on {MEASURED} texts that the model drew", *exact)
    texts = _drawn(model, TEXTS, options.seed)
    found = taught_model(model, code, texts, Teaching(seed=options.seed), progress)
    return found, (f"weights are taught on {TEXTS} texts that the model drew",)


def _affordable(model: LlamaWeights) -> CodeRounding:
    if model.shape.total <= MOST_TAUGHT and model.plain:
        return "taught"
    return "calibrated" if model.shape.total <= MOST_CALIBRATED else "nearest"


def _drawn(model: LlamaWeights, texts: int, seed: int) -> NDArray[np.int64]:
    return drawn(model, texts, min(TOKENS, model.shape.positions), seed)


def _name(path: Path) -> str:
    stem = path.resolve().parent.name if path.name == "config.json" else path.stem
    return stem or "language"


def _one_thread() -> AbstractContextManager[Any]:
    """Products of this size are slower on several threads, which wait for each other."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits
