"""The mapped area of many small candidates: quick passes, one ABC process for a whole batch.

The script is the one by which published designs were measured again for the comparison.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flow.backends.aiger import write_aiger
from flow.backends.bitblast import bitblast
from flow.errors import ToolFailed
from flow.ir.network import Network
from flow.ir.tensor import IntArray
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipelines import COMPRESSED
from flow.pipeline.synthesis import check_technology
from flow.search.costs import Cost
from flow.search.executors import Executor, Serial
from flow.search.graphs import genome_graph
from flow.search.space import Space
from flow.tech.technology import Technology
from flow.tech.write_liberty import HELPER_BUFFER, liberty_text
from flow.tools.abc import abc

SCRIPT = ("strash", "ifraig", "scorr", "dc2", "dc2", "strash", "dch -f", "amap -m")
GRAPHS = 16
"""Candidates that one task makes graphs of: those of genomes in C, those of networks by passes."""
BATCH = 8
"""Graphs that one ABC process maps. Each is mapped as if it were alone."""
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class MappedAreas:
    """Maps candidates onto a technology by SCRIPT, on the workers of an executor.

    Costs are kept by the hash of their graph, in memory and in the text file `cache`, so that an
    equal graph is mapped once.
    """

    technology: Technology
    executor: Executor = field(default_factory=Serial)
    cache: Path | None = None
    known: dict[str, Cost] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_technology(self.technology)
        if self.cache is not None and self.cache.is_file():
            self.known.update(_read(self.cache.read_text()))

    def genomes(self, space: Space, genomes: IntArray) -> list[Cost]:
        """The cost of every genome (P, genes)."""
        rows = [genomes[k : k + GRAPHS] for k in range(0, len(genomes), GRAPHS)]
        parts = self.executor.map(_of_genomes, [(space, part) for part in rows])
        return self.graphs([graph for part in parts for graph in part])

    def networks(self, networks: Sequence[Network]) -> list[Cost]:
        """The cost of every network."""
        rows = [networks[k : k + GRAPHS] for k in range(0, len(networks), GRAPHS)]
        parts = self.executor.map(_of_networks, [(part,) for part in rows])
        return self.graphs([graph for part in parts for graph in part])

    def graphs(self, graphs: Sequence[bytes]) -> list[Cost]:
        """The cost of every graph, a binary AIGER file."""
        liberty = _liberty(self.technology)
        salt = hashlib.sha256(";".join((*SCRIPT, liberty)).encode()).digest()
        keys = [hashlib.sha256(salt + graph).hexdigest() for graph in graphs]
        fresh = {
            key: graph
            for key, graph in zip(keys, graphs, strict=True)
            if key not in self.known
        }  # fmt: skip
        names, files = list(fresh), list(fresh.values())
        batches = [(files[k : k + BATCH], liberty) for k in range(0, len(files), BATCH)]
        counted = [cells for part in self.executor.map(map_batch, batches) for cells in part]
        found = {
            key: cost_of(cells, self.technology)
            for key, cells in zip(names, counted, strict=True)
        }  # fmt: skip
        self.known.update(found)
        if self.cache is not None and found:
            with self.cache.open("a") as file:
                file.write("".join(f"{k} {c.area} {c.leakage}\n" for k, c in found.items()))
        return [self.known[key] for key in keys]


def cost_of(cells: Mapping[str, int], technology: Technology) -> Cost:
    """Area and mean leakage of cells by kind; constants and ABC's own buffer are wires."""
    real = {
        name: n for name, n in cells.items() if name in technology.cells and name != HELPER_BUFFER
    }
    leakage = sum(technology.cells[name].cell_leakage * n for name, n in real.items())
    return Cost(round(technology.area(real)), round(1000 * leakage))


def map_batch(graphs: Sequence[bytes], liberty: str) -> list[Counter[str]]:
    """How many cells of each kind every graph takes; ToolFailed where ABC fails."""
    with tempfile.TemporaryDirectory(prefix="flow-areas-") as scratch:
        place = Path(scratch)
        (place / "cells.lib").write_text(liberty)
        lines = ["read_lib -w cells.lib"]
        for k, graph in enumerate(graphs):
            (place / f"{k}.aig").write_bytes(graph)
            lines += [f"read_aiger {k}.aig", *SCRIPT, f"write_blif {k}.blif"]
        log = abc(lines, cwd=place, timeout_s=TIMEOUT_S).log
        found = []
        for k in range(len(graphs)):
            file = place / f"{k}.blif"
            if not file.is_file():
                raise ToolFailed("ABC wrote no netlist", log=log[-2000:])
            found.append(Counter(re.findall(r"^\.gate\s+(\S+)", file.read_text(), re.MULTILINE)))
    return found


def graph_of(network: Network) -> bytes:
    """The network as a binary AIGER file, sums as full adders."""
    circuit = LowerLayers().run(network)
    for step in COMPRESSED:
        circuit = step.run(circuit)
    return write_aiger(bitblast(circuit))


def _of_genomes(space: Space, genomes: IntArray) -> list[bytes]:
    return [write_aiger(genome_graph(space, genome)) for genome in genomes]


def _of_networks(networks: Sequence[Network]) -> list[bytes]:
    return [graph_of(network) for network in networks]


def _liberty(technology: Technology) -> str:
    return liberty_text(technology, combinational_only=True, helper_buffer=True)


def _read(text: str) -> dict[str, Cost]:
    """The lines of a cache; one that was cut off is none."""
    found = re.findall(r"^([0-9a-f]{64}) (\d+) (\d+)\n", text, re.MULTILINE)
    return {key: Cost(int(area), int(leakage)) for key, area, leakage in found}
