"""What a pass sends, as words."""

import numpy as np
import pytest
from drawn import Drawing

from bitwatt.errors import RequestError
from bitwatt.hardware.packing import descriptor_word, image_streams, layer_streams, output_values
from bitwatt.hardware.passes import compile_passes
from bitwatt.hardware.rtl.layout import layer_descriptor
from bitwatt.hardware.streams import pack
from bitwatt.hardware.tile import Tile
from bitwatt.program import ops
from bitwatt.program.reference import trace


def test_a_descriptor_is_read_back_field_by_field():
    drawing = Drawing(np.random.default_rng(0), "fixed8", (2, 6, 6))
    drawing.convolution(5, (3, 3))
    drawing.add(ops.Relu)
    drawing.add(ops.AvgPool2d, kernel=(2, 2), stride=(2, 2))
    step = compile_passes(drawing.program(), Tile("fixed8", neurons=4, synapses=4, rows=8))[0]
    view = layer_descriptor(step.tile).from_bits(descriptor_word(step))
    for name, value in step.descriptor.items():
        if name != "loops":
            assert view[name] == value, name
    assert {
        name: int(getattr(view["loops"][name], "value", view["loops"][name]))
        for name in step.descriptor["loops"]
    } == (step.descriptor["loops"])


def test_rows_out_are_read_as_they_were_packed():
    drawing = Drawing(np.random.default_rng(1), "fixed4", (3, 4, 4))
    drawing.convolution(5, (1, 1))
    program = drawing.program()
    values = trace(program, drawing.images())
    (step,) = compile_passes(program, Tile("fixed4", neurons=3, synapses=4))
    rows, _ = step.output_rows(values[step.step.output][0])
    result = output_values(step, pack((rows, 4)))
    np.testing.assert_array_equal(result, values[step.step.output][0])


def test_a_row_of_parameters_is_its_biases_and_then_its_shifts():
    drawing = Drawing(np.random.default_rng(2), "fixed8", (2,))
    drawing.add(
        ops.Linear, weight=np.ones((2, 2), dtype=np.int64), bias=np.array([5, -7]),
        weight_format=drawing.precision.weights, weight_exponent=(0,),
    )  # fmt: skip
    drawing.requantize((3, 4))
    (step,) = compile_passes(drawing.program(), Tile("fixed8", neurons=2, synapses=2, fan_in=4))
    (row,) = layer_streams(step)["parameters"].rows
    word = int.from_bytes(row.tobytes(), "little")
    bits = 18  # of an accumulator for 4 products of 15 bits and a sign
    assert word == 5 | (2**bits - 7) << bits | 3 << 2 * bits | 4 << 2 * bits + 6
    assert image_streams(step, np.array([1, -1]))["bin_rows"].rows.tolist() == [[1, 255]]


def test_a_layer_beyond_the_counters_is_refused():
    drawing = Drawing(np.random.default_rng(0), "fixed8", (1, 65, 65))
    drawing.add(ops.MaxPool2d, kernel=(65, 65), stride=(65, 65))
    (step,) = compile_passes(drawing.program(), Tile("fixed8"))
    with pytest.raises(RequestError) as caught:
        descriptor_word(step)
    assert str(caught.value) == (
        "layer 'maxpool2d1' has 4225 turns of 'window'; the tile's control unit counts to 4096"
    )
