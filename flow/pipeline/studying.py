"""What the quantisation of each layer costs, for the report and for `flow check`."""

from __future__ import annotations

from dataclasses import asdict

from flow.frontend.quantisation.layer_study import study
from flow.pipeline.importing import Imported
from flow.report.quantisation import QuantisedLayer


def studied(imported: Imported) -> tuple[QuantisedLayer, ...]:
    """A row for each layer with weights; none without samples, nor where nothing is quantised."""
    samples = imported.samples or imported.calibration
    if samples is None or not imported.source.layers:
        return ()
    calibration = imported.calibration
    rows = study(
        imported.source,
        imported.options,
        samples.inputs,
        samples.labels if len(imported.source.outputs) == 1 else None,
        None if calibration is None else calibration.inputs,
    )
    return tuple(QuantisedLayer(**asdict(row)) for row in rows)
