"""The binary layers of a Network whose hidden values are bits: weights, fan-ins and thresholds.

Every tensor is followed as multiples of bits, or as sums of such that are not compared yet. What
comes after a sum (batch normalisation, signs, quantisers, max-pooling, in any order and with any
sign of a factor) is taken as the function that it is: where it changes its value is found by
bisection over the layers' own meaning, so that ties and roundings are those of the network. A
value of two or three steps, as of ternary activations, is as many bits of one sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from flow.analysis.binary_forms import Form, Numbering, Sum, Term
from flow.analysis.binary_settle import scores, settle
from flow.analysis.binary_steps import monotone, rising
from flow.analysis.binary_sums import identity, linear, refuse, shifted
from flow.errors import UnsupportedModel
from flow.ir.binary import (
    ABSENT,
    INPUT,
    BinaryLayer,
    Neurons,
    OrPool,
    Scores,
    Wiring,
    evaluate_binary,
)
from flow.ir.layers import (
    Add,
    Affine,
    ArgMax,
    AtLeast,
    Concat,
    Conv,
    Dense,
    Gather,
    Input,
    Layer,
    Lookup,
    Relu,
    Requantize,
    Reshape,
)
from flow.ir.network import Network
from flow.ir.spatial import Pool
from flow.ir.tensor import IntArray, exact, narrow

__all__ = [
    "ABSENT", "INPUT", "BinaryLayer", "Neurons", "OrPool", "Scores", "Wiring", "binary_inputs",
    "binary_layers", "evaluate_binary",
]  # fmt: skip

_Element = Affine | Requantize | Relu | Lookup | AtLeast
_BITS = "sign or step activations, or at most two bits each, make a layer binary"


def binary_layers(network: Network) -> tuple[BinaryLayer, ...]:
    """The layers of a binary or ternary network, in order; the last are its scores.

    `evaluate_binary` of them on `binary_inputs` equals the network on every input. Inputs are bits
    where each has two values at most, else the first layer reads integers. UnsupportedModel names
    the first layer that is not binary.
    """
    if len(network.outputs) != 1:
        raise UnsupportedModel(
            f"the network has {len(network.outputs)} outputs; binary layers end in one",
            hint="cut the model behind one output",
        )
    walk = _Walk(network)
    for layer in network.layers:
        if not isinstance(layer, Input):
            walk.forms[layer.name] = walk.follow(layer)
    return walk.finish()


def binary_inputs(network: Network, inputs: Mapping[str, IntArray]) -> tuple[IntArray, ...]:
    """The integer inputs of a network as the first binary layer reads them: bits, or the same."""
    arrays = [np.asarray(inputs[layer.name]) for layer in network.inputs]
    if not _bit_inputs(network):
        return tuple(arrays)
    pairs = zip(arrays, network.inputs, strict=True)
    return tuple(array - narrow(layer.tensor.lo) for array, layer in pairs)


def _bit_inputs(network: Network) -> bool:
    return all((layer.tensor.hi - layer.tensor.lo <= 1).all() for layer in network.inputs)


@dataclass(slots=True)
class _Walk:
    """A network that is followed layer by layer."""

    network: Network
    forms: dict[str, Form | Sum] = field(default_factory=dict)
    layers: tuple[BinaryLayer, ...] = ()
    inputs: int = 0
    decision: str = ""

    def __post_init__(self) -> None:
        bits = _bit_inputs(self.network)
        for layer in self.network.inputs:
            lo, hi = layer.tensor.lo, layer.tensor.hi
            index = self.inputs + np.arange(layer.tensor.size).reshape(lo.shape)
            one = exact(1, lo.shape)
            term = Term(np.where(hi > lo, 1, 0).astype(object), index) if bits else Term(one, index)
            constant = lo if bits else exact(0, lo.shape)
            self.forms[layer.name] = Form(constant, (term,), integer=not bits)
            self.inputs += layer.tensor.size

    @property
    def numbering(self) -> Numbering:
        """The numbers of the bits so far."""
        return Numbering(self.inputs, self.layers)

    def follow(self, layer: Layer) -> Form | Sum:
        """What a layer makes of its sources; new binary layers are added."""
        found = [self.forms[name] for name in layer.sources]
        first = found[0]
        if isinstance(layer, ArgMax) and layer.name == self.network.outputs[0]:
            self.decision = layer.name
            return first
        if len(found) == 1 and isinstance(first, Sum):
            return self._after_sum(layer, first)
        forms = [form for form in found if isinstance(form, Form)]
        if len(forms) < len(found):
            raise self._no_bits(layer)
        if isinstance(layer, (Add, Concat)):
            return _joined(layer, forms)
        return self._after_bits(layer, forms[0])

    def _after_sum(self, layer: Layer, tail: Sum) -> Form | Sum:
        x = self.network.types[layer.sources[0]]
        if isinstance(layer, Reshape):
            return tail.then(layer, tail.origin.reshape(layer.shape))
        if isinstance(layer, Gather) and (layer.indices >= 0).all():
            return tail.then(layer, tail.origin.ravel()[layer.indices.astype(np.int64)])
        if isinstance(layer, Pool) and layer.pool == "max" and tail.pool is None:
            for before in tail.chain:
                if not rising(before, self.network.types[before.sources[0]]):
                    raise refuse(
                        before, "max-pooling reads values that fall with their sum",
                        "pool before a negative factor, or behind the sign",
                    )  # fmt: skip
            size = int(np.prod(self.network.types[layer.name].shape))
            origin = np.arange(size).reshape(self.network.types[layer.name].shape)
            return replace(tail.then(layer, origin), pool=layer, pooled=tail.origin)
        if not isinstance(layer, _Element) or not monotone(layer, x):
            raise self._no_bits(layer)
        if isinstance(layer, Affine) and not tail.chain:
            moved = shifted(tail, layer)
            if moved is not None:
                return moved
        after = tail.then(layer)
        if isinstance(layer, (Affine, Relu)):
            return after
        return self._settle(after) or after

    def _settle(self, tail: Sum) -> Form | None:
        name = tail.linear.layer.name
        used = {layer.name for layer in self.layers}
        name = name if name not in used else f"{name}_{tail.chain[-1].name}"
        found = settle(self.network, tail, self.numbering, name)
        if found is None:
            return None
        form, made = found
        self.layers += made
        return form

    def _after_bits(self, layer: Layer, form: Form) -> Form | Sum:
        if isinstance(layer, (Dense, Conv)) or (isinstance(layer, Pool) and layer.pool == "sum"):
            return _sum(layer, form)
        if isinstance(layer, Pool):
            return self._pooled(layer, form)
        if isinstance(layer, Reshape):
            index = np.arange(int(np.prod(layer.shape))).reshape(layer.shape)
            return _gathered(Gather(layer.name, layer.sources, layer.place, index, 0), form)
        if isinstance(layer, Gather):
            return _gathered(layer, form)
        if isinstance(layer, Affine):
            factor = exact(layer.multiplier, form.shape)
            terms = tuple(Term(t.coefficient * factor, t.index) for t in form.terms)
            return replace(form, constant=layer.evaluate(form.constant[None])[0], terms=terms)
        if not isinstance(layer, _Element):
            raise self._no_bits(layer)
        if form.integer:
            source = self.network.layer(layer.sources[0])
            return self._after_sum(layer, identity(source, form))
        return _mapped(layer, form)

    def _pooled(self, layer: Pool, form: Form) -> Form:
        kept = form.ordered and not form.integer and _one_way(form)
        if not kept:
            raise refuse(
                layer, "max-pooling reads values that are no rising multiples of bits, the same in "
                "every place of a channel", "pool before a negative factor",
            )  # fmt: skip
        parts = [np.where(t.coefficient != 0, t.index, ABSENT) for t in form.terms]
        wiring = self.numbering.wiring(np.concatenate(parts, axis=-1))
        pool = OrPool(layer.name, wiring, layer.window, layer.strides, layer.padding)
        start, width = self.numbering.next, form.shape[-1]
        self.layers += (pool,)
        numbers = start + np.arange(int(np.prod(pool.shape))).reshape(pool.shape)
        shape = (*pool.shape[:-1], width)
        terms = tuple(
            Term(np.broadcast_to(_first(t.coefficient), shape).copy(),
                 numbers[..., k * width : (k + 1) * width])
            for k, t in enumerate(form.terms)
        )  # fmt: skip
        constant = np.broadcast_to(form.constant.reshape(-1, width)[0], shape).copy()
        return Form(constant, terms)

    def finish(self) -> tuple[BinaryLayer, ...]:
        """All layers, with the scores as the last."""
        output = self.network.outputs[0]
        tail = self.forms[output]
        last = self.network.layer(self.decision or output)
        if isinstance(tail, Form):
            if tail.integer:
                raise refuse(last, "no layer of the network compares", _BITS)
            tail = identity(self.network.layer(output), tail)
        found = scores(self.network, tail, self.numbering, bool(self.decision), last.name)
        return (*self.layers, found)

    def _no_bits(self, layer: Layer) -> UnsupportedModel:
        name = layer.sources[0]
        hull = self.network.types[name].hull
        values = f"values lie in [{hull.lo}, {hull.hi}]"
        return refuse(layer, f"it reads {name}, which holds no bits: its {values}", _BITS)


def _sum(layer: Dense | Conv | Pool, form: Form) -> Sum:
    found = linear(layer, form)
    return Sum(found, (), np.arange(found.constant.size).reshape(found.constant.shape))


def _joined(layer: Add | Concat, forms: list[Form]) -> Form:
    if len({form.integer for form in forms}) > 1:
        raise refuse(layer, "it joins bits and integers", "compare the integers first")
    integer = forms[0].integer
    if isinstance(layer, Add):
        constant = sum((form.constant for form in forms[1:]), start=forms[0].constant)
        return Form(constant, tuple(t for f in forms for t in f.terms), integer, ordered=False)
    axis = layer.axis
    most = max(len(form.terms) for form in forms)
    padded = [_with_terms(form, most) for form in forms]
    terms = tuple(
        Term(
            np.concatenate([f.terms[k].coefficient for f in padded], axis=axis),
            np.concatenate([f.terms[k].index for f in padded], axis=axis),
        )
        for k in range(most)
    )
    constant = np.concatenate([form.constant for form in forms], axis=axis)
    return Form(constant, terms, integer, all(form.ordered for form in forms))


def _with_terms(form: Form, most: int) -> Form:
    empty = Term(exact(0, form.shape), np.full(form.shape, ABSENT, dtype=np.int64))
    return replace(form, terms=(*form.terms, *[empty] * (most - len(form.terms))))


def _gathered(layer: Gather, form: Form) -> Form:
    filled = layer.indices < 0
    take = np.where(filled, 0, layer.indices).astype(np.int64)
    terms = tuple(
        Term(
            np.where(filled, 0, t.coefficient.ravel()[take]),
            np.where(filled, ABSENT, t.index.ravel()[take]),
        )
        for t in form.terms
    )
    return replace(form, constant=layer.evaluate(form.constant[None])[0], terms=terms)


def _mapped(layer: _Element, form: Form) -> Form:
    """A function of every element, by its few values."""
    if len(form.terms) > 1 and not form.ordered:
        raise refuse(layer, "it compares a sum of bits of several layers", _BITS)
    value = form.constant
    before = layer.evaluate(value[None])[0]
    constant, terms = before, []
    for term in form.terms:
        value = value + term.coefficient
        after = layer.evaluate(value[None])[0]
        terms.append(Term(exact(after - before, form.shape), term.index))
        before = after
    return replace(form, constant=exact(constant, form.shape), terms=tuple(terms))


def _first(values: IntArray) -> IntArray:
    """Of every channel the first value other than 0."""
    flat = values.reshape(-1, values.shape[-1])
    first: IntArray = flat[(flat != 0).argmax(axis=0), np.arange(flat.shape[1])]
    return first


def _one_way(form: Form) -> bool:
    """Whether a larger value of a channel is a larger set of its bits, in every place alike."""
    width = form.shape[-1]
    flat = form.constant.reshape(-1, width)
    if (flat != flat[0]).any():
        return False
    pairs = [(t.coefficient.reshape(-1, width), _first(t.coefficient)) for t in form.terms]
    return all(((c == 0) | ((c == first) & (c > 0))).all() for c, first in pairs)
