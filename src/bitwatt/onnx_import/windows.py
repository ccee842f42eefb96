"""Kernels, strides and paddings: from ONNX's attributes to torch's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bitwatt.errors import RequestError


@dataclass(frozen=True)
class Window:
    """A sliding window, one entry a spatial axis. before, after: the padding in front and behind."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def is_even(self) -> bool:
        """Whether as much is padded behind as in front."""
        return self.before == self.after

    def reach(self) -> tuple[int, ...]:
        """How many positions a window covers, from its first to its last."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True))


def read_window(attributes: Mapping[str, Any], kernel: tuple[int, ...], lengths: tuple[int, ...]) -> Window:
    """The window of a convolution or pooling over a map of these `lengths`.

    Raises `RequestError` for attributes that contradict each other.
    """
    rank = len(lengths)
    ones = (1,) * rank
    stride = tuple(attributes.get("strides", ones))
    dilation = tuple(attributes.get("dilations", ones))
    pads = tuple(attributes.get("pads", (0,) * (2 * rank)))
    if any(len(entry) != rank for entry in (kernel, stride, dilation)) or len(pads) != 2 * rank:
        raise RequestError(f"kernel, strides, dilations and pads must be of {rank} axes, as its input is")
    if min(*kernel, *stride, *dilation) < 1 or min(pads) < 0:
        raise RequestError("kernel, strides and dilations must be positive, pads not negative")
    window = Window(kernel, stride, dilation, pads[:rank], pads[rank:])
    same = attributes.get("auto_pad", "NOTSET")
    if same in ("NOTSET", "VALID"):
        return window
    if same not in ("SAME_UPPER", "SAME_LOWER"):
        raise RequestError(f"auto_pad '{same}' is unknown")
    total = [
        max((-(-length // step) - 1) * step + reach - length, 0)
        for length, step, reach in zip(lengths, stride, window.reach(), strict=True)
    ]
    less, more = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    before, after = (less, more) if same == "SAME_UPPER" else (more, less)
    return Window(kernel, stride, dilation, before, after)


def pooled_lengths(window: Window, lengths: tuple[int, ...], ceil: bool) -> tuple[int, ...]:
    """Positions of an ONNX pooling along each axis; like torch, ONNX starts none in the rear padding."""
    found = []
    for length, step, reach, before, after in zip(
        lengths, window.stride, window.reach(), window.before, window.after, strict=True
    ):
        room = length + before + after - reach
        count = (-(-room // step) if ceil else room // step) + 1
        if ceil and (count - 1) * step >= length + before:
            count -= 1
        found.append(count)
    return tuple(found)


def torch_ceil_mode(window: Window, lengths: tuple[int, ...], ceil: bool) -> bool | None:
    """The `ceil_mode` with which torch, padding by `before` on both sides, makes as many windows as ONNX.

    What is padded counts for nothing in a maximum, nor in an average over the pixels that exist, so that only
    the number of windows matters. None where neither mode makes that number.
    """
    wanted = pooled_lengths(window, lengths, ceil)
    even = Window(window.kernel, window.stride, window.dilation, window.before, window.before)
    for mode in (False, True):
        if pooled_lengths(even, lengths, mode) == wanted:
            return mode
    return None
