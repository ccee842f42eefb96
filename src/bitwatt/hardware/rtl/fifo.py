"""Bout as a queue: rows of outputs are written in order and leave in order."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from bitwatt.hardware.rtl.buffers import FlipFlopMemory
from bitwatt.hardware.rtl.ring import RingPointers


class OutputQueue(wiring.Component):  # type: ignore[misc]
    """`rows` rows of `width` bits in a memory with a registered read port.

    A row is taken where `write` and `writable`. It can leave at `rows_out` two cycles later. `empty`: nothing
    is kept and nothing waits at the port.
    """

    def __init__(self, rows: int, width: int) -> None:
        self.rows = rows
        self.width = width
        super().__init__(
            {
                "write": In(1),
                "writable": Out(1),
                "row": In(width),
                "rows_out": Out(stream.Signature(width)),
                "read": Out(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.pointers = pointers = RingPointers(self.rows)
        m.submodules.memory = memory = FlipFlopMemory(self.rows, self.width)
        waiting = Signal()
        m.d.comb += [
            self.writable.eq(pointers.writable),
            pointers.push.eq(self.write & pointers.writable),
            memory.write_enable.eq(pointers.push),
            memory.write_row.eq(pointers.write_address),
            memory.write_data.eq(self.row),
            self.read.eq(pointers.readable & (~waiting | self.rows_out.ready)),
            pointers.advance.eq(self.read),
            pointers.release.eq(1),
            memory.read_enable.eq(self.read),
            memory.read_row.eq(pointers.read_address),
            self.rows_out.valid.eq(waiting),
            self.rows_out.payload.eq(memory.read_data),
            self.empty.eq(~waiting & ~pointers.readable),
        ]
        with m.If(self.read):
            m.d.sync += waiting.eq(1)
        with m.Elif(self.rows_out.ready):
            m.d.sync += waiting.eq(0)
        return m
