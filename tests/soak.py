"""The soak: random networks down every rung of the ladder, for hours, with a record that resumes.

    make soak                                   goes on where its record stopped
    python tests/soak.py [--networks N] [--seed N] [--record FILE]
    python tests/soak.py --again                blocks with mismatches, with the code of today

A block of networks shares one synthesis and one run of each simulator. Everything is drawn from
(seed, block), so that a block of the record is repeated by `--seed N --block N`. The record is
replaced after each block: a kill loses the block that was running, and nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import plain_network
from ladder import Broken, Case, Ladder, side_by_side
from soak_networks import bits_of, network
from soak_options import SCRIPTS, Options, block_options, passes_of
from stimuli import stimuli

from flow.backends.axis import with_axis
from flow.backends.emission import Emission
from flow.backends.verilog import Header, emit_verilog
from flow.errors import UnsupportedModel
from flow.ir.circuit import Circuit
from flow.ir.evaluate import evaluate
from flow.ir.network import Network, evaluate_network
from flow.ir.network_text import print_network
from flow.passes.base import PassManager, Step, pass_text
from flow.passes.fold_layers import FoldLayers
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.synthesis import synthesise
from flow.tech.registry import load
from flow.verify.simulate import simulate_axis

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "benchmarks" / "results" / "soak.json"
SAMPLES = 256
PLAIN = 64
"""Of them, those that the slow reference answers too."""
BLOCK = 25
"""Networks that share the tools' runs."""


@dataclass(frozen=True)
class Soak(Ladder):
    """A ladder with the options of its block."""

    options: Options = field(default_factory=Options)

    def emit(self, circuit: Circuit) -> Emission:
        header = Header(*self.options.header)
        emission = emit_verilog(circuit, header=header, handshake=self.handshake)
        return with_axis(emission) if self.options.axis else emission

    def map(self, circuit: Circuit, technology: str, folder: Path, emission: Emission) -> Any:
        made = synthesise(circuit, load(technology), folder, emission=emission,
                          objective=self.options.objective, effort=self.effort,
                          script=SCRIPTS.get(self.options.script))  # fmt: skip
        return made.netlist


