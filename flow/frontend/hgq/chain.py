"""The source layers of one call of an HGQ layer, made one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from flow.frontend.hgq import quantiser as hgq_quantiser
from flow.frontend.hgq.quantiser import Config, Grid
from flow.frontend.hgq.weights import Branch, FloatArray32
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Built, Site
from flow.frontend.keras.steps import Make, Obstacle, Step, affine, lay
from flow.frontend.source import (
    SourceDense,
    SourceGather,
    SourceLayer,
    SourceQuantise,
    SourceReshape,
    Trace,
    Weights,
    step_array,
)
from flow.ir.tensor import IntArray

Shape = tuple[int, ...]

COMMON = (
    "enable_ebops", "ebops_factor", "beta0", "enable_iq", "enable_oq", "iq_conf", "iq_confs",
    "oq_conf", "parallelization_factor",
)  # fmt: skip
"""Settings of every HGQ 2 layer that are read here, or that only count costs."""


class Chain:
    """The layers of one call; each gets the name of the call and a number, the last the name."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.branch = site.branch()
        self._layers: list[SourceLayer] = []
        self._count = 0

    def name(self) -> str:
        """A name that is not taken."""
        self._count += 1
        return f"{self.site.name}.{self._count - 1}"

    def add(self, make: Make, *sources: str) -> str:
        """One layer that reads the named ones; its name."""
        return self.extend((make(self.name(), sources, self.site.place),), sources[0])

    def steps(self, steps: Sequence[Step], source: str) -> str:
        """Several steps, one after the other."""
        return self.extend(lay(steps, self.name(), (source,), self.site.place), source)

    def extend(self, layers: Sequence[SourceLayer], source: str) -> str:
        """Finished layers; the name of the last, or the source if there are none."""
        self._layers.extend(layers)
        return layers[-1].name if layers else source

    def quantise(self, source: str, config: Config | None, *path: str) -> str:
        """The quantiser whose variables lie at the path, if there is one."""
        if config is None or config.kind == "dummy":
            return source
        branch = self.branch.part(*path)
        grid = hgq_quantiser.read_grid(config, branch)
        return self.apply(source, config, grid, _read_trace(config, branch, grid))

    def apply(self, source: str, config: Config, grid: Grid, trace: Trace | None = None) -> str:
        """A quantiser with a known grid, whose first axis is the batch."""
        quantiser = hgq_quantiser.quantiser(config, grid, trace)
        name = self.add(lambda n, s, p: SourceQuantise(n, s, p, quantiser), source)
        if config.affine is None:
            return name
        slope, shift = (float(np.float32(a)) for a in config.affine)
        return self.steps((affine(slope, shift),), name)

    def reshape(self, source: str, shape: Shape, target: Shape) -> str:
        """The same elements in another shape."""
        if shape == target:
            return source
        return self.add(lambda n, s, p: SourceReshape(n, s, p, target), source)

    def gather(self, source: str, indices: IntArray, shape: Shape) -> str:
        """The elements at the indices of the flat tensor; nothing where that changes nothing."""
        if indices.size == math.prod(shape) and (indices.ravel() == np.arange(indices.size)).all():
            return self.reshape(source, shape, indices.shape)
        return self.add(lambda n, s, p: SourceGather(n, s, p, indices), source)

    def broadcast(self, source: str, shape: Shape, target: Shape) -> str:
        """The tensor repeated to the target, aligned at the last axis."""
        indices = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
        try:
            return self.gather(source, np.broadcast_to(indices, target).copy(), shape)
        except ValueError as error:
            raise Obstacle(
                f"tensors of the shapes {list(shape)} and {list(target)} meet; use equal shapes"
            ) from error

    def total(self, source: str, shape: Shape, factor: float = 1.0) -> str:
        """The sum over the last axis, which stays with one element, times a power of two."""
        kernel = Weights(np.full((shape[-1], 1), factor), step_array(Fraction(factor)))
        return self.add(lambda n, s, p: SourceDense(n, s, p, kernel, None), source)

    def built(self, result: str, shape: Shape) -> Built:
        """The layers, of which the last makes the result."""
        if not self._layers:
            return (), shape
        last = self._layers[-1]
        assert last.name == result
        return (*self._layers[:-1], replace(last, name=self.site.name)), shape


@dataclass(frozen=True, slots=True)
class Ports:
    """The quantisers of what enters a layer and of what leaves it."""

    inputs: Config | None
    output: Config | None


def read_ports(settings: Settings) -> Ports:
    """The settings enable_iq, iq_conf, enable_oq and oq_conf."""
    inputs = output = None
    if settings.flag("enable_iq", True):
        inputs = read(settings, "iq_conf")
    if settings.flag("enable_oq", False):
        output = read(settings, "oq_conf")
    return Ports(inputs, output)


def _read_trace(config: Config, branch: Branch, grid: Grid) -> Trace | None:
    """How the integer bits of the quantiser of a tensor follow from samples, if they do.

    Training leaves integer bits that have decayed by fractions; trace_minmax leaves whole ones.
    """
    if not config.traced or config.weight:
        return None
    if config.scaler is not None or config.affine is not None:
        return None
    stored = branch.arrays(hgq_quantiser.ORDERS[config.kind, True], ("i",))["i"]
    shape = grid.k.shape[1:]
    bits = (grid.f if config.kind == "kif" else grid.i + grid.f).reshape(shape)
    fraction, width = (bits, None) if config.kind == "kif" else (None, bits)
    key = "/".join((*branch.group, *branch.inner))
    return Trace(key, fraction, width, config.limits, bool((stored != np.rint(stored)).any()))


def read(settings: Settings, key: str) -> Config:
    """One quantiser of values that are not constant."""
    return hgq_quantiser.read_activation_config(settings.get(key), f"the quantiser {key}")


def counters(settings: Settings) -> tuple[str, ...]:
    """The variables with which the layer counts its cost."""
    return ("beta", "ebops") if settings.flag("enable_ebops", True) else ()


def constant(branch: Branch, path: str, config: Config, values: FloatArray32) -> Weights:
    """Constants through the quantiser at the path."""
    part = branch if config.kind == "dummy" else branch.part(path, "quantizer")
    return hgq_quantiser.quantise_weights(config, part, values)
