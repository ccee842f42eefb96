import pytest

from bitwatt.errors import DataError
from bitwatt.technology.lookup import lookup_table

SURFACE = lookup_table(
    "here", ("input_net_transition", "total_output_net_capacitance"), ((0.0, 1.0, 4.0), (0.0, 10.0)),
    (0.0, 100.0, 1.0, 101.0, 4.0, 104.0),
)  # fmt: skip


@pytest.mark.parametrize(("slew", "load"), [(0, 0), (1, 10), (0.5, 5), (2.5, 7), (6, 20), (-1, -1)])
def test_a_plane_is_reproduced_everywhere(slew, load):
    assert SURFACE.at(slew, load) == pytest.approx(slew + 10 * load)


def test_axes_are_told_apart_by_their_variable():
    swapped = lookup_table(
        "here", ("total_output_net_capacitance", "input_transition_time"), ((0.0, 10.0), (0.0, 1.0)),
        (0.0, 1.0, 100.0, 101.0),
    )  # fmt: skip
    assert swapped.at(slew=0.5, load=5) == pytest.approx(50.5)


def test_scalar_and_line():
    assert lookup_table("here", (), (), (7.0,)).at(3, 4) == 7.0
    line = lookup_table("here", ("input_transition_time",), ((0.0, 2.0, 3.0),), (0.0, 4.0, 4.0))
    assert [line.at(x, 99) for x in (1.0, 2.0, 2.5, 4.0)] == [2.0, 4.0, 4.0, 4.0]


@pytest.mark.parametrize(
    ("variables", "axes", "values", "message"),
    [
        (("a",), ((0.0, 1.0),), (1.0,), "here: 2 values expected for axes of [2] points, got 1"),
        (("a",), ((1.0, 1.0),), (1.0, 2.0), "here: an axis must rise, got (1.0, 1.0)"),
        ((), ((1.0, 2.0),), (1.0, 2.0), "here: 1 axes but 0 variables ()"),
        (("a", "b", "c"), ((1.0,),) * 3, (1.0,), "here: tables of 3 axes are not supported; at most 2"),
    ],
)
def test_errors(variables, axes, values, message):
    with pytest.raises(DataError) as caught:
        lookup_table("here", variables, axes, values)
    assert str(caught.value) == message
