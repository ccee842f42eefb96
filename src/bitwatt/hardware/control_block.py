"""The control unit as a block to be measured: its inputs recorded while it runs a layer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from amaranth.hdl import Value
from amaranth.sim import Simulator

from bitwatt.hardware.blocks import Block, rtlil_text
from bitwatt.hardware.rtl.control import Control, Hold

_OUTER, _INNER, _DEPTH, _WINDOW = 3, 32, 7, 4


@lru_cache(maxsize=8)
def control_block(rows: int, banked: bool) -> Block:
    """The control unit of a tile with buffers of `rows` rows, in two banks each or not.

    Its stimulus: weights stay, pooling fused, 3 groups x 32 positions x 7 rows (less where `rows` is less),
    both streams always ready.
    """
    depth = min(_DEPTH, rows)
    return Block(
        name="control",
        rtlil=rtlil_text(Control(rows, banked), "control"),
        top="control",
        clock="clk",
        stimulus=_recorded(Control(rows, banked), depth),
        description=(
            f"a layer of {_OUTER} groups x {_INNER} positions x {depth} rows, weights stay, streams ready"
        ),
        warmup=2,
    )


def _recorded(control: Control, depth: int) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """The words at its input ports in each cycle of the layer."""
    descriptor = {
        "outer": _OUTER - 1,
        "inner": _INNER - 1,
        "depth": depth - 1,
        "window": _WINDOW - 1,
        "bin_hold": Hold.NONE,
        "sb_hold": Hold.INNER,
        "uses_sb": 1,
    }
    inputs = [name for name, member in control.signature.members.items() if member.flow.name == "In"]
    words: dict[str, list[int]] = {name: [] for name in inputs}
    rows_of_sb = _OUTER * depth

    async def bench(ctx: Any) -> None:
        sent = 0
        ctx.set(control.descriptor, descriptor)
        ctx.set(control.start, 1)
        for cycle in range(_OUTER * _INNER * depth + 4):
            ctx.set(control.bin_push, cycle > 0 and ctx.get(control.bin_writable))
            push_sb = cycle > 0 and sent < rows_of_sb and ctx.get(control.sb_writable)
            ctx.set(control.sb_push, push_sb)
            sent += bool(push_sb)
            for name in inputs:
                words[name].append(int(ctx.get(Value.cast(getattr(control, name)))))
            await ctx.tick()
            ctx.set(control.start, 0)

    simulator = Simulator(control)
    simulator.add_clock(1e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return {name: np.array(column, dtype=_holding(column)) for name, column in words.items()}


def _holding(words: list[int]) -> type:
    return object if max(words) >= 2**63 else np.int64
