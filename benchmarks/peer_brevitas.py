"""brevitas' training against float32, for the task on standard input; JSON, as `measuring.measure` has it.

Its own layers in place of PyTorch's: int8 weights, signed 8-bit images, unsigned 8-bit activations behind
ReLU. In both of PyTorch's layouts, as it loses the channels-last strides of images of one channel.
"""

from __future__ import annotations

import copy
import json
import sys
import warnings
from importlib.metadata import version

import brevitas.nn as qnn
import torch
from brevitas.quant import Int8ActPerTensorFloat
from measuring import Run, measure
from steps import step_of
from torch import nn

import bitwatt as bw
from bitwatt.quantization.input_stage import channels_last

NAME = f"brevitas {version('brevitas')} int8"


def quantised(module: nn.Module) -> nn.Module:
    """Its convolutions, fully connected layers and ReLUs replaced."""
    for name, child in module.named_children():
        made: nn.Module
        match child:
            case nn.Conv2d():
                made = qnn.QuantConv2d(
                    child.in_channels,
                    child.out_channels,
                    child.kernel_size,
                    stride=child.stride,
                    padding=child.padding,
                    bias=child.bias is not None,
                    weight_bit_width=8,
                )
            case nn.Linear():
                made = qnn.QuantLinear(child.in_features, child.out_features, bias=True, weight_bit_width=8)
            case nn.ReLU():
                made = qnn.QuantReLU(bit_width=8)
            case _:
                made = quantised(child)
        setattr(module, name, made)
    return module


def make(network: str, batch: int, name: str) -> Run:
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    images = torch.rand(batch, *bw.networks.info(network).input_shape)
    last = channels_last(images)
    labels = torch.randint(10, (batch,))
    net = bw.networks.create(network, seed=0)
    if name == "float32":
        return step_of(net.to(memory_format=torch.channels_last), last, labels)
    entry = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, return_quant_tensor=False)
    model = nn.Sequential(entry, quantised(copy.deepcopy(net)))
    if name.endswith("NCHW"):
        return step_of(model, images, labels)
    return step_of(model.to(memory_format=torch.channels_last), last, labels)


if __name__ == "__main__":
    task = json.load(sys.stdin)
    print(json.dumps(measure(make, task.pop("network"), [NAME, f"{NAME} NCHW"], **task)))
