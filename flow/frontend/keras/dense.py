"""Dense layers of Keras and QKeras, on the last axis, by an equation, or for each step of time."""

from __future__ import annotations

import numpy as np

from flow.frontend.einsum import lay_einsum
from flow.frontend.keras.activations import plan_activation
from flow.frontend.keras.config import read_class
from flow.frontend.keras.conv import read_shapers
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Site, check_shapes, laid, misfit, places
from flow.frontend.keras.steps import Obstacle, concat, gather, join, lay, reshape
from flow.frontend.qkeras.fold import dense_step
from flow.frontend.source import SourceLayer, Weights

QUANTISED = ("kernel_quantizer", "bias_quantizer", "kernel_range", "bias_range")
"""Settings of QDense."""

MAX_STEPS = 4096
"""The most copies of a layer."""

SAME_ON_LAST_AXIS = frozenset({"Dense", "QDense", "Activation", "QActivation", "ReLU", "Dropout"})
"""Layers that do to a whole tensor what they do to each part of it along the first axis."""


def plan_dense(settings: Settings) -> Build:
    """Dense and QDense: x @ kernel + bias on the last axis, with its activation."""
    quantised = settings.kind == "QDense"
    settings.allow(
        "units", "use_bias", "activation", "input_dim",
        *(QUANTISED if quantised else ()),
    )  # fmt: skip
    units = settings.whole("units", 1, 1 << 20)
    names = ("kernel", "bias") if settings.flag("use_bias", True) else ("kernel",)
    shapers = read_shapers(settings, ("kernel", "bias"))
    after = plan_activation(settings, quantised)

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        arrays = site.weights(names)
        check_shapes(arrays, {"kernel": (shape[-1], units), "bias": (units,)}, site)
        weights = {name: shapers(name, array) for name, array in arrays.items()}
        step = dense_step(weights["kernel"], weights.get("bias"))
        return laid(site, join((step,), after), (*shape[:-1], units))

    return build


def plan_einsum_dense(settings: Settings) -> Build:
    """EinsumDense: einsum(equation, x, kernel) + bias, with its activation."""
    settings.allow("equation", "output_shape", "bias_axes", "activation")
    equation = settings.get("equation")
    if not isinstance(equation, str):
        raise Obstacle(f"the equation {equation!r}; write it as 'ab,bc->ac'")
    names = ("kernel", "bias") if settings.get("bias_axes") else ("kernel",)
    after = plan_activation(settings)

    def build(site: Site) -> Built:
        arrays = {k: Weights(v.astype(np.float64)) for k, v in site.weights(names).items()}
        name = f"{site.name}.sum" if after else site.name
        layers, shape = lay_einsum(
            equation, site.shapes[0], arrays["kernel"], arrays.get("bias"), name, site.sources,
            site.place,
        )  # fmt: skip
        result = (layers[-1].name,) if layers else site.sources
        return (*layers, *lay(after, site.name, result, site.place)), shape

    return build


def plan_pruned(settings: Settings) -> Build:
    """PruneLowMagnitude of the TensorFlow optimisation toolkit: the layer within.

    Its weights are masked when it is trained, so that nothing is left to do.
    """
    from flow.frontend.keras.layers import plan_class

    settings.allow(
        "layer", "pruning_schedule", "block_size", "block_pooling_type", "sparsity_m_by_n",
        "pruning_policy",
    )  # fmt: skip
    kind, config = read_class(settings.get("layer"), "PruneLowMagnitude")
    return plan_class(Settings(kind, config, settings.keras))


def plan_time_distributed(settings: Settings) -> Build:
    """TimeDistributed: the layer within for each part along the first axis, with one kernel."""
    from flow.frontend.keras.layers import plan_class

    settings.allow("layer")
    kind, config = read_class(settings.get("layer"), "TimeDistributed")
    within = Settings(kind, config, settings.keras)
    plan = plan_class(within)
    if kind in SAME_ON_LAST_AXIS:
        return plan

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        if len(shape) < 2:
            raise misfit(f"a tensor of shape {list(shape)} has no steps of time", site)
        if shape[0] > MAX_STEPS:
            raise Obstacle(f"{shape[0]} steps of time; use at most {MAX_STEPS}")
        index = places(shape)
        layers: list[SourceLayer] = []
        rows: list[str] = []
        made = shape[1:]
        for t in range(shape[0]):
            start = f"{site.name}.{t}"
            cut = lay((gather(index[t]),), f"{start}.in", site.sources, site.place)
            part = Site(start, site.place, (cut[-1].name,), (shape[1:],), site.weights, site.branch)
            inner, made = plan(part)
            result = (inner or cut)[-1].name
            row = lay((reshape((1, *made)),), f"{start}.row", (result,), site.place)
            layers.extend((*cut, *inner, *row))
            rows.append(row[-1].name)
        layers.extend(lay((concat(0),), site.name, tuple(rows), site.place))
        return tuple(layers), (shape[0], *made)

    return build
