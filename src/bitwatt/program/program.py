"""The program: a network as exact arithmetic, in the order in which the tile does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bitwatt.errors import RequestError
from bitwatt.formats import Float32
from bitwatt.program.inference import INPUT, ValueType, infer_types, input_names
from bitwatt.program.ops import Op

if TYPE_CHECKING:
    from pathlib import Path

    import torch

__all__ = ["INPUT", "LOGIT_BITS", "Program", "ValueType"]

LOGIT_BITS = 32
"""Widest integer that leaves the tile: wider accumulators are rounded to it."""


@dataclass(frozen=True, eq=False)
class Program:
    """Operations in execution order; each reads earlier values and is named after the value it makes.

    input_shape: of one image of the first input, which most often is the only one.

    Raises `RequestError` where an operation reads a value that is not there, shapes do not fit, or an
    accumulator is read by anything but one `Requantize`, and for lanes that are no power of two.
    """

    network: str
    precision: str
    input_shape: tuple[int, ...]
    ops: tuple[Op, ...]
    lanes: int = 16
    """Synapses a neuron adds at once: the order of additions of a float32 program."""

    other_inputs: tuple[tuple[int, ...], ...] = ()
    """Shapes of one image of the second input, and of those after it."""

    types: dict[str, ValueType] = field(init=False, repr=False)
    """Type of every value, by name."""

    def __post_init__(self) -> None:
        if self.lanes < 1 or self.lanes & (self.lanes - 1):
            raise RequestError(f"lanes must be a power of two, got {self.lanes}")
        object.__setattr__(self, "types", infer_types((self.input_shape, *self.other_inputs), self.ops))

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one image of each input, by the name of the value that holds it, in order."""
        shapes = (self.input_shape, *self.other_inputs)
        return dict(zip(input_names(len(shapes)), shapes, strict=True))

    @property
    def output(self) -> str:
        """Name of the last value: the logits."""
        return self.ops[-1].name

    @property
    def is_float(self) -> bool:
        """True for a float32 program."""
        return isinstance(self.types[self.output].format, Float32)

    def __call__(self, *images: torch.Tensor) -> torch.Tensor:
        """Logits of images (count, *input_shape): float64 (count, classes), each integer * 2**exponent.

        images: of each input. Logits are exact, and on the processor. Raises `RequestError` for another
        number of inputs, a wrong shape or NaN in the images.
        """
        from bitwatt.program.executor import execute

        return execute(self, *images)

    def save(self, path: str | Path) -> None:
        """Write the program to one file, atomically; `bitwatt.load` reads it back, bit for bit.

        Raises `RequestError` where the file cannot be written.
        """
        from bitwatt.program.file import save

        save(self, path)
