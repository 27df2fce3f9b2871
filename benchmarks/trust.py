"""Faults of printed classifiers: what they cost, vectors that show them, hardening against them.

    make bench-trust          everything; circuits are built once and kept in benchmarks/cache
    python benchmarks/trust.py [PART ...] [--quick] [--only TEXT] [--timeout SECONDS] [--report]

Parts are faults, vectors, hardening, training, printed, voltages, fingerprint, watched,
sequential, hostile and compiler; the last two are rows of the records of trust_hostile.py, and of
soak.py in tests/,
pass_proofs.py, bench_strength.py, mutation.py and metamorphic.py. The circuits are exact
perceptrons of one hidden layer with 8-bit weights and 4-bit inputs, mapped onto EGFET. Writes
benchmarks/trust.md and results/trust.json.
"""

from __future__ import annotations

import ctypes
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from cases import Options
from common import HERE, Row, write
from parts import Part, run_parts
from trust_circuits import Circuit, circuits
from trust_compiler import compiler
from trust_hostile import hostile
from trust_self_test import fingerprint, watched
from trust_training import printed, training
from trust_upsets import sequential
from trust_voltages import voltages

from flow.analysis.fault_simulation import FaultSimulator
from flow.analysis.stuck_at import Faults, faults_of
from flow.ir.aig import pack
from flow.ir.netlist import netlist_aig
from flow.pipeline.fault_harm import harm_of
from flow.pipeline.faulting import study
from flow.pipeline.hardening import Hardener, harmful_count, parse_hardening
from flow.pipeline.tester_vectors import make_vectors
from flow.tools.compiler import shared_library
from flow.verify.mutants import mutate_graph
from flow.verify.prove import prove_graphs

STUDY = "published fault study of printed perceptrons (8 exact circuits, 500 random faults each)"
MASKED, ABOVE_5 = 72.2, 15.5
"""Percent of faults in that study without loss, and above 5 points of accuracy."""
SERIAL_FAULTS = 40
AREA = 0.25


def faults(options: Options) -> Iterator[list[Row]]:
    """Shares of faults by what they cost, beside the published study; and the time they take."""
    for one in circuits(options):
        subject = one.subject()
        start = time.perf_counter()
        found, _ = study(subject)
        took = time.perf_counter() - start
        masked, above = 100 * found.all.masked, found.all.above
        note = f"{found.cells} cells, {found.faults} faults, {found.samples} samples"
        yield [
            Row(f"faults, {one.name}, masked", masked, "%", STUDY, MASKED,
                "within 10 points", abs(masked - MASKED) <= 10, note=note),
            Row(f"faults, {one.name}, above 1 point", 100 * above[0], "%", STUDY, 27.8),
            Row(f"faults, {one.name}, above 5 points", 100 * above[1], "%", STUDY, ABOVE_5),
            Row(f"faults, {one.name}, seconds of the whole study", took, "s", reach="at most 600",
                met=took <= 600),
            *_speed(one),
        ]  # fmt: skip


def _speed(one: Circuit) -> list[Row]:
    """Time per fault, gate and vector against a plain simulation in C, and the same answers."""
    subject = one.subject()
    found = faults_of(subject.netlist, subject.technology)
    picked = np.linspace(0, len(found.classes) - 1, SERIAL_FAULTS).astype(int).tolist()
    simulator = FaultSimulator(found.gates, pack(subject.bits))
    start = time.perf_counter()
    seen = simulator.detected(found.classes)
    ours = (time.perf_counter() - start) / found.count  # A plain one knows no classes.
    serial, differ = _serial(found, subject.bits, picked)
    valid = pack(np.ones((len(subject.bits), 1), dtype=np.uint8))[0]
    same = int(np.bitwise_count(seen[picked] & valid).sum()) == differ
    each = len(found.gates.names) * len(subject.bits)
    return [
        Row(f"faults, {one.name}, time per fault, gate and vector", 1e12 * ours / each, "ps",
            "one fault and one vector at a time in C", 1e12 * serial / each,
            "at most 1/50", same and serial >= 50 * ours, note="" if same else "answers differ"),
    ]  # fmt: skip


