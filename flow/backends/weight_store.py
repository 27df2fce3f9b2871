"""A chip around a circuit whose weights are an input: registers, loaded by I2C, hold them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

from flow.assets import asset
from flow.backends.emission import Emission, Store
from flow.backends.names import MAX_LENGTH, STORE_MODULES
from flow.backends.render import fill
from flow.backends.verilog import CLOCK, HANDSHAKE
from flow.errors import InternalError, UsageError

Triple = Literal["none", "weights", "control", "all"]
"""Which registers of a chip are held in three copies."""
TRIPLES: tuple[str, ...] = get_args(Triple)
MAX_BYTES = 1 << 15
"""The counters lie above."""
PORTS = ("scl", "sda", "sda_low")
"""The serial port."""

_SUFFIX = "_chip"


def with_store(emission: Emission, port: str, tmr: Triple = "none") -> Emission:
    """The emission with a chip whose registers hold the input `port` of the circuit.

    UsageError where there are more weights than addresses; InternalError without such an input.
    """
    found = [p for p in emission.inputs if p.source == port]
    if not found:
        raise InternalError(f"{emission.top} has no input {port!r}")
    store = Store(
        emission.top[: MAX_LENGTH - len(_SUFFIX)].rstrip("_") + _SUFFIX,
        found[0].name,
        found[0].width,
        tmr in ("weights", "all"),
        tmr in ("control", "all"),
    )
    if store.bytes > MAX_BYTES:
        raise UsageError(
            f"{store.bytes} bytes of weights are more than the I2C port can address",
            hint=f"at most {MAX_BYTES}: give fewer --weight-bits, or --weights constants",
        )
    files = {PurePosixPath("rtl", f"{store.top}.v"): _chip(emission, store)}
    for name in STORE_MODULES:
        files[PurePosixPath("rtl", f"{name}.v")] = asset("rtl", f"{name}.v").read_text("utf-8")
    return replace(
        emission,
        files={**emission.files, **files},
        primitives=emission.primitives | set(STORE_MODULES),
        store=store,
    )


def store_layout(store: Store) -> dict[str, Any]:
    """What benches must know of a store."""
    sizes = {name: getattr(store, name) for name in ("bytes", "counters", "first_counter")}
    return asdict(store) | sizes


def chip_ports(emission: Emission, store: Store) -> Iterator[tuple[str, str, int]]:
    """Direction, name and width of every port beside clk, rst and the serial port."""
    if emission.handshake:
        for name in HANDSHAKE[1:]:
            yield ("output" if name in ("in_ready", "out_valid") else "input"), name, 1
    for port in emission.ports:
        if port.name != store.port:
            yield port.direction, port.name, port.width


def _chip(emission: Emission, store: Store) -> str:
    names = [CLOCK] * emission.clocked + [*HANDSHAKE] * emission.handshake
    pins = [{"name": name, "net": name} for name in names]
    for port in emission.ports:
        net = port.name if port.name != store.port else _low("weights", store.bits)
        pins.append({"name": port.name, "net": net})
    return fill(
        "verilog/chip.v.j2",
        chip=store.top,
        top=emission.top,
        port=store.port,
        bytes=store.bytes,
        bits=store.bits,
        bank=store.bank,
        address=store.address,
        tmr_weights=int(store.tmr_weights),
        tmr_control=int(store.tmr_control),
        copies=_copies(store),
        ports=[
            {"direction": f"{way:6}", "name": name, "range": f"[{width - 1}:0] " * (width > 1)}
            for way, name, width in chip_ports(emission, store)
        ],
        pins=pins,
    )


def _low(name: str, bits: int) -> str:
    return f"{name}[{bits - 1}:0]"


def _copies(store: Store) -> str:
    match store.tmr_weights, store.tmr_control:
        case True, True:
            return "Weights and control are held in three copies."
        case True, False:
            return "The weights are held in three copies."
        case False, True:
            return "The control is held in three copies."
    return "No register has copies."
