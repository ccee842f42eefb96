"""The tile's RTL in Amaranth's simulator: the program's bits, the schedule's cycles and buffer accesses."""

import numpy as np
import pytest
from drawn import Drawing, draw_connected, draw_convolution, draw_residual

from bitwatt.hardware.cosim import equal_bits
from bitwatt.hardware.packing import input_streams
from bitwatt.hardware.passes import compile_passes
from bitwatt.hardware.simulate import TileSimulation, accesses
from bitwatt.hardware.tile import Tile
from bitwatt.program import ops, reference, reference_float32

TILES = [
    # precision, neurons, synapses, rows: every family, shapes that are no squares, rows no powers of two
    ("fixed4", 4, 4, 8),
    ("fixed8", 3, 2, 5),
    ("fixed16", 2, 4, 7),
    ("fixed32", 2, 2, 4),
    ("binary", 4, 2, 3),
    ("pow2", 1, 4, 6),
    ("ternary:fixed8", 5, 4, 2),
    ("e4m3:e4m3", 3, 4, 9),
    ("fixed4:ufixed8", 4, 8, 11),
    ("fixed8:pow2", 2, 1, 16),
    ("float32", 2, 2, 8),
]
TILE_IDS = [tile[0] for tile in TILES]


def simulation(precision, neurons, synapses, rows, fan_in=128, **options):
    options.setdefault("buffers", "flops" if rows % 2 else "sram")
    tile = Tile(precision, neurons=neurons, synapses=synapses, rows=rows, fan_in=fan_in, **options)
    return tile, TileSimulation(tile)


def check(program, images, tile, simulator, **options):
    """Runs every pass on the reference's values; the runs, for what else a test wants to know of them."""
    values = (reference_float32 if program.is_float else reference).trace(program, images)
    runs = []
    for step in compile_passes(program, tile):
        added = None if step.step.residual is None else values[step.step.residual]
        made = simulator.run(step, values[step.step.input], added, **options)
        for run, wanted in zip(made, values[step.step.output], strict=True):
            assert equal_bits(run.result, wanted).all(), step.plan.work.name
            if not options:  # streams of one row a cycle
                assert run.cycles == step.plan.cycles
            assert run.accesses == accesses(step.plan.events)
        runs += made
    return runs


@pytest.mark.parametrize("tile", TILES, ids=TILE_IDS)
def test_drawn_layers(tile):
    rng = np.random.default_rng(TILES.index(tile))
    tile, simulator = simulation(*tile)
    for draw in (draw_convolution, draw_connected, draw_convolution, draw_convolution):
        drawing = draw(rng, str(tile.precision))
        check(
            drawing.program(lanes=tile.synapses),
            drawing.images(1 + (draw is draw_connected)),
            tile,
            simulator,
        )


@pytest.mark.parametrize("tile", TILES, ids=TILE_IDS)
def test_residuals_and_bounds(tile):
    """Residuals of every alignment, bounds, and plain layers on a tile that has both."""
    rng = np.random.default_rng(100 + TILES.index(tile))
    tile, simulator = simulation(*tile, residual=True, clip=True)
    for draw in (draw_residual, draw_residual, draw_convolution):
        drawing = draw(rng, str(tile.precision))
        check(drawing.program(lanes=tile.synapses), drawing.images(), tile, simulator)


@pytest.mark.parametrize("tile", TILES[:3], ids=TILE_IDS[:3])
def test_gaps_and_back_pressure_change_no_bit(tile):
    rng = np.random.default_rng(99)
    tile, simulator = simulation(*tile)
    for draw in (draw_convolution, draw_connected, draw_convolution):
        drawing = draw(rng, str(tile.precision))
        ready = {port: rng.random(50_000) < 0.6 for port in (*input_streams(tile), "out_rows")}
        check(
            drawing.program(), drawing.images(), tile, simulator,
            offered=lambda port, cycle, ready=ready: bool(ready[port][cycle]),
        )  # fmt: skip


def test_a_reader_that_comes_late_stops_the_tile_and_loses_nothing():
    tile, simulator = simulation("fixed8", 2, 2, 2)
    drawing = Drawing(np.random.default_rng(5), "fixed8", (2, 5, 5))
    drawing.convolution(2, (3, 3))
    drawing.add(ops.AvgPool2d, kernel=(1, 2), stride=(1, 2))
    (run,) = check(
        drawing.program(), drawing.images(), tile, simulator,
        offered=lambda port, cycle: port != "out_rows" or cycle > 300,
    )  # fmt: skip
    assert run.cycles > 300


