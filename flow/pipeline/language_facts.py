"""What a language model becomes and how accurate it is: the work of check and eval on one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.files import guards
from flow.frontend.files.npy import parse_npy
from flow.frontend.language.program import real_scores
from flow.ir.language_meaning import answers
from flow.pipeline.language import (
    Accuracy,
    Language,
    LanguageOptions,
    accuracy,
    import_language,
    own_story,
)
from flow.progress import Progress, silent

WINDOW, WINDOWS = 256, 8
"""Tokens of a piece of a text that is measured at once, and the most pieces."""
NPY = b"\x93NUMPY"


@dataclass(frozen=True, slots=True)
class LanguageFacts:
    """A row for each array of the program, accuracy by text, and notes."""

    arrays: list[dict[str, Any]]
    accuracy: dict[str, Accuracy]
    notes: list[str]


def examine_language(
    path: Path, options: LanguageOptions, data: Path | None, progress: Progress = silent
) -> LanguageFacts:
    """Arrays of a language model, and its accuracy on its own greedy story and on `data`."""
    language = import_language(path, options, progress)
    text = None if data is None else read_text(language, data)
    progress("measuring accuracy")
    found = {"own greedy story": accuracy(language, own_story(language.source))}
    if data is not None and text is not None:
        found[data.name] = accuracy(language, windows(language, text))
    return LanguageFacts(_rows(language), found, [*_sizes(language), *language.notes])


def answer_language(
    path: Path, options: LanguageOptions, data: Path, progress: Progress = silent
) -> tuple[NDArray[np.float64], LanguageFacts]:
    """Logits `[tokens, vocabulary]` of the integer program after each token of the begin of a
    text, and facts with the accuracy on it."""
    language = import_language(path, options, progress)
    text = read_text(language, data)[: language.program.positions]
    progress("running the program")
    scores = real_scores(language.program, answers(language.program, text))
    found = {data.name: accuracy(language, text)}
    return scores, LanguageFacts(_rows(language), found, [*_sizes(language), *language.notes])


def read_text(language: Language, path: Path) -> NDArray[np.int64]:
    """Tokens of an .npy of integers, or of a UTF-8 text by the tokenizer; at least two."""
    where = path.name
    if guards.read_head(path, len(NPY)) == NPY:
        found = parse_npy(guards.read_bytes(path), where)
        whole = found.ndim == 1 and found.dtype.kind in "iu"
        if not whole or not ((found >= 0) & (found < language.program.vocabulary)).all():
            raise UsageError(
                "the array does not hold tokens", where=where,
                hint=f"give integers from 0 to {language.program.vocabulary - 1} in a row",
            )  # fmt: skip
        tokens = found.astype(np.int64)
    else:
        tokens = _encoded(language, path)
    if len(tokens) < 2:
        raise UsageError("the text has fewer than two tokens", where=where, hint="give more text")
    return tokens


def windows(language: Language, text: NDArray[np.int64]) -> NDArray[np.int64]:
    """The begin of a text as rows of equal length, each after the token that begins texts."""
    size = min(WINDOW, language.program.positions, len(text))
    begin = language.source.begin
    pieces = text[text != begin]
    count = min(WINDOWS, len(pieces) // (size - 1))
    rows = pieces[: count * (size - 1)].reshape(count, size - 1)
    return np.concatenate([np.full((count, 1), begin), rows], axis=1)


def _encoded(language: Language, path: Path) -> NDArray[np.int64]:
    if language.tokenizer is None:
        raise UsageError(
            "a text needs the tokenizer of its model", where=path.name,
            hint="give --tokenizer, or tokens as an .npy",
        )  # fmt: skip
    # A token is at most a few bytes; what is not read is not measured.
    head = guards.read_head(path, 16 * WINDOW * WINDOWS)[: 4 * WINDOW * WINDOWS]
    try:
        text = head.decode("utf-8", "ignore" if len(head) == 4 * WINDOW * WINDOWS else "strict")
    except UnicodeDecodeError as error:
        raise UsageError(
            "the data is neither UTF-8 text nor an .npy", where=path.name, hint="give one of them"
        ) from error
    return np.array(language.tokenizer.encode(text), np.int64)


def _rows(language: Language) -> list[dict[str, Any]]:
    rows = []
    for array in language.program.arrays:
        rows.append(
            {
                "array": array.name,
                "neurons": array.outputs,
                "inputs": array.inputs,
                "code": array.code,
                "weights": array.weights.size,
                "zeros": f"{100 * float((array.weights == 0).mean()):.1f} %",
                "bits of a sum": array.bound.bit_length() + 1,
            }
        )
    return rows


def _sizes(language: Language) -> list[str]:
    shape, program = language.source.shape, language.program
    hardwired = sum(array.weights.size for array in program.arrays)
    cached = program.positions * sum(cache.size for cache in program.caches)
    family = "a Llama"
    if shape.experts > 1:
        family = f"a gpt-oss with {shape.active_experts} of {shape.experts} experts a token"
    return [
        f"{family} of {shape.layers} layers, {shape.hidden} wide, {shape.heads} heads on "
        f"{shape.kv_heads}, {program.vocabulary} tokens, {program.positions} positions",
        f"{hardwired} hardwired weights in {len(program.arrays)} arrays, {cached} bytes of keys "
        f"and values, {len(program.instructions)} instructions a token",
    ]
