"""The quantised module: the user's layers, in order, on grids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from bitwatt.formats import Precision
from bitwatt.quantization.captured import INPUT, as_maps
from bitwatt.quantization.input_stage import InputQuantizer
from bitwatt.quantization.layers import QuantizedConv2d, QuantizedLinear

QuantizedLayer = QuantizedConv2d | QuantizedLinear


@dataclass(frozen=True)
class Node:
    """One step: the layer's path in the user's model, and the names of the values it reads.

    A value is named after the layer that makes it; `captured.INPUT` is the quantised image.
    """

    name: str
    inputs: tuple[str, ...]


class QuantizedNetwork(nn.Module):
    """A network on the grids of a precision. Made by `quantize`; called as the model it was made from.

    layers: the user's module tree again, so that `q.layers.get_submodule(path)` finds a layer under the path
    it has in the user's model. Besides the `Quantized...` layers there are plain ReLU, MaxPool2d, Flatten,
    Dropout, ZeroPad2d and `Concat`, which are exact on integers as they are (ReLU and MaxPool2d right behind
    a layer with weights, and an addition to its sums, are part of that layer instead).
    precision: what holds where `layer_precisions`, by path, says nothing else. notes: what a user should know
    that `quantize` did, a sentence each.

    forward: images, float (count, ...) -> logits, float32 in real units (count, classes).
    """

    output_exponent: Tensor

    def __init__(
        self,
        precision: Precision,
        input_quantizer: InputQuantizer,
        nodes: tuple[Node, ...],
        layers: dict[str, nn.Module],
        *,
        layer_precisions: dict[str, Precision] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.precision = precision
        self.layer_precisions = layer_precisions or {}
        self.notes = notes
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
        if torch.is_grad_enabled():
            return self._run(images)
        with torch.backends.nnpack.flags(enabled=False):  # its convolution may be Winograd's, which rounds
            return self._run(images)

    def _run(self, images: Tensor) -> Tensor:
        values = {INPUT: cast(Tensor, self.input_quantizer(as_maps(images)))}
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
