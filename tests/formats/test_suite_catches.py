"""The conformance suite fails a format that is wrong: each mistake here is one that is easily made."""

import pickle
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from bitwatt.formats import Format
from bitwatt.testing import format_suite
from bitwatt.testing.conformance import ConformanceError
from bitwatt.testing.format_suite import CHECKS


@dataclass(frozen=True)
class Quarters(Format):
    """A correct format: two's complement in six bits, of which two stand behind the radix point."""

    family: ClassVar[str] = "quarters"
    spelling: ClassVar[str] = "quarters"
    width: ClassVar[int] = 6
    unit: ClassVar[int] = -2

    @property
    def bits(self):
        return self.width

    @property
    def unit_exponent(self):
        return self.unit

    @property
    def largest(self):
        return 2.0 ** (self.width - 3) - 0.25

    @property
    def smallest(self):
        return -(2.0 ** (self.width - 3))

    def __str__(self):
        return "quarters"

    @classmethod
    def parse(cls, name):
        return cls() if name == "quarters" else None

    def reserved(self, codes):
        return np.zeros(np.shape(codes), dtype=np.bool_)

    def decode(self, codes):
        words = self._checked(codes)
        return np.asarray((words - ((words >> (self.width - 1)) << self.width)) / 4.0)

    def encode(self, values):
        array = np.asarray(values, dtype=np.float64)
        if np.any(np.isnan(array)):
            raise ValueError(f"NaN has no code word in {self}")
        return self.fitted(self.rounded(4 * np.clip(array, -1e9, 1e9))).astype(np.int64) & (2**self.width - 1)

    def rounded(self, quarters):
        return np.rint(quarters)

    def fitted(self, quarters):
        return np.clip(quarters, -(2 ** (self.width - 1)), 2 ** (self.width - 1) - 1)


@dataclass(frozen=True)
class WideQuarters(Quarters):
    """The same in 20 bits: too many code words to list."""

    width: ClassVar[int] = 20


@dataclass(frozen=True)
class Exponents(Quarters):
    """A correct format: 0 and the powers of two from 1 to 64, of either sign, in four bits."""

    width: ClassVar[int] = 4
    unit: ClassVar[int] = 0

    @property
    def largest(self):
        return 64.0

    @property
    def smallest(self):
        return -64.0

    def reserved(self, codes):
        return np.asarray(np.asarray(codes) == 8)

    def decode(self, codes):
        words = self._checked(codes)
        return np.where(words >> 3, -1, 1) * self.magnitude(words & 7)

    def magnitude(self, field):
        return np.where(field == 0, 0.0, np.ldexp(1.0, field - 1))

    def encode(self, values):
        array = np.asarray(values, dtype=np.float64)
        if np.any(np.isnan(array)):
            raise ValueError(f"NaN has no code word in {self}")
        field = self.field(np.clip(np.abs(array), 1e-3, 64.0))
        return np.asarray(np.where((array < 0) & (field > 0), field + 8, field))

    def field(self, magnitude):
        below = np.maximum(np.frexp(magnitude)[1].astype(np.int64), 0)
        middle = (self.magnitude(below) + self.magnitude(below + 1)) / 2
        return below + ((magnitude > middle) | ((magnitude == middle) & (below % 2 == 1)))


def failures(format_):
    """The checks that the format fails (pickle apart: it takes no class made inside a function)."""
    found = set()
    for check in CHECKS:
        try:
            check(format_)
        except ConformanceError:
            found.add(check.__name__.removeprefix("check_"))
    return found - {"hashable_and_picklable"}


def broken(base, **rules):
    """The format with some of its rules replaced."""
    return type("Broken", (base,), rules)()


NEAREST = {"nearest", "against_table", "against_exact_search"}


@pytest.mark.parametrize("right", [Quarters, WideQuarters, Exponents], ids=lambda right: right.__name__)
def test_suite_passes_what_is_right(right):
    for check in CHECKS:
        check(right())


def test_suite_catches_ties_away_from_zero():
    away = broken(Quarters, rounded=lambda self, q: np.trunc(q + np.copysign(0.5, q)))
    assert failures(away) >= NEAREST


def test_suite_catches_ties_upwards():
    assert failures(broken(Quarters, rounded=lambda self, q: np.floor(q + 0.5))) >= NEAREST | {"symmetric"}


@pytest.mark.parametrize(
    "rule",
    [np.floor, np.ceil, np.trunc, lambda q: np.floor(q + 0.5), lambda q: np.trunc(q + np.copysign(0.5, q))],
    ids=["down", "up", "to zero", "ties up", "ties away"],
)
def test_suite_catches_a_wide_format_that_rounds_wrongly(rule):
    assert "nearest" in failures(broken(WideQuarters, rounded=lambda self, q: rule(q)))


def test_suite_catches_double_rounding():
    twice = broken(Quarters, rounded=lambda self, q: np.rint(np.float32(np.clip(q, -99, 99))))
    assert failures(twice) >= NEAREST


def test_suite_catches_the_exponent_from_floor_of_log2():
    floor = broken(Exponents, field=lambda self, m: np.maximum(np.floor(np.log2(m)) + 1, 0).astype(np.int64))
    assert failures(floor) >= NEAREST


