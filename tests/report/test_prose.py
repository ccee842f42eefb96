from collections.abc import Callable
from typing import Any

from bitwatt.report.facts import Group, facts
from bitwatt.report.prose import (
    cautions,
    choice_sentence,
    command,
    data_phrase,
    group_label,
    headline,
    on_data,
    shares_sentence,
    step_sentence,
    tile_sentences,
    trade_sentences,
)
from bitwatt.report.records import Data, check_results

Make = Callable[..., dict[str, Any]]


def group(records: dict[str, Any], within: float = 0.01) -> Group:
    return facts(records, within).groups[0]


def test_the_answer(results: dict[str, Any]) -> None:
    assert headline(group(results)) == (
        "fixed4 takes 2.9 % of float32's energy and is right on 97.85 % of the test images, float32 on "
        "98.30 %."
    )
    assert choice_sentence(group(results)) == (
        "It is the cheapest of 7 precisions within 1 point of float32. It saves 97.1 % of the energy of "
        "an image, "
        "96.0 % of the tile's area and 87.4 % of the parameter memory. Its accuracy differs by −0.45 "
        "points, which "
        "2,000 test images cannot tell from none (95 % interval −1.33 to +0.41)."
    )


def test_a_loss_that_the_test_set_can_tell(make_results: Make, make_point: Make) -> None:
    found = group(make_results(make_point("float32", 1960, 1e-5), make_point("fixed4", 1900, 1e-6)), 0.05)
    sentence = choice_sentence(found)
    assert sentence is not None
    assert "differs by −3.00 points, more than chance in 2,000 test images explains (" in sentence
    assert "within 5 points of float32" in sentence


def test_no_cheaper_precision_is_near_enough(make_results: Make, make_point: Make) -> None:
    found = group(make_results(make_point("float32", 1960, 1e-5), make_point("fixed4", 1700, 1e-6)))
    assert headline(found) == (
        "No cheaper precision stays within 1 point of float32's 98.00 %; fixed4 comes nearest, at 85.00 %."
    )
    assert choice_sentence(found) is None


def test_no_precision_is_cheaper(make_results: Make, make_point: Make) -> None:
    found = group(make_results(make_point("float32", 1960, 1e-6), make_point("fixed32", 1960, 1e-5)))
    assert (
        headline(found)
        == "Nothing is cheaper than float32: 98.00 % of the test images right, 1.00 µJ an image."
    )


def test_one_point_only(make_results: Make, make_point: Make) -> None:
    assert headline(group(make_results(make_point("fixed8", 1960, 2e-6)))) == (
        "Only fixed8 was studied: 98.00 % of the test images right, 2.00 µJ an image."
    )


def test_without_float32(make_results: Make, make_point: Make) -> None:
    records = make_results(make_point("fixed8", 1960, 2e-6), make_point("fixed4", 1950, 1e-6))
    assert headline(group(records)) == (
        "fixed4 comes within 1 point of fixed8, the most accurate, for 50.0 % of its energy: 97.50 % against "
        "98.00 %."
    )
    assert cautions(facts(records))[0] == (
        "LeNet has no float32 point, so that no savings can be stated: add it with --precisions float32,…"
    )


def test_what_each_loss_of_accuracy_buys(
    results: dict[str, Any], make_results: Make, make_point: Make
) -> None:
    assert trade_sentences(group(results)) == (
        "Losing no accuracy: fixed16, 12.0 µJ an image, 79.4 % less than float32.",
        "Losing 0.05 points: fixed8, 4.16 µJ an image, 92.8 % less than float32.",
        "Losing 0.45 points: fixed4, 1.70 µJ an image, 97.1 % less than float32.",
    )
    assert trade_sentences(group(make_results(make_point("fixed8", 1960, 2e-6)))) == ()


def test_a_costlier_row_is_no_trade(make_results: Make, make_point: Make) -> None:
    found = group(make_results(make_point("float32", 1900, 1e-6), make_point("fixed32", 1960, 1e-5)))
    assert trade_sentences(found) == ()


def test_the_numbers_of_images_are_said_once() -> None:
    data = {"name": "digits", "train": 10000, "test": 2000}
    said = [
        data_phrase(Data(**data, source=source))
        for source in ("", "MNIST", "10,000 training and 2,000 test images of MNIST")
    ]
    assert said == [
        "10,000 training and 2,000 test images",
        "10,000 training and 2,000 test images (MNIST)",
        "10,000 training and 2,000 test images of MNIST",
    ]


def test_what_each_bit_costs(make_results: Make, make_point: Make) -> None:
    found = group(make_results(make_point("fixed8", 1960, 2e-6, 0.8), make_point("fixed4", 1950, 1e-6, 0.4)))
    assert step_sentence(found.steps[0]) == (
        "From fixed8 to fixed4, each of the 4 bits dropped saves 250 nJ an image and 0.100 mm²; "
        "accuracy changes by −0.50 points."
    )


def test_how_arithmetic_and_buffers_share(make_results: Make, make_point: Make) -> None:
    wide = make_point(
        "fixed8", 1960, 1e-5, energy_j_by_component={"weight_blocks": 8e-6, "sb": 1e-6, "clock": 1e-6}
    )
    narrow = make_point("fixed4", 1960, 1e-6, energy_j_by_component={"weight_blocks": 2e-7, "bin": 8e-7})
    both, one = group(make_results(wide, narrow)), group(make_results(wide))
    assert shares_sentence(both.rows, lambda row: row.energy_parts, "energy") == (
        "Arithmetic is 80 % of fixed8's energy and 20 % of fixed4's; buffers are 10 % and 80 %."
    )
    assert shares_sentence(one.rows, lambda row: row.energy_parts, "energy") == (
        "Arithmetic is 80 % of fixed8's energy, buffers 10 %."
    )


