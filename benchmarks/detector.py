"""Detector front ends: taggers, muons, codesign, the encoder chip and projects for HLS.

    make bench-setup          once: the rivals' own environment, benchmarks/.venv
    make bench-detector       everything; goes on where it was stopped
    python benchmarks/detector.py [PART ...] [--quick] [--only TEXT] [--timeout SECONDS] [--report]

Parts are tables, frequency, time, folding, muon, codesign, quantisation, econ, hls. What was
measured lies in benchmarks/cache; `--report` writes the table of it and measures nothing more of
look-up tables. Writes benchmarks/detector.md and results/detector.json.
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
from detector_codesign import codesign
from detector_econ import econ
from detector_fabric import folding, frequency, tables, time_to_rtl
from detector_hls import hls
from detector_muon import muon
from detector_quantisation import quantisation

PARTS: dict[str, Callable[[Options], Iterable[list[Row]]]] = {
    "tables": tables,
    "frequency": frequency,
    "time": time_to_rtl,
    "folding": folding,
    "muon": muon,
    "codesign": codesign,
    "quantisation": quantisation,
    "econ": econ,
    "hls": hls,
}
REMARKS = (
    "LUTs and flip-flops: alkaid 0.8.2 by its own command's options (latency cutoff 5), with "
    "adders of three operands or of two, the smaller by LUTs and flip-flops; without registers at "
    "the inputs, so both have as many ranks as stages, the last at the outputs. Both RTLs are "
    "simulated on 100 random samples, one a clock, and answer as the integer network after exactly "
    "that latency. The same Yosys script: `synth_xilinx -family xc7 -flatten -noiopad -noclkbuf "
    "-nodsp -nobram -nolutram -nosrl`, with ABC9's script `&sweep;&dc2;&if` for both. Of ours, the "
    "first of the passes and slacks that is neither larger nor slower by flow's estimate on both "
    "netlists; else the smallest that is not slower.",
    "Frequency: nextpnr-ecp5 between the registers of a harness, the same seed.",
    "`ratio` is ours over the rival's. A row without a value says why there is none.",
)


def main() -> None:
    """The parts that the arguments name, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--quick", action="store_true", help="the smallest of each part")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds for one run")
    parser.add_argument("--report", action="store_true", help="measure nothing that is not cached")
    given = parser.parse_args()
    if strange := [part for part in given.parts if part not in PARTS]:
        parser.error(f"no part {strange[0]!r}: there are {', '.join(PARTS)}")
    options = Options(given.only, given.quick, given.timeout, given.report)
    mapped.CACHED_ONLY = options.report
    found = versions("flow", "alkaid", "numpy", "pyosys")
    for name in given.parts or PARTS:
        for rows in PARTS[name](options):
            for row in rows:
                row.versions, row.seed = found, SEED
            write("detector", "Detector front ends", merged("detector", rows), REMARKS)
        print(f"... {name}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.chdir(ROOT)
    (HERE / "cache").mkdir(exist_ok=True)
    main()
