"""The stages of a language chip: import, assemble, emit, measure, simulate, report."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from flow.backends.emission import write_files
from flow.backends.lpu import WIRED, LpuEmission, emit_lpu, listing, wires_name
from flow.backends.lpu_wires import check_wires
from flow.backends.render import fill
from flow.errors import UsageError
from flow.frontend.language.read import is_language
from flow.mapping.lpu.assemble import assemble
from flow.mapping.lpu.base import ChipBase, base_for
from flow.pipeline.config import BuildConfig
from flow.pipeline.folder import write_file
from flow.pipeline.language import LanguageOptions, import_language
from flow.pipeline.lpu import (
    TOKENIZER,
    WIRES,
    Block,
    LpuBuild,
    chip_json,
    first_tokens,
    notes,
    tokenizer_json,
    wires_json,
    with_blocks,
)
from flow.pipeline.lpu_area import engine_block
from flow.pipeline.lpu_base import CHIP, hold_base, read_base
from flow.pipeline.lpu_record import chip_record
from flow.pipeline.lpu_vectors import vector_files
from flow.pipeline.provenance import header_of
from flow.pipeline.state import State, have
from flow.pipeline.verdicts import read_verdicts, require_good, write_verdicts
from flow.pipeline.verifying_lpu import token_bench
from flow.report.codec import to_json
from flow.report.html import to_html
from flow.verify.lint import lint
from flow.verify.lpu import check_chip
from flow.verify.verdict import Verdict

QUICK: tuple[tuple[Block, ...], tuple[str, ...]] = (
    (), ("the vector engine is not measured: --effort fast",)
)  # fmt: skip
"""In place of the blocks of the vector engine, which Yosys takes a while for."""
BENCHED = 2
"""Tokens that the cocotb bench compares."""
STORY, DRAWN = 200, 40
"""Tokens that the chip tells in Verilator, greedy and drawn."""


@dataclass(frozen=True)
class ImportLanguage:
    """Read a language model, and give it its one integer meaning."""

    name = "import"

    def run(self, state: State, out: Path, own: Path) -> State:
        """notes.txt; the rest is in memory."""
        config = state.config
        state.recipe.choose(config)
        model = have(config.model)
        if not is_language(model):
            raise UsageError(
                "the target lpu is for language models", where=model.name,
                hint="give a llama2.c .bin or the folder of a Hugging Face Llama or gpt-oss",
            )  # fmt: skip
        options = LanguageOptions(config.code, config.rounding, config.tokenizer, config.seed)
        language = import_language(model, options, state.progress)
        write_file(own, "notes.txt", "".join(f"{note}\n" for note in language.notes))
        made = LpuBuild(language, _digest(model), assemble(language.program, config.rows))
        return replace(state, notes=language.notes, lpu=made)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The program is needed, so the import runs again; it gives the same."""
        return self.run(state, out, own)


@dataclass(frozen=True)
class AssembleChip:
    """Every instruction as words of the sequencer."""

    name = "assemble"

    def run(self, state: State, out: Path, own: Path) -> State:
        """words.txt"""
        write_file(own, "words.txt", listing(have(state.lpu).assembly))
        return state

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Assembling is quick: it runs again."""
        return self.run(state, out, own)


@dataclass(frozen=True)
class EmitChip:
    """Write the chip, its tables, and what drives it."""

    name = "emit"

    def run(self, state: State, out: Path, own: Path) -> State:
        """rtl/, mem/, tb/, vectors/, tokenizer.json, wires.json"""
        made = have(state.lpu)
        header = header_of(state.config)
        state.progress("wires of every neuron")
        base = chosen_base(state.config, made)
        emission = emit_lpu(made.assembly, header, base)
        if state.config.base is not None:
            hold_base(emission, state.config.base)
        write_files(emission.files, out)
        wires = check_text(out, emission)
        for name, text in vector_files(made.assembly, first_tokens(made)[:BENCHED]).items():
            write_file(out / "vectors", name, text)
        if (pieces := tokenizer_json(made)) is not None:
            write_file(out, TOKENIZER, pieces)
        write_file(out, WIRES, wires_json(made))
        made = replace(made, emission=emission)
        return replace(state, lpu=made, verdicts=(*state.verdicts, wires))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Emission is pure and quick: it runs again."""
        return self.run(state, out, own)


