"""Checks a finished array again: its vectors, its files, the cycle model and the RTL."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from flow.backends.tulip import emit_tulip
from flow.backends.verilog import Header
from flow.errors import CheckFailed, FlowError, UsageError, printable
from flow.frontend.files.guards import read_bytes
from flow.frontend.files.npy import parse_npy
from flow.ir.network import Network, evaluate_network
from flow.ir.network_text import parse_network
from flow.pipeline.lanes import flat, split_inputs
from flow.pipeline.reading import read_text
from flow.pipeline.tulip import array_inputs, array_of, plan_network
from flow.progress import Progress, silent
from flow.verify.lint import lint
from flow.verify.simulate import simulate_cocotb
from flow.verify.tulip import check_model, check_rtl
from flow.verify.verdict import Verdict

FILES = "files = the array of the network"


def is_tulip(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is that of an array."""
    choices = manifest.get("choices")
    return isinstance(choices, dict) and choices.get("target") == "tulip"


def verify_tulip(
    folder: Path, manifest: Mapping[str, Any], progress: Progress = silent
) -> tuple[Verdict, ...]:
    """A verdict on vectors and files; where both are what flow writes, on model and RTL too."""
    begin = time.monotonic()
    try:
        place = "01-import/network.json"
        network = parse_network(read_text(folder / place), place)
        progress("the network answers the vectors")
        inputs, answers = _meaning(folder, network)
        made = plan_network(network, array_of(manifest))
    except FlowError as error:
        where = f", at {error.where}" if error.where else ""
        detail = printable(f"{error.message}{where}")
        return (Verdict("vectors = network", "failed", detail, time.monotonic() - begin),)
    meant = Verdict(
        "vectors = network", "passed", f"{len(inputs)} samples", time.monotonic() - begin
    )
    begin = time.monotonic()
    wanted = emit_tulip(made.plan, network.name, inputs, answers, Header())
    foreign = [name for name, text in wanted.files.items() if not _same(folder / name, name, text)]
    seconds = time.monotonic() - begin
    if foreign:
        detail = printable(f"{foreign[0]} is not what flow writes for the network")
        return (meant, Verdict(FILES, "failed", detail, seconds))
    progress("cycle model, linters and simulators")
    return (
        meant,
        Verdict(FILES, "passed", f"{len(wanted.files)} files", seconds),
        check_model(made.plan, inputs, answers),
        *lint(folder, wanted.top),
        *check_rtl(folder, made.plan),
        simulate_cocotb(folder),
    )


def _meaning(folder: Path, network: Network) -> tuple[Any, Any]:
    """Inputs as the array reads them, and answers; CheckFailed where the network's are others."""
    arrays = []
    for name in ("inputs", "expected"):
        array = parse_npy(read_bytes(folder / f"vectors/{name}.npy"), f"vectors/{name}.npy")
        if array.ndim != 2 or array.dtype.kind not in "iU":
            raise UsageError("the vectors are no rows of integers", where=f"vectors/{name}.npy")
        if array.dtype.kind == "U":
            array = np.array([[int(v) for v in row] for row in array], dtype=object)
        arrays.append(array)
    inputs = split_inputs(network, arrays[0])
    answers = flat(evaluate_network(network, inputs)[network.outputs[0]])
    if answers.shape != arrays[1].shape or (answers != arrays[1]).any():
        raise CheckFailed("vectors/expected.npy is not what the network answers")
    return array_inputs(network, inputs), answers


def _same(path: Path, name: PurePosixPath, text: str | bytes) -> bool:
    """Whether a file says the same; of Verilog and programs, all but comments."""
    if not path.is_file():
        return False
    have = read_bytes(path)
    want = text.encode() if isinstance(text, str) else text
    if name.suffix != ".v":
        return have == want
    kept = [
        [line for line in t.splitlines() if not line.lstrip().startswith(b"//")]
        for t in (have, want)
    ]
    return bool(kept[0] == kept[1])
