"""The target of the language chip: what it refuses, its blocks in cells, what a run needs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flow.backends.lpu import LpuEmission
from flow.backends.lpu_arrays import Hardwired
from flow.errors import UsageError
from flow.frontend.language.byte_pairs import BytePairs
from flow.frontend.language.read import is_language
from flow.ir.language_instructions import Choose
from flow.mapping.hardwired.counts import cell_counts
from flow.mapping.lpu.assemble import Assembly
from flow.mapping.lpu.clocks import token_clocks
from flow.mapping.lpu.words import FIELD, FIELDS, WIRED_BITS
from flow.pipeline.config import BuildConfig
from flow.pipeline.language import Language
from flow.pipeline.lpu_base import CHIP, base_facts
from flow.pipeline.planning import CELLS, LIBRARY
from flow.pipeline.state import Recipe
from flow.tech.registry import load

FORMAT = "flow-chip 2"
WIRES = "wires.json"
TOKENIZER = "tokenizer.json"
MUX = "sky130_fd_sc_hd__mux2_1"
INVERTER = "sky130_fd_sc_hd__inv_1"
"""Cells of arrays beside those of their neurons; a multiplexer before a port of a folded array may
well be less, where the wires that it chooses from are the same."""
REFUSED = (
    "tech", "voltage", "liberty", "objective", "passes", "stages", "latency", "ii",
    "max_luts", "handshake", "axis", "interval", "period", "hls_backend", "reuse", "strategy",
    "data", "calibrate", "loss",
)  # fmt: skip
"""Choices of BuildConfig that mean nothing to a chip of hardwired neurons."""


@dataclass(frozen=True, kw_only=True)
class LpuRecipe(Recipe):
    """A language model as hardwired neurons around one vector engine; `networks` is the recipe of
    the same target for models of the other frontends."""

    networks: Recipe

    @property
    def tools(self) -> tuple[str, ...]:
        """The simulators and the readers of Verilog."""
        return ("icarus", "verilator", "yosys")

    def suited(self, config: BuildConfig) -> Recipe:
        """This one for a language model; nothing of the file is believed yet."""
        model = config.model
        if model is None or not model.exists() or is_language(model):
            return self
        return self.networks

    def choose(self, config: BuildConfig) -> None:
        """No technology: areas are in cells of sky130. UsageError at options of circuits."""
        for name in REFUSED:
            if getattr(config, name) != getattr(BuildConfig, name):
                raise UsageError(
                    f"--{name.replace('_', '-')} means nothing to the target {self.name}",
                    hint="leave it out, or build for asic, fpga or printed",
                )


@dataclass(frozen=True)
class Block:
    """A part of the chip: cells by name with their area in um2, and bits of memories and tables.

    `weights` are those that its wires hold.
    """

    name: str
    what: str
    shape: tuple[int, ...]
    weights: int
    cells: tuple[tuple[str, int], ...]
    area_um2: float
    memory_bits: int = 0
    table_bits: int = 0


@dataclass(frozen=True)
class LpuBuild:
    """A chip so far: the language, its words, its files, its blocks."""

    language: Language
    digest: str
    assembly: Assembly
    emission: LpuEmission | None = None
    blocks: tuple[Block, ...] = ()


def array_block(made: Hardwired) -> Block:
    """An array in cells of the library, counted from its netlist, nothing resynthesised."""
    areas = load(LIBRARY).cells
    base = made.wiring.base
    found: Counter[str] = Counter()
    for kind, count in cell_counts(base).items():
        found[CELLS[kind]] += count * made.slots
    # Registers of the lowest bit, the inputs, both their marks and the answer; what picks it; the
    # complements; and what folding puts before each port and constant.
    array = made.array
    found[CELLS["dff"]] += made.slots + array.inputs + 2 + made.width
    found[MUX] += made.width * (made.slots - 1)
    found[INVERTER] += array.inputs
    found[MUX] += (sum(base.ports) + base.width + 1) * made.slots * (made.phases - 1)
    return Block(
        array.name, "hardwired neurons", (array.outputs, array.inputs), int(array.weights.size),
        tuple(sorted(found.items())), sum(areas[n].area * c for n, c in found.items()),
    )  # fmt: skip


def memory_block(assembly: Assembly) -> Block:
    """Memories and tables in bits; they are macros, of which the library has none."""
    program, memory = assembly.program, assembly.memory
    tables = 16 * (
        program.embedding.size + memory.factor_words + memory.curve_words
        + program.cosines.size + program.sines.size + len(program.exponentials)
    )  # fmt: skip
    words = len(assembly.words) * (FIELD * FIELDS + WIRED_BITS)
    return Block(
        "memories", "scratch, caches, tables, words", (), 0, (), 0.0,
        2 * 32 * memory.scratch_words + 8 * memory.cache_words, tables + words,
    )  # fmt: skip


def chip_json(made: LpuBuild) -> str:
    """What a chip is before its weights: what `flow run` and a re-spin need to know of it."""
    program = made.assembly.program
    assert made.emission is not None
    half = program.positions // 2
    facts = {
        "format": FORMAT,
        "vocabulary": program.vocabulary,
        "positions": program.positions,
        "begin": _begin(made),
        "rows": made.assembly.rows,
        "words": len(made.assembly.words),
        "clocks": {
            str(place): token_clocks(made.assembly, place)
            for place in (0, half, program.positions - 1)
        },
        "base": base_facts(made.emission.base),
        "blocks": [_block(block) for block in made.blocks],
    }
    return json.dumps(facts, indent=1) + "\n"


def wires_json(made: LpuBuild) -> str:
    """What a host needs to know of the weights: the slope of a draw at the temperature 1."""
    program = made.assembly.program
    last = program.instructions[-1]
    assert isinstance(last, Choose)
    return json.dumps({"name": program.name, "heat": last.heat}) + "\n"


def _block(block: Block) -> dict[str, Any]:
    return {
        "name": block.name, "what": block.what, "shape": list(block.shape),
        "weights": block.weights, "area_um2": round(block.area_um2, 3),
        "cells": sum(count for _, count in block.cells), "memory_bits": block.memory_bits,
        "table_bits": block.table_bits,
    }  # fmt: skip


def tokenizer_json(made: LpuBuild) -> str | None:
    """What the tokenizer of Hugging Face was made of; or pieces as Latin-1 texts, so that any bytes
    stay what they are, and their scores."""
    tokenizer = made.language.tokenizer
    if tokenizer is None:
        return None
    if isinstance(tokenizer, BytePairs):
        return json.dumps(tokenizer.table, indent=0) + "\n"
    pieces = [piece.decode("latin-1") for piece in tokenizer.pieces]
    return json.dumps({"pieces": pieces, "scores": list(tokenizer.scores)}, indent=0) + "\n"


def notes(made: LpuBuild) -> tuple[str, ...]:
    """What a reader of the report should know of the chip."""
    assembly = made.assembly
    positions = assembly.program.positions
    cells = sum(block.area_um2 for block in made.blocks) / 1e6
    memory = memory_block(assembly)
    first, last = token_clocks(assembly, 0), token_clocks(assembly, positions - 1)
    return (
        f"a token takes {first} clocks at the first position and {last} at position {positions}",
        f"{cells:.3f} mm2 in cells of {LIBRARY}, without {memory.memory_bits} bits of memories "
        f"and {memory.table_bits} bits of tables",
        *([f"{assembly.rows} neurons share the cells of one"] if assembly.rows > 1 else []),
    )


def with_blocks(made: LpuBuild, more: tuple[Block, ...] = ()) -> LpuBuild:
    """The chip with the areas of its arrays, of what else is known, and its memories."""
    assert made.emission is not None
    arrays = tuple(array_block(array) for array in made.emission.arrays)
    return replace(made, blocks=(*arrays, *more, memory_block(made.assembly)))


def first_tokens(made: LpuBuild) -> list[int]:
    """What the bench says to the chip: a few tokens of the model's own."""
    from itertools import islice

    from flow.ir.language_meaning import told

    program = made.assembly.program
    begin = [_begin(made)]
    return [*begin, *islice(told(program, begin), 3)]


def _begin(made: LpuBuild) -> int:
    """The token that texts begin with."""
    return min(made.language.source.begin, made.assembly.program.vocabulary - 1)


def read_chip(folder: Path) -> dict[str, Any]:
    """chip.json of a build, with wires.json; UsageError where the folder is none of a chip."""
    found: dict[str, Any] = {}
    for name in (CHIP, WIRES):
        try:
            facts = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            facts = None
        if not isinstance(facts, dict) or {**found, **facts}.get("format") != FORMAT:
            raise UsageError(
                "this is no folder of a chip", where=str(folder),
                hint="flow build MODEL --target lpu -o FOLDER makes one",
            )  # fmt: skip
        found |= facts
    return found
