from itertools import pairwise

import pytest

from bitwatt.errors import RequestError
from bitwatt.technology.scaling import scale_factors


def test_the_example_of_the_authors_corrigendum():
    """1 pJ at 65 nm and 1.3 V is 0.1755 pJ at 32 nm and 0.9 V."""
    assert scale_factors(65, 32, 1.3, 0.9).energy == pytest.approx(0.1755, abs=1e-4)


def test_there_and_back_is_one():
    there, back = scale_factors(45, 65, 1.1, 1.2), scale_factors(65, 45, 1.2, 1.1)
    for figure in ("area", "energy", "delay"):
        assert getattr(there, figure) * getattr(back, figure) == pytest.approx(1)


@pytest.mark.parametrize("device", ["hp", "lp"])
def test_smaller_nodes_are_smaller_faster_and_thriftier(device):
    nodes = [180, 130, 90, 65, 45, 32, 20, 16, 14, 10, 7]
    steps = [scale_factors(a, b, 1.0, 1.0, device=device) for a, b in pairwise(nodes)]
    assert all(step.area < 1 for step in steps)
    # The paper's low power devices start anew at 45 nm, slower than its 65 nm ones.
    assert all(step.energy < 1 and step.delay < 1 for step in steps[(0 if device == "hp" else 4) :])


def test_area_is_the_papers_table():
    """Entries of other rows of the table, to the two digits it has."""
    for from_nm, to_nm, factor in [
        (65, 45, 0.66),
        (130, 65, 0.23),
        (90, 32, 0.16),
        (32, 7, 0.13),
        (180, 90, 0.15),
    ]:
        assert scale_factors(from_nm, to_nm, 1.0, 1.0).area == pytest.approx(factor, rel=0.04)


def test_constant_field():
    factors = scale_factors(45, 90, 1.0, 2.0, method="constant_field")
    assert (factors.area, factors.energy, factors.delay) == (4, 8, 2)
    assert "Dennard" in factors.source
    assert "Stillmaker" in scale_factors(45, 90, 1.0, 1.0).source


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((45, 28, 1, 1), {}, "unknown node (nm) '28'; did you mean '32'? Allowed: 180, 130, 90, 65, 45, "
        "32, 20, 16, 14, 10, 7"),
        ((45, 65, 1, 1), {"method": "stillmaker"},
         "unknown scaling method 'stillmaker'; did you mean 'stillmaker2017'? Allowed: stillmaker2017, "
         "constant_field"),
        ((45, 32, 1, 1), {"device": "h"}, "unknown device 'h'; did you mean 'hp'? Allowed: hp, lp"),
        ((45, 65, 0, 1), {}, "supply voltages must be positive, got 0 V and 1 V"),
        ((45, 65, 2.5, 1), {}, "2.5 V lies outside the fit of the scaling equations for 45 nm"),
    ],
)  # fmt: skip
def test_errors(arguments, options, message):
    with pytest.raises(RequestError) as caught:
        scale_factors(*arguments, **options)
    assert str(caught.value) == message
