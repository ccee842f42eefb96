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
from bitwatt.hardware.packing import STREAMS, PackedStream, input_stream, layer_streams, output_values
from bitwatt.hardware.passes import TilePass
from bitwatt.hardware.rtl.tile import TileRTL
from bitwatt.hardware.schedule import Events
from bitwatt.hardware.streams import row_bytes

COUNTED = ("bin_reads", "bin_writes", "sb_reads", "sb_writes", "bout_reads", "bout_writes")
"""Events that the RTL itself shows: rows read from and written into the buffers."""

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
    """A tile's RTL, elaborated once, on which passes run one after the other."""

    def __init__(self, rtl: TileRTL) -> None:
        self._rtl = rtl
        self._simulator = Simulator(rtl)
        self._simulator.add_clock(1e-9)
        self._simulator.add_testbench(self._bench)
        self._job: _Job | None = None

    def run(
        self,
        step: TilePass,
        values: NDArray[np.generic],
        *,
        vcd: Path | None = None,
        offered: OfferedAt = lambda port, cycle: True,
    ) -> PassRun:
        """One pass for one image. values: as `TilePass.inputs` takes them. vcd: where to keep a waveform.

        Raises `BitwattError` where the tile hangs: a fault of bitwatt's.
        """
        if self._job is not None:
            self._simulator.reset()
        self._job = job = _Job(step, {**layer_streams(step), "bin_rows": input_stream(step, values)}, offered)
        with self._simulator.write_vcd(str(vcd)) if vcd else nullcontext():
            self._simulator.run()
        if len(job.rows) < step.plan.events.bout_writes:
            raise BitwattError(f"the tile hangs in layer '{step.plan.work.name}' after {job.cycles} cycles")
        size = row_bytes(step.tile.bout_bits)
        packed = np.frombuffer(b"".join(row.to_bytes(size, "little") for row in job.rows), dtype=np.uint8)
        return PassRun(output_values(step, packed.reshape(-1, size)), job.cycles, job.counts)

    async def _bench(self, ctx: Any) -> None:
        job, rtl = self._job, self._rtl
        if job is None:
            return
        out, counts = rtl.out_rows, job.counts
        pending = {name: _sent(stream) for name, stream in job.streams.items()}
        waiting = {name: next(rows, None) for name, rows in pending.items()}
        limit = 10 * job.step.plan.cycles + 1000
        while len(job.rows) < job.step.plan.events.bout_writes and job.cycles < limit:
            for name in STREAMS:
                port, word = getattr(rtl, name), waiting[name]
                offer = word is not None and job.offered(name, job.cycles)
                ctx.set(port.valid, offer)
                if offer:
                    ctx.set(Value.cast(port.payload), word)
            ctx.set(out.ready, job.offered("out_rows", job.cycles))
            for name in ("bin_read", "sb_read", "bout_write", "bout_read"):
                counts[f"{name}s"] += ctx.get(getattr(rtl, name))
            for name in STREAMS:
                port = getattr(rtl, name)
                if ctx.get(port.valid & port.ready):
                    waiting[name] = next(pending[name], None)
                    if name in ("bin_rows", "sb_rows"):
                        counts[name.replace("rows", "writes")] += 1
            if ctx.get(out.valid & out.ready):
                job.rows.append(ctx.get(Value.cast(out.payload)))
            await ctx.tick()
            job.cycles += 1


class _Job:
    """A run under way."""

    def __init__(self, step: TilePass, streams: dict[str, PackedStream], offered: OfferedAt) -> None:
        self.step = step
        self.streams = streams
        self.offered = offered
        self.rows: list[int] = []
        self.cycles = 0
        self.counts = dict.fromkeys(COUNTED, 0)


def _sent(stream: PackedStream) -> Iterator[int]:
    words = [int.from_bytes(row.tobytes(), "little") for row in stream.rows]
    for start in range(0, len(words), stream.block):
        for _ in range(stream.repeats):
            yield from words[start : start + stream.block]
