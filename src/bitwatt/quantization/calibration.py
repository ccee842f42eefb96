"""Radix points from data: by default every exponent is the one that loses least squared error.

Layers are taken in order, each calibrated on what its already quantised predecessors deliver, so that an
exponent is chosen for the values it will meet. Values that are concatenated have one exponent, chosen for all
of them together in a second pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from bitwatt.errors import UnsupportedError
from bitwatt.formats import Float32, Format
from bitwatt.quantization.captured import Concat, Inputs, as_inputs
from bitwatt.quantization.elementwise import QuantizedAdd, QuantizedClip, QuantizedTable
from bitwatt.quantization.exponent_rules import MOST_VALUES, ExponentRule, least_error
from bitwatt.quantization.layers import QuantizedConv2d, QuantizedLinear
from bitwatt.quantization.network import QuantizedNetwork

MOST_IMAGES = 256
"""Images that are looked at, spread evenly over those given; a power-of-two scale asks for no more."""


@torch.no_grad()
def calibrate(
    network: QuantizedNetwork, images: Inputs, rule: ExponentRule = least_error, *, weights: bool = True
) -> None:
    """Choose every exponent of `network`, in place, on `images` (count, ...), a tensor for each input.

    rule: for images and activations; weights always lose least error. weights: whether theirs are chosen too.

    Raises `UnsupportedError` with the layer's path where the images do not fit it.
    """
    was_training = network.training
    network.eval()
    given = as_inputs(images)
    step = max(1, -(-given[0].shape[0] // MOST_IMAGES))
    device = network.output_exponent.device
    chosen = [each[::step].to(device=device, dtype=torch.float32) for each in given]
    together = _concatenated(network)
    first = _Pass(network, rule, together, {}, weights)
    first.run(chosen)
    common = {
        group: rule(torch.cat(first.samples[group]), format)
        for group, format in first.formats.items()
        if len(first.samples[group]) > 1
    }
    if common:
        _Pass(network, rule, together, common, weights).run(chosen)
    network.train(was_training)


class _Pass:
    """Goes through a network's layers and sets their exponents.

    groups: of the owners of grids (layers that round, and the images) that must have one exponent, a name for
    all. fixed: exponents of groups, where they are known. samples, formats: what each group must hold.
    """

    def __init__(
        self,
        network: QuantizedNetwork,
        rule: ExponentRule,
        groups: dict[str, str],
        fixed: dict[str, int],
        weights: bool,
    ) -> None:
        self.network, self.rule, self.groups, self.fixed, self.weights = network, rule, groups, fixed, weights
        self.samples: dict[str, list[Tensor]] = {}
        self.formats: dict[str, Format] = {}

    def run(self, images: Sequence[Tensor]) -> None:
        network = self.network
        for (name, quantizer), each in zip(network.input_quantizers.items(), images, strict=True):
            quantizer.exponent.fill_(self._exponent(name, each, quantizer.format))
        values = network.quantised(images)
        exponents = {name: int(quantizer.exponent) for name, quantizer in network.input_quantizers.items()}
        last_read = {name: node.name for node in network.nodes for name in node.inputs}
        for node in network.nodes:
            layer = network.layer(node.name)
            operands = [values[name] for name in node.inputs]
            try:
                exponents[node.name] = self._set(
                    node.name, layer, operands, [exponents[n] for n in node.inputs]
                )
                values[node.name] = layer(*operands)
            except (RuntimeError, IndexError) as error:
                raise UnsupportedError(
                    f"layer '{node.name}' ({type(layer).__name__}) cannot take a value of shape "
                    f"{tuple(operands[0].shape[1:])}: {str(error).splitlines()[0]}"
                ) from error
            for name in {name for name in node.inputs if last_read[name] == node.name}:
                del values[name]
        network.output_exponent.fill_(exponents[network.nodes[-1].name])

    def _set(self, name: str, layer: nn.Module, operands: list[Tensor], exponents: list[int]) -> int:
        """Set the layer's exponents; returns that of its value."""
        match layer:
            case QuantizedConv2d() | QuantizedLinear():
                if self.weights:
                    layer.fit_weight_exponent()
                layer.input_exponent.fill_(exponents[0])
                if layer.residual:
                    layer.residual_exponent.fill_(exponents[1])
                return self._set_output(name, layer, lambda: layer(*operands))
            case QuantizedAdd():
                layer.first_exponent.fill_(exponents[0])
                layer.second_exponent.fill_(exponents[1])
                return self._set_output(name, layer, lambda: layer(*operands))
            case QuantizedTable():
                layer.input_exponent.fill_(exponents[0])
                layer.output_exponent.fill_(
                    self._exponent(name, layer.reals(operands[0]), layer.output_format)
                )
                return int(layer.output_exponent)
            case QuantizedClip():
                layer.exponent.fill_(exponents[0])
        return exponents[0]

    def _set_output(
        self,
        name: str,
        layer: QuantizedConv2d | QuantizedLinear | QuantizedAdd,
        sums: Callable[[], Tensor],
    ) -> int:
        """sums: what the layer leaves; without an output format and exponent those are sums in real units."""
        layer.output_exponent.zero_()
        if layer.output_format is None or isinstance(layer.output_format, Float32):
            return 0
        output_format, layer.output_format = layer.output_format, None
        reals = sums()
        layer.output_format = output_format
        if layer.relu:
            reals = reals.relu_()
        layer.output_exponent.fill_(self._exponent(name, reals, output_format))
        return int(layer.output_exponent)

    def _exponent(self, owner: str, values: Tensor, format: Format) -> int:
        group = self.groups.get(owner, owner)
        if group in self.fixed:
            return self.fixed[group]
        if owner in self.groups:
            flat = values.flatten()
            self.samples.setdefault(group, []).append(flat[:: max(1, -(-flat.numel() // MOST_VALUES))])
            self.formats[group] = format
        return self.rule(values, format)


def _concatenated(network: QuantizedNetwork) -> dict[str, str]:
    """The owners of grids that concatenations bring together: owner -> a name for all of its group."""
    owner = {name: name for name in network.input_quantizers}
    group: dict[str, str] = {}

    def root(name: str) -> str:
        while group.get(name, name) != name:
            name = group[name]
        return name

    for node in network.nodes:
        layer = network.layer(node.name)
        owns = isinstance(layer, QuantizedConv2d | QuantizedLinear | QuantizedAdd | QuantizedTable)
        owner[node.name] = node.name if owns else owner[node.inputs[0]]
        if isinstance(layer, Concat):
            for name in node.inputs:
                group.setdefault(owner[name], owner[name])
                group[root(owner[name])] = root(owner[node.inputs[0]])
    return {name: root(name) for name in group}


def refit_weight_exponents(network: QuantizedNetwork) -> None:
    """Choose the exponents of all weights again, for the shadow weights as they are now."""
    for _, layer in network.weighted_layers():
        layer.fit_weight_exponent()
