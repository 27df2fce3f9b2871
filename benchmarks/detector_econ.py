"""ECON-T: the given encoder's golden latents, upsets of its weight bank, areas, energy, and images.

Areas and energies are those of cells of SKY130 (130 nm, 1.8 V), without wires, clock tree and fill.
Beside the published figures (65 nm, 1.2 V; placed and routed with its clock tree) they are scaled:
areas by (65/130)^2, energies by (65/130) * (1.2/1.8)^2, as wires and gates shrink alike.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cases import Options
from common import Row
from designs import SHARED

from flow.analysis.activity import simulate_activity
from flow.analysis.power import power_of
from flow.analysis.timing import timing_of
from flow.backends.emission import Emission
from flow.backends.netlist_text import cell_models
from flow.backends.verilog import emit_verilog
from flow.backends.weight_store import Triple, with_store
from flow.frontend.files.data import encode
from flow.ir.circuit import Circuit
from flow.ir.network import Network, evaluate_network
from flow.passes.base import run_passes
from flow.passes.fold_layers import FoldLayers
from flow.passes.free_weights import Freed, bank_weights, free_weights
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.chip import ChipMeasures, map_chip
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import import_model
from flow.pipeline.measures import stimulus
from flow.pipeline.stages.emit_stage import LIBERTY
from flow.pipeline.synthesis import synthesise
from flow.tech.registry import load
from flow.tech.write_liberty import liberty_text
from flow.tools import verilator
from flow.verify.chip import prove_chip
from flow.verify.verdict import Verdict

ROOT = Path(__file__).resolve().parent.parent
FOLDER = SHARED / "econ_t_cae_9bit"
BITS = 6
"""Of each weight."""
PERIOD_NS = 25.0
AREA_SCALE = (65 / 130) ** 2
ENERGY_SCALE = (65 / 130) * (1.2 / 1.8) ** 2
PUBLISHED = "published, 65 nm (arXiv 2105.01683)"
MODULES = ("majority", "register_copy", "held_register", "weight_slice", "weight_bank")
SECONDS = 3600.0


def econ(options: Options) -> Iterator[list[Row]]:
    """Golden latents, upsets, areas and energy of the given encoder; images of the toy showers."""
    if options.report:
        return
    if options.only in "econ images":
        yield _images()
    if not (FOLDER / "encoder_vanilla_AE.json").is_file():
        return
    network = _network()
    freed = free_weights(network, BITS)
    if options.only in "econ latents":
        yield _latents(network)
    if options.only in "econ upsets":
        yield _upsets(-(-int(freed.ranges[0].size) * BITS // 8))
    if options.only in "econ area":
        yield from _costs(network, freed)


def _network() -> Network:
    model = FOLDER / "encoder_vanilla_AE.json"
    config = BuildConfig(model=model, weights=model.with_suffix(".hdf5"))
    return FoldLayers().run(import_model(config).network)


def _golden(network: Network) -> tuple[Any, Any]:
    """The samples as the network takes them, and the latents that it must give."""
    with np.load(FOLDER / "golden_encoder_latent.npz") as golden:
        return encode(network.inputs[0], golden["x"]), golden["latent"]


def _latents(network: Network) -> list[Row]:
    x, wanted = _golden(network)
    (name,) = network.outputs
    found = evaluate_network(network, {network.inputs[0].name: x})[name]
    scale = float(network.types[name].scale.ravel()[0])
    right = int((found * scale == wanted).all(axis=1).sum())
    reach = f"all {len(wanted)}"
    return [Row("econ latents bit-exact", right, "samples", "", None, reach, right == len(wanted))]


def _upsets(size: int) -> list[Row]:
    """Every bit of every copy of the whole bank, one after the other; then pairs of copies."""
    bench = ROOT / "tests" / "rtl" / "bank_bench.v"
    with tempfile.TemporaryDirectory(prefix="flow-upsets-") as folder:
        verilator.build(
            [bench, *(ROOT / "rtl" / f"{name}.v" for name in MODULES)], "bank_bench", "made",
            Path(folder), SECONDS,
            ["-Wno-fatal", "-Wno-lint", "-Wno-BLKANDNBLK", "--timing", "--output-split", "0",
             f"-GBYTES={size}", f"-GDOUBLES={size}", "-GBANK=64", "-CFLAGS", "-fcoroutines",
             "-MAKEFLAGS", "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O0"],
        )  # fmt: skip
        program = str(Path(folder) / "made" / "Vbank_bench")
        log = subprocess.run([program], capture_output=True, text=True, timeout=SECONDS).stdout
    single, double = log.splitlines()[:2]
    injected, repaired, escaped, counted = (int(part.split()[0]) for part in single.split(", "))
    doubles, reported = (int(part.split()[0]) for part in double.split(", "))
    note = f"bank of {size} bytes, each with its parity, in three copies"
    whole = injected == 3 * 9 * size
    return [
        Row("econ upsets injected", injected, "upsets", "", None, "every bit", whole, note=note),
        Row("econ upsets repaired", repaired, "upsets", "", None, "all", repaired == injected),
        Row("econ upsets escaped", escaped, "upsets", "", None, "none", escaped == 0),
        Row("econ upsets counted", counted, "upsets", "", None, "all", counted == injected),
        Row("econ double upsets reported", reported, "upsets", "injected", doubles, "all",
            reported == doubles),
    ]  # fmt: skip


def _costs(network: Network, freed: Freed) -> Iterator[list[Row]]:
    plain = run_passes(LowerLayers().run(freed.network), parse_pipeline("plain"))
    emission = emit_verilog(plain)
    held: dict[str, float] = {}
    kinds: tuple[Triple, ...] = ("none", "weights", "control", "all")
    for tmr in kinds:
        found, proved = _registers(emission, tmr)
        held[tmr] = found.um2
        note = f"{found.flipflops} flip-flops, {sum(found.cells.values())} cells with the port"
        yield [
            Row(f"econ registers, copies of {tmr}", found.um2 / 1e6, "mm2", note=note),
            Row(f"econ netlist = Verilog, copies of {tmr}", sum(v.good for v in proved), "proofs",
                "needed", len(proved), "all", all(v.good for v in proved),
                note="; ".join(str(v) for v in proved if not v.good)),
        ]  # fmt: skip
    circuits = {
        "constants": run_passes(LowerLayers().run(network), parse_pipeline("heaps")),
        "two banks": run_passes(
            LowerLayers().run(bank_weights((network, _other(network, freed)))),
            parse_pipeline("plain"),
        ),
        "registers": plain,
    }
    areas: dict[str, float] = {}
    for name, circuit in circuits.items():
        areas[name], rows = _circuit(name, circuit, emit_verilog(circuit), network, freed)
        yield rows
    whole = {tmr: um2 + areas["registers"] for tmr, um2 in held.items()}
    yield [
        *(Row(f"econ chip, copies of {tmr}", um2 / 1e6, "mm2") for tmr, um2 in whole.items()),
        Row("econ triplication, area", whole["all"] / whole["none"], "times", "", None, "stated"),
        Row("econ chip scaled to 65 nm", whole["all"] / 1e6 * AREA_SCALE, "mm2", PUBLISHED, 3.6,
            "stated",
            note="cells alone, area x 0.25; the published one is placed and has more around it"),
    ]  # fmt: skip


def _registers(emission: Emission, tmr: Triple) -> tuple[ChipMeasures, tuple[Verdict, ...]]:
    """The registers of all weights and their port, without the circuit; whether they are right."""
    whole = with_store(emission, "x1", tmr)
    assert whole.store is not None
    with tempfile.TemporaryDirectory(prefix="flow-econ-") as folder:
        place = Path(folder)
        whole.write(place)
        (place / LIBERTY).parent.mkdir()
        (place / "netlist").mkdir()
        technology = load("sky130", None)
        (place / LIBERTY).write_text(liberty_text(technology))
        found = map_chip(whole, whole.store, place, technology)
        (place / "netlist" / "cells.v").write_text(cell_models(found.cells, technology))
        return found, prove_chip(place, whole, whole.store, timeout_s=SECONDS, seed=1)


def _other(network: Network, freed: Freed) -> Network:
    """The network with weights by chance."""
    lo, hi = freed.ranges
    return freed.load(network, np.random.default_rng(0).integers(lo, hi, endpoint=True))


def _circuit(
    name: str, circuit: Circuit, emission: Emission, network: Network, freed: Freed
) -> tuple[float, list[Row]]:
    """Area of the circuit (um2); its area, delay and energy on the golden samples as rows."""
    technology = load("sky130", None)
    with tempfile.TemporaryDirectory(prefix="flow-econ-") as folder:
        made = synthesise(circuit, technology, Path(folder), emission=emission, effort="fast",
                          timeout_s=SECONDS)  # fmt: skip
    um2 = technology.area(made.netlist.histogram())
    x = _golden(network)[0]
    rows = x.reshape(len(x), -1)
    inputs = {"x": rows}
    if name != "constants":
        own = freed.values(network) if name == "registers" else np.zeros(1, np.int64)
        inputs = {"x0": rows, "x1": np.broadcast_to(own, (len(x), len(own)))}
    bits = stimulus(emission, [bus.name for bus in made.netlist.inputs], inputs)
    power = power_of(made.netlist, technology, simulate_activity(made.netlist, technology, bits),
                     PERIOD_NS)  # fmt: skip
    # mW in 25 ns: pJ.
    energy = (power.internal + power.switching + power.inputs + power.leakage) * PERIOD_NS / 1000
    delay = timing_of(made.netlist, technology).delay_ns
    return um2, [
        Row(f"econ circuit, weights in {name}", um2 / 1e6, "mm2"),
        Row(f"econ delay, weights in {name}", delay, "ns", note="our own timer, wires not counted"),
        Row(f"econ energy per inference, weights in {name}", energy, "nJ"),
        Row(f"econ energy scaled to 65 nm, weights in {name}", energy * ENERGY_SCALE, "nJ",
            PUBLISHED, 2.4, "stated",
            note="transitions without glitches, no wires, no clock; the published one has them"),
    ]  # fmt: skip


def _images() -> list[Row]:
    """What `examples/econ_t/train.py` prints, as rows."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="flow-econ-") as folder:
        script = str(ROOT / "examples" / "econ_t" / "train.py")
        log = subprocess.run(
            [sys.executable, script, folder], capture_output=True, text=True, check=True
        ).stdout
    for line in log.splitlines():
        bits, rest = line.split(":", 1)
        loss, moved = (part.split() for part in rest.split(","))
        rows += [
            Row(f"econ telescope loss, {bits}", float(loss[-1]), ""),
            Row(f"econ energy mover's distance, {bits}", float(moved[-2]), "cells"),
        ]
    return rows
