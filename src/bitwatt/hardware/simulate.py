"""Runs a pass on the tile's RTL in Amaranth's own simulator: slow, but it needs no compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Value
from amaranth.sim import Simulator
from numpy.typing import NDArray

from bitwatt.errors import BitwattError
from bitwatt.hardware.packing import (
    PackedStream,
    image_streams,
    input_streams,
    layer_streams,
    output_values,
)
from bitwatt.hardware.passes import TilePass
from bitwatt.hardware.rtl.tile import TileRTL
from bitwatt.hardware.schedule import Events
from bitwatt.hardware.streams import row_bytes
from bitwatt.hardware.tile import Tile

COUNTED = (
    "bin_reads",
    "bin_writes",
    "sb_reads",
    "sb_writes",
    "bout_reads",
    "bout_writes",
    "residual_rows",
)
"""Events that the RTL itself shows: rows read from and written into the buffers, and rows of residuals."""

_TAKEN = {"bin_rows": "bin_writes", "sb_rows": "sb_writes", "residual_rows": "residual_rows"}
"""What a row that is taken from a stream counts as."""

Watch = Callable[[Any, TileRTL], None]
"""watch(ctx, rtl): told in each cycle, once its inputs are set; `ctx.get` reads any of the tile's signals."""

OfferedAt = Callable[[str, int], bool]
"""offered(port, cycle): whether the outside is ready to send, or take, a row at this port in this cycle."""


@dataclass(frozen=True, eq=False)
class PassRun:
    """What the RTL did for one image: the pass's result, cycles, and rows read and written (`COUNTED`)."""

    result: NDArray[np.generic]
    cycles: int
    accesses: dict[str, int]


def accesses(events: Events) -> dict[str, int]:
    """The events that the RTL shows."""
    return {name: getattr(events, name) for name in COUNTED}


class TileSimulation:
    """A tile's RTL in Amaranth's simulator, elaborated once; passes run on it one after the other."""

    def __init__(self, tile: Tile) -> None:
        self._rtl = TileRTL(tile)
        self._simulator = Simulator(self._rtl)
        self._simulator.add_clock(1e-9)
        self._simulator.add_testbench(self._bench)
        self._images: list[_Image] = []

    def run(
        self,
        step: TilePass,
        values: NDArray[np.generic],
        residuals: NDArray[np.generic] | None = None,
        *,
        vcd: Path | None = None,
        offered: OfferedAt = lambda port, cycle: True,
        watch: Watch = lambda ctx, rtl: None,
    ) -> list[PassRun]:
        """One pass for each image. values: (images, *shape of the pass's input); residuals likewise, where
        the pass adds some. vcd: file for a waveform.

        Raises `BitwattError` where the tile hangs: a fault of bitwatt's.
        """
        if self._images:
            self._simulator.reset()
        shared = layer_streams(step)
        self._images = [
            _Image(step, shared | image_streams(step, *each), offered, watch)
            for each in (zip(values) if residuals is None else zip(values, residuals, strict=True))
        ]
        with self._simulator.write_vcd(str(vcd)) if vcd else nullcontext():
            self._simulator.run()
        return [image.finished() for image in self._images]

    async def _bench(self, ctx: Any) -> None:
        for image in self._images:
            await image.play(ctx, self._rtl)


class _Image:
    """A pass of one image, under way."""

    def __init__(
        self, step: TilePass, streams: dict[str, PackedStream], offered: OfferedAt, watch: Watch
    ) -> None:
        self._step = step
        self._streams = streams
        self._offered = offered
        self._watch = watch
        self._rows: list[int] = []
        self._cycles = 0
        self._counts = dict.fromkeys(COUNTED, 0)

    async def play(self, ctx: Any, rtl: TileRTL) -> None:
        """Feeds the tile until every row has left, or far longer than the schedule says."""
        out, counts, streams = rtl.out_rows, self._counts, input_streams(self._step.tile)
        pending = {name: _sent(stream) for name, stream in self._streams.items()}
        waiting = {name: next(rows, None) for name, rows in pending.items()}
        limit = 10 * self._step.plan.cycles + 1000
        while len(self._rows) < self._step.plan.events.bout_writes and self._cycles < limit:
            for name in streams:
                port, word = getattr(rtl, name), waiting[name]
                offer = word is not None and self._offered(name, self._cycles)
                ctx.set(port.valid, offer)
                if offer:
                    ctx.set(Value.cast(port.payload), word)
            ctx.set(out.ready, self._offered("out_rows", self._cycles))
            for name in ("bin_read", "sb_read", "bout_write", "bout_read"):
                counts[f"{name}s"] += ctx.get(getattr(rtl, name))
            for name in streams:
                port = getattr(rtl, name)
                if ctx.get(port.valid & port.ready):
                    waiting[name] = next(pending[name], None)
                    if name in _TAKEN:
                        counts[_TAKEN[name]] += 1
            if ctx.get(out.valid & out.ready):
                self._rows.append(ctx.get(Value.cast(out.payload)))
            self._watch(ctx, rtl)
            await ctx.tick()
            self._cycles += 1

    def finished(self) -> PassRun:
        """What was seen."""
        step = self._step
        if len(self._rows) < step.plan.events.bout_writes:
            raise BitwattError(f"the tile hangs in layer '{step.plan.work.name}' after {self._cycles} cycles")
        size = row_bytes(step.tile.bout_bits)
        packed = np.frombuffer(b"".join(row.to_bytes(size, "little") for row in self._rows), dtype=np.uint8)
        return PassRun(output_values(step, packed.reshape(-1, size)), self._cycles, self._counts)


def _sent(stream: PackedStream) -> Iterator[int]:
    words = [int.from_bytes(row.tobytes(), "little") for row in stream.rows]
    for start in range(0, len(words), stream.block):
        for _ in range(stream.repeats):
            yield from words[start : start + stream.block]
