"""`bitwatt lower model.onnx` gives the module's own program; for `bitwatt cost model.onnx` shapes suffice."""

import json
import warnings

import numpy as np
import onnx
import pytest
import torch

from bitwatt import networks
from bitwatt.cli.app import run
from bitwatt.cli.onnx_input import parse_shape
from bitwatt.errors import RequestError
from bitwatt.onnx_import import read_onnx
from bitwatt.program import load, lower
from bitwatt.quantization import quantize
from bitwatt.quantization.post_training import improve


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, np.random.default_rng(0).normal(size=(8, 1, 28, 28)).astype(np.float32))
    return path


@pytest.fixture
def lenet(tmp_path):
    path = tmp_path / "lenet.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's older exporter says that it is old
        torch.onnx.export(
            networks.create("lenet", seed=0, width=0.2).eval(),
            (torch.zeros(1, 1, 28, 28),),
            path,
            dynamo=False,
        )
    return path


def test_lower(lenet, images, tmp_path, capfd):
    out = tmp_path / "lenet.bitwatt"
    arguments = [
        "lower",
        str(lenet),
        "--precision",
        "fixed8",
        "--calibration",
        str(images),
        "--out",
        str(out),
    ]
    assert run([*arguments, "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {
        "program": str(out), "network": "lenet", "precision": "fixed8", "epochs": 0,
    }  # fmt: skip
    given = torch.from_numpy(np.load(images))
    expected = lower(quantize(read_onnx(lenet).module, "fixed8", calibration=given), example=given[:1])
    assert torch.equal(load(out)(given), expected(given))


def test_lower_with_post_training(lenet, images, tmp_path):
    out = tmp_path / "lenet.bitwatt"
    arguments = [
        "lower",
        str(lenet),
        "--precision",
        "fixed4",
        "--calibration",
        str(images),
        "--out",
        str(out),
    ]
    assert run([*arguments, "--post-training"]) == 0
    given = torch.from_numpy(np.load(images))
    quantised = quantize(read_onnx(lenet).module, "fixed4", calibration=given)
    plain = lower(quantised, example=given[:1])(given)
    improve(quantised, given)
    assert torch.equal(load(out)(given), lower(quantised, example=given[:1])(given))
    assert not torch.equal(load(out)(given), plain)


REFUSED = {
    "give --data, to train at the precision, or --calibration, to choose exponents only": [],
    "--epochs 3 needs --data; --calibration trains nothing": ["--calibration", "IMAGES", "--epochs", "3"],
    "--post-training needs --calibration; --data trains at the precision instead": [
        "--data",
        "mnist-small",
        "--post-training",
    ],
    "'MODEL' holds its network; leave --network out": ["--calibration", "IMAGES", "--network", "lenet"],
    "there is no file of calibration images 'none.npy'": ["--calibration", "none.npy"],
    "'MODEL' takes images of 1x28x28, channels first; got 1x9x9": ["--calibration", "SMALL"],
    "'BYTES' must hold images as the network takes them, floating point (count, channels, height, width); "
    "got uint8 (2, 1, 28, 28)": ["--calibration", "BYTES"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_lower_refuses(message, lenet, images, tmp_path, capfd):
    small, whole = tmp_path / "small.npy", tmp_path / "bytes.npy"
    np.save(small, np.zeros((2, 1, 9, 9), np.float32))
    np.save(whole, np.zeros((2, 1, 28, 28), np.uint8))
    paths = {"MODEL": lenet, "IMAGES": images, "SMALL": small, "BYTES": whole}
    options = [str(paths.get(word, word)) for word in REFUSED[message]]
    status = run(
        ["lower", str(lenet), "--precision", "fixed8", "--out", str(tmp_path / "x.bitwatt"), *options]
    )
    for word, path in paths.items():
        message = message.replace(word, str(path))
    assert (status, capfd.readouterr().err) == (2, f"bitwatt: {message}\n")


def test_weights_need_a_network(images, tmp_path, capfd):
    path = tmp_path / "w.safetensors"
    arguments = ["--precision", "fixed8", "--calibration", str(images), "--out", str(tmp_path / "x.bitwatt")]
    assert run(["lower", str(path), *arguments]) == 2
    assert capfd.readouterr().err == (
        f"bitwatt: --network must say which network the weights in '{path}' are of\n"
    )


def test_a_cost_follows_from_shapes(lenet, images, tmp_path, capfd):
    """The same from the whole file, from one whose weights are missing, and from the calibrated program."""
    program = tmp_path / "lenet.bitwatt"
    run(["lower", str(lenet), "--precision", "fixed8", "--calibration", str(images), "--out", str(program)])
    hollow = tmp_path / "hollow" / "lenet.onnx"
    hollow.parent.mkdir()
    onnx.save(
        onnx.load(lenet), hollow, save_as_external_data=True, location="weights.bin", size_threshold=100
    )
    (hollow.parent / "weights.bin").unlink()
    capfd.readouterr()
    costs = []
    as_fixed8 = ["--precision", "fixed8"]
    for arguments in ([str(lenet), *as_fixed8], [str(hollow), *as_fixed8], [str(program)]):
        assert run(["cost", *arguments, "--json"]) == 0
        costs.append(json.loads(capfd.readouterr().out))
    assert costs[0] == costs[1] == costs[2]
    assert costs[0]["cycles"] > 0
    assert run(["cost", str(hollow), "--precision", "fixed8", "--json"]) == 0
    assert capfd.readouterr().err == (
        f"the weights of 4 layers are not in '{hollow}'; costs follow from shapes alone\n"
    )


def test_the_cost_of_a_model_of_several_inputs(tmp_path, capfd):
    """Their shapes are said one after the other."""
    nodes = [
        onnx.helper.make_node("Concat", ["x", "z"], ["a"], axis=1),
        onnx.helper.make_node("MatMul", ["a", "w"], ["y"]),
    ]
    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["count", f"{name}s"])
        for name in ("x", "z")
    ]
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["count", 4])
    weights = onnx.numpy_helper.from_array(np.ones((5, 4), np.float32), "w")
    path = tmp_path / "two.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", inputs, [output], [weights])), path)
    assert run(["cost", str(path), "--precision", "fixed8", "--input-shape", "3,2", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["memory_bytes"]["activations_peak"] == 5 + 4
    assert run(["cost", str(path), "--precision", "fixed8", "--input-shape", "3"]) == 2
    assert capfd.readouterr().err == (
        f"bitwatt: '{path}' takes images of 2 inputs, 'x', 'z', and got shapes for 1\n"
    )


def test_cost_refuses(lenet, tmp_path, capfd):
    assert run(["cost", str(lenet)]) == 2
    assert capfd.readouterr().err == (
        f"bitwatt: '{lenet}' is a float model: say --precision, as in --precision fixed8\n"
    )
    assert run(["cost", "x.bitwatt", "--precision", "fixed8"]) == 2
    assert capfd.readouterr().err == (
        "bitwatt: --precision is for ONNX files; the program 'x.bitwatt' has its own\n"
    )
    assert run(["cost", str(lenet), "--precision", "fixed8", "--operands", "measured"]) == 2
    assert capfd.readouterr().err == (
        "bitwatt: --operands measured needs a program; make one with bitwatt lower\n"
    )


def test_shapes():
    assert parse_shape("3x32x32") == ((3, 32, 32),)
    assert parse_shape("3x32x32,7") == ((3, 32, 32), (7,))
    assert parse_shape(None) is None
    for text in ("3,,32", "0x3", "x3", "3x", "", "-1"):
        with pytest.raises(RequestError) as error:
            parse_shape(text)
        assert str(error.value) == f"--input-shape must be like 3x32x32, channels first; got '{text}'"