def test_the_tile_in_two_sentences(results: dict[str, Any]) -> None:
    first, second = tile_sentences(results["tile"], "nangate45")
    assert first == (
        "The tile has 16 neurons of 16 synapses each, 256 weight blocks in all, with an adder tree, an "
        "accumulator "
        "and an output stage for each neuron and three buffers, 64 rows deep, of SRAM macros (nangate45 "
        "at 250 MHz; "
        "idle registers are spared the clock)."
    )
    assert second.startswith("A layer's outputs are computed 16 at a time: each cycle reads 16 inputs")
    flops = tile_sentences(results["tile"] | {"buffers": "flops", "clock_gating": False}, "nangate45")
    assert "of flip-flops (nangate45 at 250 MHz; no clock is gated)" in flops[0]
    assert tile_sentences({}, "nangate45") == ()


def test_cautions_are_there_only_where_they_are_true(make_results: Make, make_point: Make) -> None:
    stated = {"accuracy": "measured", "energy": "measured", "area": "measured"}
    seeds = [make_point("float32", 1960, 1e-5, seed=seed, provenance=stated) for seed in (0, 1)]
    assert cautions(facts(make_results(*seeds))) == (
        "Accuracy was counted on 2,000 test images: it is known to about ±0.62 points (95 % Wilson "
        "interval), and "
        "smaller differences between rows may be chance.",
        "Energy is the tile's own, buffers included; traffic to outside memory is not in it unless a "
        "source says so.",
    )
    mixed = make_point("fixed8", 1960, 1e-6, provenance=stated | {"energy": "assumed", "area": ""})
    found = cautions(facts(make_results(seeds[0], mixed)))
    assert found[0] == (
        "The sources of energy and area differ in kind between precisions: part of a difference between "
        "two rows may "
        "be a difference of method. The table of sources says which is which."
    )
    assert found[1] == "Area does not say where it comes from."
    assert found[2] == "Energy rests in part on assumed values, which nobody measured."
    assert found[4] == "Every point was trained once: how much another seed would change it is not known."


def test_the_command_to_make_it_again(make_results: Make, make_point: Make) -> None:
    points = [make_point("float32", 1960, 1e-5), make_point("fixed8", 1960, 1e-6)]
    assert command(check_results(make_results(*points))) == (
        "bitwatt study --network lenet --data mnist-small --precisions float32,fixed8 --out DIR"
    )
    given = "bitwatt study study.toml"
    assert command(check_results(make_results(*points, command=given))) == given


def test_groups_are_named_by_what_tells_them_apart(make_results: Make, make_point: Make) -> None:
    alone = facts(make_results(make_point("fixed8", 1960, 1e-6, preset="modern")))
    assert [group_label(g, alone) for g in alone.groups] == ["LeNet"]
    several = facts(
        make_results(
            make_point("fixed8", 1960, 1e-6, preset="modern"),
            make_point("fixed8", 1960, 1e-6, preset="hashemi2017", technology="sky130"),
            make_point("fixed8", 1960, 1e-6, network="mine"),
        )
    )
    assert [group_label(g, several) for g in several.groups] == [
        "LeNet, nangate45, modern preset",
        "LeNet, sky130, hashemi2017 preset",
        "mine, nangate45",
    ]


def test_studies_of_one_network_are_told_apart_by_data_or_name(make_results: Make, make_point: Make) -> None:
    first, second, third = (make_results(make_point("fixed8", 1960, 1e-6)) for _ in range(3))
    third["data"] = third["data"] | {"name": "mnist"}
    on_two = facts([first, third])
    assert [group_label(g, on_two) for g in on_two.groups] == ["LeNet on mnist-small", "LeNet on mnist"]
    assert [on_data(g, on_two) for g in on_two.groups] == ["LeNet on mnist-small", "LeNet on mnist"]
    named = facts([first | {"study": "distilled"}, second])
    assert [on_data(g, named) for g in named.groups] == [
        "LeNet (distilled) on mnist-small", "LeNet (study 2) on mnist-small"
    ]  # fmt: skip


def test_a_study_that_is_not_finished_says_so(make_results: Make, make_point: Make) -> None:
    records = make_results(
        make_point("float32", 1960, 1e-5), planned_points=3, failed_points=["lenet fixed4 seed 0"]
    )
    assert cautions(facts(records))[0] == "1 of 3 planned points are here; failed: lenet fixed4 seed 0."
    assert cautions(facts(records | {"failed_points": []}))[0] == "1 of 3 planned points are here."


def test_the_command_has_what_differs_from_its_defaults(results: dict[str, Any]) -> None:
    for point in results["points"]:
        point["seed"] = 3
    results["data"]["name"] = "my digits.npz"
    results |= {"technology": "sky130", "tile": {"preset": "hashemi2017"}}
    assert command(check_results(results)) == (
        "bitwatt study --network lenet --data 'my digits.npz' --precisions paper --seeds 3 "
        "--technology sky130 --preset hashemi2017 --out DIR"
    )
