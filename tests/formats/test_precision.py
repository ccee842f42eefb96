"""Names of precisions, what each stands for, and what is said of the others."""

import itertools

import pytest

import bitwatt.formats
from bitwatt.errors import RequestError, unknown_name
from bitwatt.formats import (
    CATALOGUE,
    FORMATS,
    PAPER,
    Binary,
    Fixed,
    Float32,
    Minifloat,
    PowerOfTwo,
    Precision,
    Ternary,
    default_activations,
    parse_format,
    parse_precision,
    parse_precisions,
)

ALLOWED = (
    "Allowed: float32, fixed2 to fixed32, ufixed2 to ufixed32, pow2 (6 bits), pow2-2 to pow2-8, "
    "binary, ternary, e4m3 (exponent e2 to e5, mantissa m1 to m10)"
)


@pytest.mark.parametrize(
    "name, weights, activations",
    [
        ("float32", Float32(), Float32()),
        ("fixed32", Fixed(32), Fixed(32)),
        ("fixed16", Fixed(16), Fixed(16)),
        ("fixed8", Fixed(8), Fixed(8)),
        ("fixed4", Fixed(4), Fixed(4)),
        ("pow2", PowerOfTwo(6), Fixed(16)),
        ("binary", Binary(), Fixed(16)),
        ("fixed4:fixed8", Fixed(4), Fixed(8)),
        ("ternary:fixed8", Ternary(), Fixed(8)),
        ("e4m3:e4m3", Minifloat(4, 3), Minifloat(4, 3)),
        ("ternary", Ternary(), Fixed(16)),
        ("e4m3", Minifloat(4, 3), Minifloat(4, 3)),
        ("fixed6", Fixed(6), Fixed(6)),
        ("pow2-4:fixed8", PowerOfTwo(4), Fixed(8)),
        ("pow2-6", PowerOfTwo(6), Fixed(16)),
        ("fixed8:ufixed8", Fixed(8), Fixed(8, signed=False)),
        (" fixed8 : fixed4 ", Fixed(8), Fixed(4)),
    ],
)
def test_names(name, weights, activations):
    assert parse_precision(name) == Precision(weights=weights, activations=activations)


def test_the_papers_seven_in_order():
    names = ["float32", "fixed32", "fixed16", "fixed8", "fixed4", "pow2", "binary"]
    assert [precision.name for precision in PAPER] == names
    assert parse_precisions("paper") == PAPER


def test_lists_keep_their_order_and_drop_repeats():
    found = parse_precisions("ternary, fixed8,paper,fixed8:fixed8,fixed4:fixed8")
    names = "ternary fixed8 float32 fixed32 fixed16 fixed4 pow2 binary fixed4:fixed8"
    assert [str(precision) for precision in found] == names.split()


def test_short_name_where_activations_are_the_usual_ones():
    assert str(Precision(Fixed(8), Fixed(8))) == "fixed8"
    assert str(Precision(Fixed(8), Fixed(16))) == "fixed8:fixed16"
    assert str(Precision(Binary(), Fixed(16))) == "binary"
    assert str(Precision(PowerOfTwo(4), Fixed(16))) == "pow2-4"
    assert str(Precision(Fixed(8, signed=False), Fixed(8))) == "ufixed8:fixed8"
    assert default_activations(Fixed(8, signed=False)) is None


def test_every_allowed_pair_is_read_back_and_every_other_is_named():
    for weights, activations in itertools.product(FORMATS, FORMATS):
        if (weights, activations).count(Float32()) == 1 or activations == Binary():
            with pytest.raises(RequestError, match=f"^precision '{weights}:{activations}': "):
                Precision(weights, activations)
        else:
            precision = Precision(weights, activations)
            assert parse_precision(str(precision)) == precision
            assert parse_precision(f"{weights}:{activations}") == precision
            assert precision.is_float == (weights == Float32())


