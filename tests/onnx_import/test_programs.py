"""From a file to an exact program: other makers' models at 16 bits give almost onnxruntime's answers."""

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from bitwatt.onnx_import import read_onnx
from bitwatt.program import lower
from bitwatt.quantization import quantize

MODELS = Path(__file__).parent / "models"
CLOSING = {
    "dynamo-odd": torch.log_softmax, "dynamo-resnet8": None, "keras-gray": None, "keras-small": torch.softmax,
    "sklearn-mlp": torch.softmax,
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSING)
def test_program_of(name):
    path = MODELS / f"{name}.onnx"
    output = "probabilities" if name == "sklearn-mlp" else None
    read = read_onnx(path, output=output)
    images = torch.randn(32, *read.input_shape, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* is left out: it changes no decision")
        quantised = quantize(read.module, "fixed16", calibration=images)
    found = lower(quantised.eval(), example=images[:1])(images)
    if CLOSING[name] is not None:
        assert len(quantised.notes) == 1  # that it was left out
        found = CLOSING[name](found, 1)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    given = images.numpy().transpose(0, 2, 3, 1) if name.startswith("keras") else images.numpy()
    fed = {session.get_inputs()[0].name: np.ascontiguousarray(given)}
    expected = session.run([output or session.get_outputs()[0].name], fed)[0]
    # A grid of 16 bits has 2**15 steps to its largest value; ten or so roundings, one after the other, and
    # amplified by the layers between, stay within a hundred of them.
    assert np.abs(found.numpy() - expected).max() < 100 * 2**-15 * np.abs(expected).max()
