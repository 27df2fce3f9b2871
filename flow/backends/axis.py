"""An AXI4-Stream wrapper around a circuit: `rtl/<top>_axis.v` and the modules it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from flow.assets import asset
from flow.backends.emission import Axis, Emission, Stream, VerilogPort
from flow.backends.names import MAX_LENGTH, STREAM_MODULES
from flow.backends.render import fill
from flow.backends.verilog import CLOCK, HANDSHAKE
from flow.errors import InternalError

REGISTERS = 2
"""Clocks that the wrapper adds: a register before the circuit, and one behind it."""

_SUFFIX = "_axis"
_PINS = dict(
    zip(
        (CLOCK, *HANDSHAKE),
        ("aclk", "~aresetn", "sample_valid", "sample_ready", "result_valid", "result_ready"),
        strict=True,
    )
)


def with_axis(emission: Emission) -> Emission:
    """The emission with its wrapper, whose beats are whole samples.

    An element of tdata is a lane, extended to 8, 16, 32 or a multiple of 64 bits; all elements
    of a side have the same bits and are signed if one lane is. Raises InternalError for a
    circuit with a clock and without a handshake, which cannot wait.
    """
    if emission.clocked and not emission.handshake:
        raise InternalError(f"{emission.top} has registers and cannot wait for a stream")
    axis = Axis(
        emission.top[: MAX_LENGTH - len(_SUFFIX)].rstrip("_") + _SUFFIX,
        emission.latency + REGISTERS,
        stream(emission.inputs),
        stream(emission.outputs),
    )
    files = {PurePosixPath("rtl", f"{axis.top}.v"): _wrapper(emission, axis)}
    for name in STREAM_MODULES:
        text = asset("rtl", f"{name}.v").read_text(encoding="utf-8")
        files[PurePosixPath("rtl", f"{name}.v")] = text
    return replace(
        emission,
        files={**emission.files, **files},
        primitives=emission.primitives | set(STREAM_MODULES),
        axis=axis,
    )


def stream(ports: Sequence[VerilogPort]) -> Stream:
    """How the lanes of all ports, one after the other, are packed into a beat."""
    lanes = [lane for port in ports for lane in port.lanes]
    signed = any(lane.range.signed for lane in lanes)
    need = max((x.width + (signed and not x.range.signed) for x in lanes), default=1)
    bits = next((size for size in (8, 16, 32) if need <= size), -(-need // 64) * 64)
    return Stream(len(lanes), bits, signed)


def _wrapper(emission: Emission, axis: Axis) -> str:
    in_bits = sum(port.width for port in emission.inputs)
    out_bits = sum(port.width for port in emission.outputs)
    names = [CLOCK] * emission.clocked + [*HANDSHAKE] * emission.handshake
    pins = [{"name": name, "net": _PINS[name]} for name in names]
    pins += [*_pins(emission.inputs, "sample"), *_pins(emission.outputs, "result")]
    stages = emission.latency if emission.handshake else 0
    # A circuit that takes a sample in every so many clocks holds at most so many.
    interval = emission.initiation_interval
    held = stages // interval + 2
    shifted = f"{{last[{stages - 2}:0], sample[{in_bits}]}}" if stages > 1 else f"sample[{in_bits}]"
    return fill(
        "verilog/axis.v.j2",
        wrapper=axis.top,
        top=emission.top,
        latency=axis.latency,
        words_in=_words(axis.inputs),
        words_out=_words(axis.outputs),
        in_msb=axis.inputs.width - 1,
        out_msb=axis.outputs.width - 1,
        in_bits=in_bits,
        out_bits=out_bits,
        in_stored=in_bits + 1,
        out_stored=out_bits + 1,
        pins=pins,
        taken=_lines([*_taken(emission.inputs, axis.inputs)][::-1], 12),
        unused=_lines([*_unused(emission.inputs, axis.inputs)], 8),
        given=_lines([*_given(emission.outputs, axis.outputs)][::-1] or ["8'd0"], 8),
        last=shifted if stages else "",
        last_msb=stages - 1,
        interval=interval,
        queue=interval > 1,
        queue_msb=held - 1,
        count_msb=held.bit_length() - 1,
    )


def _words(side: Stream) -> str:
    sign = "signed" if side.signed else "unsigned"
    return f"{side.elements} {sign} integer{'s' * (side.elements != 1)} of {side.bits} bits"


def _pins(ports: Sequence[VerilogPort], net: str) -> Iterator[dict[str, str]]:
    offset = 0
    for port in ports:
        yield {"name": port.name, "net": _bits(net, offset, port.width)}
        offset += port.width


def _taken(ports: Sequence[VerilogPort], side: Stream) -> Iterator[str]:
    """The bits of each lane in s_axis_tdata, the first lane first."""
    widths = [lane.width for port in ports for lane in port.lanes]
    for k, width in enumerate(widths):
        yield _bits("s_axis_tdata", k * side.bits, width)


def _unused(ports: Sequence[VerilogPort], side: Stream) -> Iterator[str]:
    widths = [lane.width for port in ports for lane in port.lanes]
    for k, width in enumerate(widths):
        if width < side.bits:
            yield _bits("s_axis_tdata", k * side.bits + width, side.bits - width)
    if not widths:
        yield "s_axis_tdata"


def _given(ports: Sequence[VerilogPort], side: Stream) -> Iterator[str]:
    """Each lane of the answer as a whole element, the first lane first."""
    offset = 0
    for lane in (lane for port in ports for lane in port.lanes):
        value = _bits("answer", offset, lane.width)
        offset += lane.width
        more = side.bits - lane.width
        if not more:
            yield value
        elif lane.range.signed:
            yield f"{{{more}{{answer[{offset - 1}]}}}}, {value}"
        else:
            yield f"{more}'d0, {value}"


def _bits(name: str, offset: int, width: int) -> str:
    return f"{name}[{offset}]" if width == 1 else f"{name}[{offset + width - 1}:{offset}]"


def _lines(items: Sequence[str], indent: int) -> str:
    return f",\n{' ' * indent}".join(items)
