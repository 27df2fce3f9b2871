"""Runs in the rivals' own environment: seconds of alkaid from a Keras file to Verilog on disk.

    python rival_files.py MODEL FOLDER RUNS

The work of `alkaid convert MODEL FOLDER -n 0`, by its own function and with its defaults, in a
process that has imported all that it needs. Prints {"cpu": ..., "wall": ...}, the medians of the
runs after one that does not count. Imports nothing of flow.
"""

from __future__ import annotations

import contextlib
import io
import json
import statistics
import sys
import time
from pathlib import Path


def main() -> None:
    """One file."""
    import hgq  # noqa: F401  registers the layers
    from alkaid._cli.convert import to_alkaid

    model, folder, runs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    cpu, wall = [], []
    for i in range(runs + 1):
        start, worked = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            to_alkaid(model, folder / str(i), 0, 5.0, 10.0, "verilog", 5, "xcvu13p-flga2577-2-e")
        cpu.append(time.process_time() - worked)
        wall.append(time.perf_counter() - start)
    medians = {"cpu": statistics.median(cpu[1:]), "wall": statistics.median(wall[1:])}
    print("\n" + json.dumps(medians))


if __name__ == "__main__":
    main()
