"""Which operations the tile does in one pass, and the shapes of passes."""

from dataclasses import replace

import numpy as np
import pytest

from bitwatt.errors import UnsupportedError
from bitwatt.formats import Fixed, Minifloat, parse_precision
from bitwatt.hardware.tile import Tile
from bitwatt.hardware.workload import LayerFormats, fitting, split_passes, workload
from bitwatt.program import ops
from bitwatt.program.program import Program

F4, F8 = Fixed(4), Fixed(8)


def program(*tail, channels=2, side=8):
    """Images, a 1x1 convolution to 3 channels, and `tail`: operations without their input."""
    made = [
        ops.Quantize("x", "input", F8, -4),
        ops.Conv2d("c", "x", np.ones((3, channels, 1, 1), dtype=np.int64), None, F8, (0,)),
        ops.Requantize("r", "c", F8, (4,)),
    ]
    for build in tail:
        made.append(build(made[-1].name))
    return Program("n", "fixed8", (channels, side, side), tuple(made))


def relu(name):
    return lambda source: ops.Relu(name, source)


def pool(kind, name, kernel, stride, **fields):
    return lambda source: kind(name, source, kernel, stride, **fields)


def shape_of(*tail, **fields):
    """Names of the passes: what each computes, whether ReLU comes before pooling, and what it pools."""
    return [
        (step.name, step.output, step.relu, step.pool.name if step.pool else None)
        for step in split_passes(program(*tail, **fields))
    ]


TILING = ((2, 2), (2, 2))


def test_a_pool_whose_windows_tile_the_map_is_fused():
    assert shape_of(relu("a"), pool(ops.MaxPool2d, "p", *TILING)) == [("c", "p", True, "p")]
    assert shape_of(relu("a"), pool(ops.AvgPool2d, "p", *TILING)) == [("c", "p", True, "p")]


@pytest.mark.parametrize(
    "fields",
    [
        {"kernel": (3, 3), "stride": (2, 2)},  # overlapping
        {"kernel": (2, 2), "stride": (3, 3)},  # leaves positions out, which would be computed for nothing
        {"kernel": (3, 3), "stride": (3, 3), "padding": (1, 1)},  # reads beyond the map
        {"kernel": (3, 3), "stride": (3, 3), "ceil_mode": True},  # its last windows reach beyond the map
    ],
)
def test_any_other_pool_is_a_pass_of_its_own(fields):
    assert shape_of(relu("a"), pool(ops.MaxPool2d, "p", **fields)) == [
        ("c", "a", True, None),
        ("p", "p", False, "p"),
    ]


def test_relu_behind_a_maximum_goes_before_it():
    assert shape_of(pool(ops.MaxPool2d, "p", *TILING), relu("a")) == [("c", "a", True, "p")]
    separate = {"kernel": (3, 3), "stride": (2, 2)}
    assert shape_of(pool(ops.MaxPool2d, "p", **separate), relu("a"))[1] == ("p", "a", True, "p")


def test_relu_behind_a_mean_is_a_pass_of_its_own():
    assert shape_of(pool(ops.AvgPool2d, "p", *TILING), relu("a")) == [
        ("c", "p", False, "p"),
        ("a", "a", True, None),
    ]


def test_a_value_that_two_operations_read_leaves_the_tile():
    made = program(relu("a"))
    both = (*made.ops, ops.MaxPool2d("p", "r", *TILING))
    steps = split_passes(Program("n", "fixed8", made.input_shape, both))
    assert [(step.name, step.input, step.output) for step in steps] == [
        ("c", "x", "r"),
        ("a", "r", "a"),
        ("p", "r", "p"),
    ]


def graph(*operations):
    """`program`'s 1x1 convolution `c`, another `d` of its result, and operations behind them."""
    made = [
        *program(channels=3).ops,
        ops.Conv2d("d", "r", np.ones((3, 3, 1, 1), dtype=np.int64), None, F8, (0,)),
        *operations,
    ]
    return Program("n", "fixed8", (3, 8, 8), tuple(made))


def sums(name, source, other):
    """An addition, and the requantising that a program needs behind it."""
    return ops.Add(name, source, other), ops.Requantize(f"{name}r", name, F8, (4,))


def steps_of(made):
    return [
        (s.name, s.input, s.residual, s.output, s.relu, s.clip and s.clip.name) for s in split_passes(made)
    ]


def test_a_residual_is_added_by_the_layer_whose_sums_it_joins():
    made = graph(*sums("a", "d", "r"), ops.Relu("b", "ar"), ops.Clip("e", "b", 0, 9))
    assert steps_of(made) == [("c", "x", None, "r", False, None), ("d", "r", "r", "e", True, "e")]
    assert [work.residual for work in workload(made)] == [False, True]
    assert [work.clip for work in workload(made)] == [False, True]
    assert workload(made)[1].inputs == 2 * 3 * 64


def test_a_layer_waits_for_a_residual_that_is_made_after_it():
    made = graph(ops.MaxPool2d("p", "r", (1, 1), (1, 1)), *sums("a", "d", "p"))
    assert steps_of(made) == [
        ("c", "x", None, "r", False, None),
        ("p", "r", None, "p", False, None),
        ("d", "r", "p", "ar", False, None),
    ]


