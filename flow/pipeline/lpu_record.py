"""What is known of a language chip becomes the Record that reports show."""

from __future__ import annotations

from collections import Counter

from flow import __version__
from flow.mapping.lpu.clocks import token_clocks
from flow.pipeline.lpu import Block, LpuBuild
from flow.pipeline.planning import LIBRARY
from flow.pipeline.provenance import command_line
from flow.pipeline.state import State, have
from flow.report.record import (
    Area,
    CellCount,
    Check,
    Fact,
    Latency,
    LayerRow,
    Record,
    Summary,
    Technology,
)
from flow.tech.registry import load

NAND = "sky130_fd_sc_hd__nand2_1"


def chip_record(state: State) -> Record:
    """Areas by block, clocks of a token, checks."""
    made = have(state.lpu)
    program = made.assembly.program
    library = load(LIBRARY)
    last = token_clocks(made.assembly, program.positions - 1)
    bits = 8
    return Record(
        summary=Summary(
            model_name=have(state.config.model).name,
            model_sha256=made.digest,
            task="language",
            target=state.recipe.name,
            technology=Technology(f"cells of {LIBRARY}", None, "", library.source),
            flow_version=__version__,
            tools=tuple(Fact(name, text) for name, text in sorted(state.tools.items())),
            seed=state.config.seed,
            command=command_line(state.config),
        ),
        accuracy=None,
        area=_area(made),
        power=None,
        timing=None,
        latency=Latency(token_clocks(made.assembly, 0), last),
        sources=(),
        layers=tuple(_row(block, bits) for block in made.blocks),
        widths=(),
        checks=tuple(Check(v.check, v.status, v.detail) for v in state.verdicts),
        notes=state.notes,
        provenance=(
            Fact("neurons on the cells of one", str(made.assembly.rows)),
            Fact("words of the sequencer", str(len(made.assembly.words))),
            Fact("latency", "clocks of a token at the first position; interval: at the last"),
        ),
    )


def _area(made: LpuBuild) -> Area:
    areas = load(LIBRARY).cells
    found: Counter[str] = Counter()
    for block in made.blocks:
        found.update(dict(block.cells))
    cells = tuple(
        CellCount(name, count, areas[name].area * count) for name, count in sorted(found.items())
    )
    total = sum(block.area_um2 for block in made.blocks)
    return Area(total, total / areas[NAND].area, cells)


def _row(block: Block, bits: int) -> LayerRow:
    counts = dict(block.cells)
    adders = sum(n for name, n in counts.items() if name.endswith(("__fa_1", "__ha_1")))
    return LayerRow(
        layer=block.name, kind=block.what, shape=block.shape, weights=block.weights,
        weight_bits=4 if block.weights else 0, activation_bits=bits if block.weights else 0,
        adders=adders, cells=sum(counts.values()), area_um2=block.area_um2, power_mw=None,
    )  # fmt: skip
