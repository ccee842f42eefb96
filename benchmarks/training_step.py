"""Time and memory of a quantised training step over plain float32's, as ratios.

    python benchmarks/training_step.py --network lenet --precision fixed8 --threads 1

A step is forward, loss, backward and SGD with momentum (PyTorch's fused one). float32 is the same network in
PyTorch, channels-last. Steps are timed in turn, float32 then another, so that a busy machine slows both; the
figure is the median of the ratios of pairs, of processor time with one thread, of the time that passed with
more. Memory is what a fresh process grows by, at most, in its first three steps.

A network with batch normalisation stands there twice: "float32" has it alive; "folded" has it in the layers
before, as `quantize` puts it by default, and PRECISION "live" keeps it, as `batch_norm="train"` does.

Peers (torchao's PT2E and brevitas, both int8) run in environments of their own against the same float32.
"""

from __future__ import annotations

import argparse
import copy
import sys

import torch
from environments import LeftOut, ask
from measuring import Run, header, lines, measure
from steps import step_of
from torch import nn
from torch.fx.experimental.optimization import fuse

import bitwatt as bw
from bitwatt.quantization.input_stage import channels_last

NETWORKS = ("lenet", "alex", "resnet8")
PRECISIONS = ("fixed8", "fixed4", "pow2", "binary")
PEERS = {
    "torchao": ("torch==2.13.0", "torchao==0.18.0", "numpy==2.4.6"),
    "brevitas": ("torch==2.13.0", "brevitas==0.13.4", "numpy==2.4.6"),
}


def make(network: str, batch: int, name: str) -> Run:
    """The step of "float32", "float32 folded", or a precision, with "live" behind it or not."""
    torch.manual_seed(0)
    images = torch.rand(batch, *bw.networks.info(network).input_shape)
    net = bw.networks.create(network, seed=0)
    kind, _, variant = name.partition(" ")
    if kind == "float32":
        model = fuse(copy.deepcopy(net).eval()) if variant == "folded" else net
        model = model.to(memory_format=torch.channels_last)
    else:
        model = bw.quantize(
            net, kind, calibration=images, batch_norm="train" if variant == "live" else "fold"
        )
    return step_of(model, channels_last(images), torch.randint(10, (batch,)))


def runs_of(network: str, precisions: list[str]) -> list[str]:
    """The names of all, for `make`."""
    net = bw.networks.create(network, seed=0)
    if any(isinstance(module, nn.BatchNorm2d) for module in net.modules()):
        return ["float32 folded", *precisions, *(f"{precision} live" for precision in precisions)]
    return precisions


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", nargs="+", default=list(NETWORKS), choices=bw.networks.names())
    parser.add_argument("--precision", nargs="+", default=list(PRECISIONS))
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--no-memory", action="store_true", help="time alone, which saves a process a line")
    options = parser.parse_args()
    how = {
        "reference": "float32",
        "threads": options.threads,
        "batch": options.batch,
        "repeats": options.repeats,
        "memory": not options.no_memory,
    }
    print(f"a training step, batch {options.batch}, torch {torch.__version__}\n{header(options.threads)}")
    for network in options.network:
        found = measure(make, network, runs_of(network, options.precision), **how)
        print(f"-- {network}\n{lines(found, options.threads, 'float32')}", flush=True)
        for peer in options.peers:
            try:
                found = ask(peer, PEERS[peer], f"peer_{peer}.py", {"network": network, **how})
            except LeftOut as reason:
                print(reason, flush=True)
            else:
                print(lines(found, options.threads), flush=True)


if __name__ == "__main__":
    sys.exit(main())
