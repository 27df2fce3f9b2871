"""Part of the benchmark of language models: other weights over the base of a chip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from cases import Options
from common import ROOT, Row

from flow.backends.lpu import WIRED, emit_lpu
from flow.errors import UsageError
from flow.ir.language import LanguageProgram
from flow.mapping.lpu.assemble import assemble
from flow.mapping.lpu.base import ChipBase, base_for, wired
from flow.pipeline.language import LanguageOptions, import_language
from flow.pipeline.lpu import array_block

MODEL = ROOT.parent / "shared" / "models" / "stories260K" / "stories260K.bin"
SLACKS = (0.0, 0.1, 0.25, 0.5, 1.0)
FINE = tuple(k / 20 for k in range(81))


def respin(options: Options) -> Iterable[list[Row]]:
    """Areas of slack, which other weights it has room for, and the files that they change."""
    if options.report or not MODEL.is_file():
        return
    first = _program("taught", 0)
    others = {
        "taught by another seed": _program("taught", 1),
        "rounded to the nearest": _program("nearest", 0),
        "shuffled within each matrix": _shuffled(first),
    }
    tight = _area(first, base_for(first))
    for slack in SLACKS:
        base = base_for(first, slack)
        area = _area(first, base)
        fit = [name for name, other in others.items() if not _lack(other, base)]
        yield [
            Row(f"stories260K: arrays with a slack of {slack:g}", area, "mm2",
                note=f"{area / tight - 1:.0%} more than without; room for weights "
                + (", ".join(fit) or "of no other kind")),
        ]  # fmt: skip
    for name, other in others.items():
        found = next((s for s in FINE if not _lack(other, base_for(first, s))), None)
        lack = _lack(other, base_for(first))
        yield [
            Row(f"stories260K: slack for weights {name}", found, "of the ports",
                note=f"in steps of 0.05; without slack: {lack}"),
        ]  # fmt: skip
        if found is not None:
            yield [_changed(first, other, name, found)]


def _program(rounding: str, seed: int) -> LanguageProgram:
    options = LanguageOptions(rounding="taught" if rounding == "taught" else "nearest", seed=seed)
    return import_language(MODEL, options).program


def _shuffled(program: LanguageProgram) -> LanguageProgram:
    """The same weights of every matrix, each at another place of it."""
    rng = np.random.default_rng(1)
    arrays = tuple(
        replace(a, weights=rng.permutation(a.weights.ravel()).reshape(a.weights.shape))
        for a in program.arrays
    )
    return replace(program, arrays=arrays)


def _area(program: LanguageProgram, base: ChipBase) -> float:
    arrays = emit_lpu(assemble(program), base=base).arrays
    return sum(array_block(array).area_um2 for array in arrays) / 1e6


def _lack(program: LanguageProgram, base: ChipBase) -> str:
    """Which room the base does not have, or nothing."""
    try:
        wired(program, base)
    except UsageError as error:
        return (error.hint or "").partition(";")[0]
    return ""


def _changed(first: LanguageProgram, other: LanguageProgram, name: str, slack: float) -> Row:
    base = base_for(first, slack)
    one, two = (emit_lpu(assemble(program), base=base).files for program in (first, other))
    changed = [path.name for path in one if one[path] != two[path]]
    strange = [file for file in changed if not file.startswith(WIRED)]
    return Row(
        f"stories260K: files of the chip that weights {name} change", float(len(changed)),
        f"of {len(one)}", reach="wires alone", met=set(one) == set(two) and not strange,
        note=f"slack {slack:g}; all are named {WIRED}*" if not strange else ", ".join(strange),
    )  # fmt: skip
