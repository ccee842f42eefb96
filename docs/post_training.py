#!/usr/bin/env python3
"""Measures post-training quantisation, and writes the table of one network into docs/post-training.md.

usage: python docs/post_training.py NETWORK WEIGHTS DATA [IMAGES [PRECISION,...]]

WEIGHTS are what `bitwatt train` left (.safetensors). Exponents, biases and roundings are chosen on the data's
calibration images, which are training images; accuracies are those of the integer programs on its test
images, the first IMAGES of them, or all. A method takes seconds to a minute, a program's test images as long.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from bitwatt import datasets, networks
from bitwatt.program import evaluate, lower
from bitwatt.quantization import quantize
from bitwatt.quantization.post_training import PostTraining, improve

PAGE = Path(__file__).with_name("post-training.md")
PRECISIONS = "fixed8,fixed6,fixed4"

METHODS = {
    "nearest, exponents that clip nothing (`max`)": PostTraining("max", False, "nearest", False),
    "nearest, exponents by `percentile`": PostTraining("percentile", False, "nearest", False),
    "nearest, `least-error`: plain `quantize`": PostTraining("least-error", False, "nearest", False),
    "and biases corrected": PostTraining("least-error", False, "nearest", True),
    "and equalised before": PostTraining("least-error", True, "nearest", True),
    "rounded together: the default of `improve`": PostTraining(),
    "and equalised before that": PostTraining(equalise=True),
}


@dataclass(frozen=True)
class Images:
    images: torch.Tensor
    labels: torch.Tensor


def measure(network: str, weights: str, data: str, most: int | None, precisions: list[str]) -> str:
    """The table, in Markdown."""
    loaded = datasets.load(data)
    test = Images(loaded.test.images[:most], loaded.test.labels[:most])
    module = networks.create(network)
    module.load_state_dict(load_file(weights))
    module.eval()
    example = test.images[:1]

    def accuracy(quantised) -> float:
        return 100 * evaluate(lower(quantised.eval(), example=example), test).accuracy

    exact = accuracy(quantize(module, "float32", calibration=loaded.calibration))
    rows = []
    for label, method in METHODS.items():
        cells = []
        for precision in precisions:
            quantised = quantize(module, precision, calibration=loaded.calibration)
            improve(quantised, loaded.calibration.images, method)
            cells.append(f"{accuracy(quantised):.2f}")
            print(label, precision, cells[-1], file=sys.stderr, flush=True)
        rows.append(f"| {label} | {' | '.join(cells)} |")
    head = f"| {network}, float32 program: {exact:.2f} | {' | '.join(precisions)} |"
    head += f"\n|---|{'---:|' * len(precisions)}"
    spread = 100 * (exact / 100 * (1 - exact / 100) / len(test.labels)) ** 0.5
    note = (
        f"Accuracy in per cent of the first {len(test.labels)} test images of {loaded.name}; by chance alone "
        f"each would vary by {spread:.1f} (one standard deviation) with other test images. Calibrated on "
        f"{len(loaded.calibration.images)} training images."
    )
    return "\n".join([head, *rows, "", note])


def write(title: str, table: str) -> None:
    """Put the table between the page's marks for this network and these precisions."""
    text = PAGE.read_text()
    begin, end = f"<!-- {title} -->", f"<!-- end {title} -->"
    found = re.sub(
        f"{re.escape(begin)}.*{re.escape(end)}", lambda _: f"{begin}\n{table}\n{end}", text, flags=re.DOTALL
    )
    PAGE.write_text(found if begin in text else f"{text.rstrip()}\n\n{begin}\n{table}\n{end}\n")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5, 6):
        sys.exit(__doc__)
    torch.set_num_threads(1)
    name, path, dataset, *rest = sys.argv[1:]
    images = int(rest[0]) if rest else None
    asked = rest[1] if len(rest) > 1 else PRECISIONS
    write(f"{name} {asked}", measure(name, path, dataset, images, asked.split(",")))
