"""Size, time, speed and exactness of real and random networks against the other compilers.

    make bench-setup          once: the rivals' own environment, benchmarks/.venv
    make bench-models         everything; goes on where it was stopped
    python benchmarks/models.py [PART ...] [--quick] [--only TEXT] [--timeout SECONDS] [--report]

Parts are area, luts, time, evaluator, goldens. What was measured lies in benchmarks/cache, keyed
by what it depends on; `--report` writes the table of it and measures nothing. Smallest designs
come first, and the table is written after each. Writes benchmarks/models.md and
results/models.json.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import mapped
import numpy as np
from common import HERE, ROOT, Row, merged, paired, versions, write
from designs import (
    LUT_RIVALS,
    RIVALS,
    SEED,
    circuit_of,
    convolutional,
    golden_counts,
    matrix,
    matrix_network,
    ours,
    plain,
    rival,
    specification,
    trained,
)
from mapped import MAPPERS, SCRIPTS, Design, Library, area, cached, key_of, luts
from rivals import layered

from flow.backends.aiger import write_aiger
from flow.backends.bitblast import bitblast
from flow.backends.verilog import emit_verilog
from flow.ir.network import Network
from flow.pipeline.synthesis import synthesise
from flow.tech.liberty import read_liberty
from flow.tech.registry import load
from flow.verify.compiled import CompiledCircuit

OSU = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
PASSES = ("adders", "heaps")
SIZES = ((16, 4), (16, 6), (16, 8), (32, 4), (32, 6), (32, 8), (64, 4), (64, 6), (64, 8))
WORKERS = 2
SOURCES = tuple(
    (ROOT / "flow" / name).read_text()
    for name in ("pipeline/synthesis.py", "pipeline/variants.py", "pipeline/adder_forms.py",
                 "mapping/adder_boxes.py", "mapping/adder_forms.py", "mapping/adder_polarity.py")
)  # fmt: skip
"""What our own synthesis depends on, as it was when this process started."""


@dataclass(frozen=True)
class Case:
    """A network, and the weights where it is a matrix; or why it cannot be measured."""

    name: str
    network: Network | None
    weights: Any = None
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
            for name, network in trained(self.only):
                if isinstance(network, str):
                    yield Case(name, None, missing=network)
                else:
                    yield Case(name, network)
        yield from (case for size in sizes if size[0] > 16 for case in self._matrix(*size))

    def _matrix(self, n: int, bits: int) -> Iterator[Case]:
        name = f"matrix {n} x {n}, {bits}-bit weights"
        if self.only in name:
            weights = matrix(n, bits)
            yield Case(name, matrix_network(weights), weights)


def main() -> None:
    """The parts that the arguments name, or all."""
    parts: dict[str, Callable[[Options], Iterable[list[Row]]]] = {
        "area": areas, "luts": lut_rows, "time": times, "evaluator": evaluators,
        "goldens": goldens,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--quick", action="store_true", help="the smallest matrix alone")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds for one run")
    parser.add_argument("--report", action="store_true", help="measure nothing that is not cached")
    given = parser.parse_args()
    if strange := [part for part in given.parts if part not in parts]:
        parser.error(f"no part {strange[0]!r}: there are {', '.join(parts)}")
    options = Options(given.only, given.quick, given.timeout, given.report)
    mapped.CACHED_ONLY = options.report
    found = versions("flow", "alkaid", "numpy", "pyosys") | {"da4ml": "0.6.0"}
    for name in given.parts or parts:
        for rows in parts[name](options):
            for row in rows:
                row.versions, row.seed = found, SEED
            write("models", "Models against other compilers", merged("models", rows), REMARKS)
            print(f"... {name}", file=sys.stderr, flush=True)


REMARKS = (
    "Areas: every script for every RTL. `abc` leaves all to ABC; `adders` puts `$add` and `$sub` "
    "on full adders first (FAX1 of OSU, nine NAND2 of EGFET), `extract` those that Yosys' "
    "`extract_fa -fa -ha` finds; then ABC maps the rest by "
    + ", ".join(f"`{name}`: `{script}`" for name, script in MAPPERS.items())
    + ". `flow` is our own synthesis of the same circuit. Each RTL answers as the integer model to "
    "640 random inputs, after each kind of preparation. The rival is the smaller of alkaid 0.8.2 "
    "(`method0='mc'`, no ternary adders) and da4ml 0.6.0.",
    "`ratio` is ours over the rival's: below 1 is better for sizes and seconds, above 1 for "
    "samples a second. A row without a value says why there is none.",
)


@cache
def libraries() -> tuple[Library, ...]:
    """EGFET, and OSU where Debian's package is installed."""
    found = [Library("EGFET 1.0 V", load("egfet", 1.0), "nands", "gates")]
    if OSU.is_file():
        found.append(Library("OSU 0.18 um", read_liberty(OSU), "fa", "ha"))
    return tuple(found)


