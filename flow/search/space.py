"""The chromosome of a printed classifier: what every gene means, and the Network of a genome.

A connection takes the bits of its source that its mask leaves, times a signed power of two; a
neuron adds its bias and shows a window of the bits of the sum; the largest output is the class.
That is the search space of Afentaki et al., DATE 2024, with windows, the number of neurons and
the decision as genes beside the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import numpy as np

from flow.errors import UsageError
from flow.ir.layer import Layer
from flow.ir.layers import ArgMax, Input, MaskedDense, Requantize, Tournament
from flow.ir.network import Network
from flow.ir.tensor import IntArray, tensor_type

_PLACE = "the genome"


@dataclass(frozen=True, slots=True)
class LayerGenes:
    """The genes of one layer of a population of P, as views: connections (P, out, in), neurons
    (P, out).

    A power p >= 0 is the weight 2**p, a power p < 0 the weight -2**(-1 - p). The output layer has
    no windows: `shifts`, `bits` and `alive` are None.
    """

    masks: IntArray
    powers: IntArray
    bias: IntArray
    shifts: IntArray | None
    bits: IntArray | None
    alive: IntArray | None

    def weights(self) -> IntArray:
        """The signed powers of two (P, out, in), int64."""
        powers = self.powers.astype(np.int64)
        negative = powers < 0
        one = np.int64(1) << np.where(negative, ~powers, powers)
        return np.where(negative, -one, one)


@dataclass(frozen=True, slots=True)
class Field:
    """Genes of one meaning that lie one after the other: `shape` of them from `start` on.

    The shape starts with the neurons of the layer, so that the genes of a neuron are its row.
    """

    name: str
    layer: int
    start: int
    shape: tuple[int, ...]
    lower: int
    upper: int

    @property
    def size(self) -> int:
        """The number of genes."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def stop(self) -> int:
        """The first place behind them."""
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Space:
    """All classifiers of one topology: `inputs` unsigned inputs, layers of `hidden` neurons, then
    one output for each of the `classes`.

    Hidden neurons show 1 to `hidden_bits` bits from bit 0 to `largest_shift` on; weights are
    powers of two up to 2**`exponents`; a bias has `bias_bits` bits, one of them the sign. With
    `tournament` the order and the compared bits of the decision are genes too. UsageError where
    a number makes no sense.
    """

    inputs: int
    hidden: tuple[int, ...]
    classes: int
    input_bits: int = 4
    hidden_bits: int = 8
    exponents: int = 7
    bias_bits: int = 12
    largest_shift: int = 10
    tournament: bool = False
    fields: tuple[Field, ...] = field(init=False, repr=False, compare=False)
    lower: IntArray = field(init=False, repr=False, compare=False)
    upper: IntArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for name, value, least, most in (
            ("inputs", self.inputs, 1, 4096),
            ("classes", self.classes, 2, 256),
            ("input_bits", self.input_bits, 1, 8),
            ("hidden_bits", self.hidden_bits, 1, 12),
            ("exponents", self.exponents, 0, 15),
            ("bias_bits", self.bias_bits, 1, 24),
            ("largest_shift", self.largest_shift, 0, 30),
            *(("hidden", width, 1, 4096) for width in self.hidden),
        ):
            if not least <= value <= most:
                raise UsageError(
                    f"a search space with {name} = {value}",
                    hint=f"{name} lies between {least} and {most}",
                )
        fields = tuple(self._fields())
        object.__setattr__(self, "fields", fields)
        for name in ("lower", "upper"):
            bounds = [np.full(f.size, getattr(f, name), np.int64) for f in fields]
            array = np.concatenate(bounds)
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def genes(self) -> int:
        """The number of genes of a genome."""
        return self.fields[-1].stop

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of values between the layers: inputs, hidden layers, classes."""
        return (self.inputs, *self.hidden, self.classes)

    @property
    def depth(self) -> int:
        """The number of layers that have weights."""
        return len(self.hidden) + 1

    def source_bits(self, layer: int) -> int:
        """The bits of what a layer reads."""
        return self.hidden_bits if layer else self.input_bits

    def layers(self, genomes: IntArray) -> tuple[LayerGenes, ...]:
        """The genes of genomes (P, genes) or (genes,) by layer, as views."""
        genomes = np.atleast_2d(genomes)
        found: list[dict[str, IntArray]] = [{} for _ in range(self.depth)]
        for f in self.fields:
            if f.layer < self.depth:
                found[f.layer][f.name] = genomes[:, f.start : f.stop].reshape(-1, *f.shape)
        return tuple(
            LayerGenes(
                g["masks"], g["powers"], g["bias"], g.get("shifts"), g.get("bits"), g.get("alive")
            )
            for g in found
        )

    def decision(self, genomes: IntArray) -> tuple[IntArray, IntArray] | None:
        """The keys of the order (P, classes) and the ignored bits (P, classes - 1), as views."""
        if not self.tournament:
            return None
        genomes = np.atleast_2d(genomes)
        order, ignored = self.fields[-2:]
        return genomes[:, order.start : order.stop], genomes[:, ignored.start : ignored.stop]

    def rounds(self, genome: IntArray) -> tuple[tuple[int, int, int], ...]:
        """The comparisons of the decision of a genome: left, right, mask (see Tournament)."""
        found = self.decision(genome)
        if found is None:
            return ()
        keys, ignored = found[0][0], found[1][0]
        waiting = [int(place) for place in np.argsort(keys, kind="stable")]
        rounds: list[tuple[int, int, int]] = []
        while len(waiting) > 1:
            pairs = list(zip(waiting[::2], waiting[1::2], strict=False))
            rest = waiting[2 * len(pairs) :]
            waiting = []
            for left, right in pairs:
                waiting.append(self.classes + len(rounds))
                rounds.append((left, right, ~int(ignored[len(rounds)])))
            waiting += rest
        return tuple(rounds)

    def canonical(self, genomes: IntArray) -> IntArray:
        """Genomes (P, genes) of the same meaning, in which genes without effect are 0 or least.

        Equal results are equal circuits; the reverse need not hold.
        """
        genomes = np.array(np.atleast_2d(genomes))
        layers = self.layers(genomes)
        reads = np.full((len(genomes), self.inputs), (1 << self.input_bits) - 1, np.int64)
        for g in layers:
            g.masks[...] &= reads[:, None, :].astype(g.masks.dtype)
            if g.alive is not None and g.bits is not None:
                g.masks[g.alive == 0] = 0
                reads = ((1 << g.bits.astype(np.int64)) - 1) * g.alive
        read = np.ones((len(genomes), self.classes), bool)
        for g in reversed(layers):
            if g.alive is not None and g.bits is not None and g.shifts is not None:
                g.alive[...] &= read
                g.masks[g.alive == 0] = 0
                g.shifts[g.alive == 0] = 0
                g.bits[g.alive == 0] = 1
                g.bias[g.alive == 0] = 0
            g.powers[g.masks == 0] = 0
            read = (g.masks != 0).any(axis=1)
        return genomes

    def network(self, genome: IntArray, name: str = "classifier") -> Network:
        """The exact meaning of a genome: x -> hidden1 ... -> scores -> class.

        An input x codes the real value x / 2**input_bits. Neurons that nothing reads are left
        out. UsageError where a gene is missing or out of its bounds.
        """
        genome = np.asarray(genome)
        if genome.shape != (self.genes,):
            raise UsageError(f"a genome of shape {genome.shape} for {self.genes} genes")
        if (genome < self.lower).any() or (genome > self.upper).any():
            worst = int(np.argmax((genome < self.lower) | (genome > self.upper)))
            raise UsageError(f"gene {worst} is {int(genome[worst])}, out of its bounds")
        genome = self.canonical(genome)[0]
        top = (1 << self.input_bits) - 1
        scale = Fraction(1, 1 << self.input_bits)
        tensor = tensor_type((self.inputs,), 0, top, scale)
        offset = np.full((self.inputs,), Fraction(0), dtype=object)
        layers: list[Layer] = [Input("x", (), _PLACE, tensor, offset, "floor")]
        kept = np.arange(self.inputs)
        for number, g in enumerate(self.layers(genome), 1):
            last = number == self.depth
            neurons = np.arange(self.classes) if last else _living(g)
            layers += _layer(g, number, last, layers[-1].name, neurons, kept, scale)
            kept = neurons
        source = layers[-1].name
        if self.tournament:
            layers.append(Tournament("class", (source,), _PLACE, self.rounds(genome)))
        else:
            layers.append(ArgMax("class", (source,), _PLACE))
        return Network(name, tuple(layers), ("class",))

    def _fields(self) -> Iterator[Field]:
        start = 0
        half = 1 << (self.bias_bits - 1)
        ends = pairwise(self.widths)
        plan: list[tuple[str, int, tuple[int, ...], int, int]] = []
        for layer, (sources, neurons) in enumerate(ends):
            top = (1 << self.source_bits(layer)) - 1
            plan += [
                ("masks", layer, (neurons, sources), 0, top),
                ("powers", layer, (neurons, sources), -1 - self.exponents, self.exponents),
                ("bias", layer, (neurons,), -half, half - 1),
            ]
            if layer < len(self.hidden):
                plan += [
                    ("shifts", layer, (neurons,), 0, self.largest_shift),
                    ("bits", layer, (neurons,), 1, self.hidden_bits),
                    ("alive", layer, (neurons,), 0, 1),
                ]
        if self.tournament:
            plan += [
                ("order", self.depth, (self.classes,), 0, self.classes - 1),
                ("ignored", self.depth, (self.classes - 1,), 0, (1 << self.score_bits) - 1),
            ]
        for name, layer, shape, lower, upper in plan:
            yield Field(name, layer, start, shape, lower, upper)
            start += int(np.prod(shape, dtype=np.int64))

    @property
    def score_bits(self) -> int:
        """Bits of the magnitude of the largest score that a genome can have, at most 30."""
        top = (1 << self.source_bits(self.depth - 1)) - 1
        largest = self.widths[-2] * (top << self.exponents) + (1 << (self.bias_bits - 1))
        return min(30, largest.bit_length())


def _living(g: LayerGenes) -> IntArray:
    """The neurons that live in one genome; neuron 0 where none does, as a layer needs one."""
    assert g.alive is not None
    found = np.flatnonzero(g.alive[0])
    return found if found.size else np.zeros(1, np.int64)


def _layer(
    g: LayerGenes,
    number: int,
    last: bool,
    source: str,
    neurons: IntArray,
    kept: IntArray,
    scale: Fraction,
) -> list[Layer]:
    weights, masks = (
        np.ascontiguousarray(a[0][np.ix_(neurons, kept)].T.astype(np.int64))
        for a in (g.weights(), g.masks)
    )
    weights = np.where(masks == 0, 0, weights)
    name = "scores" if last else f"sum{number}"
    bias = g.bias[0][neurons].astype(np.int64)
    keep = np.full_like(masks, -1)
    unit = np.asarray(scale, dtype=object)
    dense = MaskedDense(name, (source,), _PLACE, weights, masks, keep, bias, unit)
    if last:
        return [dense]
    assert g.shifts is not None
    assert g.bits is not None
    assert g.alive is not None
    shifts, bits = g.shifts[0][neurons].tolist(), g.bits[0][neurons].tolist()
    alive = g.alive[0][neurons].tolist()
    down = np.array([Fraction(1, 1 << int(s)) for s in shifts], dtype=object)
    high = [((1 << int(b)) - 1) * int(a) for b, a in zip(bits, alive, strict=True)]
    window = Requantize(
        f"hidden{number}", (name,), _PLACE, down, np.full(len(down), Fraction(0), dtype=object),
        "floor", "saturate", np.zeros(len(down), np.int64), np.array(high), unit,
    )  # fmt: skip
    return [dense, window]
