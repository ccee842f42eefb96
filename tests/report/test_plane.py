"""The plane of widths: its axes, and where they begin to hurt."""

from dataclasses import replace

import pytest

from bitwatt.errors import DataError
from bitwatt.report.facts import against, facts
from bitwatt.report.plane import hurts, narrowest_unhurt, plane


def test_axes_run_from_narrow_to_wide(plane_records) -> None:
    found = plane(facts(plane_records).groups[0])
    assert found.weights == ("binary", "fixed4", "pow2", "fixed6", "fixed16")
    assert found.inputs == ("fixed4", "fixed16")
    assert found.reference.precision == "float32"
    assert [row.weights for row in found.column("fixed16")] == list(found.weights)
    assert [row.activations for row in found.line("fixed4")] == ["fixed4", "fixed16"]


def test_what_hurts_is_told_apart_from_float32_and_below_it(plane_records) -> None:
    found = plane(facts(plane_records).groups[0])
    hurt = {(row.weights, row.activations) for row in found.rows.values() if hurts(row)}
    # 1,900 of 2,000 against 1,980: 4 points, where chance explains 1.1. 1,976 is 0.2 below.
    assert hurt == {("binary", "fixed4"), ("binary", "fixed16"), ("fixed4", "fixed4")}


def test_the_least_loss_that_is_told_from_none(plane_records) -> None:
    found = plane(facts(plane_records).groups[0])
    # Two shares of 0.99 on 2,000 images differ by chance by 1.96 * sqrt(2 * 0.99 * 0.01 / 2000) = 0.0062; by
    # more towards the lower side, where the interval is wider.
    assert 0.0062 < found.resolution < 0.0085
    rows = {row.weights: row for row in found.column("fixed16")}
    worse = replace(rows["fixed6"].accuracy, mean=found.reference.accuracy.mean - found.resolution)
    change = against(replace(rows["fixed6"], accuracy=worse), found.reference)
    assert hurts(replace(rows["fixed6"], against=change))


def test_an_axis_is_followed_from_its_wide_end_to_the_first_that_hurts(plane_records) -> None:
    found = plane(facts(plane_records).groups[0])
    assert narrowest_unhurt(found.column("fixed16")).weights == "fixed4"
    assert narrowest_unhurt(found.column("fixed4")).weights == "pow2"
    assert narrowest_unhurt(found.line("binary")) is None
    # A narrow one that happens not to hurt below one that does is no answer.
    rows = found.column("fixed4")
    unhurt = replace(
        rows[0], against=replace(rows[0].against, accuracy=0.0, accuracy_low=-1.0, accuracy_high=1.0)
    )
    assert narrowest_unhurt((unhurt, *rows[1:])).weights == "pow2"


def test_the_cheapest_that_does_not_hurt(plane_records) -> None:
    found = plane(facts(plane_records).groups[0])
    assert found.cheapest_unhurt.precision == "fixed4:fixed16"


def test_without_float32_there_is_nothing_to_compare_with(plane_records) -> None:
    points = [point for point in plane_records["points"] if point["precision"] != "float32"]
    with pytest.raises(
        DataError, match="lenet: a plane is compared with float32, which is not among the points"
    ):
        plane(facts(plane_records | {"points": points}).groups[0])
