"""onnxruntime and qonnx against float32 PyTorch, for the task on standard input; JSON of `measuring.measure`.

The task's folder has the fixed8 program as bitwatt exports it; the float32 network is exported here, by
PyTorch, and onnxruntime quantises that itself (`quantize_static`: QDQ, uint8 activations, int8 weights).
"""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import onnxruntime
import torch
from measuring import Run, measure
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes
from torch import Tensor

import bitwatt as bw
from bitwatt.quantization.input_stage import channels_last

FOLDER = "BITWATT_PEER_FOLDER"
"""Variable that tells the processes that measure memory where the files are."""

RUNTIME = f"onnxruntime {version('onnxruntime')}"
FLOAT, INT8, OURS = f"{RUNTIME} float32", f"{RUNTIME} int8", f"{RUNTIME} our fixed8"
QONNX = f"qonnx {version('qonnx')} our fixed8"


class _Once(CalibrationDataReader):
    def __init__(self, images: Tensor) -> None:
        self.left = [{"images": images.numpy()}]

    def get_next(self) -> dict[str, object] | None:
        return self.left.pop() if self.left else None


def export(network: str, images: Tensor, folder: Path) -> None:
    net = bw.networks.create(network, seed=0).eval()
    plain, quantised = folder / "float32.onnx", folder / "int8.onnx"
    torch.onnx.export(
        net, (images,), plain, input_names=["images"], dynamo=True, verbose=False, external_data=False
    )
    quantize_static(
        plain,
        quantised,
        _Once(images),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def forward_of(model: torch.nn.Module, images: Tensor) -> Callable[[], object]:
    def forward() -> object:
        with torch.inference_mode():
            return model(images)

    return forward


def make(network: str, batch: int, name: str) -> Run:
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    folder = Path(os.environ[FOLDER])
    torch.manual_seed(0)
    images = torch.rand(batch, *bw.networks.info(network).input_shape)
    if name == "float32":
        net = bw.networks.create(network, seed=0).eval().to(memory_format=torch.channels_last)
        return forward_of(net, channels_last(images))
    if not (folder / "int8.onnx").exists():
        export(network, images, folder)
    feed = {"images": images.numpy()}
    if name == QONNX:
        model = ModelWrapper(str(folder / "qonnx.onnx"))
        model.set_tensor_shape("images", list(images.shape))
        return functools.partial(execute_onnx, model.transform(InferShapes()), feed)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.log_severity_level = 3
    file = {FLOAT: "float32.onnx", INT8: "int8.onnx", OURS: "onnx-qdq.onnx"}[name]
    session = onnxruntime.InferenceSession(str(folder / file), options, providers=["CPUExecutionProvider"])
    return functools.partial(session.run, None, feed)


if __name__ == "__main__":
    task = json.load(sys.stdin)
    os.environ[FOLDER] = task.pop("folder")
    onnxruntime.set_default_logger_severity(3)
    print(json.dumps(measure(make, task.pop("network"), [FLOAT, INT8, OURS, QONNX], **task)))
