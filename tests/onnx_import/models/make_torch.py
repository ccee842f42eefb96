"""Makes dynamo-resnet8.onnx and dynamo-odd.onnx by torch's exporter, sklearn-mlp.onnx by skl2onnx.

python -m venv env && env/bin/pip install torch==2.13.0 onnxscript onnx==1.23.2 scikit-learn skl2onnx
env/bin/pip install --no-deps -e . && env/bin/python tests/onnx_import/models/make_torch.py
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from skl2onnx import to_onnx
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.nn import functional

from bitwatt import networks

HERE = Path(__file__).parent


class Odd(nn.Module):
    """What the others have not: functions, concatenation, padding, dilation, clamps, a view."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.depth = nn.Conv2d(4, 4, 3, groups=4)
        self.third = nn.Conv2d(8, 6, 3, stride=2, dilation=2, padding=2)
        self.last = nn.Linear(6 * 3 * 3, 5)

    def forward(self, images):
        x = torch.relu(self.first(images))
        y = functional.hardswish(functional.pad(self.depth(x), (1, 1, 1, 1)))
        x = functional.avg_pool2d(self.third(torch.cat([x, y], 1)), 2)
        x = functional.hardtanh(x, -1, 2)
        return functional.log_softmax(self.last(x.view(x.size(0), -1)), 1)


def save(model, name, shape):
    batch = torch.export.Dim("batch")
    path = HERE / f"{name}.onnx"
    torch.onnx.export(
        model.eval(), (torch.zeros(2, *shape),), path, dynamo=True, external_data=False,
        dynamic_shapes=({0: batch},),
    )  # fmt: skip
    exported = onnx.load(path)
    for part in (exported.graph, *exported.graph.node, *exported.graph.input, *exported.graph.output,
                 *exported.graph.value_info, *exported.graph.initializer):  # fmt: skip
        del part.metadata_props[:]  # the maker's folders
    onnx.save(exported, path)


torch.manual_seed(0)
network = networks.create("resnet8", seed=0, width=0.25)
for layer in network.modules():
    if isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.running_mean, std=0.1)
        nn.init.uniform_(layer.running_var, 0.5, 1.5)
        nn.init.uniform_(layer.weight, 0.5, 1.5)
        nn.init.normal_(layer.bias, std=0.1)
save(network, "dynamo-resnet8", (3, 32, 32))
save(Odd(), "dynamo-odd", (1, 14, 14))

rng = np.random.default_rng(0)
rows = rng.normal(size=(300, 6)).astype(np.float32)
classes = (rows[:, 0] * rows[:, 1] > 0).astype(int) + (rows[:, 2] > 1)
perceptron = MLPClassifier((16, 8), max_iter=50, random_state=0).fit(rows, classes)
made = to_onnx(perceptron, rows[:1], options={"zipmap": False}, target_opset=17)
onnx.save(made, HERE / "sklearn-mlp.onnx")
