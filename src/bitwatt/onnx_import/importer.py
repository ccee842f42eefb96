"""`read_onnx`: an ONNX file in, a `torch.fx.GraphModule` of the layers that bitwatt knows out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import fx

from bitwatt.errors import RequestError, UnsupportedError, unknown_name
from bitwatt.onnx_import.affine import fold_affine
from bitwatt.onnx_import.building import Building
from bitwatt.onnx_import.constants import FOLDED, absent, fold
from bitwatt.onnx_import.file import check_external_data, load_model, read_tensor
from bitwatt.onnx_import.operators import OPERATORS
from bitwatt.onnx_import.values import Constant, Integers, Value

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

Shape = tuple[int, ...]

QUANTISED = re.compile(r"(Dynamic)?Quantize\w+|Dequantize\w+|QLinear\w+|\w+Integer|QGemm|(Bipolar|Int)?Quant")


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """A model out of an ONNX file.

    Attributes:
        module: takes images (count, *shape), float32, channels first, for each input, and gives what the
            model gives.
        input_shapes: of one image of each input, by its name in the file, in the order of the module's
            arguments.
        drawn: layers whose weights are not in the file (nor asked for) and were drawn; shapes and costs are
            the model's own, its answers are not.
    """

    module: fx.GraphModule
    input_shapes: dict[str, Shape]
    drawn: tuple[str, ...]

    @property
    def input_shape(self) -> Shape:
        """Of one image of the first input, which most often is the only one."""
        return next(iter(self.input_shapes.values()))


def read_onnx(
    path: Path | str,
    *,
    weights: bool = True,
    input_shape: Shape | Sequence[Shape] | None = None,
    output: str | None = None,
) -> OnnxModel:
    """The model in the file, as a module that `bitwatt.quantize` takes.

    Nodes on constants alone are evaluated, transpositions between channels first and channels last dissolved,
    additions and multiplications by a constant a channel folded into the layer before. A model whose images
    have their channels last takes them first.

    Args:
        path: the `.onnx` file; external data must lie in its folder.
        weights: False where shapes are enough: external data is not opened, and weights that are not in the
            file are drawn (`OnnxModel.drawn`).
        input_shape: of one image, channels first, where the file leaves lengths open; of a model of several
            inputs one shape for each, in the file's order.
        output: the name of the output to read, where the model gives several.

    Raises:
        UnsupportedError: with every node that is outside the list of operators, or uses one in a way that is;
            an already quantised model.
        RequestError: there is no such file, it is too large, external data is outside its folder or missing,
            the input's shape is open or another.
        DataError: a damaged file.
    """
    path = Path(path)
    model = load_model(path)
    missing = check_external_data(model, path.parent)
    if missing and weights:
        raise RequestError(f"'{path}': the files of external data are missing for {', '.join(missing)}")
    _refuse_quantised(path, model)
    graph = model.graph
    wanted = _output(path, graph, output)
    nodes = _needed(graph, wanted)
    building = Building({wanted, *(name for node in nodes for name in node.input)})
    for tensor in graph.initializer:
        external = tensor.data_location == tensor.EXTERNAL
        if external and not weights:
            building.names[tensor.name] = absent(tuple(tensor.dims), np.dtype(np.float32))
        else:
            building.names[tensor.name] = Constant(read_tensor(tensor, path.parent))
    sources = _inputs(path, graph, nodes, building)
    wanted_shapes = _wanted(path, sources, input_shape)
    shapes = {
        source.name: _input(path, source, nodes, building, shape, place)
        for place, (source, shape) in enumerate(zip(sources, wanted_shapes, strict=True), start=1)
    }
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
    offenders = [reason for node in nodes for reason in _add(node, building, opset)]
    if graph.sparse_initializer:
        offenders.append("sparse weights: are not read; write them out")
    if not offenders:
        offenders = _finish(wanted, building)
    if offenders:
        lines = "\n".join(f"  - {offender}" for offender in offenders)
        raise UnsupportedError(
            f"'{path}' cannot be read:\n{lines}\nSupported operators: {', '.join(sorted(OPERATORS))}"
        )
    module = fx.GraphModule(building.modules, building.graph, class_name="OnnxModel")
    module.graph.eliminate_dead_code()
    fold_affine(module)
    return OnnxModel(module.eval(), shapes, tuple(building.drawing.names))


def _refuse_quantised(path: Path, model: ModelProto) -> None:
    kinds = sorted({node.op_type for node in model.graph.node if QUANTISED.fullmatch(node.op_type)})
    if kinds:
        raise UnsupportedError(
            f"'{path}' is already quantised ({', '.join(kinds)}); give the float model that it was made from"
        )


def _output(path: Path, graph: GraphProto, asked: str | None) -> str:
    names = [value.name for value in graph.output]
    if asked is None and len(names) == 1:
        return str(names[0])
    if asked is None:
        listed = ", ".join(f"'{name}'" for name in names)
        raise UnsupportedError(
            f"'{path}' gives {len(names)} outputs, {listed}; say which, as in --output NAME"
        )
    if asked not in names:
        raise unknown_name(f"output of '{path}'", asked, names)
    return asked


def _needed(graph: GraphProto, output: str) -> list[NodeProto]:
    """The nodes that the output depends on, in the file's order."""
    wanted = {output}
    kept = []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def _inputs(
    path: Path, graph: GraphProto, nodes: Iterable[NodeProto], building: Building
) -> list[ValueInfoProto]:
    """What is no weight; of several, those that the output depends on."""
    given = [value for value in graph.input if value.name not in building.names]
    read = {name for node in nodes for name in node.input}
    found = [value for value in given if value.name in read] if len(given) > 1 else given
    if not found:
        raise UnsupportedError(f"'{path}' must take images, and has no input that its output depends on")
    return found


