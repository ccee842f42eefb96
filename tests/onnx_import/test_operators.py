"""Each operator, with its options, against onnxruntime."""

import numpy as np
import pytest

from bitwatt.errors import UnsupportedError
from bitwatt.onnx_import import read_onnx

RNG = np.random.default_rng(0)


def weight(*shape):
    return RNG.normal(size=shape).astype(np.float32)


CONVOLUTIONS = {
    "plain": ({}, (5, 3, 3, 3)),
    "strided, padded, dilated": (
        {"strides": [2, 1], "pads": [1, 2, 1, 2], "dilations": [1, 2]},
        (5, 3, 3, 3),
    ),
    "uneven pads": ({"pads": [0, 1, 2, 0]}, (5, 3, 3, 3)),
    "same, upper": ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (5, 3, 4, 2)),
    "same, lower": ({"auto_pad": "SAME_LOWER", "strides": [2, 3]}, (5, 3, 4, 2)),
    "valid": ({"auto_pad": "VALID"}, (5, 3, 2, 2)),
    "groups": ({"group": 3, "pads": [1, 1, 1, 1]}, (6, 1, 3, 3)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name, saved, assert_same):
    options, shape = CONVOLUTIONS[name]
    numbers = {"w": weight(*shape), "b": weight(shape[0])}
    path = saved([("Conv", ["x", "w", "b"], ["y"], options)], (3, 11, 9), numbers, rank=4)
    assert_same(read_onnx(path), path)


def test_one_axis(saved, assert_same):
    nodes = [
        ("Conv", ["x", "w"], ["a"], {"pads": [1, 1], "strides": [2]}),
        ("BatchNormalization", ["a", "s", "t", "m", "v"], ["b"], {"epsilon": 1e-3}),
        ("MaxPool", ["b"], ["c"], {"kernel_shape": [2], "strides": [2]}),
        ("AveragePool", ["c"], ["d"], {"kernel_shape": [2]}),
        ("GlobalAveragePool", ["d"], ["y"], {}),
    ]
    numbers = {"w": weight(4, 2, 3), "s": weight(4), "t": weight(4), "m": weight(4), "v": weight(4) ** 2}
    path = saved(nodes, (2, 21), numbers, rank=3)
    assert_same(read_onnx(path), path)


def test_zeros_around_an_image_go_into_the_convolution(saved, assert_same):
    for pads, kinds in (
        ([0, 0, 1, 2, 0, 0, 1, 2], ["Conv2d"]),
        ([0, 0, 0, 1, 0, 0, 1, 0], ["ZeroPad2d", "Conv2d"]),
    ):
        path = saved(
            [("Pad", ["x", "p"], ["a"], {}), ("Conv", ["a", "w"], ["y"], {"pads": [1, 0, 1, 0]})],
            (3, 7, 8),
            {"p": np.array(pads), "w": weight(2, 3, 3, 3)},
            rank=4,
        )
        read = read_onnx(path)
        assert [type(layer).__name__ for layer in read.module.children()] == kinds
        assert_same(read, path)


POOLINGS = {
    "plain": {"kernel_shape": [2, 3], "strides": [2, 2]},
    "padded": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    "behind only": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]},
    "same": {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    "rounded up": {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
}


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("lengths", [(8, 8), (9, 8)])
def test_pooling(name, kind, lengths, saved, assert_same):
    path = saved([(kind, ["x"], ["y"], POOLINGS[name])], (2, *lengths), rank=4)
    assert_same(read_onnx(path), path)


def test_pads_that_torch_has_no_rounding_for(saved):
    options = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 0]}
    with pytest.raises(
        UnsupportedError, match=r"pads \(0, 0\) in front and \(1, 0\) behind are not supported"
    ):
        read_onnx(saved([("MaxPool", ["x"], ["y"], options)], (2, 8, 8), rank=4))


def test_an_average_that_counts_padding(saved, assert_same):
    options = {"kernel_shape": [3, 3], "strides": [2, 2], "count_include_pad": 1}
    for pads in ([1, 1, 1, 1], [0, 1, 1, 0]):
        path = saved([("AveragePool", ["x"], ["y"], {**options, "pads": pads})], (2, 7, 8), rank=4)
        assert_same(read_onnx(path), path)


def test_means_over_the_map(saved, assert_same):
    for keep, rank in ((1, 4), (0, 2)):
        path = saved([("ReduceMean", ["x"], ["y"], {"axes": [2, 3], "keepdims": keep})], (3, 4, 5), rank=rank)
        assert_same(read_onnx(path), path)
    path = saved([("GlobalMaxPool", ["x"], ["y"], {})], (3, 4, 5), rank=4)
    assert_same(read_onnx(path), path)


ACTIVATIONS = {
    "Relu": ("Relu", {}, {}),
    "LeakyRelu": ("LeakyRelu", {"alpha": 0.25}, {}),
    "PRelu": ("PRelu", {}, {"p": np.full((3, 1, 1), 0.25, np.float32)}),
    "HardSigmoid": ("HardSigmoid", {"alpha": 1 / 6}, {}),
    "HardSwish": ("HardSwish", {}, {}),
    "relu6": ("Clip", {}, {"low": np.float32(0), "high": np.float32(6)}),
    "hardtanh": ("Clip", {}, {"low": np.float32(-0.5), "high": np.float32(1)}),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name, saved, assert_same):
    kind, options, constants = ACTIVATIONS[name]
    path = saved([(kind, ["x", *constants], ["y"], options)], (3, 4, 4), constants, rank=4)
    assert_same(read_onnx(path), path)


