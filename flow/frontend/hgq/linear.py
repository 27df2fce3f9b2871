"""Dense, einsum, convolution and normalisation layers of HGQ 2, kernels quantised exactly.

The forms with a normalisation inside scale the kernel in float32 before it is quantised; the same
float32 operations in the same order are done here, so that the same integers come out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from flow.errors import UsageError
from flow.frontend.einsum import lay_einsum
from flow.frontend.hgq import quantiser as hgq_quantiser
from flow.frontend.hgq.chain import COMMON, Chain, Ports, Shape, constant, counters, read_ports
from flow.frontend.hgq.quantiser import Config
from flow.frontend.hgq.weights import FloatArray32
from flow.frontend.keras.activations import plan_activation
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Site
from flow.frontend.keras.steps import Obstacle, Step, affine
from flow.frontend.source import SourceConv, SourceDense, Weights

Arrays = Mapping[str, FloatArray32]
Fuse = Callable[[Arrays], tuple[FloatArray32, FloatArray32 | None]]
"""The variables of a layer -> kernel and bias before their quantisers."""
Place = Callable[[Chain, str, Shape, Weights, Weights | None], tuple[str, Shape]]
"""Lays x with kernel and bias: the name and the shape of the result."""

KERAS_EPSILON = np.float32(1e-7)
"""What HGQ 2 adds to the variance in QEinsumDenseBatchnorm, whatever its setting epsilon."""


@dataclass(frozen=True, slots=True)
class Linear:
    """The quantisers of a layer y = activation(x * kernel + bias), and its variables in order."""

    ports: Ports
    kernel: Config
    bias: Config | None
    after: tuple[Step, ...]
    order: tuple[str, ...]

    def build(self, site: Site, fuse: Fuse, place: Place) -> Built:
        """The layers of one call."""
        chain = Chain(site)
        # HGQ 2 does not save whether an einsum's normalisation scales; the file shows it.
        short = chain.branch.count() == len(self.order) - 1
        order = tuple(n for n in self.order if not (short and n == "gamma"))
        wanted = [name for name in order if name not in ("beta", "ebops")]
        kernel, bias = fuse(chain.branch.arrays(order, wanted))
        quantised = constant(chain.branch, "kq", self.kernel, kernel)
        shift = None
        if bias is not None and self.bias is not None:
            shift = constant(chain.branch, "bq", self.bias, bias)
        x = chain.quantise(site.sources[0], self.ports.inputs, "iq", "quantizer")
        y, shape = place(chain, x, site.shapes[0], quantised, shift)
        y = chain.steps(self.after, y) if self.after else y
        y = chain.quantise(y, self.ports.output, "oq", "quantizer")
        return chain.built(y, shape)


def read_linear(settings: Settings, biased: bool, norm: tuple[str, ...] = ()) -> Linear:
    """The settings that all these layers share; `norm` are the trained variables behind the bias.

    Where there are such, the moving mean and variance come behind the counters.
    """
    bias = ("bias",) if biased else ()
    moving = ("moving_mean", "moving_variance") if norm or _normalises(settings) else ()
    order = ("kernel", *bias, *norm, *counters(settings), *moving)
    return Linear(
        read_ports(settings),
        hgq_quantiser.read_config(settings.get("kq_conf"), "the quantiser kq_conf"),
        hgq_quantiser.read_config(settings.get("bq_conf"), "the quantiser bq_conf")
        if biased
        else None,
        plan_activation(settings),
        order,
    )


def plan_dense(settings: Settings) -> Build:
    """QDense and QBatchNormDense, which normalises its input."""
    normalised = settings.kind == "QBatchNormDense"
    settings.allow(*COMMON, "units", "use_bias", "activation", "kq_conf", "bq_conf", *NORM)
    gamma = ("bn_gamma",) if normalised and settings.flag("scale", True) else ()
    linear = read_linear(settings, settings.flag("use_bias", True), gamma)
    units = settings.whole("units", 1, 1 << 20)
    epsilon = np.float32(settings.number("epsilon", 1e-3, 0.0, 1e3))

    def fuse(arrays: Arrays) -> tuple[FloatArray32, FloatArray32 | None]:
        kernel, bias = arrays["kernel"], arrays.get("bias")
        if not normalised or bias is None:
            return kernel, bias
        scale = arrays.get("bn_gamma", np.float32(1)) / np.sqrt(arrays["moving_variance"] + epsilon)
        # HGQ 2 does not scale the kernel for this sum.
        shift = -np.dot(arrays["moving_mean"], kernel)
        return scale[:, None] * kernel, bias + shift

    def place(
        chain: Chain, x: str, shape: Shape, kernel: Weights, bias: Weights | None
    ) -> tuple[str, Shape]:
        _check(chain, kernel, (shape[-1], units))
        y = chain.add(lambda n, s, p: SourceDense(n, s, p, kernel, bias), x)
        return y, (*shape[:-1], units)

    return lambda site: linear.build(site, fuse, place)


def plan_einsum_dense(settings: Settings) -> Build:
    """QEinsumDense and QEinsumDenseBatchnorm, which normalises its output."""
    settings.allow(
        *COMMON, "equation", "output_shape", "bias_axes", "activation", "kq_conf", "bq_conf",
        "normalize_axes", *NORM,
    )  # fmt: skip
    normalised = _normalises(settings)
    equation, axes = settings.get("equation"), settings.get("bias_axes")
    if not isinstance(equation, str) or not (axes is None or isinstance(axes, str)):
        raise Obstacle("its equation is no text; save the model again")
    gamma = ("gamma",) if normalised and settings.flag("scale", True) else ()
    linear = read_linear(settings, axes is not None, gamma)
    letters = settings.get("normalize_axes") or axes or ""

    def fuse(arrays: Arrays) -> tuple[FloatArray32, FloatArray32 | None]:
        kernel, bias = arrays["kernel"], arrays.get("bias")
        if not normalised:
            return kernel, bias
        if bias is None:
            raise Obstacle("a normalisation without bias_axes; give them")
        scale = arrays.get("gamma", np.float32(1)) / np.sqrt(
            arrays["moving_variance"] + KERAS_EPSILON
        )
        if arrays["moving_variance"].ndim != len(letters):
            raise Obstacle("normalize_axes, which HGQ 2 does not save; use those of bias_axes")
        left, _, right = equation.replace(" ", "").replace("...", "").partition("->")
        slots = iter(scale.shape)
        spread = scale.reshape([next(slots) if c in letters else 1 for c in left.split(",")[1]])
        offset = -arrays["moving_mean"] * scale
        offset = offset.reshape(_cast(offset.shape, letters, axes or "", right, bias.ndim))
        return kernel * spread, bias + offset

    def place(
        chain: Chain, x: str, shape: Shape, kernel: Weights, bias: Weights | None
    ) -> tuple[str, Shape]:
        layers, result = lay_einsum(
            equation, shape, kernel, bias, chain.name(), (x,), chain.site.place
        )
        return chain.extend(layers, x), result

    return lambda site: linear.build(site, fuse, place)


def plan_conv(settings: Settings) -> Build:
    """QConv1D, QConv2D and QConv3D."""
    settings.allow(
        *COMMON, "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate",
        "groups", "rank", "use_bias", "activation", "kq_conf", "bq_conf",
    )  # fmt: skip
    rank = int(settings.kind[5])
    window, strides, dilation = (
        whole_numbers(settings, key, rank) for key in ("kernel_size", "strides", "dilation_rate")
    )
    padding = settings.get("padding", "valid")
    if settings.get("data_format", "channels_last") != "channels_last":
        raise Obstacle("data_format='channels_first'; use channels_last")
    if padding not in ("valid", "same") and (padding != "causal" or rank > 1):
        raise Obstacle(f"padding={padding!r}; use 'valid' or 'same'")
    filters, groups = settings.whole("filters", 1, 1 << 20), settings.whole("groups", 1, 1 << 20)
    linear = read_linear(settings, settings.flag("use_bias", True))

    def place(
        chain: Chain, x: str, shape: Shape, kernel: Weights, bias: Weights | None
    ) -> tuple[str, Shape]:
        _check(chain, kernel, (*window, shape[-1] // groups, filters))
        return convolve(chain, x, shape, kernel, bias, window, strides, dilation, padding, groups)

    return lambda site: linear.build(site, lambda a: (a["kernel"], a.get("bias")), place)


def plan_batch_norm(settings: Settings) -> Build:
    """QBatchNormalization: x * scale + offset, both through quantisers."""
    settings.allow(*COMMON, "axis", "kq_conf", "bq_conf", "renorm_momentum", *NORM)
    ports = read_ports(settings)
    configs = {
        key: hgq_quantiser.read_config(settings.get(key), f"the quantiser {key}")
        for key in ("kq_conf", "bq_conf")
    }
    trained = tuple(
        name
        for name, key in (("bn_gamma", "scale"), ("bn_beta", "center"))
        if settings.flag(key, True)
    )
    order = (*trained, "moving_mean", "moving_variance", *counters(settings))
    epsilon = np.float32(settings.number("epsilon", 1e-3, 0.0, 1e3))
    axis = settings.get("axis", -1)

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        axes = axis if isinstance(axis, list) else [axis]
        if len(axes) != 1 or axes[0] not in (-1, len(shape)):
            raise Obstacle(f"axis={axis!r} of a tensor of shape {list(shape)}; use the last axis")
        chain = Chain(site)
        arrays = chain.branch.arrays(order, (*trained, "moving_mean", "moving_variance"))
        one = np.float32(1)
        scale = arrays.get("bn_gamma", one) / np.sqrt(arrays["moving_variance"] + epsilon)
        # Without its centre, HGQ 2 takes 1 where others take 0.
        offset = arrays.get("bn_beta", one) - arrays["moving_mean"] * scale
        m = constant(chain.branch, "kq", configs["kq_conf"], scale).values
        b = constant(chain.branch, "bq", configs["bq_conf"], offset).values
        x = chain.quantise(site.sources[0], ports.inputs, "iq", "quantizer")
        y = chain.steps((affine(m, b),), x)
        return chain.built(chain.quantise(y, ports.output, "oq", "quantizer"), shape)

    return build


def convolve(
    chain: Chain,
    x: str,
    shape: Shape,
    kernel: Weights,
    bias: Weights | None,
    window: Shape,
    strides: Shape,
    dilation: Shape,
    padding: str,
    groups: int,
) -> tuple[str, Shape]:
    """The convolution of a tensor of `shape`: name and shape of the result."""
    pads = window_padding(padding, shape[:-1], window, strides, dilation)
    y = chain.add(
        lambda n, s, p: SourceConv(n, s, p, kernel, bias, strides, pads, dilation, groups), x
    )
    reach = ((k - 1) * d for k, d in zip(window, dilation, strict=True))
    sizes = tuple(
        (size + sum(pad) - r - 1) // stride + 1
        for size, pad, r, stride in zip(shape[:-1], pads, reach, strides, strict=True)
    )
    if min(sizes) < 1:
        raise Obstacle(f"a window {list(window)} on a tensor of shape {list(shape)}")
    return y, (*sizes, kernel.values.shape[-1])


def window_padding(
    padding: str, shape: Shape, window: Shape, strides: Shape, dilation: Shape
) -> tuple[tuple[int, int], ...]:
    """The zeros before and after each axis for `valid`, `same` (TensorFlow's) or `causal`."""
    pads = []
    for size, k, stride, d in zip(shape, window, strides, dilation, strict=True):
        reach = (k - 1) * d
        total = 0
        if padding == "same":
            total = max((-(-size // stride) - 1) * stride + reach + 1 - size, 0)
        pads.append((reach, 0) if padding == "causal" else (total // 2, total - total // 2))
    return tuple(pads)


def whole_numbers(settings: Settings, key: str, count: int) -> Shape:
    """One or `count` positive integers."""
    value = settings.get(key, 1)
    values = [value] * count if type(value) is int else value
    if (
        not isinstance(values, list)
        or len(values) != count
        or not all(type(v) is int and 0 < v < 1 << 16 for v in values)
    ):
        raise Obstacle(f"{key}={str(value)[:80]}; give {count} positive integers")
    return tuple(values)


NORM = (
    "scale", "center", "momentum", "epsilon", "synchronized", "moving_mean_initializer",
)  # fmt: skip
"""Settings of a normalisation."""


def _normalises(settings: Settings) -> bool:
    return settings.kind in ("QEinsumDenseBatchnorm", "QBatchNormDense")


def _cast(shape: Shape, letters: str, bias_axes: str, output: str, rank: int) -> Shape:
    """Sizes over the axes of the output from the first letter on, 1 for those that are no letter;
    as many ones behind them as a bias of this rank has behind its own axes."""
    slots = iter(shape)
    axes = output[min(output.find(a) for a in letters) :]
    behind = rank - len(output[min(output.find(a) for a in bias_axes) :])
    return (*(next(slots) if a in letters else 1 for a in axes), *(1,) * behind)


def _check(chain: Chain, kernel: Weights, shape: Shape) -> None:
    if kernel.values.shape != shape:
        raise UsageError(
            f"the kernel has the shape {list(kernel.values.shape)}, not {list(shape)}",
            where=chain.site.place,
            hint="give the weights and the configuration of one model",
        )
