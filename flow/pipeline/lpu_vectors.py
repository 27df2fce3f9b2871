"""What the cocotb bench of a chip compares: each instruction's result for the first tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flow.ir.language_instructions import Choose, Store
from flow.ir.language_meaning import Machine
from flow.mapping.lpu.assemble import Assembly


def vector_files(assembly: Assembly, tokens: Sequence[int]) -> dict[str, str]:
    """vectors/layers.json and vectors/layout.json by name."""
    program, memory = assembly.program, assembly.memory
    machine = Machine(program)
    last = program.instructions[-1]
    assert isinstance(last, Choose)
    steps, answers = [], []
    for position, token in enumerate(tokens):
        found: list[dict[str, Any]] = []
        for instruction, values in machine.trace([token]):
            if isinstance(instruction, Store):
                name, kind = instruction.cache, 2
                base = memory.caches[name] + position * memory.cache_size
            else:
                assert not isinstance(instruction, Choose)
                name, kind = instruction.to, 1
                base = memory.vectors[name]
            found.append(
                {"op": instruction.op, "name": name, "memory": kind, "base": base,
                 "values": values[0].tolist()}
            )  # fmt: skip
        steps.append(found)
        answers.append(int(machine.memory[last.source][0].argmax()))
    bench = {
        "tokens": list(tokens), "answers": answers, "of": [word.of for word in assembly.words],
        "steps": steps,
    }  # fmt: skip
    lane = {"name": "token", "offset": 0, "width": 32, "signed": False}
    layout = {
        "top": "chip", "samples": len(tokens), "work": 1,
        "outputs": {"width": 32, "ports": [{"name": "token", "offset": 0, "lanes": [lane]}]},
    }  # fmt: skip
    return {
        "layers.json": json.dumps(bench) + "\n",
        "layout.json": json.dumps(layout, indent=1) + "\n",
    }
