"""What stands around the Verilog: file lists, constraints, synthesis scripts and the README."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from flow.backends.emission import Emission, VerilogPort
from flow.backends.names import comment
from flow.backends.render import fill
from flow.backends.verilog import CLOCK, HANDSHAKE

IO_SHARE = 0.2
"""Part of the period that lies outside the circuit, before its inputs and after its outputs."""
PART = "xc7a100tcsg324-1"

_CONTROL = {
    CLOCK: ("input", "clock, rising edge"),
    "rst": ("input", "synchronous reset of the handshake, active high"),
    "in_valid": ("input", "a sample stands on the inputs"),
    "in_ready": ("output", "the sample is taken at this edge"),
    "out_valid": ("output", "a result stands on the outputs"),
    "out_ready": ("input", "the result is taken at this edge"),
}


@dataclass(frozen=True, slots=True)
class About:
    """What the project files say of a circuit.

    `facts` are lines for the README (accuracy, area). `liberty` and `abc_script` are paths in
    the output folder, such as `synth/cells.lib`; without a liberty file the script maps onto
    generic gates.
    """

    description: str = "A circuit made by flow."
    facts: tuple[str, ...] = ()
    period_ns: float = 10.0
    samples: int = 0
    liberty: str | None = None
    abc_script: str | None = None


def project_files(emission: Emission, about: About) -> dict[PurePosixPath, str]:
    """`NAME.f`, `NAME.core`, `constraints/`, `synth/` and `README.md`. Pure."""
    top = emission.top
    sources = [str(path) for path in emission.files if path.parts[0] == "rtl"]
    description = _line(about.description)
    common = {"top": top, "sources": sources, "description": description, "part": PART}
    texts = {
        f"{top}.f": fill("project/files.f.j2", **common),
        f"{top}.core": fill(
            "project/core.j2", **(common | {"description": description.replace('"', "'")})
        ),
        f"constraints/{top}.sdc": _constraints(emission, about, bus=""),
        f"constraints/{top}.xdc": _constraints(emission, about, bus="[*]"),
        "synth/yosys.ys": fill(
            "project/yosys.ys.j2",
            **common,
            liberty=about.liberty,
            abc_script=about.abc_script,
        ),
        "synth/vivado.tcl": fill("project/vivado.tcl.j2", **common),
        "synth/librelane/config.json": _librelane(emission, about),
        "README.md": fill(
            "project/README.md.j2",
            **common,
            facts=[_line(fact) for fact in about.facts],
            ports=_rows(emission),
            timing=_timing(emission),
            samples=about.samples,
        ),
    }
    return {PurePosixPath(path): text for path, text in texts.items()}


def _line(text: str) -> str:
    """The text as one line of Markdown or a comment."""
    return comment(text, limit=500)


def _constraints(emission: Emission, about: About, bus: str) -> str:
    def ports(direction: str) -> list[str]:
        control = [name for name in HANDSHAKE if _CONTROL[name][0] == direction]
        data = [p for p in emission.ports if p.direction == direction]
        return control * emission.handshake + [p.name + bus * (p.width > 1) for p in data]

    delay = f"{about.period_ns * IO_SHARE:.3f}"
    return fill(
        "project/constraints.j2",
        top=emission.top,
        clocked=emission.clocked,
        clock=CLOCK if emission.clocked else "virtual_clock",
        period=f"{about.period_ns:.3f}",
        input_delay=delay,
        output_delay=delay,
        inputs=ports("input"),
        outputs=ports("output"),
    )


def _librelane(emission: Emission, about: About) -> str:
    config: dict[str, object] = {
        "meta": {"version": 2},
        "DESIGN_NAME": emission.top,
        "VERILOG_FILES": ["dir::../../rtl/*.v"],
        "CLOCK_PORT": CLOCK if emission.clocked else None,
        "CLOCK_PERIOD": about.period_ns,
        "PNR_SDC_FILE": f"dir::../../constraints/{emission.top}.sdc",
        "SIGNOFF_SDC_FILE": f"dir::../../constraints/{emission.top}.sdc",
    }
    return json.dumps(config, indent=2) + "\n"


def _rows(emission: Emission) -> list[dict[str, object]]:
    names = [CLOCK] * emission.clocked + [*HANDSHAKE] * emission.handshake
    rows: list[dict[str, object]] = []
    for name in names:
        direction, what = _CONTROL[name]
        rows.append({"name": name, "direction": direction, "width": 1, "lanes": "", "what": what})
    for port in emission.ports:
        rows.append(
            {
                "name": port.name,
                "direction": port.direction,
                "width": port.width,
                "lanes": len(port.lanes),
                "what": _kind(port),
            }
        )
    return rows


def _kind(port: VerilogPort) -> str:
    """Widths, signs and the hull of the values of a port."""
    lo = min(lane.range.lo for lane in port.lanes)
    hi = max(lane.range.hi for lane in port.lanes)
    widths = sorted({lane.width for lane in port.lanes})
    signs = {lane.range.signed for lane in port.lanes}
    sign = "signed and unsigned" if len(signs) > 1 else "signed" if True in signs else "unsigned"
    each = _bits(widths)
    return f"{each} a lane, {sign}, values in [{lo}, {hi}]"


def _bits(widths: Sequence[int]) -> str:
    if len(widths) > 1:
        return f"{widths[0]} to {widths[-1]} bits"
    return f"{widths[0]} bit" + "s" * (widths[0] != 1)


def _timing(emission: Emission) -> str:
    if not emission.clocked:
        return "Combinational: the outputs follow the inputs; there is no clock."
    stages = f"{emission.latency} register stage" + "s" * (emission.latency != 1)
    every = f"{stages}; a new sample may enter every {emission.initiation_interval} clock"
    every += "s" * (emission.initiation_interval != 1)
    if not emission.handshake:
        return (
            f"{every}. The circuit runs freely: a result stands on the outputs that many clocks"
            " after its sample."
        )
    return (
        f"{every}. A transfer happens on a rising edge where valid and ready are 1. While a result"
        " waits (`out_valid & ~out_ready`) the whole circuit stands still; `in_ready` follows"
        " `out_ready` without a register between."
    )