def test_activations_are_added_by_a_pass_of_their_own():
    made = graph(ops.Requantize("f", "d", F8, (4,)), *sums("a", "f", "r"), ops.Relu("b", "ar"))
    assert steps_of(made) == [
        ("c", "x", None, "r", False, None),
        ("d", "r", None, "f", False, None),
        ("a", "f", "r", "b", True, None),
    ]
    assert [work.kind for work in workload(made)] == ["weighted", "weighted", "pool"]


def test_bounds_before_relu_are_a_pass_of_their_own():
    made = graph(ops.Requantize("f", "d", F8, (4,)), ops.Clip("e", "f", -5, 5), ops.Relu("b", "e"))
    assert steps_of(made)[1:] == [("d", "r", None, "e", False, "e"), ("b", "e", None, "b", True, None)]


def test_joining_and_padding_are_left_to_the_host_and_tables_are_refused():
    made = graph(
        ops.Requantize("f", "d", F8, (2,)), ops.Pad("p", "f", (1, 0, 0, 0)), ops.Concat("j", ("p", "p"))
    )
    assert [step[0] for step in steps_of(made)] == ["c", "d"]
    table = ops.Table("t", "r", np.zeros(256, dtype=np.int64), F8, 0)
    with pytest.raises(UnsupportedError) as caught:
        split_passes(Program("n", "fixed8", (3, 8, 8), (*program(channels=3).ops, table)))
    assert str(caught.value) == (
        "operation 't' (Table): the tile's output stages have no look-up table; they do ReLU, Clip and "
        "pooling"
    )


def test_shapes_of_a_fused_pass():
    (work,) = workload(program(relu("a"), pool(ops.MaxPool2d, "p", *TILING)))
    assert (work.positions, work.pooled_positions, work.window) == (64, 16, 4)
    assert (work.outputs, work.reduction, work.groups) == (3, 2, 1)
    assert (work.inputs, work.results, work.weights, work.biases) == (128, 48, 6, 0)
    assert work.macs == 64 * 3 * 2
    assert not work.wide


def test_rows_below_the_last_window_are_not_computed():
    (work,) = workload(program(pool(ops.MaxPool2d, "p", *TILING), side=7))
    assert (work.positions, work.pooled_positions) == (36, 9)


def test_what_is_not_requantised_to_the_activations_leaves_wide():
    made = program()
    logits = (*made.ops[:-1], ops.Requantize("r", "c", Fixed(32), (0,)))
    (work,) = workload(Program("n", "fixed8", made.input_shape, logits))
    assert work.wide


def refused(*operations):
    made = program()
    with pytest.raises(UnsupportedError) as caught:
        split_passes(Program("n", "fixed8", made.input_shape, (*made.ops[:-1], *operations)))
    return str(caught.value)


def test_formats_that_the_tile_has_not_are_refused():
    logits = ops.Requantize("r", "c", Fixed(32), (0,))
    assert refused(logits, ops.Relu("a", "r")) == (
        "layer 'a' reads 'r', which is fixed32; the tile's activations are fixed8"
    )
    float_beside_fixed = refused(
        ops.Requantize("r", "c", Minifloat(5, 2), (0,)), ops.MaxPool2d("p", "r", *TILING)
    )
    assert float_beside_fixed == (
        "no format of a tile holds e5m2 and fixed8 together; give the layers formats that one does"
    )


def mixed(weights=F4, results=F8):
    """A layer of 4-bit weights, and one that is as the program says."""
    return Program(
        "n",
        "fixed8",
        (2, 8, 8),
        (
            ops.Quantize("x", "input", F8, -4),
            ops.Conv2d("c", "x", np.ones((3, 2, 1, 1), dtype=np.int64), None, weights, (0,)),
            ops.Requantize("r", "c", results, (4,)),
            ops.MaxPool2d("p", "r", (3, 3), (2, 2)),
            ops.AvgPool2d("m", "p", (3, 3), (3, 3)),
            ops.Flatten("f", "m"),
            ops.Linear("l", "f", np.ones((2, 3), dtype=np.int64), None, F8, (0,)),
            ops.Requantize("logits", "l", Fixed(32), (0,)),
        ),
    )


def test_layers_of_their_own_precision_say_so_and_others_do_not():
    assert [work.formats for work in workload(program())] == [None]
    assert [work.formats for work in workload(mixed(results=Fixed(6)))] == [
        LayerFormats(F4, (F8,), Fixed(6), saturates=True),
        LayerFormats(None, (Fixed(6),), None, saturates=False),
        LayerFormats(None, (Fixed(6),), Fixed(6), saturates=False),
        LayerFormats(F8, (Fixed(6),), None, saturates=False),
    ]
    assert workload(mixed())[-1].wide


def test_a_mixed_program_is_given_the_widest_operands_and_bounds_where_it_rounds_to_less():
    plain = Tile("fixed8", neurons=2)
    assert fitting(plain, mixed()) == plain
    assert fitting(plain, mixed(results=Fixed(6))) == replace(plain, clip=True)
    assert fitting(Tile("fixed4", neurons=2), mixed()) == plain
    wider = mixed(weights=Fixed(12), results=Fixed(16))
    assert fitting(plain, wider) == replace(plain, precision=parse_precision("fixed12:fixed16"), clip=False)


def test_a_requantise_without_a_layer_is_refused():
    """`Program` itself lets none through, so it is asked of one that was put together by hand."""
    made = program(relu("a"))
    object.__setattr__(made, "ops", (made.ops[0], made.ops[2]))
    with pytest.raises(UnsupportedError) as caught:
        split_passes(made)
    assert str(caught.value) == "operation 'r' (Requantize) follows no layer of the tile"
