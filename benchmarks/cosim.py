"""Whole networks on the tile's RTL: seconds to build the Verilator models and to run them.

    python benchmarks/cosim.py --network lenet --images 100 --precision paper
    python benchmarks/cosim.py --network autoencoder,ds-cnn,resnet8 --images 2 --precision fixed8

From nothing: models go to a cache of its own, unless --warm. float32 runs a tenth of the images. LeNet reads
the digits that bitwatt carries, other networks inputs drawn at random; weights are as they are initialised,
which is all the same to the RTL. The goal is LeNet at the paper's precisions, float32 on 10 images, in 300 s
on two processors, builds included. Networks on one kind of tile share its model.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time

import torch

import bitwatt as bw
from bitwatt.formats import parse_precisions
from bitwatt.hardware.cosim import cosimulate


def processor_seconds() -> float:
    """What this process and those it started have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--network", default="lenet")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--precision", default="paper")
    parser.add_argument("--warm", action="store_true", help="use the models that the cache has")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        if not options.warm:
            os.environ["BITWATT_CACHE"] = cache
        began, total = time.perf_counter(), processor_seconds()
        print(f"{'network':18}{'precision':12}{'images':>8}{'cycles':>10}", end="")
        print(f"{'build s':>10}{'run s':>8}{'CPU s':>8}  agrees")
        for network in options.network.split(","):
            for precision in parse_precisions(options.precision):
                run(network, str(precision), options.images)
        print(
            f"together {time.perf_counter() - began:.0f} s, of processors {processor_seconds() - total:.0f} s"
        )


def run(network: str, precision: str, count: int) -> None:
    """Co-simulate one network at one precision, and print a line of the table."""
    used = processor_seconds()
    if network == "lenet":
        images = bw.datasets.load("mnist-small").test.images[: max(count, 64)]
    else:
        images = torch.randn(max(count, 16), *bw.networks.info(network).input_shape)
    net = bw.networks.create(network).eval()
    program = bw.lower(bw.quantize(net, precision, calibration=images), example=images[:1])
    if program.is_float and count >= 10:
        count //= 10
    report = cosimulate(program, images[:count])
    print(
        f"{network:18}{precision:12}{count:8}{report.cycles:10}{report.build_s:10.1f}{report.run_s:8.1f}"
        f"{processor_seconds() - used:8.1f}  {'yes' if report.agrees else 'NO'}",
        flush=True,
    )


if __name__ == "__main__":
    main()
