import pytest

from bitwatt.report.quantities import percent, points, si, significant, unit_for, whole


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3.56e-6, "J", "3.56 µJ"),
        (979e-9, "J", "979 nJ"),
        (999.7e-9, "J", "1.00 µJ"),
        (0.584, "W", "584 mW"),
        (1.5e-13, "J", "150 fJ"),
        (250e6, "Hz", "250 MHz"),
        (1_724_320, "B", "1.72 MB"),
        (0, "J", "0 J"),
    ],
)
def test_si(value: float, unit: str, text: str) -> None:
    assert si(value, unit) == text


def test_a_column_has_one_unit_in_which_no_value_vanishes() -> None:
    assert unit_for([60.74e-6, 3.56e-6], "J").symbol == "µJ"
    assert unit_for([60.74e-6, 0.7e-6], "J").symbol == "µJ"
    assert unit_for([60.74e-6, 0.005e-6], "J").symbol == "nJ"
    assert unit_for([2e-3, 1e-12], "J").symbol == "µJ"  # a thousand at most above what fits the largest
    assert unit_for([], "J").symbol == "J"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1413, "0.141"),
        (16.74, "16.7"),
        (1379.6, "1,380"),
        (9.996, "10.0"),
        (0.000123, "0.000123"),
        (-2, "−2.00"),
    ],
)
def test_significant(value: float, text: str) -> None:
    assert significant(value) == text


def test_percent_never_rounds_to_all_or_nothing() -> None:
    assert percent(0.9308) == "93.1 %"
    assert percent(0.9996) == "99.960 %"
    assert percent(0.0001) == "0.010 %"
    assert percent(1.0) == "100.0 %"
    assert percent(-0.12) == "−12.0 %"
    assert percent(-0.0004) == "0.0 %"


def test_points_carry_their_sign() -> None:
    assert points(-0.0045) == "−0.45"
    assert points(0.0015) == "+0.15"
    assert points(-0.00001) == "0.00"


def test_whole() -> None:
    assert whole(12138) == "12,138"
