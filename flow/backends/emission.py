"""The Emission: every file that a backend wrote for a circuit, and what a user must know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from flow.errors import InternalError
from flow.ir.interval import IntRange

Direction = Literal["input", "output"]


@dataclass(frozen=True, slots=True)
class Lane:
    """One element of a port: `width` bits from bit `offset` of the bus, two's complement."""

    offset: int
    width: int
    range: IntRange


@dataclass(frozen=True, slots=True)
class VerilogPort:
    """A data port, one packed bus; `source` is its name in the circuit."""

    name: str
    direction: Direction
    lanes: tuple[Lane, ...]
    source: str

    @property
    def width(self) -> int:
        """Bits of the bus."""
        return sum(lane.width for lane in self.lanes)


@dataclass(frozen=True, slots=True)
class Stream:
    """One side of a stream: a beat is `elements` integers of `bits` bits, the first at bit 0."""

    elements: int
    bits: int
    signed: bool

    @property
    def width(self) -> int:
        """Bits of tdata, a multiple of 8."""
        return max(8, self.elements * self.bits)


@dataclass(frozen=True, slots=True)
class Axis:
    """The AXI4-Stream wrapper `top`; a result comes at least `latency` clocks after its sample."""

    top: str
    latency: int
    inputs: Stream
    outputs: Stream


@dataclass(frozen=True, slots=True)
class Store:
    """The chip `top`, whose registers hold the `bits` bits of `port` in bytes, bit 0 first.

    An I2C target at `address` loads them. `tmr_weights` and `tmr_control` say which registers
    have three copies; upsets are counted for each `bank` of bytes.
    """

    top: str
    port: str
    bits: int
    tmr_weights: bool
    tmr_control: bool
    bank: int = 64
    address: int = 0x42

    @property
    def bytes(self) -> int:
        """Bytes of weights."""
        return -(-self.bits // 8)

    @property
    def banks(self) -> int:
        """Groups of bytes that share a counter."""
        return -(-self.bytes // self.bank)

    @property
    def counters(self) -> int:
        """Counters there are: one a bank, one for the control."""
        return self.banks * self.tmr_weights + self.tmr_control

    @property
    def first_counter(self) -> int:
        """The number of the first of them."""
        return 0 if self.tmr_weights else self.banks


@dataclass(frozen=True, slots=True)
class Emission:
    """Files by relative path, with what the module `top` looks like from outside.

    `latency` counts register stages; a new sample may enter every `initiation_interval` clocks.
    `registers` has (signal, width) for each Register in order of `circuit.walk()`; the width is
    0 where none was needed: a constant, or a value that nothing reads. `primitives` names the
    files of rtl/ that are instantiated. `work` is about what a sample costs in an event-driven
    simulator, in evaluations. A clocked design has the port `clk`; with `handshake`
    also `rst`, `in_valid`, `in_ready`, `out_valid` and `out_ready`. `parts` are the files of rtl/
    with the modules that `top` instantiates. `axis` is there where the
    files hold a stream wrapper too, `store` where they hold weights in registers.
    """

    files: Mapping[PurePosixPath, str]
    top: str
    ports: tuple[VerilogPort, ...]
    latency: int = 0
    initiation_interval: int = 1
    primitives: frozenset[str] = frozenset()
    registers: tuple[tuple[str, int], ...] = ()
    clocked: bool = False
    handshake: bool = False
    work: int = 1
    parts: tuple[str, ...] = ()
    axis: Axis | None = None
    store: Store | None = None

    @property
    def inputs(self) -> tuple[VerilogPort, ...]:
        """The data ports that the circuit reads."""
        return tuple(port for port in self.ports if port.direction == "input")

    @property
    def outputs(self) -> tuple[VerilogPort, ...]:
        """The data ports that the circuit drives."""
        return tuple(port for port in self.ports if port.direction == "output")

    def write(self, folder: Path) -> None:
        """Write every file below `folder`, which is made if it is not there."""
        write_files(self.files, folder)


def write_files(files: Mapping[PurePosixPath, str | bytes], folder: Path) -> None:
    """Write texts (as UTF-8, with `\\n`) and bytes below `folder`; refuses paths that leave it."""
    for path in files:
        if path.is_absolute() or ".." in path.parts:
            raise InternalError(f"{path} lies outside the output folder")
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
