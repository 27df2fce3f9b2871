"""Detector front ends: taggers, muons, codesign, the encoder chip and projects for HLS.

    make bench-setup          once: the rivals' own environment, benchmarks/.venv
    make bench-detector       everything; goes on where it was stopped
    python benchmarks/detector.py [PART ...] [--quick] [--only TEXT] [--timeout SECONDS] [--report]

Parts are tables, frequency, time, folding, muon, codesign, quantisation, search, econ, chip, hls.
What was measured lies in benchmarks/cache; `--report` writes the table of it and measures nothing
more of look-up tables. Writes benchmarks/detector.md and results/detector.json.
"""

from __future__ import annotations

from collections.abc import Sequence

from common import Row, write
from detector_chip import chip
from detector_codesign import codesign
from detector_econ import econ
from detector_fabric import folding, frequency, tables, time_to_rtl
from detector_hls import hls
from detector_muon import muon
from detector_quantisation import quantisation
from detector_search import search
from parts import Part, run_parts

PARTS: dict[str, Part] = {
    "tables": tables,
    "frequency": frequency,
    "time": time_to_rtl,
    "folding": folding,
    "muon": muon,
    "codesign": codesign,
    "quantisation": quantisation,
    "search": search,
    "econ": econ,
    "chip": chip,
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
    "netlists; else the smallest that is not slower. For the muon network alkaid's Reshape is "
    "mended: it leaves the batch out, and no slice can be taken after it.",
    "Frequency: nextpnr-ecp5 between the registers of a harness, the same seed.",
    "`ratio` is ours over the rival's. A row without a value says why there is none.",
)


def finish(rows: Sequence[Row]) -> None:
    """Writes the table of all rows."""
    write("detector", "Detector front ends", rows, REMARKS)


if __name__ == "__main__":
    run_parts("detector", __doc__ or "", PARTS, finish, timeout_s=3600.0)
