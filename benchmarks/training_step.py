"""Time of a quantised training step over the best plain float one, as a ratio.

    python benchmarks/training_step.py --network lenet --precision fixed8 --threads 1

The float step is the same network in the faster of PyTorch's two layouts, optimiser included. Steps are timed
in turn, float then quantised, so that a busy machine slows both; the figure is the ratio of the medians.
brevitas (0.13.4, int8 weights and activations) is timed beside them where it can be imported.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

import bitwatt as bw
from bitwatt.quantization.input_stage import channels_last

INPUTS = {"lenet": (1, 28, 28), "convnet": (3, 32, 32), "alex": (3, 32, 32)}


def step_of(model: nn.Module, images: Tensor, labels: Tensor) -> Callable[[], None]:
    """One step of SGD with momentum: forward, loss, backward, update."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, fused=True)
    model.train()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def brevitas_model(model: nn.Module) -> nn.Module:
    """The network in brevitas' own layers, int8 weights and unsigned 8-bit activations after ReLU."""
    import brevitas.nn as qnn
    from brevitas.quant import Int8ActPerTensorFloat

    layers: list[nn.Module] = [qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, return_quant_tensor=False)]
    for module in model.modules():
        match module:
            case nn.Conv2d():
                layers.append(
                    qnn.QuantConv2d(
                        module.in_channels,
                        module.out_channels,
                        module.kernel_size,
                        padding=module.padding,
                        weight_bit_width=8,
                    )
                )
            case nn.Linear():
                layers.append(
                    qnn.QuantLinear(module.in_features, module.out_features, bias=True, weight_bit_width=8)
                )
            case nn.ReLU():
                layers.append(qnn.QuantReLU(bit_width=8))
            case nn.MaxPool2d() | nn.AvgPool2d() | nn.Flatten():
                layers.append(copy.deepcopy(module))
    return nn.Sequential(*layers)


def interleaved(steps: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Median seconds of each step, timed in turn."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 3):
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            if repeat >= 3:  # the first ones allocate
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in times.items()}


def compare(network: str, precision: str, batch: int, repeats: int) -> str:
    """A line of the table: milliseconds of each, and the ratios to the better float."""
    torch.manual_seed(0)
    images = torch.rand(batch, *INPUTS[network])
    labels = torch.randint(10, (batch,))
    plain = bw.networks.create(network)
    quantised = bw.quantize(plain, precision, calibration=images)
    last = channels_last(images)
    steps = {
        "float": step_of(copy.deepcopy(plain), images, labels),
        "float channels-last": step_of(
            copy.deepcopy(plain).to(memory_format=torch.channels_last), last, labels
        ),
        precision: step_of(quantised, last, labels),
    }
    if importlib.util.find_spec("brevitas") is not None:
        peer = brevitas_model(plain)
        steps["brevitas int8"] = step_of(peer, images, labels)
        steps["brevitas int8 channels-last"] = step_of(
            copy.deepcopy(peer).to(memory_format=torch.channels_last), last, labels
        )
    seconds = interleaved(steps, repeats)
    best = min(seconds["float"], seconds["float channels-last"])
    return "   ".join(f"{name} {1e3 * s:.2f} ms ({s / best:.2f})" for name, s in seconds.items())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", nargs="+", default=["lenet", "alex"], choices=sorted(INPUTS))
    parser.add_argument("--precision", nargs="+", default=["fixed8"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=31)
    options = parser.parse_args()
    for threads in options.threads:
        torch.set_num_threads(threads)
        for network in options.network:
            for precision in options.precision:
                line = compare(network, precision, options.batch, options.repeats)
                print(
                    f"{network}, batch {options.batch}, {threads} thread{'s' * (threads > 1)}: {line}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
