"""The module on the grid against plain integer arithmetic in numpy int64, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitwatt.formats import Fixed
from bitwatt.quantization import (
    QuantizedAvgPool2d,
    QuantizedConv2d,
    QuantizedLinear,
    QuantizedNetwork,
    quantize,
)

Integers = NDArray[np.int64]


def divided(numerator: Integers, denominator: Integers | int) -> Integers:
    """round_half_even(numerator / denominator)."""
    quotient, rest = np.divmod(numerator, denominator)
    up = (2 * rest > denominator) | ((2 * rest == denominator) & (quotient % 2 == 1))
    return np.asarray(quotient + up)


def shifted(sums: Integers, shift: Integers) -> Integers:
    """round_half_even(sums * 2**-shift); shift broadcasts against the sums."""
    return divided(sums << np.maximum(-shift, 0), np.int64(1) << np.maximum(shift, 0))


def windows(x: Integers, kernel: tuple[int, int], stride: tuple[int, int]) -> NDArray[np.int64]:
    """(count, channels, height, width, kernel height, kernel width)."""
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1]]


def weighted(layer: QuantizedConv2d | QuantizedLinear, x: Integers) -> Integers:
    """Integer sums with the bias at their radix point."""
    weight = layer.integer_weight().numpy()
    bias = layer.integer_bias()
    assert bias is not None
    if isinstance(layer, QuantizedLinear):
        return x @ weight.T + bias.numpy()
    pads = [(0, 0), (0, 0), *((p, p) for p in layer.padding)]
    reach = tuple(d * (k - 1) + 1 for d, k in zip(layer.dilation, weight.shape[2:], strict=True))
    seen = windows(np.pad(x, pads), reach, layer.stride)[..., :: layer.dilation[0], :: layer.dilation[1]]
    inputs = weight.shape[1]
    per_group = weight.shape[0] // layer.groups
    sums = [
        np.einsum(
            "ncyxij,cij->nyx", seen[:, (o // per_group) * inputs : (o // per_group + 1) * inputs], weight[o]
        )
        for o in range(weight.shape[0])
    ]
    return np.stack(sums, axis=1) + bias.numpy()[:, None, None]


def max_pooled(pool: nn.MaxPool2d, x: Integers) -> Integers:
    return torch.nn.functional.max_pool2d(
        torch.from_numpy(x).double(), pool.kernel_size, pool.stride, pool.padding, ceil_mode=pool.ceil_mode
    ).long().numpy()  # fmt: skip


def averaged(layer: QuantizedAvgPool2d, x: Integers) -> Integers:
    """Each window's sum over its count, half to even, written out."""
    size = [
        (s + 2 * p - k + (st - 1 if layer.ceil_mode else 0)) // st + 1
        for s, p, k, st in zip(x.shape[2:], layer.padding, layer.kernel, layer.stride, strict=True)
    ]
    for a in (0, 1):
        if layer.ceil_mode and (size[a] - 1) * layer.stride[a] >= x.shape[2 + a] + layer.padding[a]:
            size[a] -= 1
    out = np.zeros((*x.shape[:2], *size), np.int64)
    for row in range(size[0]):
        for column in range(size[1]):
            spans, counts = [], []
            for a, at in ((0, row), (1, column)):
                begin = at * layer.stride[a] - layer.padding[a]
                end = min(begin + layer.kernel[a], x.shape[2 + a] + layer.padding[a])
                clipped = slice(max(begin, 0), min(end, x.shape[2 + a]))
                spans.append(clipped)
                counts.append(end - begin if layer.count_include_pad else clipped.stop - clipped.start)
            sums = x[:, :, spans[0], spans[1]].sum(axis=(2, 3))
            out[:, :, row, column] = divided(sums, counts[0] * counts[1])
    return out


def run(network: QuantizedNetwork, images: Tensor) -> tuple[Integers, Integers]:
    """The last layer's integer sums, and exponents; requantised first, pooled after, as a program is."""
    quantizer = network.input_quantizer
    scaled = np.ldexp(images.double().numpy(), -int(quantizer.exponent))
    x = quantizer.format.quantize(scaled).astype(np.int64)
    for node in network.nodes:
        layer = network.layer(node.name)
        match layer:
            case QuantizedConv2d() | QuantizedLinear():
                sums = weighted(layer, x)
                exponents = layer.accumulator_exponent.numpy()
                if layer.output_format is None:
                    return sums, exponents
                shift = int(layer.output_exponent) - exponents
                x = shifted(sums, shift.reshape(-1, *[1] * (sums.ndim - 2)))
                x = layer.output_format.quantize(x).astype(np.int64)
                if layer.relu:
                    x = np.maximum(x, 0)
                if layer.pool is not None:
                    x = max_pooled(layer.pool, x)
            case nn.ReLU():
                x = np.maximum(x, 0)
            case nn.MaxPool2d():
                x = max_pooled(layer, x)
            case QuantizedAvgPool2d():
                x = averaged(layer, x)
            case nn.Flatten():
                x = x.reshape(len(x), -1)
            case nn.Dropout():
                pass
    raise AssertionError("no logits")


