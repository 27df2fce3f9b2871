"""A plan from files: the model's sizes and the constants in, the folder of a plan out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flow import __version__
from flow.analysis.plan.own import own_arrays
from flow.analysis.plan.plan import Plan, make_plan
from flow.errors import UsageError
from flow.frontend.files import guards
from flow.frontend.language.config import read_shape
from flow.frontend.language.shards import check_shards, find_shards, open_shards
from flow.mapping.hardwired.counts import cell_counts, typical_base
from flow.mapping.hardwired.neuron import MAGNITUDES
from flow.pipeline.folder import refuse_foreign, replacing, write_file, write_manifest
from flow.report.plan import to_json
from flow.report.plan_page import plan_to_html
from flow.tech.lpu import Constants, constants_text, edited, shipped
from flow.tech.registry import load

PAGE = "plan.html"
FACTS = "plan.json"
CONSTANTS = "constants.toml"
MOST_CHIPS = 4096
MOST_CONTEXT = 1 << 32
CONSTANTS_BYTES = 1 << 20
BITS = 8
"""Of an input of our own arrays."""
LIBRARY = "sky130"
CELLS: Mapping[str, str] = {
    kind: f"sky130_fd_sc_hd__{name}_1"
    for kind, name in {
        "fa": "fa", "ha": "ha", "xor": "xor2", "or": "or2", "andnot": "and2", "dff": "dfxtp",
    }.items()
}  # fmt: skip
"""In `andnot` the second input is a signal that an array inverts once."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """Constants (those that ship), grid (the smallest) and context (2K) of a plan."""

    constants: Path | None = None
    grid: str | None = None
    context: int | None = None


def plan(config: Path, options: PlanOptions) -> Plan:
    """The plan of a model; UsageError or UnsupportedModel for what cannot be planned.

    Weights beside the configuration must have its sizes: the headers of all shards are read.
    """
    shape = read_shape(config)
    if (weights := find_shards(config)) is not None:
        check_shards(open_shards(weights), shape)
    constants = shipped() if options.constants is None else read_constants(options.constants)
    grid = None if options.grid is None else parse_grid(options.grid)
    if options.context is not None and not 1 <= options.context <= MOST_CONTEXT:
        raise UsageError(
            f"a context of {options.context} tokens cannot be planned",
            hint=f"--context is from 1 to {MOST_CONTEXT}",
        )
    found = make_plan(shape, constants, grid, options.context)
    cells = load(LIBRARY).cells
    areas = {kind: cells[name].area for kind, name in CELLS.items()}
    return replace(found, own=own_arrays(found.part, constants, _cells, areas, LIBRARY))


def _cells(inputs: int, outputs: int) -> tuple[int, Mapping[str, int]]:
    """Ports and cells of one of so many neurons of ours."""
    base = typical_base(inputs, outputs, BITS, MAGNITUDES)
    return sum(base.ports), dict[str, int](cell_counts(base).items())


def read_constants(path: Path) -> Constants:
    """The constants of a user's file over those that ship."""
    data = guards.read_bytes(path, CONSTANTS_BYTES)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            "the constants are no text in UTF-8", where=path.name,
            hint="copy constants.toml of a plan, and edit it",
        ) from error  # fmt: skip
    return edited(text, path.name)


def parse_grid(text: str) -> tuple[int, int]:
    """Rows and columns of `4x4`."""
    found = re.fullmatch(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})", text)
    if found is None:
        raise UsageError(f"{text!r} is no grid", hint="write rows and columns: --grid 4x4")
    rows, columns = int(found[1]), int(found[2])
    if rows * columns > MOST_CHIPS:
        raise UsageError(f"a grid of {rows * columns} chips is too large", hint="at most 4096")
    return rows, columns


def write_plan(found: Plan, out: Path) -> None:
    """The folder: every figure, their page, and the constants as a file to edit."""
    refuse_foreign(out)
    with replacing(out) as fresh:
        write_file(fresh, FACTS, to_json(found))
        write_file(fresh, PAGE, plan_to_html(found))
        write_file(fresh, CONSTANTS, constants_text(found.constants))
        write_manifest(fresh, {"flow": __version__, "plan": found.shape.name})
