"""The figures of a circuit in an FPGA, each with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LutMeasures:
    """Primitives, the estimate of the longest path (ns), and the place and route if there was one.

    `fmax_mhz` is None where nothing placed and routed the circuit; `route` says by what, in what
    and how, or why not; `limit` names the path that bounds it.
    """

    luts: int
    flipflops: int
    carries: int
    muxes: int
    dsps: int
    counted_by: str
    estimate_ns: float
    estimate_by: str
    fmax_mhz: float | None
    route: str
    limit: str
