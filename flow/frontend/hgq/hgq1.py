"""Proxy models of HGQ 1: fixed-point quantisers and tables between plain layers.

A proxy holds quantised weights in plain Keras layers, so that their grid is read off the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from flow.frontend.exact.rational import power_of_two
from flow.frontend.hgq.chain import Chain
from flow.frontend.hgq.quantiser import ROUNDINGS, Grid
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Plan, Site, misfit
from flow.frontend.keras.steps import Obstacle
from flow.frontend.source import (
    Quantiser,
    SourceQuantise,
    SourceTableSum,
    step_array,
)
from flow.ir.rounding import Overflow
from flow.ir.tensor import FractionArray, compact

OVERFLOWS: Mapping[str, Overflow] = {"WRAP": "wrap", "SAT": "saturate", "SAT_SYM": "saturate"}
VARIABLES = ("keep_negative", "bits", "integers")
TABLE = 1 << 16
"""The longest table."""


def plan_fixed_point(settings: Settings) -> Build:
    """FixedPointQuantizer: sign, bits and integer bits (with the sign) of each element."""
    settings.allow("RND", "SAT", "shape", "overrides", "fusible", "activity_regularizer")
    rounding, overflow = str(settings.get("RND", "TRN")), str(settings.get("SAT", "WRAP"))
    if rounding not in ROUNDINGS or overflow not in OVERFLOWS:
        raise Obstacle(
            f"a quantiser with RND={rounding[:40]!r} and SAT={overflow[:40]!r}; "
            "use RND or TRN, and WRAP, SAT or SAT_SYM"
        )

    def build(site: Site) -> Built:
        chain = Chain(site)
        stored = chain.branch.arrays(VARIABLES, VARIABLES)
        k, bits, whole = (np.rint(stored[n]).astype(np.int64) for n in VARIABLES)
        if (k.shape, k.shape) != (bits.shape, whole.shape) or (
            k.size and (bits.min() < 0 or bits.max() > 50 or not np.isin(k, (0, 1)).all())
        ):
            raise misfit("the variables of a quantiser are not those that HGQ 1 stores", site)
        shape = k.shape[1:] if k.ndim > len(site.shapes[0]) else k.shape
        # A grid without bits is dead whatever its sign and integer bits are.
        dead = bits == 0
        k, i = np.where(dead, 0, k), np.where(dead, 0, whole - k)
        parts = Grid(*(a.reshape(shape) for a in (k, i, bits - k - i)))
        low, high = parts.ends(overflow == "SAT_SYM")
        quantiser = Quantiser(
            compact(parts.step), compact(low), compact(high), ROUNDINGS[rounding],
            OVERFLOWS[overflow],
        )  # fmt: skip
        y = chain.add(lambda n, s, p: SourceQuantise(n, s, p, quantiser), site.sources[0])
        return chain.built(y, site.shapes[0])

    return build


def plan_unary_lut(settings: Settings) -> Build:
    """UnaryLUT: one table for every element, over the two's complement of its argument."""
    settings.allow("kif_in", "kif_out", "activity_regularizer")
    k, i, f = _kif(settings, "kif_in")
    unit = power_of_two(-_kif(settings, "kif_out")[2])
    size = 1 << (k + i + f)
    if not 2 <= size <= TABLE:
        raise Obstacle(f"a table of {size} entries; use 2 to {TABLE}")

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        chain = Chain(site)
        table = chain.branch.arrays(("table",), ("table",))["table"].astype(np.float64)
        if table.shape != (size,):
            raise misfit(f"the table has the shape {list(table.shape)}, not [{size}]", site)
        low, high, step = -k * size // 2, size - k * size // 2 - 1, power_of_two(-f)
        quantiser = Quantiser(step_array(step), low, high, "half_even", "wrap")
        x = chain.add(lambda n, s, p: SourceQuantise(n, s, p, quantiser), site.sources[0])
        flat = (int(np.prod(shape)), 1)
        x = chain.reshape(x, shape, flat)
        # Negative arguments come behind the others.
        rows = (((step, low, high),), ((np.roll(table, -low),),), _one(unit))
        y = chain.add(lambda n, s, p: SourceTableSum(n, s, p, *rows), x)
        return chain.built(chain.reshape(y, flat, shape), shape)

    return build


def _kif(settings: Settings, key: str) -> tuple[int, int, int]:
    match settings.get(key):
        case [int() as k, int() as i, int() as f] if k in (0, 1) and abs(i) < 50 > abs(f):
            return k, i, f
        case value:
            raise Obstacle(f"{key}={str(value)[:80]}; save the model again by HGQ 1")


def _one(step: Fraction) -> FractionArray:
    return step_array(step).reshape(1, 1)


PLANS: Mapping[str, Plan] = {
    "FixedPointQuantizer": plan_fixed_point,
    "UnaryLUT": plan_unary_lut,
}
"""The classes of proxies."""
