"""Random programs, and random images for them, to compare one way of executing a program with another.

The strategies draw chains of convolutions, fully connected layers, pools and ReLUs: shapes, strides, padding,
dilation, groups, formats, an exponent for all channels or for each, and integers that are often the extreme
ones, where bounds are tight and roundings saturate. A test of another executor, an export or the RTL reads

    @given(programs(), st.data())
    def test_mine(program, data):
        images = data.draw(images_for(program))
        ...

Needs hypothesis (the extra `dev`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitwatt.formats import Binary, Fixed, Float32, Format, Minifloat, PowerOfTwo, Ternary
from bitwatt.program import ops
from bitwatt.program.inference import INPUT, SHIFTS
from bitwatt.program.program import LOGIT_BITS, Program
from bitwatt.testing.program_numbers import Draw, float_numbers, grid_integers

ACTIVATIONS: tuple[Format, ...] = (
    *(Fixed(bits) for bits in (2, 4, 8, 16, 20, 32)),
    *(Fixed(bits, signed=False) for bits in (2, 8, 16, 32)),
    *(Minifloat(2, 1), Minifloat(4, 3), Minifloat(5, 2), Minifloat(5, 10)),
    *(PowerOfTwo(3), PowerOfTwo(6)),
    Ternary(),
)
WEIGHTS: tuple[Format, ...] = (*ACTIVATIONS, Binary())


def integer_programs() -> st.SearchStrategy[Program]:
    """Programs of one to three layers with weights, on the grids of a random pair of formats."""
    return st.composite(_integer_program)()


def float_programs() -> st.SearchStrategy[Program]:
    """float32 programs; numbers from subnormal to large, and zeros of both signs."""
    return st.composite(_float_program)()


def images_for(program: Program, most: int = 3) -> st.SearchStrategy[NDArray[np.float32]]:
    """One to `most` images: of grid points, of arbitrary numbers, or all of one extreme."""
    return st.composite(_images)(program, most)


@dataclass
class _Chain:
    """A program while it is drawn."""

    draw: Draw
    shape: tuple[int, ...]
    made: list[ops.Op]

    @property
    def last(self) -> str:
        return self.made[-1].name

    def pick(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))


def _integer_program(draw: Draw) -> Program:
    activations = draw(st.sampled_from(ACTIVATIONS))
    input_shape = _input_shape(draw)
    exponent = draw(st.integers(-8, 3))
    chain = _Chain(draw, input_shape, [ops.Quantize("quantized", INPUT, activations, exponent)])
    layers = chain.pick(1, 3)
    for layer in range(layers):
        weights = draw(st.sampled_from(WEIGHTS))
        weighted = _weighted(chain, f"layer{layer}", weights, activations)
        last = layer == layers - 1
        format = Fixed(LOGIT_BITS) if last else activations
        shift = _shift(chain, weighted, format, activations, may_differ=last)
        chain.made.append(ops.Requantize(f"rounded{layer}", chain.last, format, shift))
        if not last or draw(st.booleans()):
            _between(chain, layer)
    return Program("random", f"{weights}:{activations}", input_shape, tuple(chain.made))


def _float_program(draw: Draw) -> Program:
    input_shape = _input_shape(draw)
    chain = _Chain(draw, input_shape, [ops.Quantize("quantized", INPUT, Float32(), 0)])
    for layer in range(chain.pick(1, 2)):
        _weighted(chain, f"layer{layer}", Float32(), Float32())
        _between(chain, layer)
    lanes = draw(st.sampled_from((1, 2, 4, 16)))
    return Program("random", "float32", input_shape, tuple(chain.made), lanes)


def _input_shape(draw: Draw) -> tuple[int, ...]:
    if draw(st.integers(0, 3)) == 0:
        return (draw(st.integers(1, 40)),)
    return (draw(st.integers(1, 6)), draw(st.integers(1, 9)), draw(st.integers(1, 9)))


def _weighted(chain: _Chain, name: str, weights: Format, activations: Format) -> ops.Weighted:
    """Append a convolution or, where the value is flat or chance has it, a fully connected layer."""
    if len(chain.shape) == 3 and chain.pick(0, 3) == 0:
        chain.made.append(ops.Flatten(f"{name}_flat", chain.last))
        chain.shape = (chain.shape[0] * chain.shape[1] * chain.shape[2],)
    made = _convolution(chain, name, weights) if len(chain.shape) == 3 else _connected(chain, name, weights)
    chain.made.append(made)
    return made


def _connected(chain: _Chain, name: str, weights: Format) -> ops.Linear:
    outputs = chain.pick(1, 9)
    weight, bias, exponent = _parameters(chain, weights, (outputs, *chain.shape))
    op = ops.Linear(name, chain.last, weight, bias, weights, exponent)
    chain.shape = (outputs,)
    return op


def _convolution(chain: _Chain, name: str, weights: Format) -> ops.Conv2d:
    channels, *size = chain.shape
    groups = chain.draw(st.sampled_from([g for g in (1, 1, 2, 3, channels) if channels % g == 0]))
    kernel, stride, padding, dilation = [], [], [], []
    for length in size:
        pad = chain.pick(0, 2)
        reach = chain.pick(1, min(5, length + 2 * pad))
        gap = chain.pick(1, 2)
        padding.append(pad)
        dilation.append(gap)
        kernel.append((reach - 1) // gap + 1)
        stride.append(chain.pick(1, 3))
    outputs = groups * chain.pick(1, 4)
    weight, bias, exponent = _parameters(chain, weights, (outputs, channels // groups, *kernel))
    op = ops.Conv2d(
        name, chain.last, weight, bias, weights, exponent,
        (stride[0], stride[1]), (padding[0], padding[1]), (dilation[0], dilation[1]), groups,
    )  # fmt: skip
    made = [ops.convolved_size(size[a], kernel[a], stride[a], padding[a], dilation[a]) for a in (0, 1)]
    chain.shape = (outputs, *made)
    return op


Array = NDArray[np.generic]


def _parameters(
    chain: _Chain, weights: Format, shape: tuple[int, ...]
) -> tuple[Array, Array | None, tuple[int, ...]]:
    """Weights, bias and weight exponents."""
    random = np.random.default_rng(chain.pick(0, 2**32 - 1))
    with_bias = chain.draw(st.booleans())
    if isinstance(weights, Float32):
        offsets = float_numbers(chain.draw, shape[:1]) if with_bias else None
        return float_numbers(chain.draw, shape), offsets, (0,)
    weight = grid_integers(chain.draw, weights, shape)
    largest = chain.draw(st.sampled_from((1, 1000, 2**31, 2**62)))
    bias = random.integers(-largest, largest, shape[:1], endpoint=True) if with_bias else None
    return weight, bias, (chain.pick(-6, 2),)


def _shift(
    chain: _Chain, op: ops.Weighted, format: Format, activations: Format, *, may_differ: bool
) -> tuple[int, ...]:
    """A shift that brings sums to about the size of the format, or any other; for all channels or each."""
    outputs = op.weight.shape[0]
    fan_in = op.weight.size // outputs
    widest = max(-activations.smallest_integer, activations.largest_integer)
    largest = max(abs(int(op.weight.min())), int(op.weight.max())) * widest
    typical = (largest * fan_in + 1).bit_length() - format.largest_integer.bit_length()
    near = st.integers(typical - 6, typical + 2)
    shifts = st.one_of(near, near, near, st.integers(SHIFTS.start, SHIFTS.stop - 1))
    count = outputs if may_differ and chain.draw(st.booleans()) else 1
    drawn = chain.draw(st.lists(shifts, min_size=count, max_size=count))
    return tuple(min(max(shift, SHIFTS.start), SHIFTS.stop - 1) for shift in drawn)


def _between(chain: _Chain, layer: int) -> None:
    """Append some of ReLU and the two pools, in any order."""
    kinds = chain.draw(st.lists(st.sampled_from(("relu", "max", "average")), max_size=3))
    for place, kind in enumerate(kinds):
        name = f"{kind}{layer}_{place}"
        if kind == "relu":
            chain.made.append(ops.Relu(name, chain.last))
        elif len(chain.shape) == 3:
            _pool(chain, name, kind)


def _pool(chain: _Chain, name: str, kind: str) -> None:
    channels, *size = chain.shape
    kernel = [chain.pick(1, min(3, length)) for length in size]
    stride = [chain.draw(st.sampled_from((k, chain.pick(1, 3)))) for k in kernel]
    padding = [chain.pick(0, k // 2) for k in kernel]
    ceil = chain.draw(st.booleans())
    pairs = (kernel[0], kernel[1]), (stride[0], stride[1]), (padding[0], padding[1])
    if kind == "max":
        chain.made.append(ops.MaxPool2d(name, chain.last, *pairs, ceil))
    else:
        chain.made.append(ops.AvgPool2d(name, chain.last, *pairs, ceil, chain.draw(st.booleans())))
    made = [ops.pooled_size(size[a], kernel[a], stride[a], padding[a], ceil) for a in (0, 1)]
    chain.shape = (channels, *made)


def _images(draw: Draw, program: Program, most: int) -> NDArray[np.float32]:
    shape = (draw(st.integers(1, most)), *program.input_shape)
    first = program.ops[0]
    if not isinstance(first, ops.Quantize):
        raise TypeError("a drawn program starts with Quantize")
    if isinstance(first.format, Float32):
        return float_numbers(draw, shape)
    integers = grid_integers(draw, first.format, shape).astype(np.float64)
    off_grid = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).choice([0.0, 0.5, 0.3], shape)
    if draw(st.booleans()):
        integers += off_grid
    return np.ldexp(integers, first.exponent).astype(np.float32)
