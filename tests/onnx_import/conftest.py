"""Models of a few nodes, and onnxruntime as the oracle."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper


def make_model(nodes, shape, weights, outputs=("y",), rank=2, opset=17, batch="N"):
    """nodes: (kind, inputs, outputs, attributes), each named after its kind and place; images are "x"."""
    made = [
        helper.make_node(kind, inputs, made, name=f"{kind.lower()}_{place}", **attributes)
        for place, (kind, inputs, made, attributes) in enumerate(nodes)
    ]
    held = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    tensor = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        made,
        "test",
        [helper.make_tensor_value_info("x", tensor, [batch, *shape])],
        [helper.make_tensor_value_info(name, tensor, [None] * rank) for name in outputs],
        held,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture
def saved(tmp_path):
    """Saves a model of nodes (kind, inputs, outputs, attributes), images "x", answer "y"; gives its path."""

    def save(nodes, shape, weights=None, **options):
        path = tmp_path / "model.onnx"
        onnx.save(make_model(nodes, shape, weights or {}, **options), path)
        return path

    return save


def _runtime(path, images, output):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    fed = {session.get_inputs()[0].name: np.ascontiguousarray(images)}
    return session.run([output or session.get_outputs()[0].name], fed)[0]


@pytest.fixture
def assert_same():
    """Asserts that a module gives what onnxruntime gives.

    Both add in float32 in orders of their own: 1e-5 of the largest answer is a hundred times what that makes
    in networks as deep as these.
    """

    def check(read, path: Path, *, channels_last=False, output=None, count=3):
        rng = np.random.default_rng(0)
        images = rng.normal(size=(count, *read.input_shape)).astype(np.float32)
        expected = _runtime(path, images.transpose(0, 2, 3, 1) if channels_last else images, output)
        with torch.no_grad():
            found = read.module(torch.from_numpy(images)).numpy()
        assert found.shape == expected.shape
        assert np.abs(expected).max() > 0
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()

    return check