def designs_of(
    case: Case, options: Options, tools: Sequence[str] = RIVALS
) -> tuple[list[Design], list[Design], list[str]]:
    """Ours, the rivals' and plain Verilog (the last), and what failed."""
    assert case.network is not None
    mine = [ours(case.name, case.network, passes) for passes in PASSES]
    others: list[Design] = []
    failed = []
    for tool in tools:
        found = rival(case.name, case.network, tool, options.timeout_s)
        if isinstance(found, str):
            failed.append(f"{tool}: {found}")
        else:
            others.append(found)
    if case.weights is not None:
        others.append(plain(case.name, case.weights))
    return mine, others, failed


def run_all(work: list[Callable[[], Any]]) -> list[Any]:
    """The results of some runs of Yosys, two at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(lambda f: f(), work))


def areas(options: Options) -> Iterator[list[Row]]:
    """Mapped area of each case by every script, and geometric means of what is there."""
    ratios: dict[tuple[str, str], list[float]] = {}
    for case in options.cases():
        if case.network is None:
            yield [Row(f"area, {case.name}", None, "um2", note=case.missing)]
            continue
        mine, others, failed = designs_of(case, options)
        everyone = [*mine, *others]
        run_all([partial(mapped.prepared_once, d, options.timeout_s) for d in everyone])
        rows: list[Row] = []
        for library in libraries():
            table = _table(everyone, library, options.timeout_s)
            own = _own(case.network, library)
            rows += _area_rows(case, library, table, own, failed, ratios)
        yield rows + _means(ratios)


def _table(
    designs: Sequence[Design], library: Library, timeout_s: float
) -> dict[tuple[str, str], dict[str, Any]]:
    """What each maker's design takes by each script."""
    jobs = [(design, script) for script in SCRIPTS for design in designs]
    found = run_all([partial(area, d, s, library, timeout_s) for d, s in jobs])
    return {(d.maker, s): cell for (d, s), cell in zip(jobs, found, strict=True)}


def _own(network: Network, library: Library) -> dict[str, dict[str, Any]]:
    """What our own synthesis makes of each of our circuits."""
    found = run_all([partial(own_area, network, passes, library) for passes in PASSES])
    return dict(zip(PASSES, found, strict=True))


def _um2(cell: dict[str, Any]) -> float | None:
    return cell.get("um2")


