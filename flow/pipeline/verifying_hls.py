"""Checks a finished project for HLS again: its vectors, and its C++ on them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flow.backends.hls_project import BENCH, PROJECT, bench_arguments, ports
from flow.backends.vectors import pack
from flow.errors import CheckFailed, FlowError, printable
from flow.ir.network import Network, evaluate_network
from flow.ir.network_text import parse_network
from flow.passes.lower_layers import port_names
from flow.pipeline.comparing import require_equal
from flow.pipeline.config import BuildConfig, check_config
from flow.pipeline.hls import make_project
from flow.pipeline.lanes import flat
from flow.pipeline.reading import read_text
from flow.pipeline.reopening import read_vectors
from flow.progress import Progress, silent
from flow.verify.hls import CHECK, simulate_hls
from flow.verify.verdict import Verdict

Values = Mapping[str, Any]


def is_hls(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is that of a project for HLS."""
    choices = manifest.get("choices")
    return isinstance(choices, dict) and choices.get("target") == "hls"


def verify_hls(
    folder: Path, manifest: Mapping[str, Any], progress: Progress = silent
) -> tuple[Verdict, ...]:
    """A verdict on the vectors, and one on the C++, which is a program: it runs only where it is
    what flow writes for the network of the folder."""
    begin = time.monotonic()
    try:
        place = "01-import/network.json"
        network = parse_network(read_text(folder / place), place)
        progress("the network answers the vectors")
        samples = _meaning(folder, network)
    except FlowError as error:
        where = f", at {error.where}" if error.where else ""
        detail = printable(f"{error.message}{where}")
        return (Verdict("vectors = network", "failed", detail, time.monotonic() - begin),)
    seconds = time.monotonic() - begin
    meant = Verdict("vectors = network", "passed", f"{samples} samples", seconds)
    progress("hls4ml, C++ compiler and simulation")
    try:
        return (meant, _simulated(folder, network, manifest, samples))
    except FlowError as error:
        return (meant, Verdict(CHECK, "not checked", printable(error.message), 0.0))


def _meaning(folder: Path, network: Network) -> int:
    """The number of samples; CheckFailed where the vectors are not what the network answers."""
    sides: dict[str, Values] = {}
    for name, direction in (("inputs", "input"), ("expected", "output")):
        wanted = tuple(port for port in ports(network) if port.direction == direction)
        sides[name] = read_vectors(folder, f"vectors/{name}.npy", wanted)
        if read_text(folder / f"vectors/{name}.hex").splitlines() != pack(wanted, sides[name]):
            raise CheckFailed(f"vectors/{name}.hex is not vectors/{name}.npy")
    inputs = {
        layer.name: sides["inputs"][port].reshape(-1, *layer.tensor.shape)
        for port, layer in zip(port_names("x", len(network.inputs)), network.inputs, strict=True)
    }
    answers = evaluate_network(network, inputs)
    names = port_names("y", len(network.outputs))
    given = {p: flat(answers[n]) for p, n in zip(names, network.outputs, strict=True)}
    require_equal("the vectors", sides["expected"], given)
    return len(next(iter(given.values())))


def _simulated(
    folder: Path, network: Network, manifest: Mapping[str, Any], samples: int
) -> Verdict:
    choices = manifest["choices"]
    names = ("hls_backend", "reuse", "strategy", "tech", "period")
    config = check_config(
        replace(BuildConfig(), **{name: choices[name] for name in names if name in choices})
    )
    project, files = make_project(network, config)
    there = {
        path.relative_to(folder).as_posix(): path
        for part in (PROJECT, BENCH.parent)
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }
    wanted = {
        str(path): text if isinstance(text, bytes) else text.encode()
        for path, text in files.items()
    }
    for name in sorted({*wanted, *there}):
        if name not in there or there[name].read_bytes() != wanted.get(name):
            detail = f"{name} is not what flow writes, and it is a program"
            return Verdict(CHECK, "not checked", printable(detail), 0.0)
    backend = project.backend
    return simulate_hls(folder, bench_arguments(backend), samples, backend.unchecked)
