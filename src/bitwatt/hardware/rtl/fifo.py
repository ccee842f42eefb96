"""Bout as a queue: rows of outputs are written in order and leave in order."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from bitwatt.hardware.rtl.buffers import buffer_memory, same_bank
from bitwatt.hardware.rtl.ring import RingPointers
from bitwatt.hardware.tile import Tile


class OutputQueue(wiring.Component):  # type: ignore[misc]
    """A tile's Bout: a memory with a registered read port.

    A row is taken where `write` and `writable`. It can leave at `rows_out` two cycles later, or three where
    its bank is being written. `empty`: nothing is kept and nothing waits at the port.
    """

    def __init__(self, tile: Tile) -> None:
        self.tile = tile
        width = tile.bout_bits
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
        m.submodules.pointers = pointers = RingPointers(self.tile.rows)
        m.submodules.memory = memory = buffer_memory(self.tile, self.tile.bout_bits)
        waiting, waits = Signal(), Signal()
        if self.tile.buffers == "sram":
            m.d.comb += waits.eq(pointers.push & same_bank(pointers.read_address, pointers.write_address))
        m.d.comb += [
            self.writable.eq(pointers.writable),
            pointers.push.eq(self.write & pointers.writable),
            memory.write_enable.eq(pointers.push),
            memory.write_row.eq(pointers.write_address),
            memory.write_data.eq(self.row),
            self.read.eq(pointers.readable & (~waiting | self.rows_out.ready) & ~waits),
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
