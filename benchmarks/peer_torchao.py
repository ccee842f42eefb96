"""torchao's PT2E training against float32, for the task on standard input; JSON of `measuring.measure`.

int8 as its X86InductorQuantizer sets it: fake quantisation in the exported graph, run by PyTorch as it is.
"""

from __future__ import annotations

import copy
import json
import logging
import sys
import warnings
from importlib.metadata import version

import torch
from measuring import Run, measure
from steps import step_of
from torchao.quantization.pt2e import allow_exported_model_train_eval
from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e
from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

import bitwatt as bw
from bitwatt.quantization.input_stage import channels_last

NAME = f"torchao {version('torchao')} PT2E int8"


def make(network: str, batch: int, name: str) -> Run:
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.manual_seed(0)
    images = torch.rand(batch, *bw.networks.info(network).input_shape)
    last = channels_last(images)
    labels = torch.randint(10, (batch,))
    net = bw.networks.create(network, seed=0).to(memory_format=torch.channels_last)
    if name == "float32":
        return step_of(net, last, labels)
    exported = torch.export.export(copy.deepcopy(net).train(), (last,)).module()
    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config(is_qat=True))
    prepared = prepare_qat_pt2e(exported, quantizer)
    allow_exported_model_train_eval(prepared)
    return step_of(prepared, last, labels)


if __name__ == "__main__":
    task = json.load(sys.stdin)
    print(json.dumps(measure(make, task.pop("network"), [NAME], **task)))
