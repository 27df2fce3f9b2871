"""The mapped registers and serial port of a chip against their Verilog, module by module.

A bank of many bytes is some equal slices, each a module of its own in the netlist: one of each
size is proved. Then all around them is, with slices and circuit as boxes: what goes into a box
must be equal, what comes out of it is any value.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from flow.backends.emission import Emission, Store
from flow.backends.weight_store import chip_ports
from flow.errors import ToolFailed
from flow.ir.aig import Aig
from flow.verify.chain import Link, graph_of, prove_link, renamed
from flow.verify.verdict import Verdict

REST = "netlist = Verilog, around slices and circuit"
SLICE = "weight_slice"
_HELD = (".q", ".box")
"""Ends of the names of what a copy of a register holds, or a box."""
_SLICE_PORTS = (
    "input wire clk, input wire here, input wire write, input wire [7:0] place, "
    "input wire [7:0] data, output wire [7:0] read, output wire differ, output wire lost, "
    "output wire [{bits}-1:0] weights"
)


def prove_chip(
    folder: Path, emission: Emission, store: Store, *, timeout_s: float, seed: int
) -> tuple[Verdict, ...]:
    """A verdict for each size of slices, and for what stands around them; a mutant is refused
    first. `folder` has rtl/ and netlist/."""
    deadline = time.monotonic() + timeout_s
    sizes = sorted({min(store.bank, store.bytes - k * store.bank) for k in range(store.banks)})
    texts = {path: (folder / path).read_text() for path in _files(emission, store)}
    makers = {slice_check(n): partial(_slice_link, texts, store, n, timeout_s) for n in sizes}
    makers[REST] = partial(_rest_link, texts, emission, store, sizes, timeout_s)
    return tuple(
        prove_link(check, make, deadline, seed, emission) for check, make in makers.items()
    )


def slice_check(size: int) -> str:
    """The name of the check of slices of so many bytes."""
    return f"netlist = Verilog, slices of {size} bytes"


def _files(emission: Emission, store: Store) -> list[str]:
    """Files of the Verilog but the circuit's, and of the netlist."""
    names = [f"rtl/{name}.v" for name in (*sorted(emission.primitives), store.top)]
    return [*names, f"netlist/{store.top}.v", "netlist/cells.v"]


def _slice_link(texts: Mapping[str, str], store: Store, size: int, timeout_s: float) -> Link:
    rtl = [path for path in texts if path.startswith("rtl/") and f"/{store.top}." not in path]
    name = f"{SLICE}_{8 * size}"
    ours = [
        *(f"read_verilog {path}" for path in rtl),
        f"chparam -set BYTES {size} -set TMR {int(store.tmr_weights)} {SLICE}",
        f"hierarchy -check -top {SLICE}",
    ]
    theirs = [*_netlist(store), f"hierarchy -check -top {name}"]
    return _link(slice_check(size), texts, {}, ours, theirs, timeout_s)


def _rest_link(
    texts: Mapping[str, str],
    emission: Emission,
    store: Store,
    sizes: Sequence[int],
    timeout_s: float,
) -> Link:
    rtl = [path for path in texts if path.startswith("rtl/") and f"/{SLICE}." not in path]
    head = "parameter BYTES = 64, parameter TMR = 0"
    boxes = {
        "slice.v": _box(SLICE, _SLICE_PORTS.format(bits="8*BYTES"), "8*BYTES", head),
        "slices.v": "".join(
            _box(f"{SLICE}_{8 * size}", _SLICE_PORTS.format(bits=8 * size), str(8 * size))
            for size in sizes
        ),
        "circuit.v": _circuit_box(emission, store),
    }
    ours = [
        *(f"read_verilog {path}" for path in (*rtl, "slice.v", "circuit.v")),
        f"hierarchy -check -top {store.top}",
    ]
    theirs = [
        *_netlist(store),
        "read_verilog -overwrite slices.v circuit.v",
        f"hierarchy -check -top {store.top}",
    ]
    return _link(REST, texts, boxes, ours, theirs, timeout_s)


def _netlist(store: Store) -> list[str]:
    return ["read_verilog netlist/cells.v", f"read_verilog -overwrite netlist/{store.top}.v"]


def _box(name: str, ports: str, bits: str, head: str = "") -> str:
    """A slice that holds what comes in, and whose outputs are what it holds."""
    parameters = f"#({head}) " if head else ""
    return f"""module {name} {parameters}({ports});
    (* keep *) reg [{bits}+9:0] box;
    always @(posedge clk) box <= {{here, write, place, data}};
    assign {{read, differ, lost, weights}} = box;
endmodule
"""


def _circuit_box(emission: Emission, store: Store) -> str:
    """The same for the circuit, at any clock."""
    pins = [(way, name, bits) for way, name, bits in chip_ports(emission, store)]
    port = next(p for p in emission.inputs if p.name == store.port)
    pins.append(("input", port.name, port.width))
    pins += [("input", "clk", 1)] * emission.clocked + [("input", "rst", 1)] * emission.handshake
    ports = ", ".join(f"{way} wire [{bits - 1}:0] {name}" for way, name, bits in pins)
    inner, outer = (
        [(name, bits) for kind, name, bits in pins if kind == way and name != "clk"]
        for way in ("input", "output")
    )
    bits = max(sum(n for _, n in inner), sum(n for _, n in outer))
    return f"""module {emission.top} ({ports});
    (* gclk *) wire any;
    (* keep *) reg [{bits - 1}:0] box;
    always @(posedge any) box <= {{{", ".join(name for name, _ in inner)}}};
    assign {{{", ".join(name for name, _ in outer)}}} = box;
endmodule
"""


def _link(
    check: str,
    texts: Mapping[str, str],
    boxes: Mapping[str, str],
    ours: Sequence[str],
    theirs: Sequence[str],
    timeout_s: float,
) -> Link:
    """Both graphs, their registers under the names of the copies and boxes that hold them."""
    with tempfile.TemporaryDirectory(prefix="flow-chip-") as scratch:
        place = Path(scratch)
        for path, text in {**texts, **boxes}.items():
            (place / path).parent.mkdir(exist_ok=True)
            (place / path).write_text(text)
        pair = [_graph(read, place, timeout_s) for read in (theirs, ours)]
    return Link(check, pair[0], pair[1])


def _graph(read: Sequence[str], place: Path, timeout_s: float) -> Aig:
    # What a branch leaves open is taken as 0; the proof fails where an answer hangs on it.
    flat = ["setattr -mod -unset keep_hierarchy *", "proc -norom", "setundef -zero"]
    raw, wires = graph_of([*read, *flat], place, timeout_s, clocked=True)
    # What is held once only is the output of its register too: the innermost name counts.
    held = sorted((wire.count("."), wire, latch, bit) for latch, bit, wire in wires)
    names = {latch: f"{wire}[{bit}]" for _, wire, latch, bit in held if wire.endswith(_HELD)}
    if lost := [x for x in raw.inputs if x.startswith("Q:") and x[2:] not in names]:
        raise ToolFailed(f"the register {lost[0]} of the chip has no name")
    return renamed(raw, names)
