"""Threshold logic: gates of ordinary designs, binary networks on the array and on flash cells.

    make bench-threshold      everything; goes on where it was stopped
    python benchmarks/threshold.py [PART ...] [--quick] [--only TEXT] [--timeout SECONDS] [--report]

Parts are gates, binarized, energy, training, flash. Writes benchmarks/threshold.md and results/threshold.json.
results/threshold.json.
"""

from __future__ import annotations

from collections.abc import Sequence

from common import Row, write
from parts import Part, run_parts
from threshold_energy import energy
from threshold_flash import flash
from threshold_gates import binarized, gates
from threshold_training import training

PARTS: dict[str, Part] = {
    "gates": gates,
    "binarized": binarized,
    "energy": energy,
    "training": training,
    "flash": flash,
}
REMARKS: tuple[str, ...] = ("A row without a value says why there is none.",)


def finish(rows: Sequence[Row]) -> None:
    """Writes the table of all rows."""
    write("threshold", "Threshold logic", rows, REMARKS)


if __name__ == "__main__":
    run_parts("threshold", __doc__ or "", PARTS, finish, timeout_s=3600.0)
