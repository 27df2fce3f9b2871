"""The benches of a circuit: plain Verilog, cocotb, and C++ for Verilator, on the same vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from flow.assets import asset
from flow.backends.emission import Emission, VerilogPort
from flow.backends.render import fill
from flow.backends.verilog import CLOCK, HANDSHAKE

HARNESS = ("flow_bench.py", "flow_bench.h")
"""Files of sim/ that are copied into tb/."""
STORE_HARNESS = ("chip_bench.py", "i2c_controller.py", "named_signals.py")
"""The same beside a chip with weight registers."""
HELD = (("register_copy", "q"), ("held_register", "q"), ("weight_bank", "weights"))
"""Modules and signals that its bench reads or upsets, beside the ports."""
SETS, FEW_BYTES = 3, 256
"""Sets of weights that its bench loads, one where they have more bytes than this."""
UPSETS = 600
"""Upsets that its bench tries, by chance, one after the other."""


def bench_files(
    emission: Emission, samples: int, seed: int = 1, probes: int = 0
) -> dict[PurePosixPath, str]:
    """`tb/`: benches that hold the circuit against `vectors/` with that many samples and probes.

    The plain bench prints `PASS n of n` or `FAIL k of n`, or, where there are probes,
    `PASS n of n samples, m of m probes`; `seed` drives gaps and pauses.
    """
    words = samples + probes
    top, bench = emission.top, f"tb_{emission.top}"
    in_width = max(1, sum(port.width for port in emission.inputs))
    out_width = max(1, sum(port.width for port in emission.outputs))
    pins = [{"name": CLOCK, "net": CLOCK}] * emission.clocked
    pins += [{"name": name, "net": name} for name in HANDSHAKE] * emission.handshake
    pins += [*_pins(emission.inputs, "word", in_width), *_pins(emission.outputs, "got", out_width)]
    values = {
        "top": top,
        "bench": bench,
        "samples": samples,
        "probes": probes,
        "last": max(0, words - 1),
        "in_msb": in_width - 1,
        "out_msb": out_width - 1,
        "out_width": out_width,
        "out_words": out_width // 32 + 2,
        "clocked": emission.clocked,
        "handshake": emission.handshake,
        "latency": emission.latency,
        "seed": seed,
        "patience": 20 * words * emission.initiation_interval + 10 * emission.latency + 1000,
        "drain": emission.latency + 4,
        "pins": pins,
        "inputs": _places(emission.inputs),
        "outputs": _places(emission.outputs),
        "sources": [f"{top}.v", *emission.parts],
        "script": "run.py",
        "build": "sim_build",
    }
    made = [
        (f"{bench}.v", "tb.v.j2", values),
        (f"{bench}.cpp", "tb.cpp.j2", values),
        (f"test_{top}.py", "test.py.j2", values),
        ("run.py", "run.py.j2", values),
    ]
    if emission.axis is not None:
        wrapped = values | {
            "top": emission.axis.top,
            "sources": sorted(path.name for path in emission.files if path.parts[0] == "rtl"),
            "script": "run_axis.py",
            "build": "sim_build_axis",
        }
        made += [
            (f"test_{emission.axis.top}.py", "test_axis.py.j2", wrapped),
            ("run_axis.py", "run.py.j2", wrapped),
        ]
    harness: tuple[str, ...] = HARNESS
    if (store := emission.store) is not None:
        chip = values | {
            "top": store.top,
            "sources": sorted(path.name for path in emission.files if path.parts[0] == "rtl"),
            "script": "run_chip.py",
            "build": "sim_build_chip",
            "sets": SETS if store.bytes <= FEW_BYTES else 1,
            "upsets": UPSETS,
            "upset_weights": store.tmr_weights,
            "upset_control": store.tmr_control,
            "named": ((store.top, "*"), *HELD),
        }
        made += [
            (f"test_{store.top}.py", "test_chip.py.j2", chip),
            ("run_chip.py", "run_chip.py.j2", chip),
        ]
        harness += STORE_HARNESS
    files = {
        PurePosixPath("tb", name): fill(f"verilog/{template}", **given)
        for name, template, given in made
    }
    for name in harness:
        files[PurePosixPath("tb", name)] = asset("sim", name).read_text(encoding="utf-8")
    return files


def _places(ports: Sequence[VerilogPort]) -> list[dict[str, str | int]]:
    places: list[dict[str, str | int]] = []
    offset = 0
    for port in ports:
        places.append({"name": port.name, "offset": offset, "width": port.width})
        offset += port.width
    return places


def _pins(ports: Sequence[VerilogPort], net: str, width: int) -> list[dict[str, str]]:
    pins: list[dict[str, str]] = []
    offset = 0
    for port in ports:
        top = offset + port.width - 1
        bits = f"[{top}:{offset}]" if port.width > 1 else f"[{offset}]"
        pins.append({"name": port.name, "net": f"{net}{bits}"})
        offset += port.width
    return pins
