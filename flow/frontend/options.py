"""What a user can say about the quantisation of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flow.errors import UsageError

WIDTHS = (1, 32)


@dataclass(frozen=True, slots=True)
class QuantiseOptions:
    """Widths and rules of a quantisation; a model quantised by its file takes only the inputs'
    and the head's from here. UsageError for widths out of range."""

    #: Bits of every input without a quantiser; None: 8 for a float model, else as the data need.
    input_bits: int | None = None
    #: Bits of a weight of a float model, sign included.
    weight_bits: int = 8
    #: Bits of what one layer hands to the next; None: full width, nothing is rounded between.
    activation_bits: int | None = None
    #: Whether inputs are signed; None: signed where the calibration data are negative.
    input_signed: bool | None = None
    #: Whether every feature is coded over its own range; None: where a scaler leads the model,
    #: or where few bits meet features of very different range. Only inputs of one axis are.
    per_feature: bool | None = None
    #: "decision": circuits end in a class; "auto": they do where the model ends in a head.
    head: Literal["logits", "decision", "auto"] = "logits"
    #: Whether inputs without a quantiser hold every calibration value exactly, up to 32 bits.
    exact_input: bool = False
    #: Whether every output of a dense layer has its own step of weights.
    per_channel: bool = False
    #: The step of weights: a power of two, or any rational of least squared error.
    weight_step: Literal["power_of_two", "best"] = "power_of_two"
    #: How the range of an activation follows from the calibration data.
    activation_range: Literal["max", "percentile", "mse"] = "mse"

    def __post_init__(self) -> None:
        for name in ("input_bits", "weight_bits", "activation_bits"):
            bits = getattr(self, name)
            if bits is not None and not WIDTHS[0] <= bits <= WIDTHS[1]:
                raise UsageError(
                    f"{name} is {bits}",
                    hint=f"a width lies between {WIDTHS[0]} and {WIDTHS[1]} bits",
                )
        if self.weight_bits < 2:
            raise UsageError("weight_bits is 1", hint="a signed weight needs at least 2 bits")
