"""Plays operand streams through a component in Amaranth's simulator."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.sim import Simulator

sys.path.insert(0, str(Path(__file__).parent))  # where `drawn` lies


def ports(component):
    """Every port as (flat name, signal, is an input); arrays of ports are numbered."""
    for path, member, value in component.signature.flatten(component):
        yield "__".join(map(str, path)), Value.cast(value), member.flow.value == "in"


def play_stream(component, streams, outputs):
    """One clock cycle a row: ports are set before the edge, outputs read after it. Words are unsigned."""
    found = {name: signal for name, signal, _ in ports(component)}
    cycles = len(next(iter(streams.values())))
    seen = {name: [] for name in outputs}

    async def bench(ctx):
        for cycle in range(cycles):
            for name, stream in streams.items():
                ctx.set(found[name].as_unsigned(), int(stream[cycle]))
            await ctx.tick()
            for name in outputs:
                seen[name].append(ctx.get(found[name].as_unsigned()))

    top = Module()
    top.submodules.dut = component
    top.d.sync += Signal().eq(0)  # a clock even for components that are combinational
    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def play_independent(make, streams, output, latency, lanes=32):
    """The output for each row of streams, rows being independent of each other: `lanes` components at once.

    make(): a fresh component. streams: words for each input port (a bare int: held). Many lanes share one
    wide signal a port, because setting a signal costs the simulator more than evaluating a block.
    """
    count = max(len(stream) for stream in streams.values() if not isinstance(stream, int))
    cycles = math.ceil(count / lanes)
    top = Module()
    components = [make() for _ in range(lanes)]
    for index, component in enumerate(components):
        top.submodules[f"lane_{index}"] = component
    flat = [{name: signal for name, signal, _ in ports(component)} for component in components]
    drives = []
    for name, stream in streams.items():
        width = len(flat[0][name])
        wide = Signal(width * lanes, name=name)
        top.d.comb += Cat(lane[name] for lane in flat).eq(wide)
        words = np.resize(
            np.asarray([stream] if isinstance(stream, int) else stream, dtype=object), cycles * lanes
        )
        drives.append(
            (
                wide,
                [
                    sum(
                        int(word) << (width * lane)
                        for lane, word in enumerate(words[c * lanes : (c + 1) * lanes])
                    )
                    for c in range(cycles)
                ],
            )
        )
    width = len(flat[0][output])
    result = Signal(width * lanes)
    top.d.comb += result.eq(Cat(lane[output] for lane in flat))
    top.d.sync += Signal().eq(0)
    seen = []

    async def bench(ctx):
        for cycle in range(cycles + max(latency - 1, 0)):
            for wide, words in drives:
                ctx.set(wide, words[min(cycle, cycles - 1)])
            await ctx.tick()
            if cycle >= latency - 1:
                whole = ctx.get(result)
                seen.extend((whole >> (width * lane)) & (2**width - 1) for lane in range(lanes))

    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return seen[:count]


@pytest.fixture
def play():
    """`play_independent`."""
    return play_independent


@pytest.fixture
def play_cycles():
    """`play_stream`."""
    return play_stream
