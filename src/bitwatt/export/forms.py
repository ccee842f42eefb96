"""The forms that a program can be exported to, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from bitwatt.errors import unknown_name
from bitwatt.export.writing import write_file, write_folder
from bitwatt.program.program import Program

Files = Mapping[str, bytes]
"""Contents by name within a folder; a form of one file has one entry."""


@dataclass(frozen=True)
class Form:
    """A form: what it is, whether it is a folder of files, and the function that makes them."""

    name: str
    what: str
    is_folder: bool
    home: str
    """module:function, of `bitwatt.export`; the function takes the program."""


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("onnx-qdq", "ONNX with QuantizeLinear and DequantizeLinear", False, "onnx_qdq:qdq_files"),
        Form("qonnx", "ONNX with QONNX's Quant nodes", False, "qonnx:qonnx_files"),
        Form("c", "C99 without dependencies, weights inside", True, "c_program:c_files"),
        Form("packed", "weights at their true width", False, "packed:packed_files"),
        Form("safetensors", "integers of weights and biases", False, "integers:safetensors_files"),
        Form("memory-images", "what the tile's streams carry", True, "memory_images:memory_image_files"),
    )
}
"""Every form by its name."""


def build(program: Program, form: str) -> Files:
    """The files of the program in that form.

    Raises `RequestError` for an unknown form; `UnsupportedError` with everything that the form cannot hold.
    """
    if form not in FORMS:
        raise unknown_name("form", form, FORMS)
    module, function = FORMS[form].home.split(":")
    files: Files = getattr(import_module(f"bitwatt.export.{module}"), function)(program)
    return files


def write(program: Program, form: str, out: str | Path) -> tuple[Path, ...]:
    """Write the program in that form to `out`, a file or a new folder; the files that were written.

    What was there stays until the new file is whole; a folder appears whole or not at all. Raises as `build`
    does, and `RequestError` where `out` cannot be written or is a folder that is not empty.
    """
    files = build(program, form)
    target = Path(out)
    if FORMS[form].is_folder:
        return write_folder(target, files)
    return (write_file(target, next(iter(files.values()))),)
