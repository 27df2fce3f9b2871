"""A design becomes threshold gates: ABC prepares its graph, the mapper covers it, gates merge."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flow.backends.aiger import read_aiger, write_aiger
from flow.errors import UsageError
from flow.ir.aig import Aig
from flow.ir.design import Design
from flow.ir.threshold import ThresholdNetlist
from flow.mapping.threshold.adders import with_carries
from flow.mapping.threshold.collapse import CollapseOptions, collapse
from flow.mapping.threshold.cover import MOST_INPUTS, CoverOptions, cover
from flow.mapping.threshold.neurons import map_neurons
from flow.pipeline.config import Effort
from flow.progress import Progress, silent
from flow.tools.abc import abc
from flow.verify.neurons import prove_neurons
from flow.verify.threshold import prove_threshold
from flow.verify.threshold_graph import netlist_graph
from flow.verify.verdict import Verdict

SCRIPTS: Mapping[str, Sequence[str]] = {
    "rewrite": ("dc2", "dc2", "dc2"),
    "resubstitute": (
        "balance", "resub -K 6", "rewrite", "resub -K 6 -N 2", "refactor", "resub -K 8", "balance",
        "resub -K 8 -N 2", "rewrite", "resub -K 10", "rewrite -z", "resub -K 10 -N 2", "balance",
        "resub -K 12", "refactor -z", "resub -K 12 -N 2", "rewrite -z", "balance",
    ),
    "as given": (),
}  # fmt: skip
"""Preparations of a graph by ABC, of which the one of least gates is taken."""

_EFFORTS: Mapping[Effort, tuple[tuple[str, ...], int]] = {
    "fast": (("rewrite",), 0),
    "normal": (("rewrite", "resubstitute"), 0),
    "high": (tuple(SCRIPTS), 2),
}
"""The preparations that are tried, and how often the result is prepared and mapped again."""
SECONDS = 600.0


@dataclass(frozen=True)
class ThresholdTrial:
    """A preparation that was tried, the gates it gave, and the largest fan-in among them."""

    script: str
    gates: int
    widest: int


@dataclass(frozen=True)
class ThresholdMapping:
    """The smallest netlist that was found, and everything that was tried."""

    netlist: ThresholdNetlist
    trials: tuple[ThresholdTrial, ...]


def map_design(
    design: Design,
    limit: int | None = MOST_INPUTS,
    effort: Effort = "normal",
    progress: Progress = silent,
) -> ThresholdMapping:
    """A netlist of few threshold gates of at most `limit` inputs each, None for any number.

    ToolNotFound without ABC or a C compiler.
    """
    scripts, again = _EFFORTS[effort]
    trials: list[ThresholdTrial] = []
    best: ThresholdNetlist | None = None
    for script in scripts:
        progress(f"mapping after the script {script!r}")
        netlist = _mapped(prepared(design, SCRIPTS[script]), limit)
        trials.append(ThresholdTrial(script, netlist.size, netlist.widest))
        best = netlist if best is None or netlist.size < best.size else best
    assert best is not None, "each effort has a script"
    for k in range(again):
        progress(f"mapping the result again, {k + 1}")
        once_more = Design(netlist_graph(best), design.initial)
        netlist = _mapped(prepared(once_more, SCRIPTS["rewrite"]), limit)
        trials.append(ThresholdTrial(f"again {k + 1}", netlist.size, netlist.widest))
        if netlist.size >= best.size:
            break
        best = netlist
    return ThresholdMapping(best, tuple(trials))


def map_gates(given: ThresholdNetlist, limit: int | None = MOST_INPUTS) -> ThresholdMapping:
    """Given threshold gates, simple and of at most `limit` inputs each, None for any number."""
    netlist = map_neurons(given, limit)
    return ThresholdMapping(netlist, (ThresholdTrial("given gates", netlist.size, netlist.widest),))


def prove_mapping(
    source: Design | ThresholdNetlist, netlist: ThresholdNetlist, timeout_s: float, seed: int
) -> Verdict:
    """Whether a netlist answers as the design or the gates that it was made from.

    Given gates are compared one by one; where that decides nothing, as graphs of both.
    """
    if not isinstance(source, ThresholdNetlist):
        return prove_threshold(source.graph, netlist, timeout_s=timeout_s, seed=seed)
    verdict = prove_neurons(source, netlist, timeout_s=timeout_s, seed=seed)
    left = timeout_s - verdict.seconds
    if verdict.status != "timed out" or left <= 0:
        return verdict
    try:
        found = prove_threshold(netlist_graph(source), netlist, timeout_s=left, seed=seed)
    except UsageError:  # A gate has too many inputs for a graph.
        return verdict
    return replace(found, check=verdict.check, seconds=verdict.seconds + found.seconds)


def _mapped(design: Design, limit: int | None) -> ThresholdNetlist:
    """The graph as it is and with sums that read their carries; the smaller cover is merged."""
    options = CoverOptions(min(limit or MOST_INPUTS, MOST_INPUTS))
    narrow = cover(design, options)
    graph = with_carries(design.graph)
    if graph is not design.graph:
        other = cover(replace(design, graph=graph), options)
        narrow = other if other.size < narrow.size else narrow
    return collapse(narrow, CollapseOptions(limit))


def prepared(design: Design, script: Sequence[str]) -> Design:
    """The design after ABC's commands on its graph, in which flip-flops are cut."""
    if not script:
        return design
    return replace(design, graph=_optimised(design.graph, script))


def _optimised(aig: Aig, script: Sequence[str]) -> Aig:
    with tempfile.TemporaryDirectory(prefix="flow-prepare-") as folder:
        place = Path(folder)
        (place / "in.aig").write_bytes(write_aiger(aig))
        commands = ["read_aiger in.aig", *script, "strash", "write_aiger -s out.aig"]
        abc(commands, cwd=place, timeout_s=SECONDS)
        found = read_aiger((place / "out.aig").read_bytes(), aig.name)
    return replace(found, inputs=aig.inputs, outputs=aig.outputs)


def trials_text(mapping: ThresholdMapping) -> str:
    """A line for each trial."""
    return "".join(
        f"{trial.script}: {trial.gates} gates of at most {trial.widest} inputs\n"
        for trial in mapping.trials
    )
