"""Models from torch's exporters, TensorFlow, scikit-learn and Caffe2 give onnxruntime's answers."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from bitwatt import networks
from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.onnx_import import read_onnx
from bitwatt.program import lower
from bitwatt.quantization import quantize

MODELS = Path(__file__).parent / "models"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def legacy_export(network, shape, path):
    """torch's TorchScript exporter, which warns that it is old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), (torch.zeros(1, *shape),), path, dynamo=False, do_constant_folding=False,
            input_names=["images"], dynamic_axes={"images": {0: "batch"}},
        )  # fmt: skip


@pytest.mark.parametrize("name", ["alex", "resnet8", "ds-cnn", "autoencoder"])
def test_torchscript_exporter(name, tmp_path, assert_same):
    network, shape = networks.create(name, seed=0, width=0.5), networks.info(name).input_shape
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
    path = tmp_path / "model.onnx"
    legacy_export(network, shape, path)
    read = read_onnx(path)
    assert read.input_shape == shape
    assert read.drawn == ()
    assert_same(read, path)


@pytest.mark.parametrize(
    ("name", "shape", "channels_last"),
    [
        ("dynamo-resnet8", (3, 32, 32), False),
        ("dynamo-odd", (1, 14, 14), False),
        ("keras-small", (3, 16, 16), True),
        ("keras-gray", (1, 12, 10), True),
    ],
)
def test_other_makers(name, shape, channels_last, assert_same):
    path = MODELS / f"{name}.onnx"
    read = read_onnx(path)
    assert read.input_shape == shape
    assert_same(read, path, channels_last=channels_last)
    assert "permute" not in read.module.code  # transpositions are dissolved, not done


def test_an_output_of_several(assert_same):
    path = MODELS / "sklearn-mlp.onnx"
    with pytest.raises(UnsupportedError) as error:
        read_onnx(path)
    assert str(error.value) == (
        f"'{path}' gives 2 outputs, 'label', 'probabilities'; say which, as in --output NAME"
    )
    assert_same(read_onnx(path, output="probabilities"), path, output="probabilities")
    with pytest.raises(RequestError, match=r"^unknown output of '.*sklearn-mlp.onnx' 'probability'; did you"):
        read_onnx(path, output="probability")


# Parameters of the same networks in torchvision's table of weights (https://docs.pytorch.org/vision/stable/models).
TORCHVISION = {"resnet50": 25_557_032, "squeezenet": 1_235_496, "densenet121": 7_978_856}


@pytest.mark.parametrize("name", TORCHVISION)
def test_caffe2_models_of_the_onnx_package(name):
    read = read_onnx(LIGHT / f"light_{name}.onnx")
    assert read.input_shape == (3, 224, 224)
    assert sum(p.numel() for p in read.module.parameters()) == TORCHVISION[name]


def with_random_weights(path, target):
    """The onnx package keeps its models light: each weight tensor is one number, repeated."""
    model, rng = onnx.load(path), np.random.default_rng(0)
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    readers = {name: (node.op_type, i) for node in model.graph.node for i, name in enumerate(node.input)}
    kept = [node for node in model.graph.node if node.op_type != "ConstantOfShape"]
    for node in model.graph.node:
        if node.op_type == "ConstantOfShape":
            shape = shapes[node.input[0]]
            spread = np.sqrt(2 / np.prod(shape[1:])) if readers[node.output[0]] == ("Conv", 1) else 0.1
            array = rng.normal(size=shape).astype(np.float32) * np.float32(spread)
            model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    model.ir_version = 8
    onnx.save(model, target)


def test_squeezenet_from_caffe2(tmp_path, assert_same):
    path = tmp_path / "squeezenet.onnx"
    with_random_weights(LIGHT / "light_squeezenet.onnx", path)
    assert_same(read_onnx(path), path, count=1)


def test_layers_bear_the_names_of_their_nodes(tmp_path):
    path = tmp_path / "model.onnx"
    legacy_export(networks.create("lenet", seed=0), (1, 28, 28), path)
    names = [name for name, _ in read_onnx(path).module.named_children()]
    assert names[:4] == ["conv1_Conv", "relu1_Relu", "pool1_MaxPool", "conv2_Conv"]


def test_every_unsupported_operator_is_listed_at_once(saved):
    path = saved(
        [
            ("Sin", ["x"], ["a"], {}),
            ("Relu", ["a"], ["b"], {}),
            ("LRN", ["b"], ["c"], {"size": 3}),
            ("Conv", ["x", "w"], ["d"], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
            ("Softmax", ["d"], ["e"], {"axis": 2}),
            ("ConvTranspose", ["e", "w"], ["f"], {}),
            ("Add", ["c", "f"], ["y"], {}),
        ],
        (3, 8, 8),
        {"w": np.zeros((3, 3, 3, 3), np.float32)},
        rank=4,
    )
    with pytest.raises(UnsupportedError) as error:
        read_onnx(path)
    first, *offenders, last = str(error.value).splitlines()
    assert first == f"'{path}' cannot be read:"
    assert offenders == [
        "  - node 'sin_0' (Sin): is not one of the supported operators",
        "  - node 'lrn_2' (LRN): is not one of the supported operators",
        "  - node 'softmax_4' (Softmax): must be over the classes, one set of them an image",
        "  - node 'convtranspose_5' (ConvTranspose): is not one of the supported operators",
    ]
    assert last.startswith("Supported operators: Add, AveragePool, BatchNormalization, ")


def test_quantised_models_are_refused(saved):
    scale, zero = np.float32(0.1), np.uint8(3)
    path = saved(
        [("QuantizeLinear", ["x", "s", "z"], ["q"], {}), ("DequantizeLinear", ["q", "s", "z"], ["y"], {})],
        (4,),
        {"s": scale, "z": zero},
    )
    with pytest.raises(UnsupportedError) as error:
        read_onnx(path)
    assert str(error.value) == (
        f"'{path}' is already quantised (DequantizeLinear, QuantizeLinear); "
        "give the float model that it was made from"
    )


def test_open_sizes_are_asked_for(saved, assert_same):
    path = saved(
        [
            ("Conv", ["x", "w"], ["a"], {}),
            ("GlobalAveragePool", ["a"], ["b"], {}),
            ("Flatten", ["b"], ["y"], {}),
        ],
        (3, "height", "width"),
        {"w": np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)},
    )
    with pytest.raises(RequestError) as error:
        read_onnx(path)
    assert str(error.value) == (
        f"'{path}' leaves its images' size open, 3x?x? channels first; say it, as in --input-shape 3x32x32"
    )
    with pytest.raises(RequestError) as error:
        read_onnx(path, input_shape=(1, 8, 8))
    assert str(error.value) == f"'{path}' takes images of 3x?x?, channels first; got 1x8x8"
    assert_same(read_onnx(path, input_shape=(3, 8, 9)), path)


