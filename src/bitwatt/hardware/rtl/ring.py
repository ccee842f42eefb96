"""Ring pointers of a buffer: rows come in from a stream, are read in order, re-read, and freed.

The memory itself stands apart; this decides addresses. `read` walks ahead of `base`, the oldest row still
wanted, up to `write`, the next row to fill; each pointer carries a lap bit so that full and empty differ.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class RingPointers(wiring.Component):  # type: ignore[misc]
    """Read and write addresses of a buffer of `rows` rows.

    readable: the row at read_address has been filled. writable: a row is free at write_address.
    advance: the row at read_address is being read. rewind: after it, go back to the oldest row wanted;
    release: after it, everything up to and with this row is free. One row may be written (`push`) in the
    same cycle.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        address = range(rows)
        super().__init__(
            {
                "advance": In(1),
                "rewind": In(1),
                "release": In(1),
                "push": In(1),
                "readable": Out(1),
                "writable": Out(1),
                "read_address": Out(address),
                "write_address": Out(address),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()

        def pointer(name: str) -> tuple[Signal, Signal]:
            return Signal(range(self.rows), name=name), Signal(name=f"{name}_lap")

        (read, read_lap), (write, write_lap), (base, base_lap) = map(pointer, ("read", "write", "base"))
        read_wraps, write_wraps = read == self.rows - 1, write == self.rows - 1
        next_read = Mux(read_wraps, 0, read + 1)
        m.d.comb += [
            self.readable.eq((read != write) | (read_lap != write_lap)),
            self.writable.eq((write != base) | (write_lap == base_lap)),
            self.read_address.eq(read),
            self.write_address.eq(write),
        ]
        with m.If(self.advance):
            m.d.sync += [read.eq(next_read), read_lap.eq(read_lap ^ read_wraps)]
            with m.If(self.rewind):
                m.d.sync += [read.eq(base), read_lap.eq(base_lap)]
            with m.If(self.release):
                m.d.sync += [base.eq(next_read), base_lap.eq(read_lap ^ read_wraps)]
        with m.If(self.push):
            m.d.sync += [write.eq(Mux(write_wraps, 0, write + 1)), write_lap.eq(write_lap ^ write_wraps)]
        return m
