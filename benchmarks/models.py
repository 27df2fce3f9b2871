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

from collections.abc import Sequence

import mapped
from common import Row, write
from mapped import MAPPERS, PREPARE
from parts import Part, run_parts
from sizes import CHOICE, DEEP_GATES, areas, best, look_up_tables
from speed import effort_curves, evaluators, goldens, times
from summary import means, ordered, summary

PARTS: dict[str, Part] = {
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


def finish(rows: Sequence[Row]) -> None:
    """Writes the table of all rows, with their means and a summary."""
    found = {row.what: row for row in means(rows)}
    every = ordered([*(row for row in rows if row.what not in found), *found.values()])
    write("models", "Models against other compilers", every, REMARKS, summary(every))


if __name__ == "__main__":
    run_parts("models", __doc__ or "", PARTS, finish, 1800.0, {"da4ml": "0.6.0"})
