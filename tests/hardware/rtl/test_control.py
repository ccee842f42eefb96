"""The control unit reads the rows that the loops say, in order, and frees them in time."""

from collections import deque
from itertools import product

import pytest
from amaranth.sim import Simulator

from bitwatt.hardware.rtl.control import Control, Hold


def expected_rows(outer, inner, depth, hold):
    """Serial number of the streamed row that each step reads, by the definition of `Hold`."""
    fresh = 0
    seen = {}
    for o, i, k in product(range(outer), range(inner), range(depth)):
        key = {Hold.NONE: (o, i, k), Hold.INNER: (o, k), Hold.OUTER: (i, k)}[hold]
        if key not in seen:
            seen[key] = fresh
            fresh += 1
        yield seen[key]


def run(rows, outer, inner, depth, window, bin_hold, sb_hold, stalls=()):
    """Steps as (bin row, sb row, first, last, window_first, window_last), and the cycle of each."""
    dut = Control(rows, banked=rows % 2 == 0)
    steps, cycles = [], []

    async def bench(ctx):
        ctx.set(
            dut.descriptor,
            {
                "outer": outer - 1,
                "inner": inner - 1,
                "depth": depth - 1,
                "window": window - 1,
                "bin_hold": bin_hold,
                "sb_hold": sb_hold,
                "uses_sb": 1,
            },
        )
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        memory = {"bin": {}, "sb": {}}
        serial = {"bin": 0, "sb": 0}
        total = {
            "bin": len(set(expected_rows(outer, inner, depth, bin_hold))),
            "sb": len(set(expected_rows(outer, inner, depth, sb_hold))),
        }
        cycle = 0
        while ctx.get(dut.busy):
            assert cycle < 20 * outer * inner * depth + 100, "the control unit hangs"
            ctx.set(dut.stall, cycle in stalls)
            pushes = deque()
            for name in ("bin", "sb"):
                push = ctx.get(getattr(dut, f"{name}_writable")) and serial[name] < total[name]
                ctx.set(getattr(dut, f"{name}_push"), push)
                if push:
                    pushes.append((name, ctx.get(getattr(dut, f"{name}_write_address"))))
            if ctx.get(dut.step):
                steps.append(
                    (
                        memory["bin"][ctx.get(dut.bin_address)],
                        memory["sb"][ctx.get(dut.sb_address)],
                        ctx.get(dut.first),
                        ctx.get(dut.last),
                        ctx.get(dut.window_first),
                        ctx.get(dut.window_last),
                    )
                )
                cycles.append(cycle)
            await ctx.tick()
            for name, address in pushes:
                memory[name][address] = serial[name]
                serial[name] += 1
            cycle += 1

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return steps, cycles


CASES = [
    # rows, outer, inner, depth, window, Bin, SB
    (4, 2, 6, 3, 1, Hold.NONE, Hold.INNER),  # weights stay
    (4, 2, 8, 3, 4, Hold.NONE, Hold.INNER),  # weights stay, pooling fused
    (4, 3, 2, 7, 1, Hold.NONE, Hold.NONE),  # a window deeper than the buffers
    (8, 5, 2, 4, 1, Hold.INNER, Hold.OUTER),  # inputs stay, all weights fit
    (8, 5, 3, 4, 1, Hold.INNER, Hold.NONE),  # inputs stay, weights do not
    (5, 3, 3, 5, 1, Hold.INNER, Hold.NONE),  # a depth that is no power of two, just filling Bin
    (2, 1, 1, 1, 1, Hold.NONE, Hold.NONE),
]


@pytest.mark.parametrize("case", CASES)
def test_reads_the_rows_the_loops_name(case):
    _, outer, inner, depth, window, bin_hold, sb_hold = case
    steps, cycles = run(*case)
    assert [s[0] for s in steps] == list(expected_rows(outer, inner, depth, bin_hold))
    assert [s[1] for s in steps] == list(expected_rows(outer, inner, depth, sb_hold))
    ks = [k for _ in range(outer * inner) for k in range(depth)]
    visits = [v % inner % window for v in range(outer * inner) for _ in range(depth)]
    assert [s[2] for s in steps] == [k == 0 for k in ks]
    assert [s[3] for s in steps] == [k == depth - 1 for k in ks]
    assert [s[4] for s in steps] == [v == 0 for v in visits]
    assert [s[5] for s in steps] == [v == window - 1 for v in visits]
    # Streams of one row a cycle keep it busy: it trails them by one row and never waits.
    assert cycles == list(range(1, 1 + outer * inner * depth))


def test_a_stall_holds_the_step_and_loses_nothing():
    case = (4, 2, 6, 3, 1, Hold.NONE, Hold.INNER)
    undisturbed, _ = run(*case)
    stalled, cycles = run(*case, stalls={3, 4, 9, 17})
    assert stalled == undisturbed
    assert not {3, 4, 9, 17} & set(cycles)
