"""The time that is left, worked out by hand."""

from __future__ import annotations

import pytest

from bitwatt.study.estimate import BESIDE_EPOCHS, Left, rate_key, seconds_left

FLOAT = Left("f", None, 10, "lenet", rate_key("lenet", None))
POINTS = [Left(name, "f", 4, "lenet", rate_key("lenet", name)) for name in ("a", "b", "c")]
SECONDS = {rate_key("lenet", None): 2.0, BESIDE_EPOCHS: 1.0}


def test_nothing_is_known_before_the_first_epoch() -> None:
    assert seconds_left([FLOAT, *POINTS], {}, 2) is None


def test_nothing_is_left() -> None:
    assert seconds_left([], {}, 2) == 0.0
    assert seconds_left([], {}, 0) == 0.0


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        (1, 21 + 3 * 9),  # one after the other
        (2, 21 + 2 * 9),  # the float stage alone, then two rounds
        (3, 21 + 9),
        (9, 21 + 9),
    ],
)
def test_points_wait_for_their_float_training(workers: int, expected: float) -> None:
    assert seconds_left([FLOAT, *POINTS], SECONDS, workers) == expected


def test_a_stage_has_its_own_rate_once_it_is_known() -> None:
    own = SECONDS | {rate_key("lenet", "a"): 5.0}
    # b and c take the mean of what is known of the network: (2 + 5) / 2.
    assert seconds_left(POINTS, own, 1) == (4 * 5 + 1) + 2 * (4 * 3.5 + 1)


def test_another_network_says_nothing_of_this_one() -> None:
    assert seconds_left(POINTS, {rate_key("lenet5", None): 2.0}, 1) is None
