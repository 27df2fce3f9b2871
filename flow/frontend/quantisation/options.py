"""What a user can say about the quantisation of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flow.errors import UsageError

WIDTHS = (1, 32)

RangeRule = Literal["max", "percentile", "mse", "cross_entropy"]
WeightStep = Literal["power_of_two", "best"]
WeightRounding = Literal["nearest", "adaptive"]


@dataclass(frozen=True, slots=True)
class LayerBits:
    """Widths of one dense layer or convolution in place of those of all; None: that of all."""

    layer: str
    weight_bits: int | None = None
    activation_bits: int | None = None


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
    #: Whether every output of a layer has its own step of weights.
    per_channel: bool = False
    #: Whether every input of a layer has its own step of weights; None: where that saves at least
    #: three quarters of the squared error of the layer on the calibration data.
    per_input: bool | None = None
    #: The step of weights: a power of two, or any rational of least squared error.
    weight_step: WeightStep = "power_of_two"
    #: Whether a weight takes its nearest value, or the one with which the layer's answers change
    #: least.
    weight_rounding: WeightRounding = "nearest"
    #: Whether channels of neighbouring layers are brought to ranges of one size before.
    equalise: bool = False
    #: Whether biases take the mean error of their layer back.
    bias_correction: bool = True
    #: How the range of an activation follows from the calibration data.
    activation_range: RangeRule = "mse"
    #: The share in percent of the values that the rule `percentile` covers.
    percentile: float = 99.9
    #: Widths of single layers; `activation_bits` is of what the layer reads.
    layers: tuple[LayerBits, ...] = ()

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

    def weight_bits_of(self, layer: str) -> int:
        """Bits of the weights of that layer."""
        found = next((x.weight_bits for x in self.layers if x.layer == layer), None)
        return self.weight_bits if found is None else found

    def activation_bits_of(self, layer: str) -> int | None:
        """Bits of what that layer reads; None: full width."""
        found = next((x.activation_bits for x in self.layers if x.layer == layer), None)
        return self.activation_bits if found is None else found


def parse_layer_bits(text: str) -> tuple[LayerBits, ...]:
    """Widths of single layers from "fc1=4,fc2=6:8,fc3=:5"; UsageError where it says nothing."""
    return tuple(_layer_bits(part.strip(), text) for part in text.split(",") if part.strip())


def print_layer_bits(layers: tuple[LayerBits, ...]) -> str:
    """The text that `parse_layer_bits` reads."""
    words = []
    for x in layers:
        weights = "" if x.weight_bits is None else str(x.weight_bits)
        reads = "" if x.activation_bits is None else f":{x.activation_bits}"
        words.append(f"{x.layer}={weights}{reads}")
    return ",".join(words)


def _layer_bits(part: str, text: str) -> LayerBits:
    name, equals, widths = part.rpartition("=")
    weights, colon, reads = widths.partition(":")
    bad = UsageError(
        f"--layer-bits {text}: {part!r} gives no widths",
        hint="write a layer, =, the bits of its weights, and after : the bits that it reads",
    )
    if not name or not equals or not (weights or (colon and reads)):
        raise bad
    found = []
    for word, low in ((weights, 2), (reads, 1)):
        if word and not (word.isascii() and word.isdigit() and low <= int(word) <= 24):
            raise bad
        found.append(int(word) if word else None)
    return LayerBits(name, *found)
