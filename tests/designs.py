"""Output folders for tests: a circuit with its benches and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from strategies import input_values, random_circuit

from flow.backends.axis import with_axis
from flow.backends.bench import bench_files
from flow.backends.emission import Emission, write_files
from flow.backends.vectors import vector_files
from flow.backends.verilog import SUPPORTS, emit_verilog
from flow.ir.builder import rebuild
from flow.ir.circuit import Circuit, Port
from flow.ir.evaluate import evaluate
from flow.ir.nodes import Input
from flow.ir.text import parse_circuit

SMALL = parse_circuit("""flow-ir 1
circuit little
%0 = input x, 0, -8, 7 : [-8, 7]
%1 = input x, 1, 0, 15 : [0, 15]
%2 = add %0, %1 : [-8, 22] @ dense_1 acc 0
%3 = relu %2 : [0, 22] @ dense_1 act 0
%4 = lookup %0, -8, (1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, -5, -6) : [-6, 4]
%5 = sub %3, %4 : [-4, 28] @ dense_2 acc 0
%6 = clamp %2, 0, 3 : [0, 3]
in x = %0, %1
out y = %5, %6
""")

STAGED = parse_circuit("""flow-ir 1
circuit staged
%0 = input x, 0, -8, 7 : [-8, 7]
%1 = input x, 1, 0, 15 : [0, 15]
%2 = mul %0, %1 : [-120, 105] @ dense_1 acc 0
%3 = register %2 : [-120, 105] @ dense_1 stage 0
%4 = register %1 : [0, 15]
%5 = compare %3, %4, le : [0, 1]
%6 = select %5, %4, %3 : [-120, 105]
%7 = register %6 : [-120, 105]
in x = %0, %1
out y = %7
""")


def make(
    folder: Path,
    circuit: Circuit,
    samples: int = 100,
    handshake: bool = False,
    seed: int = 0,
    axis: bool = False,
    probes: int = 0,
) -> Emission:
    """Write the Verilog, the benches and the vectors of a circuit, and its stream wrapper."""
    emission = emit_verilog(circuit, handshake=handshake)
    emission = with_axis(emission) if axis else emission
    values = input_values(circuit, samples, seed)
    write_files(emission.files, folder)
    more = input_values(circuit, probes, seed + 1) if probes else None
    sides = (more, evaluate(circuit, more)) if more else None
    write_files(bench_files(emission, samples, probes=probes), folder)
    files = vector_files(emission, values, evaluate(circuit, values), probes=sides)
    write_files(files, folder)
    return emission


def several(seeds: Sequence[int], stages: int, wide: bool = False) -> Circuit:
    """Random circuits side by side in one, so that one compilation serves for all."""
    inputs: list[Port] = []
    outputs: list[Port] = []
    for seed in seeds:
        one = random_circuit(seed, SUPPORTS, 5 + seed % 40, wide=wide, stages=stages)
        prefix = f"c{seed}_"

        def renamed(node, intern, prefix=prefix):
            if isinstance(node, Input):
                return intern(replace(node, port=prefix + node.port))
            return node

        moved = rebuild(one, renamed)
        lanes = {(node.port, node.index): node for node in moved.walk() if isinstance(node, Input)}
        for port in one.inputs:
            name = prefix + port.name
            every = (
                lanes.get((name, i), replace(lane, port=name)) for i, lane in enumerate(port.lanes)
            )
            inputs.append(Port(name, tuple(every)))
        outputs += [Port(prefix + port.name, port.lanes) for port in moved.outputs]
    return Circuit("several", tuple(inputs), tuple(outputs))


def flip(text: str, line: int) -> str:
    """A hexadecimal file with the lowest bit of one line inverted."""
    lines = text.splitlines()
    digit = np.base_repr(int(lines[line][-1], 16) ^ 1, 16).lower()
    lines[line] = lines[line][:-1] + digit
    return "\n".join(lines) + "\n"
