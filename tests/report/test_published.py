from collections.abc import Callable
from typing import Any

import pytest

from bitwatt.report.comparison import compare
from bitwatt.report.facts import facts
from bitwatt.report.published import PRINTED_SAVINGS, PUBLISHED, published, same_data

Make = Callable[..., dict[str, Any]]


def test_the_printed_savings_follow_from_the_printed_absolutes() -> None:
    reference = published("lenet", "float32")
    assert reference is not None
    for precision, (area, power) in PRINTED_SAVINGS.items():
        point = published("lenet", precision)
        assert point is not None
        # Printed to 0.01 %, from areas printed to 0.01 mm2 (0.05 % of the smallest saving's difference).
        assert 1 - point.area_mm2 / reference.area_mm2 == pytest.approx(area, abs=6e-4)
        assert 1 - point.power_w / reference.power_w == pytest.approx(power, abs=1e-4)


def test_energy_over_power_is_a_run_time_of_one_network_at_every_precision() -> None:
    # 37 to 44 us for LeNet, 546 for ConvNet, 207 to 243 for ALEX: the reading of the tables was consistent.
    ranges = {"lenet": (37e-6, 45e-6), "convnet": (545e-6, 548e-6), "alex": (207e-6, 244e-6)}
    checked = 0
    for point in PUBLISHED:
        if point.network in ranges and point.energy_j is not None:
            low, high = ranges[point.network]
            assert low < point.energy_j / point.power_w < high, point
            checked += 1
    assert checked == 19


def test_what_was_published_is_all_there() -> None:
    assert len(PUBLISHED) == 29
    assert [(p.network, p.precision) for p in PUBLISHED if p.accuracy is None] == [
        ("convnet", "fixed4"),
        ("alex", "fixed4"),
    ]
    headline = published("alex++", "pow2")
    assert headline is not None
    assert (headline.accuracy, headline.energy_j) == (pytest.approx(0.8126), pytest.approx(215.05e-6))
    assert published("lenet", "fixed2") is None


@pytest.mark.parametrize(
    ("network", "data", "same"),
    [
        ("lenet", "mnist", True),
        ("lenet", "mnist-small", True),
        ("lenet", "fashion-mnist", False),
        ("alex", "cifar10", True),
        ("alex", "CIFAR-100", True),
        ("convnet", "svhn-stand-in", True),
        ("convnet", "cifar10", False),
    ],
)
def test_same_data(network: str, data: str, same: bool) -> None:
    point = published(network, "fixed8")
    assert point is not None
    assert same_data(point, data) is same


def test_ours_beside_theirs_says_what_differs(results: dict[str, Any]) -> None:
    found = facts(results)
    comparison = compare(found.groups[0])
    assert comparison is not None
    assert [b.row.precision for b in comparison.rows] == [p["precision"] for p in results["points"]]
    fixed8 = comparison.rows[3]
    assert fixed8.published.accuracy == pytest.approx(0.9922)
    assert fixed8.energy_saving == pytest.approx(1 - 8.86 / 60.74)
    assert fixed8.area_saving == pytest.approx(0.7994, abs=6e-4)
    assert comparison.comparable_accuracy
    assert comparison.differences == (
        "data: MNIST, whose test set has 10,000 images, there; "
        "mnist-small with 10,000 training and 2,000 test images here",
        "technology: 65 nm there, nangate45 here",
        "buffers: SRAM macros here; the published areas and powers are explained by buffers of flip-flops "
        "whose "
        "clock nothing gates, and the published savings are in the main of buffer bits",
    )


def test_accuracies_on_other_data_are_not_set_beside_each_other(make_results: Make, make_point: Make) -> None:
    data = {"name": "fashion-mnist", "train": 60000, "test": 10000, "sha256": ""}
    tile = {"clock_hz": 500e6, "buffers": "flops"}
    found = facts(make_results(make_point("fixed8", 1900, 1e-6), data=data, tile=tile))
    comparison = compare(found.groups[0])
    assert comparison is not None
    assert not comparison.comparable_accuracy
    assert comparison.differences == (
        "data: MNIST there, fashion-mnist here, so that accuracies are not set beside each other",
        "technology: 65 nm there, nangate45 here",
        "clock: 250 MHz there, 500 MHz here",
    )


def test_a_network_or_precision_that_was_not_published(make_results: Make, make_point: Make) -> None:
    found = facts(
        make_results(make_point("fixed8", 1900, 1e-6, network="mine"), make_point("fixed2", 1900, 1e-6))
    )
    assert [compare(group) for group in found.groups] == [None, None]


def test_a_larger_network_has_no_published_float32_to_save_against(
    make_results: Make, make_point: Make
) -> None:
    data = {"name": "cifar10", "train": 50000, "test": 10000, "sha256": ""}
    found = facts(make_results(make_point("pow2", 1600, 1e-6, network="alex++"), data=data))
    comparison = compare(found.groups[0])
    assert comparison is not None
    assert comparison.rows[0].energy_saving is None
    assert "the network here is bitwatt's reading of it" in comparison.differences[-1]