def _wanted(
    path: Path, sources: list[ValueInfoProto], shapes: Shape | Sequence[Shape] | None
) -> Sequence[Shape | None]:
    """The shape that is asked for of each input."""
    if shapes is None:
        return [None] * len(sources)
    several = [shape for shape in shapes if isinstance(shape, tuple)]
    found = several or [tuple(length for length in shapes if isinstance(length, int))]
    if len(found) != len(sources):
        names = ", ".join(f"'{source.name}'" for source in sources)
        raise RequestError(
            f"'{path}' takes images of {len(sources)} inputs, {names}, and got shapes for {len(found)}"
        )
    return found


def _input(
    path: Path,
    source: ValueInfoProto,
    nodes: list[NodeProto],
    building: Building,
    wanted: Shape | None,
    place: int,
) -> Shape:
    """Put the images of an input into the graph; their shape, channels first. place: 1 for the first."""
    lengths = [entry.dim_value or None for entry in source.type.tensor_type.shape.dim]
    if len(lengths) < 2:
        raise UnsupportedError(
            f"'{path}': its input '{source.name}' must have a batch and more, got {lengths}"
        )
    last = len(lengths) == 4 and _channels_last(source.name, lengths, nodes)
    axes = (0, 2, 3, 1) if last else tuple(range(len(lengths)))
    first = [lengths[axes.index(axis)] for axis in range(1, len(lengths))]
    shown = "x".join(str(length or "?") for length in first)
    if wanted is not None and (
        len(wanted) != len(first) or any(a not in (None, b) for a, b in zip(first, wanted, strict=True))
    ):
        raise RequestError(
            f"'{path}' takes images of {shown}, channels first{_of(source, place)}; "
            f"got {'x'.join(map(str, wanted))}"
        )
    shape = wanted if wanted is not None else tuple(length or 0 for length in first)
    if min(shape) < 1:
        raise RequestError(
            f"'{path}' leaves its images' size open, {shown} channels first{_of(source, place)}; "
            "say it, as in --input-shape 3x32x32"
        )
    node = building.graph.placeholder("images" if place == 1 else f"images_{place}")
    building.names[source.name] = Value(node, (lengths[0] or 1, *shape), axes)
    return shape


def _of(source: ValueInfoProto, place: int) -> str:
    """Which of several inputs is meant; the first needs no name."""
    return "" if place == 1 else f", for '{source.name}'"


def _channels_last(name: str, lengths: list[int | None], nodes: Iterable[NodeProto]) -> bool:
    """Whether the first thing that happens to the images is that their channels are moved to the front."""
    for node in nodes:
        if name not in node.input:
            continue
        if node.op_type in ("Identity", "Cast", "Sub", "Mul", "Add", "Div"):
            return _channels_last(node.output[0], lengths, nodes)
        moved = [list(entry.ints) for entry in node.attribute if entry.name == "perm"]
        if node.op_type == "Transpose" and moved == [[0, 3, 1, 2]]:
            return True
        if node.op_type == "Reshape" and lengths[3] == 1 and lengths[1] != 1:
            return True
    return False


def _add(node: NodeProto, building: Building, opset: int) -> list[str]:
    """Add a node's value to the graph; why it cannot be, if so."""
    what = f"node '{node.name or node.output[0]}' ({node.op_type})"
    if node.domain not in ("", "ai.onnx"):
        return [f"{what}: is of the domain '{node.domain}', which is not read"]
    given = [building.names.get(name) for name in node.input if name]
    constants = [value for value in given if isinstance(value, Constant)]
    try:
        if node.op_type == "Shape" and isinstance(given[0], Value):
            building.names[node.output[0]] = Constant(_shape(node, given[0]))
        elif len(constants) == len(given) and node.op_type in FOLDED:
            building.names[node.output[0]] = fold(node, constants, opset)
        elif node.op_type not in OPERATORS:
            return [f"{what}: is not one of the supported operators"]
        elif None not in given:  # else it reads what an offender should have made
            building.names[node.output[0]] = OPERATORS[node.op_type](building.call(node, opset))
    except RequestError as error:
        return [f"{what}: {error}"]
    return []


def _shape(node: NodeProto, value: Value) -> Integers:
    """What `Shape` gives: all lengths, or those from `start` to `end`."""
    ends = {entry.name: entry.i for entry in node.attribute}
    return np.array(value.onnx_shape, dtype=np.int64)[ends.get("start") : ends.get("end")]


def _finish(output: str, building: Building) -> list[str]:
    result = building.names.get(output)
    if not isinstance(result, Value):
        return [f"the output '{output}': does not depend on the images"]
    result = building.settled(result)
    if result.order is not None:
        return [f"the output '{output}': is a flattened map with its channels last"]
    building.graph.output(result.node)
    return []
