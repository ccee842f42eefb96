"""Windows of feature maps, against PyTorch's own layers."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from bitwatt.formats import Fixed
from bitwatt.hardware.windows import convolution_windows, pooling_windows, positions, window_counts
from bitwatt.program import ops

SIDES = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(deadline=None)
@given(st.integers(1, 3), SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**32 - 1))
def test_a_convolution_is_a_product_with_its_windows(groups, kernel, stride, padding, dilation, seed):
    rng = np.random.default_rng(seed)
    maps, weight = rng.integers(-9, 9, (2 * groups, 8, 7)), rng.integers(-9, 9, (3 * groups, 2, *kernel))
    op = ops.Conv2d("c", "x", weight, None, Fixed(8), (0,), stride, padding, dilation, groups)
    tensors = (torch.from_numpy(array).double() for array in (maps[None], weight))
    expected = functional.conv2d(*tensors, None, stride, padding, dilation, groups)[0].numpy()
    windows = convolution_windows(maps, op, positions(*expected.shape[1:], (1, 1)))
    matrix = weight.transpose(0, 2, 3, 1).reshape(groups, 3, -1)
    made = np.einsum("gpk,gok->gop", windows, matrix)
    np.testing.assert_array_equal(made.reshape(expected.shape), expected)


def test_positions_of_a_pooling_window_follow_each_other():
    assert positions(1, 2, (2, 2)) == [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3)]


def pooling(kernel, stride, padding, ceil_mode, count_include_pad):
    allowed = tuple(min(p, k // 2) for p, k in zip(padding, kernel, strict=True))
    return ops.AvgPool2d("p", "x", kernel, stride, allowed, ceil_mode, count_include_pad)


POOLINGS = st.builds(pooling, SIDES, SIDES, SIDES, st.booleans(), st.booleans())


@settings(deadline=None)
@given(POOLINGS, st.integers(3, 9), st.integers(3, 9))
def test_pooling_windows_and_their_counts_are_torchs(pool, height, width):
    maps = np.random.default_rng(height).integers(0, 99, (2, height, width))
    tensor = torch.from_numpy(maps[None]).double()
    expected = functional.avg_pool2d(
        tensor, pool.kernel, pool.stride, pool.padding, pool.ceil_mode, pool.count_include_pad
    )[0].numpy()
    windows = pooling_windows(maps, pool, expected.shape, 0)
    means = windows.sum(axis=2) / window_counts(pool, height, width)
    np.testing.assert_allclose(means.reshape(expected.shape), expected, rtol=1e-12)  # torch divides in floats
    largest = functional.max_pool2d(tensor, pool.kernel, pool.stride, pool.padding, ceil_mode=pool.ceil_mode)
    np.testing.assert_array_equal(
        pooling_windows(maps, pool, expected.shape, -1).max(axis=2), largest[0].numpy().reshape(2, -1)
    )
