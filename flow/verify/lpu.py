"""Checks a chip: what every instruction writes, whole stories, and the clocks they take."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from flow.errors import ToolFailed, ToolNotFound
from flow.ir.language_instructions import Choose, Store
from flow.ir.language_meaning import Machine, heat_of, told
from flow.mapping.lpu.assemble import Assembly
from flow.mapping.lpu.clocks import silent_clocks, token_clocks
from flow.verify.lpu_chip import Answer, answers, compiled
from flow.verify.verdict import Verdict, tool_verdict

LAYERS = "every instruction in Verilator = integer model"
GREEDY = "greedy story in Verilator = integer model"
DRAWN = "drawn story in Verilator = integer model"
CLOCKS = "clocks of the RTL = cycle model"
TEMPERATURE, SEED = 100, 7
"""Of the drawn story, in hundredths."""


def check_chip(
    folder: Path, assembly: Assembly, prompt: Sequence[int], tokens: int, drawn: int
) -> tuple[Verdict, ...]:
    """Verdicts on the compiled RTL: layers on the prompt, stories of so many tokens, clocks."""
    begin = time.monotonic()
    checks = (LAYERS, GREEDY, DRAWN, CLOCKS)
    try:
        program = compiled(folder)
    except ToolNotFound as error:
        seconds = time.monotonic() - begin
        return tuple(Verdict(check, "not checked", error.message, seconds) for check in checks)
    except ToolFailed as error:
        return (tool_verdict(LAYERS, error, begin),)
    try:
        layers, heard = check_layers(folder, program, assembly, prompt)
        greedy, more = check_story(folder, program, assembly, prompt, tokens)
        sampled, _ = check_story(folder, program, assembly, prompt, drawn, TEMPERATURE)
    except ToolFailed as error:
        return (tool_verdict(GREEDY, error, begin),)
    return layers, greedy, sampled, check_clocks(assembly, heard, more, len(prompt))


def check_layers(
    folder: Path, program: Path, assembly: Assembly, tokens: Sequence[int]
) -> tuple[Verdict, list[Answer]]:
    """Whether each instruction writes what the integer model does; and what the chip answers."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="flow-chip-") as scratch:
        trace = Path(scratch) / "trace"
        heard = list(answers(folder, program, tokens, 1, every=True, trace=trace))
        records = np.fromfile(trace, "<u4").reshape(-1, 3)
    wrong = _difference(assembly, tokens, records)
    seconds = time.monotonic() - begin
    if wrong:
        return Verdict(LAYERS, "failed", wrong, seconds), heard
    count = len(assembly.program.instructions) - 1
    detail = f"{count} instructions on each of {len(tokens)} tokens, {len(records)} words"
    return Verdict(LAYERS, "passed", detail, seconds), heard


def check_story(
    folder: Path,
    program: Path,
    assembly: Assembly,
    prompt: Sequence[int],
    tokens: int,
    temperature: int = 0,
) -> tuple[Verdict, list[Answer]]:
    """Whether the chip goes on with a prompt as the model does, at a temperature in hundredths."""
    begin = time.monotonic()
    meant = assembly.program
    last = meant.instructions[-1]
    assert isinstance(last, Choose)
    tokens = min(tokens, meant.positions - len(prompt))
    heat = heat_of(last, temperature) if temperature else 0
    heard = list(answers(folder, program, prompt, tokens, heat=heat, seed=SEED))
    have = [answer.token for answer in heard if answer.token is not None]
    want = list(islice(told(meant, prompt, temperature, SEED), tokens))
    check = DRAWN if temperature else GREEDY
    at = next((k for k, (a, b) in enumerate(zip(have, want, strict=False)) if a != b), None)
    seconds = time.monotonic() - begin
    if at is not None:
        detail = f"token {at}: the chip says {have[at]}, the model {want[at]}"
        return Verdict(check, "failed", detail, seconds), heard
    if len(have) < len(want):
        detail = f"the chip ended after {len(have)} of {len(want)} tokens"
        return Verdict(check, "failed", detail, seconds), heard
    return Verdict(check, "passed", f"{len(want)} tokens", seconds), heard


def check_clocks(
    assembly: Assembly, asked: Sequence[Answer], story: Sequence[Answer], prompt: int
) -> Verdict:
    """Whether every token took the clocks of the cycle model."""
    wanted = [token_clocks(assembly, position) for position in range(len(asked))]
    wanted += [silent_clocks(assembly, position) for position in range(prompt - 1)]
    wanted += [token_clocks(assembly, p) for p in range(prompt - 1, len(story))]
    have = [answer.clocks for answer in (*asked, *story)]
    wrong = [k for k, (a, b) in enumerate(zip(have, wanted, strict=True)) if a != b]
    if wrong:
        at = wrong[0]
        return Verdict(CLOCKS, "failed", f"token {at}: {have[at]} and not {wanted[at]}", 0.0)
    detail = f"{len(have)} tokens, {min(wanted)} to {max(wanted)} clocks"
    return Verdict(CLOCKS, "passed", detail, 0.0)


def _difference(assembly: Assembly, tokens: Sequence[int], records: np.ndarray) -> str:
    """The first value that is not what the model gives; empty where all are."""
    program, memory = assembly.program, assembly.memory
    of = np.array([word.of for word in assembly.words])[records[:, 0] & 0xFFFFFF]
    kinds = records[:, 0] >> 24
    values = records[:, 2].view(np.int32).astype(np.int64)
    scratch = np.zeros(memory.scratch_words, np.int64)
    caches = np.zeros(memory.cache_words, np.int64)
    machine = Machine(program)
    at = 0
    for position, token in enumerate(tokens):
        for number, (instruction, found) in enumerate(machine.trace([token])):
            end = at
            while end < len(of) and of[end] == number:
                end += 1
            for target, kind in ((scratch, 1), (caches, 2)):
                here = np.flatnonzero(kinds[at:end] == kind) + at
                target[records[here, 1]] = values[here]
            at = end
            if isinstance(instruction, Store):
                base = memory.caches[instruction.cache] + position * memory.cache_size
                have, name = caches[base : base + memory.cache_size], instruction.cache
            else:
                assert not isinstance(instruction, Choose)
                name = instruction.to
                base = memory.vectors[name]
                have = scratch[base : base + program.vector(name).size]
            different = np.flatnonzero(have != found[0])
            if len(different):
                k = int(different[0])
                return (
                    f"token {position}, instruction {number} ({instruction.op}): {name}[{k}] is "
                    f"{have[k]}, the model gives {found[0][k]}"
                )
        while at < len(of) and of[at] == len(program.instructions) - 1:
            at += 1
    return "" if at == len(of) else "the chip wrote more than the program does"