@dataclass(frozen=True)
class MeasureChip:
    """Cells of every block."""

    name = "measure"

    def run(self, state: State, out: Path, own: Path) -> State:
        """chip.json"""
        state.progress("cells of the vector engine")
        engine, said = QUICK if state.config.effort == "fast" else engine_block(out)
        made = with_blocks(have(state.lpu), engine)
        write_file(out, CHIP, chip_json(made))
        return replace(state, lpu=made, notes=(*state.notes, *notes(made), *said))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Counting gives the same: it runs again."""
        return self.run(state, out, own)


@dataclass(frozen=True)
class SimulateChip:
    """Hold the compiled RTL against the integer model: every instruction, stories, clocks."""

    name = "simulate"

    def run(self, state: State, out: Path, own: Path) -> State:
        """verdicts.json; raises CheckFailed where the chip says what the model does not."""
        made, chosen = have(state.lpu), state.config.simulator
        verdicts: list[Verdict] = []
        if chosen != "none":
            state.progress("linters")
            verdicts += lint(out, have(made.emission).top, boxes=WIRED)
        if chosen in ("verilator", "both"):
            state.progress("Verilator compiles the chip, which then tells stories")
            verdicts += check_chip(out, made.assembly, first_tokens(made), STORY, DRAWN)
        weights = sum(block.weights for block in made.blocks)
        state.progress("cocotb test of the first tokens")
        verdicts += token_bench(out, chosen, weights)
        verdicts.sort(key=lambda verdict: verdict.check)
        write_verdicts(own, verdicts)
        require_good(verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """The verdicts of the earlier build: its RTL was made of the same program."""
        verdicts = read_verdicts(earlier)
        write_verdicts(own, verdicts)
        return replace(state, verdicts=(*state.verdicts, *verdicts))


def check_text(out: Path, emission: LpuEmission) -> Verdict:
    """Whether the wires of all arrays, read back from their files, are the weights. CheckFailed."""
    begin = time.monotonic()
    for array in emission.arrays:
        check_wires(array, (out / "rtl" / f"{wires_name(array)}.v").read_text(encoding="utf-8"))
    weights = sum(array.array.weights.size for array in emission.arrays)
    detail = f"{weights} weights in {len(emission.arrays)} arrays"
    return Verdict("wires, read back = weights", "passed", detail, time.monotonic() - begin)


def chosen_base(config: BuildConfig, made: LpuBuild) -> ChipBase:
    """The base of an earlier chip, or one with room for these weights and a share more."""
    if config.base is None:
        return base_for(made.assembly.program, config.slack)
    return read_base(config.base, config.rows)


@dataclass(frozen=True)
class WriteChipReport:
    """Write report.json, report.html and README.md."""

    name = "report"

    def run(self, state: State, out: Path, own: Path) -> State:
        """report.json, report.html, README.md; verdict.txt"""
        made = have(state.lpu)
        record = chip_record(state)
        write_file(out, "report.json", to_json(record))
        write_file(out, "report.html", to_html(record))
        text = fill(
            "lpu/README.md.j2",
            facts=(*notes(made), f"Checks: {record.verdict}"),
            blocks=made.blocks,
            rows=made.assembly.rows,
            words=len(made.assembly.words),
        )
        write_files({PurePosixPath("README.md"): text}, out)
        write_file(own, "verdict.txt", f"{record.verdict}\n")
        return replace(state, report=record)

    def recall(self, state: State, out: Path, own: Path, earlier: Path) -> State:
        """Reporting is quick: it runs again."""
        return self.run(state, out, own)


def _digest(model: Path) -> str:
    """The hash of a model file, or of all files of its folder."""
    found = hashlib.sha256()
    for path in sorted(model.iterdir()) if model.is_dir() else [model]:
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()