def prepared(case: Case, passes: str) -> tuple[Network, Circuit]:
    """The folded network and the circuit after its passes, each equal to the reference."""

    meant = [np.asarray(case.expected[name]) for name in case.network.outputs]

    def same(rung: str, answers: list[Any]) -> None:
        for port, (got, expected) in enumerate(zip(answers, meant, strict=True)):
            wrong = np.argwhere(np.asarray(got).reshape(expected.shape) != expected)
            if len(wrong):
                raise Broken(f"{rung} differs in output {port} at sample {int(wrong[0][0])}")

    def run(rung: str, circuit: Circuit) -> None:
        found = evaluate(circuit, values)
        same(rung, [found[port.name] for port in circuit.outputs])

    some = {name: values[:: SAMPLES // PLAIN] for name, values in case.inputs.items()}
    for name, values in plain_network.answers(case.network, some).items():
        if not np.array_equal(values, case.expected[name][:: SAMPLES // PLAIN]):
            raise Broken(f"the plain reference differs in {name}")
    folded = FoldLayers().run(case.network)
    found = evaluate_network(folded, case.inputs)
    same("folded network", [found[name] for name in folded.outputs])
    circuit = LowerLayers().run(folded)
    values = {
        port.name: flat.reshape(len(flat), -1)
        for port, flat in zip(circuit.inputs, case.inputs.values(), strict=True)
    }
    run("lowered circuit", circuit)

    def observe(step: Step) -> None:
        run(f"pass {step.index:02d} {pass_text(step.applied)}", step.after)

    return folded, PassManager(parse_pipeline(passes), [observe]).run(circuit)


@dataclass
class Found:
    """What a block, or all blocks together, gave."""

    networks: int = 0
    refused: int = 0
    mismatches: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, what: str, *keys: object) -> None:
        """One more of each key."""
        self.counts.setdefault(what, Counter()).update(map(str, keys))

    def add(self, other: Found) -> None:
        """Take another block in."""
        self.networks += other.networks
        self.refused += other.refused
        self.mismatches += other.mismatches
        for what, counter in other.counts.items():
            self.counts.setdefault(what, Counter()).update(counter)


def drawn(seed: int, block: int, size: int, samples: int, found: Found) -> Iterator[Case]:
    """The networks of a block that have an integer circuit; refusals are counted."""
    for k in range(size):
        for turn in range(50):
            number = int(np.random.default_rng([13, seed, block, k, turn]).integers(1 << 48))
            made = network(number)
            try:
                LowerLayers().run(FoldLayers().run(made))
            except UnsupportedModel:
                found.refused += 1
                continue
            except Exception as error:  # noqa: BLE001 - a crash is a finding
                note(found, block, number, "", error, made)
                continue
            inputs = stimuli(made, samples, number % 1000)
            yield Case(f"n{k}", made, inputs, evaluate_network(made, inputs))
            break


def note(
    found: Found, block: int, number: int, options: str, error: BaseException, made: Network | None
) -> None:
    """Keep what went wrong, and the network that shows it."""
    found.mismatches.append(
        {
            "block": block,
            "network": number,
            "options": options,
            "message": f"{type(error).__name__}: {error}",
            "text": print_network(made) if made is not None else "",
        }
    )


def run_block(
    seed: int, block: int, size: int = BLOCK, samples: int = SAMPLES, verilator: bool = True
) -> Found:
    """One block down the ladder; a network that fails is noted and the others go on."""
    found = Found()
    rng = np.random.default_rng([17, seed, block])
    options = block_options(rng)
    ready: dict[str, tuple[Case, Network, Circuit, str]] = {}
    for case in drawn(seed, block, size, samples, found):
        passes = passes_of(rng)
        try:
            folded, circuit = prepared(case, passes)
        except Exception as error:  # noqa: BLE001 - a crash is a finding
            note(found, block, int(case.name[1:]), passes, error, case.network)
            continue
        ready[case.name] = case, folded, circuit, passes
    while ready:
        try:
            rungs = _descend(ready, options, verilator)
        except Exception as error:  # noqa: BLE001 - a crash is a finding
            guilty = next((n for n in ready if f"in case {n}:" in str(error)), None)
            case, _, _, passes = ready[guilty or next(iter(ready))]
            note(found, block, int(case.name[1:]) if guilty else -1, f"{options} {passes}", error,
                 case.network if guilty else None)  # fmt: skip
            if guilty is None:
                break
            del ready[guilty]
            continue
        for case, _, _, passes in ready.values():
            found.networks += 1
            found.count("layers", *{layer.kind for layer in case.network.layers})
            found.count("input bits", *bits_of(case.network))
            found.count("passes", *{p.name for p in parse_pipeline(passes)})
        found.count("options", *options.names())
        found.count("rungs", *rungs)
        break
    return found


def _descend(
    ready: Mapping[str, tuple[Case, Network, Circuit, str]], options: Options, verilator: bool
) -> tuple[str, ...]:
    cases = tuple(case for case, *_ in ready.values())
    merged = side_by_side({name: circuit for name, (_, _, circuit, _) in ready.items()})
    merged = PassManager(parse_pipeline(options.registers)).run(merged)
    ladder = Soak(
        cases, options.registers, (options.technology,),
        handshake=options.handshake, verilator=verilator, effort=options.effort, hurried=True,
        gates_in_icarus=options.gates_in_icarus, options=options,
    )  # fmt: skip
    inputs = ladder.inputs({name: folded for name, (_, folded, _, _) in ready.items()})
    with tempfile.TemporaryDirectory(prefix="flow-soak-") as scratch:
        rungs = ladder.descend(merged, inputs, Path(scratch))
        if options.axis:
            verdict = simulate_axis(Path(scratch))
            if verdict.status != "passed":
                raise Broken(f"AXI4-Stream wrapper: {verdict.detail}")
            rungs = (*rungs, "AXI4-Stream wrapper")
    return rungs


def code_digest() -> str:
    """Of everything in flow/ and rtl/ that can change a circuit."""
    made = hashlib.sha256()
    for path in sorted([*(ROOT / "flow").rglob("*.py"), *(ROOT / "rtl").glob("*.v")]):
        made.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return made.hexdigest()[:12]


def soak(
    record: Path,
    seed: int,
    networks: int,
    work: Callable[[int, int], Found] = run_block,
    tell: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Blocks until the record has so many networks; ValueError for a record of another seed."""
    known: dict[str, Any] = {"seed": seed, "blocks": 0, "code": {}, "seconds": 0.0}
    if record.is_file():
        known = json.loads(record.read_text())
        if known["seed"] != seed:
            raise ValueError(f"{record.name} has the seed {known['seed']}, not {seed}")
    total = Found(
        known.get("networks", 0), known.get("refused", 0), known.get("mismatches", []),
        {what: Counter(c) for what, c in known.get("counts", {}).items()},
    )  # fmt: skip
    code = code_digest()
    while total.networks < networks:
        start = time.perf_counter()
        found = work(seed, known["blocks"])
        total.add(found)
        known["blocks"] += 1
        known["seconds"] = round(known["seconds"] + time.perf_counter() - start, 1)
        known["code"][code] = known["code"].get(code, 0) + found.networks
        known |= {
            "networks": total.networks,
            "stimuli": SAMPLES,
            "refused": total.refused,
            "mismatches": total.mismatches,
            "counts": {what: dict(sorted(c.items())) for what, c in sorted(total.counts.items())},
        }
        _replace(record, known)
        tell(
            f"block {known['blocks']}: {total.networks} networks, {len(total.mismatches)} "
            f"mismatches, {known['seconds']:.0f} s\n"
        )
    return known


def again(record: Path, work: Callable[[int, int], Found] = run_block) -> dict[str, Any]:
    """The record after its blocks with mismatches ran again; those that are gone are `mended`."""
    known: dict[str, Any] = json.loads(record.read_text())
    code = code_digest()
    for block in sorted({found["block"] for found in known["mismatches"]}):
        old = [found for found in known["mismatches"] if found["block"] == block]
        # A block that broke as a whole was not counted at all.
        counted = 0 if any(found["network"] < 0 for found in old) else BLOCK - len(old)
        found = work(known["seed"], block)
        rest = [one for one in known["mismatches"] if one["block"] != block]
        known["mismatches"] = [*rest, *found.mismatches]
        known["networks"] += found.networks - counted
        known["code"][code] = known["code"].get(code, 0) + found.networks - counted
        if not found.mismatches:
            known["mended"] = [*known.get("mended", []), *old]
        _replace(record, known)
    return known


def _replace(path: Path, content: Mapping[str, Any]) -> None:
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    beside.replace(path)


def main(words: list[str]) -> int:
    """The command line; 1 where the record has a mismatch."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--networks", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--block", type=int, help="this block alone; nothing is recorded")
    parser.add_argument("--again", action="store_true", help="the blocks with mismatches")
    given = parser.parse_args(words)
    if given.again:
        return int(bool(again(given.record)["mismatches"]))
    if given.block is not None:
        found = run_block(given.seed, given.block)
        sys.stdout.write(json.dumps(found.mismatches, indent=1) + "\n")
        return int(bool(found.mismatches))
    known = soak(given.record, given.seed, given.networks, tell=sys.stderr.write)
    return int(bool(known.get("mismatches")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
