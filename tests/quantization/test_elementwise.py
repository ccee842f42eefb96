"""Additions, clips and tables against exact fractions, on every code word."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from bitwatt.formats import Fixed, Format, Minifloat, parse_format
from bitwatt.quantization import QuantizedAdd, QuantizedClip, QuantizedTable


def nearest(value: Fraction, format: Format) -> int:
    """The grid's nearest integer, by comparing with all of them; ties to the even code."""
    codes = format.codes()
    integers = format.integers(codes)
    distances = [abs(Fraction(int(n)) - value) for n in integers]
    least = min(distances)
    tied = [int(i) for i, d in enumerate(distances) if d == least]
    even = [i for i in tied if codes[i] % 2 == 0]
    return int(integers[(even or tied)[0]])


def hardsigmoid(x: Fraction) -> Fraction:
    return min(max(x + 3, Fraction(0)), Fraction(6)) / 6


FUNCTIONS = {
    "leaky": (nn.LeakyReLU(0.25), lambda x: x if x > 0 else x / 4),
    "hardsigmoid": (nn.Hardsigmoid(), hardsigmoid),
    "hardswish": (nn.Hardswish(), lambda x: x * hardsigmoid(x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "formats", (("fixed8", "fixed6"), ("fixed6", "fixed8"), ("e3m2", "fixed5"), ("fixed6", "e2m1"))
)
@pytest.mark.parametrize("exponents", ((-4, -5), (0, -2), (3, 4)))
def test_tables_hold_the_functions_nearest_values(
    name: str, formats: tuple[str, str], exponents: tuple[int, int]
) -> None:
    module, function = FUNCTIONS[name]
    source, target = map(parse_format, formats)
    layer = QuantizedTable(module, source, target)
    layer.input_exponent.fill_(exponents[0])
    layer.output_exponent.fill_(exponents[1])
    codes = source.codes()
    expected = [
        nearest(function(int(n) * Fraction(2) ** exponents[0]) / Fraction(2) ** exponents[1], target)
        for n in source.integers(codes)
    ]
    np.testing.assert_array_equal(layer.table()[codes], expected)
    x = torch.from_numpy(source.integers(codes)).float()
    with torch.no_grad():
        np.testing.assert_array_equal(layer(x).numpy(), expected)
    x.requires_grad_()
    made = layer(x)
    np.testing.assert_array_equal(made.detach().numpy(), expected)  # training sees the same values
    made.sum().backward()
    reals = (x.detach() * 2.0 ** exponents[0]).requires_grad_()
    module(reals).sum().backward()
    torch.testing.assert_close(x.grad, reals.grad * 2.0 ** (exponents[0] - exponents[1]))


def test_a_table_follows_its_exponents() -> None:
    layer = QuantizedTable(nn.Hardswish(), Fixed(8), Fixed(8))
    with torch.no_grad():
        before = layer(torch.tensor([5.0]))
        layer.output_exponent.fill_(-1)
        assert layer(torch.tensor([5.0])) == 2 * before == 10


@pytest.mark.parametrize(
    "format, exponent, ends",
    [
        (Fixed(8), -3, (0, 48)),
        (Fixed(8), -6, (0, 127)),
        (Fixed(8), 2, (0, 2)),
        (Minifloat(2, 1), -1, (0, 12)),
    ],
)
def test_the_ends_of_a_clip_are_grid_values(format: Format, exponent: int, ends: tuple[int, int]) -> None:
    """6 / 4 is halfway between 1 and 2, and goes to the even one; what is beyond the grid is its end."""
    layer = QuantizedClip(0.0, 6.0, format)
    layer.exponent.fill_(exponent)
    assert layer.ends() == ends
    assert layer(torch.tensor([-3.0, 1.0, 1e6])).tolist() == [ends[0], 1.0, ends[1]]


@pytest.mark.parametrize("exponents", ((0, 0, 0), (-3, -5, -2), (2, -1, 1), (-1, 3, 4)))
@pytest.mark.parametrize("relu", (False, True))
def test_sums_are_rounded_once(exponents: tuple[int, int, int], relu: bool) -> None:
    layer = QuantizedAdd(Fixed(8), relu=relu)
    for name, exponent in zip(("first", "second", "output"), exponents, strict=True):
        getattr(layer, f"{name}_exponent").fill_(exponent)
    a, b = (part.flatten() for part in torch.meshgrid(*[torch.arange(-128.0, 128, 5)] * 2, indexing="ij"))
    two = Fraction(2)
    expected = [
        nearest((int(x) * two ** exponents[0] + int(y) * two ** exponents[1]) / two ** exponents[2], Fixed(8))
        for x, y in zip(a.tolist(), b.tolist(), strict=True)
    ]
    assert layer(a, b).tolist() == [max(n, 0) if relu else n for n in expected]
