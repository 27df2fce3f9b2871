"""Energy of a classification: elements of the TULIP array beside multiply-accumulate units.

Both are Verilog of rtl/, mapped by the same scripts onto the same cells, and simulated clock by
clock as netlists, 64 neurons of the network on real images side by side; their answers are
compared with the network's. A neuron takes the same weights and activations from memories that are
not counted, on either side: so are controllers. The clock is the slower one's longest path.

The mixed-signal neuron is the neuron in gates times what the flash threshold cell was published to
leave of the power of its static equivalent (flow/tech/data/flash_cell.toml).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cases import Options
from common import ROOT, Row

from flow.analysis.activity import Activity, Simulator
from flow.analysis.binary_layers import Neurons, binary_inputs, binary_layers, evaluate_binary
from flow.analysis.power import net_loads, power_of
from flow.analysis.timing import timing_of
from flow.frontend.circuits.verilog import read_verilog
from flow.ir.netlist import CLOCK, Bus, Netlist, with_flipflops
from flow.ir.tensor import IntArray
from flow.mapping.tulip.elements import Elements
from flow.mapping.tulip.plan import neuron_program
from flow.pipeline.config import BuildConfig
from flow.pipeline.importing import import_model
from flow.pipeline.synthesis import map_graph
from flow.pipeline.variants import CHOICES, REWRITE, SQUEEZE
from flow.tech.flash_cell import flash_cell
from flow.tech.registry import load
from flow.tech.technology import Technology

SHARED = ROOT.parent / "shared"
TECHNOLOGY = "sky130"
LANES, SUM = 32, 12
WORD = 12
"""Bits of an activation of YodaNN, as far as is known."""
RUNS = 64
UNIT = ("mac_unit", "mac_add", "mac_count", "mac_total")
ELEMENT = ("tulip_array", "tulip_pe", "tulip_neuron", "tulip_neuron_gates")

ENERGY = (
    "Energy is that of elements and of multiply-accumulate units by the activity of their mapped "
    "netlists; memories, controllers, first layers of integers and scores are not counted, on "
    "either side. A mixed-signal neuron takes of its equivalent in gates what was published of the "
    "flash cell: 38.4 % of the power. docs/binary.md says why the array does not win."
)
"""What the table says of its rows of energy."""

Words = Any


@dataclass(frozen=True)
class Unit:
    """A mapped unit: its netlist, area (um2) and longest path (ns)."""

    netlist: Netlist
    area: float
    delay: float


@dataclass(frozen=True)
class Energy:
    """pJ of one neuron: what toggles, and leakage in mW, over so many clocks.

    `clock` and `word` are what of it charges the pins on the clock and on the control word.
    """

    dynamic: float
    leakage: float
    clocks: int
    clock: float = 0.0
    word: float = 0.0

    def total(self, period: float) -> float:
        """pJ at a period in ns."""
        return self.dynamic + self.leakage * self.clocks * period


def unit(technology: Technology, files: Sequence[str], top: str) -> Unit:
    """A unit that the Verilog `top` makes of files of rtl/."""
    texts = [(ROOT / "rtl" / f"{name}.v").read_text() for name in files]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "unit.v"
        path.write_text("".join(texts).replace("`default_nettype none", "") + top)
        design = read_verilog(path)
    core, _ = map_graph(design.graph, technology, (CHOICES, REWRITE, SQUEEZE))
    names = [bit for bit in design.inputs if bit != CLOCK]
    ports = [Bus(CLOCK, 1), *(Bus(bit, 1) for bit in names)]
    netlist = with_flipflops(core, technology, ports, [Bus(bit, 1) for bit in design.outputs])
    area = technology.area(netlist.histogram())
    return Unit(netlist, area, timing_of(netlist, technology).delay_ns)


def mac_unit(technology: Technology, data: int) -> Unit:
    """A unit of LANES products of `data` bits."""
    wide = SUM if data == 1 else SUM + data
    return unit(
        technology,
        UNIT,
        f"module unit(input clk, input first, input [{LANES * data - 1}:0] x,"
        f" input [{LANES - 1}:0] w, input [{wide - 1}:0] start, output y);\n"
        f"mac_unit #(.LANES({LANES}), .DATA({data}), .SUM({wide})) u"
        "(.clk(clk), .first(first), .x(x), .w(w), .start(start), .y(y), .total());\nendmodule\n",
    )


def element(technology: Technology) -> Unit:
    """An element with its two products, neurons in gates."""
    return unit(
        technology,
        ELEMENT,
        "module unit(input clk, input [91:0] word, input constant, input [1:0] weights,"
        " input [1:0] activations, output answer);\n"
        "tulip_array #(.ROWS(1), .COLS(1), .GATES(1)) u(.clk(clk), .word(word), .pad(1'b0),"
        " .constant(constant), .own(1'b0), .weights(weights), .activations(activations),"
        " .channels(1'b0), .answers(answer));\nendmodule\n",
    )


def neuron(technology: Technology) -> Unit:
    """A neuron in gates alone."""
    top = (
        "module unit(input clk, input en, input a, input b, input c, input d, input [2:0] t,"
        " output q);\n"
        "tulip_neuron_gates u(.clk(clk), .en(en), .a(a), .b(b), .c(c), .d(d), .t(t), .q(q));\n"
        "endmodule\n"
    )
    return unit(technology, ("tulip_neuron_gates",), top)


def measure(
    found: Unit, technology: Technology, clocks: Sequence[Mapping[str, Words]]
) -> tuple[Energy, list[dict[str, Words]]]:
    """The energy of a run of 64 neurons side by side, for each; and the outputs in every clock.

    The last clock only shows what the one before has brought.
    """
    simulator = Simulator(found.netlist, technology)
    names = found.netlist.input_bits
    rows = ({name: clock[name] for name in names if name != CLOCK} for clock in clocks)
    values = np.concatenate(list(simulator.walk(rows)), axis=1)
    changes = np.bitwise_count(values[:, 1:] ^ values[:, :-1]).sum(axis=1) / RUNS
    toggles = {net: float(changes[k]) for net, k in simulator.index.items()}
    toggles[CLOCK] = 2.0 * (len(clocks) - 1)
    states: tuple[tuple[float, ...], ...] = ((),) * len(found.netlist.instances)
    # In a period of 1 ns, mW are pJ: of the whole run.
    power = power_of(found.netlist, technology, Activity("run", RUNS, states, toggles), 1.0)
    dynamic = power.internal + power.switching + power.inputs
    pairs = zip(found.netlist.output_bits, found.netlist.drivers, strict=True)
    place = {bit: simulator.index[net] for bit, net in pairs}
    outputs = [
        {bit: values[row, k : k + 1] for bit, row in place.items()} for k in range(len(clocks))
    ]
    pins = {net: pf * toggles[net] for net, pf in net_loads(found.netlist, technology).items()}
    volts = technology.voltage**2
    word = sum(pins.get(name, 0.0) for name in names if name.startswith("word["))
    clock = pins[CLOCK] * volts / 2
    return Energy(dynamic, power.leakage, len(clocks) - 1, clock, word * volts / 2), outputs


def words(bits: IntArray) -> Words:
    """64 bits (runs,) as one word."""
    return np.packbits(np.asarray(bits, np.uint8), bitorder="little").view(np.uint64)


def bus(name: str, value: int | IntArray, width: int) -> dict[str, Words]:
    """The words of the bits of a bus: one number, or one for each run."""
    numbers = np.broadcast_to(np.asarray(value, dtype=object), (RUNS,))
    label = (lambda k: name) if width == 1 else (lambda k: f"{name}[{k}]")
    return {
        label(k): words(np.array([int(v) >> k & 1 for v in numbers.tolist()])) for k in range(width)
    }


@dataclass(frozen=True)
class Job:
    """64 neurons of a layer: operands and weight bits (runs, inputs), thresholds (runs,)."""

    x: IntArray
    w: IntArray
    threshold: IntArray
    count: int

    @property
    def answers(self) -> IntArray:
        """Whether each reaches its threshold."""
        agree = (self.x == self.w).sum(axis=1)
        return np.asarray(agree >= self.threshold, dtype=np.int64)


def jobs(path: Path, images: IntArray, seed: int) -> dict[str, Job]:
    """For each layer of bits, 64 of its neurons on 64 images; `count` is how many it has."""
    network = import_model(BuildConfig(model=path, head="decision"), faithful=True).network
    layers = binary_layers(network)
    given = binary_inputs(network, {network.inputs[0].name: images})
    results = evaluate_binary(layers, given)
    random, found = np.random.default_rng(seed), {}
    flat = given[0].reshape(len(images), -1)
    for layer in layers:
        if not isinstance(layer, Neurons) or layer.integer or layer.window:
            continue
        read = [flat if s < 0 else results[s].reshape(len(flat), -1) for s in layer.wiring.sources]
        x = layer.wiring.gather(read)
        picked = random.integers(0, layer.shape[0], RUNS)
        rows = random.integers(0, len(x), RUNS)
        w = (layer.weights[:, picked].T > 0).astype(np.int64)
        found[layer.name] = Job(x[rows], w, layer.threshold[picked], int(layer.shape[0]))
    return found


def run_mac(found: Unit, technology: Technology, job: Job, data: int) -> Energy:
    """The energy of a neuron on a unit; the answers are those of the network."""
    inputs = job.x.shape[1]
    steps, wide = -(-inputs // LANES), SUM if data == 1 else SUM + data
    # Lanes beyond the inputs are weighed by 1 and hold 0: no count; of words, 0.
    pad = ((0, 0), (0, steps * LANES - inputs))
    x, w = np.pad(job.x, pad), np.pad(job.w, pad, constant_values=1)
    # Of words the sum is 2 p - N: at least 2 T - N.
    begin = -job.threshold if data == 1 else inputs - 2 * job.threshold
    clocks = []
    for k in range(steps + 1):
        part = slice(k % steps * LANES, (k % steps + 1) * LANES)
        clock = bus("first", int(k % steps == 0), 1) | bus("start", begin % (1 << wide), wide)
        for lane in range(LANES):
            here = k % steps * LANES + lane < inputs
            bits, weight = x[:, part][:, lane], w[:, part][:, lane]
            clock |= bus(f"w[{lane}]", weight, 1)
            word = bits if data == 1 else np.where(bits > 0, 1, -1) * int(here)
            for b in range(data):
                clock |= bus(f"x[{data * lane + b}]", word >> b & 1, 1)
        clocks.append(clock)
    energy, outputs = measure(found, technology, clocks)
    if (outputs[-1]["y"] != words(job.answers)).any():
        raise SystemExit("the multiply-accumulate unit answers wrongly")
    return energy


def run_element(
    found: Unit, alone: Unit, technology: Technology, job: Job
) -> tuple[Energy, Energy]:
    """The energy of a neuron on an element, and of that what its four neuron cells take."""
    inputs = job.x.shape[1]
    levels = inputs.bit_length()
    program = neuron_program(-(-inputs // 2), levels, False, True)
    pad = ((0, 0), (0, inputs % 2))
    x, w = np.pad(job.x, pad), np.pad(job.w, pad, constant_values=1)
    rest = (1 << levels) - job.threshold
    model = Elements.cleared((1,))
    clocks, cells = [], [[] for _ in range(4)]
    taken = constant = 0
    for step, word in zip(program.steps, program.words, strict=True):
        bits = bus("word", word & ((1 << 92) - 1), 92) | bus("constant", int(step.constant), 1)
        e, weights = [np.zeros(RUNS, np.int64)] * 2, [np.ones(RUNS, np.int64)] * 2
        active = [np.zeros(RUNS, np.int64)] * 2
        if step.take:
            pairs = slice(2 * taken, 2 * taken + 2)
            active, weights = list(x[:, pairs].T), list(w[:, pairs].T)
            e = [np.asarray(a == b, np.int64) for a, b in zip(active, weights, strict=True)]
            taken += 1
        elif step.constant:
            top = (rest >> levels & 1) if constant == levels - 1 else np.zeros(RUNS, np.int64)
            e = weights = [rest >> constant & 1, top]
            constant += 1
        for k in (0, 1):
            bits |= bus(f"weights[{k}]", weights[k], 1) | bus(f"activations[{k}]", active[k], 1)
        clocks.append(bits)
        _cells(cells, model, word, [words(v) for v in e])
        model.step(step, words(e[0]), words(e[1]))
    energy, outputs = measure(found, technology, [*clocks, clocks[-1]])
    if (outputs[-1]["answer"] != words(job.answers)).any():
        raise SystemExit("the element answers wrongly")
    parts = [measure(alone, technology, [*rows, rows[-1]])[0] for rows in cells]
    own = Energy(sum(p.dynamic for p in parts), sum(p.leakage for p in parts), len(clocks))
    return energy, own


def _cells(cells: list[list[dict[str, Words]]], model: Elements, word: int, e: list[Words]) -> None:
    """Adds what each neuron cell sees in a step; as rtl/tulip_pe.v wires it."""
    one = np.full(1, 0xFFFFFFFFFFFFFFFF, np.uint64)
    zero, q = np.zeros(1, np.uint64), model.neurons
    fields = [word >> (48 + 11 * k) for k in range(4)]
    r = [model.banks[k, fields[k] & 15] for k in range(4)]
    sources = [zero, one, *e, *r, *q, *[zero] * 4]
    for k in (0, 1):
        f = word >> (24 * k)
        x, y, z = (sources[f >> (4 * n) & 15] for n in range(3))
        carry = [zero, e[1], r[3], q[2 * k + 1]][f >> 12 & 3]
        total = [zero, ~q[2 * k], q[2 * k], one][f >> 18 & 3]
        held = model.held[k]
        rows = (
            (2 * k, (carry, x, y, z), f >> 14, f >> 17),
            (2 * k + 1, (total, held[0], held[1], held[2]), f >> 20, f >> 23),
        )
        for n, pins, t, enabled in rows:
            clock = dict(zip("abcd", (p.copy() for p in pins), strict=True))
            cells[n].append(clock | bus("t", t & 7, 3) | bus("en", enabled & 1, 1))


@dataclass(frozen=True)
class Totals:
    """Of all layers of bits of an image: nJ of elements in gates, of them their neuron cells, their
    clock and their control word, nJ of MAC units by the bits of an activation; and the clocks of
    elements and of units."""

    gates: float
    cells: float
    clock: float
    word: float
    macs: Mapping[int, float]
    element_clocks: int
    mac_clocks: int


def totals(
    technology: Technology, layers: Mapping[str, Job], macs: Mapping[int, Unit], mine: Unit
) -> tuple[Totals, float]:
    """The energies of a network at the slowest unit's period, which comes second, in ns."""
    alone = neuron(technology)
    period = max(mine.delay, *(m.delay for m in macs.values()))
    gates = cells = clock = word = 0.0
    rivals = dict.fromkeys(macs, 0.0)
    clocks, others = 0, 0
    for job in layers.values():
        whole, own = run_element(mine, alone, technology, job)
        gates += job.count * whole.total(period) / 1e3
        cells += job.count * own.total(period) / 1e3
        clock += job.count * whole.clock / 1e3
        word += job.count * whole.word / 1e3
        clocks += job.count * whole.clocks
        for data, made in macs.items():
            found = run_mac(made, technology, job, data)
            rivals[data] += job.count * found.total(period) / 1e3
        others += job.count * found.clocks
    return Totals(gates, cells, clock, word, rivals, clocks, others), period


