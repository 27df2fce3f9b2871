"""Checks a finished build folder again: hashes, meaning, simulations and proofs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from flow.backends.emission import VerilogPort
from flow.backends.vectors import pack
from flow.errors import CheckFailed, FlowError, ToolNotFound, printable
from flow.ir.evaluate import evaluate
from flow.passes.lower_layers import port_names
from flow.pipeline.cells import TECHNOLOGY
from flow.pipeline.comparing import require_equal
from flow.pipeline.folder import MANIFEST, hashes, read_manifest
from flow.pipeline.folding import prove_folding
from flow.pipeline.lanes import port_answers
from flow.pipeline.proving import prove_design
from flow.pipeline.reading import read_text
from flow.pipeline.reopening import (
    SYNTHESISE,
    Design,
    Mapped,
    family,
    foreign,
    reopen,
    reopen_mapped,
)
from flow.pipeline.verifying_flash import is_flash, verify_flash
from flow.pipeline.verifying_hls import is_hls, verify_hls
from flow.pipeline.verifying_lpu import is_chip, verify_chip
from flow.pipeline.verifying_neurons import is_neurons, verify_neurons
from flow.pipeline.verifying_store import verify_store
from flow.pipeline.verifying_tulip import is_tulip, verify_tulip
from flow.progress import Progress, counted, silent
from flow.tech.liberty import read_liberty
from flow.tech.part import Part
from flow.verify.cell_netlist import check_cells
from flow.verify.lint import lint
from flow.verify.lut_netlist import prove_luts, simulate_luts
from flow.verify.simulate import (
    AXIS,
    CHIP,
    simulate_axis,
    simulate_chip,
    simulate_cocotb,
    simulate_icarus,
    simulate_verilator,
)
from flow.verify.verdict import Verdict

PROVE_LIMIT = 300.0
"""Seconds that all proofs together may take."""


def verify(
    folder: Path, prove_limit_s: float = PROVE_LIMIT, progress: Progress = silent
) -> tuple[Verdict, ...]:
    """A verdict for every check of a build folder, which is left as it is.

    The Verilog, the graphs and the netlist are those of the files. UsageError where the folder
    is no build; everything that is wrong within it is a verdict.
    """
    manifest = read_manifest(folder)
    progress("hashes")
    verdicts = list(check_files(folder, manifest))
    stages = manifest.get("stages")
    if is_flash(manifest):
        return (*verdicts, *verify_flash(folder, manifest, prove_limit_s, progress))
    if not isinstance(stages, list) or "emit" not in stages:
        detail = "the build ended before the stage emit"
        return (*verdicts, Verdict("the circuit", "not checked", detail, 0.0))
    if is_hls(manifest):
        return (*verdicts, *verify_hls(folder, manifest, progress))
    if is_tulip(manifest):
        return (*verdicts, *verify_tulip(folder, manifest, progress))
    if is_neurons(manifest):
        return (*verdicts, *verify_neurons(folder, prove_limit_s, _seed(manifest), progress))
    if is_chip(folder):
        return (*verdicts, *verify_chip(folder, progress))
    try:
        design = reopen(folder)
    except FlowError as error:
        return (*verdicts, _failed("the design in the files", error, 0.0))
    seed = _seed(manifest)
    progress("network and circuit answer the vectors")
    verdicts += _meaning(design)
    verdicts += _simulated(design, seed, "measure" in stages, progress)
    mapped: Mapped | None = None
    part: Part | None = None
    if "synthesise" in stages:
        try:
            part = family(folder)
            mapped = reopen_mapped(design) if part is None else None
        except FlowError as error:
            verdicts.append(_failed("the netlist in the files", error, 0.0))
    begin = time.monotonic()
    if mapped is not None and (store := design.emission.store) is not None:
        # First, and half of the time at most: proofs of the circuit may take all that is left.
        progress("proof of the chip's netlist")
        verdicts += verify_store(design, store, mapped.technology, prove_limit_s / 2, seed)
    left = prove_limit_s - (time.monotonic() - begin)
    verdicts += _proved(design, mapped, max(left, 0.0), seed, progress)
    if part is not None and design.folding is None:
        left = prove_limit_s - (time.monotonic() - begin)
        verdicts.append(_proved_luts(design, part, left, seed))
    return tuple(verdicts)


def require_sound(verdicts: tuple[Verdict, ...], folder: Path) -> None:
    """Raise CheckFailed where a verdict is bad; `not checked` is no failure."""
    bad = sum(verdict.bad for verdict in verdicts)
    if bad:
        raise CheckFailed(
            f"{bad} of {len(verdicts)} checks failed",
            where=str(folder),
            hint="the table names them; build the folder anew",
        )


def check_files(folder: Path, manifest: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """A verdict for each file that is changed, missing or too many; one if none is."""
    known = manifest.get("files")
    if not isinstance(known, dict) or not known:
        return (Verdict("files", "failed", f"{MANIFEST} names no files", 0.0),)
    there = hashes(folder)
    bad = []
    for name in sorted({*known, *there}):
        if name not in there:
            bad.append((name, "it is missing"))
        elif name not in known:
            bad.append((name, "no build has written it"))
        elif there[name] != known[name]:
            bad.append((name, "it is not what the build wrote: its hash differs"))
    if not bad:
        return (Verdict("files", "passed", f"{len(there)} files have their hashes", 0.0),)
    return tuple(
        Verdict(f"file {printable(name, 200)}", "failed", detail, 0.0) for name, detail in bad
    )


def _meaning(design: Design) -> list[Verdict]:
    """The vectors again, from the network and from the circuit; the words that benches read."""
    sides = [(design.inputs, design.expected), *([design.probes] if design.probes else [])]
    probes = f", {design.probe_count} probes" if design.probes else ""
    said = f"{design.samples} samples{probes}"

    def network() -> str:
        for inputs, expected in sides:
            require_equal("the circuit's vector", expected, _answers(design, inputs))
        return said

    def circuit() -> str:
        for inputs, expected in sides:
            require_equal("the circuit", evaluate(design.circuit, inputs), expected)
        return said

    def words() -> str:
        ports = design.emission.inputs, design.emission.outputs
        _require_words(design, "inputs", ports[0], [side[0] for side in sides])
        _require_words(design, "expected", ports[1], [side[1] for side in sides])
        return said

    return [
        _checked("vectors = network", network),
        _checked("circuit on the vectors", circuit),
        _checked("words of the benches = vectors", words),
    ]


def _answers(design: Design, inputs: Mapping[str, Any]) -> dict[str, Any]:
    for port in port_names("x", len(design.network.inputs)):
        if port not in inputs:
            raise CheckFailed(f"there are no vectors for the input {port}")
    return port_answers(design.network, inputs)


def _require_words(
    design: Design, name: str, ports: tuple[VerilogPort, ...], values: Sequence[Mapping[str, Any]]
) -> None:
    lines = read_text(design.folder / "vectors" / f"{name}.hex").splitlines()
    wanted = [line for side in values for line in pack(ports, side)]
    wrong = [k for k, (a, b) in enumerate(zip(lines, wanted, strict=False)) if a != b]
    if wrong or len(lines) != len(wanted) or len(lines) != design.samples + design.probe_count:
        where = f"line {wrong[0] + 1} differs" if wrong else f"{len(lines)} lines"
        raise CheckFailed(f"vectors/{name}.hex is not vectors/{name}.npy: {where}")


def _simulated(design: Design, seed: int, netlist: bool, progress: Progress) -> list[Verdict]:
    folder = design.folder
    try:
        reason = foreign(design, seed)
    except FlowError as error:
        return [_failed("the benches", error, 0.0)]
    if reason is not None:
        return [Verdict("simulations", "not checked", printable(reason), 0.0)]
    top, axis = design.emission.top, design.emission.axis
    checks: list[Callable[[], tuple[Verdict, ...]]] = [lambda: lint(folder, top)]
    if axis is not None:
        checks.append(lambda: lint(folder, axis.top, of=AXIS))
    if (store := design.emission.store) is not None:
        checks.append(lambda: lint(folder, store.top, of=CHIP, boxes=f"{top}."))
    simulators: list[Callable[[Path], Verdict]] = [simulate_icarus, simulate_cocotb]
    simulators += [simulate_axis] if axis else []
    simulators += [partial(simulate_chip, size=store.bytes)] if store else []
    simulators += [simulate_verilator, *([_netlist_check(design)] if netlist else [])]
    checks += [partial(_one, simulator, folder) for simulator in simulators]
    ended = counted(checks, "linters and simulators", progress)
    return [verdict for check in ended for verdict in check()]


def _netlist_check(design: Design) -> Callable[[Path], Verdict]:
    part = family(design.folder)
    if part is None:
        own = design.folder / SYNTHESISE / TECHNOLOGY
        return partial(check_cells, technology=lambda: read_liberty(own))
    return partial(simulate_luts, top=design.emission.top, models=part.models)


def _proved_luts(design: Design, part: Part, limit_s: float, seed: int) -> Verdict:
    text = read_text(design.folder / "netlist" / f"{design.emission.top}.v")
    return prove_luts(
        design.circuit, design.emission, text, part.models, timeout_s=limit_s, seed=seed
    )


def _one(simulator: Callable[[Path], Verdict], folder: Path) -> tuple[Verdict, ...]:
    return (simulator(folder),)


def _proved(
    design: Design, mapped: Mapped | None, limit_s: float, seed: int, progress: Progress
) -> tuple[Verdict, ...]:
    begin = time.monotonic()
    try:
        if design.folding is not None:
            return prove_folding(
                design.folding, design.emission, limit_s=limit_s, seed=seed, progress=progress
            )
        return prove_design(
            design.circuit,
            design.emission,
            mapped.technology if mapped else None,
            design.passes,
            steps=mapped.steps if mapped else (),
            netlist=mapped.netlist if mapped else None,
            held=mapped.held if mapped else (),
            limit_s=limit_s,
            seed=seed,
            progress=progress,
        )
    except ToolNotFound as error:
        return (Verdict("proofs", "not checked", error.message, time.monotonic() - begin),)
    except FlowError as error:
        return (_failed("proofs", error, time.monotonic() - begin),)


def _checked(check: str, work: Callable[[], str]) -> Verdict:
    begin = time.monotonic()
    try:
        detail = work()
    except FlowError as error:
        return _failed(check, error, time.monotonic() - begin)
    return Verdict(check, "passed", detail, time.monotonic() - begin)


def _failed(check: str, error: FlowError, seconds: float) -> Verdict:
    place = f", at {error.where}" if error.where else ""
    return Verdict(check, "failed", printable(f"{error.message}{place}"), seconds)


def _seed(manifest: Mapping[str, Any]) -> int:
    seed = manifest.get("seed")
    return seed + 1 if isinstance(seed, int) and 0 <= seed < 1 << 32 else 1
