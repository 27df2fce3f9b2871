"""The bit-exact ladder: from a reference down to the netlist, each rung equal to the one above.

One Ladder climbs with several cases at once, side by side in one circuit, so that every simulator
and the synthesis are started once for all of them. Only integers are compared, with ==.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import plain_network
from stimuli import stimuli

from flow.analysis.activity import Simulator
from flow.analysis.latency import latency
from flow.backends.bench import bench_files
from flow.backends.bitblast import bitblast
from flow.backends.emission import Emission, write_files
from flow.backends.netlist_text import cell_models, netlist_verilog, read_verilog_netlist
from flow.backends.vectors import vector_files
from flow.backends.verilog import emit_verilog
from flow.ir.aig import Aig, pack, unpack
from flow.ir.builder import rebuild
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.netlist import Netlist
from flow.ir.network import Network, evaluate_network
from flow.ir.nodes import Input
from flow.ir.text import parse_circuit, print_circuit
from flow.passes.base import Pass, pass_text
from flow.passes.fold_layers import FoldLayers
from flow.passes.lower_layers import LowerLayers, port_names
from flow.passes.pipeline_text import parse_pipeline
from flow.pipeline.measures import stimulus
from flow.pipeline.synthesis import synthesise
from flow.tech.registry import load
from flow.verify.compiled import CompiledCircuit
from flow.verify.simulate import simulate_icarus, simulate_netlist, simulate_verilator
from flow.verify.verdict import Verdict

Values = Mapping[str, Any]
"""(samples, lanes) by port."""


class Broken(AssertionError):
    """A rung differs from the reference; the message names it and the smallest input."""


@dataclass(frozen=True)
class Case:
    """A network, samples by input layer (plainest first), and what it should answer.

    `expected` has the answers by output layer, from whatever knows them: by default from
    `plain_network`, which is written apart from flow.
    """

    name: str
    network: Network
    inputs: Values
    expected: Values = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, network: Network, samples: int = 60, seed: int = 0) -> Case:
        """A case with boundary and random stimuli, and the plain reference."""
        inputs = stimuli(network, samples, seed)
        return cls(name, network, inputs, plain_network.answers(network, inputs))


@dataclass(frozen=True)
class Ladder:
    """Climbs from the reference to the mapped netlist; a test of the ladder overrides a rung.

    `passes` is a pipeline text. All cases have the same number of samples; `hurried` ladders let
    an event-driven simulator of a large circuit see the first of them only.
    """

    cases: tuple[Case, ...]
    passes: str = "adders"
    technologies: tuple[str, ...] = ("egfet", "cnt_tft")
    handshake: bool = False
    verilator: bool = True
    effort: str = "fast"
    hurried: bool = False
    gates_in_icarus: bool = True

    def climb(self, folder: Path) -> tuple[str, ...]:
        """The names of all rungs, in order; Broken at the first that differs."""
        rungs: list[str] = []

        def rung(name: str, got: Values) -> None:
            self._compare(name, got)
            rungs.append(name)

        rung("evaluate_network", self._joined(lambda c: evaluate_network(c.network, c.inputs)))
        folded = {case.name: self.fold(case.network) for case in self.cases}
        rung(
            "folded network",
            self._joined(lambda c: evaluate_network(folded[c.name], c.inputs), folded),
        )
        circuit = side_by_side({name: self.lower(network) for name, network in folded.items()})
        inputs = self.inputs(folded)
        rung("lowered circuit", evaluate(circuit, inputs))
        for k, step in enumerate(parse_pipeline(self.passes), 1):
            circuit = self.apply(step, circuit)
            rung(f"pass {k:02d} {pass_text(step)}", evaluate(circuit, inputs))
        return (*rungs, *self.descend(circuit, inputs, folder))

    def descend(self, circuit: Circuit, inputs: Values, folder: Path) -> tuple[str, ...]:
        """The rungs from a finished circuit to its netlist."""
        rungs: list[str] = []

        def rung(name: str, got: Values) -> None:
            self._compare(name, got)
            rungs.append(name)

        circuit = self.text(circuit)
        rung("text form", evaluate(circuit, inputs))
        rung("compiled evaluator", self.compiled(circuit, inputs))
        emission = self.emit(circuit)
        rung("and-inverter graph", self._graph(circuit, emission, inputs))
        self._write(folder, emission, inputs)
        self._simulated(rungs, "Icarus Verilog", self.icarus(folder), emission)
        if self.verilator:
            self._simulated(rungs, "Verilator", self.second(folder), emission)
        for name in self.technologies:
            technology = load(name)
            place = folder / name
            place.mkdir()
            netlist = self.map(circuit, name, place, emission)
            simulate = self._netlist_values
            rung(f"netlist of {name}", simulate(netlist, name, emission, inputs))
            text = self.netlist_text(netlist, name)
            read = read_verilog_netlist(text, technology)
            rung(f"netlist text of {name}", simulate(read, name, emission, inputs))
            if not self.gates_in_icarus:
                continue
            write_files(
                {
                    Path(f"netlist/{emission.top}.v"): text,
                    Path("netlist/cells.v"): cell_models(netlist.histogram(), technology),
                },
                folder,
            )
            verdict = self.netlist_icarus(folder)
            self._simulated(rungs, f"netlist of {name} in Icarus Verilog", verdict, emission)
        return tuple(rungs)

    def fold(self, network: Network) -> Network:
        """Rung: layers are merged."""
        return FoldLayers().run(network)

    def lower(self, network: Network) -> Circuit:
        """Rung: layers become scalar operations."""
        return LowerLayers().run(network)

    def apply(self, step: Pass, circuit: Circuit) -> Circuit:
        """Rung: one pass."""
        return step.run(circuit)

    def text(self, circuit: Circuit) -> Circuit:
        """Rung: printed and parsed."""
        return parse_circuit(print_circuit(circuit))

    def compiled(self, circuit: Circuit, inputs: Values) -> Values:
        """Rung: the C code."""
        with CompiledCircuit(circuit) as program:
            return program.evaluate(inputs)

    def emit(self, circuit: Circuit) -> Emission:
        """The Verilog that both simulators run."""
        return emit_verilog(circuit, handshake=self.handshake and latency(circuit) > 0)

    def blast(self, circuit: Circuit, emission: Emission) -> Aig:
        """Rung: gates of our own."""
        return bitblast(circuit, emission)

    def icarus(self, folder: Path) -> Verdict:
        """Rung: the plain bench."""
        return simulate_icarus(folder)

    def second(self, folder: Path) -> Verdict:
        """Rung: the second simulator."""
        return simulate_verilator(folder)

    def map(self, circuit: Circuit, technology: str, folder: Path, emission: Emission) -> Netlist:
        """Rung: cells of a technology, in our own simulator."""
        made = synthesise(
            circuit, load(technology), folder, emission=emission, effort=self.effort
        )  # fmt: skip
        return made.netlist

    def netlist_text(self, netlist: Netlist, technology: str) -> str:
        """Rung: the netlist as Verilog, read back."""
        return netlist_verilog(netlist, load(technology))

    def netlist_icarus(self, folder: Path) -> Verdict:
        """Rung: the netlist's Verilog in another's simulator."""
        return simulate_netlist(folder)

    @property
    def _expected(self) -> dict[str, Any]:
        return self._joined(lambda c: c.expected)

    def _joined(
        self, answers: Callable[[Case], Values], networks: Mapping[str, Network] | None = None
    ) -> dict[str, Any]:
        """Answers by output layer, as (samples, lanes) by the merged circuit's output ports."""
        result = {}
        for case in self.cases:
            network = networks[case.name] if networks else case.network
            values = answers(case)
            names = port_names("y", len(network.outputs))
            for port, name in zip(names, network.outputs, strict=True):
                flat = np.asarray(values[name]).reshape(len(values[name]), -1)
                result[f"{case.name}_{port}"] = flat
        return result

    def inputs(self, networks: Mapping[str, Network]) -> dict[str, Any]:
        """The samples of all cases by port of the merged circuit."""
        result = {}
        for case in self.cases:
            layers = networks[case.name].inputs
            names = port_names("x", len(layers))
            for port, layer, values in zip(names, layers, case.inputs.values(), strict=True):
                flat = np.asarray(values).reshape(len(values), -1)
                result[f"{case.name}_{port}"] = flat
                assert layer.name in case.inputs
        return result

    def _compare(self, rung: str, got: Values) -> None:
        for port, values in self._expected.items():
            wrong = np.argwhere(np.asarray(got[port]) != values)
            if len(wrong):
                sample, lane = (int(i) for i in wrong[0])
                self._break(rung, port, lane, sample, values[sample, lane], got[port][sample, lane])

    def _break(self, rung: str, port: str, lane: int, sample: int, expected: Any, got: Any) -> None:
        case = next(c for c in self.cases if port.startswith(f"{c.name}_"))
        inputs = ", ".join(
            f"{name} = {np.asarray(values)[sample].ravel().tolist()}"
            for name, values in case.inputs.items()
        )
        raise Broken(
            f"{rung} differs in case {case.name}: {port.removeprefix(case.name + '_')}[{lane}] is "
            f"{int(got)}, not {int(expected)}, at {inputs}"
        )

    def _simulated(self, rungs: list[str], name: str, verdict: Verdict, emission: Emission) -> None:
        if verdict.status != "passed":
            words = verdict.detail.replace(",", "").replace(":", "").split()
            if words[:1] == ["sample"] and "port" in words:
                sample, lane = int(words[1]), int(words[words.index("lane") + 1])
                port = words[words.index("port") + 1]
                expected = int(words[words.index("expected") + 1])
                got = words[words.index("got") + 1].rstrip(";")
                source = next(p.source for p in emission.outputs if p.name == port)
                self._break(name, source, lane, sample, expected, got)
            raise Broken(f"{name}: {verdict.status}: {verdict.detail}")
        samples = len(next(iter(self._expected.values())))
        fewer = rf"the first \d+ of {samples} samples|"
        assert re.fullmatch(rf"{fewer * self.hurried}{samples} samples", verdict.detail)
        rungs.append(name)

    def _write(self, folder: Path, emission: Emission, inputs: Values) -> None:
        samples = len(next(iter(inputs.values())))
        write_files(emission.files, folder)
        write_files(bench_files(emission, samples), folder)
        write_files(vector_files(emission, inputs, self._expected), folder)

    def _graph(self, circuit: Circuit, emission: Emission, inputs: Values) -> Values:
        """The graph over a stream of samples: a register has what it was given one clock before."""
        graph = self.blast(circuit, emission)
        names = [port.name for port in emission.inputs]
        control = ["rst", "in_valid", "out_ready"] if emission.handshake else []
        bits = stimulus(emission, [*control, *names], padded(inputs, emission.latency))
        ports = [name for port in emission.inputs for name in _bits(port.name, port.width)]
        rows = dict(zip([*control, *ports], bits.T, strict=True))
        state = [name for name in graph.inputs if name.startswith("Q:")]
        for name in state:
            rows[name] = np.zeros(len(bits), dtype=np.uint8)
        # The registers form chains: after as many rounds as the longest, every clock is right.
        for _ in range(emission.latency + 1):
            words = graph.simulate(pack(np.array([rows[n] for n in graph.inputs]).T))
            table = dict(zip(graph.outputs, unpack(words, len(bits)).T, strict=True))
            for name in state:
                rows[name] = np.concatenate([[np.uint8(0)], table[f"D:{name[2:]}"][:-1]])
        return _decoded(emission, table)

    def _netlist_values(
        self, netlist: Netlist, technology: str, emission: Emission, inputs: Values
    ) -> Values:
        names = [bus.name for bus in netlist.inputs]
        bits = stimulus(emission, names, padded(inputs, emission.latency))
        simulator = Simulator(netlist, load(technology))
        words = simulator.stream(bits)
        nets = [simulator.index[net] for net in netlist.drivers]
        values = unpack(words[nets], len(bits))
        return _decoded(emission, dict(zip(netlist.output_bits, values.T, strict=True)))


