"""Steps of one neuron beside their lower bound; the array's model beside its RTL; clocks of layers.

Weights are random where only a shape is asked for. The array is the target's: 32 x 8 elements.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cases import Options
from common import ROOT, Row

from flow.backends.emission import write_files
from flow.backends.tulip import emit_tulip
from flow.frontend.files.data import encode
from flow.ir.network import evaluate_network
from flow.mapping.tulip.bound import count_bound
from flow.mapping.tulip.execute import Execution
from flow.mapping.tulip.plan import neuron_program
from flow.mapping.tulip.shape import ArrayShape
from flow.mapping.tulip.timeline import timeline
from flow.mapping.tulip.windows import CHUNK
from flow.passes.fold_layers import FoldLayers
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import import_model
from flow.pipeline.tulip import array_inputs, plan_network
from flow.verify.tulip import run_verilator
from flow.verify.tulip_trace import first_difference

FAN_INS = (9, 27, 72, 144, 288, 512, 576, 1152, 1536, 4096)
SHARED = ROOT.parent / "shared"
RECALLED = 441
"""Steps of a neuron of 288 inputs that are recalled of the published array, not verified."""
TRACED, LONG = 100, 10_000


def chunks(inputs: int) -> list[int]:
    """Pairs of inputs of each micro-program of a neuron."""
    pairs = -(-inputs // 2)
    return [min(CHUNK // 2, pairs - begin) for begin in range(0, pairs, CHUNK // 2)]


def neuron_steps(inputs: int) -> int:
    """Steps of a neuron with its comparison, in chunks where the array takes it so."""
    parts = chunks(inputs)
    last = len(parts) - 1
    levels = inputs.bit_length()
    return sum(len(neuron_program(n, levels, k > 0, k == last)) for k, n in enumerate(parts))


def steps(options: Options) -> Iterator[list[Row]]:
    """Steps of a neuron of each fan-in, and what no schedule of adders comes below."""
    for inputs in FAN_INS:
        taken, bound = neuron_steps(inputs), count_bound(inputs)
        many = f", {len(chunks(inputs))} chunks" if len(chunks(inputs)) > 1 else ""
        note = (
            f"ratio {taken / bound.steps:.3f}; {bound.evaluations} evaluations alone take "
            f"{bound.by_evaluations} steps{many}"
        )
        what = f"steps: a neuron of {inputs} inputs, lower bound"
        asked = inputs <= 1152
        reach = f"<= {1.15 * bound.steps:.1f}" if asked else ""
        met = taken <= 1.15 * bound.steps if asked else None
        yield [Row(what, taken, "steps", "lower bound", bound.steps, reach, met, note=note)]
        if inputs == 288:
            recalled = "recalled of the published array, not verified"
            what = f"steps: a neuron of {inputs} inputs"
            met = taken <= RECALLED
            yield [Row(what, taken, "steps", recalled, RECALLED, f"<= {RECALLED}", met)]


def model(options: Options) -> Iterator[list[Row]]:
    """The cycle model against the RTL: every register in every clock, and every answer."""
    source = SHARED / "models/qonnx_tfc/TFC_1W1A.onnx"
    if not source.is_file():
        yield [Row("model: MNIST", None, "clocks", note="not measured: no shared files here")]
        return
    data = np.load(SHARED / "datasets/mnist.npz", allow_pickle=False)
    count = 16 if options.quick else LONG
    pixels = data["x_test"][:count].reshape(count, 1, 28, 28).astype(np.float32) / 255
    network = FoldLayers().run(import_model(BuildConfig(model=source)).network)
    made = plan_network(network)
    name = network.inputs[0].name
    given = encode(network.inputs[0], pixels)
    want = evaluate_network(network, {name: given})[network.outputs[0]].reshape(count, -1)
    inputs = array_inputs(network, {name: given})
    begin = time.perf_counter()
    Execution(made.plan, count).run(inputs)
    seconds = time.perf_counter() - begin
    traced = min(TRACED, count)
    with tempfile.TemporaryDirectory() as folder:
        out, trace = Path(folder), Path(folder) / "trace.txt"
        write_files(emit_tulip(made.plan, "tfc", inputs, want).files, out)
        begin = time.perf_counter()
        _, log = run_verilator(out, made.plan, samples=traced, trace=trace)
        batches = -(-traced // made.plan.shape.cols)
        with trace.open() as lines:
            # The last batch is filled up with the images that follow.
            seen = inputs[: batches * made.plan.shape.cols]
            difference = first_difference(made.plan, seen, lines)
        clocks = timeline(made.plan, batches)[-1].finished
        what = f"model: registers of 256 elements in every clock, {traced} images of MNIST"
        equal = difference is None and f"PASS {traced} of {traced}" in log
        note = difference or f"TFC 1W1A, all of {clocks} clocks equal"
        yield [Row(what, clocks, "clocks", reach="every clock equal", met=equal, note=note)]
        begin = time.perf_counter()
        ran, log = run_verilator(out, made.plan, samples=count)
        rtl = time.perf_counter() - begin
        equal = f"PASS {ran} of {ran}" in log
        note = (
            f"{count / seconds:.0f} images/s in the model, {count / rtl:.0f} in the RTL, compiled"
        )
        what = f"model: answers of {count} images of MNIST, RTL = network"
        met = equal and ran == count
        yield [Row(what, ran, "images", reach="every output equal", met=met, note=note)]


@dataclass(frozen=True)
class Shape:
    """A layer: what a neuron sums, how many there are at how many positions, thresholds' kinds."""

    name: str
    kind: str
    inputs: int
    neurons: int
    positions: int
    kinds: int = 1


