"""Functions of HGQ 2 that become tables: unary functions and the softmax made of two of them."""

from __future__ import annotations

import math

import numpy as np

from flow.frontend.hgq.chain import COMMON, Chain, Shape, counters, read, read_ports
from flow.frontend.hgq.merge import negative
from flow.frontend.keras.activations import plan_activation
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Site
from flow.frontend.keras.steps import Obstacle, affine, function
from flow.frontend.source import SourceAdd, SourceMultiply, SourcePool

EPSILON = 1e-7
"""What the softmax adds to the sum before it divides by it."""


def plan_unary(settings: Settings) -> Build:
    """QUnaryFunctionLUT and QAffinedUnaryFunctionLUT, which moves the argument first."""
    settings.allow(
        *COMMON, "activation", "allow_heterogeneous_table", "allow_heterogeneous_input",
        "override_oq_k0_to_0",
    )  # fmt: skip
    ports, steps = read_ports(settings), plan_activation(settings)
    moved = settings.kind == "QAffinedUnaryFunctionLUT"
    order = ("scale", "bias", *counters(settings))

    def build(site: Site) -> Built:
        chain = Chain(site)
        x = chain.quantise(site.sources[0], ports.inputs, "iq", "quantizer")
        if moved:
            arrays = chain.branch.arrays(order, ("scale", "bias"))
            scale, bias = (arrays[n].astype(np.float64) for n in ("scale", "bias"))
            x = chain.steps((affine(scale, bias),), x)
        y = chain.steps(steps, x) if steps else x
        y = chain.quantise(y, ports.output, "oq", "quantizer")
        return chain.built(y, site.shapes[0])

    return build


def plan_softmax(settings: Settings) -> Build:
    """QSoftmax: exp(x - max), times a table of 1/x at its sum, each through quantisers."""
    settings.allow(
        *COMMON, "axis", "axes", "stable", "exp_iq_conf", "exp_oq_conf", "inv_iq_conf",
        "inv_oq_conf", "allow_heterogeneous_table", "input_scaler",
    )  # fmt: skip
    ports = read_ports(settings)
    stable = settings.flag("stable", True)
    scaler = settings.number("input_scaler", 1.0, -1e6, 1e6)
    confs = {
        key: read(settings, key)
        for key in ("exp_iq_conf", "exp_oq_conf", "inv_iq_conf", "inv_oq_conf")
        if stable or key != "exp_iq_conf"
    }

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        axes = settings.get("axes", settings.get("axis", -1))
        values = axes if isinstance(axes, list) else [axes]
        if values not in ([-1], [len(shape)]):
            raise Obstacle(f"axes={axes!r} of a tensor of {len(shape) + 1} axes; use the last")
        chain = Chain(site)
        x = chain.quantise(site.sources[0], ports.inputs, "iq", "quantizer")
        if stable:
            most = _largest_of_last(chain, x, shape)
            x = chain.add(SourceAdd, most, negative(chain, x))
            x = chain.quantise(x, confs["exp_iq_conf"], "exp_table", "iq", "quantizer")
        factor = -scaler if stable else scaler
        powers = chain.steps((affine(factor, 0.0), function("exponential")), x)
        powers = chain.quantise(powers, confs["exp_oq_conf"], "exp_table", "oq", "quantizer")
        one = (*shape[:-1], 1)
        total = chain.total(powers, shape)
        total = chain.quantise(total, confs["inv_iq_conf"], "inv_table", "iq", "quantizer")
        inverse = chain.steps((affine(1.0, EPSILON), function("reciprocal")), total)
        inverse = chain.quantise(inverse, confs["inv_oq_conf"], "inv_table", "oq", "quantizer")
        y = chain.add(SourceMultiply, powers, chain.broadcast(inverse, one, shape))
        return chain.built(chain.quantise(y, ports.output, "oq", "quantizer"), shape)

    return build


def _largest_of_last(chain: Chain, x: str, shape: Shape) -> str:
    """The largest element of the last axis, in all its places."""
    size, rest = shape[-1], math.prod(shape[:-1])
    indices = np.arange(math.prod(shape), dtype=np.int64).reshape(rest, size).T
    rows = chain.gather(x, indices.copy(), shape)
    top = chain.add(lambda n, s, p: SourcePool(n, s, p, "max", (size,), (1,), ((0, 0),)), rows)
    spread = np.repeat(np.arange(rest, dtype=np.int64), size).reshape(shape)
    return chain.gather(top, spread, (1, rest))
