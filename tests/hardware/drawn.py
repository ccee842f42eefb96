"""Draws small programs that use what the tile can do, each layer on random codes."""

import numpy as np

from bitwatt.formats import Fixed, parse_precision
from bitwatt.program import ops
from bitwatt.program.program import Program


class Drawing:
    """A program under construction: draws from `rng`, keeps the operations and the shape so far."""

    def __init__(self, rng, precision, shape):
        self.rng = rng
        self.precision = parse_precision(precision)
        self.input_shape = shape
        self.ops = [ops.Quantize("x", "input", self.precision.activations, -3)]

    @property
    def shape(self):
        return self.program().types[self.ops[-1].name].shape

    def program(self, lanes=16):
        return Program("drawn", str(self.precision), self.input_shape, tuple(self.ops), lanes=lanes)

    def add(self, kind, **fields):
        """An operation that reads the last one; its name is returned."""
        name = f"{kind.__name__.lower()}{len(self.ops)}"
        self.ops.append(kind(name, self.ops[-1].name, **fields))
        return name

    def weights(self, *shape):
        format_ = self.precision.weights
        if self.precision.is_float:
            return self.rng.normal(size=shape).astype(np.float32)
        if format_.bits <= 16:
            return format_.integers(self.rng.choice(format_.codes(), shape))
        return self.rng.integers(format_.smallest_integer, format_.largest_integer, shape, endpoint=True)

    def bias(self, outputs):
        if self.rng.random() < 0.3:
            return None
        if self.precision.is_float:
            return self.rng.normal(size=outputs).astype(np.float32)
        return self.rng.integers(-99, 99, outputs)

    def shifts(self, channels, reduction):
        """Shifts that leave results all over the format's range and beyond it; one, or one a channel."""
        if self.precision.is_float:
            return (0,)
        most = self.precision.weights.largest_integer.bit_length() + int(np.log2(reduction)) // 2
        drawn = np.clip(self.rng.integers(most - 3, most + 1, channels), -4, None)
        return tuple(map(int, drawn if self.rng.random() < 0.4 else drawn[:1]))

    def requantize(self, shifts):
        if not self.precision.is_float:
            self.add(ops.Requantize, format=self.precision.activations, shift=shifts)

    def weighted(self, kind, weight, shifts, **fields):
        """The layer; its channels' exponents make up for their shifts, so that the results have one."""
        self.add(
            kind, weight=weight, bias=self.bias(len(weight)), weight_format=self.precision.weights,
            weight_exponent=tuple(-shift for shift in shifts), **fields,
        )  # fmt: skip

    def convolution(self, outputs, kernel, **fields):
        weight = self.weights(outputs, self.shape[0] // fields.get("groups", 1), *kernel)
        shifts = self.shifts(outputs, weight[0].size)
        self.weighted(ops.Conv2d, weight, shifts, **fields)
        self.requantize(shifts)

    def exponent(self, name):
        (exponent,) = self.program().types[name].exponent
        return exponent

    def with_residual(self, other, outputs, kernel, offset, **fields):
        """A convolution to whose sums `other` is added; its unit is 2**offset of the result's."""
        source = self.ops[-1].name
        weight = self.weights(outputs, self.shape[0] // fields.get("groups", 1), *kernel)
        if self.precision.is_float:
            self.weighted(ops.Conv2d, weight, (0,), **fields)
            return self.add(ops.Add, other=other)
        shifts = self.shifts(outputs, weight[0].size)
        residual = self.exponent(other)
        made = residual - offset
        sums = tuple(made - shift for shift in shifts)
        self.add(
            ops.Conv2d, weight=weight, bias=self.bias(outputs), weight_format=self.precision.weights,
            weight_exponent=tuple(exponent - self.exponent(source) for exponent in sums), **fields,
        )  # fmt: skip
        self.added(other, residual, made, sums)

    def plus(self, other, offset):
        """The sum of the last value and another; the last one's unit is 2**offset of the result's."""
        if self.precision.is_float:
            return self.add(ops.Add, other=other)
        exponent = self.exponent(self.ops[-1].name)
        self.added(other, self.exponent(other), exponent - offset, (exponent,))

    def added(self, other, residual, made, sums):
        """Addition of what has the exponent `residual` to sums, and requantising to the exponent `made`."""
        self.add(ops.Add, other=other)
        self.requantize(tuple(made - min(exponent, residual) for exponent in sums))

    def clip(self):
        if self.precision.is_float:
            low, high = sorted(np.float32(self.rng.normal(size=2)).tolist())
        else:
            format_ = self.precision.activations
            ends = self.rng.normal(size=2) * format_.largest / 3
            low, high = sorted(map(int, format_.integers(format_.encode(ends))))
        return self.add(ops.Clip, low=low, high=high)

    def connected(self, outputs, shifts):
        if len(self.shape) > 1:
            self.add(ops.Flatten)
        self.weighted(ops.Linear, self.weights(outputs, *self.shape), shifts)

    def hidden(self, outputs):
        shifts = self.shifts(outputs, self.shape[0])
        self.connected(outputs, shifts)
        self.requantize(shifts)

    def logits(self, classes):
        self.connected(classes, (0,))
        if not self.precision.is_float:
            self.add(ops.Requantize, format=Fixed(32), shift=(int(self.rng.integers(0, 3)),))

    def images(self, count=1):
        return self.rng.normal(size=(count, *self.input_shape)) * 2


def draw_convolution(rng, precision):
    """One convolution of any kind, or two, with any pooling behind it, fused or not."""
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    channels = groups * int(rng.integers(1, 4))
    outputs = groups * int(rng.integers(1, 5))
    height, width = (int(n) for n in rng.integers(4, 7, 2))
    drawing = Drawing(rng, precision, (channels, height, width))
    kernel = tuple(int(n) for n in rng.integers(1, 4, 2))
    drawing.convolution(
        outputs,
        kernel,
        stride=tuple(int(n) for n in rng.integers(1, 3, 2)),
        padding=tuple(int(rng.integers(0, k)) for k in kernel),
        dilation=tuple(int(n) for n in rng.integers(1, 3, 2)) if max(kernel) < 3 else (1, 1),
        groups=groups,
    )
    if rng.random() < 0.5:
        drawing.add(ops.Relu)
    height, width = drawing.shape[1:]
    kind = rng.choice(["none", "max", "mean"])
    if kind != "none" and min(height, width) >= 2:
        kernel = tuple(int(rng.integers(1, min(side, 3) + 1)) for side in (height, width))
        fused = rng.random() < 0.5
        fields = {
            "kernel": kernel,
            "stride": kernel if fused else tuple(int(n) for n in rng.integers(1, 3, 2)),
            "padding": (0, 0) if fused else tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel),
            "ceil_mode": bool(rng.random() < 0.5),
        }
        if kind == "mean":
            fields["count_include_pad"] = bool(rng.random() < 0.5)
        drawing.add(ops.MaxPool2d if kind == "max" else ops.AvgPool2d, **fields)
        if rng.random() < 0.3:
            drawing.add(ops.Relu)
    return drawing


def draw_connected(rng, precision):
    """A hidden layer and logits."""
    drawing = Drawing(rng, precision, (int(rng.integers(1, 60)),))
    if rng.random() < 0.5:
        drawing.hidden(int(rng.integers(1, 12)))
    drawing.logits(int(rng.integers(1, 9)))
    return drawing


def draw_residual(rng, precision):
    """A convolution to which a residual is added, with any bounds and pooling; or a sum of activations."""
    groups = int(rng.choice([1, 1, 2]))
    channels = groups * int(rng.integers(1, 4))
    height, width = (int(n) for n in rng.integers(3, 6, 2))
    drawing = Drawing(rng, precision, (channels, height, width))
    drawing.convolution(channels, (1, 1))
    shortcut = drawing.ops[-1].name
    if rng.random() < 0.5:
        drawing.add(ops.Relu)
    drawing.with_residual(shortcut, channels, (3, 3), int(rng.integers(-8, 8)), padding=(1, 1), groups=groups)
    if rng.random() < 0.5:
        drawing.add(ops.Relu)
    if rng.random() < 0.5:
        drawing.clip()
    kind = rng.choice(["none", "max", "mean"])
    if kind != "none":
        kernel = tuple(int(rng.integers(1, 3)) for _ in "hw")
        drawing.add(ops.MaxPool2d if kind == "max" else ops.AvgPool2d, kernel=kernel, stride=kernel)
        return drawing
    # A sum of activations: how far apart their units are depends on what was drawn before.
    apart = (
        0
        if drawing.precision.is_float
        else drawing.exponent(shortcut) - drawing.exponent(drawing.ops[-1].name)
    )
    offset = int(rng.integers(max(-8 - apart, -9), min(7 - apart, 4) + 1))
    drawing.plus(shortcut, offset)
    if rng.random() < 0.5:
        drawing.clip()
    return drawing
