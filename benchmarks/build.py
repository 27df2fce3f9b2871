"""`flow build`: start-up, model to Verilog, compiled evaluator, growth, stages, proofs, areas.

    make bench-build

Rivals run in the same process, in turns with ours. Writes benchmarks/build.md, build_growth.svg
and results/build.json. Rows that need files which are not part of the project say so.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, ROOT, Row, merged, paired, process_seconds, versions, write
from networks import WIDTHS, alkaid_trace, write_qkeras

from flow.backends.aiger import write_aiger
from flow.backends.verilog import emit_verilog
from flow.frontend.quantisation.options import QuantiseOptions
from flow.frontend.quantisation.quantise import to_network
from flow.frontend.read import read_model
from flow.ir.circuit import Circuit
from flow.ir.evaluate import evaluate
from flow.ir.network import Network
from flow.passes.base import run_passes
from flow.passes.fold_layers import FoldLayers
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.synthesis import synthesise
from flow.tech.registry import load
from flow.tools.abc import abc
from flow.verify.chain import prove_chain
from flow.verify.compiled import CompiledCircuit

SHARED = ROOT.parent / "shared"
JETS = SHARED / "models" / "qkeras_jet_3layer"
SAMPLES = 100_000
GROWTH = (
    (10, 10),
    (20, 20, 15),
    (40, 40, 40),
    (100, 70, 50),
    (160, 100, 100, 40),
    (250, 200, 200, 50),
)
INPUT_BITS = 16
SEED = 0


def main() -> None:
    """Every part; with words as arguments only those parts, beside what was measured before."""
    if sys.argv[1:2] == ["--growth"]:
        print(json.dumps(growth_point(tuple(map(int, sys.argv[2].split(","))))))
        return
    parts = {
        "startup": startup,
        "verilog": model_to_verilog,
        "evaluator": evaluator,
        "growth": growth,
        "stages": stages,
        "proofs": proofs,
    }
    chosen = sys.argv[1:] or list(parts)
    rows: list[Row] = []
    for name in chosen:
        print(f"... {name}", file=sys.stderr, flush=True)
        rows += parts[name]()
    found = versions("flow", "alkaid", "numpy", "pyosys", "click")
    for row in rows:
        row.versions = found
    write("build", "`flow build`, measured", merged("build", rows), REMARKS)


REMARKS = (
    "Times are medians of several runs. `ratio` is ours over the rival's: below 1 is better for "
    "seconds, above 1 for samples a second. Rivals run in the same process, in turns with ours.",
    "![growth](build_growth.svg)",
)


def startup() -> list[Row]:
    """Whole processes: the help, and the check of a file of ten layers."""
    with tempfile.TemporaryDirectory() as folder:
        model = write_qkeras(Path(folder), (16, 32, 32, 32, 32, 5))
        help_ = process_seconds(["-m", "flow", "--help"])
        check = process_seconds(["-m", "flow", "check", str(model)])
        bare = process_seconds(["-c", "pass"])
    rival = "python -c pass"
    return [
        Row("`flow --help`", help_, "s", rival, bare, "under 0.5 s", help_ < 0.5),
        Row("`flow check` of 10 layers", check, "s", rival, bare, "under 1 s", check < 1.0),
    ]


def network_of(model: Path, weights: Path | None = None) -> Network:
    """The integer network of a quantised model."""
    source = read_model(model, weights)
    options = QuantiseOptions(input_bits=INPUT_BITS)
    return FoldLayers().run(to_network(source, options).network)


def circuit_of(network: Network) -> Circuit:
    """The optimised circuit of a network, by the passes of `flow build`."""
    return run_passes(LowerLayers().run(network), parse_pipeline("adders"))


def models(folder: Path) -> list[tuple[str, Path, Path | None]]:
    """The two networks of the table; the second one is made here."""
    made = write_qkeras(folder, WIDTHS)
    found: list[tuple[str, Path, Path | None]] = [("16-64-32-32-5, 4-bit weights", made, None)]
    if JETS.is_dir():
        pair = JETS / "qkeras_3layer.json", JETS / "qkeras_3layer_weights.h5"
        found.insert(0, ("qkeras_jet_3layer", *pair))
    return found


def model_to_verilog() -> list[Row]:
    """From the model file to Verilog on disk, against alkaid from the same weights in memory."""
    from alkaid.codegen import RTLModel

    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, model, weights in models(folder):
            network = network_of(model, weights)

            def ours(model: Path = model, weights: Path | None = weights) -> None:
                emit_verilog(circuit_of(network_of(model, weights))).write(folder / "ours")

            def theirs(network: Network = network) -> None:
                logic = alkaid_trace(network)
                RTLModel(logic, folder / "theirs", print_latency=False).write()

            ours(), theirs()
            mine, rival = paired(ours, theirs)
            adders = _adders(circuit_of(network))
            note = f"{adders} adders; one whole evaluation agrees" if _agree(network) else "DIFFER"
            rows.append(
                Row(f"model file to Verilog, {what}", mine, "s", "alkaid 0.8", rival,
                    "at most 1.5, aim 1.0", mine <= 1.5 * rival, note=note)
            )  # fmt: skip
    return rows


def _adders(circuit: Circuit) -> int:
    from flow.analysis.cost import cost

    return cost(circuit).adders


def _agree(network: Network) -> bool:
    """Whether alkaid's graph of the same weights answers as ours to 1000 random samples."""
    x = samples(network, 1000)
    layer = network.inputs[0]
    values = alkaid_trace(network).predict(x * float(layer.tensor.scale.ravel()[0]))
    ours = evaluate(circuit_of(network), {"x": x})["y"]
    tensor = network.types[network.outputs[0]]
    return bool((values == ours * float(tensor.scale.ravel()[0])).all())