BINARYNET = (
    Shape("conv1", "mac", 27, 128, 1024), Shape("conv2", "count", 1152, 128, 1024, 9),
    Shape("pool2", "pool", 4, 128, 256), Shape("conv3", "count", 1152, 256, 256, 9),
    Shape("conv4", "count", 2304, 256, 256, 9), Shape("pool4", "pool", 4, 256, 64),
    Shape("conv5", "count", 2304, 512, 64, 9), Shape("conv6", "count", 4608, 512, 64, 9),
    Shape("pool6", "pool", 4, 512, 16), Shape("fc1", "count", 8192, 1024, 1),
    Shape("fc2", "count", 1024, 1024, 1), Shape("fc3", "scores", 1024, 10, 1),
)  # fmt: skip
"""Courbariaux et al., 2016 (arXiv 1602.02830), on images of 32 x 32 x 3."""
ALEXNET = (
    Shape("conv1", "mac", 363, 96, 3025), Shape("pool1", "pool", 9, 96, 729),
    Shape("conv2", "count", 2400, 256, 729, 25), Shape("pool2", "pool", 9, 256, 169),
    Shape("conv3", "count", 2304, 384, 169, 9), Shape("conv4", "count", 3456, 384, 169, 9),
    Shape("conv5", "count", 3456, 256, 169, 9), Shape("pool5", "pool", 9, 256, 36),
    Shape("fc6", "count", 9216, 4096, 1), Shape("fc7", "count", 4096, 4096, 1),
    Shape("fc8", "scores", 4096, 1000, 1),
)  # fmt: skip
"""Krizhevsky et al., 2012, without groups, as in Rastegari et al., 2016 (arXiv 1603.05279)."""


def layer_clocks(shape: Shape, array: ArrayShape) -> int:
    """Clocks of a layer for a batch, where kernels of the next tile come while this one runs."""
    if shape.kind == "count":
        parts = chunks(shape.inputs)
        run = neuron_steps(shape.inputs) + (1 if len(parts) == 1 else 2 * len(parts))
        words = sum(parts) + shape.kinds * shape.inputs.bit_length()
    elif shape.kind == "pool":
        run, words = shape.inputs + 1, 0
    else:
        run, words = shape.inputs + array.macs + 1, shape.inputs + array.macs
    tile = array.rows if shape.kind in ("count", "pool") else array.macs
    return -(-shape.neurons // tile) * max(shape.positions * run + 1, words)


def cycles(options: Options) -> Iterator[list[Row]]:
    """Clocks and throughput of each layer of BinaryNet and AlexNet; weights would be random."""
    array = ArrayShape()
    for network, layers in (("BinaryNet, CIFAR-10", BINARYNET), ("AlexNet, ImageNet", ALEXNET)):
        total = operations = 0.0
        for layer in layers:
            clocks = layer_clocks(layer, array) / array.cols
            work = 0 if layer.kind == "pool" else 2 * layer.inputs * layer.neurons * layer.positions
            total, operations = total + clocks, operations + work
            note = (
                f"{layer.neurons} neurons of {layer.inputs} inputs at {layer.positions} positions"
            )
            note += f", {work / clocks:.0f} operations a clock" if work else ""
            note += {"mac": ", on the MACs", "scores": ", on the MACs"}.get(layer.kind, "")
            what = f"cycles: {network} {layer.name}, an image in a batch of {array.cols}"
            yield [Row(what, clocks, "clocks", note=note)]
        note = f"{operations / 1e6:.0f} MOp, {operations / total:.0f} operations a clock"
        note += "; shapes only, weights random"
        yield [Row(f"cycles: {network}, an image", total, "clocks", note=note)]
