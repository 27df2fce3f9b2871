"""A Network as a QONNX file: real weights and tensors with Quant nodes, for other tools to read.

Every integer n of a tensor stands as n times a power of two, the one below its scale, so that a
reader of QONNX (Pappalardo et al., arXiv 2206.07527) computes the same integers in floats, exactly
while they keep within 24 bits. Where a scale is no power of two, a product at the input and at the
output makes up for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from flow.errors import UnsupportedModel
from flow.frontend.exact.rational import arranged
from flow.ir.layers import (
    Add,
    Affine,
    Concat,
    Conv,
    Dense,
    Gather,
    Input,
    Layer,
    Pool,
    Relu,
    Requantize,
    Reshape,
)
from flow.ir.network import Network
from flow.ir.rounding import Rounding
from flow.ir.tensor import FractionArray, TensorType

DOMAIN = "qonnx.custom_op.general"
OPSET, IR = 13, 8
BATCH = "N"
BIAS_BITS = 24
_MODES: dict[Rounding, str] = {
    "half_even": "ROUND", "floor": "FLOOR", "ceil": "CEIL", "zero": "ROUND_TO_ZERO",
    "half_away": "HALF_UP", "half_zero": "HALF_DOWN",
}  # fmt: skip
_HEADS = {"softmax": "Softmax", "log_softmax": "LogSoftmax", "sigmoid": "Sigmoid"}


def network_to_qonnx(network: Network) -> bytes:
    """The file; equal networks give equal bytes.

    UnsupportedModel names every layer that QONNX has no exact form of: decisions and tables among
    them. Make the network with the head `logits`.
    """
    import onnx

    made = _Writer(network)
    obstacles = []
    for layer in network.layers:
        try:
            made.layer(layer)
        except _NoForm as error:
            obstacles.append(f"{layer.place}: {error}")
    if obstacles:
        raise UnsupportedModel(
            f"{network.name} cannot be written as QONNX", obstacles=tuple(obstacles)
        )
    outputs = []
    for name, head in zip(network.outputs, network.heads, strict=True):
        last = made.scaled(name)
        if head != "none":
            operator = _HEADS[head]
            last = made.node(operator, [last], f"{name}_head", **_axis(operator))
        shape: list[str | int | None] = [BATCH, *network.types[name].shape]
        outputs.append(onnx.helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, shape))
    inputs = [
        onnx.helper.make_tensor_value_info(x.name, onnx.TensorProto.FLOAT, [BATCH, *x.tensor.shape])
        for x in network.inputs
    ]
    graph = onnx.helper.make_graph(made.nodes, network.name, inputs, outputs, made.constants)
    opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid(DOMAIN, 1)]
    model = onnx.helper.make_model(graph, producer_name="flow", opset_imports=opsets, ir_version=IR)
    return bytes(model.SerializeToString(deterministic=True))


class _NoForm(Exception):
    """A layer that QONNX does not have."""


@dataclass
class _Writer:
    network: Network
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    """The tensor that holds the values of each layer."""

    def label(self, name: str) -> FractionArray:
        """What the integer 1 stands for in each element of a layer's tensor."""
        return labels(self.network.types[name].scale)

    def layer(self, layer: Layer) -> None:
        """Append the nodes of a layer."""
        self.outputs[layer.name] = layer.name  # So that one obstacle does not hide the next.
        here = self.network.types[layer.name]
        xs = [self.outputs[s] for s in layer.sources]
        match layer:
            case Input():
                self.outputs[layer.name] = self._input(layer, here)
            case Dense():
                self.outputs[layer.name] = self._dense(layer, here, xs[0])
            case Conv():
                self.outputs[layer.name] = self._conv(layer, here, xs[0])
            case Affine():
                self.outputs[layer.name] = self._affine(layer, xs[0])
            case Relu():
                self.node("Relu", xs, layer.name)
            case Requantize():
                self._requantise(layer, here, xs[0])
            case Reshape(shape=shape):
                self.node("Reshape", [*xs, self._whole(f"{layer.name}_shape", (0, *shape))],
                          layer.name)  # fmt: skip
            case Add():
                total = xs[0]
                for i, x in enumerate(xs[1:], 1):
                    name = layer.name if i == len(xs) - 1 else f"{layer.name}_{i}"
                    total = self.node("Add", [total, x], name)
            case Concat(axis=axis):
                self.node("Concat", xs, layer.name, axis=axis if axis < 0 else axis + 1)
            case Pool(pool="max"):
                self.outputs[layer.name] = self._pool(layer, here, xs[0])
            case Gather() if (layer.indices >= 0).all():
                self._gather(layer, here, xs[0])
            case _:
                raise _NoForm(f"QONNX has no exact form of {layer.kind}")

    def _gather(self, layer: Gather, here: TensorType, x: str) -> None:
        rows = layer.indices.ravel()
        x = self.node("Reshape", [x, self._whole(f"{layer.name}_flat", (0, -1))],
                      f"{layer.name}_line")  # fmt: skip
        size = self.network.types[layer.sources[0]].size
        if rows.size != size or (rows != np.arange(size)).any():
            at = self._whole(f"{layer.name}_at", rows.tolist())
            x = self.node("Gather", [x, at], f"{layer.name}_taken", axis=1)
        sizes = self._whole(f"{layer.name}_shape", (0, *here.shape))
        self.node("Reshape", [x, sizes], layer.name)

    def scaled(self, name: str) -> str:
        """The tensor of the real values of an output."""
        factor = arranged(self.network.types[name].scale / self.label(name))
        if (factor == 1).all():
            return self.outputs[name]
        rest = self._constant(f"{name}_rest", factor, near=True)
        return self.node("Mul", [self.outputs[name], rest], f"{name}_real")

    def node(
        self, operator: str, inputs: list[str], output: str, domain: str = "", **attributes: Any
    ) -> str:
        """Append a node, and return its output."""
        import onnx

        self.nodes.append(
            onnx.helper.make_node(
                operator, inputs, [output], name=f"{operator}_{output}", domain=domain, **attributes
            )
        )
        return output

    def _constant(self, name: str, values: Any, near: bool = False) -> str:
        """Rationals as float32; _NoForm where they are none, unless what is near will do."""
        import onnx

        array = np.asarray(values, dtype=object)
        floats = array.astype(np.float64).astype(np.float32)
        pairs = zip(floats.ravel(), array.ravel(), strict=True)
        if not near and any(Fraction(float(f)) != v for f, v in pairs):
            raise _NoForm(f"{name} has numbers that float32 does not hold")
        self.constants.append(onnx.numpy_helper.from_array(floats, name))
        return name

    def _whole(self, name: str, values: Any) -> str:
        import onnx

        self.constants.append(onnx.numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def _quant(
        self, x: str, output: str, scale: FractionArray, bits: int, signed: bool, narrow: bool,
        rounding: Rounding,
    ) -> str:  # fmt: skip
        if rounding not in _MODES:
            raise _NoForm(f"QONNX has no rounding {rounding}")
        inputs = [
            x,
            self._constant(f"{output}_scale", scale),
            self._constant(f"{output}_zero", Fraction(0)),
            self._constant(f"{output}_bits", Fraction(bits)),
        ]
        return self.node(
            "Quant", inputs, output, DOMAIN,
            signed=int(signed), narrow=int(narrow), rounding_mode=_MODES[rounding],
        )  # fmt: skip

    def _input(self, layer: Input, here: TensorType) -> str:
        if layer.overflow != "saturate":
            raise _NoForm("QONNX has no input that wraps around")
        x, label = layer.name, self.label(layer.name)
        factor = arranged(label / here.scale)
        if (factor != 1).any():
            by = self._constant(f"{x}_factor", factor, near=True)
            x = self.node("Mul", [x, by], f"{layer.name}_scaled")
        if layer.offset.any():
            minus = arranged(-layer.offset * label / here.scale)
            moved = self._constant(f"{layer.name}_offset", minus, near=True)
            x = self.node("Add", [x, moved], f"{layer.name}_moved")
        bits, signed, narrow = _width(here)
        name = f"{layer.name}_quant"
        return self._quant(x, name, arranged(label), bits, signed, narrow, layer.rounding)

    def _affine(self, layer: Affine, x: str) -> str:
        label, before = self.label(layer.name), self.label(layer.sources[0])
        factor = arranged(label * layer.multiplier.astype(object) / before)
        offset = arranged(label * layer.offset.astype(object))
        if (factor != 1).any():
            by = self._constant(f"{layer.name}_factor", factor)
            x = self.node("Mul", [x, by], f"{layer.name}_scaled")
        if offset.any():
            moved = self._constant(f"{layer.name}_offset", offset)
            x = self.node("Add", [x, moved], f"{layer.name}_moved")
        return x

    def _weights(self, name: str, weights: Any, scale: FractionArray) -> str:
        """Integers times their scale behind a Quant node; (..., outputs)."""
        peak = int(abs(weights).max(initial=0))
        bits = max(2, peak.bit_length() + 1)
        scale = arranged(np.broadcast_to(scale, weights.shape))
        values = self._constant(f"{name}_values", np.asarray(weights.astype(object) * scale))
        return self._quant(values, name, scale, bits, True, True, "half_even")

    def _bias(self, name: str, bias: Any, scale: FractionArray) -> str:
        scale = arranged(scale)
        values = self._constant(f"{name}_values", np.asarray(bias.astype(object) * scale))
        bits = max(BIAS_BITS, int(abs(bias).max(initial=0)).bit_length() + 1)
        return self._quant(values, name, scale, bits, True, True, "half_even")

    def _dense(self, layer: Dense, here: TensorType, x: str) -> str:
        before, after = self._channels(layer.sources[0]), self._channels(layer.name)
        kernel = self._weights(f"{layer.name}_kernel", layer.weights, after / before[:, None])
        product = self.node("MatMul", [x, kernel], f"{layer.name}_product")
        bias = self._bias(f"{layer.name}_bias", layer.bias, after)
        return self.node("Add", [product, bias], layer.name)

    def _conv(self, layer: Conv, here: TensorType, x: str) -> str:
        before, after = self._channels(layer.sources[0]), self._channels(layer.name)
        if layer.groups > 1 and (before != before[0]).any():
            raise _NoForm("the channels of its groups have different scales")
        rows = before[: layer.weights.shape[-2]]
        axes = layer.weights.ndim - 2
        ratio = np.broadcast_to(after / rows[:, None], layer.weights.shape)
        turned = (axes + 1, axes, *range(axes))
        scale = arranged(ratio)
        spread = (scale if scale.ndim == 0 else np.asarray(
            np.broadcast_to(scale, layer.weights.shape)).transpose(turned))  # fmt: skip
        if scale.ndim == 1:
            spread = scale.reshape(-1, *[1] * (axes + 1))
        weights = layer.weights.transpose(turned)
        peak = int(abs(weights).max(initial=0))
        name = f"{layer.name}_kernel"
        values = self._constant(f"{name}_values", np.asarray(weights.astype(object) * spread))
        bits = max(2, peak.bit_length() + 1)
        kernel = self._quant(values, name, spread, bits, True, True, "half_even")
        bias = self._bias(f"{layer.name}_bias", layer.bias, after)
        first = self._turned(x, axes, f"{layer.name}_first", True)
        pads = [p[0] for p in layer.padding] + [p[1] for p in layer.padding]
        last = self.node(
            "Conv", [first, kernel, bias], f"{layer.name}_conv", strides=list(layer.strides),
            pads=pads, dilations=list(layer.dilation), group=layer.groups,
            kernel_shape=list(layer.weights.shape[:-2]),
        )  # fmt: skip
        return self._turned(last, axes, layer.name, False)

    def _pool(self, layer: Pool, here: TensorType, x: str) -> str:
        axes = len(layer.window)
        first = self._turned(x, axes, f"{layer.name}_first", True)
        pads = [p[0] for p in layer.padding] + [p[1] for p in layer.padding]
        last = self.node(
            "MaxPool", [first], f"{layer.name}_pool", kernel_shape=list(layer.window),
            strides=list(layer.strides), pads=pads,
        )  # fmt: skip
        return self._turned(last, axes, layer.name, False)

    def _turned(self, x: str, axes: int, name: str, first: bool) -> str:
        """Channels before the positions, or behind them again."""
        middle = list(range(2, axes + 2)) if not first else list(range(1, axes + 1))
        order = [0, axes + 1, *middle] if first else [0, *middle, 1]
        return self.node("Transpose", [x], name, perm=order)

    def _channels(self, name: str) -> FractionArray:
        """The labels of the channels; _NoForm where they differ by place."""
        label = self.label(name)
        rows = label.reshape(-1, label.shape[-1])
        if (rows != rows[0]).any():
            raise _NoForm("the scale of a channel differs from place to place")
        first: FractionArray = rows[0]
        return first

    def _requantise(self, layer: Requantize, here: TensorType, x: str) -> None:
        before = self.network.types[layer.sources[0]]
        factor = np.broadcast_to(np.asarray(layer.multiplier, dtype=object), before.shape)
        label = arranged(self.label(layer.name))
        if (label * factor != self.label(layer.sources[0])).any():
            raise _NoForm("a requantisation is by no power of two")
        if layer.overflow != "saturate":
            raise _NoForm("QONNX has no quantiser that wraps around")
        offset = arranged(np.broadcast_to(layer.offset, here.shape) * label)
        if offset.any():
            moved = self._constant(f"{layer.name}_offset", offset)
            x = self.node("Add", [x, moved], f"{layer.name}_moved")
        rounding: Rounding = layer.rounding
        if rounding == "half_up":
            half = self._constant(f"{layer.name}_half", arranged(label / 2))
            x, rounding = self.node("Add", [x, half], f"{layer.name}_raised"), "floor"
        lo, hi = int(np.min(layer.lo)), int(np.max(layer.hi))
        if (np.asarray(layer.lo) != lo).any() or (np.asarray(layer.hi) != hi).any():
            raise _NoForm("the ends of a requantisation differ between its elements")
        if lo == 0 and hi & (hi + 1):
            raise _NoForm(f"a requantisation ends at {hi}, and no width does")
        bits, signed = (hi.bit_length(), False) if lo == 0 else (hi.bit_length() + 1, True)
        top = 1 << (bits - 1)
        if signed and (hi != top - 1 or lo not in (-top, 1 - top)):
            raise _NoForm(f"a requantisation goes from {lo} to {hi}, and no width does")
        self._quant(x, layer.name, label, max(1, bits), signed, lo == 1 - top,
                    rounding)  # fmt: skip


def labels(scale: FractionArray) -> FractionArray:
    """The power of two at or below each scale."""
    found = np.frompyfunc(_below, 1, 1)(scale)
    return np.asarray(found, dtype=object)


def _below(scale: Fraction) -> Fraction:
    exponent = scale.numerator.bit_length() - scale.denominator.bit_length()
    power = Fraction(2) ** exponent
    return power if power <= scale else power / 2


def _width(here: TensorType) -> tuple[int, bool, bool]:
    """Bits, sign and narrowness of a type with the same ends for all elements."""
    lo, hi = here.hull.lo, here.hull.hi
    if (here.lo != lo).any() or (here.hi != hi).any():
        raise _NoForm("the ends of an input differ between its elements")
    if lo == 0 and not hi & (hi + 1):
        return hi.bit_length(), False, False
    top = 1 << hi.bit_length()
    if hi == top - 1 and lo in (-top, 1 - top):
        return hi.bit_length() + 1, True, lo == 1 - top
    raise _NoForm(f"an input goes from {lo} to {hi}, and no width does")


def _axis(operator: str) -> dict[str, Any]:
    return {} if operator == "Sigmoid" else {"axis": -1}