def _serial(found: Faults, bits: np.ndarray, picked: Sequence[int]) -> tuple[float, int]:
    """Seconds a fault of the plain simulation, and at how many vectors outputs differ in all."""
    gates = found.gates
    offset = np.concatenate([[0], np.cumsum([len(x) for x in gates.inputs])]).astype(np.int32)
    inputs = np.array([x for row in gates.inputs for x in row], dtype=np.int32)
    tables = np.array(gates.tables, dtype=np.uint64)
    outputs = np.array(gates.outputs, dtype=np.int32)
    chosen = [found.classes[k] for k in picked]
    start = np.concatenate([[0], np.cumsum([len(f.changes) for f in chosen])]).astype(np.int32)
    net = np.array([n for f in chosen for n, _ in f.changes], dtype=np.int32)
    other = np.array([t for f in chosen for _, t in f.changes], dtype=np.uint64)
    stimulus = np.ascontiguousarray(bits, dtype=np.uint8)
    good = np.zeros((len(bits), len(gates.names)), dtype=np.uint8)
    bad = np.zeros(len(gates.names), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        text = (HERE / "serial_faults.c").read_text()
        library = ctypes.CDLL(str(shared_library(text, Path(folder), "serial")))
    library.serial.restype = ctypes.c_long
    arrays = [offset, inputs, tables, outputs, start, net, other, stimulus, good, bad]
    at = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
    begin = time.perf_counter()
    differ = library.serial(
        len(gates.names), 2 + gates.given, at[0], at[1], at[2], len(outputs), at[3], len(chosen),
        at[4], at[5], at[6], len(bits), at[7], at[8], at[9],
    )  # fmt: skip
    return (time.perf_counter() - begin) / (len(chosen) + 1), int(differ)


def vectors(options: Options) -> Iterator[list[Row]]:
    """Vectors for every testable fault, the others proved redundant, replayed by Icarus."""
    for one in circuits(options):
        start = time.perf_counter()
        made, facts = make_vectors(one.subject(), options.timeout_s, 0)
        took = time.perf_counter() - start
        decided = 100 * (1 - len(made.undecided) / facts.classes)
        note = (
            f"{facts.vectors} vectors, {facts.shown} of {facts.classes} classes shown, "
            f"{facts.redundant} redundant"
        )
        yield [
            Row(f"vectors, {one.name}, faults shown or proved redundant", decided, "%",
                reach="100", met=made.complete, note=note),
            Row(f"vectors, {one.name}, seconds", took, "s", reach="at most 600", met=took <= 600),
            Row(f"vectors, {one.name}, replayed faults that Icarus sees alike",
                100 * (facts.agree or 0) / max(1, facts.replayed or 0), "%", reach="100",
                met=facts.agree == facts.replayed, note=f"{facts.replayed} faults"),
        ]  # fmt: skip


def hardening(options: Options) -> Iterator[list[Row]]:
    """Harmful faults that are left for 25 % more area, counted on samples that chose nothing."""
    for one in circuits(options):
        subject, chooser = one.subject(), one.chooser()
        before = harmful_count(
            harm_of(subject.netlist, subject.technology, subject.bits, subject.judge)
        )
        hardener = Hardener(subject.netlist, subject.technology, chooser.bits, chooser.judge)
        made = hardener.run(parse_hardening(f"{100 * AREA:g}%"))
        harm = harm_of(made.netlist, subject.technology, subject.bits, subject.judge, most=1 << 40)
        area = subject.technology.area(made.netlist.histogram()) / subject.area - 1
        share = harmful_count(harm) / before
        good = share <= 0.5 and area <= AREA
        plain = netlist_aig(subject.netlist, subject.technology)
        hard = netlist_aig(made.netlist, subject.technology)
        mutant = mutate_graph(hard, 1)
        proved = prove_graphs(plain, hard).status == "proved" and (
            mutant is not None and prove_graphs(plain, mutant.graph).status == "disproved"
        )
        yield [
            Row(f"hardening, {one.name}, harmful faults left", 100 * share, "%", "plain", 100.0,
                "at most 50", good, note=f"{100 * area:.1f} % more area, {made.tripled} cells "
                f"tripled, {made.voters} voters, {before} harmful faults before"),
            Row(f"hardening, {one.name}, proved equal, a mutant refused", float(proved), "",
                reach="1", met=proved),
        ]  # fmt: skip


PARTS: dict[str, Part] = {
    "faults": faults, "vectors": vectors, "hardening": hardening, "training": training,
    "printed": printed, "fingerprint": fingerprint, "watched": watched,
    "sequential": sequential, "voltages": voltages, "hostile": hostile, "compiler": compiler,
}  # fmt: skip
REMARKS = (
    "Every single stuck-at fault of every line of the mapped netlist (outputs of cells, inputs of "
    "the circuit, branches of nets with several readers) on the whole test set; equivalent faults "
    "are simulated once and counted each. The published study drew 500 wires of each circuit, with "
    "small test sets, other trainings and another synthesis. A fault is harmful where it costs "
    "more than 5 points of accuracy. What is hardened is chosen on the training samples and "
    "counted on the test samples, copies and voters among the faults. Perceptrons are of one "
    "training each, built at `--effort fast`.",
    "Training: perceptrons of 12 hidden neurons and 8-bit weights, means of 3 seeds and 50 draws "
    "of stuck weights on the test samples; what a robust network loses counts from the accuracy of "
    "the ordinary one without faults. A stuck weight is 0 or one end of its layer's range.",
    "Fingerprints: faults in weights and activations of the integer network; one is told where "
    "the alarm is raised at a test sample at which it is silent without the fault. `watched` is "
    "the same for every stuck line of the mapped netlist, where synthesis may have removed checks.",
    "Upsets: of the Verilog, every flip-flop in every clock up to the second answer; of the chips "
    "of a language model and of the array from the first answer to the second, with a host that "
    "gives the same token or batch again. Bits of memories that are written are upset apart.",
    "Voltages: the circuits of the part `printed`, mapped onto threshold gates of at most five "
    "inputs, each a flash cell of the assumed device of `flow/tech/data/flash_cell.toml`; a cell "
    "is wrong where it decides wrongly at one of its inputs. Offsets scatter by 2 uA throughout.",
)


def summaries(rows: Sequence[Row]) -> list[Row]:
    """Means over all circuits, and how many of them are hardened well."""

    def named(part: str, end: str) -> list[Row]:
        return [r for r in rows if r.what.startswith(f"{part}, ") and r.what.endswith(end)]

    masked = [r.value or 0.0 for r in named("faults", "masked") if r.rival]
    above = [r.value or 0.0 for r in named("faults", "above 5 points")]
    left = named("hardening", "harmful faults left")
    found = []
    if masked:
        mean = float(np.mean(masked))
        found = [
            Row("all circuits, mean of masked", mean, "%", STUDY, MASKED, "within 10 points",
                abs(mean - MASKED) <= 10, note=f"{len(masked)} circuits"),
            Row("all circuits, mean of above 5 points", float(np.mean(above)), "%", STUDY, ABOVE_5),
        ]  # fmt: skip
    if left:
        halved = sum(r.met is True for r in left)
        found.append(
            Row("all circuits, half of the harmful faults gone for 25 % more area", halved,
                f"of {len(left)}", reach="at least 5", met=halved >= 5)
        )  # fmt: skip
    return found


def finish(rows: Sequence[Row]) -> None:
    """Writes the table of all rows, the summaries first."""
    single = [row for row in rows if not row.what.startswith("all circuits, ")]
    over = summaries(single)
    for row in over:
        row.versions, row.seed = single[0].versions, single[0].seed
    write("trust", "Circuits under faults", [*over, *single], REMARKS)


if __name__ == "__main__":
    run_parts("trust", __doc__ or "", PARTS, finish, 600.0)
