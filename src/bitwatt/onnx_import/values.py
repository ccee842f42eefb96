"""What a name in an ONNX graph stands for: a constant, or a value that the module computes.

Frameworks that keep channels last write transpositions into their graphs. They move no data here: a value
remembers which of its axes is which of ONNX's, and, once flattened, which of its features is which; the
weights of the layer that reads it are put in that order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import fx

Array = npt.NDArray[np.generic]
Integers = npt.NDArray[np.int64]

NO_PADS = (0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Constant:
    """array: the values; where `known` is False only their shape and type count (the data is absent)."""

    array: Array
    known: bool = True


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the module.

    Attributes:
        node: what makes it.
        shape: as the module has it, channels first, with the batch that the file fixes, else 1.
        axes: axis i of the ONNX value is axis axes[i] of the module's.
        order: of a flattened value: feature j of the ONNX value is feature order[j] of the module's. None
            where they agree.
        pads: zeros still to be put around it (left, right, top, bottom); a convolution takes them over.
    """

    node: fx.Node
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    order: Integers | None = None
    pads: tuple[int, int, int, int] = NO_PADS

    @property
    def onnx_shape(self) -> tuple[int, ...]:
        """The shape as ONNX has it, pads included."""
        padded = list(self.shape)
        if self.pads != NO_PADS:
            left, right, top, bottom = self.pads
            padded[-1] += left + right
            padded[-2] += top + bottom
        return tuple(padded[axis] for axis in self.axes)

    @property
    def is_plain(self) -> bool:
        """Whether it is ONNX's value as it stands."""
        return self.axes == plain_axes(self.shape) and self.order is None and self.pads == NO_PADS

    def transposed(self, permutation: tuple[int, ...]) -> Value:
        """The ONNX value with its axes permuted; the module's stays."""
        return replace(self, axes=tuple(self.axes[axis] for axis in permutation))

    def flat_order(self) -> Integers | None:
        """`order` of the value once it is flattened behind the batch; None where nothing changes place."""
        if self.order is not None:
            return self.order
        places = np.arange(np.prod(self.shape[1:], dtype=np.int64)).reshape(1, *self.shape[1:])
        flat = places.transpose(self.axes).reshape(-1)
        return None if np.array_equal(flat, np.arange(flat.size)) else flat

    def per_channel(self, constant: Array) -> Array | None:
        """A constant that ONNX broadcasts against this value: one number a channel of the module's.

        None where it differs within a channel, or from image to image.
        """
        rank = len(self.axes)
        if constant.ndim > rank:
            return None
        aligned = constant.reshape((1,) * (rank - constant.ndim) + constant.shape)
        there = np.empty(rank, dtype=np.int64)
        there[list(self.axes)] = np.arange(rank)
        moved = aligned.transpose(there)
        if any(length != 1 for axis, length in enumerate(moved.shape) if axis != 1):
            return None
        channels = self.shape[1]
        if moved.shape[1] not in (1, channels):
            return None
        vector = np.broadcast_to(moved.reshape(-1), (channels,))
        if self.order is None:
            return vector
        placed = np.empty_like(vector)
        placed[self.order] = vector
        return placed


def plain_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a value that is in ONNX's own order."""
    return tuple(range(len(shape)))
