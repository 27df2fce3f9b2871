"""Reads BLIF, the Berkeley Logic Interchange Format (1992): tables and flip-flops as a graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from flow.errors import UsageError
from flow.ir.aig import FALSE, TRUE, AigBuilder
from flow.ir.design import HELD, TAKEN, Design

_KINDS = {"re", "fe", "ah", "al", "as"}
"""Types of a latch; all are taken as flip-flops of the one clock."""
_IGNORED = {".default_input_arrival", ".default_output_required", ".clock", ".area", ".delay"}
_FOREIGN = {
    ".subckt": "a part of another model",
    ".gate": "a cell of a library",
    ".mlatch": "a flip-flop of a library",
    ".exdc": "don't cares",
}


MOST_LINES = 600_000
"""The longest text: about 200 000 tables."""


@dataclass
class _Model:
    """The statements of a model; `tables` by the signal that they drive: inputs, then rows."""

    where: str
    name: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    tables: dict[str, tuple[list[str], list[list[str]], int]] = field(default_factory=dict)
    latches: dict[str, tuple[str, int | None]] = field(default_factory=dict)


def parse_blif(text: str, where: str = "blif") -> Design:
    """The design of a BLIF text with one model. UsageError that names the line it cannot take."""
    model = _Model(where)
    rows: list[list[str]] | None = None
    for number, words in _statements(text):
        place = f"{where}:{number}"
        if number > MOST_LINES:
            raise UsageError(f"the circuit has more than {MOST_LINES} lines", where=where)
        if not words[0].startswith("."):
            if rows is None:
                raise UsageError(
                    f"a row stands outside a table: {' '.join(words)[:60]!r}", where=place
                )
            rows.append(words)
            continue
        rows = None
        match words:
            case [".model", name, *_]:
                if model.name:
                    raise _refused("a second model", place)
                model.name = name
            case [".inputs", *names]:
                model.inputs += names
            case [".outputs", *names]:
                model.outputs += names
            case [".names", *inputs, name]:
                rows = []
                _drive(model, name, place)
                model.tables[name] = (inputs, rows, number)
            case [".latch", data, name, *rest]:
                _drive(model, name, place)
                model.latches[name] = (data, _first(rest, place))
            case [".end"]:
                break
            case [word, *_] if word in _FOREIGN:
                raise _refused(_FOREIGN[word], place)
            case [word, *_] if word not in _IGNORED:
                raise UsageError(f"not a line of BLIF: {' '.join(words)[:60]!r}", where=place)
    if not model.name and not model.outputs:
        raise UsageError("this is no BLIF: it has no model", where=where)
    return _design(model)


def _refused(what: str, place: str) -> UsageError:
    return UsageError(
        f"{what} is not taken in a BLIF file",
        where=place,
        hint="flatten it into tables first: in ABC by strash; write_blif, in Yosys by flatten",
    )


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """The words of each line, with its number; a backslash joins it with the next."""
    begin, words = 1, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        body = line.split("#", 1)[0].rstrip()
        if not words:
            begin = number
        joined = body.endswith("\\")
        words += body.removesuffix("\\").split()
        if not joined:
            if words:
                yield begin, words
            words = []
    if words:
        yield begin, words


def _drive(model: _Model, name: str, place: str) -> None:
    if name in model.tables or name in model.latches or name in model.inputs:
        raise UsageError(f"the signal {name!r} is driven twice", where=place)


def _first(rest: Sequence[str], place: str) -> int | None:
    """The first value of a latch: rest is [type control] [value]."""
    words = list(rest)
    if words and words[0] in _KINDS:
        words = words[2:]
    if words in ([], ["2"], ["3"]):
        return None
    if words in (["0"], ["1"]):
        return int(words[0])
    raise UsageError(
        f"the first value of a latch is 0, 1, 2 or 3, not {' '.join(words)[:40]!r}", where=place
    )


def _design(model: _Model) -> Design:
    latches = list(model.latches)
    inputs = [*model.inputs, *(HELD + name for name in latches)]
    g = AigBuilder(model.name or "design", inputs)
    known = {name: 2 * k for k, name in enumerate((*model.inputs, *latches), 1)}
    roots = [*model.outputs, *(data for data, _ in model.latches.values())]
    for root in roots:
        stack, entered = [root], set[str]()
        while stack:
            name = stack[-1]
            if name in known:
                stack.pop()
                continue
            if name not in model.tables:
                raise UsageError(f"nothing drives the signal {name!r}", where=model.where)
            sources, rows, number = model.tables[name]
            place = f"{model.where}:{number}"
            missing = [source for source in sources if source not in known]
            if not missing:
                known[name] = _table(g, [known[source] for source in sources], rows, place)
            elif name in entered:
                raise UsageError(f"the signal {name!r} depends on itself", where=place)
            else:
                entered.add(name)
                stack += missing
    outputs = [*model.outputs, *(TAKEN + name for name in latches)]
    graph = g.finish([(name, known[root]) for name, root in zip(outputs, roots, strict=True)])
    first = {name: value for name, (_, value) in model.latches.items() if value is not None}
    return Design(graph, first)


def _table(g: AigBuilder, inputs: Sequence[int], rows: Sequence[list[str]], place: str) -> int:
    """The literal of a table: the sum of its cubes, inverted where the rows say 0."""
    terms, values = [], set[str]()
    for row in rows:
        cube, value = (row[0], row[-1]) if len(row) == 2 else ("", row[0])
        if len(row) > 2 or len(cube) != len(inputs) or value not in ("0", "1"):
            raise UsageError(
                f"a row does not fit its table of {len(inputs)} inputs: {' '.join(row)[:60]!r}",
                where=place,
            )
        values.add(value)
        literals = []
        for bit, literal in zip(cube, inputs, strict=True):
            if bit not in "01-":
                raise UsageError(f"a row holds {bit!r}", where=place, hint="it is of 0, 1 and -")
            if bit != "-":
                literals.append(literal ^ (bit == "0"))
        terms.append(g.all(literals))
    if len(values) > 1:
        raise UsageError("a table has rows for 0 and for 1", where=place)
    if not terms:
        return FALSE
    return g.any(terms) ^ (TRUE if values == {"0"} else FALSE)
