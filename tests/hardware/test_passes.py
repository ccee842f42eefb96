"""Programs compiled to streams: what a tile that follows its descriptors would compute from them."""

from itertools import product

import numpy as np
import pytest
from drawn import Drawing, draw_connected, draw_convolution
from hypothesis import given, settings
from hypothesis import strategies as st

from bitwatt.errors import RequestError
from bitwatt.formats import Fixed
from bitwatt.hardware.codes import from_codes
from bitwatt.hardware.passes import compile_passes
from bitwatt.hardware.rtl.control import Hold
from bitwatt.hardware.tile import Tile
from bitwatt.program import ops
from bitwatt.program.reference import trace


def read_rows(stream, outer, inner, depth, hold):
    """Rows of a stream in the order in which the control unit reads them: (visits, depth, words)."""
    sent = iter(stream.expanded())
    kept = {}
    read = []
    for o, i, k in product(range(outer), range(inner), range(depth)):
        key = {Hold.NONE: (o, i, k), Hold.INNER: (o, k), Hold.OUTER: (i, k)}[hold]
        if key not in kept:
            kept[key] = next(sent)
        read.append(kept[key])
    assert next(sent, None) is None, "rows are left over"
    return np.array(read).reshape(outer * inner, depth, -1)


def sums_of(step, values):
    """Exact sums of each visit, (visits, neurons), and the row of parameters that goes with it."""
    loops, tile = step.descriptor["loops"], step.tile
    outer, inner, depth = (loops[name] + 1 for name in ("outer", "inner", "depth"))
    inputs = read_rows(step.inputs(values), outer, inner, depth, Hold(loops["bin_hold"]))
    weights = read_rows(step.weights, outer, inner, depth, Hold(loops["sb_hold"]))
    x = from_codes(inputs, tile.precision.activations)
    w = from_codes(weights, tile.precision.weights).reshape(-1, depth, tile.neurons, tile.synapses)
    sums = np.einsum("vds,vdns->vn", x, w)
    rows = (
        np.arange(outer * inner) // inner if step.descriptor["keep_parameters"] else np.arange(outer * inner)
    )
    return sums + step.biases.expanded()[rows]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["fixed8", "pow2", "e4m3:e4m3"]),
    st.integers(1, 9),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.integers(1, 10).map(lambda half: 2 * half),
)
def test_the_streams_make_the_programs_sums(seed, precision, neurons, synapses, rows):
    rng = np.random.default_rng(seed)
    tile = Tile(precision, neurons=neurons, synapses=synapses, rows=rows)
    drawing = (draw_convolution, draw_connected)[seed % 2](rng, precision)
    program = drawing.program()
    values = trace(program, drawing.images())
    for step in compile_passes(program, tile):
        result = values[step.step.output][0]
        made, matter = step.output_rows(result)
        assert matter.sum() == result.size * step.plan.slices
        np.testing.assert_array_equal(step.outputs(made), result)
        assert len(made) == step.plan.events.bout_writes
        assert len(step.weights) == step.plan.events.sb_writes
        assert len(step.inputs(values[step.step.input][0])) == step.plan.events.bin_writes
        if step.step.weighted is not None and step.plan.work.window == 1:
            sums = sums_of(step, values[step.step.input][0])
            np.testing.assert_array_equal(sums.reshape(-1)[step._places], values[step.step.weighted.name][0])


def test_a_row_for_each_group_of_neurons_holds_its_parameters():
    drawing = Drawing(np.random.default_rng(0), "fixed8", (4,))
    drawing.weighted(ops.Linear, np.ones((5, 4), dtype=np.int64), (1, 2, 3, 4, 5))
    drawing.requantize((1, 2, 3, 4, 5))
    (step,) = compile_passes(drawing.program(), Tile("fixed8", neurons=2, synapses=4))
    assert step.shifts.expanded().tolist() == [[1, 2], [3, 4], [5, 0]]


def linear(weight, bias=None, shift=0, precision="fixed8", format_=None):
    drawing = Drawing(np.random.default_rng(0), precision, (len(weight[0]),))
    w = np.array(weight, dtype=np.int64)
    b = None if bias is None else np.array(bias, dtype=np.int64)
    activations = drawing.precision.activations
    drawing.add(ops.Linear, weight=w, bias=b, weight_format=drawing.precision.weights, weight_exponent=(0,))
    drawing.add(ops.Requantize, format=format_ or activations, shift=(shift,))
    return drawing.program()


REFUSED = [
    (
        linear([[1, 1]], shift=40),
        Tile("fixed8"),
        "layer 'linear1' shifts by 40 to 40; the tile's output stage shifts it by -4 to 29",
    ),
    (
        linear([[1, 1]], shift=-1, format_=Fixed(32)),
        Tile("fixed8"),
        "layer 'linear1' shifts by -1 to -1; the tile's output stage shifts it by 0 to 29",
    ),
    (
        linear([[1, 1]], bias=[2**29]),
        Tile("fixed8"),
        "layer 'linear1' has a bias of 31 bits and the tile's accumulators have 29: build "
        "Tile(..., fan_in=32768)",
    ),
    (
        linear([[1, 1]]),
        Tile("fixed16"),
        "the program is fixed8 and the tile fixed16: build Tile('fixed8')",
    ),
    (
        linear([[1] * 5]),
        Tile("fixed8", fan_in=4),
        "layer 'linear1' adds 5 products and the tile's accumulators are sized for 4: build "
        "Tile(..., fan_in=5)",
    ),
]


@pytest.mark.parametrize("program, tile, message", REFUSED)
def test_what_the_tile_cannot_run_is_refused(program, tile, message):
    with pytest.raises(RequestError) as caught:
        compile_passes(program, tile)
    assert str(caught.value) == message


def test_a_residual_that_lies_too_far_from_the_result_is_refused():
    drawing = Drawing(np.random.default_rng(0), "fixed8", (2, 3, 3))
    drawing.convolution(2, (1, 1))
    shortcut = drawing.ops[-1].name
    drawing.with_residual(shortcut, 2, (1, 1), 8)
    with pytest.raises(RequestError) as caught:
        compile_passes(drawing.program(), Tile("fixed8", residual=True))
    assert str(caught.value) == (
        "layer 'conv2d3' adds the residual 'requantize2', whose unit is 2**8 of the result's; the tile's "
        "output stages add those of 2**-8 to 2**7"
    )


def test_a_large_mean_is_refused():
    drawing = Drawing(np.random.default_rng(0), "fixed8", (1, 12, 11))
    drawing.add(ops.AvgPool2d, kernel=(12, 11), stride=(12, 11))
    with pytest.raises(RequestError) as caught:
        compile_passes(drawing.program(), Tile("fixed8"))
    assert str(caught.value) == (
        "layer 'avgpool2d1' averages 132 elements; the tile's output stage divides by 128 at most"
    )


def test_float32_must_be_added_in_the_tiles_order():
    drawing = Drawing(np.random.default_rng(0), "float32", (3,))
    drawing.logits(2)
    with pytest.raises(RequestError) as caught:
        compile_passes(drawing.program(lanes=8), Tile("float32"))
    assert str(caught.value) == (
        "the program adds 8 lanes at once, which rounds differently from the tile's 16 synapses: build "
        "Tile(..., synapses=8)"
    )
