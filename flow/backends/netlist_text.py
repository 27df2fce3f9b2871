"""The mapped netlist as structural Verilog, with models of its cells, and as JSON; and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from flow.backends.names import RESERVED
from flow.errors import ToolFailed
from flow.ir.netlist import ONE, ZERO, Bus, Instance, Netlist, topological
from flow.tech.technology import Cell, Technology

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def netlist_verilog(netlist: Netlist, technology: Technology) -> str:
    """The netlist as one Verilog-2005 module with the ports of the RTL, an instance a line."""
    buses = [("input ", bus) for bus in netlist.inputs]
    buses += [("output", bus) for bus in netlist.outputs]
    ports = ",\n".join(f"    {direction} wire {_vector(bus)}{bus.name}" for direction, bus in buses)
    known = {*netlist.input_bits, ZERO, ONE}
    lines = [
        f"// {netlist.name}: {len(netlist.instances)} cells of {technology.title}",
        "`default_nettype none",
        "",
        f"module {netlist.name} (",
        ports,
        ");",
    ]
    for instance in netlist.instances:
        for net in instance.nets(technology.cell(instance.cell).outputs):
            if net not in known:
                known.add(net)
                lines.append(f"    wire {net};")
    for instance in netlist.instances:
        pins = ", ".join(f".{_identifier(pin)}({net})" for pin, net in instance.pins)
        lines.append(f"    {_identifier(instance.cell)} {instance.name} ({pins});")
    for bit, net in zip(netlist.output_bits, netlist.drivers, strict=True):
        lines.append(f"    assign {bit} = {net};")
    return "\n".join([*lines, "endmodule", "", "`default_nettype wire"]) + "\n"


def cell_models(names: Iterable[str], technology: Technology) -> str:
    """Behavioural Verilog-2005 of the cells of these names, without delays."""
    cells = [technology.cell(name) for name in names]
    head = f"// Functions of cells of {technology.title}. Source: {technology.source}"
    return "\n".join([head, *(line for cell in cells for line in _model(cell))]) + "\n"


def _model(cell: Cell) -> Iterator[str]:
    ports = [f"input wire {_identifier(pin)}" for pin in cell.inputs]
    ports += [f"output wire {_identifier(pin)}" for pin in cell.outputs]
    yield ""
    yield f"module {_identifier(cell.name)} ({', '.join(ports)});"
    store = cell.storage
    if store is not None:
        yield f"    reg {_identifier(store.state)};"
        if store.inverted:
            yield f"    wire {_identifier(store.inverted)} = ~{_identifier(store.state)};"
        # A flip-flop that netlists use has neither clear nor preset: see netlist.flipflop.
        yield f"    always @(posedge {_identifier((store.clock or '').strip())})"
        yield f"        {_identifier(store.state)} <= {_identifier((store.data or '').strip())};"
    for pin in cell.outputs:
        if pin in cell.functions:
            yield f"    assign {_identifier(pin)} = {_expression(cell, pin)};"
    yield "endmodule"


def _expression(cell: Cell, pin: str) -> str:
    words = re.split(r"([A-Za-z_][A-Za-z0-9_]*(?:\[[0-9]+\])?)", str(cell.function(pin)))
    named = [_identifier(word) if i % 2 else word for i, word in enumerate(words)]
    text = "".join(named).replace("!", "~")
    return {"0": ZERO, "1": ONE}.get(text, text)


def netlist_json(netlist: Netlist, technology: Technology) -> str:
    """The netlist as JSON: ports, cells by name, and every instance with its nets."""
    data = {
        "name": netlist.name,
        "technology": technology.name,
        "inputs": [{"name": bus.name, "width": bus.width} for bus in netlist.inputs],
        "outputs": [{"name": bus.name, "width": bus.width} for bus in netlist.outputs],
        "cells": netlist.histogram(),
        "drivers": dict(zip(netlist.output_bits, netlist.drivers, strict=True)),
        "instances": [
            {"name": i.name, "cell": i.cell, "pins": dict(i.pins)} for i in netlist.instances
        ],
    }
    return json.dumps(data, indent=1) + "\n"


_COMMENT = re.compile(r"//[^\n]*|`[^\n]*")
_TOKEN = re.compile(r"\\[^\s]+|[A-Za-z_][A-Za-z0-9_$]*|1'b[01]|[0-9]+|[().,;:=\[\]]")


def read_verilog_netlist(text: str, technology: Technology) -> Netlist:
    """The netlist in a text of `netlist_verilog`, read on its own; ToolFailed where it is not one.

    Knows nothing of how the text was made, so a proof that starts here covers the text itself.
    """
    try:
        return _Reader(text, technology).netlist()
    except (IndexError, ValueError, KeyError) as error:
        raise ToolFailed(f"not a structural Verilog netlist: {error}") from None


class _Reader:
    """Recursive descent over the few forms that a netlist has."""

    def __init__(self, text: str, technology: Technology) -> None:
        bare = _COMMENT.sub("", text)
        if strange := _TOKEN.sub("", bare).split():
            raise ValueError(f"{strange[0]!r} has no place in it")
        self.tokens = _TOKEN.findall(bare)
        self.at = 0
        self.technology = technology

    def next(self, *wanted: str) -> str:
        """The next token, which must be one of `wanted` if any are given."""
        token: str = self.tokens[self.at]
        if wanted and token not in wanted:
            raise ValueError(f"{token!r} where {' or '.join(wanted)} should be")
        self.at += 1
        return token.lstrip("\\")

    def peek(self) -> str:
        """The next token, which stays."""
        return str(self.tokens[self.at])

    def bus(self) -> Bus:
        """A vector and a name."""
        width = 1
        if self.peek() == "[":
            self.next("[")
            width = int(self.next()) + 1
            self.next(":")
            self.next("0")
            self.next("]")
        return Bus(self.next(), width)

    def net(self) -> str:
        """A name, a bit of a bus, or a constant."""
        name = self.next()
        if self.peek() == "[":
            self.next("[")
            name = f"{name}[{int(self.next())}]"
            self.next("]")
        return name

    def netlist(self) -> Netlist:
        """The whole module."""
        self.next("module")
        name = self.next()
        inputs: list[Bus] = []
        outputs: list[Bus] = []
        self.next("(")
        while self.peek() != ")":
            into = inputs if self.next("input", "output") == "input" else outputs
            self.next("wire")
            into.append(self.bus())
            if self.peek() == ",":
                self.next(",")
        self.next(")")
        self.next(";")
        instances: list[Instance] = []
        driver: dict[str, str] = {}
        while (word := self.next()) != "endmodule":
            if word == "wire":
                self.next()
            elif word == "assign":
                target = self.net()
                if target in driver:
                    raise ValueError(f"{target} is assigned twice")
                self.next("=")
                driver[target] = self.net()
            else:
                instances.append(self.instance(word))
                continue
            self.next(";")
        if self.at != len(self.tokens):
            raise ValueError(f"{self.peek()!r} comes after the module")
        bits = [bit for bus in outputs for bit in bus.bits]
        netlist = Netlist(
            name,
            tuple(inputs),
            tuple(outputs),
            tuple(instances),
            tuple(driver.pop(bit) for bit in bits),
        )
        if driver:
            raise ValueError(f"{min(driver)} is assigned and is no output")
        return Netlist(
            name, netlist.inputs, netlist.outputs, topological(netlist, self.technology),
            netlist.drivers,
        )  # fmt: skip

    def instance(self, cell: str) -> Instance:
        """A cell with its pins, behind the name of the cell."""
        name = self.next()
        pins: list[tuple[str, str]] = []
        self.next("(")
        while self.peek() != ")":
            self.next(".")
            pin = self.next()
            self.next("(")
            pins.append((pin, self.net()))
            self.next(")")
            if self.peek() == ",":
                self.next(",")
        self.next(")")
        self.next(";")
        return Instance(name, cell, tuple(pins))


def _vector(bus: Bus) -> str:
    return f"[{bus.width - 1}:0] " if bus.width > 1 else ""


def _identifier(name: str) -> str:
    """The name as it stands where Verilog takes it, else escaped."""
    return name if _PLAIN.fullmatch(name) and name not in RESERVED else f"\\{name} "