def test_suite_catches_the_nearest_exponent_in_place_of_the_nearest_value():
    nearest = broken(Exponents, field=lambda self, m: np.maximum(np.rint(np.log2(m)) + 1, 0).astype(np.int64))
    assert failures(nearest) >= NEAREST


@pytest.mark.parametrize("base", [Quarters, WideQuarters])
@pytest.mark.parametrize("end", ["low", "high"])
def test_suite_catches_saturation_off_by_one(base, end):
    half = 2 ** (base.width - 1)
    low, high = (1 - half, half - 1) if end == "low" else (-half, half - 2)
    assert failures(broken(base, fitted=lambda self, q: np.clip(q, low, high))) >= {"grid", "saturation"}


@pytest.mark.parametrize("base", [Quarters, WideQuarters])
def test_suite_catches_wrapping_in_place_of_saturation(base):
    wraps = broken(base, fitted=lambda self, q: np.clip(q, -1e9, 1e9))
    assert failures(wraps) >= {"monotone", "saturation"}


@pytest.mark.parametrize("base", [Quarters, WideQuarters])
@pytest.mark.parametrize("unit", [-3, -1, 0])
def test_suite_catches_a_wrong_unit_exponent(base, unit):
    assert failures(broken(base, unit=unit)) == {"unit"}


@pytest.mark.parametrize("base", [Quarters, WideQuarters])
@pytest.mark.parametrize("end", ["largest", "smallest"])
@pytest.mark.parametrize("step", [-0.25, 0.25])
def test_suite_catches_a_wrong_end(base, end, step):
    wrong = broken(base, **{end: property(lambda self: getattr(base(), end) + step)})
    assert failures(wrong) >= {"codes_in_range", "saturation"}


def test_suite_catches_a_decoder_that_takes_the_sign_for_a_magnitude():
    unsigned = broken(Quarters, decode=lambda self, codes: self._checked(codes) / 4.0)
    assert failures(unsigned) >= {"codes_in_range", "grid", "monotone"}


def test_suite_catches_a_silent_nan():
    silent = broken(
        Quarters, encode=lambda self, v: Quarters.encode(self, np.where(np.isnan(v), 0.0, np.asarray(v)))
    )
    assert failures(silent) == {"nan_refused"}


def test_suite_catches_reserved_code_words_that_decode():
    loose = broken(
        Exponents, decode=lambda self, c: Exponents.decode(Exponents(), np.where(np.asarray(c) == 8, 0, c))
    )
    assert failures(loose) == {"bad_codes_refused"}


def test_suite_catches_a_reserved_code_word_that_is_encoded():
    negative_zero = broken(
        Exponents,
        encode=lambda self, v: np.where(np.asarray(v) == -64, 8, Exponents.encode(self, v)),
        decode=lambda self, c: Exponents.decode(Exponents(), np.where(np.asarray(c) == 8, 0, c)),
    )
    assert failures(negative_zero) >= {"codes_in_range"}


def test_suite_catches_a_lost_shape():
    flat = broken(Quarters, encode=lambda self, values: np.atleast_1d(Quarters.encode(self, values)))
    assert failures(flat) == {"shape_and_type"}


def test_suite_catches_a_changed_input():
    def encode(self, values):
        codes = Quarters.encode(self, values)
        if isinstance(values, np.ndarray) and values.ndim == 4:
            values *= 2
        return codes

    assert failures(broken(Quarters, encode=encode)) == {"shape_and_type"}


def test_suite_catches_a_name_that_is_not_read_back():
    assert failures(broken(Quarters, __str__=lambda self: "Quarters")) == {"name"}


def test_suite_catches_the_name_of_another_format():
    claimed = broken(
        Quarters,
        __str__=lambda self: "fixed8",
        parse=classmethod(lambda cls, name: cls() if name == "fixed8" else None),
    )
    assert failures(claimed) == {"name"}


class Changeable(Quarters):
    """Not a frozen dataclass itself, so that attributes can be set."""


@dataclass(frozen=True, eq=False)
class ByIdentity(Quarters):
    """Equal to nothing but itself."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other


def test_suite_catches_what_is_no_key():
    for wrong, message in (
        (Changeable(), "quarters: can be changed; make it a frozen dataclass"),
        (ByIdentity(), "quarters: what comes back from pickle is another key"),
    ):
        assert type(pickle.loads(pickle.dumps(wrong))) is type(wrong)
        with pytest.raises(ConformanceError) as caught:
            format_suite.check_hashable_and_picklable(wrong)
        assert str(caught.value) == message


def test_a_failure_names_the_number_and_both_answers():
    wrong = broken(Quarters, rounded=lambda self, q: np.floor(q + 0.5))
    with pytest.raises(ConformanceError) as caught:
        format_suite.check_nearest(wrong)
    assert str(caught.value) == "quarters: -7.875 became -7.75, but -8.0 is as near and has the even code"
    with pytest.raises(ConformanceError) as caught:
        format_suite.check_against_table(wrong)
    assert str(caught.value) == "quarters: encode, by table: -7.875 gave 33, expected 32"
