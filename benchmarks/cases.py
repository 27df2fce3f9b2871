"""The designs of a run of the benchmark of models, and who makes each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from designs import RIVALS, matrix, matrix_network, ours, plain, rival, trained
from mapped import Design, Library

from flow.ir.network import Network
from flow.tech.liberty import read_liberty
from flow.tech.registry import load

OSU = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
SIZES = tuple((n, bits) for n in (16, 32, 64) for bits in (4, 6, 8))
LARGEST_PLAIN = 16
"""Rows of the largest matrix whose `+` and `*` are mapped: always the largest of all designs."""
WORKERS = 2


@dataclass(frozen=True)
class Case:
    """A network, and the weights where it is a matrix; or why it cannot be measured."""

    name: str
    network: Network | None
    weights: Any = None
    model: Path | None = None
    missing: str = ""


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    only: str
    quick: bool
    timeout_s: float
    report: bool

    def cases(self) -> Iterator[Case]:
        """The small matrices, the trained networks, the large matrices."""
        sizes = SIZES[:1] if self.quick else SIZES
        yield from (case for size in sizes if size[0] == 16 for case in self._matrix(*size))
        if not self.quick:
            for name, model, network in trained(self.only):
                if isinstance(network, str):
                    yield Case(name, None, missing=network)
                else:
                    yield Case(name, network, model=model)
        yield from (case for size in sizes if size[0] > 16 for case in self._matrix(*size))

    def _matrix(self, n: int, bits: int) -> Iterator[Case]:
        name = f"matrix {n} x {n}, {bits}-bit weights"
        if self.only in name:
            weights = matrix(n, bits)
            yield Case(name, matrix_network(weights), weights)


@cache
def libraries() -> tuple[Library, ...]:
    """EGFET, and OSU where Debian's package is installed."""
    found = [Library("EGFET 1.0 V", load("egfet", 1.0), "nands", "gates")]
    if OSU.is_file():
        found.append(Library("OSU 0.18 um", read_liberty(OSU), "fa", "ha"))
    return tuple(found)


def designs_of(
    case: Case, options: Options, passes: Sequence[str], tools: Sequence[str] = RIVALS
) -> tuple[list[Design], list[Design], list[str]]:
    """Ours, the rivals' and plain Verilog (the last), and what failed."""
    assert case.network is not None
    mine = [ours(case.name, case.network, text) for text in passes]
    others: list[Design] = []
    failed = []
    for tool in tools:
        found = rival(case.name, case.network, tool, options.timeout_s, case.model)
        if isinstance(found, str):
            failed.append(f"{tool}: {found}")
        else:
            others.append(found)
    if case.weights is not None and len(case.weights) <= LARGEST_PLAIN:
        others.append(plain(case.name, case.weights))
    return mine, others, failed


def run_all(work: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of some runs of tools, two at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(lambda f: f(), work))
