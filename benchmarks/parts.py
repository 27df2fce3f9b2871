"""The command line of a benchmark that is made of parts, whose table is written after each case."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

import mapped
from cases import Options
from common import HERE, ROOT, Row, merged, versions
from designs import SEED

Part = Callable[[Options], Iterable[list[Row]]]


def run_parts(
    name: str,
    about: str,
    parts: Mapping[str, Part],
    finish: Callable[[Sequence[Row]], None],
    timeout_s: float,
    extra: Mapping[str, str] | None = None,
) -> None:
    """The parts that the arguments name, or all. `finish` gets all rows of results/NAME.json with
    the new ones and writes them; `extra` are versions beside those of what is installed."""
    parser = argparse.ArgumentParser(description=about.split("\n", 1)[0])
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--quick", action="store_true", help="the smallest of each part")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--timeout", type=float, default=timeout_s, help="seconds for one run")
    parser.add_argument("--report", action="store_true", help="measure nothing that is not cached")
    given = parser.parse_args()
    if strange := [part for part in given.parts if part not in parts]:
        parser.error(f"no part {strange[0]!r}: there are {', '.join(parts)}")
    os.chdir(ROOT)
    (HERE / "cache").mkdir(exist_ok=True)
    options = Options(given.only, given.quick, given.timeout, given.report)
    mapped.CACHED_ONLY = options.report
    found = versions("flow", "alkaid", "numpy", "pyosys") | dict(extra or {})
    for part in given.parts or parts:
        for rows in parts[part](options):
            for row in rows:
                row.versions, row.seed = found, SEED
            if options.report:
                # What was measured before stays, though its design has changed since.
                known = {row.what for row in merged(name, []) if row.value is not None}
                rows = [row for row in rows if row.value is not None or row.what not in known]
            finish(merged(name, rows))
        print(f"... {part}", file=sys.stderr, flush=True)
