"""Threshold logic: gates of ordinary designs, binary networks on the array and on flash cells.

    make bench-threshold      everything; goes on where it was stopped
    python benchmarks/threshold.py [PART ...] [--quick] [--only TEXT] [--timeout SECONDS] [--report]

Parts are gates, binarized, steps, cycles, model, energy, shapes, training, workloads, flash. Writes
benchmarks/threshold.md and results/threshold.json.
"""

from __future__ import annotations

from collections.abc import Sequence

from common import Row, write
from parts import Part, run_parts
from threshold_energy import ENERGY, energy
from threshold_flash import flash
from threshold_gates import binarized, gates
from threshold_shapes import shapes
from threshold_training import training, workloads
from threshold_tulip import cycles, model, steps

PARTS: dict[str, Part] = {
    "gates": gates,
    "binarized": binarized,
    "steps": steps,
    "cycles": cycles,
    "model": model,
    "energy": energy,
    "shapes": shapes,
    "training": training,
    "workloads": workloads,
    "flash": flash,
}
REMARKS: tuple[str, ...] = ("A row without a value says why there is none.", ENERGY)


def finish(rows: Sequence[Row]) -> None:
    """Writes the table of all rows."""
    write("threshold", "Threshold logic", rows, REMARKS)


if __name__ == "__main__":
    run_parts("threshold", __doc__ or "", PARTS, finish, timeout_s=3600.0)
