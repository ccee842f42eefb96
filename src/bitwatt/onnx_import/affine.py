"""Additions and multiplications by a constant a channel, folded into the layer before them.

They come as normalisations of mean 0, variance 1 and eps 0. A layer that nothing else reads takes them over.
"""

from __future__ import annotations

import torch
from torch import fx, nn

_Taker = nn.Conv1d | nn.Conv2d | nn.Linear | nn.BatchNorm1d | nn.BatchNorm2d
_TAKES = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)


@torch.no_grad()
def fold_affine(model: fx.GraphModule) -> None:
    """Fold what can be, in place, and drop the layers that are then unused."""
    for node in list(model.graph.nodes):
        found = _layer(model, node)
        if not isinstance(found, nn.BatchNorm1d | nn.BatchNorm2d) or found.eps != 0.0:
            continue
        (before,) = node.all_input_nodes
        layer = _layer(model, before)
        if isinstance(layer, _TAKES) and len(before.users) == 1:
            _take_over(layer, found.weight, found.bias)
            node.replace_all_uses_with(before)
            model.graph.erase_node(node)
    model.delete_all_unused_submodules()
    model.recompile()


def _layer(model: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return model.get_submodule(str(node.target)) if node.op == "call_module" else None


def _take_over(layer: _Taker, scale: torch.Tensor, shift: torch.Tensor) -> None:
    layer.weight.mul_(scale.reshape(-1, *[1] * (layer.weight.dim() - 1)))
    if layer.bias is not None:
        layer.bias.mul_(scale).add_(shift)
    elif bool((shift != 0).any()):
        layer.bias = nn.Parameter(shift.clone())
