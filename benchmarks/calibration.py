"""Exact bespoke perceptrons for print: our area, and that of plain Verilog of the same weights.

    make bench-calibration

The published areas are those of the exact baselines of Armeniakos et al., "Cross-Layer
Approximation for Printed Machine Learning Circuits", DATE 2022, table I, and of their later
papers (EGFET at 1 V, Design Compiler). Their coefficients are not published with them, so the
networks are trained here: same topology, 4-bit inputs, 8-bit weights, nothing rounded between
layers, 70/30 split stratified with seed 42. The plain Verilog writes every product with `*`, sums
the positive and the negative ones in two trees and subtracts, and goes through the script that the
published designs were re-measured with. The data sets are not part of the project: rows of
those that are missing say so.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
from common import ROOT, Row, versions, write
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler

from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.sklearn.reader import from_estimator
from flow.ir.layers import Dense
from flow.ir.network import Network, evaluate_network
from flow.passes.fold_layers import FoldLayers
from flow.passes.lower_layers import LowerLayers
from flow.pipeline.choosing import choose_passes
from flow.pipeline.config import BuildConfig
from flow.pipeline.synthesis import synthesise
from flow.targets.printed import PRINTED
from flow.tech.registry import load
from flow.tech.write_liberty import liberty_text
from flow.tools import icarus
from flow.tools.yosys import yosys

DATASETS = ROOT.parent / "shared" / "datasets"
CASES = (
    ("redwine", 2, 17.6),
    ("whitewine", 4, 31.2),
    ("cardio", 3, 33.4),
    ("seeds", 3, 9.9),
    ("vertebral_3c", 3, 8.8),
    ("balance_scale", 3, 9.3),
    ("pendigits", 5, 67.0),
)
SCRIPT = "+strash;ifraig;scorr;dc2;dc2;strash;dch,-f;amap,-m"
SEEDS = range(3)


def main() -> None:
    """All rows; writes benchmarks/calibration.md."""
    rows = [row(*case) for case in CASES]
    for one in rows:
        one.versions = versions("flow", "scikit-learn", "pyosys", "alkaid")
    write("calibration", "Exact printed perceptrons", rows, [(__doc__ or "").split("\n\n", 2)[2]])


def row(name: str, hidden: int, published: float) -> Row:
    """Our area of one data set's network beside that of its plain Verilog, in cm2."""
    path = DATASETS / f"{name}.csv"
    if not path.is_file():
        return Row(f"exact {name}", None, "cm2", note="not measured: the data set is not here")
    network, accuracy, shape = trained(path, hidden)
    technology = load("egfet")
    lowered = LowerLayers().run(network)
    choice = choose_passes(lowered, BuildConfig(target="printed"), PRINTED, technology)
    circuit = choice.steps[-1].after
    with tempfile.TemporaryDirectory() as folder:
        found = synthesise(circuit, technology, Path(folder))
        ours = min(area for _, area in found.areas) / 1e8
        plain = plain_area(network, Path(folder), liberty_text(technology, True))
    ratio = plain / published
    note = f"accuracy {accuracy:.3f}; published {published} cm2, plain/published {ratio:.2f}"
    return Row(
        f"exact {name} {shape}", ours, "cm2", "plain Verilog, same weights", plain,
        "below the rival", ours < plain, note=note,
    )  # fmt: skip


