"""Cycles and events, counted by hand on layers small enough, and on the published networks."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from drawn import draw_convolution
from hypothesis import given, settings
from hypothesis import strategies as st

import bitwatt as bw
from bitwatt.errors import RequestError
from bitwatt.hardware.pipeline import bypass_latency_cycles, latency_cycles
from bitwatt.hardware.pooling import DIVIDE_CYCLES, Pooling
from bitwatt.hardware.schedule import HANDOVER_CYCLES, Events, output_slices, schedule, schedule_work
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import LayerWork


def work(**changed):
    """A convolution with 20 outputs of 40 products each, at 9 places."""
    plain = {
        "name": "c", "kind": "weighted", "positions": 9, "outputs": 20, "reduction": 40, "groups": 1,
        "pooled_positions": 9, "window": 1, "average": False, "inputs": 360, "results": 180, "weights": 800,
        "biases": 20, "wide": False,
    }  # fmt: skip
    return LayerWork(**{**plain, **changed})


def planned(layer, precision="fixed8", **shape):
    return schedule_work((layer,), Tile(precision, **shape)).layers[0]


def test_a_layer_counted_by_hand():
    plan = planned(work())
    # 20 outputs are 2 groups of 16 neurons; 40 products are 3 rows of 16.
    assert (plan.groups, plan.depth, plan.busy) == (2, 3, 9 * 2 * 3)
    # SB has room for all 6 rows of weights, and Bin for the 3 of a window: each is written once.
    assert (plan.order, plan.bin_held, plan.sb_held) == ("inputs stay", True, True)
    assert plan.events == Events(
        weight_block=9 * 20 * 40,
        adder_tree=9 * 20 * 3,
        accumulator=9 * 20 * 3,
        output_stage=9 * 20,
        pool=0,
        bin_reads=54,
        bin_writes=27,
        sb_reads=54,
        sb_writes=6,
        bout_reads=18,
        bout_writes=18,
    )
    assert plan.cycles == 54 + latency_cycles(Tile("fixed8")) + HANDOVER_CYCLES


def test_the_order_that_streams_fewer_bits_is_taken():
    # Four rows hold a group's 3 rows of weights, but not both groups'.
    plan = planned(work(), rows=4)
    assert (plan.order, plan.bin_held, plan.sb_held) == ("weights stay", False, True)
    assert (plan.events.bin_writes, plan.events.sb_writes) == (54, 6)
    # Two rows hold neither: every row is streamed where it is read, and that costs the same in both orders.
    plan = planned(work(), rows=2)
    assert (plan.bin_held, plan.sb_held) == (False, False)
    assert (plan.events.bin_writes, plan.events.sb_writes) == (54, 54)


def test_fused_pooling_keeps_a_windows_places_together():
    pooled = work(positions=36, window=4)
    assert planned(pooled).order == "weights stay"
    assert planned(pooled).events.pool == 36 * 20
    assert planned(pooled).events.bout_writes == 2 * 9
    assert planned(work(positions=36, window=4, outputs=16)).order == "inputs stay"


def test_groups_of_channels_read_windows_of_their_own():
    plan = planned(work(groups=2, outputs=10))
    assert (plan.groups, plan.bin_held) == (2, False)
    assert plan.events.bin_writes == 9 * 2 * 3


def test_residuals_come_a_row_for_each_row_of_sums():
    plan = planned(work(residual=True), residual=True)
    assert plan.events.residual == 9 * 20
    assert plan.events.residual_rows == 2 * 9
    assert plan.cycles == 54 + latency_cycles(Tile("fixed8", residual=True)) + HANDOVER_CYCLES
    assert plan.cycles == planned(work()).cycles + 1  # a register more in the output stages
    alone = planned(work(kind="pool", reduction=1, residual=True), residual=True)
    assert (alone.events.residual, alone.events.residual_rows, alone.events.bin_reads) == (9 * 20, 18, 18)


@pytest.mark.parametrize(
    "layer, shape, message",
    [
        (
            {"residual": True},
            {},
            "layer 'c' adds a residual and the tile's output stages have no input for one: build "
            "Tile(..., residual=True)",
        ),
        (
            {"clip": True},
            {},
            "layer 'c' clips and the tile's output stages have no bounds but the format's: build "
            "Tile(..., clip=True)",
        ),
        (
            {"residual": True, "wide": True},
            {"residual": True},
            "layer 'c' adds a residual to logits, which leave at the accumulator's width; the tile's output "
            "stages add residuals on the activations' grid alone",
        ),
    ],
)
def test_what_a_tile_was_not_built_for_is_refused(layer, shape, message):
    with pytest.raises(RequestError) as caught:
        planned(work(**layer), **shape)
    assert str(caught.value) == message


def test_logits_leave_in_slices():
    tile = Tile("fixed8")
    assert output_slices(tile) == 4  # 29 bits of accumulator and one of bias, in words of 8
    plan = planned(work(positions=1, pooled_positions=1, wide=True))
    assert plan.events.bout_writes == 2 * 4
    assert plan.events.output_stage == 20 * 4
    plain = planned(work(positions=1, pooled_positions=1))
    assert plan.cycles == plain.cycles + 3 + 3  # a pause after the first group, and the last one's slices


@pytest.mark.parametrize("window, pause", [(2, DIVIDE_CYCLES - 2), (DIVIDE_CYCLES, 0), (9, 0)])
def test_means_are_divided_one_at_a_time(window, pause):
    pool = work(kind="pool", positions=9, pooled_positions=9, reduction=window, window=window, average=True)
    plan = planned(pool)
    assert (plan.groups, plan.busy, plan.pause) == (2, 9 * 2 * window, pause)
    latency = bypass_latency_cycles(Tile("fixed8"), Pooling.AVERAGE)
    assert plan.cycles == plan.busy + 17 * pause + latency + HANDOVER_CYCLES
    assert planned(pool, "float32").pause == 0  # a pipelined multiplication
    assert plan.events.bin_writes == plan.busy
    assert plan.events.sb_reads == 0


def test_a_pooling_pass_uses_as_many_lanes_as_a_row_has():
    pool = work(kind="pool", reduction=4, window=4)
    assert planned(pool, neurons=16, synapses=4).groups == 5
    assert planned(pool, neurons=4, synapses=16).groups == 5


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 20),
    st.sampled_from([1, 4, 16]),
    st.sampled_from([2, 4, 6, 16, 64]),
)
def test_what_holds_of_every_schedule(seed, neurons, synapses, rows):
    drawing = draw_convolution(np.random.default_rng(seed), "fixed8")
    plan = schedule(drawing.program(), Tile("fixed8", neurons=neurons, synapses=synapses, rows=rows))
    assert plan.cycles == sum(layer.cycles for layer in plan.layers)
    for field in fields(Events):
        total = getattr(plan.events, field.name)
        assert total == sum(getattr(layer.events, field.name) for layer in plan.layers)
    for layer in plan.layers:
        events = layer.events
        assert layer.cycles > layer.busy > 0
        assert events.bin_reads >= events.bin_writes > 0
        assert events.sb_reads >= events.sb_writes
        assert events.bout_reads == events.bout_writes
        assert events.weight_block == layer.work.macs


@pytest.mark.parametrize(
    "network, busy",
    [
        # LeNet, layer by layer: places x groups of outputs x rows of inputs.
        ("lenet", 576 * 2 * 2 + 64 * 4 * 32 + 1 * 32 * 50 + 1 * 1 * 32),
        # ALEX with its three pooling passes, which read 9 elements for each place and group.
        ("alex", 1024 * 2 * 5 + 256 * 2 * 9 + 256 * 2 * 50 + 64 * 2 * 9 + 64 * 4 * 50 + 16 * 4 * 9 + 64),
    ],
)
def test_the_published_networks(network, busy):
    torch.manual_seed(0)
    net = bw.networks.create(network)
    images = torch.randn(8, *((1, 28, 28) if network == "lenet" else (3, 32, 32)))
    program = bw.lower(bw.quantize(net, "fixed8", calibration=images), example=images)
    plan = schedule(program, Tile("fixed8"))
    assert sum(layer.busy for layer in plan.layers) == busy
    # What is not busy is the filling of the pipeline, once a pass, and the logits' slices.
    assert plan.cycles - busy < 16 * len(plan.layers)
