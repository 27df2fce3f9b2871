"""A flash cell as a SPICE deck: both networks, the sense amplifier and the latch behind it.

Before the clock edge both sides of the amplifier are charged; at the edge the network that draws
more current discharges its side first, the cross-coupled pairs take the decision to the supply,
and two NAND gates hold it. Transistors are level 1 of SPICE with the parameters of the technology.
"""

from __future__ import annotations

from collections.abc import Sequence

from flow.mapping.flash.voltages import Point, Voltages, points
from flow.tech.flash_cell import Transistor, flash_cell

PERIOD_NS = 0.8
_EDGE_NS = 0.01
_JUNCTION_FF = 0.1
"""A little capacitance, assumed, at nodes that transistors may leave open."""
_MEASURE_AT = 0.95
"""The part of a period after which its answer is read; the clock rises at its half."""


def flash_subcircuit(voltages: Voltages, name: str) -> str:
    """The cell: inputs x0.. and their complements n0.., clk, q, and the sides of its amplifier."""
    cell, fan_in = flash_cell(), voltages.gate.fan_in
    pins = " ".join(f"x{i} n{i}" for i in range(fan_in))
    lines = [f".subckt {name} {pins} clk q side_l side_r vdd"]
    for side, levels in (("l", voltages.left), ("r", voltages.right)):
        for i, vt in enumerate(levels):
            gate = "vdd" if i == fan_in else f"{'x' if side == 'l' else 'n'}{i}"
            flash = _size(cell.flash)
            lines += [
                f"mf{side}{i} net_{side} read m{side}{i} 0 {_flash_model(vt)} {flash}",
                f"mi{side}{i} m{side}{i} {gate} foot 0 nin {_size(cell.input)}",
                f"cm{side}{i} m{side}{i} 0 {_JUNCTION_FF:g}f",
            ]
    wide = f"w={20 * cell.input.width_um:g}u l={cell.input.length_um:g}u"
    lines += [
        f"vread read 0 {cell.read_volts:g}",
        f"mfoot foot clk 0 0 nin {wide}",
        f"cfoot foot 0 {_JUNCTION_FF:g}f",
    ]
    for side, other in (("l", "r"), ("r", "l")):
        p, n = f"pmos {_size(cell.pmos)}", f"nin {_size(cell.input)}"
        lines += [
            f"mn{side} side_{side} side_{other} net_{side} 0 {n}",
            f"mp{side} side_{side} side_{other} vdd vdd {p}",
            f"mc{side} side_{side} clk vdd vdd {p}",
            f"md{side} net_{side} clk vdd vdd {p}",
            f"cs{side} side_{side} 0 {cell.node_ff:g}f",
            f"cn{side} net_{side} 0 {cell.node_ff:g}f",
        ]
    lines += [*_nand("q", "side_l", "qn"), *_nand("qn", "side_r", "q"), ".ends"]
    return "\n".join(lines) + "\n"


def flash_deck(voltages: Voltages, rows: Sequence[Point] | None = None) -> str:
    """A deck that clocks the cell once for each point; `q0`, `q1`, ... measure its answers in V.

    Without `rows` they are all minimal true and maximal false points. Each point comes after one
    of the other answer where there is one, so that the latch cannot give what it still holds.
    """
    cell = flash_cell()
    rows = in_turn(points(voltages.gate)) if rows is None else rows
    models = sorted({*voltages.left, *voltages.right})
    lines = ["* flash threshold cell, from its voltages", ".options abstol=1e-12 reltol=1e-4"]
    lines += [_model(_flash_model(vt), "nmos", vt, cell.flash) for vt in models]
    lines.append(_model("nin", "nmos", cell.input.vt_mv, cell.input))
    lines.append(_model("pmos", "pmos", -cell.pmos.vt_mv, cell.pmos))
    lines.append(flash_subcircuit(voltages, "cell").rstrip())
    lines.append(f"vdd vdd 0 {cell.volts:g}")
    for i in range(voltages.gate.fan_in):
        bits = [row.bits[i] for row in rows]
        lines.append(f"vx{i} x{i} 0 {_levels(bits, cell.volts)}")
        lines.append(f"vn{i} n{i} 0 {_levels([1 - b for b in bits], cell.volts)}")
    half = PERIOD_NS / 2
    lines.append(
        f"vclk clk 0 pulse(0 {cell.volts:g} {half:g}n {_EDGE_NS:g}n {_EDGE_NS:g}n "
        f"{half - _EDGE_NS:g}n {PERIOD_NS:g}n)"
    )
    pins = " ".join(f"x{i} n{i}" for i in range(voltages.gate.fan_in))
    lines.append(f"xcell {pins} clk q side_l side_r vdd cell")
    lines.append(f".tran 2p {len(rows) * PERIOD_NS:g}n")
    for k, row in enumerate(rows):
        edge, side = k * PERIOD_NS + half, "side_l" if row.answer else "side_r"
        read = (k + _MEASURE_AT) * PERIOD_NS
        lines += [
            f".meas tran q{k} find v(q) at={read:g}n",
            f".meas tran t{k} when v({side})={cell.volts / 2:g} td={edge:g}n fall=1",
        ]
    return "\n".join([*lines, ".end"]) + "\n"


def in_turn(rows: Sequence[Point]) -> tuple[Point, ...]:
    """The points so that as many as possible come after one of the other answer."""
    sides = [[p for p in rows if p.answer == answer] for answer in (0, 1)]
    length = max(map(len, sides))
    if not all(sides):
        return tuple(rows)
    return tuple(side[k % len(side)] for k in range(length) for side in sides)


def edge_ns(place: int) -> float:
    """When the clock rises for the point at that place, ns."""
    return place * PERIOD_NS + PERIOD_NS / 2


def _levels(bits: Sequence[int], volts: float) -> str:
    """A piecewise linear source that has bit k during period k, set while the clock is low."""
    words = [f"0 {bits[0] * volts:g}"]
    for k in range(1, len(bits)):
        at = k * PERIOD_NS
        words += [f"{at:g}n {bits[k - 1] * volts:g}", f"{at + _EDGE_NS:g}n {bits[k] * volts:g}"]
    return f"pwl({' '.join(words)})"


def _nand(output: str, a: str, b: str) -> list[str]:
    cell = flash_cell()
    n, p = f"nin {_size(cell.input)}", f"pmos {_size(cell.pmos)}"
    return [
        f"ma{output} {output} {a} {output}_m 0 {n}",
        f"mb{output} {output}_m {b} 0 0 {n}",
        f"me{output} {output} {a} vdd vdd {p}",
        f"mg{output} {output} {b} vdd vdd {p}",
        f"cl{output} {output} 0 {cell.node_ff:g}f",
        f"cx{output} {output}_m 0 {_JUNCTION_FF:g}f",
    ]


def _flash_model(vt_mv: int) -> str:
    return f"flash{vt_mv}"


def _model(name: str, kind: str, vt_mv: float, device: Transistor) -> str:
    kp = f"{device.kp_ua_v2:g}u"
    return f".model {name} {kind} (level=1 vto={vt_mv / 1e3:g} kp={kp} lambda=0 gamma=0)"


def _size(device: Transistor) -> str:
    return f"w={device.width_um:g}u l={device.length_um:g}u"
