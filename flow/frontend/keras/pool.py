"""Poolings of Keras and QKeras, of windows and of all positions."""

from __future__ import annotations

import math

import numpy as np

from flow.frontend.keras.activations import read_activation
from flow.frontend.keras.conv import oriented, read_window
from flow.frontend.keras.merge import Pool
from flow.frontend.keras.moves import channels_first, last_to_first, rank_of
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Shape, Site, laid
from flow.frontend.keras.steps import Obstacle, Step, affine, join, reshape
from flow.frontend.qkeras import quantisers as qkeras
from flow.frontend.qkeras import spec as qkeras_spec
from flow.frontend.source import SourcePool
from flow.ir.windows import Padding


def plan_pool(settings: Settings) -> Build:
    """MaxPooling and AveragePooling on 1 to 3 axes; zeros of the padding do not count."""
    quantised = settings.kind.startswith("Q")
    settings.allow(
        "pool_size", "strides", "padding", "data_format",
        *(("average_quantizer", "activation") if quantised else ()),
    )  # fmt: skip
    rank = rank_of(settings.kind)
    window, first = read_window(settings, rank, "pool_size"), channels_first(settings)
    if window.padding == "causal":
        raise Obstacle("padding='causal'; use 'valid' or 'same'")
    kind = _kind(settings)
    after = _quantised(settings, math.prod(window.size)) if quantised else ()

    def build(site: Site) -> Built:
        before, shape = oriented(site, rank, first)
        made = (*window.counts(shape, site), shape[-1])
        step = _pool(kind, window.size, window.strides, window.margins(shape[:-1]))
        behind, result = last_to_first(made) if first else ((), made)
        return laid(site, join(before, (step,), behind, after), result)

    return build


def plan_global_pool(settings: Settings) -> Build:
    """GlobalMaxPooling and GlobalAveragePooling on 1 to 3 axes."""
    quantised = settings.kind.startswith("Q")
    settings.allow(
        "data_format", "keepdims",
        *(("average_quantizer", "activation") if quantised else ()),
    )  # fmt: skip
    rank, first = rank_of(settings.kind), channels_first(settings)
    keep = settings.flag("keepdims", False)
    kind = _kind(settings)
    if quantised:
        _quantised(settings, 1)

    def build(site: Site) -> Built:
        before, shape = oriented(site, rank, first)
        positions, channels = shape[:-1], shape[-1]
        ones: Shape = (1,) * rank
        result: Shape = (channels,)
        if keep:
            result = (channels, *ones) if first else (*ones, channels)
        steps: tuple[Step, ...] = (_pool(kind, positions, ones, ((0, 0),) * rank),)
        if result != (*ones, channels):
            steps = (*steps, reshape(result))
        after = _quantised(settings, math.prod(positions)) if quantised else ()
        return laid(site, join(before, steps, after), result)

    return build


def _kind(settings: Settings) -> Pool:
    return "max" if "Max" in settings.kind else "average"


def _pool(kind: Pool, size: Shape, strides: Shape, padding: Padding) -> Step:
    return Step(
        lambda name, sources, place: SourcePool(name, sources, place, kind, size, strides, padding)
    )


def _quantised(settings: Settings, area: int) -> tuple[Step, ...]:
    """What QKeras does to a mean: times the area, times the quantised 1 / area; an activation."""
    spec = qkeras_spec.read_quantiser(settings.get("average_quantizer"))
    steps: tuple[Step, ...] = ()
    if spec is not None:
        shaped = qkeras.weight_shaper(spec, kernel=False)(np.array([1.0 / area], np.float32))
        steps = (affine(float(area), 0.0), affine(float(shaped.values[0]), 0.0))
    return join(steps, read_activation(settings.get("activation"), settings.keras, True))
