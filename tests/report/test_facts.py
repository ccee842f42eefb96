from collections.abc import Callable
from typing import Any

import pytest

from bitwatt.errors import DataError
from bitwatt.report.facts import Facts, facts
from bitwatt.report.interval import wilson
from bitwatt.report.rows import Row

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def four(make_results: Make, make_point: Make) -> Facts:
    """float32 98 % at 10 µJ; fixed8 98 % at 2 µJ; fixed4 97 % at 1 µJ; binary 90 % at 1.5 µJ."""
    return facts(
        make_results(
            make_point("float32", 1960, 10e-6, 4.0),
            make_point("fixed8", 1960, 2e-6, 1.0),
            make_point("fixed4", 1940, 1e-6, 0.5),
            make_point("binary", 1800, 1.5e-6, 0.6, activations="fixed16"),
        )
    )


def row(found: Facts, precision: str) -> Row:
    return next(r for g in found.groups for r in g.rows if r.precision == precision)


def test_rows_keep_the_order_of_the_study(four: Facts) -> None:
    assert [r.precision for r in four.groups[0].rows] == ["float32", "fixed8", "fixed4", "binary"]


def test_savings_are_against_float32(four: Facts) -> None:
    saved = row(four, "fixed8").against
    assert saved is not None
    assert saved.energy == pytest.approx(0.8)
    assert saved.power == pytest.approx(0.8)
    assert saved.area == pytest.approx(0.75)
    assert saved.memory == 0.0
    own = row(four, "float32").against
    assert own is not None
    assert (own.energy, own.accuracy) == (0.0, 0.0)


def test_a_difference_is_told_apart_only_beyond_its_interval(four: Facts) -> None:
    near, far = row(four, "fixed8").against, row(four, "binary").against
    assert near is not None
    assert far is not None
    assert not near.told_apart
    assert far.told_apart
    assert far.accuracy == pytest.approx(-0.08)


def test_pareto_front_is_what_nothing_beats(four: Facts) -> None:
    # float32 is matched by fixed8 at less energy, binary beaten by fixed4 in both.
    assert [r.precision for r in four.groups[0].front] == ["fixed4", "fixed8"]


def test_equals_are_both_on_the_front(make_results: Make, make_point: Make) -> None:
    found = facts(make_results(make_point("fixed8", 1900, 1e-6), make_point("e4m3", 1900, 1e-6)))
    assert [r.precision for r in found.groups[0].front] == ["fixed8", "e4m3"]


@pytest.mark.parametrize(
    ("within", "choice"), [(0.0, "fixed8"), (0.009, "fixed8"), (0.01, "fixed4"), (0.1, "fixed4")]
)
def test_choice_is_the_cheapest_that_loses_no_more(
    make_results: Make, make_point: Make, within: float, choice: str
) -> None:
    records = make_results(
        make_point("float32", 1960, 10e-6), make_point("fixed8", 1960, 2e-6), make_point("fixed4", 1940, 1e-6)
    )
    assert facts(records, within).groups[0].choice.precision == choice


def test_without_float32_there_are_no_savings_and_the_best_is_held_to(
    make_results: Make, make_point: Make
) -> None:
    group = facts(make_results(make_point("fixed8", 1960, 2e-6), make_point("fixed4", 1950, 1e-6))).groups[0]
    assert group.reference is None
    assert all(r.against is None for r in group.rows)
    assert (group.baseline.precision, group.choice.precision) == ("fixed8", "fixed4")


def test_each_bit_between_neighbours_of_fixed_point(four: Facts) -> None:
    (step,) = four.groups[0].steps
    assert (step.wide, step.narrow, step.bits) == ("fixed8", "fixed4", 4)
    assert step.energy_j_a_bit == pytest.approx(0.25e-6)
    assert step.area_mm2_a_bit == pytest.approx(0.125)
    assert step.accuracy == pytest.approx(-0.01)


def test_steps_leave_out_mixed_widths(make_results: Make, make_point: Make) -> None:
    mixed = make_point("fixed4:fixed8", 1950, 1e-6, weights="fixed4", activations="fixed8")
    assert facts(make_results(make_point("fixed8", 1960, 2e-6), mixed)).groups[0].steps == ()