def test_float32_zeros_infinities_and_nan():
    tile, simulator = simulation("float32", 2, 4, 8)
    numbers = np.array([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, 3e38, -3e38], dtype=np.float32)
    rng = np.random.default_rng(3)
    drawing = Drawing(rng, "float32", (2, 4, 4))
    drawing.convolution(2, (1, 1))  # infinity - infinity, 0 * infinity
    drawing.add(ops.Relu)
    drawing.add(ops.MaxPool2d, kernel=(2, 2), stride=(1, 1))
    drawing.add(ops.AvgPool2d, kernel=(2, 2), stride=(1, 1), padding=(1, 1))
    images = rng.choice(numbers, (2, 2, 4, 4))
    check(drawing.program(lanes=4), images, tile, simulator)

    drawing = Drawing(rng, "float32", (2, 4, 4))
    drawing.add(ops.MaxPool2d, kernel=(2, 2), stride=(1, 1))
    check(drawing.program(lanes=4), images, tile, simulator)


def depthwise(drawing):
    drawing.convolution(4, (3, 3), padding=(1, 1), groups=4)


def dilated_and_strided(drawing):
    drawing.convolution(7, (2, 3), stride=(2, 1), padding=(1, 2), dilation=(2, 2))


def deeper_than_the_buffers(drawing):
    drawing.convolution(2, (3, 3))  # 36 products are 18 rows, and the buffers have 5


def fused_mean_of_two(drawing):
    drawing.convolution(7, (1, 1))
    drawing.add(ops.Relu)
    drawing.add(ops.AvgPool2d, kernel=(1, 2), stride=(1, 2))


def padded_maximum_then_relu(drawing):
    drawing.add(ops.MaxPool2d, kernel=(3, 3), stride=(2, 2), padding=(1, 1), ceil_mode=True)
    drawing.add(ops.Relu)


def mean_then_relu(drawing):
    drawing.add(ops.AvgPool2d, kernel=(1, 3), stride=(1, 1), padding=(0, 1), count_include_pad=False)
    drawing.add(ops.Relu)


def logits_of_several_groups(drawing):
    drawing.add(ops.MaxPool2d, kernel=(3, 3), stride=(3, 3))
    drawing.logits(8)


def global_mean(drawing):
    drawing.convolution(4, (3, 3), padding=(1, 1), groups=4)
    drawing.add(ops.Relu)
    drawing.add(ops.AvgPool2d, kernel=drawing.shape[1:], stride=drawing.shape[1:])


def inputs_640(drawing):
    drawing.hidden(5)


def pointwise_and_strided(drawing):
    drawing.convolution(6, (1, 1), stride=(2, 2))


TINY = [
    # shapes of MLPerf Tiny's networks: the case, its input, and what the schedule has to say of it
    (global_mean, (4, 25, 5), lambda plan: plan.work.window == 125 and plan.work.groups == 4),
    (global_mean, (4, 8, 8), lambda plan: plan.work.window == 64 and plan.work.kind == "weighted"),
    (global_mean, (4, 3, 3), lambda plan: plan.work.window == 9),
    (inputs_640, (640,), lambda plan: plan.depth == 80 and not plan.sb_held),
    (pointwise_and_strided, (5, 7, 6), lambda plan: plan.depth == 1 and plan.work.positions == 12),
]


@pytest.fixture(scope="module")
def deep_tile():
    return simulation("fixed8", 4, 8, 16, fan_in=640)


@pytest.mark.parametrize("case, shape, expected", TINY, ids=[f"{c.__name__}-{s}" for c, s, _ in TINY])
def test_shapes_of_tiny_networks(case, shape, expected, deep_tile):
    tile, simulator = deep_tile
    drawing = Drawing(np.random.default_rng(8), "fixed8", shape)
    case(drawing)
    program = drawing.program()
    assert any(expected(step.plan) for step in compile_passes(program, tile))
    check(program, drawing.images(), tile, simulator)


EXPECTED = {
    # what each case is there for, as the schedule has it
    depthwise: lambda plan: plan.work.groups == 4 and plan.groups == 4 and not plan.bin_held,
    dilated_and_strided: lambda plan: plan.groups == 3,
    deeper_than_the_buffers: lambda plan: plan.depth > 5 and not plan.sb_held,
    fused_mean_of_two: lambda plan: plan.work.kind == "weighted" and plan.work.window == 2 and plan.pause > 0,
    padded_maximum_then_relu: lambda plan: plan.groups == 2,
    mean_then_relu: lambda plan: plan.pause > 0,
    logits_of_several_groups: lambda plan: plan.work.wide and plan.groups == 3 and plan.slices > 1,
}


@pytest.fixture(scope="module")
def small_tile():
    return simulation("fixed8", 3, 2, 5)


@pytest.mark.parametrize("case", EXPECTED, ids=lambda case: case.__name__)
def test_what_draws_may_miss(case, small_tile):
    tile, simulator = small_tile
    drawing = Drawing(np.random.default_rng(7), "fixed8", (4, 5, 6))
    case(drawing)
    program = drawing.program()
    assert any(EXPECTED[case](step.plan) for step in compile_passes(program, tile))
    check(program, drawing.images(), tile, simulator)
