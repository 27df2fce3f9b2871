"""The stages of a build that ends in a circuit of our own."""

from __future__ import annotations

from flow.pipeline.stages.emit_stage import Emit
from flow.pipeline.stages.import_stage import Import
from flow.pipeline.stages.lower_stage import Lower
from flow.pipeline.stages.measure_stage import Measure
from flow.pipeline.stages.optimise_stage import Optimise
from flow.pipeline.stages.prove_stage import Prove
from flow.pipeline.stages.report_stage import WriteReport
from flow.pipeline.stages.simulate_stage import Simulate
from flow.pipeline.stages.synthesise_stage import Synthesise
from flow.pipeline.state import Stage

STAGES: tuple[Stage, ...] = (
    Import(),
    Lower(),
    Optimise(),
    Emit(),
    Simulate(),
    Synthesise(),
    # The proofs go along the steps of the synthesis, so they come after it.
    Prove(),
    Measure(),
    WriteReport(),
)
