"""Giving up: below the median of the rivals at the same share of their training, and not on a few."""

from bitwatt.study.search.pruning import FEWEST_RIVALS, Rival, is_hopeless

RIVALS = tuple(Rival(0.9, {"0.5000": 0.5 + place / 10, "1.0000": 0.9}) for place in range(5))


def test_the_median_at_the_same_share_decides() -> None:
    assert is_hopeless({"0.5000": 0.69}, RIVALS)
    assert not is_hopeless({"0.5000": 0.71}, RIVALS)


def test_curves_of_other_lengths_are_compared_by_their_shares() -> None:
    assert not is_hopeless({"0.2500": 0.0}, RIVALS)  # no rival was looked at so early
    assert is_hopeless({"0.2500": 0.0, "0.7500": 0.69}, RIVALS)
    assert not is_hopeless({"0.2500": 0.8, "0.7500": 0.69}, RIVALS)  # its best counts


def test_few_rivals_are_none() -> None:
    assert not is_hopeless({"0.5000": 0.0}, RIVALS[: FEWEST_RIVALS - 1])
    assert is_hopeless({"0.5000": 0.0}, RIVALS[:FEWEST_RIVALS])
