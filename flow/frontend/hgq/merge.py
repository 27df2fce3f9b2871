"""Layers of HGQ 2 that join tensors, sum over axes, or pool: quantisers, then plain arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from flow.frontend.hgq import quantiser as hgq_quantiser
from flow.frontend.hgq.chain import COMMON, Chain, Shape, read_ports
from flow.frontend.hgq.quantiser import Config
from flow.frontend.keras.layers import PLANS
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Site
from flow.frontend.keras.steps import Obstacle, affine
from flow.frontend.source import SourceAdd, SourceConcat, SourceMultiply, SourcePool
from flow.ir.tensor import IntArray

LARGEST = 1 << 20
"""The most products that a sum of products may have."""


def plan_merge(settings: Settings) -> Build:
    """QAdd, QAveragePow2, QSubtract, QMultiply, QMaximum and QMinimum."""
    settings.allow(*COMMON)
    confs, output = _read_inputs(settings)

    def build(site: Site) -> Built:
        chain = Chain(site)
        names = _quantised(chain, confs)
        shape = _common(site.shapes)
        names = [chain.broadcast(n, s, shape) for n, s in zip(names, site.shapes, strict=True)]
        if len(names) < 2:
            raise Obstacle("it joins a single tensor; leave it out")
        y = _merged(chain, settings.kind, names, shape)
        return chain.built(chain.quantise(y, output, "oq", "quantizer"), shape)

    return build


def plan_product(settings: Settings) -> Build:
    """QDot and QEinsum of two tensors: every product, summed over what does not stay."""
    settings.allow(*COMMON, "axes", "normalize", "equation")
    if settings.flag("normalize", False):
        raise Obstacle("normalize=True; use False")
    confs, output = _read_inputs(settings)

    def build(site: Site) -> Built:
        chain = Chain(site)
        if len(site.sources) != 2:
            raise Obstacle(f"a product of {len(site.sources)} tensors; use 2")
        first, second = _quantised(chain, confs)
        if settings.kind == "QDot":
            left, right, out = _dot(settings.get("axes", -1), site.shapes)
        else:
            left, right, out = _einsum(settings.get("equation"), site.shapes)
        sizes = _sizes(left + right, site.shapes[0] + site.shapes[1])
        summed = "".join(dict.fromkeys(a for a in left + right if a not in out))
        space = out + summed
        whole = tuple(sizes[a] for a in space)
        if math.prod(whole) > LARGEST:
            raise Obstacle(f"{math.prod(whole)} products; at most {LARGEST} are built")
        terms = [
            chain.gather(name, _positions(axes, shape, space, sizes), shape)
            for name, axes, shape in zip((first, second), (left, right), site.shapes, strict=True)
        ]
        shape = tuple(sizes[a] for a in out)
        y = chain.add(SourceMultiply, *terms)
        if summed:
            flat = (*shape, math.prod(sizes[a] for a in summed))
            y = chain.total(chain.reshape(y, whole, flat), flat)
            y = chain.reshape(y, (*shape, 1), shape or (1,))
        return chain.built(chain.quantise(y, output, "oq", "quantizer"), shape or (1,))

    return build


def plan_sum(settings: Settings) -> Build:
    """QSum and QMeanPow2: the sum over axes times a power of two."""
    settings.allow(*COMMON, "axes", "scale", "keepdims")
    ports = read_ports(settings)
    scale = settings.number("scale", 1.0, 2.0**-40, 2.0**40)
    if math.frexp(scale)[0] != 0.5:
        raise Obstacle(f"scale={scale!r}; use a power of two")
    keep = settings.flag("keepdims", False)

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        axes = [a - 1 for a in _batch_axes(settings.get("axes", -1), len(shape))]
        factor = scale
        if settings.kind == "QMeanPow2":
            factor = 2.0 ** round(math.log2(1.0 / math.prod(shape[a] for a in axes)))
        chain = Chain(site)
        x = chain.quantise(site.sources[0], ports.inputs, "iq", "quantizer")
        rest = [a for a in range(len(shape)) if a not in axes]
        indices = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
        kept = tuple(shape[a] for a in rest)
        flat = (*kept, math.prod(shape[a] for a in axes))
        x = chain.gather(x, indices.transpose([*rest, *axes]).reshape(flat), shape)
        y = chain.total(x, flat, factor)
        result = tuple(1 if a in axes else n for a, n in enumerate(shape)) if keep else kept
        y = chain.reshape(y, (*kept, 1), result or (1,))
        return chain.built(chain.quantise(y, ports.output, "oq", "quantizer"), result or (1,))

    return build


def plan_pool(settings: Settings) -> Build:
    """QMaxPooling, QAveragePooling and their global forms: quantised, then as Keras pools."""
    kind = settings.kind.removeprefix("Q")
    base = PLANS.get(kind)
    if base is None:
        raise Obstacle("poolings of this form are not built; use MaxPooling2D")
    ports = read_ports(settings)
    plain = {k: v for k, v in settings.config.items() if k not in COMMON}
    inner = base(Settings(kind, plain, settings.keras))

    def build(site: Site) -> Built:
        chain = Chain(site)
        x = chain.quantise(site.sources[0], ports.inputs, "iq", "quantizer")
        layers, shape = inner(replace(site, name=chain.name(), sources=(x,)))
        y = chain.extend(layers, x)
        return chain.built(chain.quantise(y, ports.output, "oq", "quantizer"), shape)

    return build


def plan_quantiser(settings: Settings) -> Build:
    """Quantizer, as a layer of its own."""
    settings.allow("config")
    config = hgq_quantiser.read_activation_config(settings.get("config"), "the quantiser")

    def build(site: Site) -> Built:
        chain = Chain(site)
        y = chain.quantise(site.sources[0], config, "quantizer")
        return chain.built(y, site.shapes[0])

    return build


def largest(chain: Chain, names: Sequence[str], shape: Shape) -> str:
    """The largest of several tensors of one shape, element by element."""
    size = math.prod(shape)
    flat = [chain.reshape(n, shape, (1, size)) for n in names]
    rows = chain.add(lambda n, s, p: SourceConcat(n, s, p, 0), *flat)
    window = (len(names),)
    y = chain.add(lambda n, s, p: SourcePool(n, s, p, "max", window, (1,), ((0, 0),)), rows)
    return chain.reshape(y, (1, size), shape)


def negative(chain: Chain, name: str) -> str:
    """The tensor times -1."""
    return chain.steps((affine(-1.0, 0.0),), name)


def _merged(chain: Chain, kind: str, names: list[str], shape: Shape) -> str:
    match kind:
        case "QAdd":
            return chain.add(SourceAdd, *names)
        case "QAveragePow2":
            factor = 2.0 ** round(math.log2(1.0 / len(names)))
            return chain.steps((affine(factor, 0.0),), chain.add(SourceAdd, *names))
        case "QSubtract":
            return chain.add(SourceAdd, names[0], negative(chain, names[1]))
        case "QMultiply":
            return chain.add(SourceMultiply, *names)
        case "QMaximum":
            return largest(chain, names, shape)
        case _:
            return negative(chain, largest(chain, [negative(chain, n) for n in names], shape))


def _read_inputs(settings: Settings) -> tuple[list[Config] | None, Config | None]:
    """The quantisers of the inputs, one for all or one each, and that of the output."""
    output = read_ports(Settings(settings.kind, {**settings.config, "enable_iq": False}, None))
    if not settings.flag("enable_iq", True):
        return None, output.output
    value = settings.get("iq_confs")
    values = value if isinstance(value, list) else [value]
    what = "the quantiser iq_confs"
    return [hgq_quantiser.read_activation_config(v, what) for v in values], output.output


def _quantised(chain: Chain, confs: list[Config] | None) -> list[str]:
    sources = chain.site.sources
    if confs is None:
        return list(sources)
    if len(confs) not in (1, len(sources)):
        raise Obstacle(f"{len(confs)} quantisers for {len(sources)} tensors; save it again")
    each = confs * len(sources) if len(confs) == 1 else confs
    parts = ["quantizer" if i == 0 else f"quantizer_{i}" for i in range(len(sources))]
    return [
        chain.quantise(s, config, "iq", "quantizers", part, "quantizer")
        for s, config, part in zip(sources, each, parts, strict=True)
    ]


def _common(shapes: Sequence[Shape]) -> Shape:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        text = " and ".join(str(list(s)) for s in shapes)
        raise Obstacle(f"tensors of the shapes {text} meet; use equal shapes") from error


def _batch_axes(value: Any, rank: int) -> list[int]:
    """Axes counted with the batch, 1 to `rank`, in order."""
    values = value if isinstance(value, list) else [value]
    axes = [a + rank + 1 if type(a) is int and a < 0 else a for a in values]
    if not all(type(a) is int and 1 <= a <= rank for a in axes) or len(set(axes)) != len(axes):
        raise Obstacle(f"axes={value!r} of a tensor of {rank + 1} axes; leave out the batch")
    return sorted(axes)


def _dot(axes: Any, shapes: Sequence[Shape]) -> tuple[str, str, str]:
    """The axes of both tensors and of the result, as letters, without the batch."""
    values = axes if isinstance(axes, list) else [axes, axes]
    if len(values) != 2:
        raise Obstacle(f"axes={axes!r}; use one number or two")
    left = "abcdefgh"[: len(shapes[0])]
    right = "mnopqrst"[: len(shapes[1])]
    chosen = [_batch_axes(v, len(s))[0] - 1 for v, s in zip(values, shapes, strict=True)]
    left = left[: chosen[0]] + "z" + left[chosen[0] + 1 :]
    right = right[: chosen[1]] + "z" + right[chosen[1] + 1 :]
    return left, right, (left + right).replace("z", "")


def _einsum(equation: object, shapes: Sequence[Shape]) -> tuple[str, str, str]:
    text = str(equation).replace(" ", "")
    parts = text.replace("->", ",").split(",")
    if len(parts) != 3 or "->" not in text or "." in text or not "".join(parts).isalpha():
        raise Obstacle(f"the equation {text[:80]!r}; write it as 'abc,acd->abd'")
    left, right, out = parts
    batch = left[0]
    if right[:1] != batch or out[:1] != batch:
        raise Obstacle(f"the equation {text[:80]!r} moves or sums the batch; keep it in front")
    repeated = any(len(set(p)) != len(p) for p in parts)
    if repeated or (len(left), len(right)) != tuple(len(s) + 1 for s in shapes):
        raise Obstacle(f"the equation {text[:80]!r} does not fit its tensors")
    if not set(out) <= set(left + right):
        raise Obstacle(f"the equation {text[:80]!r} has an axis in the result only")
    return left[1:], right[1:], out[1:]


def _sizes(axes: str, shape: Shape) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for axis, size in zip(axes, shape, strict=True):
        if sizes.setdefault(axis, size) != size:
            raise Obstacle(f"axes of {sizes[axis]} and {size} elements meet in a product")
    return sizes


def _positions(axes: str, shape: Shape, space: str, sizes: dict[str, int]) -> IntArray:
    """For each place of the space, the place in the flat tensor that has only some axes."""
    indices = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    order = sorted(range(len(axes)), key=lambda i: space.index(axes[i]))
    slots = tuple(sizes[a] if a in axes else 1 for a in space)
    moved = indices.transpose(order).reshape(slots)
    return np.broadcast_to(moved, tuple(sizes[a] for a in space)).copy()