def maps(first: list[nn.Module], features: int) -> nn.Sequential:
    return nn.Sequential(
        *first, nn.Flatten(), nn.Linear(features, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 5)
    )


MODELS = {
    "max pooling": lambda: maps(
        [nn.Conv2d(2, 6, 3), nn.ReLU(), nn.MaxPool2d(2),
         nn.Conv2d(6, 4, 3, padding=1), nn.MaxPool2d(3, 2, 1), nn.ReLU()],
        36,
    ),
    "average pooling": lambda: maps(
        [nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True),
         nn.Conv2d(4, 4, 3, padding=1), nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), nn.ReLU()],
        36,
    ),
    "strides, groups, dilation": lambda: maps(
        [nn.ReLU(), nn.Conv2d(2, 4, 3, stride=2, groups=2), nn.ReLU(),
         nn.Conv2d(4, 4, 2, dilation=(2, 1), padding="valid"),
         nn.ReLU(), nn.MaxPool2d(1), nn.MaxPool2d(2, 1)],
        24,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "precision", ["fixed8", "fixed4", "binary:fixed8", "binary", "ternary:fixed4", "pow2-4:fixed8"]
)
@pytest.mark.parametrize("kind", MODELS)
def test_module_equals_integers(kind: str, precision: str) -> None:
    torch.manual_seed(3)
    model = MODELS[kind]()
    images = torch.randn(20, 2, 12, 12)
    for granularity in ("tensor", "channel"):
        network = quantize(model, precision, calibration=images[:10], granularity=granularity).eval()
        with torch.no_grad():
            logits = network(images)
        sums, exponents = run(network, images)
        np.testing.assert_array_equal(logits.double().numpy(), np.ldexp(sums.astype(np.float64), exponents))
        network.train()
        network.layer(
            next(n.name for n in network.nodes if isinstance(network.layer(n.name), nn.Dropout))
        ).eval()
        np.testing.assert_array_equal(network(images).detach().numpy(), logits.numpy())


def test_extreme_weights_and_images_saturate_alike() -> None:
    torch.manual_seed(0)
    model = MODELS["max pooling"]()
    network = quantize(model, "fixed8", calibration=torch.randn(4, 2, 12, 12)).eval()
    with torch.no_grad():
        for _, layer in network.weighted_layers():
            layer.weight.mul_(50)
    images = torch.randn(6, 2, 12, 12) * 1e4
    with torch.no_grad():
        logits = network(images)
    sums, exponents = run(network, images)
    np.testing.assert_array_equal(logits.double().numpy(), np.ldexp(sums.astype(np.float64), exponents))
    assert isinstance(network.precision.weights, Fixed)
    assert network.layer("0").integer_weight().abs().max() == 128


def test_average_pooling_rounds_halves_to_even_up_to_16_bits() -> None:
    layer = QuantizedAvgPool2d(nn.AvgPool2d(3, 2, ceil_mode=True), Fixed(16))
    values = torch.randint(-(2**15), 2**15, (8, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    values[0] = torch.randint(0, 2, values[0].shape)  # many sums that are half of 2, 4 or 6
    got = layer(values.float())
    np.testing.assert_array_equal(got.numpy(), averaged(layer, values.numpy()))


def test_small_batches_of_3x3_kernels_are_exact_in_evaluation() -> None:
    """PyTorch computes these by Winograd's algorithm, in NNPACK, unless told otherwise."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 8, 3))
    images = torch.randn(1, 16, 16, 16)
    network = quantize(model, "fixed8", calibration=images).eval()
    with torch.no_grad():
        logits = network(images)
    sums, exponents = run(network, images)
    np.testing.assert_array_equal(logits.double().numpy(), np.ldexp(sums.astype(np.float64), exponents))


def test_dilated_windows_that_lie_in_the_padding() -> None:
    """Left to itself oneDNN ends the process at these, sooner or later."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(12, 6, (5, 2), 2, (1, 3), (1, 2), 3))
    images = torch.randn(2, 12, 12, 9)
    network = quantize(model, "fixed8", calibration=images).eval()
    sums, exponents = run(network, images)
    for _ in range(100):
        with torch.no_grad():
            logits = network(images)
    np.testing.assert_array_equal(logits.double().numpy(), np.ldexp(sums.astype(np.float64), exponents))
