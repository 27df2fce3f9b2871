"""Sizes of ours, the rivals' and plain Verilog: cell area by every script, and look-up tables."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import mapped
from cases import Case, Options, designs_of, libraries, run_all
from common import ROOT, Row
from designs import LUT_RIVALS, RIVALS, circuit_of
from mapped import SCRIPTS, Library, Sizes, cached, key_of

from flow.backends.aiger import write_aiger
from flow.backends.bitblast import bitblast
from flow.ir.network import Network
from flow.pipeline.cells import Cells
from flow.pipeline.synthesis import synthesise
from flow.targets.fpga import FPGA

PASSES = "heaps"
"""The pipeline that silicon takes first."""
CHOICE = ("searched", "shared-trees")
"""The other pipelines that a build at high effort tries, and that were seen to win."""
DEEP_GATES = 12_000
"""Gates up to which our own synthesis is given high effort."""
SOURCES = tuple(
    (ROOT / "flow" / name).read_text()
    for name in ("pipeline/synthesis.py", "pipeline/variants.py", "pipeline/adder_forms.py",
                 "mapping/adder_boxes.py", "mapping/adder_forms.py", "mapping/adder_polarity.py")
)  # fmt: skip
"""What our own synthesis depends on, as it was when this process started."""


def areas(options: Options) -> Iterator[list[Row]]:
    """Mapped area of each case by every script, the same for every RTL."""
    for case in options.cases():
        if case.network is None:
            yield [Row(f"area, {case.name}", None, "um2", note=case.missing)]
            continue
        table, failed = _by_script(case, options)
        rows = [
            _script_row(case, library, script, table, failed)
            for library in libraries()
            for script in SCRIPTS
        ]
        # Nobody has a size by extract_fa for a large graph.
        yield [r for r in rows if r.value or r.rival_value or "extract" not in r.what]


def best(options: Options) -> Iterator[list[Row]]:
    """The area that our own synthesis reaches of each case, against theirs with ABC alone."""
    for case in options.cases():
        if case.network is None:
            continue
        table, _ = _by_script(case, options)
        work = [partial(own_area, case.network, library) for library in libraries()]
        found = zip(libraries(), run_all(work), strict=True)
        yield [row for library, own in found for row in _best_rows(case, library, table, own)]


def _by_script(case: Case, options: Options) -> tuple[Mapping[str, Sizes], list[str]]:
    """Sizes of every RTL by every script, by its maker; and what failed."""
    mine, others, failed = designs_of(case, options, [PASSES])
    everyone = [*mine, *others]
    work = [partial(mapped.areas, d, libraries(), options.timeout_s) for d in everyone]
    return {d.maker: found for d, found in zip(everyone, run_all(work), strict=True)}, failed


def _smallest(
    table: Mapping[str, Sizes], library: Library, makers: Iterable[str], scripts: Sequence[str]
) -> tuple[float, str, str] | None:
    """Size, maker and script of the smallest."""
    sizes = [
        (found["um2"], maker, script)
        for maker in makers
        for script in scripts
        if "um2" in (found := table.get(maker, {}).get((library.name, script), {}))
    ]
    return min(sizes, default=None)


def _script_row(
    case: Case, library: Library, script: str, table: Mapping[str, Sizes], failed: list[str]
) -> Row:
    mine = f"flow {PASSES}"
    own = _smallest(table, library, [mine], [script])
    against = _smallest(table, library, RIVALS, [script])
    plain = _smallest(table, library, ["plain"], [script])
    cells = {
        maker: table.get(maker, {}).get((library.name, script), {}) for maker in (mine, *RIVALS)
    }
    why = [f"{maker}: {cell['failed']}" for maker, cell in cells.items() if "failed" in cell]
    note = "; ".join([*failed, *dict.fromkeys(why), *([f"plain {plain[0]:.4g}"] if plain else [])])
    met = None
    if own and against:
        met = own[0] <= 0.97 * against[0] and (plain is None or own[0] <= 0.97 * plain[0])
    return Row(f"area, {case.name}, {library.name}, {script}", own[0] if own else None, "um2",
               against[1] if against else ", ".join(RIVALS), against[0] if against else None,
               "at most 0.97", met, note=note)  # fmt: skip


def _best_rows(
    case: Case, library: Library, table: Mapping[str, Sizes], made: Mapping[str, Any]
) -> list[Row]:
    """The best of ours by any script, against theirs with ABC alone."""
    mine = f"flow {PASSES}"
    sizes = [(made["um2"], mine, made["script"])] if "um2" in made else []
    if own := _smallest(table, library, [mine], SCRIPTS):
        sizes.append(own)
    rows = []
    for name, scripts in (
        ("ABC alone, map", ["abc map"]),
        ("ABC alone, the better", ["abc map", "abc amap"]),
    ):
        against = _smallest(table, library, RIVALS, scripts)
        value = min(sizes)[0] if sizes else None
        rows.append(
            Row(f"area, {case.name}, {library.name}, best of ours against {name}", value, "um2",
                f"{against[1]}, {against[2]}" if against else "", against[0] if against else None,
                "at most 0.82",
                value <= 0.82 * against[0] if value is not None and against else None,
                note=min(sizes)[2] if sizes else "nothing of ours was mapped")
        )  # fmt: skip
    return rows


def own_area(network: Network, library: Library) -> dict[str, Any]:
    """Our own synthesis of a network: its area, the script that won, the seconds.

    As a build at high effort does, the pipeline is the one whose circuit quick scripts make
    smallest, where the circuit is small enough to try; small graphs are then given high effort.
    """
    circuit = circuit_of(network, PASSES)
    graph = bitblast(circuit)
    effort = "high" if graph.size <= DEEP_GATES else "normal"
    choice = CHOICE if graph.size <= Cells.largest else ()

    def work() -> dict[str, Any]:
        start = time.perf_counter()
        texts = (PASSES, *choice)
        circuits = {text: circuit_of(network, text) for text in choice} | {PASSES: circuit}
        with tempfile.TemporaryDirectory() as folder:
            made = partial(synthesise, technology=library.technology, timeout_s=900)
            sizes = {
                text: min(a for _, a in made(circuits[text], folder=scratch(folder, text),
                                             effort="fast").areas)
                for text in texts if choice
            }  # fmt: skip
            best = min(texts, key=lambda text: sizes.get(text, 0.0))
            found = made(circuits[best], folder=scratch(folder, "made"), effort=effort)
        script = f"flow {best}, {effort} effort, {found.variant}"
        return {"um2": min(a for _, a in found.areas), "script": script, "pipelines": sizes,
                "areas": found.areas, "seconds": time.perf_counter() - start}  # fmt: skip

    return cached(
        key_of("own", write_aiger(graph).hex(), effort, *choice, library.liberty, *SOURCES), work
    )


def scratch(folder: str, name: str) -> Path:
    """A new folder in another."""
    path = Path(folder) / name
    path.mkdir()
    return path


def look_up_tables(options: Options) -> Iterator[list[Row]]:
    """LUT6 of each case, with and without the carry chains."""
    for case in options.cases():
        if case.network is None:
            yield [Row(f"LUTs, {case.name}", None, "", note=case.missing)]
            continue
        mine, others, failed = designs_of(case, options, FPGA.passes, LUT_RIVALS)
        found = run_all([partial(mapped.luts, d, options.timeout_s) for d in [*mine, *others]])
        table = {d.maker: cell for d, cell in zip([*mine, *others], found, strict=True)}
        rows = []
        for what, weight in (("LUTs", 0), ("LUTs and CARRY4", 1)):
            size = {m: c["luts"] + weight * c["carry4"] for m, c in table.items() if "luts" in c}
            own = min(((size[d.maker], d.maker) for d in mine if d.maker in size), default=None)
            against = min(((size[m], m) for m in LUT_RIVALS if m in size), default=None)
            why = [f"{m}: {c['failed']}" for m, c in table.items() if "failed" in c]
            plain_size = [f"plain {size['plain']}"] if "plain" in size else []
            note = "; ".join([*([own[1]] if own else []), *failed, *why, *plain_size])
            rows.append(
                Row(f"{what}, {case.name}", own[0] if own else None, "",
                    against[1] if against else "", against[0] if against else None, "at most 1.0",
                    own[0] <= against[0] if own and against else None, note=note)
            )  # fmt: skip
        yield rows