def _area_rows(
    case: Case, library: Library, table: dict[tuple[str, str], dict[str, Any]],
    own: dict[str, dict[str, Any]], failed: list[str], ratios: dict[tuple[str, str], list[float]],
) -> list[Row]:  # fmt: skip
    """A row a script, and one of the best."""

    def smallest(makers: Iterable[str], scripts: Iterable[str]) -> tuple[float, str] | None:
        sizes = [
            (value, f"{maker}, {script}")
            for script in scripts
            for maker in makers
            if (value := _um2(table.get((maker, script), {}))) is not None
        ]
        return min(sizes, default=None)

    mine = [f"flow {passes}" for passes in PASSES]
    best = [(s[0], maker) for maker in mine if (s := smallest([maker], SCRIPTS))]
    chosen = min(best)[1] if best else mine[0]
    rows = []
    for script in SCRIPTS:
        value = _um2(table[chosen, script])
        against = smallest(RIVALS, [script])
        plain_size = _um2(table.get(("plain", script), {}))
        why = [f"{m}: {table[m, script]['failed']}" for m in (chosen, *RIVALS)
               if "failed" in table.get((m, script), {})]  # fmt: skip
        note = "; ".join(
            [chosen, *failed, *why, *([f"plain {plain_size:.4g}"] if plain_size else [])]
        )
        met = None
        if value is not None and against is not None:
            met = value <= 0.97 * against[0]
            ratios.setdefault((library.name, script), []).append(value / against[0])
        rows.append(
            Row(f"area, {case.name}, {library.name}, {script}", value, "um2",
                against[1].split(",")[0] if against else ", ".join(RIVALS),
                against[0] if against else None, "at most 0.97", met, note=note)
        )  # fmt: skip
    sizes = [
        (cell["um2"], f"{passes}, {cell['script']}")
        for passes, cell in own.items()
        if "um2" in cell
    ]
    if (found := smallest([chosen], SCRIPTS)) is not None:
        sizes.append(found)
    for name, scripts in (
        ("ABC alone, map", ["abc map"]),
        ("ABC alone, the better", ["abc map", "abc amap"]),
    ):
        against = smallest(RIVALS, scripts)
        value = min(sizes)[0] if sizes else None
        rows.append(
            Row(f"area, {case.name}, {library.name}, best of ours against {name}", value, "um2",
                against[1] if against else "", against[0] if against else None, "at most 0.82",
                value <= 0.82 * against[0] if value is not None and against else None,
                note=min(sizes)[1] if sizes else "nothing of ours was mapped")
        )  # fmt: skip
    return rows


def _means(ratios: dict[tuple[str, str], list[float]]) -> list[Row]:
    rows = []
    for (library, script), values in ratios.items():
        mean = float(np.exp(np.mean(np.log(values))))
        count = f"{len(values)} designs"
        rows.append(
            Row(f"area, geometric mean of the ratios, {library}, {script}", mean, "",
                "the better rival", 1.0, "at most 0.92", mean <= 0.92, note=count)
        )  # fmt: skip
    return rows


def own_area(
    network: Network, passes: str, library: Library, effort: str = "normal"
) -> dict[str, Any]:
    """Our own synthesis of a circuit: its area, the script that won, the seconds."""
    circuit = circuit_of(network, passes)
    graph = write_aiger(bitblast(circuit)).hex()

    def work() -> dict[str, Any]:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            made = synthesise(
                circuit, library.technology, Path(folder), effort=effort, timeout_s=900
            )
        return {"um2": min(a for _, a in made.areas), "script": f"flow {made.variant}",
                "areas": made.areas, "seconds": time.perf_counter() - start}  # fmt: skip

    return cached(key_of("own", graph, effort, library.liberty, *SOURCES), work)


def lut_rows(options: Options) -> Iterator[list[Row]]:
    """LUT6 of each case, with and without the carry chains."""
    for case in options.cases():
        if case.network is None:
            yield [Row(f"LUT6, {case.name}", None, "", note=case.missing)]
            continue
        mine, others, failed = designs_of(case, options, LUT_RIVALS)
        found = run_all([partial(luts, d, options.timeout_s) for d in [*mine, *others]])
        table = {d.maker: cell for d, cell in zip([*mine, *others], found, strict=True)}
        rows = []
        for what, weight in (("LUTs", 0), ("LUTs and CARRY4", 1)):
            size = {m: c["luts"] + weight * c["carry4"] for m, c in table.items() if "luts" in c}
            own = min(((size[d.maker], d.maker) for d in mine if d.maker in size), default=None)
            against = min(((size[m], m) for m in LUT_RIVALS if m in size), default=None)
            why = [f"{m}: {c['failed']}" for m, c in table.items() if "failed" in c]
            plain_size = [f"plain {size['plain']}"] if "plain" in size else []
            note = "; ".join([own[1] if own else "", *failed, *why, *plain_size])
            rows.append(
                Row(f"{what}, {case.name}", own[0] if own else None, "",
                    against[1] if against else "", against[0] if against else None, "at most 1.0",
                    own[0] <= against[0] if own and against else None, note=note)
            )  # fmt: skip
        yield rows


