"""ONNX files where a verb takes weights or a program; images to calibrate on, out of a file or a data set."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitwatt.errors import DataError, RequestError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bitwatt.formats import Precision
    from bitwatt.program import Program
    from bitwatt.quantization import QuantizedNetwork

SUFFIX = ".onnx"

Output = Annotated[
    str | None, typer.Option("--output", metavar="NAME", help="Of an ONNX file with several outputs: which.")
]
InputShape = Annotated[
    str | None,
    typer.Option(
        "--input-shape",
        metavar="CxHxW",
        help="Of an ONNX file that leaves it open: one image, as in 3x32x32; of each input, as in 3x32x32,7.",
    ),
]


def is_onnx(path: Path) -> bool:
    """Whether the file's name says that it is one."""
    return path.suffix.lower() == SUFFIX


def parse_shape(text: str | None) -> tuple[tuple[int, ...], ...] | None:
    """`3x32x32` as numbers, one shape for each input. Raises `RequestError`."""
    if text is None:
        return None
    shapes = text.split(",")
    if not all(re.fullmatch(r"[1-9]\d{0,6}(x[1-9]\d{0,6})*", shape) for shape in shapes):
        raise RequestError(f"--input-shape must be like 3x32x32, channels first; got '{text}'")
    return tuple(tuple(map(int, shape.split("x"))) for shape in shapes)


def program_of_shapes(path: Path, precision: str, input_shape: str | None, output: str | None) -> Program:
    """A program of the shapes of an ONNX file, for a cost: its exponents are chosen on noise.

    Weights that are not in the file are drawn, and a note says so. Raises as `read_onnx` and `quantize`.
    """
    import torch

    from bitwatt.cli.output import print_note
    from bitwatt.onnx_import import read_onnx
    from bitwatt.program import lower

    read = read_onnx(path, weights=False, input_shape=parse_shape(input_shape), output=output)
    if read.drawn:
        print_note(
            f"the weights of {len(read.drawn)} layers are not in '{path}'; costs follow from shapes alone"
        )
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(1, *shape, generator=generator) for shape in read.input_shapes.values()]
    return lower(quantised(read.module, precision, noise), example=noise, network=path.stem)


def quantised(
    module: nn.Module, precision: str | Precision, images: Tensor | list[Tensor]
) -> QuantizedNetwork:
    """As `bitwatt.quantize`; what it did that a user should know is said on stderr."""
    import warnings

    from bitwatt.cli.output import print_note
    from bitwatt.quantization import quantize

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # they are the notes
        made = quantize(module, precision, calibration=images)
    for note in made.notes:
        print_note(note)
    return made


def calibration_images(name: str, data_dir: Path | None) -> Tensor:
    """Images to choose exponents on: an `.npy` file (count, channels, height, width), or a data set's.

    Raises `DataError` for a file that is damaged, `RequestError` for one that holds no images, or a data set
    that there is not.
    """
    import numpy as np
    import torch

    from bitwatt import datasets

    if not name.endswith(".npy"):
        return datasets.load(name, data_dir).calibration.images
    try:
        images = np.load(name, allow_pickle=False)
    except FileNotFoundError:
        raise RequestError(f"there is no file of calibration images '{name}'") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"'{name}' is no .npy file, or is damaged: {error}") from error
    if images.ndim < 2 or not np.issubdtype(images.dtype, np.floating):
        raise RequestError(
            f"'{name}' must hold images as the network takes them, floating point (count, channels, height, "
            f"width); got {images.dtype} {images.shape}"
        )
    return torch.from_numpy(images.astype(np.float32))
