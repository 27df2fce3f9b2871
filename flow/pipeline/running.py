"""A chip in its folder at work: a prompt goes in, pieces of text come out as it says them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flow.errors import UsageError
from flow.frontend.language.byte_pairs import BytePairs
from flow.frontend.language.tokenizer import Tokenizer
from flow.frontend.language.tokenizer_json import tokenizer_of
from flow.ir.language_instructions import Choose
from flow.ir.language_meaning import heat_of
from flow.pipeline.lpu import TOKENIZER, read_chip
from flow.pipeline.reading import read_text
from flow.progress import Progress, silent
from flow.verify.lpu_chip import answers, compiled

HUNDREDTHS = 100
HOTTEST = 100.0
MOST = 100
"""Tokens that a chip says unless more are asked for."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a text begins, how many tokens the chip says, its temperature, and its seed."""

    prompt: str = ""
    tokens: int | None = None
    temperature: float = 0.0
    seed: int = 1


@dataclass(slots=True)
class Running:
    """A chip with a prompt; `begin` is the prompt as the chip reads it."""

    folder: Path
    program: Path
    prompt: list[int]
    tokens: int
    heat: int
    seed: int
    tokenizer: Tokenizer | BytePairs | None
    begin: str
    said: list[int] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    clocks: int = 0
    seconds: float = 0.0

    def told(self) -> Iterator[str]:
        """Pieces of text, one a token; it ends where the model ends the text."""
        import codecs

        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        before = self.prompt[-1]
        start = time.perf_counter()
        heard = answers(
            self.folder, self.program, self.prompt, self.tokens, heat=self.heat,
            seed=self.seed,
        )  # fmt: skip
        for answer in heard:
            self.clocks += answer.clocks
            self.seconds = time.perf_counter() - start
            if answer.token is None:
                continue
            if self.tokenizer is None:
                piece = f" {answer.token}"
            elif answer.token in self.tokenizer.stops:
                break
            else:
                piece = decoder.decode(self.tokenizer.piece(answer.token, before))
            self.said.append(answer.token)
            self.text.append(piece)
            before = answer.token
            yield piece

    def facts(self) -> dict[str, Any]:
        """What was said, and how fast."""
        return {
            "text": self.begin + "".join(self.text), "prompt": self.prompt, "tokens": self.said,
            "clocks": self.clocks, "seconds": round(self.seconds, 3),
            "tokens_per_second": round(self.rate, 3),
        }  # fmt: skip

    @property
    def rate(self) -> float:
        """Tokens a second, those of the prompt with them."""
        done = len(self.prompt) - 1 + len(self.said)
        return done / self.seconds if self.seconds else 0.0

    def summary(self) -> str:
        """The last line of a run."""
        done = len(self.prompt) - 1 + len(self.said)
        return (
            f"{len(self.said)} tokens after {len(self.prompt)} of the prompt: "
            f"{self.rate:.1f} tokens/s in Verilator, {self.clocks // max(1, done)} clocks a token"
        )


def open_chip(folder: Path, options: RunOptions, progress: Progress = silent) -> Running:
    """The chip of a build, compiled; UsageError for what is no chip or cannot be asked for."""
    facts = read_chip(folder)
    positions = int(facts["positions"])
    tokens = min(MOST, positions) if options.tokens is None else options.tokens
    if not 1 <= tokens <= positions:
        raise UsageError(
            f"--tokens {tokens} is not from 1 to {positions}",
            hint="the caches of the chip hold that many",
        )
    if not 0 <= options.temperature <= HOTTEST:
        raise UsageError(f"--temperature {options.temperature:g} is not from 0 to {HOTTEST:g}")
    if not 1 <= options.seed < 1 << 32:
        raise UsageError(f"--seed {options.seed} is not from 1 to {(1 << 32) - 1}")
    tokenizer = _tokenizer(folder, int(facts["vocabulary"]))
    prompt = [int(facts.get("begin", 1))]
    if tokenizer is not None:
        prompt = tokenizer.encode(options.prompt) or prompt
    elif options.prompt:
        raise UsageError(
            "the chip has no tokenizer, so it can be told no text", where=folder.name,
            hint="build it with --tokenizer, or leave --prompt out",
        )  # fmt: skip
    if len(prompt) > positions:
        raise UsageError(
            f"the prompt has {len(prompt)} tokens, the caches hold {positions}",
            hint="give a shorter one",
        )
    heat = 0
    if hundredths := round(options.temperature * HUNDREDTHS):
        heat = heat_of(Choose("", int(facts["heat"]), 0), hundredths)
    progress("Verilator compiles the chip, once")
    program = compiled(folder)
    return Running(
        folder, program, prompt, tokens, heat, options.seed, tokenizer,
        tokenizer.decode(prompt) if tokenizer is not None else "",
    )  # fmt: skip


def _tokenizer(folder: Path, vocabulary: int) -> Tokenizer | BytePairs | None:
    if not (folder / TOKENIZER).is_file():
        return None
    table = json.loads(read_text(folder / TOKENIZER))
    if "model" in table:
        return tokenizer_of(table, vocabulary, TOKENIZER)
    pieces = tuple(piece.encode("latin-1") for piece in table["pieces"])
    return Tokenizer(pieces, tuple(table["scores"]))
