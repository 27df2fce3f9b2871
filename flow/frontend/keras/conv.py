"""Convolutions of Keras and QKeras: plain, depthwise, separable, transposed, on 1 to 3 axes.

A depthwise convolution is one in as many groups as channels. A transposed convolution is one of
the input with zeros between its elements, by the flipped kernel (Dumoulin and Visin, arXiv
1603.07285, section 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import IRError
from flow.frontend.files import guards
from flow.frontend.keras.activations import plan_activation
from flow.frontend.keras.moves import channels_first, first_to_last, last_to_first, rank_of, sizes
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Shape, Site, check_shapes, laid, misfit
from flow.frontend.keras.steps import Obstacle, Step, gather, join
from flow.frontend.qkeras import quantisers as qkeras
from flow.frontend.qkeras import spec as qkeras_spec
from flow.frontend.source import SourceConv, Weights
from flow.ir.windows import Padding, window_shape

KEYS = (
    "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups",
    "activation", "use_bias", "depth_multiplier", "output_padding", "kernel_range", "bias_range",
    "depthwise_range", "pointwise_range", "rank",
)  # fmt: skip
"""Settings of all convolutions."""

QUANTISERS = (
    "kernel_quantizer", "bias_quantizer", "depthwise_quantizer", "pointwise_quantizer",
)  # fmt: skip
"""Settings of those of QKeras."""


@dataclass(frozen=True, slots=True)
class Window:
    """The window of a convolution or pooling: its size, steps, spread and padding by name."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str

    def margins(self, positions: Shape) -> Padding:
        """The zeros before and after each axis; `same` gives the odd one after, as TensorFlow."""
        pairs = []
        for n, k, s, d in zip(positions, self.size, self.strides, self.dilation, strict=True):
            reach = d * (k - 1) + 1
            missing = max((-(-n // s) - 1) * s + reach - n, 0)
            pairs.append(
                {"same": (missing // 2, missing - missing // 2), "causal": (reach - 1, 0)}.get(
                    self.padding, (0, 0)
                )
            )
        return tuple(pairs)

    def counts(self, shape: Shape, site: Site) -> Shape:
        """The number of windows along each axis; UsageError where none fits."""
        try:
            margins = self.margins(shape[:-1])
            return window_shape(shape, self.size, self.strides, margins, self.dilation)
        except (IRError, ValueError):
            raise misfit(
                f"a window of {list(self.size)} does not fit a tensor of {list(shape)}", site
            ) from None


def read_window(settings: Settings, rank: int, key: str = "kernel_size") -> Window:
    """The window in the settings; Obstacle where it is malformed."""
    padding = str(settings.get("padding", "valid")).lower()
    if padding not in ("valid", "same", "causal") or (padding == "causal" and rank != 1):
        raise Obstacle(f"padding={settings.get('padding')!r}; use 'valid' or 'same'")
    if settings.get(key) is None:
        raise Obstacle(f"{key} is not given; save the model again")
    size = sizes(settings, key, rank, 1)
    pooling = key == "pool_size"
    strides = sizes(settings, "strides", rank, list(size) if pooling else 1)
    return Window(size, strides, sizes(settings, "dilation_rate", rank, 1), padding)


@dataclass(frozen=True, slots=True, eq=False)
class Shapers:
    """What happens to each kind of weight: the quantisers of QKeras, or nothing."""

    of: Mapping[str, qkeras.Shape]

    def __call__(self, name: str, array: NDArray[np.float32]) -> Weights:
        """The weights as the layer uses them."""
        shaper = self.of.get(name)
        return Weights(array.astype(np.float64)) if shaper is None else shaper(array)


def read_shapers(settings: Settings, names: tuple[str, ...]) -> Shapers:
    """The quantisers of the weights `names`: `kernel` has the setting `kernel_quantizer`."""
    shapers = {}
    for name in names:
        key = f"{name.removesuffix('_kernel')}_quantizer"
        spec = qkeras_spec.read_quantiser(settings.get(key))
        if spec is not None:
            shapers[name] = qkeras.weight_shaper(spec, kernel=name != "bias")
    return Shapers(shapers)


def plan_conv(settings: Settings) -> Build:
    """Conv1D, 2D, 3D, depthwise and separable ones, and those of QKeras."""
    quantised = settings.kind.startswith("Q")
    settings.allow(*KEYS, *(QUANTISERS if quantised else ()))
    rank = rank_of(settings.kind)
    names = weight_names(settings)
    window, first = read_window(settings, rank), channels_first(settings)
    groups = settings.whole("groups", 1, 1 << 16) if settings.get("groups") else 1
    shapers = read_shapers(settings, names)
    after = plan_activation(settings, quantised)

    def build(site: Site) -> Built:
        before, shape = oriented(site, rank, first)
        arrays = site.weights(names)
        check_shapes(arrays, expected_shapes(settings, window.size, shape[-1], groups), site)
        weights = {name: shapers(name, array) for name, array in arrays.items()}
        steps, made = convolution(weights, window, groups, shape, site)
        behind, result = last_to_first(made) if first else ((), made)
        return laid(site, join(before, steps, behind, after), result)

    return build


def weight_names(settings: Settings) -> tuple[str, ...]:
    """The weights of a convolution in the order in which Keras makes them."""
    kernels: tuple[str, ...] = ("kernel",)
    if "Depthwise" in settings.kind:
        kernels = ("depthwise_kernel",)
    elif "Separable" in settings.kind:
        kernels = ("depthwise_kernel", "pointwise_kernel")
    return (*kernels, "bias") if settings.flag("use_bias", True) else kernels


def expected_shapes(
    settings: Settings, size: tuple[int, ...], channels: int, groups: int = 1
) -> dict[str, Shape]:
    """The shapes of the weights for an input with so many channels."""
    depthwise = "Depthwise" in settings.kind
    multiplier = 1
    if depthwise or "Separable" in settings.kind:
        multiplier = settings.whole("depth_multiplier", 1, 1 << 16)
    filters = channels * multiplier if depthwise else settings.whole("filters", 1, 1 << 20)
    ones = (1,) * len(size)
    if channels % groups or filters % groups:
        raise Obstacle(f"{channels} channels and {filters} filters in {groups} groups")
    return {
        "kernel": (*size, channels // groups, filters),
        "depthwise_kernel": (*size, channels, multiplier),
        "pointwise_kernel": (*ones, channels * multiplier, filters),
        "bias": (filters,),
    }


def oriented(site: Site, rank: int, first: bool) -> tuple[tuple[Step, ...], Shape]:
    """What brings the input to channels last, and its shape then."""
    (shape,) = site.shapes
    if len(shape) != rank + 1:
        raise misfit(f"a tensor of shape {list(shape)} has not {rank + 1} axes", site)
    return first_to_last(shape) if first else ((), shape)


def convolution(
    weights: Mapping[str, Weights], window: Window, groups: int, shape: Shape, site: Site
) -> tuple[tuple[Step, ...], Shape]:
    """The steps of a convolution, and the shape of its result."""
    counts, margins = window.counts(shape, site), window.margins(shape[:-1])
    bias = weights.get("bias")
    if "kernel" in weights:
        kernel = weights["kernel"]
        step = conv(kernel, bias, window.strides, margins, window.dilation, groups)
        return (step,), (*counts, kernel.values.shape[-1])
    deep = by_channel(weights["depthwise_kernel"])
    point = weights.get("pointwise_kernel")
    inner = bias if point is None else None
    step = conv(deep, inner, window.strides, margins, window.dilation, shape[-1])
    if point is None:
        return (step,), (*counts, deep.values.shape[-1])
    rank = len(counts)
    ones = (1,) * rank
    last = conv(point, bias, ones, ((0, 0),) * rank, ones, 1)
    return (step, last), (*counts, point.values.shape[-1])


def by_channel(kernel: Weights) -> Weights:
    """A depthwise kernel (*window, channels, multiplier) as (*window, 1, channels * multiplier)."""
    *size, channels, multiplier = kernel.values.shape
    step = kernel.step
    if step is not None and step.ndim:
        whole = np.broadcast_to(step, (*step.shape[:-2], channels, multiplier))
        step = whole.reshape(*step.shape[:-2], *(1,) * (step.ndim > 2), channels * multiplier)
    return Weights(kernel.values.reshape(*size, 1, channels * multiplier), step)


def conv(
    kernel: Weights,
    bias: Weights | None,
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    groups: int,
) -> Step:
    """One convolution."""
    return Step(
        lambda name, sources, place: SourceConv(
            name, sources, place, kernel, bias, strides, padding, dilation, groups
        )
    )


def plan_transposed(settings: Settings) -> Build:
    """Conv1DTranspose, Conv2DTranspose, Conv3DTranspose and QConv2DTranspose."""
    quantised = settings.kind.startswith("Q")
    settings.allow(*KEYS, *(QUANTISERS if quantised else ()))
    rank = rank_of(settings.kind)
    names = weight_names(settings)
    window, first = read_window(settings, rank), channels_first(settings)
    if window.padding == "causal":
        raise Obstacle("padding='causal'; use 'valid' or 'same'")
    extra = settings.get("output_padding")
    extra = None if extra is None else _extra(extra, rank)
    filters = settings.whole("filters", 1, 1 << 20)
    shapers = read_shapers(settings, names)
    after = plan_activation(settings, quantised)

    def build(site: Site) -> Built:
        before, shape = oriented(site, rank, first)
        arrays = site.weights(names)
        expected = {"kernel": (*window.size, filters, shape[-1]), "bias": (filters,)}
        check_shapes(arrays, expected, site)
        kernel = _flipped(shapers("kernel", arrays["kernel"]), rank)
        bias = shapers("bias", arrays["bias"]) if "bias" in arrays else None
        spread, counts = _spread(window, extra, shape, site)
        ones = (1,) * rank
        steps = (gather(spread), conv(kernel, bias, ones, ((0, 0),) * rank, window.dilation, 1))
        made = (*counts, filters)
        behind, result = last_to_first(made) if first else ((), made)
        return laid(site, join(before, steps, behind, after), result)

    return build


def _extra(value: Any, rank: int) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value] * rank
    if len(values) != rank or not all(type(v) is int and 0 <= v < 1 << 16 for v in values):
        raise Obstacle(f"output_padding={value!r}; leave it out")
    return tuple(values)


def _flipped(kernel: Weights, rank: int) -> Weights:
    """(*window, filters, channels) -> the reversed windows as (*window, channels, filters)."""
    turned = np.flip(kernel.values, tuple(range(rank)))
    values = np.ascontiguousarray(np.swapaxes(turned, -1, -2))
    step = kernel.step
    if step is not None and step.ndim:
        step = step.reshape(-1, 1) if step.ndim == 1 else np.swapaxes(step, -1, -2)
    return Weights(values, step)


def _spread(
    window: Window, extra: tuple[int, ...] | None, shape: Shape, site: Site
) -> tuple[NDArray[np.int64], Shape]:
    """The input with zeros between and around its elements, as indices, and the result's size."""
    index = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    counts = []
    for axis, n in enumerate(shape[:-1]):
        k, s, d = window.size[axis], window.strides[axis], window.dilation[axis]
        reach = d * (k - 1) + 1
        same = window.padding == "same"
        if extra is None:
            count = n * s if same else n * s + max(reach - s, 0)
        else:
            count = (n - 1) * s + reach - 2 * (reach // 2 if same else 0) + extra[axis]
        lost = max((n - 1) * s + reach - count, 0) // 2 if same else 0
        total = count + reach - 1
        if count < 1:
            raise misfit(f"nothing is left of a tensor of shape {list(shape)}", site)
        places = reach - 1 - lost + s * np.arange(n)
        inside = (places >= 0) & (places < total)
        guards.check_shape((*index.shape[:axis], total, *index.shape[axis + 1 :]), site.place)
        wide = np.full((*index.shape[:axis], total, *index.shape[axis + 1 :]), -1, np.int64)
        whole: tuple[Any, ...] = (slice(None),) * axis
        wide[(*whole, places[inside])] = index[(*whole, np.flatnonzero(inside))]
        index = wide
        counts.append(count)
    return index, tuple(counts)
