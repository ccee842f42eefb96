"""Amounts with units, as people write them, and the whole text of what is said of wrong ones."""

import pytest

from bitwatt.errors import RequestError
from bitwatt.study.search.quantities import parse_amount, parse_budget, parse_duration, written


@pytest.mark.parametrize(
    ("name", "text", "amount"),
    [
        ("energy", "1uJ", 1e-6),
        ("energy", "1.5 µJ", 1.5e-6),
        ("energy", "2e-3mJ", 2e-6),
        ("area", "0.5mm2", 0.5),
        ("area", "500um2", 5e-4),
        ("memory", "100kB", 1e5),
        ("memory", "1KiB", 1024),
        ("time", "50us", 5e-5),
        ("power", "20mW", 0.02),
        ("accuracy", "98%", 0.98),
        ("accuracy", "0.98", 0.98),
    ],
)
def test_amounts(name: str, text: str, amount: float) -> None:
    assert parse_amount(name, text) == pytest.approx(amount, rel=1e-12)


def test_budgets_and_durations() -> None:
    assert parse_budget("energy=1uJ, accuracy=98%") == pytest.approx({"energy": 1e-6, "accuracy": 0.98})
    assert [parse_duration(text) for text in ("90s", "10min", "1.5h", "2d")] == [90, 600, 5400, 172800]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("energy=1 u", "budget: energy has a unit of pJ, nJ, uJ, mJ, J, as in 1uJ; got '1 u'"),
        ("energy=1", "budget: energy has a unit of pJ, nJ, uJ, mJ, J, as in 1uJ; got '1'"),
        ("energy=uJ", "budget: energy must be a positive number and a unit, as in 1uJ; got 'uJ'"),
        ("energy=-1uJ", "budget: energy must be a positive number and a unit, as in 1uJ; got '-1uJ'"),
        ("energy=0uJ", "budget: energy must be a positive number and a unit, as in 1uJ; got '0uJ'"),
        ("energy=1.2.3uJ", "budget: energy must be a positive number and a unit, as in 1uJ; got '1.2.3uJ'"),
        ("energy=1kg", "budget: energy has a unit of pJ, nJ, uJ, mJ, J, as in 1uJ; got '1kg'"),
        ("accuracy=98", "budget: accuracy must be at most 100 % (or 1), got '98'"),
        ("energy", "budget: give NAME=AMOUNT, with commas between, as in energy=1uJ; got 'energy'"),
        ("energy=1uJ,energy=2uJ", "budget: 'energy' is given twice"),
        (
            "enrgy=1uJ",
            "unknown quantity of a budget 'enrgy'; did you mean 'energy'? Allowed: accuracy, energy, area, "
            "memory, time, power",
        ),
    ],
)
def test_wrong_budgets(text: str, message: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse_budget(text)
    assert str(refused.value) == message


def test_a_duration_needs_a_unit() -> None:
    with pytest.raises(RequestError, match="time has a unit of s, min, h, d, as in 10min; got '10'"):
        parse_duration("10")


def test_what_is_written_is_read_again() -> None:
    for name, amount in (("energy", 4.2e-6), ("memory", 1536.0), ("time", 5e-5), ("power", 0.02)):
        assert parse_amount(name, written(name, amount)) == pytest.approx(amount, rel=5e-3)
    assert (written("accuracy", 0.9885), written("area", 0.24)) == ("98.85%", "0.24 mm²")
