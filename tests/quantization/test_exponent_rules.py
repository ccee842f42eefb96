"""Which values each rule clips."""

import pytest
import torch

from bitwatt.errors import RequestError
from bitwatt.formats import parse_format
from bitwatt.quantization.exponent_rules import exponent_rule, largest, least_error, percentile
from bitwatt.quantization.scale import least_squares_exponent

FIXED8 = parse_format("fixed8")


def test_the_maximum_clips_nothing_and_one_less_would():
    for top in (126.9, 127.0, 127.1, 1e-3, 0.25, 63.5):
        values = torch.tensor([0.0, -top, top / 2])
        exponent = largest(values, FIXED8)
        assert top <= 127 * 2.0**exponent
        assert top > 127 * 2.0 ** (exponent - 1)


def test_the_percentile_lets_one_in_ten_thousand_go():
    values = torch.cat([torch.linspace(-1, 1, 99_995), torch.full((5,), 1000.0)])
    assert percentile(values, FIXED8) == -6  # 1 <= 127 / 64 and not 127 / 128
    assert largest(values, FIXED8) == 3
    assert percentile(torch.cat([values, torch.full((20,), 1000.0)]), FIXED8) == 3


def test_least_error_is_the_search():
    values = torch.randn(5000, generator=torch.Generator().manual_seed(0))
    assert least_error(values, FIXED8) == int(least_squares_exponent(values[None], FIXED8))


def test_float_has_no_scale():
    for rule in (least_error, percentile, largest):
        assert rule(torch.tensor([3.0]), parse_format("float32")) == 0


def test_unknown():
    with pytest.raises(RequestError) as error:
        exponent_rule("maximum")
    assert str(error.value) == (
        "unknown calibration 'maximum'; did you mean 'max'? Allowed: least-error, percentile, max"
    )
