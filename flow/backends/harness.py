"""Registers around a circuit, so that place and route sees a clock and few pins."""

from __future__ import annotations

from flow.backends.emission import Emission
from flow.backends.verilog import CLOCK

HARNESS = "flow_harness"
CONTROL_IN = ("rst", "in_valid", "out_ready")
CONTROL_OUT = ("in_ready", "out_valid")


def harness(emission: Emission) -> str:
    """A module with the pins clk, si and so around the top of an emission.

    Every input bit comes from a flip-flop of a shift register, every output bit goes to one of
    its own at once; behind them a chain of flip-flops adds them up modulo two, so that none is
    idle and no net fans out. Paths inside the circuit are as they are in any design around it.
    """
    inputs = [(port.name, port.width) for port in emission.inputs if port.width]
    outputs = [(port.name, port.width) for port in emission.outputs if port.width]
    if emission.handshake:
        inputs += [(name, 1) for name in CONTROL_IN]
        outputs += [(name, 1) for name in CONTROL_OUT]
    wide_in = max(1, sum(width for _, width in inputs))
    wide_out = max(1, sum(width for _, width in outputs))
    pins = [f".{CLOCK}({CLOCK})"] if emission.clocked else []
    for name, (_, part) in _slices(inputs, "in_q").items():
        pins.append(f".{name}({part})")
    for name, (_, part) in _slices(outputs, "result").items():
        pins.append(f".{name}({part})")
    first = "si" if wide_in == 1 else f"{{in_q[{wide_in - 2}:0], si}}"
    ends = ",\n    ".join(pins)
    chain = (
        "sum_q <= out_q ^ si;"
        if wide_out == 1
        else (f"sum_q <= out_q ^ {{sum_q[{wide_out - 2}:0], in_q[{wide_in - 1}]}};")
    )
    return (
        f"module {HARNESS} (input {CLOCK}, input si, output so);\n"
        f"  reg [{wide_in - 1}:0] in_q;\n"
        f"  wire [{wide_out - 1}:0] result;\n"
        f"  reg [{wide_out - 1}:0] out_q;\n"
        f"  reg [{wide_out - 1}:0] sum_q;\n"
        f"  {emission.top} dut (\n    {ends});\n"
        f"  always @(posedge {CLOCK}) begin\n"
        f"    in_q <= {first};\n"
        f"    out_q <= result;\n"
        f"    {chain}\n"
        f"  end\n"
        f"  assign so = sum_q[{wide_out - 1}];\n"
        "endmodule\n"
    )


def _slices(ports: list[tuple[str, int]], bus: str) -> dict[str, tuple[int, str]]:
    """Each port with where it begins on a bus, and that part of the bus."""
    at, found = 0, {}
    for name, width in ports:
        text = f"{bus}[{at}]" if width == 1 else f"{bus}[{at + width - 1}:{at}]"
        found[name] = at, text
        at += width
    return found