def times(options: Options) -> Iterator[list[Row]]:
    """Seconds from weights in memory to Verilog on disk, in turns; and area against effort."""
    if options.report:
        return
    from alkaid.codegen import RTLModel
    from alkaid.trace import FVArray, trace

    for case in options.cases():
        if case.network is None:
            yield [Row(f"time to Verilog, {case.name}", None, "s", note=case.missing)]
            continue
        network = case.network
        try:
            text = specification(network)
        except ValueError as error:
            yield [Row(f"time to Verilog, {case.name}", None, "s", note=f"alkaid: {error}")]
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)

            def mine(network: Network = network, folder: Path = folder) -> None:
                emit_verilog(circuit_of(network, PASSES[-1])).write(folder / "ours")

            def theirs(text: Any = text, folder: Path = folder) -> None:
                x = FVArray.from_kif(*(np.array(k) for k in text["inputs"]))
                logic = trace(x, layered(x, text["layers"]))
                RTLModel(logic, folder / "theirs", print_latency=False).write()

            own, other = paired(mine, theirs, runs=3)
        yield [Row(f"time to Verilog, {case.name}", own, "s", "alkaid 0.8.2", other, "at most 1.0",
                   own <= other)]  # fmt: skip
        yield from _effort_curve(case, network)


def _effort_curve(case: Case, network: Network) -> Iterator[list[Row]]:
    """Area and seconds of our own synthesis at each effort; the highest for small graphs alone."""
    small = bitblast(circuit_of(network, PASSES[-1])).size < 20_000
    for library in libraries():
        for effort in ("fast", "normal", "high") if small else ("fast", "normal"):
            cell = own_area(network, PASSES[-1], library, effort)
            note = f"{cell.get('seconds', 0):.1f} s, {cell.get('script')}"
            what = f"effort curve, {case.name}, {library.name}, {effort}"
            yield [Row(what, cell.get("um2"), "um2", note=note)]


def evaluators(options: Options) -> Iterator[list[Row]]:
    """Samples a second of convolutional networks: ours, alkaid's interpreter."""
    if options.report:
        return
    for name, found in convolutional():
        what = f"compiled evaluator, {name}"
        if isinstance(found, str):
            yield [Row(what, None, "samples/s", reach="at least 3", note=found)]
            continue
        circuit, x, predict = found
        with CompiledCircuit(circuit) as compiled:
            inputs = {circuit.inputs[0].name: x}
            own, other = paired(lambda c=compiled, i=inputs: c.evaluate(i), predict, runs=3)
        mine, theirs = len(x) / own, len(x) / other
        yield [
            Row(
                what,
                mine,
                "samples/s",
                "alkaid's interpreter",
                theirs,
                "at least 3",
                mine >= 3 * theirs,
            )
        ]


def goldens(options: Options) -> Iterator[list[Row]]:
    """How many files with golden outputs are reproduced bit for bit, by running every one."""
    if options.report:
        return
    counts, bad = golden_counts()
    if counts is None:
        yield [
            Row("models reproduced bit for bit", None, "", note="the shared models are not here")
        ]
        return
    total = sum(counts.values())
    yield [
        Row("models reproduced bit for bit", float(counts["exact"]), "", "all with golden outputs",
            float(total), "all that have integer meaning",
            counts["wrong"] == counts["crashed"] == counts["refused"] == 0,
            note="; ".join([f"{k} {v}" for k, v in counts.items()] + bad))
    ]  # fmt: skip


if __name__ == "__main__":
    os.chdir(ROOT)
    (HERE / "cache").mkdir(exist_ok=True)
    main()
