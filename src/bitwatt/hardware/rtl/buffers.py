"""A buffer built of flip-flops: Bin, Bout or SB where no memory macro is used."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out


class FlipFlopMemory(wiring.Component):  # type: ignore[misc]
    """`rows` words of `width` bits, one write port and one registered read port.

    A row that is read in the cycle in which it is written gives its old word. Read data stay while
    `read_enable` is low. Every row's flip-flops share one enable, (write_enable and write_row == row), and
    the read register has another: synthesis makes of each either a clock gate or a multiplexer a bit.
    """

    def __init__(self, rows: int, width: int) -> None:
        self.rows = rows
        self.width = width
        address = max((rows - 1).bit_length(), 1)
        super().__init__(
            {
                "write_enable": In(1),
                "write_row": In(address),
                "write_data": In(width),
                "read_enable": In(1),
                "read_row": In(address),
                "read_data": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = memory.Memory(shape=self.width, depth=self.rows, init=[])
        write, read = words.write_port(), words.read_port()
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_row),
            write.data.eq(self.write_data),
            read.en.eq(self.read_enable),
            read.addr.eq(self.read_row),
            self.read_data.eq(read.data),
        ]
        return m
