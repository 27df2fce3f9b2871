"""A bus-functional model of an I2C controller for cocotb: writes and reads bytes of a target.

Copied beside the tests of a chip with weight registers; needs cocotb only. The bus is open
drain: a line is 0 where anybody pulls it down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import Timer, ValueChange


class I2cController:
    """Drives `scl` and `sda` of a design, whose output `sda_low` pulls sda down.

    `quarter` is a quarter of a bit in ns; the target must see that as several of its clocks.
    """

    def __init__(self, dut: Any, address: int, quarter: int = 80) -> None:
        self.dut = dut
        self.address = address
        self.quarter = quarter
        self.pull = 0
        dut.scl.value = 1
        dut.sda.value = 1
        self._follower = cocotb.start_soon(self._follow())

    async def _follow(self) -> None:
        """sda shows what the target pulls."""
        while True:
            await ValueChange(self.dut.sda_low)
            self._show()

    def _show(self) -> None:
        self.dut.sda.value = int(not (self.pull or self.dut.sda_low.value == 1))

    async def _wait(self) -> None:
        await Timer(self.quarter, "ns")

    async def _set(self, scl: int | None = None, sda: int | None = None) -> None:
        if scl is not None:
            self.dut.scl.value = scl
        if sda is not None:
            self.pull = 1 - sda
            self._show()
        await self._wait()

    async def start(self) -> None:
        """A start, or a start again: sda falls while scl is 1."""
        await self._set(sda=1)
        await self._set(scl=1)
        await self._set(sda=0)
        await self._set(scl=0)

    async def stop(self) -> None:
        """A stop: sda rises while scl is 1."""
        await self._set(sda=0)
        await self._set(scl=1)
        await self._set(sda=1)

    async def _clock(self) -> int:
        """One clock of scl, and sda in its middle."""
        await self._set(scl=1)
        bit = int(self.dut.sda.value)
        await self._wait()
        await self._set(scl=0)
        return bit

    async def send(self, byte: int) -> bool:
        """One byte, the highest bit first; whether it was acknowledged."""
        for place in range(7, -1, -1):
            await self._set(sda=byte >> place & 1)
            await self._clock()
        await self._set(sda=1)
        return await self._clock() == 0

    async def receive(self, more: bool) -> int:
        """One byte, which is acknowledged where more are wanted."""
        byte = 0
        await self._set(sda=1)
        for _ in range(8):
            byte = byte << 1 | await self._clock()
        await self._set(sda=int(not more))
        await self._clock()
        await self._set(sda=1)
        return byte

    async def _select(self, at: int, address: int | None = None) -> None:
        target = self.address if address is None else address
        await self.start()
        for byte in (target << 1, at >> 8, at & 255):
            assert await self.send(byte), f"I2C target {target:#x} does not answer"

    async def write(self, at: int, data: Sequence[int]) -> None:
        """A burst of bytes from the address `at`. AssertionError where one is refused."""
        await self._select(at)
        for i, byte in enumerate(data):
            assert await self.send(byte), f"byte {at + i} was refused"
        await self.stop()

    async def read(self, at: int, count: int) -> list[int]:
        """`count` bytes from the address `at`."""
        await self._select(at)
        await self.start()
        assert await self.send(self.address << 1 | 1), "the target does not answer a read"
        found = [await self.receive(more=i + 1 < count) for i in range(count)]
        await self.stop()
        return found

    async def knock(self, address: int) -> bool:
        """Whether a target of that address answers."""
        await self.start()
        answered = await self.send(address << 1)
        await self.stop()
        return answered
