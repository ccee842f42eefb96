"""The quantised module: the user's layers, in order, on grids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from bitwatt.formats import Precision
from bitwatt.quantization.capture import INPUT
from bitwatt.quantization.input_stage import InputQuantizer
from bitwatt.quantization.layers import QuantizedConv2d, QuantizedLinear

QuantizedLayer = QuantizedConv2d | QuantizedLinear


@dataclass(frozen=True)
class Node:
    """One step: the layer's path in the user's model, and the names of the values it reads.

    A value is named after the layer that makes it; `capture.INPUT` is the quantised image.
    """

    name: str
    inputs: tuple[str, ...]


class QuantizedNetwork(nn.Module):
    """A network on the grids of a precision. Made by `quantize`; called as the model it was made from.

    layers: the user's module tree again, so that `q.layers.get_submodule(path)` finds a layer under the path
    it has in the user's model. Besides `QuantizedConv2d`, `QuantizedLinear` and `QuantizedAvgPool2d` there
    are plain ReLU, MaxPool2d, Flatten and Dropout, which are exact on integers as they are (ReLU and
    MaxPool2d right behind a layer with weights are part of that layer instead).

    forward: images, float (count, ...) -> logits, float32 in real units (count, classes).
    """

    output_exponent: Tensor

    def __init__(
        self,
        precision: Precision,
        input_quantizer: InputQuantizer,
        nodes: tuple[Node, ...],
        layers: dict[str, nn.Module],
    ) -> None:
        super().__init__()
        self.precision = precision
        self.input_quantizer = input_quantizer
        self.nodes = nodes
        self.layers = nn.Module()
        for path, layer in layers.items():
            _place(self.layers, path, layer)
        # What the last value is in units of; 0 where it already is real (sums leave in real units).
        self.register_buffer("output_exponent", torch.tensor(0, dtype=torch.int32))

    def layer(self, name: str) -> nn.Module:
        """The layer of that path."""
        return self.layers.get_submodule(name)

    def weighted_layers(self) -> Iterator[tuple[str, QuantizedLayer]]:
        """Path and layer of everything that has weights, in order."""
        for node in self.nodes:
            layer = self.layer(node.name)
            if isinstance(layer, QuantizedConv2d | QuantizedLinear):
                yield node.name, layer

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the images, in real units."""
        values = {INPUT: cast(Tensor, self.input_quantizer(images))}
        readers = [name for node in self.nodes for name in node.inputs]
        for node in self.nodes:
            operands = [values[name] for name in node.inputs]
            for name in node.inputs:
                readers.remove(name)
                if name not in readers:  # frees the memory early
                    del values[name]
            values[node.name] = self.layer(node.name)(*operands)
            del operands
        result = values[self.nodes[-1].name]
        exponent = int(self.output_exponent)
        return result if exponent == 0 else result * 2.0**exponent


def _place(root: nn.Module, path: str, layer: nn.Module) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        if not hasattr(root, parent):
            root.add_module(parent, nn.Module())
        root = cast(nn.Module, getattr(root, parent))
    root.add_module(name, layer)