def test_a_fixed_batch(saved, assert_same):
    path = saved(
        [("Reshape", ["x", "s"], ["a"], {}), ("MatMul", ["a", "w"], ["y"], {})],
        (2, 2, 2),
        {"s": np.array([4, 8]), "w": np.eye(8, 3, dtype=np.float32)},
        batch=4,
    )
    assert_same(read_onnx(path), path, count=4)


def test_shapes_that_the_graph_computes(saved, assert_same):
    """x.view(x.size(0), -1), as torch's older exporters wrote it."""
    path = saved(
        [
            ("Shape", ["x"], ["shape"], {}),
            ("Gather", ["shape", "zero"], ["batch"], {"axis": 0}),
            ("Unsqueeze", ["batch", "axes"], ["row"], {}),
            ("Concat", ["row", "rest"], ["target"], {"axis": 0}),
            ("Reshape", ["x", "target"], ["flat"], {}),
            ("Gemm", ["flat", "w", "b"], ["y"], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
        ],
        (2, 3, 3),
        {
            "zero": np.int64(0), "axes": np.array([0]), "rest": np.array([-1]),
            "w": np.random.default_rng(0).normal(size=(5, 18)).astype(np.float32),
            "b": np.arange(5, dtype=np.float32),
        },
    )  # fmt: skip
    assert_same(read_onnx(path), path)


class Two(nn.Module):
    """Reads images and facts about them."""

    def __init__(self):
        super().__init__()
        self.stem, self.facts = nn.Conv2d(3, 4, 3), nn.Linear(7, 6)
        self.last = nn.Linear(10, 3)

    def forward(self, images, facts):
        seen = torch.relu(self.stem(images)).mean((2, 3))
        return self.last(torch.cat([seen, torch.relu(self.facts(facts))], dim=1))


@pytest.fixture
def two(tmp_path):
    """A file of two inputs from torch's exporter, and images for it."""
    inputs = torch.randn(4, 3, 6, 6), 8 * torch.randn(4, 7)
    torch.manual_seed(0)
    path, axes = tmp_path / "two.onnx", {0: "count"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's older exporter says that it is old
        torch.onnx.export(
            Two().eval(), inputs, path, dynamo=False, input_names=["images", "facts"],
            dynamic_axes={"images": {0: "count", 2: "height", 3: "width"}, "facts": axes},
        )  # fmt: skip
    return path, inputs


def test_several_inputs(two):
    """In the file's order; and the program is the one of the module that torch exported."""
    path, inputs = two
    read = read_onnx(path, input_shape=((3, 6, 6), (7,)))
    assert read.input_shapes == {"images": (3, 6, 6), "facts": (7,)}
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    fed = {"images": inputs[0].numpy(), "facts": inputs[1].numpy()}
    with torch.no_grad():
        found = read.module(*inputs).numpy()
    assert np.allclose(found, session.run(None, fed)[0], rtol=0, atol=1e-5)
    torch.manual_seed(0)  # as before the one that was exported was made
    made, expected = (
        lower(quantize(module, "fixed8", calibration=inputs).eval(), inputs)(*inputs)
        for module in (read.module, Two())
    )
    assert torch.equal(made, expected)


def test_shapes_of_several_inputs(two):
    path, _ = two
    with pytest.raises(RequestError) as error:
        read_onnx(path)
    assert str(error.value).startswith(f"'{path}' leaves its images' size open, 3x?x? channels first; say")
    with pytest.raises(RequestError) as error:
        read_onnx(path, input_shape=(3, 6, 6))
    assert str(error.value) == f"'{path}' takes images of 2 inputs, 'images', 'facts', and got shapes for 1"
    with pytest.raises(RequestError) as error:
        read_onnx(path, input_shape=((3, 6, 6), (8,)))
    assert str(error.value) == f"'{path}' takes images of 7, channels first, for 'facts'; got 8"


def test_an_input_that_is_not_read_is_left_out(saved):
    path = saved([("Relu", ["x"], ["y"], {})], (3,))
    model = onnx.load(path)
    model.graph.input.insert(0, onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ["N", 3]))
    onnx.save(model, path)
    assert read_onnx(path).input_shapes == {"x": (3,)}


def test_an_answer_without_images(saved):
    path = saved([("Relu", ["w"], ["y"], {})], (3,), {"w": np.ones(3, np.float32)})
    with pytest.raises(UnsupportedError, match="node 'relu_0' \\(Relu\\): its operand 1 must depend on the"):
        read_onnx(path)
