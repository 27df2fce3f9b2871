"""Size, time, speed and exactness of real and random networks against the other compilers.

    make bench-setup          once: the rivals' own environment, benchmarks/.venv
    make bench-models         everything; goes on where it was stopped
    python benchmarks/models.py [PART ...] [--quick] [--only TEXT] [--timeout SECONDS] [--report]

Parts are area, best, luts, time, effort, evaluator, goldens. What was measured lies in
benchmarks/cache, keyed by what it depends on; `--report` writes the table of it and measures
nothing. Smallest designs come first, and the table is written after each. Writes
benchmarks/models.md and results/models.json.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable

import mapped
from cases import Options
from common import HERE, ROOT, Row, merged, versions, write
from designs import SEED
from mapped import MAPPERS, PREPARE
from sizes import CHOICE, DEEP_GATES, areas, best, look_up_tables
from speed import effort_curves, evaluators, goldens, times
from summary import means, ordered, summary

PARTS: dict[str, Callable[[Options], Iterable[list[Row]]]] = {
    "area": areas,
    "best": best,
    "luts": look_up_tables,
    "time": times,
    "effort": effort_curves,
    "evaluator": evaluators,
    "goldens": goldens,
}
REMARKS = (
    "Areas: every script for every RTL. `abc` leaves all to ABC; `adders` puts `$add` and `$sub` "
    "on full adders first (FAX1 of OSU, nine NAND2 of EGFET), `extract` those that Yosys' "
    "`extract_fa -fa -ha` finds, in graphs of at most "
    f"{mapped.LARGEST_EXTRACT} gates; then ABC prepares the rest by `{PREPARE}` and maps it by "
    + ", ".join(f"`{name}`: `{script}`" for name, script in MAPPERS.items())
    + ". `flow` is our own Verilog by the passes `heaps`; the best of ours is our own synthesis, "
    f"too: of the pipelines `heaps`, {', '.join(f'`{text}`' for text in CHOICE)} the one that "
    f"quick scripts make smallest, at high effort up to {DEEP_GATES} gates. Each RTL answers as "
    "the integer model to 640 random inputs, after each kind of preparation. The rival is the "
    "smaller of alkaid 0.8.2 (`method0='mc'`, no ternary adders) and da4ml 0.6.0.",
    "`ratio` is ours over the rival's: below 1 is better for sizes and seconds, above 1 for "
    "samples a second. A row without a value says why there is none.",
)


def main() -> None:
    """The parts that the arguments name, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--quick", action="store_true", help="the smallest matrix alone")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds for one run")
    parser.add_argument("--report", action="store_true", help="measure nothing that is not cached")
    given = parser.parse_args()
    if strange := [part for part in given.parts if part not in PARTS]:
        parser.error(f"no part {strange[0]!r}: there are {', '.join(PARTS)}")
    options = Options(given.only, given.quick, given.timeout, given.report)
    mapped.CACHED_ONLY = options.report
    found = versions("flow", "alkaid", "numpy", "pyosys") | {"da4ml": "0.6.0"}
    for name in given.parts or PARTS:
        for rows in PARTS[name](options):
            for row in rows:
                row.versions, row.seed = found, SEED
            every = merged("models", rows)
            found_means = {row.what: row for row in means(every)}
            every = [row for row in every if row.what not in found_means]
            every = ordered([*every, *found_means.values()])
            write("models", "Models against other compilers", every, REMARKS, summary(every))
            print(f"... {name}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.chdir(ROOT)
    (HERE / "cache").mkdir(exist_ok=True)
    main()