def trained(path: Path, hidden: int) -> tuple[Network, float, str]:
    """The integer network of the best of some seeds by training accuracy, with test accuracy."""
    table = np.genfromtxt(path, delimiter=",", skip_header=1)
    labels = table[:, -1].astype(int)
    data = MinMaxScaler((0, 0.9)).fit_transform(table[:, :-1])
    x, x_test, y, y_test = train_test_split(
        data, labels, test_size=0.3, random_state=42, stratify=labels
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        models = [
            MLPClassifier((hidden,), max_iter=2500, random_state=seed, learning_rate_init=0.01)
            for seed in SEEDS
        ]
        best = max((model.fit(x, y) for model in models), key=lambda model: model.score(x, y))
    source = from_estimator(best, path.stem)
    options = QuantiseOptions(input_bits=4, weight_bits=8, head="decision")
    network = FoldLayers().run(to_network(source, options, {source.layers[0].name: x}).network)
    shape = f"{x.shape[1]}-{hidden}-{len(best.classes_)}"
    return network, float(best.score(x_test, y_test)), shape


def plain_area(network: Network, folder: Path, liberty: str) -> float:
    """cm2 of the plain Verilog of a network, through Yosys and the published script."""
    (folder / "plain.v").write_text(plain_verilog(network))
    require_equal(network, folder)
    (folder / "cells.lib").write_text(liberty)
    script = [
        "read_verilog plain.v",
        "synth -flatten -noabc -top plain",
        f"abc -liberty cells.lib -script {SCRIPT}",
        "clean",
        "stat -liberty cells.lib",
    ]
    log = yosys(script, folder, 1200).log
    return float(re.findall(r"Chip area for module.*?: ([0-9.]+)", log)[-1]) / 1e8


def require_equal(network: Network, folder: Path, samples: int = 200) -> None:
    """Stop unless the plain Verilog answers as the network does to random samples, in Icarus."""
    layer = network.inputs[0]
    x = np.random.default_rng(0).integers(0, 16, size=(samples, layer.tensor.size))
    words = ["".join(f"{v:x}" for v in reversed(row)) for row in x.tolist()]
    (folder / "x.hex").write_text("\n".join(words) + "\n")
    bits = 4 * layer.tensor.size
    (folder / "bench.v").write_text(
        f"module bench; reg [{bits - 1}:0] x, m [0:{samples - 1}]; wire [3:0] y; integer i;\n"
        'plain dut(x, y);\ninitial begin $readmemh("x.hex", m);\n'
        f'for (i = 0; i < {samples}; i = i + 1) begin x = m[i]; #1 $display("y %0d", y); end\n'
        "$finish; end endmodule\n"
    )
    icarus.compile_verilog(["bench.v", "plain.v"], "bench", folder / "b.vvp", folder, 60)
    log = icarus.simulate(folder / "b.vvp", folder, 300).log
    got = [int(text) for text in re.findall(r"^y (\d+)$", log, re.MULTILINE)]
    want = evaluate_network(network, {layer.name: x})[network.outputs[0]].ravel().tolist()
    assert got == want, "the plain Verilog is wrong"


def plain_verilog(network: Network) -> str:
    """Products by `*`, positive and negative sums apart, one subtraction, argmax in a chain."""
    layers = [layer for layer in network.layers if isinstance(layer, Dense)]
    inputs = layers[0].weights.shape[0]
    lines = [f"module plain(input [{4 * inputs - 1}:0] x, output [3:0] y);"]
    values = [f"x[{4 * i + 3}:{4 * i}]" for i in range(inputs)]
    for k, layer in enumerate(layers):
        hull = network.types[layer.name].hull
        width = max(abs(hull.lo), abs(hull.hi)).bit_length() + 1
        new = []
        for j in range(layer.weights.shape[1]):
            column = [int(w) for w in layer.weights[:, j]]
            bias = int(layer.bias[j])
            for name, sign in (("p", 1), ("n", -1)):
                terms = [
                    f"{v} * {width}'d{sign * w}"
                    for v, w in zip(values, column, strict=True)
                    if sign * w > 0
                ]
                terms += [f"{width}'d{sign * bias}"] if sign * bias > 0 else []
                lines.append(f"wire [{width - 1}:0] {name}{k}_{j} = {' + '.join(terms) or '0'};")
            lines.append(f"wire signed [{width - 1}:0] s{k}_{j} = p{k}_{j} - n{k}_{j};")
            if layer is not layers[-1]:
                top = width - 1
                lines.append(
                    f"wire [{top - 1}:0] a{k}_{j} = s{k}_{j}[{top}] ? 0 : s{k}_{j}[{top - 1}:0];"
                )
            new.append(f"s{k}_{j}" if layer is layers[-1] else f"a{k}_{j}")
        values = new
    return "\n".join([*lines, *_argmax(values, width), "endmodule\n"])


def _argmax(values: list[str], width: int) -> list[str]:
    if len(values) == 1:
        return [f"assign y = {values[0]} >= 0;"]
    lines, best, index = [], values[0], "4'd0"
    for j, value in enumerate(values[1:], 1):
        lines.append(f"wire c{j} = {value} > {best};")
        lines.append(f"wire signed [{width - 1}:0] b{j} = c{j} ? {value} : {best};")
        lines.append(f"wire [3:0] i{j} = c{j} ? 4'd{j} : {index};")
        best, index = f"b{j}", f"i{j}"
    return [*lines, f"assign y = {index};"]


if __name__ == "__main__":
    main()
