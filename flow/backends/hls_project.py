"""What stands around the project that hls4ml writes: our headers, the bench, vectors, README."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from flow.backends.emission import Direction, Emission, Lane, VerilogPort
from flow.backends.hls_layers import HlsModel
from flow.backends.names import comment
from flow.backends.render import fill
from flow.backends.vectors import LAYOUT, vector_files
from flow.ir.network import Network
from flow.ir.tensor import IntArray
from flow.passes.lower_layers import port_names
from flow.tools.hls4ml import HEADERS

PROJECT = PurePosixPath("hls")
"""The folder of the project that hls4ml writes."""
BENCH = PurePosixPath("tb/tb.cpp")
_AC = "ac_int<W, true>"
_TAKEN = re.compile(r"flow|nnet|hls|ihc|sycl|x[0-9]*|input|(?:relu_)?config.*|layer.*|.*_t")
_UNROLL = "#pragma unroll"


@dataclass(frozen=True, slots=True)
class HlsBackend:
    """A backend of hls4ml: its name there, the compiler it writes for, how our C++ is spelt.

    `includes` are the folders below `hls/` that g++ needs; `unchecked` says why g++ cannot run
    the project, or is empty. With `references` arrays are objects, else plain C arrays; with
    `fixed` integers are fixed-point numbers without a fraction. Its C++ lies in `sources`.
    """

    name: str
    title: str
    command: str
    integer: str
    pipeline: str
    unroll: str
    includes: tuple[str, ...]
    references: bool = False
    unchecked: str = ""
    sizes: bool = False
    fixed: bool = False
    sources: PurePosixPath = PROJECT / "firmware"


def _xilinx(name: str, title: str, command: str) -> HlsBackend:
    return HlsBackend(
        name, title, command, "ap_int<W>", "#pragma HLS PIPELINE", "#pragma HLS UNROLL",
        ("firmware/ap_types",),
    )  # fmt: skip


BACKENDS: Mapping[str, HlsBackend] = {
    "vitis": _xilinx("Vitis", "Vitis HLS", "vitis-run --mode hls --tcl build_prj.tcl"),
    "vivado": _xilinx("Vivado", "Vivado HLS", "vivado_hls -f build_prj.tcl"),
    "catapult": HlsBackend(
        "Catapult",
        "Catapult HLS",
        "catapult -file build_prj.tcl",
        _AC,
        "",
        "#pragma hls_unroll",
        (
            "firmware/ac_types/include",
            "firmware/ac_math/include",
            "firmware/ac_simutils/include",
            "firmware/nnet_utils",
        ),
        fixed=True,
    ),
    "oneapi": HlsBackend(
        "oneAPI",
        "Intel oneAPI",
        "cmake -B build . && cmake --build build --target report",
        _AC,
        "",
        _UNROLL,
        (),
        references=True,
        sources=PROJECT / "src" / "firmware",
        unchecked="its C++ is SYCL, which only Intel's icpx compiles",
    ),
    "quartus": HlsBackend(
        "Quartus", "Intel HLS", "make", _AC, "", _UNROLL, ("firmware/ac_types",), sizes=True
    ),
}
"""By the word for --hls-backend."""


def ports(network: Network) -> tuple[VerilogPort, ...]:
    """The ports of the project, elements side by side: x, x0, ..., then y, y0, ..."""
    sides: tuple[tuple[Direction, str, list[str]], ...] = (
        ("input", "x", [layer.name for layer in network.inputs]),
        ("output", "y", list(network.outputs)),
    )
    made = []
    for direction, letter, names in sides:
        for port, name in zip(port_names(letter, len(names)), names, strict=True):
            lanes, offset = [], 0
            for values in network.types[name].ranges():
                lanes.append(Lane(offset, max(1, values.width), values))
                offset += max(1, values.width)
            made.append(VerilogPort(port, direction, tuple(lanes), port))
    return tuple(made)


def top_name(network: Network) -> str:
    """The name of the C++ function, which is none of a namespace or type beside it."""
    return f"{network.name}_top" if _TAKEN.fullmatch(network.name) else network.name


def _offsets(network: Network) -> dict[str, int]:
    """The place of each port in the words of its side."""
    found: dict[str, int] = {}
    ends = {"input": 0, "output": 0}
    for port in ports(network):
        found[port.name] = ends[port.direction]
        ends[port.direction] += port.width
    return found


def own_files(network: Network, model: HlsModel, backend: HlsBackend) -> dict[PurePosixPath, str]:
    """Our headers below `hls/`, and the bench that runs the vectors, where a compiler can."""
    layers, constants = (backend.sources / "nnet_utils" / header for header in HEADERS)
    values = model.constants
    if backend.references:  # Code for a device sees only constants of its compiler.
        values = values.replace("static const ", "static constexpr ")
    conv = any(layer.call and layer.call.function == "conv" for layer in model.layers)
    files = {
        layers: fill(
            "hls/flow_layers.h.j2",
            backend=backend.title,
            integer=backend.integer,
            pipeline=backend.pipeline,
            unroll=backend.unroll,
            references=backend.references,
            fixed=backend.fixed,
        ),
        constants: fill("hls/flow_constants.h.j2", constants=values, conv=conv),
    }
    if conv:
        files[layers.with_name("flow_conv.h")] = fill(
            "hls/flow_conv.h.j2",
            backend=backend.title,
            pipeline=backend.pipeline,
            references=backend.references,
        )
    if backend.unchecked:
        return files
    bench = fill(
        "hls/tb.cpp.j2",
        top=top_name(network),
        ports=ports(network),
        offsets=_offsets(network),
        sizes=backend.sizes,
    )
    return files | {BENCH: bench}


def hls_vectors(
    network: Network,
    inputs: Mapping[str, IntArray],
    expected: Mapping[str, IntArray],
    scales: Mapping[str, str],
) -> dict[PurePosixPath, str | bytes]:
    """`vectors/`, as of every build; the layout says nothing of clocks, which HLS decides."""
    emission = Emission({}, top_name(network), ports(network))
    files = vector_files(emission, inputs, expected, scales)
    text = files[LAYOUT]
    layout = json.loads(text)
    for clocked in ("latency", "initiation_interval", "clocked", "handshake", "work"):
        del layout[clocked]
    return files | {LAYOUT: json.dumps(layout, indent=1) + "\n"}


@dataclass(frozen=True, slots=True)
class HlsAbout:
    """What the README says: of the model, figures, choices, what hls4ml said, and why the samples
    were not run, if so."""

    description: str
    facts: tuple[str, ...]
    choices: str
    said: tuple[str, ...]
    samples: int
    unchecked: str


def readme(network: Network, backend: HlsBackend, about: HlsAbout) -> str:
    """The text of README.md."""
    return fill(
        "hls/README.md.j2",
        top=top_name(network),
        backend=backend,
        about=about,
        description=comment(about.description, limit=500),
        facts=[comment(fact, limit=500) for fact in about.facts],
        said=[comment(line, limit=500) for line in about.said],
        ports=ports(network),
        compile=" ".join(("c++", *bench_arguments(backend), "-o", "tb.out", "&&", "./tb.out")),
    )


def bench_arguments(backend: HlsBackend) -> tuple[str, ...]:
    """What a C++ compiler needs, in the output folder, to build the bench."""
    return (
        "-O1",
        "-std=c++14",
        "-w",
        '-DWEIGHTS_DIR="hls/firmware/weights"',
        *(f"-I{folder}" for folder in ("hls", *(f"hls/{part}" for part in backend.includes))),
        str(BENCH),
    )
