"""What the quantisation of each layer costs, as data and as texts for tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flow.report import figures as fig

TITLES = ("layer", "type", "weights", "reads", "range", "saturated", "noise", "alone")
EXPLAINED = (
    "Bits of the weights and of what the layer reads, the ends of the values read and the share "
    "of them beyond the quantiser; then, where the model was float, the signal to quantisation "
    "noise ratio at the layer's output and the accuracy if this layer alone is quantised."
)


@dataclass(frozen=True, slots=True)
class QuantisedLayer:
    """A layer with weights; `read_bits` is 0 where it reads what nothing has narrowed.

    `low` and `high` are the ends of the real values read, `saturated` the share of them beyond
    the ends of the quantiser. `alone` is the share of samples decided rightly if this layer alone
    is quantised, None where the model was not float; `sqnr_db` the ratio of signal to noise then
    in dB, None also where there is no noise.
    """

    layer: str
    kind: str
    weight_bits: int
    read_bits: int
    low: float
    high: float
    saturated: float
    sqnr_db: float | None
    alone: float | None


def rows(layers: Sequence[QuantisedLayer]) -> list[tuple[str, ...]]:
    """The texts of every layer, in the order of TITLES."""
    return [
        (
            x.layer,
            x.kind,
            f"{x.weight_bits} bits",
            f"{x.read_bits} bits" if x.read_bits else "full width",
            f"{fig.digits(x.low)} to {fig.digits(x.high)}",
            fig.percent(x.saturated),
            _noise(x),
            fig.NONE if x.alone is None else fig.percent(x.alone),
        )
        for x in layers
    ]


def _noise(x: QuantisedLayer) -> str:
    if x.sqnr_db is None:
        return fig.NONE if x.alone is None else "none"
    return f"{x.sqnr_db:.1f} dB"