def samples(network: Network, count: int) -> Any:
    """Random integer samples over the whole range of the input."""
    tensor = network.inputs[0].tensor
    rng = np.random.default_rng(SEED)
    lo, hi = tensor.lo.astype(np.int64), tensor.hi.astype(np.int64)
    return rng.integers(lo, hi, size=(count, tensor.size), endpoint=True)


def evaluator() -> list[Row]:
    """Samples a second of the compiled evaluator and of alkaid's interpreter."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for what, model, weights in models(Path(name)):
            network = network_of(model, weights)
            circuit = LowerLayers().run(network)
            x = samples(network, SAMPLES)
            logic = alkaid_trace(network)
            real = x * float(network.inputs[0].tensor.scale.ravel()[0])
            start = time.perf_counter()
            with CompiledCircuit(circuit) as compiled:
                ready = time.perf_counter() - start
                best = float("inf"), 0.0
                for threads in (1, 2):  # alkaid at its better number of threads
                    found = paired(
                        partial(compiled.evaluate, {"x": x}),
                        partial(logic.predict, real, n_threads=threads),
                        runs=5,
                    )
                    if found[1] < best[0]:
                        best = found[1], found[0]
            mine, rival = SAMPLES / best[1] / 1e6, SAMPLES / best[0] / 1e6
            rows.append(
                Row(f"compiled evaluator, {what}, {SAMPLES} samples", mine, "million samples/s",
                    "alkaid's C++ interpreter", rival, "at least 3", mine >= 3 * rival,
                    note=f"ready after {ready:.1f} s of emission and compilation")
            )  # fmt: skip
    return rows


def growth_point(widths: tuple[int, ...]) -> dict[str, float]:
    """Weights, seconds from file to Verilog text, and peak memory (MB) of this process."""
    with tempfile.TemporaryDirectory() as name:
        model = write_qkeras(Path(name), widths)
        start = time.perf_counter()
        emission = emit_verilog(circuit_of(network_of(model)))
        seconds = time.perf_counter() - start
    # Not ru_maxrss: it begins with the memory of the process that started this one.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    weights = sum(a * b for a, b in itertools.pairwise(widths))
    size = sum(len(text) for text in emission.files.values())
    return {"weights": weights, "seconds": seconds, "peak_mb": peak, "bytes": size}


def growth() -> list[Row]:
    """Build time and memory over the number of weights, each in a process of its own."""
    points = []
    for widths in GROWTH:
        argument = ",".join(map(str, widths))
        done = subprocess.run(
            [sys.executable, __file__, "--growth", argument],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        points.append(json.loads(done.stdout))
        print(points[-1], file=sys.stderr, flush=True)
    _plot(points)
    # The exponent of the upper half: n log n has 1.1 between ten thousand and a hundred thousand.
    upper = [p for p in points if p["weights"] >= 3000]
    slope = np.polyfit(*(np.log([p[k] for p in upper]) for k in ("weights", "seconds")), 1)[0]
    ends = [p["weights"] for p in (upper[0], upper[-1])]
    allowed = np.log(ends[1] * np.log(ends[1]) / ends[0] / np.log(ends[0])) / np.log(
        ends[1] / ends[0]
    )
    rows = [
        Row(f"model to Verilog, {p['weights']:.0f} weights", p["seconds"], "s",
            note=f"peak {p['peak_mb']:.0f} MB, {p['bytes'] / 1e6:.1f} MB of Verilog")
        for p in points
    ]  # fmt: skip
    rows.append(
        Row("growth of time with weights, exponent", float(slope), "", "n log n", float(allowed),
            "no worse than n log n", bool(slope <= allowed))
    )  # fmt: skip
    return rows


def _plot(points: list[dict[str, float]]) -> None:
    import altair as alt

    base = alt.Chart(alt.Data(values=points)).encode(
        x=alt.X("weights:Q", scale=alt.Scale(type="log"), title="weights")
    )
    layers = [
        base.mark_line(point=True, color=color).encode(
            y=alt.Y(f"{key}:Q", scale=alt.Scale(type="log"), title=title)
        )
        for key, title, color in (
            ("seconds", "seconds, model to Verilog", "#1f6feb"),
            ("peak_mb", "peak memory, MB", "#d2691e"),
        )
    ]
    chart = alt.hconcat(*(layer.properties(width=320, height=220) for layer in layers))
    chart.save(HERE / "build_growth.svg")


def stages() -> list[Row]:
    """The demo, by stage."""
    from flow.pipeline.build import build
    from flow.pipeline.config import BuildConfig, read_config
    from flow.targets.registry import target

    recipe = target("printed")
    chosen = read_config(ROOT / "examples" / "breast_cancer" / "flow.toml")
    config = BuildConfig(**{**recipe.defaults, **chosen})
    with tempfile.TemporaryDirectory() as name:
        done = build(config, recipe, Path(name) / "out")
    total = sum(seconds for _, seconds in done.seconds)
    rows = [Row(f"demo build, stage {stage}", seconds, "s") for stage, seconds in done.seconds]
    return [*rows, Row("demo build, all stages", total, "s", reach="under 60 s", met=total < 60)]


def mlp(widths: tuple[int, ...], weight_bits: int, seed: int = SEED) -> Network:
    """An exact bespoke perceptron with random weights: 4-bit inputs, full width, argmax."""
    from flow.ir.layers import ArgMax, Dense, Input, Layer, Relu
    from flow.ir.tensor import fractions, tensor_type

    rng = np.random.default_rng(seed)
    half = 1 << (weight_bits - 1)
    layers: list[Layer] = [
        Input("x", (), "", tensor_type((widths[0],), 0, 15), fractions(0, (widths[0],)))
    ]
    for i, (n, m) in enumerate(itertools.pairwise(widths)):
        weights = rng.integers(-half, half, size=(n, m))
        bias = rng.integers(-half, half, size=m)
        source = layers[-1].name
        layers.append(Dense(f"dense_{i}", (source,), "", weights, bias, fractions(1, ())))
        if i + 2 < len(widths):
            layers.append(Relu(f"relu_{i}", (f"dense_{i}",), ""))
    layers.append(ArgMax("winner", (layers[-1].name,), ""))
    return Network("mlp", tuple(layers), ("winner",))


def proofs() -> list[Row]:
    """The whole chain Verilog = circuit = netlist, against one proof of the two ends."""
    from flow.pipeline.config import BuildConfig, read_config
    from flow.pipeline.importing import import_model
    from flow.targets.registry import target

    chosen = read_config(ROOT / "examples" / "breast_cancer" / "flow.toml")
    demo = import_model(BuildConfig(**{**target("printed").defaults, **chosen})).network
    cases = (
        ("the demo", FoldLayers().run(demo), "adders", 2.0, "2 s"),
        ("about 3000 gates, 12-3-3", mlp((12, 3, 3), 6), "adders", 10.0, "10 s"),
        ("exact 21-3-3, shared adders", mlp((21, 3, 3), 8), "adders", 300.0, "5 minutes"),
        ("exact 21-3-3, plain adder trees", mlp((21, 3, 3), 8), "plain", 300.0, "5 minutes"),
    )
    technology = load("egfet")
    rows = []
    for what, network, passes, bound, reach in cases:
        circuit = run_passes(LowerLayers().run(network), parse_pipeline(passes))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            emission = emit_verilog(circuit)
            found = synthesise(circuit, technology, folder, emission=emission)
            from flow.backends.netlist_text import netlist_verilog

            start = time.perf_counter()
            verdicts = prove_chain(
                circuit, emission, technology, steps=found.steps,
                netlist=netlist_verilog(found.netlist, technology), held=found.held,
            )  # fmt: skip
            seconds = time.perf_counter() - start
            proved = all(v.status == "proved" for v in verdicts)
            once, shot = _one_shot(found.graph, folder / "graph.aig", found.steps[-1][1], bound)
        gates = f"{found.graph.size} gates, {len(found.netlist.instances)} cells"
        status = "every link proved" if proved else str([str(v) for v in verdicts])
        rows.append(
            Row(f"proof of netlist against circuit, {what}", seconds, "s",
                f"one-shot &cec ({shot})", once, reach, proved and seconds <= bound,
                note=f"{gates}; {status}")
        )  # fmt: skip
    return rows


def _one_shot(graph: Any, first: Path, last: Path, bound: float) -> tuple[float, str]:
    """Seconds of one proof of the two ends, ended at the bound of the row."""
    from flow.errors import ToolFailed

    first.write_bytes(write_aiger(graph))
    start = time.perf_counter()
    limit = max(10.0, min(bound, 60.0))
    try:
        log = abc([f"&r {first.name}", f"&cec {last.name}"], first.parent, limit).log
        status = "proved" if "are equivalent" in log else "undecided"
    except ToolFailed:
        status = f"not in {limit:.0f} s"
    return time.perf_counter() - start, status


if __name__ == "__main__":
    main()
