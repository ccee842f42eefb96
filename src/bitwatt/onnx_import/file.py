"""An ONNX file as a checked graph. Nothing in it is trusted: not its paths, its sizes or its order.

Weights may lie in files of their own ("external data"). Those must be regular files inside the model's
folder; a model may not make bitwatt read any other file.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bitwatt.errors import BitwattError, DataError, RequestError

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

MOST_BYTES = 2**31 - 1
"""Of a model file: protocol buffers hold no more."""

MOST_ELEMENTS = 2**28
"""Of one constant: 1 GiB in float32. A few bytes of a file can ask for any size."""


def load_model(path: Path) -> ModelProto:
    """The model in the file, its local functions written out, its weights as they lie there.

    Raises:
        RequestError: there is no such file, or it is larger than `MOST_BYTES`.
        DataError: it is not an ONNX file, damaged, or breaks a rule of the standard (ONNX's own words).
        BitwattError: the package `onnx` is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
        from onnx.inliner import inline_local_functions
    except ImportError as error:
        raise BitwattError("ONNX files need the package onnx: pip install 'bitwatt[onnx]'") from error
    if not path.is_file():
        raise RequestError(f"there is no ONNX file '{path}'")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise RequestError(
            f"'{path}' has {size} bytes, an ONNX file at most {MOST_BYTES}; "
            "keep its weights beside it, as external data"
        )
    try:
        model = onnx.load_model(path, load_external_data=False)
    except (DecodeError, ValueError, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' ({size} bytes) is not an ONNX file, or is damaged: {error}") from error
    if not model.graph.node:
        raise DataError(f"'{path}' ({size} bytes) is not an ONNX file, or is damaged: it holds no graph")
    if model.functions:
        model = inline_local_functions(model)
    try:
        onnx.checker.check_model(_without_external_data(model))
    except (onnx.checker.ValidationError, ValueError) as error:
        raise DataError(f"'{path}' breaks a rule of ONNX: {str(error).strip().splitlines()[0]}") from error
    return model


def _without_external_data(model: ModelProto) -> ModelProto:
    """A copy whose external tensors are inputs: ONNX's checker would open the files, wherever they lie."""
    import onnx

    light = onnx.ModelProto()
    light.CopyFrom(model)
    kept = [tensor for tensor in light.graph.initializer if not _is_external(tensor)]
    moved = [tensor for tensor in light.graph.initializer if _is_external(tensor)]
    named = {value.name for value in light.graph.input}
    for tensor in moved:
        if tensor.name not in named:
            light.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    del light.graph.initializer[:]
    light.graph.initializer.extend(kept)
    return light


def _is_external(tensor: TensorProto) -> bool:
    import onnx

    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def check_external_data(model: ModelProto, folder: Path) -> list[str]:
    """Names of the tensors whose external files are missing.

    Raises `RequestError` with every tensor whose file lies outside `folder`, by its path or through a link.
    """
    missing, outside = [], []
    for tensor in filter(_is_external, model.graph.initializer):
        location = _external(tensor).get("location", "")
        where = folder / location
        inside = where.resolve().is_relative_to(folder.resolve())
        if not location or Path(location).is_absolute() or ".." in Path(location).parts or not inside:
            outside.append(f"'{tensor.name}' in '{location}'")
        elif not where.is_file():
            missing.append(tensor.name)
    if outside:
        raise RequestError(
            f"weights must lie in files inside the model's folder '{folder}'; refused: {', '.join(outside)}"
        )
    return missing


def read_tensor(tensor: TensorProto, folder: Path) -> npt.NDArray[np.generic]:
    """The tensor's values, out of the model file or its external file (see `check_external_data`).

    Raises `DataError` where there are fewer bytes than its shape says, or more; `RequestError` for more than
    `MOST_ELEMENTS`, or values that are no numbers.
    """
    from onnx import numpy_helper

    check_size(f"tensor '{tensor.name}'", tuple(tensor.dims))
    if _is_external(tensor):
        _read_external(tensor, folder)
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"tensor '{tensor.name}' of shape {tuple(tensor.dims)} does not hold what it should: {error}"
        ) from error


def check_size(what: str, shape: tuple[int, ...]) -> None:
    """Refuse a constant that would not fit: `RequestError` from `MOST_ELEMENTS` on, or a negative length."""
    if any(length < 0 for length in shape) or math.prod(shape) > MOST_ELEMENTS:
        raise RequestError(f"{what} has shape {shape}; at most {MOST_ELEMENTS} elements are read")


def _read_external(tensor: TensorProto, folder: Path) -> None:
    """Put an external tensor's bytes into the message itself."""
    import onnx

    described = _external(tensor)
    where = folder / described["location"]
    width = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    wanted = math.prod(tensor.dims) * width
    try:
        offset = int(described.get("offset", 0))
        length = int(described.get("length", wanted))
    except ValueError as error:
        raise DataError(f"tensor '{tensor.name}': the place of its external data is damaged") from error
    size = where.stat().st_size
    if length != wanted or offset < 0 or offset + length > size:
        raise DataError(
            f"tensor '{tensor.name}' needs {wanted} bytes; the model says {length} at {offset} of "
            f"'{where}', which has {size}"
        )
    with where.open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(length)
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]


def _external(tensor: TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}
