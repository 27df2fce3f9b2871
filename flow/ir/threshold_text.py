"""The text form of threshold netlists, `.th`: gates with weights and a threshold, one each.

The form of Lee and Jiang, "Constraint Solving for Synthesis and Verification of Threshold Logic
Circuits", 2021, in which a gate is two lines, `.threshold IN... OUT` and `WEIGHT... T`; with
`.latch DATA NAME INITIAL` as in BLIF beside it, where 2 says that there is no first value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flow.errors import UsageError
from flow.ir.threshold import FlipFlop, PlacedGate, ThresholdGate, ThresholdNetlist

MOST_LINES = 600_000
"""The longest text: 300 000 gates."""
LARGEST_WEIGHT = 1 << 40
"""Weights beyond this are refused, so that sums of them stay within 64 bits."""


def print_threshold(netlist: ThresholdNetlist) -> str:
    """The text that `parse_threshold` reads back as an equal netlist."""
    names = signal_names(netlist)
    lines = ["A threshold netlist", f".model {netlist.name}"]
    lines += [f".inputs {' '.join(netlist.inputs)}", f".outputs {' '.join(netlist.outputs)}"]
    for flipflop in netlist.flipflops:
        first = 2 if flipflop.initial is None else flipflop.initial
        lines.append(f".latch {names[flipflop.data]} {flipflop.name} {first}")
    for k, placed in enumerate(netlist.gates, netlist.first_gate):
        lines += _gate(placed.gate, [names[x] for x in placed.inputs], names[k])
    for name, driver in zip(netlist.outputs, netlist.drivers, strict=True):
        if names[driver] != name:
            lines += [f".alias {names[driver]} {name}"]
    return "\n".join([*lines, ".end"]) + "\n"


def _gate(gate: ThresholdGate, inputs: Sequence[str], name: str) -> Iterator[str]:
    yield " ".join((".threshold", *inputs, name))
    yield " ".join(map(str, (*gate.weights, gate.threshold)))


def signal_names(netlist: ThresholdNetlist) -> tuple[str, ...]:
    """A name for each signal: inputs and flip-flops their own, gates theirs or that of an output.

    Gates without a name of their own get `n` and their number.
    """
    names = [*netlist.inputs, *(flipflop.name for flipflop in netlist.flipflops)]
    used = set(names) | set(netlist.outputs)
    driven: dict[int, str] = {}
    for name, driver in zip(netlist.outputs, netlist.drivers, strict=True):
        if driver >= netlist.first_gate and name not in names:
            driven.setdefault(driver, name)
    for k, placed in enumerate(netlist.gates, netlist.first_gate):
        name = driven.get(k) or placed.name
        if k not in driven and (not name or name in used):
            name = f"n{k}"
            while name in used:
                name += "_"
        used.add(name)
        names.append(name)
    return tuple(names)


@dataclass
class _Parsed:
    """The statements of a text, by kind; `gates` and `latches` by the signal that they drive."""

    where: str
    model: str = "threshold"
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    gates: dict[str, tuple[ThresholdGate, list[str]]] = field(default_factory=dict)
    latches: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


def parse_threshold(text: str, where: str = "th") -> ThresholdNetlist:
    """The netlist of a `.th` text; UsageError that names the line where it is not one."""
    parsed = _Parsed(where)
    lines = _lines(text)
    for number, words in lines:
        place = f"{where}:{number}"
        if number > MOST_LINES:
            raise UsageError(f"the netlist has more than {MOST_LINES} lines", where=where)
        match words:
            case [".model", name, *_]:
                parsed.model = name
            case [".input" | ".inputs", *names]:
                parsed.inputs += names
            case [".output" | ".outputs", *names]:
                parsed.outputs += names
            case [".threshold", *names, name]:
                row = next(lines, (0, []))[1]
                _drive(parsed, name, place)
                parsed.gates[name] = (_read_gate(row, len(names), place), names)
            case [".latch", data, name, first] if first in ("0", "1", "2"):
                _drive(parsed, name, place)
                parsed.latches[name] = (data, None if first == "2" else int(first))
            case [".alias", source, name]:
                _drive(parsed, name, place)
                parsed.aliases[name] = source
            case [".end"]:
                break
            case _ if number == 1 or not words[0].startswith("."):
                pass  # What stands before the model is a remark.
            case _:
                raise UsageError(
                    f"not a line of a threshold netlist: {' '.join(words)[:60]!r}",
                    where=place,
                    hint="lines begin with .model, .inputs, .outputs, .latch or .threshold",
                )
    if not parsed.outputs:
        raise UsageError("this is no threshold netlist: it has no outputs", where=where)
    return _netlist(parsed)


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if words := line.split():
            yield number, words


def _drive(parsed: _Parsed, name: str, place: str) -> None:
    kinds: tuple[Mapping[str, object], ...] = (parsed.gates, parsed.latches, parsed.aliases)
    if name in parsed.inputs or any(name in kind for kind in kinds):
        raise UsageError(f"the signal {name!r} is driven twice", where=place)


def _read_gate(row: Sequence[str], count: int, place: str) -> ThresholdGate:
    try:
        numbers = [int(word) for word in row]
    except ValueError:
        numbers = []
    if len(numbers) != count + 1 or max(map(abs, numbers)) > LARGEST_WEIGHT:
        raise UsageError(
            f"a gate of {count} inputs needs {count + 1} integers below it",
            where=place,
            hint="its weights in the order of its inputs, then its threshold",
        )
    return ThresholdGate(tuple(numbers[:-1]), numbers[-1])


def _netlist(parsed: _Parsed) -> ThresholdNetlist:
    """The gates in an order in which drivers come before users."""
    number = {name: k for k, name in enumerate((*parsed.inputs, *parsed.latches))}
    placed: list[PlacedGate] = []

    def known(name: str) -> str:
        seen = 0
        while name in parsed.aliases and seen <= len(parsed.aliases):
            name, seen = parsed.aliases[name], seen + 1
        return name

    def place(root: str) -> None:
        stack = [known(root)]
        open_gates: set[str] = set()
        while stack:
            name = stack[-1]
            if name in number:
                stack.pop()
                continue
            if name not in parsed.gates:
                raise UsageError(f"nothing drives the signal {name!r}", where=parsed.where)
            gate, inputs = parsed.gates[name]
            missing = [known(x) for x in inputs if known(x) not in number]
            if missing and name in open_gates:
                raise UsageError(f"the gate {name!r} depends on itself", where=parsed.where)
            if missing:
                open_gates.add(name)
                stack += reversed(missing)
                continue
            number[name] = len(parsed.inputs) + len(parsed.latches) + len(placed)
            placed.append(PlacedGate(gate, tuple(number[known(x)] for x in inputs), name))
            stack.pop()

    for name in (*parsed.gates, *parsed.outputs, *(data for data, _ in parsed.latches.values())):
        place(name)
    return ThresholdNetlist(
        parsed.model,
        tuple(parsed.inputs),
        tuple(
            FlipFlop(name, number[known(data)], first)
            for name, (data, first) in parsed.latches.items()
        ),
        tuple(placed),
        tuple(parsed.outputs),
        tuple(number[known(name)] for name in parsed.outputs),
    )
