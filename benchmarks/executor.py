"""Time and memory of the exact program over plain float32, as ratios.

    python benchmarks/executor.py --network lenet alex --precision fixed8 binary --threads 1

Plain float32 is the same network in PyTorch, channels-last, without gradients. Runs are timed in turn,
float32 then another, so that a busy machine slows both; the figure is the median of the ratios of pairs, of
processor time with one thread, of the time that passed with more. Memory is what a fresh process grows by, at
most, in its first three runs. "float64" is the carrier that needs no proof: the network in `.double()`.

Peers (onnxruntime and qonnx) run in an environment of their own against the same float32: the float32
network, onnxruntime's own int8 (QDQ), and the fixed8 program as bitwatt exports it to both.
docs/performance.md has figures, and what was tried.
"""

from __future__ import annotations

import argparse
import copy
import functools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from environments import LeftOut, ask
from measuring import Run, header, lines, measure
from torch import Tensor, nn

import bitwatt as bw
from bitwatt.program import Program, explain
from bitwatt.quantization.input_stage import channels_last

NETWORKS = ("lenet", "alex", "resnet8")
PRECISIONS = ("fixed8", "fixed4", "binary", "pow2", "fixed16")
ONNX = ("torch==2.13.0", "onnx==1.23.2", "onnxscript==0.7.2", "onnxruntime==1.32.0", "qonnx==1.0.0")


def forward_of(model: nn.Module, images: Tensor) -> Callable[[], object]:
    def forward() -> object:
        with torch.inference_mode():
            return model(images)

    return forward


def images_of(network: str, batch: int) -> Tensor:
    torch.manual_seed(0)
    return torch.rand(batch, *bw.networks.info(network).input_shape)


def program_of(network: str, images: Tensor, precision: str) -> Program:
    net = bw.networks.create(network, seed=0).eval()
    return bw.lower(bw.quantize(net, precision, calibration=images).eval(), images[:1], network=network)


def make(network: str, batch: int, name: str) -> Run:
    """The run of "float32", "float64", or a precision's program."""
    images = images_of(network, batch)
    if name not in ("float32", "float64"):
        program = program_of(network, images, name)
        program(images[:1])  # makes the plan
        return functools.partial(program, images)
    net = bw.networks.create(network, seed=0).eval().to(memory_format=torch.channels_last)
    last = channels_last(images)
    return (
        forward_of(net, last) if name == "float32" else forward_of(copy.deepcopy(net).double(), last.double())
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", nargs="+", default=list(NETWORKS), choices=bw.networks.names())
    parser.add_argument("--precision", nargs="+", default=list(PRECISIONS))
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--no-memory", action="store_true", help="time alone, which saves a process a line")
    parser.add_argument("--explain", action="store_true", help="how each layer is computed")
    options = parser.parse_args()
    how = {
        "reference": "float32",
        "threads": options.threads,
        "batch": options.batch,
        "repeats": options.repeats,
        "memory": not options.no_memory,
    }
    print(f"the exact program, batch {options.batch}, torch {torch.__version__}\n{header(options.threads)}")
    for network in options.network:
        images = images_of(network, options.batch)
        if options.explain:
            for precision in options.precision:
                print(f"{network} {precision}\n{explain(program_of(network, images, precision))}", flush=True)
        found = measure(make, network, [*options.precision, "float64"], **how)
        print(f"-- {network}\n{lines(found, options.threads, 'float32')}", flush=True)
        if options.no_peers:
            continue
        with tempfile.TemporaryDirectory() as folder:
            program = program_of(network, images, "fixed8")
            for form in ("onnx-qdq", "qonnx"):
                bw.export.write(program, form, Path(folder) / f"{form}.onnx")
            try:
                found = ask("onnx", ONNX, "peer_onnx.py", {"network": network, "folder": folder, **how})
            except LeftOut as reason:
                print(reason, flush=True)
            else:
                print(lines(found, options.threads), flush=True)


if __name__ == "__main__":
    sys.exit(main())
