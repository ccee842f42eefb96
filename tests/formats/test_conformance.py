"""Every format of the catalogue keeps the contract; so does every other width that can be named."""

import pytest

from bitwatt.formats import FORMATS, Fixed, Minifloat, PowerOfTwo
from bitwatt.testing.format_suite import CHECKS

UNLISTED = (
    *(Fixed(bits) for bits in (5, 7, 12, 17, 24, 31)),
    *(Fixed(bits, signed=False) for bits in (3, 24, 32)),
    PowerOfTwo(2),
    PowerOfTwo(8),
    Minifloat(2, 2),
    Minifloat(3, 4),
    Minifloat(5, 1),
    Minifloat(4, 7),
    Minifloat(5, 10),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("format_", FORMATS + UNLISTED, ids=str)
def test_format(format_, check):
    check(format_)
