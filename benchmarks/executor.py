"""Time of the exact program over plain float32, as a ratio.

    python benchmarks/executor.py --network lenet alex --precision fixed8 binary --threads 1

Plain float32 is the same network in PyTorch, channels-last, without gradients. Runs are timed in turn,
float then program, so that a busy machine slows both; the figure is the median of the ratios of pairs. With
one thread it is the thread's own processor time that counts, which other processes disturb less. Beside it
stands the carrier that needs no proof, the same network in float64 (`.double()`, channels-last).
docs/performance.md has figures, and what was tried.
"""

from __future__ import annotations

import argparse
import copy
import functools
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

import bitwatt as bw
from bitwatt.program import explain
from bitwatt.quantization.input_stage import channels_last

PRECISIONS = ("fixed4", "fixed8", "binary", "pow2", "fixed16", "fixed32")


def forward_of(model: nn.Module, images: Tensor) -> Callable[[], object]:
    def forward() -> object:
        with torch.inference_mode():
            return model(images)

    return forward


def ratios(
    reference: Callable[[], object], others: dict[str, Callable[[], object]], repeats: int
) -> tuple[float, dict[str, float]]:
    """Median seconds of the reference, and of each other the median ratio to the reference run before it."""
    base: list[float] = []
    found: dict[str, list[float]] = {name: [] for name in others}
    for repeat in range(repeats + 2):
        for name, run in others.items():
            first = seconds(reference)
            second = seconds(run)
            if repeat >= 2:  # the first runs allocate
                base.append(first)
                found[name].append(second / first)
    return statistics.median(base), {name: statistics.median(values) for name, values in found.items()}


def seconds(run: Callable[[], object]) -> float:
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    begin = clock()
    run()
    return clock() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", nargs="+", default=["lenet", "alex"], choices=bw.networks.names())
    parser.add_argument("--precision", nargs="+", default=list(PRECISIONS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--explain", action="store_true", help="how each layer is computed")
    options = parser.parse_args()
    for name in options.network:
        torch.manual_seed(0)
        images = torch.rand(options.batch, *bw.networks.info(name).input_shape)
        net = bw.networks.create(name, seed=0).eval().to(memory_format=torch.channels_last)
        last = channels_last(images)
        runs: dict[str, Callable[[], object]] = {
            "float64": forward_of(copy.deepcopy(net).double(), last.double())
        }
        for precision in options.precision:
            quantised = bw.quantize(net, precision, calibration=images).eval()
            program = bw.lower(quantised, images[:1], network=name)
            runs[precision] = functools.partial(program, images)
            if options.explain:
                print(f"{name} {precision}\n{explain(program)}", flush=True)
        for threads in options.threads:
            torch.set_num_threads(threads)
            base, found = ratios(forward_of(net, last), runs, options.repeats)
            shown = "   ".join(f"{run} {ratio:.2f}" for run, ratio in found.items())
            print(
                f"{name}, batch {options.batch}, {threads} thread{'s' * (threads > 1)}: "
                f"float32 {1e3 * base:.2f} ms = 1.00   {shown}",
                flush=True,
            )


if __name__ == "__main__":
    main()