def test_hard_swish_in_two_nodes(saved, assert_same):
    path = saved(
        [("HardSigmoid", ["x"], ["g"], {"alpha": 1 / 6}), ("Mul", ["x", "g"], ["y"], {})], (3, 4, 4), rank=4
    )
    read = read_onnx(path)
    assert [type(layer).__name__ for layer in read.module.children()] == ["Hardswish"]
    assert_same(read, path)


def test_constants_are_folded_into_the_layer_before(saved, assert_same):
    nodes = [
        ("Conv", ["x", "w"], ["a"], {}),
        ("Mul", ["a", "m"], ["b"], {}),
        ("Add", ["s", "b"], ["c"], {}),
        ("Div", ["c", "d"], ["e"], {}),
        ("Sub", ["e", "s"], ["y"], {}),
    ]
    numbers = {"w": weight(4, 3, 3, 3), "m": weight(4, 1, 1), "s": weight(1, 4, 1, 1), "d": np.float32(3)}
    path = saved(nodes, (3, 6, 6), numbers, rank=4)
    read = read_onnx(path)
    assert [type(layer).__name__ for layer in read.module.children()] == ["Conv2d"]
    assert_same(read, path)


def test_what_two_layers_read_is_not_folded_into(saved, assert_same):
    nodes = [("Conv", ["x", "w"], ["a"], {}), ("Mul", ["a", "m"], ["b"], {}), ("Add", ["a", "b"], ["y"], {})]
    path = saved(nodes, (3, 6, 6), {"w": weight(4, 3, 3, 3), "m": np.float32(3)}, rank=4)
    read = read_onnx(path)
    assert [type(layer).__name__ for layer in read.module.children()] == ["Conv2d", "BatchNorm2d"]
    assert_same(read, path)


def test_channels_last_inside(saved, assert_same):
    """Behind a transposition: constants along the last axis, a concatenation there, a flattened map."""
    nodes = [
        ("Transpose", ["x"], ["last"], {"perm": [0, 2, 3, 1]}),
        ("Add", ["last", "c"], ["a"], {}),
        ("Relu", ["a"], ["b"], {}),
        ("Concat", ["b", "last"], ["d"], {"axis": 3}),
        ("Flatten", ["d"], ["flat"], {}),
        ("Mul", ["flat", "f"], ["g"], {}),
        ("MatMul", ["g", "w"], ["y"], {}),
    ]
    numbers = {"c": weight(3), "f": weight(6 * 20), "w": weight(6 * 20, 5)}
    path = saved(nodes, (3, 4, 5), numbers)
    read = read_onnx(path)
    assert "permute" not in read.module.code
    assert_same(read, path)


def test_unknown_names_of_layers_are_made_valid(saved):
    import onnx

    path = saved([("Relu", ["x"], ["a"], {}), ("Relu", ["a"], ["y"], {})], (3,))
    model = onnx.load(path)
    model.graph.node[0].name = "/net.1/relu:0"
    model.graph.node[1].name = "input"
    onnx.save(model, path)
    assert [name for name, _ in read_onnx(path).module.named_children()] == ["net_1_relu_0", "layer_input"]


ZEROS, ONE = np.zeros(8, np.int64), np.float32(1)
REFUSED = {
    "its weight must be constant": ("MatMul", ["x", "x"], {}, {}),
    "must be along the channels": ("Concat", ["x", "x"], {"axis": 2}, {}),
    "perm must permute the 3 axes behind the batch, got (1, 0, 2, 3)": (
        "Transpose", ["x"], {"perm": [1, 0, 2, 3]}, {},
    ),
    "must clip on both sides, or from 0 on; got 1.0 and None": ("Clip", ["x", "l"], {}, {"l": ONE}),
    "must be of zeros, got 1": ("Pad", ["x", "p", "v"], {}, {"p": ZEROS, "v": ONE}),
    "of two values that depend on the images is not supported": ("Mul", ["x", "x"], {}, {}),
    "with a constant of shape (4,): it must be one number a channel": (
        "Add", ["x", "c"], {}, {"c": np.arange(4, dtype=np.float32)},
    ),
    "must be clip(x / 6 + 1 / 2), got alpha 0.2 and beta 0.5": ("HardSigmoid", ["x"], {}, {}),
    "its slope must be one number for all channels, and in the file": (
        "PRelu", ["x", "p"], {}, {"p": np.arange(3, dtype=np.float32).reshape(3, 1, 1)},
    ),
    "must be over the whole map, each channel by itself": ("ReduceMean", ["x"], {"axes": [1]}, {}),
    "of shape (1, 3, 4, 4) to (3, 16): images must stay apart": (
        "Reshape", ["x", "s"], {}, {"s": np.array([3, 16])},
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSED)
def test_refused(reason, saved):
    kind, inputs, options, constants = REFUSED[reason]
    path = saved([(kind, inputs, ["a"], options), ("Relu", ["a"], ["y"], {})], (3, 4, 4), constants, rank=4)
    with pytest.raises(UnsupportedError) as error:
        read_onnx(path)
    assert str(error.value).splitlines()[1] == f"  - node '{kind.lower()}_0' ({kind}): {reason}"


def test_indices_of_a_maximum_are_refused(saved):
    nodes = [
        ("MaxPool", ["x"], ["a", "i"], {"kernel_shape": [2, 2]}),
        ("Cast", ["i"], ["b"], {"to": 1}),
        ("Add", ["a", "b"], ["y"], {}),
    ]
    with pytest.raises(UnsupportedError, match=r"node 'maxpool_0' \(MaxPool\): gives indices, which are not"):
        read_onnx(saved(nodes, (3, 4, 4), rank=4))
