"""A project for Tiny Tapeout: a small circuit behind the fixed ports of its tiles.

Ports, tiles and the fields of info.yaml are those of https://tinytapeout.com/hdl/important/ and of
its public templates (yaml_version 6).
"""

from __future__ import annotations

from pathlib import PurePosixPath

from flow.backends.emission import Emission
from flow.backends.names import MAX_LENGTH, comment
from flow.backends.render import fill
from flow.errors import UsageError

TILES: tuple[tuple[str, int], ...] = (
    ("1x1", 1), ("1x2", 2), ("2x2", 4), ("3x2", 6), ("4x2", 8), ("6x2", 12), ("8x2", 16),
)  # fmt: skip
"""The sizes that may be chosen, with how many tiles they have."""
TILE_UM2 = 161.0 * 111.52
"""Area of one tile in SKY130."""
FILLED = 0.6
"""Part of a tile that cells may fill, so that wires find their way."""
MOST_BYTES = 256
"""Of a sample, or of an answer: more takes too long a byte at a time."""
_PREFIX = "tt_um_"
_CONTROL = {"rst": "~rst_n", "in_valid": "1'b1", "out_ready": "1'b1"}


def tiny_files(
    emission: Emission, um2: float, flipflop_um2: float, description: str, period_ns: float
) -> dict[PurePosixPath, str]:
    """`tinytapeout/`: info.yaml, docs/info.md, src/ with the top `tt_um_...` and the circuit.

    `um2` is the area of the mapped circuit, `flipflop_um2` that of a flip-flop. UsageError where
    the circuit is too large for the largest tiles, or its samples for a port of a byte.
    """
    in_bits = sum(port.width for port in emission.inputs)
    out_bits = sum(port.width for port in emission.outputs)
    in_bytes, out_bytes = max(1, -(-in_bits // 8)), -(-out_bits // 8)
    if max(in_bytes, out_bytes) > MOST_BYTES:
        raise UsageError(
            f"a sample of {in_bytes} bytes and an answer of {out_bytes} are too large for "
            "Tiny Tapeout",
            hint=f"at most {MOST_BYTES} bytes each",
        )
    # A multiplexer at each flip-flop is about as large as the flip-flop.
    whole = um2 + 2 * flipflop_um2 * 8 * (in_bytes + out_bytes)
    tiles = next((name for name, count in TILES if whole <= count * TILE_UM2 * FILLED), None)
    if tiles is None:
        raise UsageError(
            f"a circuit of {whole:.0f} um2 is too large for Tiny Tapeout",
            hint=f"at most {TILES[-1][1] * TILE_UM2 * FILLED:.0f} um2 of cells",
        )
    wrapper = _PREFIX + emission.top[: MAX_LENGTH - len(_PREFIX)].rstrip("_")
    text = comment(description, limit=200).replace('"', "'").replace("\\", "/")
    clocks = emission.latency + 1
    common = {
        "wrapper": wrapper,
        "top": emission.top,
        "description": text,
        "in_bytes": in_bytes,
        "out_bytes": out_bytes,
        "clocks": clocks,
    }
    clock_hz = round(1e9 / max(period_ns, 20.0))
    files = {
        "info.yaml": fill(
            "project/tiny_info.yaml.j2", **common, title=emission.top, author="see the model",
            clock_hz=clock_hz, tiles=tiles, sources=[f"{wrapper}.v", f"{emission.top}.v"],
        ),
        "docs/info.md": fill("project/tiny_info.md.j2", **common),
        f"src/{emission.top}.v": emission.files[PurePosixPath("rtl", f"{emission.top}.v")],
        f"src/{wrapper}.v": _wrapper(emission, common, in_bits, out_bits),
    }  # fmt: skip
    return {PurePosixPath("tinytapeout", path): text for path, text in files.items()}


def _wrapper(emission: Emission, common: dict[str, object], in_bits: int, out_bits: int) -> str:
    in_width, out_width = 8 * max(1, -(-in_bits // 8)), 8 * -(-out_bits // 8)
    pins = [{"name": "clk", "net": "clk"}] * emission.clocked
    if emission.handshake:
        pins += [{"name": name, "net": net} for name, net in _CONTROL.items()]
        pins += [{"name": "in_ready", "net": ""}, {"name": "out_valid", "net": ""}]
    for ports, net in ((emission.inputs, "sample"), (emission.outputs, "answer")):
        offset = 0
        for port in ports:
            pins.append({"name": port.name, "net": f"{net}[{offset + port.width - 1}:{offset}]"})
            offset += port.width
    wait = "at once" if not emission.clocked else f"after {emission.latency} more edges"
    return fill(
        "verilog/tiny_tapeout.v.j2",
        **common,
        wait=wait,
        in_width=in_width,
        out_width=out_width,
        out_bits=out_bits,
        padding=out_width > out_bits,
        shifted="ui_in" if in_width == 8 else f"{{ui_in, sample[{in_width - 1}:8]}}",
        spare="" if in_width == in_bits else f", sample[{in_width - 1}:{in_bits}]",
        pins=pins,
    )
