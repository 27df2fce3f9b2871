"""Checks a finished folder of threshold gates again: its netlist against its design."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flow.backends.aiger import read_aiger
from flow.errors import FlowError, UsageError, printable
from flow.ir.design import Design
from flow.ir.threshold import ThresholdNetlist
from flow.ir.threshold_text import parse_threshold
from flow.pipeline.flash import cut_design
from flow.pipeline.reading import read_text
from flow.pipeline.stages.map_threshold_stage import NETLIST
from flow.pipeline.stages.read_design_stage import FIRST, GATES, GRAPH
from flow.pipeline.threshold_mapping import prove_mapping
from flow.progress import Progress, silent
from flow.verify.verdict import Verdict

READ = "01-read"


def is_flash(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is that of threshold gates."""
    choices = manifest.get("choices")
    return isinstance(choices, dict) and choices.get("target") == "flash"


def verify_flash(
    folder: Path, manifest: Mapping[str, Any], limit_s: float, progress: Progress = silent
) -> tuple[Verdict, ...]:
    """A verdict on the netlist of threshold gates: it is proved anew."""
    check = "threshold netlist = design"
    stages = manifest.get("stages")
    if not isinstance(stages, list) or "map" not in stages:
        return (Verdict(check, "not checked", "the build ended before the stage map", 0.0),)
    try:
        source = _source(folder)
        netlist = parse_threshold(read_text(folder / NETLIST), NETLIST)
        progress("proving the netlist")
        seed = manifest.get("seed")
        return (prove_mapping(source, netlist, limit_s, seed if isinstance(seed, int) else 0),)
    except FlowError as error:
        where = f", at {error.where}" if error.where else ""
        return (Verdict(check, "failed", printable(f"{error.message}{where}"), 0.0),)


def _source(folder: Path) -> Design | ThresholdNetlist:
    own = folder / READ
    if (own / GATES).is_file():
        return parse_threshold(read_text(own / GATES), f"{READ}/{GATES}")
    try:
        graph = read_aiger((own / GRAPH).read_bytes(), "design")
        first = json.loads(read_text(own / FIRST))
    except (OSError, ValueError) as error:
        raise UsageError("the design cannot be read", where=f"{READ}/{GRAPH}") from error
    return replace(cut_design(graph), initial=first if isinstance(first, dict) else {})
