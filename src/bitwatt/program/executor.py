"""A program executed fast, and exactly: on every input the same integers as `bitwatt.program.reference`.

The arithmetic is floating point, where `bitwatt.program.bounds` proves that it cannot round; `explain` says
for each layer which arithmetic that is and why. Everything runs on the processor (CPU), where the proofs
hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.program import float_order
from bitwatt.program.float_order import batches
from bitwatt.program.inference import INPUT
from bitwatt.program.kernels import exact_arithmetic
from bitwatt.program.planning import Plan, make_plan
from bitwatt.program.program import Program
from bitwatt.quantization.captured import as_maps

BATCH = 128
"""Images computed at a time: bounds the memory, and keeps a layer's maps near the processor."""

_plans: WeakKeyDictionary[Program, Plan] = WeakKeyDictionary()


def execute(program: Program, *images: Tensor) -> Tensor:
    """Logits, float64 (count, classes), each exactly integer * 2**exponent.

    images: of each input, real numbers, (count, *program.input_shape), on any device; the logits are on the
    processor. Raises `RequestError` for another number of inputs, another shape, for NaN, or for no images.
    """
    inputs = checked_inputs(program, images)
    if program.is_float:
        return float_order.execute(program, inputs).to(torch.float64)
    plan = plan_of(program)
    with exact_arithmetic():
        parts = [_run(plan, batch)[program.output] for batch in batches(inputs, BATCH)]
        scale = torch.tensor([2.0**e for e in program.types[program.output].exponent], dtype=torch.float64)
        logits = torch.cat(parts).to(torch.float64)
        logits *= scale.reshape(-1, *[1] * (logits.dim() - 2))
    return logits.clone()


def trace(program: Program, *images: Tensor) -> dict[str, Tensor]:
    """Every value that is no accumulator, by name: int64 (count, *shape); float32 in a float32 program.

    It is computed as `execute` does it, one operation at a time. Raises as `execute` does.
    """
    inputs = checked_inputs(program, images)
    if program.is_float:
        return float_order.trace(program, inputs)
    plan = make_plan(program, fuse=False)
    with exact_arithmetic():
        parts = [_run(plan, batch, keep=True) for batch in batches(inputs, BATCH)]
    return {
        name: torch.cat([part[name] for part in parts]).to(torch.int64)
        for name in parts[0]
        if name not in inputs
    }


def explain(program: Program) -> str:
    """One line a layer: in what arithmetic it is computed, and the bound that proves it exact."""
    if program.is_float:
        return f"float32, every operation rounded, in the order of a tree of {program.lanes} lanes"
    carriers = plan_of(program).carriers
    width = max((len(name) for name in carriers), default=0)
    return "\n".join(f"{name:{width}}  {carrier}" for name, carrier in carriers.items())


def plan_of(program: Program) -> Plan:
    """How the program is executed; made once."""
    plan = _plans.get(program)
    if plan is None:
        plan = _plans[program] = make_plan(program)
    return plan


def checked_images(program: Program, images: Tensor) -> Tensor:
    """The images of a program of one input, in float32 or float64 on the processor.

    Sequences (count, channels, length) are maps of height 1. Raises `RequestError` where they do not fit the
    program; `UnsupportedError` for a program of several inputs, of which the tile's runs know nothing.
    """
    if program.other_inputs:
        raise UnsupportedError(
            f"'{program.network}' takes {len(program.input_shapes)} inputs, and a run of the tile plays one; "
            "execute the program, or export it"
        )
    return _checked(program, INPUT, images)


def checked_inputs(program: Program, images: Sequence[Tensor]) -> dict[str, Tensor]:
    """The images of each input, by name, as `checked_images` has them; raises `RequestError` as it does."""
    names = list(program.input_shapes)
    if len(images) != len(names):
        raise RequestError(f"the program takes images of {len(names)} inputs, got those of {len(images)}")
    found = {name: _checked(program, name, each) for name, each in zip(names, images, strict=True)}
    counts = [len(each) for each in found.values()]
    if len(set(counts)) > 1:
        raise RequestError(f"the program takes as many images of each input, got {counts}")
    return found


def _checked(program: Program, name: str, images: Tensor) -> Tensor:
    wanted = program.types[name].shape
    if images.dim() == 3 and len(wanted) == 3:
        images = as_maps(images)
    if images.dim() != len(wanted) + 1 or tuple(images.shape[1:]) != wanted or len(images) == 0:
        whose = f" of '{name}'" if program.other_inputs else ""
        raise RequestError(
            f"the program takes one or more images{whose}, (count, {', '.join(map(str, wanted))}); "
            f"got shape {tuple(images.shape)}"
        )
    images = images.detach().cpu()
    if images.dtype not in (torch.float32, torch.float64):
        images = images.to(torch.float64)
    if bool(images.max().isnan()):  # the largest of numbers and NaN is NaN
        bad = int(torch.isnan(images).flatten(1).any(dim=1).sum())
        raise RequestError(f"{bad} of {len(images)} images hold NaN, which stands on no grid")
    return images


def _run(plan: Plan, inputs: Mapping[str, Tensor], *, keep: bool = False) -> dict[str, Tensor]:
    """Values by name; only the last one unless `keep`."""
    last_read = {name: position for position, step in enumerate(plan.steps) for name in step.inputs}
    values = dict(inputs)
    for position, step in enumerate(plan.steps):
        values[step.name] = step.run(*(values[name] for name in step.inputs))
        if not keep:
            for name in {name for name in step.inputs if last_read[name] == position}:
                del values[name]
    return values