@pytest.mark.parametrize(
    "name, message",
    [
        ("fixd8", f"unknown format 'fixd8'; did you mean 'fixed8'? {ALLOWED}"),
        ("FIXED8", f"unknown format 'FIXED8'; did you mean 'fixed8'? {ALLOWED}"),
        ("fixed8:bunary", f"unknown format 'bunary'; did you mean 'binary'? {ALLOWED}"),
        ("float16", f"unknown format 'float16'; did you mean 'float32'? {ALLOWED}"),
        ("qqq", f"unknown format 'qqq'. {ALLOWED}"),
        ("", f"unknown format ''. {ALLOWED}"),
        ("fixed8:", f"unknown format ''. {ALLOWED}"),
        ("fixed8:fixed4:fixed2", f"unknown format 'fixed4:fixed2'; did you mean 'fixed4'? {ALLOWED}"),
        ("fixed" + "9" * 5000, f"unknown format 'fixed{'9' * 5000}'. {ALLOWED}"),
        ("fixed33", "fixed point: width must be a whole number from 2 to 32, got 33"),
        ("ufixed1", "fixed point: width must be a whole number from 2 to 32, got 1"),
        ("pow2-0", "powers of two: width must be a whole number from 2 to 8, got 0"),
        ("e6m1", "small floating point: exponent_bits must be a whole number from 2 to 5, got 6"),
        ("e4m0", "small floating point: mantissa_bits must be a whole number from 1 to 10, got 0"),
        (
            "float32:fixed8",
            "precision 'float32:fixed8': float32 goes only with float32; a mixed multiplier is not built",
        ),
        (
            "fixed8:float32",
            "precision 'fixed8:float32': float32 goes only with float32; a mixed multiplier is not built",
        ),
        (
            "fixed8:binary",
            "precision 'fixed8:binary': activations need a zero (zero padding and ReLU produce it) "
            "and binary has none; use ternary or fixed2",
        ),
        (
            "ufixed8",
            "precision 'ufixed8': unsigned weights imply no activations; name both, as in "
            "'ufixed8:ufixed8', or 'fixed8:ufixed8' if only the activations were meant",
        ),
    ],
)
def test_names_refused(name, message):
    with pytest.raises(RequestError) as caught:
        parse_precision(name)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["", "fixed8,", ",fixed8", "fixed8,,fixed4", " "])
def test_empty_names_in_a_list_refused(text):
    with pytest.raises(RequestError) as caught:
        parse_precisions(text)
    assert str(caught.value) == (
        f"precisions '{text}': a name is empty; give names with commas between, as in 'paper,ternary'"
    )


def test_a_list_with_an_unknown_name_refused():
    with pytest.raises(RequestError) as caught:
        parse_precisions("paper,fixd8")
    assert str(caught.value) == f"unknown format 'fixd8'; did you mean 'fixed8'? {ALLOWED}"


def test_names_in_place_of_formats_refused():
    with pytest.raises(RequestError) as caught:
        Precision("fixed8", Fixed(8))
    assert str(caught.value) == (
        "precision: weights must be a Format, got 'fixed8'; for a name use bitwatt.formats.parse_precision"
    )


def test_catalogue():
    assert set(FORMATS) == {member for members in CATALOGUE.values() for member in members}
    assert len(set(map(str, FORMATS))) == len(FORMATS)
    for family, members in CATALOGUE.items():
        assert all(type(member) is family for member in members)
    for name in bitwatt.formats.__all__:
        assert hasattr(bitwatt.formats, name)


def test_unknown_name_matches_against_the_allowed_names():
    assert str(unknown_name("network", "LeNett", ["lenet", "alex"])) == (
        "unknown network 'LeNett'; did you mean 'lenet'? Allowed: lenet, alex"
    )
    assert str(unknown_name("network", "vgg", ["lenet", "alex"])) == (
        "unknown network 'vgg'. Allowed: lenet, alex"
    )
    assert str(parse_format("fixed8")) == "fixed8"
