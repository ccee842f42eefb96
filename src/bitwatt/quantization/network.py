"""The quantised module: the user's layers, in order, on grids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from bitwatt.errors import RequestError
from bitwatt.formats import Precision
from bitwatt.quantization.captured import as_maps, input_names
from bitwatt.quantization.input_stage import InputQuantizer
from bitwatt.quantization.layers import QuantizedConv2d, QuantizedLinear

QuantizedLayer = QuantizedConv2d | QuantizedLinear


@dataclass(frozen=True)
class Node:
    """One step: the layer's path in the user's model, and the names of the values it reads.

    A value is named after the layer that makes it; `captured.INPUT` is the quantised image, and "input#2"
    that of a second input.
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

    input_quantizers: of each input, by name; `input_quantizer` is the first, and most often the only one.

    forward: images, float (count, ...), of each input -> logits, float32 in real units (count, classes).
    """

    output_exponent: Tensor

    def __init__(
        self,
        precision: Precision,
        input_quantizers: tuple[InputQuantizer, ...],
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
        self.input_quantizer, *others = input_quantizers
        for place, quantizer in enumerate(others, start=2):
            self.add_module(f"input_quantizer_{place}", quantizer)
        self.nodes = nodes
        self.layers = nn.Module()
        for path, layer in layers.items():
            _place(self.layers, path, layer)
        # What the last value is in units of; 0 where it already is real (sums leave in real units).
        self.register_buffer("output_exponent", torch.tensor(0, dtype=torch.int32))

    @property
    def input_quantizers(self) -> Mapping[str, InputQuantizer]:
        """The quantisers of the inputs, by the names of the values that they make."""
        found = [module for module in self.children() if isinstance(module, InputQuantizer)]
        return dict(zip(input_names(len(found)), found, strict=True))

    def layer(self, name: str) -> nn.Module:
        """The layer of that path."""
        return self.layers.get_submodule(name)

    def weighted_layers(self) -> Iterator[tuple[str, QuantizedLayer]]:
        """Path and layer of everything that has weights, in order."""
        for node in self.nodes:
            layer = self.layer(node.name)
            if isinstance(layer, QuantizedConv2d | QuantizedLinear):
                yield node.name, layer

    def forward(self, *images: Tensor) -> Tensor:
        """Logits of the images, in real units. Raises `RequestError` for another number of inputs."""
        if torch.is_grad_enabled():
            return self._run(images)
        with torch.backends.nnpack.flags(enabled=False):  # its convolution may be Winograd's, which rounds
            return self._run(images)

    def quantised(self, images: Sequence[Tensor]) -> dict[str, Tensor]:
        """The integers of the images of each input, by name. Raises `RequestError` for another number."""
        quantizers = self.input_quantizers
        if len(images) != len(quantizers):
            raise RequestError(
                f"the network takes images of {len(quantizers)} inputs, got those of {len(images)}"
            )
        return {
            name: cast(Tensor, quantizer(as_maps(each)))
            for (name, quantizer), each in zip(quantizers.items(), images, strict=True)
        }

    def _run(self, images: Sequence[Tensor]) -> Tensor:
        values = self.quantised(images)
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
