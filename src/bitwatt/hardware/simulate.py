"""Runs a pass on the tile's RTL in Amaranth's own simulator: slow, but it needs no compiler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from amaranth.sim import Simulator, SimulatorContext, TickTrigger  # noqa: F401
from numpy.typing import NDArray

from bitwatt.errors import BitwattError
from bitwatt.hardware.passes import TilePass, Words
from bitwatt.hardware.rtl.average import reciprocal_word
from bitwatt.hardware.rtl.tile import TileRTL
from bitwatt.hardware.schedule import Events
from bitwatt.hardware.tile import Tile


@dataclass(frozen=True, eq=False)
class PassRun:
    """What the RTL did for one image: rows that left Bout (rows, neurons), cycles, and rows read and written."""

    rows: Words
    cycles: int
    events: Events


def reciprocals(step: TilePass) -> list[int]:
    """The words of the reciprocals' stream for one image."""
    if step.tile.precision.is_float:
        return [int(np.float32(1 / np.float32(count)).view(np.uint32)) for count in step.counts]
    return [reciprocal_word(step.tile.precision.activations, int(count)) for count in step.counts]


def run_pass(step: TilePass, inputs: NDArray[np.generic], rtl: TileRTL | None = None) -> PassRun:
    """One pass for one image on the RTL. inputs: as `TilePass.bin_rows` takes them.

    Raises `BitwattError` where the tile hangs: a fault of bitwatt's.
    """
    return _run(rtl or TileRTL(step.tile), step, inputs)


def _run(rtl: TileRTL, step: TilePass, inputs: NDArray[np.generic]) -> PassRun:
    expected_rows = step.plan.events.bout_writes
    limit = 4 * step.plan.cycles + 1000
    collected: list[list[int]] = []
    counted = {"bin_read": 0, "sb_read": 0, "bout_write": 0, "bout_read": 0, "bin_rows": 0, "sb_rows": 0}
    cycles = 0
    streams: dict[str, list[Any]] = {
        "layers": [step.descriptor],
        "bin_rows": step.bin_rows(inputs).tolist(),
        "sb_rows": step.sb_rows.tolist(),
        "parameters": _parameters(step),
        "reciprocals": reciprocals(step),
    }

    async def bench(ctx: SimulatorContext) -> None:
        nonlocal cycles
        pending = {name: iter(items) for name, items in streams.items()}
        for name in pending:
            _offer(ctx, getattr(rtl, name), next(pending[name], None))
        ctx.set(rtl.out_rows.ready, 1)
        while len(collected) < expected_rows:
            if cycles > limit:
                raise BitwattError(f"the tile hangs in layer '{step.step.name}' after {cycles} cycles")
            taken = [name for name in pending if ctx.get(getattr(rtl, name).valid & getattr(rtl, name).ready)]
            for name in ("bin_read", "sb_read", "bout_write", "bout_read"):
                counted[name] += ctx.get(getattr(rtl, name))
            if ctx.get(rtl.out_rows.valid):
                collected.append([ctx.get(word) for word in rtl.out_rows.payload])
            await ctx.tick()
            cycles += 1
            for name in taken:
                if name in counted:
                    counted[name] += 1
                _offer(ctx, getattr(rtl, name), next(pending[name], None))

    simulator = Simulator(rtl)
    simulator.add_clock(1e-9)
    simulator.add_testbench(bench)
    simulator.run()
    events = Events(
        bin_reads=counted["bin_read"],
        bin_writes=counted["bin_rows"],
        sb_reads=counted["sb_read"],
        sb_writes=counted["sb_rows"],
        bout_reads=counted["bout_read"],
        bout_writes=counted["bout_write"],
    )
    return PassRun(np.array(collected, dtype=np.int64), cycles, events)


def _offer(ctx: SimulatorContext, port: Any, item: Any) -> None:
    ctx.set(port.valid, item is not None)
    if item is not None:
        ctx.set(port.payload, item)


def _parameters(step: TilePass) -> list[Any]:
    if step.tile.precision.is_float:
        return [{"bias": row.view(np.uint32).tolist()} for row in step.biases.astype(np.float32)]
    return [
        {"bias": bias.tolist(), "shift": shift.tolist()} for bias, shift in zip(step.biases, step.shifts, strict=True)
    ]


def access_counts(events: Events) -> dict[str, int]:
    """The buffer accesses among events: what the RTL counts."""
    return {name: getattr(events, name) for name in vars(events) if name.endswith(("_reads", "_writes"))}
