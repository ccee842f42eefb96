"""The user's model as a graph of layers: traced, read layer by layer, refused with every reason at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.quantization.captured import INPUT, CapturedLayer, Inputs, as_inputs, input_names, run
from bitwatt.quantization.input_stage import InputQuantizer
from bitwatt.quantization.modules import KINDS
from bitwatt.quantization.reading import GraphReader
from bitwatt.quantization.structure import fold_batch_norms, fold_zero_pads, objections_to_batch_norms
from bitwatt.quantization.tracing import first_line, trace, untraceable

__all__ = ["INPUT", "Captured", "CapturedLayer", "capture"]

NAMES = (
    "Conv1d, Conv2d, Linear, BatchNorm1d, BatchNorm2d, ReLU, ReLU6, Hardtanh, LeakyReLU, Hardsigmoid, "
    "Hardswish, max, average and adaptive pooling, addition, concatenation, zero padding, Flatten, Dropout, "
    "Identity, and Softmax at the end"
)

QUANTISED = ("torch.ao.", "torch.nn.quantized", "torchao.", "brevitas.")
"""Packages whose modules are quantised already."""


@dataclass(frozen=True)
class Captured:
    """Layers in the order they run, each an ancestor of the last, whose value is the logits.

    inputs: names of the values that hold the images. notes: what a user should know that was done, a sentence
    each.
    """

    layers: tuple[CapturedLayer, ...]
    notes: tuple[str, ...] = ()
    inputs: tuple[str, ...] = (INPUT,)


def capture(model: nn.Module, example: Inputs, *, keep_batch_norms: bool = False) -> Captured:
    """The layers of `model`, left as it is; what does nothing is left out.

    example: two or more images, of each input where there are several; they are run through the model, and
    through what was captured, which must agree.
    keep_batch_norms: beside the layers before them, instead of inside.

    Raises `UnsupportedError` with every offender, its path in the model and why: a layer or function outside
    the list, options that are not exact in integers, control flow that depends on data, several outputs,
    another number of inputs, or one that decides nothing, weights that are NaN or infinite, a scripted or
    quantised model. Raises `RequestError` for what is no module at all.
    """
    if not isinstance(model, nn.Module):
        raise RequestError(f"the model must be a torch.nn.Module, got {type(model).__name__}")
    _refuse_foreign(model)
    root = nn.Sequential(model) if type(model) in KINDS else model  # a leaf cannot be traced into
    parameter = next((p for p in root.parameters() if p.is_floating_point()), None)
    images = tuple(each.detach().clone() for each in as_inputs(example))
    if parameter is not None:
        images = tuple(each.to(parameter.device, parameter.dtype) for each in images)
    try:
        graph, tracer = trace(root, images)
    except Exception as error:  # whatever the user's forward raises on a symbolic value
        raise _refused(model, [f"the model itself: {_whole(error, len(images))}"]) from error
    reader = GraphReader(root, tracer)
    for node in graph.nodes:
        reader.read(node)
    layers = reader.reachable()
    offenders = [*reader.offenders, *(f"{x.label}: {why}" for x in layers for why in x.objections)]
    if offenders:
        raise _refused(model, offenders)
    names = input_names(len(images))
    offenders = [*objections_to_batch_norms(layers), *_objections_to_softmax(layers)]
    offenders += _objections_to_inputs(layers, names)
    if offenders:
        raise _refused(model, offenders)
    if not any(isinstance(layer.module, nn.Conv2d | nn.Linear) for layer in layers):
        raise _refused(
            model, ["the model itself: has no Conv and no Linear, so there is nothing to quantise"]
        )
    _verify(model, layers, as_inputs(example), images[0], reader.result)
    return replace(_finished(layers, keep_batch_norms), inputs=names)


def _refuse_foreign(model: nn.Module) -> None:
    if isinstance(model, torch.jit.ScriptModule):
        raise _refused(model, ["the model itself: is scripted; give the module that it was made from"])
    for path, module in model.named_modules():
        if isinstance(module, InputQuantizer) or type(module).__module__.startswith(QUANTISED):
            found = (
                f" ('{path}' is {type(module).__name__})" if path and not path.endswith("quantizer") else ""
            )
            raise _refused(model, [f"the model itself: is already quantised{found}; give the float network"])


def _refused(model: nn.Module, offenders: Iterable[str]) -> UnsupportedError:
    lines = "\n".join(f"  - {offender}" for offender in offenders)
    return UnsupportedError(
        f"{type(model).__name__} cannot be quantised exactly:\n{lines}\nSupported: {NAMES}"
    )


def _whole(error: Exception, inputs: int) -> str:
    if isinstance(error, TypeError) and "positional argument" in str(error):
        given = "one tensor of images was" if inputs == 1 else f"images of {inputs} inputs were"
        return (
            f"takes another number of inputs, and {given} given: give a tensor for each ({first_line(error)})"
        )
    return untraceable(error)


def _objections_to_inputs(layers: tuple[CapturedLayer, ...], names: tuple[str, ...]) -> list[str]:
    """Those of several that nothing reads, a sentence each."""
    read = {name for layer in layers for name in layer.inputs}
    return [
        f"input {place}: decides nothing; leave it out of the forward"
        for place, name in enumerate(names, start=1)
        if name not in read and len(names) > 1
    ]


def _verify(
    model: nn.Module,
    layers: tuple[CapturedLayer, ...],
    example: tuple[Tensor, ...],
    like: Tensor,
    expected: Any,
) -> None:
    """What was captured must compute what the model does: a trace does not see hooks, say."""
    training = {module: module.training for layer in layers for module in layer.module.modules()}
    try:
        for module in training:
            module.eval()
        found = run(layers, [each.detach().to(like.device, like.dtype) for each in example])
    finally:
        for module, mode in training.items():
            module.training = mode
    tolerance = 1e-3 if like.dtype in (torch.float32, torch.float64) else 0.05
    scale = float(expected.abs().max().clamp(min=1e-30))
    if found.numel() != expected.numel() or not torch.allclose(
        found.reshape(expected.shape), expected, rtol=0, atol=tolerance * scale, equal_nan=True
    ):
        raise _refused(
            model,
            [
                "the model itself: what was captured gives other numbers than the model does; its forward "
                "does something that a trace does not see, such as a hook, or a change of its own state"
            ],
        )


def _objections_to_softmax(layers: tuple[CapturedLayer, ...]) -> list[str]:
    """What of them does not stand at the end, a sentence each."""
    return [
        f"{layer.label}: is not exact on integers; only at the end, where it is dropped"
        for layer in layers[:-1]
        if isinstance(layer.module, nn.Softmax | nn.LogSoftmax)
    ]


def _finished(layers: tuple[CapturedLayer, ...], keep_batch_norms: bool) -> Captured:
    last = layers[-1]
    layers = fold_zero_pads(fold_batch_norms(layers, keep=keep_batch_norms))
    if not isinstance(last.module, nn.Softmax | nn.LogSoftmax):
        return Captured(layers)
    kind = "softmax" if isinstance(last.module, nn.Softmax) else "log-softmax"
    note = (
        f"the {kind} at the end ('{last.path}') is left out: it changes no decision, and the outputs are the "
        "logits before it"
    )
    return Captured(layers[:-1], (note,))
