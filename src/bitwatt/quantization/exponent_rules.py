"""How a tensor's values decide its radix point: by the error that is lost, or by what is clipped."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from bitwatt.errors import unknown_name
from bitwatt.formats import Float32, Format
from bitwatt.quantization.scale import LARGEST_EXPONENT, covering_exponent, least_squares_exponent

MOST_VALUES = 2**18
"""Values of a tensor that enter the search for its exponent, spread evenly."""

PERCENTILE = 99.99
"""Of the magnitudes, that is not clipped by the rule `percentile`."""

ExponentRule = Callable[[Tensor, Format], int]
"""Values, of any shape, and the format that is to hold them -> the exponent e of their unit 2**e."""


def least_error(values: Tensor, format: Format) -> int:
    """The exponent that loses least squared error; see `least_squares_exponent`."""
    return int(least_squares_exponent(_spread(values)[None], format))


def percentile(values: Tensor, format: Format) -> int:
    """The least exponent that clips none of the smallest `PERCENTILE` per cent of all magnitudes."""
    magnitudes = _spread(values).abs().sort().values
    place = round((len(magnitudes) - 1) * PERCENTILE / 100)
    return _covering(float(magnitudes[place]), format)


def largest(values: Tensor, format: Format) -> int:
    """The least exponent that clips nothing."""
    return _covering(float(values.abs().max()), format)


EXPONENT_RULES: dict[str, ExponentRule] = {
    "least-error": least_error,
    "percentile": percentile,
    "max": largest,
}


def exponent_rule(name: str) -> ExponentRule:
    """The rule of that name; `RequestError` where there is none."""
    if name not in EXPONENT_RULES:
        raise unknown_name("calibration", name, EXPONENT_RULES)
    return EXPONENT_RULES[name]


def _covering(magnitude: float, format: Format) -> int:
    if isinstance(format, Float32):
        return 0
    return max(-LARGEST_EXPONENT, min(LARGEST_EXPONENT, covering_exponent(magnitude, format)))


def _spread(values: Tensor) -> Tensor:
    flat = values.flatten()
    return flat[:: max(1, -(-flat.numel() // MOST_VALUES))]
