"""Layers of HGQ 1 (Sun et al., arXiv 2405.00645) as they are trained, before a proxy is made.

Their quantisers round to fraction bits and never overflow: integer bits are only chosen when a
proxy is made, from data. Here they get so many that no value reaches them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flow.frontend.exact.ports import UNBOUNDED
from flow.frontend.exact.rational import power_of_two
from flow.frontend.hgq.chain import Chain, Shape
from flow.frontend.hgq.linear import convolve, whole_numbers
from flow.frontend.hgq.quantiser import ROUNDINGS, channel_step, round_float32
from flow.frontend.hgq.weights import FloatArray32
from flow.frontend.keras.activations import plan_activation
from flow.frontend.keras.layers import PLANS as KERAS
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Plan, Site, misfit
from flow.frontend.keras.steps import Obstacle, Step
from flow.frontend.source import Quantiser, SourceAdd, SourceDense, SourceQuantise, Weights
from flow.ir.tensor import FractionArray, IntArray, compact

CLIP = 64.0
"""Fraction bits beyond which no quantiser is trained."""


@dataclass(frozen=True, slots=True)
class Rounder:
    """A quantiser: its rounding (None: by the layer), and the ends of its fraction bits."""

    rounding: str | None
    clip: tuple[float, float]

    def bits(self, stored: FloatArray32) -> FloatArray32:
        """The fraction bits as whole float32."""
        return np.rint(np.clip(stored, *self.clip)).astype(np.float32)

    def mode(self, covered: bool) -> str:
        """The rounding where the bias could (`covered`) or could not stand in for a half."""
        return self.rounding or ("RND" if covered else "TRN")


def plan_linear(settings: Settings) -> Build:
    """HDense, HConv1D and HConv2D, also with a normalisation inside."""
    conv, norm = settings.kind.startswith("HConv"), settings.kind.endswith("BatchNorm")
    settings.allow(*SETTINGS, *(CONV if conv else ("units",)), *(NORM if norm else ()))
    kernel_rounder, rounder = _rounder(settings, "kq_conf"), _rounder(settings, "paq_conf")
    after = plan_activation(settings)
    biased = settings.flag("use_bias", True)
    centred, scaled = settings.flag("center", True), settings.flag("scale", True)
    epsilon = np.float32(settings.number("epsilon", 1e-3, 0.0, 1e3))
    if conv and settings.get("data_format", "channels_last") != "channels_last":
        raise Obstacle("data_format='channels_first'; use channels_last")
    sizes = _conv_sizes(settings) if conv else None
    units = settings.whole("filters" if conv else "units", 1, 1 << 20)

    def build(site: Site) -> Built:
        chain = Chain(site)
        # HGQ 1 does not save these settings, so that the variables count where they have names.
        center = norm and biased and centred and chain.branch.may_have("bn_beta")
        scale = norm and scaled and chain.branch.may_have("bn_gamma")
        order = _order(biased, center, scale)
        wanted = [name for name in order if name not in ("beta", "bops")]
        stored = chain.branch.arrays(order, wanted)
        one = np.float32(1)
        gain = np.ones(1, np.float32)
        if scale:
            gain = stored["bn_gamma"] * (one / np.sqrt(stored["moving_variance"] + epsilon))
        fused = stored["kernel"] * gain if scale else stored["kernel"]
        bits = kernel_rounder.bits(stored["kernel_bw"])
        kernel = _rounded(fused, bits, kernel_rounder.mode(True), site)
        places = rounder.bits(stored["activation_bw"])
        covered = biased and (
            places.size == 1 or places.size == places.shape[-1] == stored["bias"].size
        )
        mode, bias = rounder.mode(covered), None
        if biased:
            moved = stored["bias"]
            if center:
                moved = moved - stored["moving_mean"] * gain + stored["bn_beta"]
            most = places.reshape(-1, places.shape[-1]).max(axis=0)
            bias = _rounded(moved, most, mode, site)
        (shape,) = site.shapes
        source = site.sources[0]
        if sizes is None:
            if kernel.values.shape != (shape[-1], units):
                raise misfit(f"the kernel has the shape {list(kernel.values.shape)}", site)
            y = chain.add(lambda n, s, p: SourceDense(n, s, p, kernel, bias), source)
            result: Shape = (*shape[:-1], units)
        else:
            y, result = convolve(chain, source, shape, kernel, bias, *sizes)
        y = _quantised(chain, y, places, mode)
        return chain.built(chain.steps(after, y) if after else y, result)

    return build


def _order(biased: bool, center: bool, scale: bool) -> tuple[str, ...]:
    """The variables as Keras numbers them: the trained ones first."""
    bias = ("bias",) if biased else ()
    beta, mean = (("bn_beta",), ("moving_mean",)) if center else ((), ())
    gamma, variance = (("bn_gamma",), ("moving_variance",)) if scale else ((), ())
    trained = ("kernel", *bias, "kernel_bw", "activation_bw", *beta, *gamma)
    return (*trained, "beta", "bops", *mean, *variance)


def plan_quantise(settings: Settings) -> Build:
    """HQuantize, HActivation and HAdd: round what enters, its function, or its sum."""
    settings.allow(*SETTINGS)
    rounder = _rounder(settings, "paq_conf")
    steps: tuple[Step, ...] = ()
    if settings.kind == "HActivation":
        steps = plan_activation(settings)
    mode = rounder.mode(settings.kind == "HActivation")
    order = ("activation_bw", "beta", "bops")

    def build(site: Site) -> Built:
        chain = Chain(site)
        bits = rounder.bits(chain.branch.arrays(order, order[:1])["activation_bw"])
        y = site.sources[0]
        if settings.kind == "HAdd":
            if len(set(site.shapes)) > 1 or len(site.sources) < 2:
                raise Obstacle("tensors of different shapes are added; use equal shapes")
            y = chain.add(SourceAdd, *site.sources)
        y = chain.steps(steps, y) if steps else y
        return chain.built(_quantised(chain, y, bits, mode), site.shapes[0])

    return build


def plan_passive(settings: Settings) -> Build:
    """PReshape, PMaxPooling2D and the like: the Keras layers without the P."""
    kind = settings.kind[1:]
    if kind not in KERAS:
        raise Obstacle(f"no circuit stands for {kind[:60]}; use PReshape, PFlatten or the like")
    return KERAS[kind](Settings(kind, settings.config, settings.keras))


def plan_signature(settings: Settings) -> Build:
    """Signature: only says what enters."""
    return lambda site: ((), site.shapes[0])


def _quantised(chain: Chain, source: str, bits: FloatArray32, mode: str) -> str:
    """The quantiser with the fraction bits, which have the batch in front."""
    places = bits.reshape(bits.shape[1:]).astype(np.int64)
    reach = UNBOUNDED << max(int(places.max(initial=0)), 0)
    quantiser = Quantiser(compact(_steps(places)), -reach, reach, ROUNDINGS[mode])
    return chain.add(lambda n, s, p: SourceQuantise(n, s, p, quantiser), source)


def _rounded(values: FloatArray32, bits: FloatArray32, mode: str, site: Site) -> Weights:
    try:
        bits = np.broadcast_to(bits, values.shape)
    except ValueError as error:
        raise misfit("a kernel and its bits have different shapes", site) from error
    whole = round_float32(values * np.exp2(bits), mode).astype(np.float64)
    real = np.ldexp(whole, -bits.astype(np.int64))
    return Weights(real, channel_step(real, _steps(bits.astype(np.int64))))


def _steps(bits: IntArray) -> FractionArray:
    flat: FractionArray = np.empty(bits.size, dtype=object)
    flat[:] = [power_of_two(-b) for b in bits.ravel().tolist()]
    return flat.reshape(bits.shape)


def _rounder(settings: Settings, key: str) -> Rounder:
    config = settings.get(key)
    if not isinstance(config, dict):
        raise Obstacle(f"no settings {key}; save the model again by HGQ 1")
    clip = config.get("bw_clip")
    match clip:
        case None:
            ends = (-CLIP, CLIP)
        case [int() | float() as low, int() | float() as high] if -CLIP <= low <= high <= CLIP:
            ends = (float(low), float(high))
        case _:
            raise Obstacle(f"bw_clip={str(clip)[:80]}; use [-23, 23]")
    strategy = config.get("rnd_strategy", "floor")
    if strategy in ("floor", 3):
        return Rounder("TRN", ends)
    auto = strategy == "auto" and key == "paq_conf"
    return Rounder(None if auto else "RND", ends)


def _conv_sizes(settings: Settings) -> tuple[Shape, Shape, Shape, str, int]:
    """Window, strides, dilation, padding and groups."""
    rank = int(settings.kind[5])
    padding = settings.get("padding", "valid")
    if padding not in ("valid", "same"):
        raise Obstacle(f"padding={padding!r}; use 'valid' or 'same'")
    window, strides, dilation = (
        whole_numbers(settings, key, rank) for key in ("kernel_size", "strides", "dilation_rate")
    )
    return window, strides, dilation, padding, settings.whole("groups", 1, 1 << 20)


SETTINGS = (
    "kq_conf", "paq_conf", "beta", "parallel_factor", "use_bias", "activation",
)  # fmt: skip
CONV = (
    "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups",
    "rank",
)  # fmt: skip
NORM = ("axis", "momentum", "epsilon", "center", "scale")

PLANS: Mapping[str, Plan] = {
    **dict.fromkeys(
        (f"H{kind}{norm}" for kind in ("Dense", "Conv1D", "Conv2D") for norm in ("", "BatchNorm")),
        plan_linear,
    ),
    **dict.fromkeys(("HQuantize", "HActivation", "HAdd"), plan_quantise),
    **dict.fromkeys(
        (
            "PReshape", "PFlatten", "PConcatenate", "PDropout", "PPermute", "PMaxPooling1D",
            "PMaxPooling2D", "PAveragePooling1D", "PAveragePooling2D",
        ),
        plan_passive,
    ),
    "Signature": plan_signature,
}  # fmt: skip
"""The classes of models in training."""
