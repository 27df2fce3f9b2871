"""The table layers of HGQ-LUT (Sun et al., arXiv 2604.22293): a small network for each weight.

Each pair of an input and an output has quantisers of its own before and behind a network of one
input and one output. Before it there are few integers, so that each pair is a table over them,
computed in float32 as HGQ 2 computes the network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flow.errors import UsageError
from flow.frontend.einsum import Equation, read_equation
from flow.frontend.hgq import quantiser as hgq_quantiser
from flow.frontend.hgq.chain import COMMON, Chain, Shape, counters, read, read_ports
from flow.frontend.hgq.linear import whole_numbers, window_padding
from flow.frontend.hgq.quantiser import Config, Grid
from flow.frontend.hgq.subnet import Subnet, Tables, tabulate
from flow.frontend.hgq.weights import Branch, FloatArray32
from flow.frontend.keras.activations import plan_activation
from flow.frontend.keras.settings import Settings
from flow.frontend.keras.site import Build, Built, Site
from flow.frontend.keras.steps import Obstacle, Step
from flow.frontend.source import SourceActivation, SourceTableSum
from flow.ir.tensor import IntArray


@dataclass(frozen=True, slots=True)
class TableLayer:
    """The settings of a layer of tables; `trained` are the variables of its normalisation."""

    inputs: Config
    output: Config | None
    tables: Config
    hidden: int
    activation: SourceActivation | None
    after: tuple[Step, ...]
    biased: bool
    normalised: bool
    trained: tuple[str, ...]
    epsilon: np.float32


def plan_dense_table(settings: Settings) -> Build:
    """QDenseT."""
    settings.allow(*TABLE, "n_out", "use_bias")
    layer = _read(settings, settings.flag("use_bias", True))
    outputs = settings.whole("n_out", 1, 1 << 16)

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        indices = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
        return _build_dense(layer, site, indices, outputs)

    return build


def plan_conv_table(settings: Settings) -> Build:
    """QConvT1D and QConvT2D: a dense layer of tables on every window."""
    settings.allow(
        *TABLE, "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate",
        "groups", "rank", "use_bias",
    )  # fmt: skip
    layer = _read(settings, settings.flag("use_bias", True))
    rank = int(settings.kind[6])
    window, strides, dilation = (
        whole_numbers(settings, key, rank) for key in ("kernel_size", "strides", "dilation_rate")
    )
    if settings.get("data_format", "channels_last") != "channels_last":
        raise Obstacle("data_format='channels_first'; use channels_last")
    padding, outputs = settings.get("padding", "valid"), settings.whole("filters", 1, 1 << 16)
    if padding not in ("valid", "same"):
        raise Obstacle(f"padding={padding!r}; use 'valid' or 'same'")

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        pads = window_padding(padding, shape[:-1], window, strides, dilation)
        indices = _patches(shape, window, strides, dilation, pads)
        return _build_dense(layer, site, indices, outputs)

    return build


def plan_einsum_table(settings: Settings) -> Build:
    """QEinsumDenseT: a table for each product of an einsum."""
    settings.allow(*TABLE, "equation", "output_shape", "bias_axes", "normalize_axes")
    equation, axes = settings.get("equation"), settings.get("bias_axes")
    if not isinstance(equation, str):
        raise Obstacle("its equation is no text; save the model again")
    layer = _read(settings, axes is not None and not settings.flag("batch_norm", False))
    normal = settings.get("normalize_axes") or axes

    def build(site: Site) -> Built:
        (shape,) = site.shapes
        chain = Chain(site)
        parts = read_equation(equation, len(shape))
        arrays = _stored(layer, chain.branch)
        extra = tuple(a for a in parts.kernel if a not in parts.activation)
        space = parts.activation + extra
        sizes = dict(zip(parts.activation, shape, strict=True))
        sizes.update(zip(parts.kernel, arrays[0][0].shape, strict=False))
        whole = tuple(sizes[a] for a in space)
        kept = normal or "".join(a for a in parts.kernel if a in parts.output)
        subnet = _spread_subnet(layer, chain.branch, parts, space, whole, arrays, kept, settings)
        indices = np.arange(math.prod(shape), dtype=np.int64).reshape(*shape, *(1,) * len(extra))
        out = tuple(sizes[a] for a in parts.output)
        columns = np.arange(math.prod(out), dtype=np.int64).reshape(out)
        stays = [a for a in space if a in parts.output]
        columns = columns.transpose([parts.output.index(a) for a in stays])
        columns = columns.reshape([sizes[a] if a in stays else 1 for a in space])
        before, behind = (_grid(c, chain.branch, n, whole) for c, n in _grids(layer))
        x = chain.gather(site.sources[0], np.broadcast_to(indices, whole).reshape(-1).copy(), shape)
        x = chain.apply(x, layer.inputs, _batched(before))
        networks = np.arange(math.prod(whole), dtype=np.int64)
        flat = np.broadcast_to(columns, whole).reshape(-1)
        made = tabulate(subnet, layer.inputs, before, layer.tables, behind, networks, flat)
        return _finish(chain, layer, x, made, (math.prod(out),), out)

    return build


def _build_dense(layer: TableLayer, site: Site, indices: IntArray, outputs: int) -> Built:
    """The layer on tensors (*positions, inputs) whose elements are those at the indices."""
    chain = Chain(site)
    (*positions, inputs) = indices.shape
    grids = [
        hgq_quantiser.read_grid(config, chain.branch.part(name, "quantizer"))
        for config, name in _grids(layer)
    ]
    # Quantisers that differ from position to position make each position its own part.
    apart = any(n > 1 for g in grids for n in g.k.shape[1:-2])
    places = math.prod(positions) if apart else 1
    subnet = _dense_subnet(layer, chain.branch, inputs, outputs)
    shape = (*positions, inputs, outputs) if apart else (inputs, outputs)
    before, behind = (_flat(g, shape) for g in grids)
    pairs = np.repeat(indices.reshape(-1, inputs, 1), outputs, axis=2)
    size = inputs * outputs
    x = chain.gather(
        site.sources[0],
        pairs.reshape((places * size,) if apart else (*positions, size)),
        site.shapes[0],
    )
    x = chain.apply(x, layer.inputs, _batched(before))
    networks = np.tile(np.arange(size, dtype=np.int64), places)
    columns = networks % outputs + np.repeat(np.arange(places, dtype=np.int64) * outputs, size)
    made = tabulate(subnet, layer.inputs, before, layer.tables, behind, networks, columns)
    summed = (places * outputs,) if apart else (*positions, outputs)
    return _finish(chain, layer, x, made, summed, (*positions, outputs))


def _finish(
    chain: Chain, layer: TableLayer, x: str, made: Tables, summed: Shape, result: Shape
) -> Built:
    y = chain.add(lambda n, s, p: SourceTableSum(n, s, p, made.domain, made.tables, made.step), x)
    y = chain.reshape(y, summed, result)
    y = chain.steps(layer.after, y) if layer.after else y
    return chain.built(chain.quantise(y, layer.output, "oq", "quantizer"), result)


Arrays = tuple[list[FloatArray32], list[FloatArray32 | None]]


def _stored(layer: TableLayer, branch: Branch) -> Arrays:
    """Kernels (..., d, e) and biases (..., e) of the dense layers of all networks."""
    kernels: list[FloatArray32] = []
    biases: list[FloatArray32 | None] = []
    for at in range(layer.hidden + 1):
        name = "einsum_dense" if at == 0 else f"einsum_dense_{at}"
        names = ("kernel", "bias") if layer.biased else ("kernel",)
        arrays = branch.part("module", "layers", name).arrays(names, names)
        kernel, bias, last = arrays["kernel"], arrays.get("bias"), at == layer.hidden
        kernels.append(kernel[..., np.newaxis] if last else kernel)
        biases.append(bias[..., np.newaxis] if last and bias is not None else bias)
    ahead = [1, *(k.shape[-1] for k in kernels)]
    if any(k.ndim < 3 or k.shape[-2] != d for k, d in zip(kernels, ahead, strict=False)):
        raise _misfit(branch)
    return kernels, biases


def _dense_subnet(layer: TableLayer, branch: Branch, inputs: int, outputs: int) -> Subnet:
    kernels, biases = _stored(layer, branch)
    if any(k.shape[:2] != (inputs, outputs) or k.ndim != 4 for k in kernels):
        raise _misfit(branch)
    size = inputs * outputs
    scale = shift = None
    if layer.normalised:
        order = (*layer.trained, "moving_mean", "moving_variance")
        stored = branch.part("bn_module").arrays(order, order)
        one = np.float32(1)
        scale = (one / np.sqrt(stored["moving_variance"] + layer.epsilon)) * stored.get(
            "gamma", one
        )
        shift = stored.get("beta", np.float32(0)) - stored["moving_mean"] * scale
        scale, shift = np.tile(scale, inputs), np.tile(shift, inputs)
    return Subnet(
        tuple(k.reshape(size, *k.shape[2:]) for k in kernels),
        tuple(None if b is None else b.reshape(size, -1) for b in biases),
        layer.activation, scale, shift, np.float32(math.sqrt(inputs)),
    )  # fmt: skip


def _spread_subnet(
    layer: TableLayer,
    branch: Branch,
    parts: Equation,
    space: tuple[str, ...],
    whole: Shape,
    arrays: Arrays,
    normal: str,
    settings: Settings,
) -> Subnet:
    """A network for every place of the space of an einsum."""
    rank = len(parts.kernel)
    order = sorted(range(rank), key=lambda i: space.index(parts.kernel[i]))
    count = math.prod(whole)

    def spread(kernel: FloatArray32) -> FloatArray32:
        inner = kernel.shape[rank:]
        moved = kernel.transpose([*order, *range(rank, kernel.ndim)])
        slots = [n if a in parts.kernel else 1 for n, a in zip(whole, space, strict=True)]
        return np.broadcast_to(moved.reshape(*slots, *inner), (*whole, *inner)).reshape(
            count, *inner
        )

    kernels, biases = arrays
    if any(k.ndim != rank + 2 for k in kernels):
        raise _misfit(branch)
    wide = [
        None if b is None else np.broadcast_to(b, (*whole, b.shape[-1])).reshape(count, -1)
        for b in biases
    ]
    scale = shift = None
    if layer.normalised:
        trained = tuple(f"bn_{name}" for name in layer.trained)
        names = (*trained, "moving_mean", "moving_variance")
        stored = branch.arrays((*names, *counters(settings)), names)
        gain = stored.get("bn_gamma", np.float32(1)) / np.sqrt(
            stored["moving_variance"] + layer.epsilon
        )
        offset = -stored["moving_mean"] * gain + stored.get("bn_beta", np.float32(0))
        slots = [n if a in normal else 1 for n, a in zip(whole, space, strict=True)]
        axes = sorted(range(len(normal)), key=lambda i: space.index(normal[i]))
        scale, shift = (
            np.broadcast_to(a.transpose(axes).reshape(slots), whole).reshape(count)
            for a in (gain, offset)
        )
    summed = math.prod(n for n, a in zip(whole, space, strict=True) if a in parts.summed)
    return Subnet(
        tuple(spread(k) for k in kernels), tuple(wide), layer.activation, scale, shift,
        np.float32(math.sqrt(summed)),
    )  # fmt: skip


def _read(settings: Settings, biased: bool) -> TableLayer:
    ports = read_ports(settings)
    if ports.inputs is None or ports.inputs.kind == "dummy" or ports.inputs.affine is not None:
        raise Obstacle("tables without a plain quantiser before them; set enable_iq=True")
    if ports.inputs.scaler is not None:
        raise Obstacle("tables behind a quantiser with a scaler; leave it out")
    tables = read(settings, "toq_conf")
    if tables.kind == "dummy" or tables.scaler is not None or tables.affine is not None:
        raise Obstacle("tables without a plain quantiser behind them; give toq_conf")
    inner = Settings(settings.kind, {"activation": settings.get("subnn_activation")}, 3)
    made = [step.make("subnet", ("x",), "") for step in plan_activation(inner)]
    if len(made) > 1 or not all(isinstance(x, SourceActivation) for x in made):
        raise Obstacle("a subnn_activation of several steps; use 'tanh'")
    activation = made[0] if made else None
    assert activation is None or isinstance(activation, SourceActivation)
    keys = (("gamma", "bn_scale"), ("beta", "bn_center"))
    return TableLayer(
        ports.inputs, ports.output, tables, settings.whole("n_hl", 0, 16), activation,
        plan_activation(settings), biased, settings.flag("batch_norm", False),
        tuple(name for name, key in keys if settings.flag(key, True)),
        np.float32(settings.number("bn_epsilon", 1e-3, 0.0, 1e3)),
    )  # fmt: skip


def _patches(
    shape: Shape,
    window: Shape,
    strides: Shape,
    dilation: Shape,
    pads: Sequence[tuple[int, int]],
) -> IntArray:
    """The flat places of each window, (*positions, window * channels), -1 in the padding."""
    channels = shape[-1]
    indices = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    padded = np.pad(indices, (*pads, (0, 0)), constant_values=-1)
    sizes = tuple(
        (n - (k - 1) * d - 1) // s + 1
        for n, k, s, d in zip(padded.shape, window, strides, dilation, strict=False)
    )
    if min(sizes) < 1:
        raise Obstacle(f"a window {list(window)} on a tensor of shape {list(shape)}")
    result = np.empty((*sizes, *window, channels), dtype=np.int64)
    for at in np.ndindex(*window):
        cut = tuple(
            slice(a * d, a * d + (n - 1) * s + 1, s)
            for a, d, n, s in zip(at, dilation, sizes, strides, strict=True)
        )
        result[(..., *at, slice(None))] = padded[cut]
    return result.reshape(*sizes, -1)


def _grids(layer: TableLayer) -> tuple[tuple[Config, str], ...]:
    return (layer.inputs, "iq"), (layer.tables, "toq")


def _grid(config: Config, branch: Branch, name: str, shape: Shape) -> Grid:
    return _flat(hgq_quantiser.read_grid(config, branch.part(name, "quantizer")), shape)


def _flat(grid: Grid, shape: Shape) -> Grid:
    """The grid, which has the batch and perhaps more axes of size 1 in front, for each element."""

    def flat(array: IntArray) -> IntArray:
        return np.broadcast_to(array, (1,) * (array.ndim - len(shape)) + shape).reshape(-1)

    return Grid(flat(grid.k), flat(grid.i), flat(grid.f))


def _batched(grid: Grid) -> Grid:
    return Grid(grid.k[np.newaxis], grid.i[np.newaxis], grid.f[np.newaxis])


def _misfit(branch: Branch) -> UsageError:
    return UsageError(
        "the tables do not fit the inputs and outputs of the layer",
        where=branch.place,
        hint="give the weights and the configuration of one model",
    )


TABLE = (
    *COMMON, "n_hl", "d_hl", "subnn_activation", "activation", "toq_conf", "batch_norm",
    "bn_center", "bn_scale", "bn_momentum", "bn_epsilon", "table_idxs",
)  # fmt: skip
"""Settings of every layer of tables."""
