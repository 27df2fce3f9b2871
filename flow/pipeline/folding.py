"""A circuit that takes a sample every N clocks: how many, what each level shares, its proofs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flow.analysis.lut_cost import lut_estimate
from flow.backends.emission import Emission
from flow.backends.folded import emit_folded, part_emissions
from flow.backends.verilog import emit_verilog
from flow.errors import UsageError
from flow.ir.circuit import Circuit
from flow.ir.layers import Conv, Dense
from flow.ir.network import Network
from flow.ir.text import parse_circuit, print_circuit
from flow.mapping.folding import Folded, fold, most_steps
from flow.passes.base import PassManager, check_exact, run_passes
from flow.passes.lower_layers import LowerLayers
from flow.passes.pipeline_text import parse_pipeline
from flow.passes.pipelines import CANONICAL
from flow.pipeline.comparing import require_equal
from flow.pipeline.config import BuildConfig, latency_cycles
from flow.pipeline.folder import write_file
from flow.pipeline.lut_synthesis import synthesise_luts
from flow.pipeline.reading import read_text
from flow.pipeline.state import PassStep, State, have
from flow.progress import Progress, silent
from flow.tech.part import Part
from flow.verify.chain import prove_chain
from flow.verify.passes import SAT_SECONDS, prove_pass
from flow.verify.verdict import Verdict

FOLDED = "folded.json"
"""The steps and the levels that compute all sums in each; `flow verify` reads it."""
INTERVALS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""What is tried under a limit of look-up tables."""
NETLIST = "netlist = circuit"


@dataclass(frozen=True)
class Folding:
    """A folded circuit, before (`raw`) and after the passes, and its estimated look-up tables."""

    raw: Folded
    folded: Folded
    whole: tuple[int, ...]
    luts: float

    @property
    def steps(self) -> tuple[PassStep, ...]:
        """What leads from the circuit to the parts, each to be proved."""
        unrolled = f"fold over {self.raw.interval} steps"
        found = [PassStep(unrolled, True, self.raw.circuit, self.raw.unrolled())]
        for name, part in self.raw.parts.items():
            found.append(PassStep(f"passes of {name}", True, part, self.folded.parts[name]))
        return tuple(found)


def is_folded(config: BuildConfig) -> bool:
    """Whether the options ask for a circuit whose parts are shared."""
    return (config.ii or 1) > 1 or config.max_luts is not None


def weighted_layers(network: Network) -> dict[str, int]:
    """The layers that share, with the sums that belong together in one step."""
    return {
        layer.name: int(layer.bias.size) if isinstance(layer, Conv) else 1
        for layer in network.layers
        if isinstance(layer, (Conv, Dense))
    }


def folding_of(
    circuit: Circuit, network: Network, interval: int, passes: str, seed: int
) -> Folding:
    """The circuit over so many steps; a level that sharing makes larger keeps its constants."""
    layers = weighted_layers(network)

    def better(_: str, part: Circuit) -> Circuit:
        return PassManager(parse_pipeline(passes), (check_exact(seed=seed),)).run(part)

    shared = fold(circuit, layers, interval)
    count = len(shared.levels)
    raw, made = shared, shared.improved(better)
    alone = fold(circuit, layers, interval, range(count)).improved(better)
    whole = tuple(i for i in range(count) if _level_luts(alone, i) <= _level_luts(made, i))
    if whole:
        raw = fold(circuit, layers, interval, whole)
        made = raw.improved(better)
    luts = sum(lut_estimate(part) for part in made.parts.values())
    return Folding(raw, made, whole, luts)


def _level_luts(folded: Folded, index: int) -> float:
    parts = folded.parts
    return lut_estimate(parts[f"element{index}"]) + lut_estimate(parts[f"between{index}"])


def choose_folding(
    circuit: Circuit,
    network: Network,
    config: BuildConfig,
    passes: str,
    count: Callable[[Emission], float],
    progress: Progress = silent,
) -> tuple[Folding, tuple[str, ...]]:
    """The folding that the options ask for, and what was tried for it, in lines.

    Under a limit the fewest steps whose mapped look-up tables (`count`) keep it; steps that the
    estimate puts far above it are not mapped. UsageError where no number of steps keeps it.
    """
    limit = config.max_luts
    if limit is None:
        assert config.ii is not None
        found = folding_of(circuit, network, config.ii, passes, config.seed)
        return found, (f"{config.ii} steps: about {found.luts:.0f} look-up tables\n",)
    lines: list[str] = []
    best: Folding | None = None
    most = most_steps(circuit, weighted_layers(network))
    for interval in (config.ii,) if config.ii else [n for n in INTERVALS if n < most] + [most]:
        progress(f"folding over {interval} steps")
        found = folding_of(circuit, network, interval, passes, config.seed)
        line = f"{interval} steps: about {found.luts:.0f} look-up tables"
        best = found if best is None or found.luts < best.luts else best
        if found.luts <= FAR * limit:
            mapped = count(emit_folded(found.folded))
            line += f", mapped {mapped:.0f}"
            if mapped <= limit:
                return found, (*lines, f"{line}\n")
        lines.append(f"{line}\n")
    assert best is not None
    raise UsageError(
        f"no number of steps keeps --max-luts {limit}",
        hint=f"{best.raw.interval} of them need {count(emit_folded(best.folded)):.0f}, the fewest "
        "by the estimate; fewer bits need less",
    )