def side_by_side(circuits: Mapping[str, Circuit]) -> Circuit:
    """One circuit of several; the ports of each begin with its name."""
    inputs: list[Port] = []
    outputs: list[Port] = []
    origins: dict[Any, Any] = {}
    for name, one in circuits.items():

        def renamed(node, intern, name=name):
            if isinstance(node, Input):
                return intern(replace(node, port=f"{name}_{node.port}"))
            return node

        moved = rebuild(one, renamed)
        known = {(x.port, x.index): x for x in moved.walk() if isinstance(x, Input)}
        for port in one.inputs:
            own = f"{name}_{port.name}"
            lanes = (known.get((own, i), replace(x, port=own)) for i, x in enumerate(port.lanes))
            inputs.append(Port(own, tuple(lanes)))
        outputs += [Port(f"{name}_{port.name}", port.lanes) for port in moved.outputs]
        origins.update(moved.origins)
    return Circuit("ladder", tuple(inputs), tuple(outputs), origins)


def padded(inputs: Values, clocks: int) -> dict[str, Any]:
    """The samples, and the last one again for as many clocks as the answers are late."""
    return {
        name: np.concatenate([values, np.repeat(values[-1:], clocks, axis=0)])
        for name, values in inputs.items()
    }


def _bits(name: str, width: int) -> list[str]:
    return [name] if width == 1 else [f"{name}[{i}]" for i in range(width)]


def _decoded(emission: Emission, table: Mapping[str, Any]) -> dict[str, Any]:
    """The integers on every output port, the latency taken away."""
    result = {}
    for port in emission.outputs:
        columns = []
        names = _bits(port.name, port.width)
        for lane in port.lanes:
            bits = [table[n].astype(object) for n in names[lane.offset : lane.offset + lane.width]]
            value = sum(bit << i for i, bit in enumerate(bits))
            if lane.range.lo < 0:
                value = value - (bits[-1] << len(bits))
            columns.append(value)
        result[port.source] = np.array(columns, dtype=object).T[emission.latency :]
    return result
