"""Layers of QKeras with the normalisation folded in: the kernel is quantised after the folding.

With inv = gamma / sqrt(moving_variance + epsilon) the kernel is q(inv * kernel) and the bias
q(inv * (bias - moving_mean) + beta), in float32; both folding modes answer so, since what the
current batch adds acts in training only (QKeras 0.9.0; Jacob et al., arXiv 1712.05877, sec. 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from flow.errors import UsageError
from flow.frontend.files import guards
from flow.frontend.keras.activations import plan_activation
from flow.frontend.keras.conv import (
    KEYS,
    QUANTISERS,
    convolution,
    expected_shapes,
    oriented,
    read_shapers,
    read_window,
)
from flow.frontend.keras.moves import channels_first
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Shape, Site, check_shapes, laid
from flow.frontend.keras.steps import Obstacle, Step, join
from flow.frontend.source import SourceDense, Weights

Arrays = Mapping[str, NDArray[np.float32]]

NORM_KEYS = (
    "axis", "momentum", "epsilon", "center", "scale", "fused", "renorm", "renorm_clipping",
    "renorm_momentum", "synchronized", "ema_freeze_delay", "folding_mode",
)  # fmt: skip
"""Settings of the normalisation and its folding."""


def plan_folded(settings: Settings) -> Build:
    """QConv2DBatchnorm, QDepthwiseConv2DBatchnorm and QDenseBatchnorm."""
    settings.allow(*KEYS, *QUANTISERS, *NORM_KEYS, "units", "input_dim", "virtual_batch_size")
    mode = settings.get("folding_mode", "ema_stats_folding")
    if mode not in ("ema_stats_folding", "batch_stats_folding"):
        raise Obstacle(f"folding_mode={mode!r}; use 'ema_stats_folding'")
    if settings.get("renorm") or settings.get("virtual_batch_size"):
        raise Obstacle("a normalisation with renorm or virtual batches; leave them out")
    dense = "Dense" in settings.kind
    kernel = "depthwise_kernel" if "Depthwise" in settings.kind else "kernel"
    epsilon = np.float32(settings.number("epsilon", 1e-3, 0.0, 1e6))
    if channels_first(settings):
        raise Obstacle("data_format='channels_first'; use 'channels_last'")
    window = None if dense else read_window(settings, 2)
    units = settings.whole("units", 1, 1 << 20) if dense else 0
    names = [kernel, *(("bias",) if settings.flag("use_bias", True) else ())]
    parts = [
        *(("gamma",) if settings.flag("scale", True) else ()),
        *(("beta",) if settings.flag("center", True) else ()),
        "moving_mean", "moving_variance",
    ]  # fmt: skip
    shapers = read_shapers(settings, (kernel, "bias"))
    after = plan_activation(settings, qkeras_names=True)

    def build(site: Site) -> Built:
        shape = site.shapes[0] if window is None else oriented(site, 2, False)[1]
        arrays = site.weights((*names, *parts))
        expected: dict[str, Shape] = {"kernel": (shape[-1], units)}
        if window is not None:
            expected = expected_shapes(settings, window.size, shape[-1])
        filters: Shape = (units,) if dense else expected["bias"]
        expected.update(dict.fromkeys(("bias", *parts), filters))
        check_shapes(arrays, expected, site)
        folded, bias = fold(arrays, kernel, epsilon, site.place)
        weights = {kernel: shapers(kernel, folded), "bias": shapers("bias", bias)}
        if window is None:
            step = dense_step(weights["kernel"], weights["bias"])
            return laid(site, join((step,), after), (*shape[:-1], units))
        steps, made = convolution(weights, window, 1, shape, site)
        return laid(site, join(steps, after), made)

    return build


def dense_step(kernel: Weights, bias: Weights | None) -> Step:
    """One dense layer."""
    return Step(lambda name, sources, place: SourceDense(name, sources, place, kernel, bias))


def fold(
    arrays: Arrays, kernel: str, epsilon: np.float32, place: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The kernel and the bias with the normalisation in them, before they are quantised."""
    spread = arrays["moving_variance"] + epsilon
    if (spread <= 0).any():
        raise UsageError(
            f"variance + epsilon at index {int(np.argmax(spread <= 0))} is not positive",
            where=f"{place}, moving_variance",
            hint="train again, or repair the file",
        )
    inverse = np.float32(1) / np.sqrt(spread)
    if "gamma" in arrays:
        inverse = inverse * arrays["gamma"]
    start = arrays["bias"] if "bias" in arrays else np.float32(0)
    bias = inverse * (start - arrays["moving_mean"])
    if "beta" in arrays:
        bias = bias + arrays["beta"]
    weights = arrays[kernel]
    factor = inverse
    if kernel == "depthwise_kernel":
        factor = inverse.reshape(weights.shape[-2:])
    folded: NDArray[np.float32] = factor * weights
    guards.check_finite(folded, f"{place}, {kernel}")
    guards.check_finite(bias, f"{place}, bias")
    return folded, bias
