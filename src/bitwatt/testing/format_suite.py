"""What every number format must do, as checks that ship with the package.

The author of a format adds it to `bitwatt.formats.CATALOGUE`, where the package's own tests find it, or
anywhere else writes one test:

    @pytest.mark.parametrize("check", CHECKS)
    def test_my_format(check):
        check(MyFormat())

A format of 16 bits or fewer is checked on every code word, and on every value, every midpoint between
neighbours and the float64 beside each of them; a wider one on a large sample: `format_probes.py` says which.
A check raises `ConformanceError` with the format, the input, what was expected and what came.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from bitwatt.formats import CATALOGUE, Format, nearest_by_table, parse_format
from bitwatt.testing.conformance import ConformanceError, refusal, require, same
from bitwatt.testing.format_probes import exactly_between, is_narrow, neighbours, probes, sample_codes

BRUTE_FORCE_BITS = 8
"""Formats of at most this many bits are compared with every one of their values, in exact arithmetic."""


def check_name(format_: Format) -> None:
    """Its name is read back as itself, by its family and by no other one."""
    name = str(format_)
    family_name = type(format_).__name__
    require(type(format_).parse(name) == format_, format_, f"{family_name}.parse('{name}') gives another")
    require(bool(type(format_).family and type(format_).spelling), format_, "family or spelling is empty")
    for family in CATALOGUE:
        if family is not type(format_):
            require(family.parse(name) is None, format_, f"{family.__name__} parses its name too")
    if type(format_) in CATALOGUE:
        require(parse_format(name) == format_, format_, f"parse_format('{name}') gives another")


def check_hashable_and_picklable(format_: Format) -> None:
    """It is a key of a dict, is frozen, and comes back from pickle as the same key."""
    try:
        copy = pickle.loads(pickle.dumps(format_))
        same = {format_: "it"}.get(copy) == "it"
    except Exception as error:  # pickle and hash raise what they like
        raise ConformanceError(f"{format_}: cannot be pickled and hashed: {error}") from error
    require(same, format_, "what comes back from pickle is another key")
    attribute = "added"
    try:
        setattr(format_, attribute, 1)
    except AttributeError:
        return
    raise ConformanceError(f"{format_}: can be changed; make it a frozen dataclass")


def check_codes_in_range(format_: Format) -> None:
    """Every code word decodes to a finite number or, where the format has one, an infinity; others never."""
    values = format_.decode(sample_codes(format_))
    require(not np.any(np.isnan(values)), format_, "a code word that is not reserved decodes to NaN")
    if not format_.has_infinity:
        require(bool(np.all(np.isfinite(values))), format_, "a code word decodes to an infinity")
    finite = values[np.isfinite(values)]
    for end, said, found in (
        ("smallest", format_.smallest, finite.min()),
        ("largest", format_.largest, finite.max()),
    ):
        require(said == found, format_, f"{end} is {said}, but a code word stands for {found}")
    encoded = format_.encode(probes(format_))
    require(
        bool(np.all((encoded >= 0) & (encoded < 2**format_.bits))), format_, "encode leaves the code words"
    )
    require(not np.any(format_.reserved(encoded)), format_, "encode gives a reserved code word")


def check_bad_codes_refused(format_: Format) -> None:
    """Reserved and out-of-range code words, and any that are no integers, are refused by name."""
    bad = [-1, 2**format_.bits, 2**62]
    if is_narrow(format_):
        words = np.arange(2**format_.bits)
        bad += [int(word) for word in words[format_.reserved(words)]]
    good = int(format_.encode(np.array([1.0]))[0])
    for word in bad:
        message = refusal(format_, format_.decode, np.array([good, word]))
        said = f"{word:#x}" in message and str(format_) in message
        require(said, format_, f"decode({word:#x}) must name the code word and the format, said '{message}'")
    refusal(format_, format_.decode, np.array([0.0]))


def check_nan_refused(format_: Format) -> None:
    """NaN is refused, by encode and quantize, wherever it stands."""
    for function in (format_.encode, format_.quantize):
        message = refusal(format_, function, np.array([[0.0, 1.0], [np.nan, 0.5]]))
        said = "NaN" in message and str(format_) in message
        require(said, format_, f"the refusal of NaN must name NaN and the format, said '{message}'")


def check_shape_and_type(format_: Format) -> None:
    """Shape is kept, from a scalar up; codes are int64 and values float64; the input is left alone."""
    for shape in ((), (0,), (3,), (2, 3), (2, 0, 3), (1, 2, 3, 4)):
        given = np.full(shape, 1.25)
        before = given.copy()
        codes = format_.encode(given)
        for what, got, dtype in (
            ("encode", codes, np.int64),
            ("decode", format_.decode(codes), np.float64),
            ("quantize", format_.quantize(given), np.float64),
            ("reserved", format_.reserved(codes), np.bool_),
        ):
            fits = np.shape(got) == shape and np.asarray(got).dtype == dtype
            require(fits, format_, f"{what} of shape {shape} gave {np.shape(got)} {np.asarray(got).dtype}")
        require(bool(np.array_equal(given, before)), format_, "encode changed its input")
    strided = np.linspace(-3, 3, 12).reshape(3, 4).T[::2]
    same(
        format_, "encode of a strided array", strided, format_.encode(strided), format_.encode(strided.copy())
    )
    same(
        format_, "encode of float32", 0, format_.encode(np.array([0.75], np.float32)), format_.encode([0.75])
    )
    same(format_, "encode of whole numbers", 0, format_.encode([-1, 0, 3]), format_.encode([-1.0, 0.0, 3.0]))


def check_grid(format_: Format) -> None:
    """Quantize is decode after encode; what is on the grid stays, and always has the same code word."""
    given = probes(format_)
    quantized = format_.quantize(given)
    same(format_, "quantize", given, quantized, format_.decode(format_.encode(given)))
    same(format_, "quantize twice", given, format_.quantize(quantized), quantized)
    values = format_.decode(sample_codes(format_))
    same(format_, "quantize of its own value", values, format_.quantize(values), values)
    codes = format_.encode(given)
    same(format_, "encode after decode", given, format_.encode(format_.decode(codes)), codes)


def check_monotone(format_: Format) -> None:
    """A larger number never becomes a smaller one."""
    given = np.sort(probes(format_))
    quantized = format_.quantize(given)
    falls = np.flatnonzero(quantized[1:] < quantized[:-1])
    where = f"falls between {given[falls[0]]} and {given[falls[0] + 1]}" if len(falls) else ""
    require(len(falls) == 0, format_, f"quantize {where}")


def check_symmetric(format_: Format) -> None:
    """quantize(-x) == -quantize(x), as far as both ends reach, if every value's negative is a value too.

    At a tie this needs a zero: without one, the tie between -v and v goes to a single side.
    """
    reach = min(format_.largest, -format_.smallest)
    values = format_.decode(sample_codes(format_))
    values = values[np.abs(values) <= reach]
    if reach <= 0 or not np.array_equal(format_.quantize(-values), -values):
        return
    given = probes(format_)
    given = given[np.abs(given) <= reach]
    if format_.quantize(0.0) != 0:
        given = given[given != 0]
    same(format_, "quantize of the negative", given, format_.quantize(-given), -format_.quantize(given))


def check_saturation(format_: Format) -> None:
    """Beyond its ends a number becomes the end; far beyond, the infinity of a format that has it."""
    for end, sign in ((format_.largest, 1.0), (format_.smallest, -1.0)):
        beside = np.nextafter(end, sign * np.inf)
        same(format_, "just beyond the end", beside, format_.quantize(beside), end)
        far = np.array([sign * np.inf, sign * np.finfo(np.float64).max])
        expected = sign * np.inf if format_.has_infinity else end
        same(format_, "far beyond the end", far, format_.quantize(far), expected)


def check_zero(format_: Format) -> None:
    """Zero of either sign is zero, if the format has one, and one value in any case."""
    same(format_, "-0.0", -0.0, format_.quantize(-0.0), format_.quantize(0.0))
    has_zero = bool(np.any(format_.decode(sample_codes(format_)) == 0))
    require((format_.quantize(0.0) == 0) == has_zero, format_, f"0 gives {format_.quantize(0.0)}")


def check_nearest(format_: Format) -> None:
    """Every number goes to the nearest value; of two equally near ones to that of the even code word.

    By the midpoint with each neighbour: exact, and with no search in common with `nearest_by_table`.
    """
    given = probes(format_)
    given = given[np.abs(given) <= max(format_.largest, -format_.smallest)]
    codes = format_.encode(given)
    values = format_.decode(codes)
    for other in neighbours(format_, codes):
        middle = exactly_between(values, other)
        for wrong, tie in (
            ((other > values) & (given > middle), (other > values) & (given == middle)),
            ((other < values) & (given < middle), (other < values) & (given == middle)),
        ):
            bad = np.flatnonzero(wrong | (tie & (codes % 2 == 1)))
            if len(bad):
                i = bad[0]
                why = "is nearer" if wrong[i] else "is as near and has the even code"
                raise ConformanceError(f"{format_}: {given[i]} became {values[i]}, but {other[i]} {why}")


def check_against_table(format_: Format) -> None:
    """Encode gives the code word that a search in the table of values gives (16 bits or fewer)."""
    if is_narrow(format_):
        given = probes(format_)
        same(format_, "encode, by table", given, format_.encode(given), nearest_by_table(format_, given))


def check_against_exact_search(format_: Format) -> None:
    """Encode gives what comparing with every value gives, in exact whole numbers (8 bits or fewer)."""
    if format_.bits > BRUTE_FORCE_BITS:
        return
    unit = 1074  # every float64 is a whole multiple of 2**-1074
    codes = [int(code) for code in format_.codes()]
    exact = [int(Fraction(float(value)) * 2**unit) for value in format_.decode(format_.codes())]
    given = probes(format_, sample=200)
    given = given[np.isfinite(given)]
    best = []
    for number in given:
        wanted = int(Fraction(float(number)) * 2**unit)
        best.append(
            min(zip(codes, exact, strict=True), key=lambda it: (abs(it[1] - wanted), it[0] % 2, it[0]))[0]
        )
    same(format_, "encode, by exact search", given, format_.encode(given), np.array(best))


def check_unit(format_: Format) -> None:
    """Every finite value is a whole multiple of 2**unit_exponent, and not all of them are even ones."""
    codes = sample_codes(format_)
    values = format_.decode(codes)
    finite = np.isfinite(values)
    codes, values = codes[finite], values[finite]
    scaled = np.ldexp(values, -format_.unit_exponent)
    parts = values[scaled != np.rint(scaled)]
    unit = f"2**{format_.unit_exponent}"
    require(len(parts) == 0, format_, f"{parts[:1]} is no whole multiple of its unit {unit}")
    require(
        bool(np.any(np.fmod(scaled, 2) != 0)), format_, f"every value is an even multiple of its unit {unit}"
    )
    fits = np.abs(scaled) < 2.0**63
    same(format_, "integers", codes[fits], format_.integers(codes[fits]), scaled[fits])
    for end, integer in (
        (format_.largest, format_.largest_integer),
        (format_.smallest, format_.smallest_integer),
    ):
        exact = integer * Fraction(2) ** format_.unit_exponent == Fraction(end)
        require(exact, format_, f"{integer} units of {unit} are not its end {end}")
    require(format_.is_signed == bool(np.any(values < 0)), format_, f"is_signed is {format_.is_signed}")


CHECKS: tuple[Callable[[Format], None], ...] = (
    check_name,
    check_hashable_and_picklable,
    check_codes_in_range,
    check_bad_codes_refused,
    check_nan_refused,
    check_shape_and_type,
    check_grid,
    check_monotone,
    check_symmetric,
    check_saturation,
    check_zero,
    check_nearest,
    check_against_table,
    check_against_exact_search,
    check_unit,
)
"""All of them, to parametrise a test with."""
