"""ZigZag on the layers that standard input holds: its version, and seconds a design point, as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import onnx
import zigzag
from onnx import TensorProto, helper
from zigzag.api import get_hardware_performance_zigzag


def model(layers: list[dict]) -> onnx.ModelProto:
    nodes, inputs, outputs, weights = [], [], [], []
    for layer in layers:
        name = layer["name"]
        height, width = (
            layer[o] + layer[k] - 1 for o, k in (("out_height", "kernel"), ("out_width", "kernel"))
        )
        shape = [layer["outputs"], layer["inputs"], layer["kernel"], layer["kernel"]]
        size = shape[0] * shape[1] * shape[2] * shape[3]
        weights.append(helper.make_tensor(f"{name}.weight", TensorProto.FLOAT, shape, [0.0] * size))
        inputs.append(
            helper.make_tensor_value_info(f"{name}.in", TensorProto.FLOAT, [1, shape[1], height, width])
        )
        outputs.append(
            helper.make_tensor_value_info(
                f"{name}.out", TensorProto.FLOAT, [1, shape[0], layer["out_height"], layer["out_width"]]
            )
        )
        nodes.append(
            helper.make_node(
                "Conv",
                [f"{name}.in", f"{name}.weight"],
                [f"{name}.out"],
                name=name,
                kernel_shape=[layer["kernel"]] * 2,
                strides=[1, 1],
                pads=[0] * 4,
                dilations=[1, 1],
                group=1,
            )
        )
    graph = helper.make_graph(nodes, "layers", inputs, outputs, weights)
    return helper.make_model(graph)


def main() -> None:
    logging.disable(logging.CRITICAL)
    layers = json.load(sys.stdin)
    shipped = Path(zigzag.__file__).parent / "inputs"
    seconds = []
    for _ in range(2):  # the first one loads what is loaded once
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            begun = time.process_time()
            get_hardware_performance_zigzag(
                model(layers),
                str(shipped / "hardware" / "tpu_like.yaml"),
                str(shipped / "mapping" / "tpu_like.yaml"),
                opt="energy",
                dump_folder=folder,
                pickle_filename=f"{folder}/cmes.pickle",
                loma_show_progress_bar=False,
            )
            seconds.append(time.process_time() - begun)
    print(json.dumps({"seconds": min(seconds), "version": version("zigzag-dse")}))


if __name__ == "__main__":
    main()
