"""Checks a finished network of hardwired neurons again: vectors, files, simulations, proofs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from flow.backends.bench import bench_files
from flow.backends.emission import Emission, VerilogPort
from flow.backends.hardwired_levels import emit_wired
from flow.backends.vectors import vector_files
from flow.errors import CheckFailed, FlowError, UsageError, printable
from flow.frontend.files.guards import read_bytes
from flow.frontend.files.npy import parse_npy
from flow.ir.network import Network, evaluate_network
from flow.ir.network_text import parse_network
from flow.mapping.hardwired.levels import Wired
from flow.passes.lower_layers import LowerLayers, port_names
from flow.pipeline.comparing import require_equal
from flow.pipeline.lanes import flat, lane_scales
from flow.pipeline.neuron_chip import prove_neurons, wire_network
from flow.pipeline.reading import read_text
from flow.progress import Progress, silent
from flow.verify.lint import lint
from flow.verify.simulate import simulate_cocotb, simulate_icarus, simulate_verilator
from flow.verify.verdict import Verdict

FILES = "files = the neurons of the network"
NETWORK = "01-import/network.json"


def is_neurons(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is that of a network of hardwired neurons."""
    choices, stages = manifest.get("choices"), manifest.get("stages")
    target = choices.get("target") if isinstance(choices, dict) else None
    return target == "lpu" and isinstance(stages, list) and "hardwire" in stages


def verify_neurons(
    folder: Path, prove_limit_s: float, seed: int, progress: Progress = silent
) -> tuple[Verdict, ...]:
    """A verdict on vectors and files; where both are what flow writes, simulations and proofs."""
    begin = time.monotonic()
    try:
        network = parse_network(read_text(folder / NETWORK), NETWORK)
        progress("the network answers the vectors")
        wired = wire_network(network, LowerLayers().run(network), seed)
        emission = emit_wired(wired)
        inputs, expected = _meaning(folder, network, wired, emission)
    except FlowError as error:
        where = f", at {error.where}" if error.where else ""
        detail = printable(f"{error.message}{where}")
        return (Verdict("vectors = network", "failed", detail, time.monotonic() - begin),)
    count = len(next(iter(inputs.values())))
    meant = Verdict("vectors = network", "passed", f"{count} samples", time.monotonic() - begin)
    begin = time.monotonic()
    wanted: dict[PurePosixPath, str | bytes] = {
        **emission.files,
        **bench_files(emission, count, seed),
        **vector_files(emission, inputs, expected, lane_scales(network)),
    }
    foreign = [path for path, text in wanted.items() if not _same(folder / path, text)]
    seconds = time.monotonic() - begin
    if foreign:
        detail = printable(f"{foreign[0]} is not what flow writes for the network")
        return (meant, Verdict(FILES, "failed", detail, seconds))
    there = {path: read_text(folder / path) for path in emission.files}
    progress("linters and simulators")
    return (
        meant,
        Verdict(FILES, "passed", f"{len(wanted)} files", seconds),
        *lint(folder, emission.top),
        simulate_icarus(folder),
        simulate_cocotb(folder),
        simulate_verilator(folder),
        *prove_neurons(wired, replace(emission, files=there), prove_limit_s, seed, progress),
    )


def _meaning(
    folder: Path, network: Network, wired: Wired, emission: Emission
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The vectors by port; Mismatch where network or wires answer otherwise."""
    inputs = _columns(folder, "inputs", emission.inputs)
    expected = _columns(folder, "expected", emission.outputs)
    given = {}
    x_ports = port_names("x", len(network.inputs))
    for port, layer in zip(x_ports, network.inputs, strict=True):
        if port not in inputs:
            raise CheckFailed(f"there are no vectors for the input {port}")
        given[layer.name] = inputs[port].reshape(-1, *layer.tensor.shape)
    answers = evaluate_network(network, given)
    y_ports = port_names("y", len(network.outputs))
    meant = {p: flat(answers[n]) for p, n in zip(y_ports, network.outputs, strict=True)}
    require_equal("the network", meant, expected)
    require_equal("the wires", wired.answers(inputs), expected)
    return inputs, expected


def _columns(folder: Path, name: str, ports: Sequence[VerilogPort]) -> dict[str, Any]:
    place = f"vectors/{name}.npy"
    array = parse_npy(read_bytes(folder / place), place)
    lanes = [len(port.lanes) for port in ports]
    if array.ndim != 2 or array.dtype.kind not in "iu" or array.shape[1] != sum(lanes):
        raise UsageError("the vectors are no rows of integers for the ports", where=place)
    found, at = {}, 0
    for port, count in zip(ports, lanes, strict=True):
        found[port.source] = array[:, at : at + count]
        at += count
    return found


def _same(path: Path, wanted: str | bytes) -> bool:
    """Whether a file says the same; of Verilog and programs, all but comments."""
    if not path.is_file():
        return False
    texts = [read_bytes(path), wanted if isinstance(wanted, bytes) else wanted.encode()]
    if path.suffix == ".npy":
        return texts[0] == texts[1]
    kept = [
        [line for line in text.splitlines() if not line.lstrip().startswith(b"//")]
        for text in texts
    ]
    return kept[0] == kept[1]
