"""The user's model as a list of layers: traced symbolically, refused where anything is not supported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from bitwatt.errors import RequestError, UnsupportedError
from bitwatt.quantization.input_stage import InputQuantizer
from bitwatt.quantization.pooling import pair

INPUT = "input"
"""Name of the value that holds the images. A layer of the model may not be called so."""

SUPPORTED = (
    nn.Conv2d,
    nn.Linear,
    nn.ReLU,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.Flatten,
    nn.Dropout,
    nn.Identity,
)
NAMES = ", ".join(kind.__name__ for kind in SUPPORTED)


@dataclass(frozen=True)
class CapturedLayer:
    """One layer of the user's model: its path there, the module itself, the paths of the values it reads."""

    path: str
    module: nn.Module
    inputs: tuple[str, ...]


def capture(model: nn.Module) -> tuple[CapturedLayer, ...]:
    """The layers of `model` in the order they run, Identity left out.

    Raises `UnsupportedError` with every offender, its path in the model and why: a module or function outside
    the list, control flow that depends on data, options that are not exact in integers, weights that are NaN
    or infinite, a layer used twice, more than one chain. Raises `RequestError` for what is no module at all.
    """
    if not isinstance(model, nn.Module):
        raise RequestError(f"the model must be a torch.nn.Module, got {type(model).__name__}")
    if isinstance(model, torch.jit.ScriptModule):
        raise _refused(model, ["the model itself: is scripted; give the module that it was made from"])
    if any(isinstance(module, InputQuantizer) for module in model.modules()):
        raise _refused(model, ["the model itself: is already quantised; give the float network"])
    if isinstance(model, SUPPORTED):  # a leaf cannot be traced into
        model = nn.Sequential(model)
    tracer = _Tracer()
    try:
        graph = tracer.trace(model)
    except Exception as error:  # whatever the user's forward raises on a symbolic value
        raise _refused(model, [*tracer.untraceable, f"the model itself: {_untraceable(error)}"]) from error
    offenders = list(tracer.untraceable)
    layers = _read(graph, model, tracer.opaque, offenders)
    if offenders:
        raise _refused(model, offenders)
    if not any(isinstance(layer.module, nn.Conv2d | nn.Linear) for layer in layers):
        raise _refused(
            model, ["the model itself: has no Conv2d and no Linear, so there is nothing to quantise"]
        )
    return layers


def _refused(model: nn.Module, offenders: list[str]) -> UnsupportedError:
    lines = "\n".join(f"  - {offender}" for offender in offenders)
    return UnsupportedError(
        f"{type(model).__name__} cannot be quantised exactly:\n{lines}\n"
        f"Supported layers, in one chain: {NAMES}"
    )


def _untraceable(error: Exception) -> str:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"its forward depends on the data's values or shape ({first_line})"


class _Tracer(fx.Tracer):
    """Traces through the user's own modules, takes PyTorch's whole, notes and skips what cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.untraceable: list[str] = []
        self.opaque: set[str] = set()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, SUPPORTED) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception as error:  # whatever the user's forward raises on a symbolic value
            path = self.path_of_module(m)
            self.opaque.add(path)
            self.untraceable.append(f"'{path}' ({type(m).__name__}): {_untraceable(error)}")
            return self.create_proxy("call_module", path, args, kwargs)


def _read(
    graph: fx.Graph, model: nn.Module, opaque: set[str], offenders: list[str]
) -> tuple[CapturedLayer, ...]:
    layers: list[CapturedLayer] = []
    value_of: dict[fx.Node, str] = {}
    seen: set[str] = set()
    for node in graph.nodes:
        where = _enclosing(node)
        match node.op:
            case "placeholder":
                if value_of:
                    offenders.append(f"{where}input '{node.target}': only one input is supported")
                value_of[node] = INPUT
            case "call_module":
                path = str(node.target)
                module = model.get_submodule(path)
                reads = tuple(value_of[source] for source in node.all_input_nodes if source in value_of)
                value_of[node] = path
                if path in opaque:
                    continue
                if path in seen:
                    offenders.append(f"'{path}' ({type(module).__name__}): is used more than once")
                    continue
                seen.add(path)
                why = _objections(module)
                if path == INPUT:
                    why.append("bears the name that stands for the images; rename it")
                offenders.extend(f"'{path}' ({type(module).__name__}): {reason}" for reason in why)
                if not why and isinstance(module, nn.Identity):
                    value_of[node] = reads[0]
                elif not why:
                    layers.append(CapturedLayer(path, module, reads))
            case "call_function" | "call_method" | "get_attr":
                called = node.target if isinstance(node.target, str) else node.target.__name__
                kind = {"call_function": "function", "call_method": "method", "get_attr": "attribute"}[
                    node.op
                ]
                offenders.append(
                    f"{where}{kind} '{called}': is not one of the supported layers; use a module"
                )
                value_of[node] = called
            case "output":
                offenders.extend(_not_one_chain(node, layers, value_of, bool(offenders)))
    return tuple(layers)


def _enclosing(node: fx.Node) -> str:
    stack = node.meta.get("nn_module_stack") or {}
    path = list(stack)[-1] if stack else ""
    return f"in '{path}', " if path else ""


def _not_one_chain(
    output: fx.Node, layers: list[CapturedLayer], value_of: dict[fx.Node, str], already_refused: bool
) -> list[str]:
    """Objections to anything but layer after layer; left out where other offenders explain it."""
    if already_refused:
        return []
    previous = INPUT
    for layer in layers:
        if layer.inputs != (previous,):
            reads = " and ".join(map(repr, layer.inputs)) or "nothing"
            return [f"'{layer.path}': reads {reads}, not '{previous}' alone, the layer before it"]
        previous = layer.path
    result = output.args[0]
    if not isinstance(result, fx.Node) or value_of.get(result) != previous:
        return [f"the output: must be the value of the last layer, '{previous}'"]
    return []


def _objections(module: nn.Module) -> list[str]:
    """Why a module cannot be treated exactly; empty where it can."""
    if type(module) not in SUPPORTED:
        return ["is not one of the supported layers"]
    why: list[str] = []
    match module:
        case nn.Conv2d():
            if module.padding_mode != "zeros":
                why.append(f"padding_mode must be 'zeros', got '{module.padding_mode}'")
            if resolved_padding(module) is None:
                why.append("padding='same' with an even kernel pads unevenly; pad by numbers")
        case nn.MaxPool2d():
            if module.return_indices:
                why.append("return_indices must be False")
            if pair(module.dilation) != (1, 1):
                why.append(f"dilation must be 1, got {module.dilation}")
        case nn.AvgPool2d():
            if module.divisor_override is not None:
                why.append(f"divisor_override must be None, got {module.divisor_override}")
        case nn.Flatten():
            if (module.start_dim, module.end_dim) != (1, -1):
                why.append(f"must flatten from dimension 1 to -1, got {module.start_dim} to {module.end_dim}")
    for name, parameter in module.named_parameters():
        bad = int((~torch.isfinite(parameter)).sum())
        if bad:
            why.append(f"{bad} of {parameter.numel()} values of its {name} are NaN or infinite")
    return why


def resolved_padding(conv: nn.Conv2d) -> tuple[int, int] | None:
    """Padding as numbers, or None where 'same' would pad unevenly."""
    if conv.padding == "valid":
        return (0, 0)
    if conv.padding == "same":
        total = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
        return None if any(t % 2 for t in total) else (total[0] // 2, total[1] // 2)
    return pair(conv.padding)  # type: ignore[arg-type]
