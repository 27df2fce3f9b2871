"""Small mapped netlists: by hand, and random ones."""

from __future__ import annotations

import random

from flow.ir.netlist import Bus, Instance, Netlist
from flow.tech.registry import load

EGFET = load("egfet")
TWO = ("NAND2X1", "NOR2X1", "AND2X1", "OR2X1", "XOR2X1", "XNOR2X1")


def instance(name, cell, *nets, technology=EGFET):
    """A cell with its nets in the order of inputs, then outputs."""
    made = technology.cell(cell)
    return Instance(name, cell, tuple(zip((*made.inputs, *made.outputs), nets, strict=True)))


def redundant():
    """y = x0 x1 + x0 !x1, in which x1 has no say; z = y ^ x2."""
    return Netlist(
        "tiny",
        (Bus("x", 3),),
        (Bus("y", 1), Bus("z", 1)),
        (
            instance("u1", "AND2X1", "x[0]", "x[1]", "n1"),
            instance("u2", "INVX1", "x[1]", "n2"),
            instance("u3", "AND2X1", "x[0]", "n2", "n3"),
            instance("u4", "OR2X1", "n1", "n3", "n4"),
            instance("u5", "XOR2X1", "n4", "x[2]", "n5"),
        ),
        ("n4", "n5"),
    )


def drawn(seed, cells=40, inputs=6, outputs=3):
    """A random netlist whose last nets are its outputs."""
    rng = random.Random(seed)
    nets = [f"x[{i}]" for i in range(inputs)]
    made = []
    for k in range(1, cells + 1):
        near = nets[-12:]
        if rng.random() < 0.15:
            made.append(instance(f"u{k}", "INVX1", rng.choice(near), f"n{k}"))
        else:
            pair = rng.choice(near), rng.choice(near)
            made.append(instance(f"u{k}", rng.choice(TWO), *pair, f"n{k}"))
        nets.append(f"n{k}")
    return Netlist(
        "drawn", (Bus("x", inputs),), (Bus("y", outputs),), tuple(made), tuple(nets[-outputs:])
    )
