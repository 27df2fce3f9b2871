"""What stands around the Verilog: file lists, constraints, synthesis scripts and the README."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from flow.backends.emission import Axis, Direction, Emission, Store, VerilogPort
from flow.backends.names import comment
from flow.backends.render import fill
from flow.backends.verilog import CLOCK, HANDSHAKE
from flow.backends.weight_store import chip_ports

IO_SHARE = 0.2
"""Part of the period that lies outside the circuit, before its inputs and after its outputs."""
UNCERTAINTY = 0.02
"""Part of the period that edges of the clock may be early or late."""
PART = "xc7a100tcsg324-1"

TimeUnit = Literal["ns", "us"]
_PER_NS: dict[TimeUnit, float] = {"ns": 1.0, "us": 1e-3}

_CONTROL: dict[str, tuple[Direction, str]] = {
    CLOCK: ("input", "clock, rising edge"),
    "rst": ("input", "synchronous reset of the handshake, active high"),
    "in_valid": ("input", "a sample stands on the inputs"),
    "in_ready": ("output", "the sample is taken at this edge"),
    "out_valid": ("output", "a result stands on the outputs"),
    "out_ready": ("input", "the result is taken at this edge"),
}
_STREAM: dict[str, tuple[Direction, str]] = {
    "aclk": ("input", "clock, rising edge"),
    "aresetn": ("input", "synchronous reset, active low"),
    "s_axis_tdata": ("input", "a sample"),
    "s_axis_tvalid": ("input", "a sample stands on s_axis"),
    "s_axis_tready": ("output", "the sample is taken at this edge"),
    "s_axis_tlast": ("input", "carried along with the sample"),
    "m_axis_tdata": ("output", "a result"),
    "m_axis_tvalid": ("output", "a result stands on m_axis"),
    "m_axis_tready": ("input", "the result is taken at this edge"),
    "m_axis_tlast": ("output", "s_axis_tlast of its sample"),
}


@dataclass(frozen=True, slots=True)
class About:
    """What the project files say of a circuit.

    `facts` are lines for the README (accuracy, area). `liberty` and `abc_script` are paths in
    the output folder, such as `synth/cells.lib`, `mapping` says what the script for Yosys gives
    (lines for its head and for the README), and `time_unit` is that of the library;
    `synthesis` is a Yosys command for an FPGA. With neither, the script maps onto generic gates.
    """

    description: str = "A circuit made by flow."
    facts: tuple[str, ...] = ()
    period_ns: float = 10.0
    samples: int = 0
    probes: int = 0
    liberty: str | None = None
    abc_script: str | None = None
    mapping: tuple[str, ...] = ()
    time_unit: TimeUnit = "ns"
    synthesis: str | None = None


@dataclass(frozen=True, slots=True)
class _Outside:
    """A module as its constraints see it: its clock, and ports that are (name, bits)."""

    top: str
    clock: str | None
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


def project_files(emission: Emission, about: About) -> dict[PurePosixPath, str]:
    """`NAME.f`, `NAME.core`, `constraints/`, `synth/` and `README.md`. Pure."""
    top = emission.top
    modules = [_circuit(emission)]
    if emission.axis is not None:
        modules.append(_wrapper(emission.axis))
    if emission.store is not None:
        modules.append(_chip(emission, emission.store))
    description = _line(about.description)
    common = {
        "top": top,
        "tops": [module.top for module in modules],
        "sources": _sources(emission),
        "description": description,
        "part": PART,
    }
    texts = {
        f"{top}.f": fill("project/files.f.j2", **common),
        f"{top}.core": fill(
            "project/core.j2", **(common | {"description": description.replace('"', "'")})
        ),
        "synth/yosys.ys": fill(
            "project/yosys.ys.j2",
            **common,
            liberty=about.liberty,
            abc_script=about.abc_script,
            mapping=about.mapping,
            synthesis=about.synthesis,
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
            probes=about.probes,
            axis=None if emission.axis is None else _stream_text(emission.axis),
            mapped=about.liberty is not None,
            mapping=about.mapping,
            period=f"{_number(about.period_ns * _PER_NS[about.time_unit])} {about.time_unit}",
        ),
    }
    for module in modules:
        for kind in ("sdc", "xdc"):
            texts[f"constraints/{module.top}.{kind}"] = _constraints(module, about, kind)
    return {PurePosixPath(path): text for path, text in texts.items()}


def _sources(emission: Emission) -> list[str]:
    """The Verilog in order of compilation: what is instantiated before what instantiates it."""
    top = f"rtl/{emission.top}.v"
    around = emission.axis or emission.store
    wrapper = f"rtl/{around.top}.v" if around is not None else ""
    files = [str(path) for path in emission.files if path.parts[0] == "rtl"]
    last = [file for file in (top, wrapper) if file in files]
    return [*sorted(file for file in files if file not in last), *last]


def _line(text: str) -> str:
    """The text as one line of Markdown or a comment."""
    return comment(text, limit=500)


def _circuit(emission: Emission) -> _Outside:
    def ports(direction: Direction) -> tuple[tuple[str, int], ...]:
        control = [(name, 1) for name in HANDSHAKE if _CONTROL[name][0] == direction]
        data = [(port.name, port.width) for port in emission.ports if port.direction == direction]
        return (*(control * emission.handshake), *data)

    clock = CLOCK if emission.clocked else None
    return _Outside(emission.top, clock, ports("input"), ports("output"))


def _wrapper(axis: Axis) -> _Outside:
    widths = {"s_axis_tdata": axis.inputs.width, "m_axis_tdata": axis.outputs.width}
    sides: dict[Direction, list[tuple[str, int]]] = {"input": [], "output": []}
    for name, (direction, _) in _STREAM.items():
        if name != "aclk":
            sides[direction].append((name, widths.get(name, 1)))
    return _Outside(axis.top, "aclk", tuple(sides["input"]), tuple(sides["output"]))


def _chip(emission: Emission, store: Store) -> _Outside:
    sides: dict[str, list[tuple[str, int]]] = {
        "input": [("rst", 1), ("scl", 1), ("sda", 1)],
        "output": [("sda_low", 1)],
    }
    for way, name, width in chip_ports(emission, store):
        sides[way].append((name, width))
    return _Outside(store.top, CLOCK, tuple(sides["input"]), tuple(sides["output"]))


def _constraints(module: _Outside, about: About, kind: str) -> str:
    """SDC in the unit of the library, which timers take for that of every number; XDC in ns."""
    unit: TimeUnit = about.time_unit if kind == "sdc" else "ns"
    period = about.period_ns * _PER_NS[unit]

    def names(ports: Sequence[tuple[str, int]]) -> list[str]:
        return [name + "[*]" * (kind == "xdc" and bits > 1) for name, bits in ports]

    return fill(
        "project/constraints.j2",
        top=module.top,
        clocked=module.clock is not None,
        clock=module.clock or "virtual_clock",
        period=_number(period),
        unit=unit,
        set_units=kind == "sdc",
        share=f"{IO_SHARE:.0%}",
        delay=_number(period * IO_SHARE),
        uncertainty=_number(period * UNCERTAINTY),
        inputs=names(module.inputs),
        outputs=names(module.outputs),
    )


def _number(value: float) -> str:
    """Decimal digits without an exponent."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _librelane(emission: Emission, about: About) -> str:
    top = emission.top if emission.store is None else emission.store.top
    clocked = emission.clocked or emission.store is not None
    config: dict[str, object] = {
        "meta": {"version": 2, "flow": "Classic"},
        "DESIGN_NAME": top,
        "VERILOG_FILES": [f"dir::../../{file}" for file in _sources(emission)],
        "CLOCK_PORT": CLOCK if clocked else None,
        "CLOCK_PERIOD": about.period_ns,
    }
    if about.time_unit == "ns":
        # Its libraries count in ns; in another unit our constraints would be read wrongly.
        sdc = f"dir::../../constraints/{top}.sdc"
        config |= {"PNR_SDC_FILE": sdc, "SIGNOFF_SDC_FILE": sdc}
    return json.dumps(config, indent=2) + "\n"


def _stream_text(axis: Axis) -> dict[str, object]:
    rows = [
        {"name": name, "direction": direction, "width": width, "what": what}
        for (name, (direction, what)), width in zip(
            _STREAM.items(), _stream_widths(axis), strict=True
        )
    ]
    return {
        "top": axis.top,
        "latency": axis.latency,
        "ports": rows,
        "sides": [
            {
                "port": port,
                "elements": side.elements,
                "type": f"{'' if side.signed else 'u'}int{side.bits}",
            }
            for port, side in (("s_axis_tdata", axis.inputs), ("m_axis_tdata", axis.outputs))
        ],
    }


def _stream_widths(axis: Axis) -> list[int]:
    widths = {"s_axis_tdata": axis.inputs.width, "m_axis_tdata": axis.outputs.width}
    return [widths.get(name, 1) for name in _STREAM]


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
    interval = emission.initiation_interval
    clocks = "clock" if interval == 1 else f"{interval} clocks"
    every = f"{stages}; a new sample may enter every {clocks}"
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
