"""Test vectors as files for a tester: STIL (IEEE 1450-1999), and hexadecimal words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flow.ir.netlist import Bus

Bits = NDArray[np.uint8]


def stil(
    title: str,
    inputs: Sequence[Bus],
    outputs: Sequence[Bus],
    vectors: Bits,
    answers: Bits,
    period_ns: int,
) -> str:
    """A STIL file of vectors (vectors, input bits) and their right answers (vectors, output bits).

    Inputs are driven at the beginning of a period, outputs compared near its end: L is 0, H is 1.
    A line of the pattern has the bits of all inputs, then of all outputs, in order of the groups.
    """
    ins = [bit for bus in inputs for bit in bus.bits]
    outs = [bit for bus in outputs for bit in bus.bits]
    strobe = period_ns * 9 // 10
    lines = [
        "STIL 1.0;",
        f'Header {{ Title "{title}"; }}',
        "Signals {",
        *(f'  "{name}" In;' for name in ins),
        *(f'  "{name}" Out;' for name in outs),
        "}",
        "SignalGroups {",
        f"  inputs = '{_sum(ins)}';",
        f"  outputs = '{_sum(outs)}';",
        "}",
        "Timing {",
        '  WaveformTable "static" {',
        f"    Period '{period_ns}ns';",
        "    Waveforms {",
        "      inputs { 01 { '0ns' D/U; } }",
        f"      outputs {{ LH {{ '{strobe}ns' L/H; }} }}",
        "    }",
        "  }",
        "}",
        'PatternBurst "all" { PatList { "stuck_at"; } }',
        'PatternExec { PatternBurst "all"; }',
        'Pattern "stuck_at" {',
        '  W "static";',
    ]
    for vector, answer in zip(vectors.tolist(), answers.tolist(), strict=True):
        driven = "".join(map(str, vector))
        wanted = "".join("H" if bit else "L" for bit in answer)
        lines.append(f"  V {{ inputs = {driven}; outputs = {wanted}; }}")
    return "\n".join([*lines, "}"]) + "\n"


def _sum(names: Sequence[str]) -> str:
    return " + ".join(f'"{name}"' for name in names)


def hex_words(bits: Bits) -> str:
    """A line for each row: one word with the first bit lowest, the highest digit first."""
    digits = max(1, (bits.shape[1] + 3) // 4)
    padded = np.pad(bits[:, ::-1], ((0, 0), (-bits.shape[1] % 8, 0)))
    rows = np.packbits(padded, axis=1)
    return "".join(f"{row.tobytes().hex()[-digits:]}\n" for row in rows)
