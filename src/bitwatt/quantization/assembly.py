"""Captured layers to a quantised network: what is fused, and which grid each value lies on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from bitwatt.errors import UnsupportedError
from bitwatt.formats import Binary, Format, Precision, Ternary
from bitwatt.quantization.batch_norm import Norm, live_copy
from bitwatt.quantization.capture import Captured
from bitwatt.quantization.captured import Add, CapturedLayer, Concat
from bitwatt.quantization.elementwise import QuantizedAdd, QuantizedClip, QuantizedTable, require_table
from bitwatt.quantization.input_stage import InputQuantizer
from bitwatt.quantization.layer_precisions import layer_precisions
from bitwatt.quantization.layers import QuantizedConv2d, QuantizedLinear
from bitwatt.quantization.modules import resolved_padding
from bitwatt.quantization.network import Node, QuantizedNetwork
from bitwatt.quantization.pooling import QuantizedAvgPool2d
from bitwatt.quantization.structure import readers_of

Weighted = nn.Conv2d | nn.Linear
Tabulated = nn.LeakyReLU | nn.Hardsigmoid | nn.Hardswish


def assemble(
    captured: Captured,
    precision: Precision,
    granularity: str | None,
    patterns: Mapping[str, str | Precision] | None,
) -> QuantizedNetwork:
    """The network, exponents not chosen yet.

    granularity: None for each layer's own default. Raises `UnsupportedError` with every layer that has no
    exact form at its precision; `RequestError` for a pattern that matches nothing.
    """
    return _Assembly(captured, precision, granularity, patterns).network()


def default_granularity(weights: Format) -> str:
    """How many scales a weight tensor gets where nobody says."""
    return "channel" if isinstance(weights, Binary | Ternary) else "tensor"


@dataclass(frozen=True)
class _Tail:
    """What a layer takes of those that read it: ReLU, one max pooling, and the value it ends in."""

    relu: bool
    pool: nn.MaxPool2d | None
    value: str


class _Assembly:
    def __init__(
        self,
        captured: Captured,
        precision: Precision,
        granularity: str | None,
        patterns: Mapping[str, str | Precision] | None,
    ) -> None:
        self.captured, self.granularity, self.default = captured, granularity, precision
        self.layers = captured.layers
        self.readers = readers_of(self.layers)
        self.position = {layer.path: at for at, layer in enumerate(self.layers)}
        self.fused = self._fused_additions()
        """Path of an addition -> the layer whose sums it is added to."""
        waiting = {layer.path for layer in self.fused.values()}
        owners = [
            layer.path
            for layer in self.layers
            if isinstance(layer.module, Weighted | Tabulated)
            or (isinstance(layer.module, Add) and layer.path not in self.fused)
        ]
        self.precisions = layer_precisions([*captured.inputs, *owners], precision, patterns)
        self.waiting = waiting
        self.swallowed: set[str] = set()
        self.renamed: dict[str, str] = {}
        self.format_of: dict[str, Format] = {
            name: self.precisions[name].activations for name in captured.inputs
        }
        self.nodes: list[Node] = []
        self.modules: dict[str, nn.Module] = {}
        self.shared: dict[int, nn.Parameter] = {}
        self.shared_norms: dict[int, Norm] = {}
        self.refused: list[str] = []

    def network(self) -> QuantizedNetwork:
        sums = self._ends_in_sums()
        for layer in self.layers:
            if layer.path in self.swallowed or layer.path in self.waiting:
                continue
            self._append(layer, sums)
        if self.refused:
            reasons = "\n".join(f"  - {reason}" for reason in self.refused)
            raise UnsupportedError(f"the network cannot be quantised exactly at {self.default}:\n{reasons}")
        different = {path: p for path, p in self.precisions.items() if p != self.default}
        return QuantizedNetwork(
            self.default,
            tuple(InputQuantizer(self.precisions[name].activations) for name in self.captured.inputs),
            tuple(self.nodes),
            self.modules,
            layer_precisions=different,
            notes=self.captured.notes,
        )

    def _append(self, layer: CapturedLayer, sums: str | None) -> None:
        module, path, inputs = layer.module, layer.path, layer.inputs
        weighted = self.fused.get(path, layer)
        if isinstance(weighted.module, Weighted):
            tail = self._tail(path, pools=True)
            other = [name for name in inputs if name != weighted.path] if path in self.fused else []
            grid = self.precisions[weighted.path]
            quantised = self._weighted(weighted.module, grid, sums == path, tail, bool(other))
            if weighted.norm is not None:
                if id(weighted.norm) not in self.shared_norms:
                    self.shared_norms[id(weighted.norm)] = live_copy(weighted.norm)
                quantised.norm = self.shared_norms[id(weighted.norm)]
            self._place(weighted.path, quantised, (*weighted.inputs, *other), grid.activations, path, tail)
            return
        made: nn.Module
        format = self.format_of[self._current(inputs[0])]
        match module:
            case Add():
                tail = self._tail(path, pools=False)
                format = self.precisions[path].activations
                made = QuantizedAdd(None if sums == path else format, relu=tail.relu)
                self._place(path, made, inputs, format, path, tail)
                return
            case Concat():
                made = Concat()
                self._check_formats(layer)
            case nn.Hardtanh():
                made = QuantizedClip(module.min_val, module.max_val, format)
            case nn.LeakyReLU() | nn.Hardsigmoid() | nn.Hardswish():
                output = self.precisions[path].activations
                made = QuantizedTable(module, format, output)
                try:
                    require_table(format)
                except UnsupportedError as error:
                    self.refused.append(f"{layer.label}: {error}")
                format = output
            case nn.AvgPool2d():
                made = QuantizedAvgPool2d(module, format)
            case _:
                made = _copy(module)
        self._place(path, made, inputs, format, path, _Tail(False, None, path))

    def _place(
        self, name: str, module: nn.Module, inputs: tuple[str, ...], format: Format, path: str, tail: _Tail
    ) -> None:
        self.modules[name] = module
        self.nodes.append(Node(name, tuple(self._current(value) for value in inputs)))
        self.format_of[name] = format
        self.renamed |= dict.fromkeys((path, tail.value), name)

    def _current(self, value: str) -> str:
        return self.renamed.get(value, value)

    def _fused_additions(self) -> dict[str, CapturedLayer]:
        found = {}
        makers = {layer.path: layer for layer in self.layers}
        for layer in self.layers:
            if isinstance(layer.module, Add):
                candidates = [
                    makers[name]
                    for name in layer.inputs
                    if name in makers and isinstance(makers[name].module, Weighted)
                    and self.readers[name] == [layer]
                ]  # fmt: skip
                if candidates:
                    found[layer.path] = max(candidates, key=lambda x: self.position[x.path])
        return found

    def _sole_reader(self, path: str) -> CapturedLayer | None:
        readers = self.readers.get(path, [])
        return readers[0] if len(readers) == 1 else None

    def _tail(self, path: str, *, pools: bool) -> _Tail:
        """ReLU and one max pooling that alone read the value, in either order; they are swallowed."""
        relu, pool = False, None
        while (reader := self._sole_reader(path)) is not None:
            module = reader.module
            if isinstance(module, nn.ReLU):
                relu = True
            elif isinstance(module, nn.MaxPool2d) and pools and pool is None:
                pool = _copy_pool(module)
            else:
                break
            path = reader.path
            self.swallowed.add(path)
        return _Tail(relu, pool, path)

    def _ends_in_sums(self) -> str | None:
        """The layer or addition whose sums are the logits; None where something that needs a grid follows."""
        makers = {layer.path: layer for layer in self.layers}
        layer = self.layers[-1]
        while isinstance(layer.module, nn.Flatten | nn.Dropout):
            before = makers.get(layer.inputs[0])
            if before is None or len(self.readers[before.path]) > 1:
                return None
            layer = before
        return layer.path if isinstance(layer.module, Weighted | Add) else None

    def _check_formats(self, layer: CapturedLayer) -> None:
        formats = {str(self.format_of[self._current(name)]) for name in layer.inputs}
        if len(formats) > 1:
            of = ", ".join(f"'{name}' is {self.format_of[self._current(name)]}" for name in layer.inputs)
            self.refused.append(
                f"{layer.label}: joins values of one format; {of}. Give their layers one precision"
            )

    def _weighted(
        self, source: Weighted, precision: Precision, sums: bool, tail: _Tail, residual: bool
    ) -> QuantizedConv2d | QuantizedLinear:
        granularity = self.granularity or default_granularity(precision.weights)
        output = None if sums else precision.activations
        made: QuantizedConv2d | QuantizedLinear
        if isinstance(source, nn.Linear):
            made = QuantizedLinear(
                source, precision.weights, output,
                granularity=granularity, relu=tail.relu, pool=tail.pool, residual=residual,
            )  # fmt: skip
        else:
            padding = resolved_padding(source)
            if padding is None:
                raise ValueError("capture refuses uneven padding")
            made = QuantizedConv2d(
                source, precision.weights, output, padding=padding,
                granularity=granularity, relu=tail.relu, pool=tail.pool, residual=residual,
            )  # fmt: skip
        # A module, or a parameter, that the model uses twice stays one.
        made.weight = self.shared.setdefault(id(source.weight), made.weight)
        if source.bias is not None and made.bias is not None:
            made.bias = self.shared.setdefault(id(source.bias), made.bias)
        return made


def _copy_pool(source: nn.MaxPool2d) -> nn.MaxPool2d:
    return nn.MaxPool2d(source.kernel_size, source.stride, source.padding, ceil_mode=source.ceil_mode)


def _copy(source: nn.Module) -> nn.Module:
    match source:
        case nn.MaxPool2d():
            return _copy_pool(source)
        case nn.Dropout() | nn.Dropout2d():
            return type(source)(source.p)
        case nn.LeakyReLU():
            return nn.LeakyReLU(source.negative_slope)
        case nn.ZeroPad2d():
            return nn.ZeroPad2d(source.padding)
        case nn.ReLU() | nn.Flatten() | nn.Hardsigmoid() | nn.Hardswish():
            return type(source)()
        case _:
            raise ValueError(f"capture lets no {type(source).__name__} through")
