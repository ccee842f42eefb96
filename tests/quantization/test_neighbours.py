"""The grid values around a number, against a search in the sorted values by numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bitwatt.errors import RequestError
from bitwatt.formats import FORMATS, Float32, parse_format
from bitwatt.quantization.neighbours import neighbours

SMALL = [format for format in FORMATS if 1 <= format.bits <= 12]


@pytest.mark.parametrize("format", SMALL, ids=str)
def test_they_are_the_grid_values_on_both_sides(format) -> None:  # type: ignore[no-untyped-def]
    values = np.unique(format.integers(format.codes())).astype(np.float64)
    middle = (values[:-1] + values[1:]) / 2
    x = np.concatenate([values, middle, np.nextafter(values, -np.inf), np.nextafter(values, np.inf)])
    x = np.concatenate([x, [2 * values[0] - 1, 2 * values[-1] + 1]])
    lower, upper = neighbours(torch.from_numpy(x), format)
    above = np.searchsorted(values, x, side="right")
    np.testing.assert_array_equal(lower.numpy(), values[np.clip(above - 1, 0, len(values) - 1)])
    np.testing.assert_array_equal(upper.numpy(), values[np.clip(above, 0, len(values) - 1)])


def test_wide_fixed_point_needs_no_table_and_float32_has_no_grid() -> None:
    lower, upper = neighbours(torch.tensor([0.25, -7.5]), parse_format("fixed32"))
    assert lower.tolist() == [0, -8]
    assert upper.tolist() == [1, -7]
    with pytest.raises(RequestError, match="code words"):
        neighbours(torch.zeros(1), Float32())
