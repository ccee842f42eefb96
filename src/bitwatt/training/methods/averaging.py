"""A moving average of the shadow weights, which takes their place in the end (Polyak and Juditsky 1992).

Rounding makes the last steps restless: shadow weights near a boundary of the grid cross it to and fro (Nagel
et al. 2022, arXiv 2203.11086). The average stays on the side where they spend more of their time.
"""

from __future__ import annotations

import torch
from torch import nn

from bitwatt.training.methods.method import Method


def averaging(model: nn.Module, decay: float) -> Method:
    """Averages every trained parameter with weight `decay`, less at the start: (1 + step) / (10 + step)."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    averages = {name: p.detach().clone() for name, p in trained.items()}

    @torch.no_grad()
    def after_step(step: int, steps: int) -> None:
        kept = min(decay, (1 + step) / (10 + step))
        for name, parameter in trained.items():
            averages[name].lerp_(parameter, 1 - kept)

    @torch.no_grad()
    def finish() -> None:
        for name, parameter in trained.items():
            parameter.copy_(averages[name])

    return Method(
        after_step=after_step,
        finish=finish,
        tensors={f"average/{name}": average for name, average in averages.items()},
    )