def energy(options: Options) -> Iterator[list[Row]]:
    """nJ of an image in the layers of bits of TFC 1W1A, and areas of the same throughput."""
    technology = load(TECHNOLOGY)
    images = np.load(SHARED / "datasets" / "mnist.npz")["x_test"][:256]
    bits = (images.reshape(len(images), 1, 28, 28) >= 128).astype(np.int64) - 1
    layers = jobs(SHARED / "models" / "qonnx_tfc" / "TFC_1W1A.onnx", bits, 1)
    mine = element(technology)
    macs = {data: mac_unit(technology, data) for data in ((1,) if options.quick else (1, WORD))}
    found, period = totals(technology, layers, macs, mine)
    share = flash_cell().ratios.power
    kinds = {
        "mixed-signal neurons": found.gates - share * found.cells,
        "neurons in gates": found.gates,
        "neurons that take nothing": found.gates - found.cells,
    }
    note = f"{TECHNOLOGY}, {period:.2f} ns, memories not counted"
    for data, rival in found.macs.items():
        for name, value in kinds.items():
            met = 3 * value <= rival if data == 1 and "mixed" in name else None
            what = f"energy of an image: TFC 1W1A, {name}, beside {data}-bit activations"
            reach = "" if met is None else "at most a third"
            yield [Row(what, value, "nJ", "MAC units", rival, reach, met, note=note)]
    alone = (1 - share) * found.cells
    what = "energy of an image: TFC 1W1A, mixed-signal neurons alone, beside 1-bit activations"
    yield [Row(what, alone, "nJ", "MAC units", found.macs[1], note="nothing but the neurons")]
    for name, part in (
        ("neurons", found.cells),
        ("the pins on the clock", found.clock),
        ("the pins on the control word", found.word),
    ):
        what = f"energy of an image: TFC 1W1A, elements, share of {name}"
        yield [Row(what, 100 * part / found.gates, "%", note="neurons in gates")]
    each = found.element_clocks / found.mac_clocks
    for data, made in macs.items():
        what = f"area: {each:.1f} elements, beside one MAC unit of their throughput, {data}-bit"
        yield [Row(what, each * mine.area, "um2", "MAC units", made.area, note=TECHNOLOGY)]
