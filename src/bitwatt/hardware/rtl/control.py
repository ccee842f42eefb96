"""The control unit: steps through a layer's loops and says which rows to read, when a sum begins and ends.

A layer is `outer` x `inner` visits of `depth` rows each; the two loop orders of `bitwatt.hardware.schedule`
differ only in which of output groups and positions is the outer loop, and in how long each buffer holds its
rows (`Hold`).
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from bitwatt.hardware.rtl.buffers import same_bank
from bitwatt.hardware.rtl.ring import RingPointers

COUNTER_BITS = 20
"""Width of the loop counters: layers of up to 2**20 positions, groups or rows a visit."""

WINDOW_BITS = 12
"""Width of the counter of a pooling window's elements."""


class Hold(enum.Enum, shape=2):  # type: ignore[misc, call-arg]
    """How long a buffer keeps the rows of a visit."""

    NONE = 0
    """Each row is read once and freed."""
    INNER = 1
    """A visit's rows serve the whole inner loop."""
    OUTER = 2
    """The inner loop's rows serve every turn of the outer loop, to the end of the layer."""


LOOP_DESCRIPTOR = data.StructLayout(
    {
        "outer": COUNTER_BITS,
        "inner": COUNTER_BITS,
        "depth": COUNTER_BITS,
        "window": WINDOW_BITS,
        "bin_hold": Hold,
        "sb_hold": Hold,
        "uses_sb": 1,
    }
)
"""A layer's loops. Counts are stored less one. window: visits folded into one pooled output."""


class Control(wiring.Component):  # type: ignore[misc]
    """Loop counters and the pointers of Bin and SB.

    start/busy: a descriptor is taken when `start` is high and `busy` low. step: a pair of rows is read in
    this cycle (at bin_address and sb_address), never while `stall` is high. first, last: that pair begins,
    ends a sum; last_inner: in the last turn of the inner loop. window_first, window_last: the sum begins,
    ends a pooling window. done: the layer's last step. banked: Bin and SB are two banks each, and writing
    waits where reading is in its bank.
    """

    def __init__(self, rows: int, banked: bool) -> None:
        self.rows = rows
        self.banked = banked
        address = range(rows)
        super().__init__(
            {
                "descriptor": In(LOOP_DESCRIPTOR),
                "start": In(1),
                "stall": In(1),
                "busy": Out(1),
                "step": Out(1),
                "first": Out(1),
                "last": Out(1),
                "last_inner": Out(1),
                "window_first": Out(1),
                "window_last": Out(1),
                "done": Out(1),
                "bin_push": In(1),
                "bin_writable": Out(1),
                "bin_address": Out(address),
                "bin_write_address": Out(address),
                "uses_sb": Out(1),
                "sb_push": In(1),
                "sb_writable": Out(1),
                "sb_address": Out(address),
                "sb_write_address": Out(address),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bin = bin_ring = RingPointers(self.rows)
        m.submodules.sb = sb_ring = RingPointers(self.rows)
        loops = Signal(LOOP_DESCRIPTOR)
        outer, inner, depth = (Signal(COUNTER_BITS, name=name) for name in ("outer", "inner", "depth"))
        window = Signal(WINDOW_BITS)
        last_inner, last_outer = inner == loops.inner, outer == loops.outer
        m.d.comb += self.last_inner.eq(last_inner)
        m.d.comb += [
            self.step.eq(self.busy & ~self.stall & bin_ring.readable & (sb_ring.readable | ~loops.uses_sb)),
            self.uses_sb.eq(loops.uses_sb),
            self.first.eq(depth == 0),
            self.last.eq(depth == loops.depth),
            self.window_first.eq(window == 0),
            self.window_last.eq(window == loops.window),
            self.done.eq(self.step & self.last & last_inner & last_outer),
        ]
        for ring, hold, prefix in ((bin_ring, loops.bin_hold, "bin"), (sb_ring, loops.sb_hold, "sb")):
            waits = Signal(name=f"{prefix}_waits")
            if self.banked:
                m.d.comb += waits.eq(ring.advance & same_bank(ring.read_address, ring.write_address))
            m.d.comb += [
                ring.advance.eq(self.step if prefix == "bin" else self.step & loops.uses_sb),
                ring.rewind.eq(
                    ((hold == Hold.INNER) & self.last & ~last_inner)
                    | ((hold == Hold.OUTER) & self.last & last_inner & ~last_outer)
                ),
                # A held row is freed as its last reading passes, so that the stream can follow close behind.
                ring.release.eq(
                    (hold == Hold.NONE)
                    | ((hold == Hold.INNER) & last_inner)
                    | ((hold == Hold.OUTER) & last_outer)
                ),
                ring.push.eq(getattr(self, f"{prefix}_push")),
                getattr(self, f"{prefix}_writable").eq(ring.writable & ~waits),
                getattr(self, f"{prefix}_address").eq(ring.read_address),
                getattr(self, f"{prefix}_write_address").eq(ring.write_address),
            ]
        with m.If(self.step):
            m.d.sync += depth.eq(depth + 1)
            with m.If(self.last):
                m.d.sync += [depth.eq(0), inner.eq(inner + 1), window.eq(window + 1)]
                with m.If(self.window_last):
                    m.d.sync += window.eq(0)
                with m.If(last_inner):
                    m.d.sync += [inner.eq(0), outer.eq(outer + 1)]
                    with m.If(last_outer):
                        m.d.sync += self.busy.eq(0)
        with m.If(self.start & ~self.busy):
            m.d.sync += [self.busy.eq(1), loops.eq(self.descriptor)]
            m.d.sync += [outer.eq(0), inner.eq(0), depth.eq(0), window.eq(0)]
        return m
