"""Runs in the rivals' own environment: processor seconds of alkaid's way to pipelined Verilog.

    python detector_seconds.py (ternary|binary) CUTOFF SPECIFICATION FOLDER

Arguments are those of detector_rivals.py. Files are read and modules imported before time begins;
the median of some runs after one that does not count.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import alkaid.codegen
import alkaid.converter  # noqa: F401
from detector_rivals import _traced, _write
from rivals import _keras

RUNS = 3


def main() -> None:
    """One design."""
    adders, cutoff, specification, folder = sys.argv[1:5]
    text = json.loads(Path(specification).read_text())
    loaded = _keras(text["keras"]) if "keras" in text else None
    found = []
    for i in range(RUNS + 1):
        start = time.process_time()
        project = Path(folder) / f"project{i}"
        _write(_traced(text, loaded), project, adders == "ternary", float(cutoff))
        found.append(time.process_time() - start)
    print(statistics.median(found[1:]))


if __name__ == "__main__":
    main()