def test_seeds_are_averaged_and_their_spread_kept(make_results: Make, make_point: Make) -> None:
    points = [
        make_point("fixed8", correct, energy, seed=seed)
        for seed, correct, energy in ((0, 1940, 1e-6), (1, 1960, 2e-6), (2, 1980, 3e-6))
    ]
    found = row(facts(make_results(*points)), "fixed8")
    assert found.seeds == (0, 1, 2)
    assert found.accuracy.mean == pytest.approx(0.98)
    assert found.accuracy.spread == pytest.approx(0.02)
    assert found.energy_j == pytest.approx(2e-6)
    # Seeds see the same images: the interval is that of 2000 of them, not of 6000.
    assert found.accuracy.count == 2000
    assert (found.accuracy.low, found.accuracy.high) == wilson(found.accuracy.mean, 2000)


def test_one_seed_is_passed_through_exactly(results: dict[str, Any]) -> None:
    found = facts(results).groups[0].rows
    assert [r.energy_j for r in found] == [p["energy_j"] for p in results["points"]]


def test_components_are_stacked_in_order_and_unknown_ones_last(make_results: Make, make_point: Make) -> None:
    parts = {"zebra": 1e-6, "sb": 2e-6, "adder_trees": 3e-6, "weight_blocks": 4e-6}
    found = row(facts(make_results(make_point("fixed8", 1900, 1e-5, energy_j_by_component=parts))), "fixed8")
    assert [p.name for p in found.energy_parts] == ["weight_blocks", "adder_trees", "sb", "zebra"]
    assert [p.share for p in found.energy_parts] == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_networks_presets_and_technologies_are_not_compared_with_each_other(
    make_results: Make, make_point: Make
) -> None:
    found = facts(
        make_results(
            make_point("float32", 1960, 10e-6, preset="modern"),
            make_point("fixed8", 1960, 1e-6, preset="modern"),
            make_point("float32", 1960, 40e-6, preset="hashemi2017"),
            make_point("fixed8", 1960, 8e-6, preset="hashemi2017"),
            make_point("fixed8", 1500, 8e-6, network="alex", technology="sky130"),
        )
    )
    assert [(g.network, g.technology, g.preset) for g in found.groups] == [
        ("lenet", "nangate45", "modern"),
        ("lenet", "nangate45", "hashemi2017"),
        ("alex", "sky130", None),
    ]
    savings = [r.against.energy if r.against else None for g in found.groups for r in g.rows]
    assert savings == pytest.approx([0.0, 0.9, 0.0, 0.8, None])


def test_bits_of_a_precision_that_is_not_known(make_results: Make, make_point: Make) -> None:
    found = facts(make_results(make_point("posit8", 1900, 1e-6), make_point("binary", 1900, 1e-6)))
    assert [r.bits for r in found.groups[0].rows] == [None, (1, 16)]


def test_a_layer_whose_records_lack_a_figure(make_results: Make, make_point: Make) -> None:
    found = row(
        facts(make_results(make_point("fixed8", 1900, 1e-6, by_layer=[{"name": "fc", "cycles": 7}]))),
        "fixed8",
    )
    (layer,) = found.layers
    assert (layer.name, layer.cycles, layer.energy_j, layer.macs) == ("fc", 7.0, None, None)


def test_several_studies_are_groups_side_by_side(make_results: Make, make_point: Make) -> None:
    lenet = make_results(make_point("fixed8", 1900, 1e-6))
    alex = make_results(
        make_point("fixed4", 1800, 2e-6, network="alex"), data=lenet["data"] | {"name": "cifar10"}
    )
    found = facts([lenet, alex])
    assert [(group.network, group.study.data.name) for group in found.groups] == [
        ("lenet", "mnist-small"), ("alex", "cifar10")
    ]  # fmt: skip
    assert [study.data.name for study in found.studies] == ["mnist-small", "cifar10"]
    with pytest.raises(DataError, match=r"^results of study 2: schema must be 1, got 2"):
        facts([lenet, alex | {"schema": 2}])
