"""The text form of a Circuit: one node a line; what `flow opt`, tests and bug reports carry.

    flow-ir 1
    circuit adder
    %0 = input x, 0, 0, 15 : [0, 15]
    %1 = const 3 : [3, 3]
    %2 = add %0, %1 : [3, 18] @ sum acc 0
    in x = %0
    out y = %2

Operands and attributes stand in the order of the fields of the node class; the interval is
written for the reader and checked against the one inferred; after `@` stands the origin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flow.errors import FlowError, UsageError
from flow.ir.arithmetic_nodes import Shl
from flow.ir.builder import Builder
from flow.ir.circuit import Circuit, Origin, Port
from flow.ir.nodes import NODE_TYPES, Node, field_names
from flow.ir.spec import NAME, check

HEADER = "flow-ir 1"
MAX_DIGITS = 400
MAX_WIDTH = 8192
"""The widest wire, in bits."""


def print_circuit(circuit: Circuit) -> str:
    """The text form; equal circuits give equal text."""
    name: dict[Node, str] = {}
    lines = [HEADER, f"circuit {circuit.name}"]
    origins = circuit.origins
    ends: dict[tuple[Any, ...], tuple[str, str]] = {}
    for node in circuit.walk():
        kind = type(node), node.attributes
        if kind not in ends:
            ends[kind] = _around(node)
        before, after = ends[kind]
        operands = ", ".join([name[x] for x in node.operands])
        note = ""
        if node in origins:
            origin = origins[node]
            note = f" @ {origin.layer} {origin.role} {origin.index}"
        own = name[node] = f"%{len(name)}"
        lines.append(f"{own} = {before}{operands}{after} : {node.range!s}{note}")
    for word, ports in (("in", circuit.inputs), ("out", circuit.outputs)):
        for port in ports:
            lanes = ", ".join([name[lane] for lane in port.lanes])
            lines.append(f"{word} {port.name} = {lanes}")
    return "\n".join(lines) + "\n"


def _around(node: Node) -> tuple[str, str]:
    """What stands before and behind the operands of a node."""
    attributes = [_attribute(a) for a in node.attributes]
    several = node.arity < 0
    first = f"{node.mnemonic} {'(' if several else ''}"
    behind = ", ".join(["", *attributes] if node.arity else attributes)
    return first, f"{')' if several else ''}{behind}"


def _attribute(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(str, value))})"
    return str(value)


_NODE = re.compile(
    r"%(?P<id>\d+) = (?P<op>[a-z_]+) (?P<fields>[^:@]*) : (?P<range>\[-?\d+, -?\d+\])"
    r"(?: @ (?P<layer>\S+) (?P<role>\S+) (?P<index>-?\d+))?"
)
_PORT = re.compile(r"(?P<word>in|out) (?P<name>\S+) = (?P<lanes>(?:%\d+(?:, %\d+)*)?)")
_TOKEN = re.compile(r"\(|\)|%\d+|-?\d+|[a-z][a-z0-9_]*")
_TYPES = {cls.mnemonic: cls for cls in NODE_TYPES}


def parse_circuit(text: str, source: str = "the text") -> Circuit:
    """The circuit that a text form describes, checked. Raises UsageError that names the line."""
    lines = [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1)]
    lines = [(i, line) for i, line in lines if line and not line.startswith("#")]
    if not lines or lines[0][1] != HEADER:
        raise UsageError(
            f"{source} is not the text form of a circuit",
            where=f"{source}, line 1",
            hint=f"the first line must be {HEADER!r}",
        )
    reader = _Reader()
    for i, line in lines[1:]:
        try:
            reader.line(line)
        except FlowError as error:
            raise UsageError(error.message, where=f"{source}, line {i}", hint=error.hint) from error
    try:
        circuit = reader.circuit()
        check(circuit)
    except FlowError as error:
        raise UsageError(error.message, where=source) from error
    return circuit


class _Reader:
    """Collects nodes and ports, a line at a time."""

    def __init__(self) -> None:
        self._intern = Builder()
        self._nodes: dict[str, Node] = {}
        self._ports: dict[str, list[Port]] = {"in": [], "out": []}
        self._origins: dict[Node, Origin] = {}
        self._name: str | None = None

    def line(self, line: str) -> None:
        """Take in one line."""
        if match := _NODE.fullmatch(line):
            self._node(match)
        elif match := _PORT.fullmatch(line):
            lanes = [self._named(word) for word in match["lanes"].split(", ") if word]
            self._ports[match["word"]].append(Port(match["name"], tuple(lanes)))
        elif line.startswith("circuit ") and NAME.fullmatch(line[8:]):
            self._name = line[8:]
        else:
            raise UsageError(f"cannot read {line[:60]!r}")

    def circuit(self) -> Circuit:
        """The circuit that the lines made."""
        if self._name is None:
            raise UsageError("the line `circuit NAME` is missing")
        return Circuit(
            self._name, tuple(self._ports["in"]), tuple(self._ports["out"]), self._origins
        )

    def _named(self, word: str) -> Node:
        if word not in self._nodes:
            raise UsageError(f"{word} is used before it is defined")
        return self._nodes[word]

    def _node(self, match: re.Match[str]) -> None:
        kind = _TYPES.get(match["op"])
        if kind is None:
            raise UsageError(f"there is no operation {match['op']!r}")
        if f"%{match['id']}" in self._nodes:
            raise UsageError(f"%{match['id']} is defined twice")
        values = list(self._fields(match["fields"]))
        if len(values) != len(field_names(kind)):
            raise UsageError(f"{kind.mnemonic} takes other fields than {match['fields']!r}")
        arity = len(values) if kind.arity < 0 else kind.arity
        operands = values[0] if kind.arity < 0 else values[:arity]
        rest = values[1:] if kind.arity < 0 else values[arity:]
        if not isinstance(operands, (tuple, list)) or not _typed(kind, operands, rest):
            raise UsageError(f"{kind.mnemonic} takes other fields than {match['fields']!r}")
        if kind is Shl and not 0 <= rest[0] <= MAX_WIDTH:
            raise UsageError(f"a shift by {rest[0]}, which is not from 0 to {MAX_WIDTH}")
        node = self._intern(kind(*values))
        if node.range.width > MAX_WIDTH:
            raise UsageError(f"%{match['id']} is wider than {MAX_WIDTH} bits")
        if str(node.range) != match["range"]:
            raise UsageError(f"%{match['id']} has the interval {node.range}, not {match['range']}")
        self._nodes[f"%{match['id']}"] = node
        if match["layer"]:
            origin = Origin(match["layer"], match["role"], int(match["index"]))
            self._origins.setdefault(node, origin)

    def _fields(self, text: str) -> Iterator[Any]:
        group: list[Any] | None = None
        for token in _TOKEN.findall(text):
            if token == "(":
                group = []
            elif token == ")":
                yield tuple(group or ())
                group = None
            else:
                value = self._value(token)
                if group is None:
                    yield value
                else:
                    group.append(value)

    def _value(self, token: str) -> Any:
        if token.startswith("%"):
            return self._named(token)
        if token[0] == "-" or token[0].isdigit():
            if len(token) > MAX_DIGITS:
                raise UsageError(f"a number has more than {MAX_DIGITS} digits")
            return int(token)
        return token


def _typed(kind: type[Node], operands: Any, attributes: list[Any]) -> bool:
    """Whether the values fit the declared fields of the class."""
    if not all(isinstance(x, Node) for x in operands):
        return False
    names = field_names(kind)[abs(kind.arity) :]
    declared = {f: str(kind.__dataclass_fields__[f].type) for f in names}
    for name, value in zip(names, attributes, strict=True):
        match declared[name]:
            case "int":
                good = isinstance(value, int)
            case "str":
                good = isinstance(value, str)
            case "Relation":
                good = value in ("lt", "le", "eq", "ne")
            case _:
                good = isinstance(value, tuple) and all(isinstance(v, int) for v in value)
        if not good:
            return False
    return True
