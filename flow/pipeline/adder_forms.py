"""The best gates of a library for a half and a full adder, for each choice of inverted nets.

There are few such functions. Each is mapped once from several structures; the library's own
adder cells compete with what comes out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

from flow.backends.aiger import write_aiger
from flow.ir.aig import FALSE, Aig, AigBuilder
from flow.ir.netlist import Instance, Netlist, read_blif
from flow.mapping.adder_forms import (
    CARRY,
    INPUTS,
    SUM,
    Form,
    Polarity,
    best,
    by_inputs,
    cell_forms,
    without_dominated,
)
from flow.tech.technology import Technology
from flow.tools.abc import abc

# The rest follows by another order of the inputs, and for three inputs by inverting every net.
_POLARITIES: tuple[Polarity, ...] = tuple(
    (*inputs, *outputs)
    for inputs in ((0, 0), (0, 1), (1, 1), (0, 0, 0), (0, 0, 1))
    for outputs in product((0, 1), repeat=2)
)
_SCRIPTS = ("strash; amap -m", "strash; dch -f; amap -m", "strash; dch -f; map -a")


def adder_forms(
    technology: Technology, liberty: str, inverter: float
) -> Mapping[int, tuple[Form, ...]]:
    """The forms worth having of two and of three inputs; `liberty` is the library for ABC.

    `inverter` is the area of one. Without any form for a number of inputs, it has no entry.
    """
    return _forms(_Library(technology, liberty, inverter))


@dataclass(frozen=True, slots=True)
class _Library:
    """A technology as a key; its text tells two of them apart at once."""

    technology: Technology
    liberty: str
    inverter: float

    def __hash__(self) -> int:
        return hash(self.liberty)


@lru_cache(maxsize=8)
def _forms(library: _Library) -> Mapping[int, tuple[Form, ...]]:
    technology = library.technology
    mapped = [
        _form(polarity, read_blif(text, technology, "adder"), technology)
        for polarity, text in _mapped(library.liberty)
    ]
    found = by_inputs(best([*cell_forms(technology), *mapped]))
    return {count: without_dominated(forms, library.inverter) for count, forms in found.items()}


def _mapped(liberty: str) -> tuple[tuple[Polarity, str], ...]:
    """BLIF of every adder that ABC makes of the cells, with its polarity."""
    with tempfile.TemporaryDirectory(prefix="flow-adders-") as scratch:
        place = Path(scratch)
        (place / "cells.lib").write_text(liberty)
        lines, jobs = ["read_lib -w cells.lib"], []
        for polarity in _POLARITIES:
            for k, graph in enumerate(_structures(polarity)):
                name = "".join(map(str, polarity)) + f"-{k}"
                (place / f"{name}.aig").write_bytes(write_aiger(graph))
                for j, script in enumerate(_SCRIPTS):
                    lines += [f"read_aiger {name}.aig", script, f"write_blif {name}-{j}.blif"]
                    jobs.append((polarity, f"{name}-{j}.blif"))
        abc("\n".join(lines), cwd=place, timeout_s=120)
        return tuple((polarity, (place / file).read_text()) for polarity, file in jobs)


def _structures(polarity: Polarity) -> Iterator[Aig]:
    """Graphs of one adder with inverted nets; where it matters, for each order of the inputs."""
    count = len(polarity) - 2
    for shift in range(count if count == 3 else 1):
        for carry in ("majority", "mux"):
            g = AigBuilder("adder", INPUTS[:count])
            nets = [2 * i ^ flip for i, flip in enumerate(polarity[:count], 1)]
            a, b, c = (*nets[shift:], *nets[:shift], FALSE)[:3]
            total, over = g.full_adder(a, b, c)
            if carry == "mux" and count == 3:
                over = g.mux(g.xor(a, b), c, a)
            elif carry == "mux":
                total = g.conj(over ^ 1, g.disj(a, b))
            yield g.finish([(SUM, total ^ polarity[-2]), (CARRY, over ^ polarity[-1])])


def _form(polarity: Polarity, netlist: Netlist, technology: Technology) -> Form:
    """A mapped adder as a form; a net has the name of its output."""
    new = dict(zip(netlist.drivers, netlist.output_bits, strict=True))
    instances = tuple(
        Instance(i.name, i.cell, tuple((pin, new.get(net, net)) for pin, net in i.pins))
        for i in netlist.instances
    )
    return Form(polarity, technology.area(netlist.histogram()), instances)
