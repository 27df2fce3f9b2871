"""Weights that are not fixed: a Network becomes one whose weights are an input, or banks of sets.

What a layer means is unchanged for every set of weights within the types of the input: products,
sums, requantisations and scales stay those of the layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from flow.errors import UsageError
from flow.ir.interval import twos_complement
from flow.ir.layers import Add, Affine, Conv, Dense, Gather, Input, Layer, Multiply, Reshape
from flow.ir.network import Network
from flow.ir.table_layers import Lookup
from flow.ir.tensor import IntArray, fractions, tensor_type
from flow.ir.windows import windows

WEIGHTS, BANK = "weights", "bank"
"""Names of the new inputs, unless a layer has them."""
MAX_BITS = 16
"""Wider weights are not held in registers."""


@dataclass(frozen=True)
class Slot:
    """Where the weights of a layer lie in the flat input: from `first`, `weights` of
    `weight_bits` bits in row-major order, then `biases` of `bias_bits` bits, which count in
    steps of 2**`bias_shift`; two's complement."""

    layer: str
    first: int
    weights: int
    weight_bits: int
    biases: int
    bias_bits: int
    bias_shift: int

    @property
    def count(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases


@dataclass(frozen=True)
class Freed:
    """A network whose last input, named `port`, has its weights as `slots` say."""

    network: Network
    port: str
    slots: tuple[Slot, ...]

    @property
    def ranges(self) -> tuple[IntArray, IntArray]:
        """The least and the largest value of every weight."""
        (layer,) = (x for x in self.network.inputs if x.name == self.port)
        return layer.tensor.lo.astype(np.int64), layer.tensor.hi.astype(np.int64)

    def values(self, network: Network) -> IntArray:
        """The weights of a network of the same structure as the input takes them, (count,).

        UsageError where the structure differs, or a weight does not fit its type.
        """
        layers = [layer for layer in network.layers if isinstance(layer, (Conv, Dense))]
        if [layer.name for layer in layers] != [slot.layer for slot in self.slots]:
            raise UsageError(
                "the weights belong to a network of another structure",
                hint=f"its layers with weights must be {', '.join(s.layer for s in self.slots)}",
            )
        parts = [_values(layer, slot) for layer, slot in zip(layers, self.slots, strict=True)]
        values: IntArray = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        lo, hi = self.ranges
        if len(values) != len(lo) or (values < lo).any() or (values > hi).any():
            raise UsageError(
                "a weight does not fit the registers", hint="give more --register-bits"
            )
        return values

    def load(self, network: Network, values: IntArray) -> Network:
        """`network` with other weights: what the freed one means for the input `values`."""
        slots = {slot.layer: slot for slot in self.slots}
        layers = []
        for layer in network.layers:
            if isinstance(layer, (Conv, Dense)) and (slot := slots.get(layer.name)) is not None:
                own = np.asarray(values)[slot.first : slot.first + slot.count].astype(np.int64)
                bias = layer.bias
                if slot.biases:
                    bias = own[slot.weights :] << slot.bias_shift
                weights = own[: slot.weights].reshape(layer.weights.shape)
                layer = replace(layer, weights=weights, bias=bias)
            layers.append(layer)
        return Network(network.name, tuple(layers), network.outputs, network.head)


def free_weights(network: Network, weight_bits: int | None = None) -> Freed:
    """The network with all weights and biases of its Dense and Conv layers as one more input.

    A weight has as many bits as the widest of its layer needs, or `weight_bits` where that is
    more. A layer's biases count in the largest power of two that divides them all; a layer
    without biases gets none. UsageError for a network without weights or with too wide ones.
    """
    slots = tuple(_slots(network, weight_bits))
    if not slots:
        raise UsageError(
            "the network has no weights that registers could hold",
            hint="only dense and convolutional layers have them",
        )
    port = _unused(WEIGHTS, [layer.name for layer in network.layers])
    bits = np.concatenate(
        [np.repeat([s.weight_bits, s.bias_bits], [s.weights, s.biases]) for s in slots]
    )
    lo = np.array([twos_complement(int(b)).lo for b in bits], dtype=object)
    hi = np.array([twos_complement(int(b)).hi for b in bits], dtype=object)
    tensor = tensor_type(lo.shape, lo, hi)
    entry = Input(port, (), "the weight registers", tensor, fractions(0, lo.shape))
    return Freed(_rebuilt(network, [entry], port, slots), port, slots)


def bank_weights(networks: Sequence[Network]) -> Network:
    """One network whose last input, from 0, says which of several of one structure it is.

    UsageError where their structures differ.
    """
    first = networks[0]
    sets = [_all_values(network) for network in networks]
    for network, values in zip(networks, sets, strict=True):
        if not _alike(first, network) or len(values) != len(sets[0]):
            raise UsageError(
                "the networks of the banks differ in more than their weights",
                hint="quantise them alike: the same layers, widths and scales",
            )
    names = [layer.name for layer in first.layers]
    bank, port = _unused(BANK, names), _unused(WEIGHTS, names)
    choice: Any = np.arange(len(sets[0]))
    gathered = _unused("bank_all", names)
    tensor = tensor_type((1,), 0, len(networks) - 1)
    place = "the choice of the bank"
    entries: list[Layer] = [
        Input(bank, (), place, tensor, fractions(0, (1,))),
        Gather(gathered, (bank,), place, np.zeros(len(sets[0]), np.int64), 0),
        Lookup(
            port, (gathered,), place, (0,) * len(sets[0]),
            tuple(tuple(int(v) for v in row) for row in np.stack(sets, axis=1)),
            choice, fractions(1, choice.shape),
        ),
    ]  # fmt: skip
    slots = tuple(_slots(first, None, bare=True))
    return _rebuilt(first, entries, port, slots)


def _slots(network: Network, least: int | None, *, bare: bool = False) -> Iterator[Slot]:
    """With `bare` every layer has biases, in steps of 1."""
    first = 0
    for layer in network.layers:
        if not isinstance(layer, (Conv, Dense)):
            continue
        bits = max(_bits(layer.weights), least or 1)
        shift = 0 if bare else _common_shift(layer.bias)
        biases = int(layer.bias.size) if bare or layer.bias.any() else 0
        bias_bits = max(_bits(layer.bias >> shift), least or 1)
        if max(bits, bias_bits) > MAX_BITS and not bare:
            raise UsageError(
                f"a weight of {max(bits, bias_bits)} bits is too wide for a register",
                where=layer.place or layer.name,
                hint=f"at most {MAX_BITS} bits: give fewer --weight-bits or --register-bits",
            )
        slot = Slot(layer.name, first, int(layer.weights.size), bits, biases, bias_bits, shift)
        first += slot.count
        yield slot


def _bits(values: IntArray) -> int:
    hi, lo = int(values.max(initial=0)), int(values.min(initial=0))
    return max(hi, ~lo).bit_length() + 1


def _common_shift(values: IntArray) -> int:
    """The largest k so that 2**k divides all; 0 where all are 0."""
    together = 0
    for value in values.ravel().tolist():
        together |= int(value)
    return (together & -together).bit_length() - 1 if together else 0


def _values(layer: Conv | Dense, slot: Slot) -> IntArray:
    step = 1 << slot.bias_shift
    if (layer.bias % step).any() or (not slot.biases and layer.bias.any()):
        raise UsageError(
            "a bias does not fit the registers",
            where=layer.place or layer.name,
            hint=f"it must be a multiple of {step}" if slot.biases else "the layer has none",
        )
    bias = (layer.bias // step).ravel() if slot.biases else np.zeros(0, np.int64)
    return np.concatenate([layer.weights.ravel(), bias]).astype(np.int64)


def _all_values(network: Network) -> IntArray:
    rows = [
        np.concatenate([layer.weights.ravel(), layer.bias.ravel()]).astype(np.int64)
        for layer in network.layers
        if isinstance(layer, (Conv, Dense))
    ]
    return np.concatenate(rows) if rows else np.zeros(0, np.int64)


def _alike(a: Network, b: Network) -> bool:
    """Whether both are the same network when all weights are 0."""
    from flow.ir.network_text import print_network

    def blank(network: Network) -> str:
        layers = tuple(
            replace(x, weights=x.weights * 0, bias=x.bias * 0, place="")
            if isinstance(x, (Conv, Dense))
            else replace(x, place="")
            for x in network.layers
        )
        return print_network(Network("blank", layers, network.outputs, network.head))

    return blank(a) == blank(b)


def _unused(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _rebuilt(
    network: Network, entries: Sequence[Layer], port: str, slots: Sequence[Slot]
) -> Network:
    """The network with the entries behind its inputs, and products where weights were."""
    known = {slot.layer: slot for slot in slots}
    taken = {layer.name for layer in (*network.layers, *entries)}
    inputs = [layer for layer in network.layers if isinstance(layer, Input)]
    layers: list[Layer] = [*inputs, *entries]
    for layer in network.layers:
        if isinstance(layer, (Conv, Dense)):
            layers += _free(layer, network.types[layer.sources[0]].shape, known[layer.name],
                            port, taken)  # fmt: skip
        elif not isinstance(layer, Input):
            layers.append(layer)
    return Network(network.name, tuple(layers), network.outputs, network.head)


def _free(
    layer: Conv | Dense, shape: tuple[int, ...], slot: Slot, port: str, taken: set[str]
) -> list[Layer]:
    """Gathered operands, their products, the sums of the rows, and the biases."""
    reads, holds, out = _reads(layer, shape)
    _, outputs, terms = reads.shape

    def named(part: str) -> str:
        name = f"{layer.name[:48]}_{part}"
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    x, w, p = named("reads"), named("weights"), named("products")
    place, scale = layer.place, layer.scale
    ones = np.ones((terms, 1), np.int64)
    row = _of_row(scale, outputs)
    rows: list[Layer] = [
        Gather(x, layer.sources, place, reads, 0),
        Gather(w, (port,), place, slot.first + np.broadcast_to(holds, reads.shape), 0),
        Multiply(p, (x, w), place, row[:, None]),
    ]
    total = named("sums") if slot.biases else named("rows")
    rows.append(Dense(total, (p,), place, ones, np.zeros(1, np.int64), fractions(1, (1,))))
    # The scale of a row is that of its output; a Dense layer has one for its last axis only.
    flat = named("flat")
    if not slot.biases:
        rows.append(Reshape(flat, (total,), place, out))
        rows.append(_scaled(layer.name, flat, place, scale))
        return rows
    rows.append(Reshape(flat, (total,), place, out))
    b, steps, scaled = named("biases"), named("steps"), named("scaled")
    index = slot.first + slot.weights + np.broadcast_to(np.arange(outputs), out)
    rows += [
        Gather(b, (port,), place, index, 0),
        Affine(
            steps,
            (b,),
            place,
            np.int64(1 << slot.bias_shift) + np.zeros((), np.int64),
            np.zeros((), np.int64),
            scale,
        ),
        _scaled(scaled, flat, place, scale),
        Add(layer.name, (scaled, steps), place),
    ]
    return rows


def _scaled(name: str, source: str, place: str, scale: Any) -> Layer:
    """The same integers, with the scale of the layer."""
    return Affine(name, (source,), place, np.ones((), np.int64), np.zeros((), np.int64), scale)


def _of_row(scale: Any, outputs: int) -> Any:
    flat = np.asarray(scale, dtype=object)
    if flat.ndim == 0 or flat.size == 1:
        return fractions(Fraction(flat.ravel()[0]), (outputs,))
    return fractions(flat.reshape(-1, flat.shape[-1])[0], (outputs,))


def _reads(
    layer: Conv | Dense, shape: tuple[int, ...]
) -> tuple[IntArray, IntArray, tuple[int, ...]]:
    """For each position and output, which elements it reads and which weights it holds.

    Arrays (positions, outputs, terms); -1 is the padding. Last, the shape of the result.
    """
    every = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    if isinstance(layer, Dense):
        inputs, outputs = layer.weights.shape
        rows = every.reshape(-1, 1, inputs)
        holds = np.arange(inputs * outputs).reshape(inputs, outputs).T[None]
        reads = np.broadcast_to(rows, (rows.shape[0], outputs, inputs)).copy()
        return reads, holds, (*shape[:-1], outputs)
    *window, channels, filters = layer.weights.shape
    seen = windows(
        every[None], tuple(window), layer.strides, layer.padding, layer.dilation, -1
    )[0]  # fmt: skip
    counts = seen.shape[: len(window)]
    each = filters // layer.groups
    flat = seen.reshape(-1, int(np.prod(window, dtype=np.int64)), shape[-1])
    groups = [
        flat[:, :, (f // each) * channels : (f // each + 1) * channels].reshape(len(flat), -1)
        for f in range(filters)
    ]
    reads = np.stack(groups, axis=1)
    holds = np.arange(layer.weights.size).reshape(-1, filters).T[None]
    return reads, holds, (*counts, filters)
