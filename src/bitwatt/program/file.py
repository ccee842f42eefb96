"""A program in one file: safetensors, the operations as JSON in its metadata; nothing is ever unpickled.

The metadata has one key, `bitwatt`, whose text is

    {"sha256": DIGEST, "schema": 1, "network", "precision", "input_shape", "lanes", "ops": [{"kind", ...}]}

A program of several inputs has "schema": 2, and "other_inputs", the shapes of those after the first.
An array of an operation stands there as the name of a tensor. DIGEST is the SHA-256 of the whole file with
64 zeros in its own place. Integers are kept in the least of int8, int16, int32 and int64 that holds them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from bitwatt.errors import DataError, RequestError
from bitwatt.formats import Format, parse_format
from bitwatt.program.ops import OPS, Op
from bitwatt.program.program import Program

SCHEMA = 2
"""The newest that this bitwatt reads; a program is written at the oldest that can say it."""

KEY = "bitwatt"
NO_DIGEST = "0" * 64
LENGTH_BYTES = 8
"""A safetensors file starts with the length of its header, little endian."""


def save(program: Program, path: str | Path) -> None:
    """Write the program to `path`, atomically: the file is there whole, or as it was.

    Raises `RequestError` where it cannot be written.
    """
    content = to_bytes(program)
    target = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise RequestError(f"cannot write the program to '{target}': {error.strerror}") from error


def load(path: str | Path) -> Program:
    """The program that `save` wrote to `path`.

    Raises `RequestError` for a file that is not there, is no program or is of a newer bitwatt; `DataError`
    for one that is truncated or altered.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RequestError(f"cannot read a program from '{path}': {error.strerror}") from error
    return from_bytes(content, str(path))


def to_bytes(program: Program) -> bytes:
    """The file's content; the same program always gives the same bytes."""
    described, tensors = describe(program)
    schema = 2 if program.other_inputs else 1
    text = json.dumps({"sha256": NO_DIGEST, "schema": schema, **described})
    content = save_tensors(tensors, metadata={KEY: text})
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(NO_DIGEST.encode(), digest.encode(), 1)


def describe(program: Program) -> tuple[dict[str, Any], dict[str, NDArray[np.generic]]]:
    """The program as JSON's values, in which an array is named, and the arrays by name."""
    tensors: dict[str, NDArray[np.generic]] = {}
    described = [_describe(op, position, tensors) for position, op in enumerate(program.ops)]
    others = {"other_inputs": program.other_inputs} if program.other_inputs else {}
    return {
        "network": program.network,
        "precision": program.precision,
        "input_shape": program.input_shape,
        **others,
        "lanes": program.lanes,
        "ops": described,
    }, tensors


def restore(described: Mapping[str, Any], tensors: Mapping[str, NDArray[np.generic]]) -> Program:
    """The program that `describe` described."""
    return Program(
        described["network"],
        described["precision"],
        tuple(described["input_shape"]),
        tuple(_operation(fields, tensors) for fields in described["ops"]),
        described["lanes"],
        tuple(tuple(shape) for shape in described.get("other_inputs", ())),
    )


def from_bytes(content: bytes, name: str) -> Program:
    """The program in a file's content. `name` is what errors call it; raises as `load` does."""
    described, expected = _header(content, name)
    if described["schema"] > SCHEMA:
        raise RequestError(
            f"'{name}' has schema {described['schema']}, and this bitwatt reads {SCHEMA}; "
            "read it with a newer bitwatt"
        )
    if len(content) < expected:
        raise DataError(f"'{name}' is truncated: {expected} bytes were expected, {len(content)} are there")
    digest = described["sha256"]
    found = hashlib.sha256(content.replace(digest.encode(), NO_DIGEST.encode(), 1)).hexdigest()
    if found != digest:
        raise DataError(f"'{name}' was altered: its SHA-256 should be {digest}, and is {found}")
    return restore(described, load_tensors(content))


def _header(content: bytes, name: str) -> tuple[dict[str, Any], int]:
    """What the metadata says, and how long the file must be."""
    start = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    foreign = RequestError(f"'{name}' is no bitwatt program, or its beginning is damaged")
    if not LENGTH_BYTES < start <= len(content):
        raise foreign
    try:
        header = json.loads(content[LENGTH_BYTES:start])
        described = json.loads(header.pop("__metadata__")[KEY])
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        if not isinstance(described["schema"], int) or len(described["sha256"]) != len(NO_DIGEST):
            raise foreign
        return described, start + end
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise foreign from error


def _describe(op: Op, position: int, tensors: dict[str, NDArray[np.generic]]) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": type(op).__name__}
    for field in dataclasses.fields(op):
        value = getattr(op, field.name)
        if isinstance(value, np.ndarray):
            tensor = f"{position}.{field.name}"
            tensors[tensor] = _narrow(value)
            value = tensor
        elif isinstance(value, Format):
            value = str(value)
        fields[field.name] = value
    return fields


def _narrow(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Integers in the least dtype that holds them; float32 as it is."""
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array)
    wide = array.astype(np.int64)
    dtypes = (np.int8, np.int16, np.int32, np.int64)
    fitting = next(d for d in dtypes if np.iinfo(d).min <= wide.min() and wide.max() <= np.iinfo(d).max)
    return np.ascontiguousarray(wide.astype(fitting))


ARRAYS = ("weight", "bias", "table")
FORMATS = ("format", "weight_format")


def _operation(fields: Mapping[str, Any], tensors: Mapping[str, NDArray[np.generic]]) -> Op:
    values = dict(fields)
    kind = OPS[values.pop("kind")]
    for name, value in values.items():
        if name in ARRAYS and value is not None:
            array = tensors[value]
            values[name] = array if array.dtype.kind == "f" else array.astype(np.int64)
        elif name in FORMATS:
            values[name] = parse_format(value)
        elif isinstance(value, list):
            values[name] = tuple(value)
    return kind(**values)


def _umask() -> int:
    """The process's mask of permissions, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
