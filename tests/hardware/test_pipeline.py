import subprocess
import sys

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from bitwatt.hardware.pipeline import latency_cycles, pipeline_stages
from bitwatt.hardware.pooling import Pooling, divisor_word
from bitwatt.hardware.rtl.accumulator import accumulator
from bitwatt.hardware.rtl.adder_tree import adder_tree
from bitwatt.hardware.rtl.buffers import FlipFlopMemory
from bitwatt.hardware.rtl.output_stage import output_stage
from bitwatt.hardware.rtl.weight_block import weight_block
from bitwatt.hardware.tile import Tile

LANES = 4


def neuron(tile):
    """Bin (row 1 holds ones), a neuron with weights of one, and its result."""
    m = Module()
    precision = tile.precision
    one_w = int(precision.weights.encode(1.0))
    one_a = int(precision.activations.encode(1.0))
    bits = precision.activations.bits
    m.submodules.bin = bin_ = FlipFlopMemory(2, LANES * bits)
    m.submodules.tree = tree = adder_tree(precision, LANES)
    m.submodules.accumulator = acc = accumulator(precision, LANES, tile.fan_in)
    m.submodules.output = out = output_stage(tile)
    m.d.comb += [tree.enable.eq(1), acc.enable.eq(1), acc.load.eq(1), acc.term.eq(tree.sum)]
    m.d.comb += [
        out.total.eq(acc.total),
        out.enable.eq(-1),
        out.pool_enable.eq(1),
        out.pool_first.eq(1),
        bin_.read_enable.eq(1),
    ]
    for lane in range(LANES):
        code = bin_.read_data.word_select(lane, bits)
        if hasattr(tree, "terms"):
            m.submodules[f"block{lane}"] = block = weight_block(precision)
            m.d.comb += [block.weight.eq(one_w), block.activation.eq(code), block.enable.eq(1)]
            m.d.comb += tree.terms[lane].eq(block.product)
        else:
            m.d.comb += [tree.weights[lane].eq(one_w), tree.activations[lane].eq(code)]
    row = Signal()
    ones = sum(one_a << (bits * lane) for lane in range(LANES))
    m.d.comb += [bin_.read_row.eq(row), bin_.write_row.eq(1), bin_.write_data.eq(ones)]
    return m, bin_, row, out


@pytest.mark.parametrize("pooling", list(Pooling))
@pytest.mark.parametrize(
    "options", [{}, {"residual": True}, {"clip": True}, {"residual": True, "clip": True}], ids=str
)
@pytest.mark.parametrize("name", ["fixed8", "fixed32", "binary", "pow2", "float32"])
def test_latency_is_that_of_the_rtl(name, options, pooling):
    tile = Tile(name, synapses=LANES, fan_in=64, **options)
    precision = tile.precision
    m, bin_, row, out = neuron(tile)
    word = divisor_word(precision, 4)
    found = []

    async def bench(ctx):
        ctx.set(out.pooling, int(pooling))
        ctx.set(out.divisor, word)
        ctx.set(bin_.write_enable, 1)
        for _ in range(20):  # row 0, zeros, fills the pipeline
            await ctx.tick()
        assert ctx.get(out.result) == 0
        ctx.set(row, 1)
        pooled = latency_cycles(tile, Pooling.MAX)
        for cycle in range(40):
            ctx.set(out.divide, int(precision.is_float or cycle == pooled))
            found.append(ctx.get(out.result))
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    last_change = max(cycle for cycle in range(1, 40) if found[cycle] != found[cycle - 1])
    assert found[-1] != 0
    assert last_change == latency_cycles(tile, pooling)


def test_stages():
    assert pipeline_stages(Tile("fixed8")) == {
        "buffer_read": 1,
        "weight_block": 1,
        "adder_tree": 1,
        "accumulator": 1,
        "output_stage": 1,
        "max_pool": 1,
        "average_pool": 6,
    }
    assert latency_cycles(Tile("fixed8")) == 5
    assert latency_cycles(Tile("binary"), Pooling.MAX) == 5
    assert latency_cycles(Tile("float32"), Pooling.AVERAGE) == 1 + 2 + 4 + 1 + 1 + 3


def test_output_stages_have_the_registers_that_their_widths_and_options_ask_for():
    def registers(precision, **options):
        return pipeline_stages(Tile(precision, **options))["output_stage"]

    both = {"residual": True, "clip": True}
    assert [registers("fixed16"), registers("fixed16", clip=True), registers("fixed16", residual=True)] == [
        1,
        2,
        2,
    ]
    assert [registers("fixed32"), registers("fixed32", clip=True), registers("fixed32", residual=True)] == [
        2,
        2,
        3,
    ]
    assert [registers("float32"), registers("float32", clip=True), registers("float32", **both)] == [1, 2, 3]


def test_what_counts_loads_no_amaranth():
    names = ", ".join(f"bitwatt.hardware.{name}" for name in ("widths", "pipeline", "pooling", "operands"))
    code = f"import sys, {names}; sys.exit('amaranth' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