FAR = 1.6
"""How far above a limit an estimate may be for the circuit to be mapped: it packs nothing."""


def fold_state(state: State, own: Path) -> State | None:
    """What the stage optimise leaves of a folded circuit; None where a limit needs no folding.

    The circuit of the state is what all steps together compute. UsageError where the latency of
    the options is shorter.
    """
    config, lowered, network = state.config, have(state.lowered), have(state.network)
    part, passes = state.target, config.passes or state.circuit_recipe.passes[0]
    assert isinstance(part, Part), "only FPGAs fold"

    def count(emission: Emission) -> float:
        return part.lut_count(synthesise_luts(emission, part).cells)

    lines: tuple[str, ...] = ()
    if config.max_luts is not None and config.ii is None:
        alone = emit_verilog(run_passes(lowered, parse_pipeline(passes)))
        mapped = count(alone)
        if mapped <= config.max_luts:
            return None
        lines = (f"1 step: mapped {mapped:.0f} look-up tables\n",)
    found, tried = choose_folding(lowered, network, config, passes, count, state.progress)
    most = latency_cycles(config)
    if most is not None and found.folded.latency > most:
        raise UsageError(
            f"{found.raw.interval} steps a level take {found.folded.latency} clock cycles, "
            f"and the latency leaves {most}",
            hint=f"give --latency {found.folded.latency}, or a smaller --ii",
        )
    circuit = run_passes(found.raw.unrolled(), CANONICAL)
    require_equal("the folded circuit", found.folded.answers(state.inputs), state.expected)
    write_folding(found, own)
    write_file(own, "passes.txt", f"\n{''.join((*lines, *tried))}")
    write_file(own, "circuit.flow", print_circuit(circuit))
    name = f"{passes}, folded over {found.raw.interval} steps"
    return replace(state, circuit=circuit, folding=found, steps=found.steps, passes=name)


def write_folding(found: Folding, own: Path) -> None:
    """The parts, and what `reopen_folding` needs."""
    data = {"interval": found.raw.interval, "whole": list(found.whole)}
    write_file(own, FOLDED, json.dumps(data) + "\n")
    for name, part in found.folded.parts.items():
        write_file(own, f"{name}.flow", print_circuit(part))


def reopen_folding(own: Path, network: Network) -> Folding | None:
    """The folding in the folder of the stage optimise; None where nothing is folded.

    The parts are those of the files, without trust in them.
    """
    if not (own / FOLDED).is_file():
        return None
    data = json.loads(read_text(own / FOLDED))
    interval, whole = _interval(data), tuple(int(i) for i in data.get("whole", ()))
    raw = fold(LowerLayers().run(network), weighted_layers(network), interval, whole)

    def part(name: str, _: Circuit) -> Circuit:
        place = own / f"{name}.flow"
        return parse_circuit(read_text(place), str(place))

    return Folding(raw, raw.improved(part), whole, 0.0)


def _interval(data: Any) -> int:
    found = data.get("interval") if isinstance(data, Mapping) else None
    if not isinstance(found, int) or not 2 <= found <= 4096:
        raise UsageError(f"{FOLDED} names no number of steps", where=FOLDED)
    return found


def prove_folding(
    found: Folding, emission: Emission, *, limit_s: float, seed: int, progress: Progress = silent
) -> tuple[Verdict, ...]:
    """All steps together = circuit; each part after its passes = before, and = its Verilog.

    The controller between the parts is simulated, with gaps and pauses, not proved.
    """
    begin = time.monotonic()
    verdicts: list[Verdict] = []
    parts = found.folded.parts
    modules = part_emissions(found.folded)
    for k, (name, module) in enumerate(modules.items()):
        progress(f"proofs of {name}", k, len(modules))
        # The text that stands in the folder, not what would be written now.
        own = replace(module, files={path: emission.files[path] for path in module.files})
        left = max(0.0, limit_s - (time.monotonic() - begin))
        links = prove_chain(parts[name], own, timeout_s=left, seed=seed + k)
        verdicts += [replace(v, check=f"{v.check}, {name}") for v in links]
    for k, step in enumerate(found.steps):
        left = limit_s - (time.monotonic() - begin)
        if left <= 0:
            late = "the time limit was reached before"
            verdicts.append(Verdict(f"pass {step.text}", "not checked", late, 0.0))
            continue
        verdicts.append(
            prove_pass(step.text, step.before, step.after, seed=seed + k,
                       timeout_s=min(left, SAT_SECONDS))
        )  # fmt: skip
    detail = "a circuit with steps is simulated from its netlist, not proved"
    return (*verdicts, Verdict(NETLIST, "not checked", detail, 0.0))
